//! A JPEG of a PDF as a file of its own (ITU-T T.81 annex B).

use super::Scan;

/// Fewer bits a pixel than this have only pages without anything to see, and whether they are blank shows only when
/// they are rendered. A block of one colour takes six bits.
const LEAST_BITS_PER_PIXEL: f64 = 0.25;

/// The same picture without what a PDF ignores and a viewer of images does not: orientation, colour profile, comments.
///
/// Nothing but tables, one frame header and scans is kept, each length checked. None when that is not the picture that
/// `scan` tells of, ends too early, or is of a kind that viewers show in different ways: arithmetic coding, four
/// channels, red-green-blue without conversion.
pub(crate) fn without_metadata(file: &[u8], scan: Scan) -> Option<Vec<u8>> {
    let pixels = f64::from(scan.width) * f64::from(scan.height);
    if (file.len() as f64) * 8.0 < pixels * LEAST_BITS_PER_PIXEL {
        return None;
    }
    let mut kept = Vec::with_capacity(file.len());
    let mut rest = file.strip_prefix(b"\xff\xd8")?;
    kept.extend(b"\xff\xd8");
    let mut has_frame = false;
    let mut has_scan = false;
    loop {
        // Any number of fill bytes may stand before a marker.
        let (&first, tail) = rest.split_first()?;
        let (&code, after) = tail.split_first()?;
        if first != 0xff {
            return None;
        }
        if code == 0xff {
            rest = tail;
            continue;
        }
        if code == 0xd9 {
            kept.extend([0xff, 0xd9]);
            return (has_frame && has_scan).then_some(kept);
        }
        let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
        let segment = after.get(..length)?;
        let body = segment.get(2..)?;
        let is_kept = match code {
            // Frames: baseline, extended, progressive, each Huffman-coded.
            0xc0..=0xc2 => {
                if has_frame || !is_frame_of(body, scan) {
                    return None;
                }
                has_frame = true;
                true
            }
            // Huffman tables, quantisation tables, restart interval, JFIF.
            0xc4 | 0xdb | 0xdd | 0xe0 => true,
            0xda => {
                has_scan = true;
                has_frame.then_some(true)?
            }
            0xee => {
                if body.starts_with(b"Adobe") && !scan.grey && body.get(11) != Some(&1) {
                    return None;
                }
                true
            }
            0xe1..=0xef | 0xfe => false,
            _ => return None,
        };
        rest = after.get(length..)?;
        if is_kept {
            kept.extend([0xff, code]);
            kept.extend(segment);
        }
        if code == 0xda {
            let end = entropy_coded_bytes(rest)?;
            kept.extend(rest.get(..end)?);
            rest = rest.get(end..)?;
        }
    }
}

/// Whether a frame header is that of the picture: eight bits, its size, one or three channels.
fn is_frame_of(body: &[u8], scan: Scan) -> bool {
    let &[precision, h1, h0, w1, w0, channels, ..] = body else {
        return false;
    };
    precision == 8
        && u32::from(u16::from_be_bytes([h1, h0])) == scan.height
        && u32::from(u16::from_be_bytes([w1, w0])) == scan.width
        && channels == if scan.grey { 1 } else { 3 }
        && !(channels == 3 && are_letters_rgb(body))
}

/// Three channels named R, G and B are not converted by some decoders.
fn are_letters_rgb(body: &[u8]) -> bool {
    [body.get(6), body.get(9), body.get(12)] == [Some(&b'R'), Some(&b'G'), Some(&b'B')]
}

/// Bytes up to the next marker that is no restart and no stuffed byte.
fn entropy_coded_bytes(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += data.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match data.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(grey: bool) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
        let channels = if grey { 1 } else { 3 };
        let samples: Vec<u8> = (0..64 * 48 * channels)
            .map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let colour = match grey {
            true => jpeg_encoder::ColorType::Luma,
            false => jpeg_encoder::ColorType::Rgb,
        };
        encoder.encode(&samples, 64, 48, colour).expect("encodes");
        file
    }

    fn scan(grey: bool) -> Scan {
        Scan {
            width: 64,
            height: 48,
            grey,
        }
    }

    /// The file with a segment behind its first marker.
    fn with_segment(file: &[u8], code: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).expect("short");
        let mut longer = file[..2].to_vec();
        longer.extend([0xff, code]);
        longer.extend(length.to_be_bytes());
        longer.extend(body);
        longer.extend(&file[2..]);
        longer
    }

    #[test]
    fn a_plain_file_stays_as_it_is() {
        for grey in [true, false] {
            let file = jpeg(grey);
            assert_eq!(without_metadata(&file, scan(grey)), Some(file));
        }
    }

    #[test]
    fn what_only_viewers_follow_is_left_out() {
        let file = jpeg(false);
        for (code, body) in [
            (0xe1, b"Exif\0\0II*\0".as_slice()),
            (0xe2, b"ICC_PROFILE\0\x01\x01profile"),
            (0xfe, b"a comment"),
        ] {
            let longer = with_segment(&file, code, body);
            assert_eq!(without_metadata(&longer, scan(false)), Some(file.clone()));
        }
        let mut padded = file.clone();
        padded.extend(b"\r\n behind the end");
        assert_eq!(without_metadata(&padded, scan(false)), Some(file));
    }

    #[test]
    fn what_is_shown_in_different_ways_is_refused() {
        let file = jpeg(false);
        let adobe = |transform: u8| {
            let mut body = b"Adobe\0d\0\0\0\0".to_vec();
            body.push(transform);
            with_segment(&file, 0xee, &body)
        };
        assert!(without_metadata(&adobe(1), scan(false)).is_some());
        assert_eq!(without_metadata(&adobe(0), scan(false)), None);
        assert_eq!(without_metadata(&file, scan(true)), None, "channels");
        let other = Scan {
            width: 65,
            ..scan(false)
        };
        assert_eq!(without_metadata(&file, other), None, "size");
        let arithmetic = with_segment(&file, 0xcc, &[0]);
        assert_eq!(without_metadata(&arithmetic, scan(false)), None);
    }

    #[test]
    fn a_cut_file_is_refused_wherever_it_is_cut() {
        let file = jpeg(true);
        for end in 0..file.len() {
            assert_eq!(without_metadata(&file[..end], scan(true)), None, "{end}");
        }
    }

    #[test]
    fn a_picture_of_next_to_nothing_is_rendered() {
        let file = jpeg(true);
        let huge = Scan {
            width: 6400,
            height: 4800,
            grey: true,
        };
        assert_eq!(without_metadata(&file, huge), None);
    }
}
