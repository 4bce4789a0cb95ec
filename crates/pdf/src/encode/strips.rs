//! A page's JPEG from its strips: what is white of it, a quarter of most pages and more, is encoded once.
//!
//! Where the environment asks for it ([`ROWS_STAND_ALONE`]), libjpeg-turbo ends every row of blocks with a restart
//! marker, after which nothing depends on what was before (ITU-T T.81 E.1.4). So all white rows are the same bytes, and
//! what lies between them can be encoded alone. Put together, under a header that says the whole height, they are the
//! file that the page in one piece gives.

use std::io;

use super::samples::{Look, ROWS_PER_LOOK};
use super::turbojpeg::{Kind, TurboJpeg};
use super::{BYTES_PER_PIXEL, Pixels};

/// Name and value of the environment variable by which libjpeg-turbo is asked for a restart marker after each row of
/// blocks. Its functions have no argument for that before version 3.
pub(crate) const ROWS_STAND_ALONE: (&str, &str) = ("TJ_RESTART", "1");

/// Second bytes of markers (ITU-T T.81 table B.1).
const FIRST_RESTART: u8 = 0xd0;
const LAST_RESTART: u8 = 0xd7;
const END_OF_IMAGE: u8 = 0xd9;
const FRAME: u8 = 0xc0;
const SCAN: u8 = 0xda;
const RESTART_INTERVAL: u8 = 0xdd;

/// Where the height is in a frame's segment, counted from its marker.
const HEIGHT_AT: usize = 5;

/// Encodes a page into `file`, which is emptied first, grey when it is grey: which is the answer. What `part` held is
/// lost.
///
/// # Errors
/// As [`TurboJpeg::encode`].
pub(super) fn encode(
    turbo: &mut TurboJpeg,
    pixels: Pixels<'_>,
    quality: u8,
    part: &mut Vec<u8>,
    file: &mut Vec<u8>,
) -> io::Result<bool> {
    let look = pixels.look();
    let grey = look.grey;
    let kind = Kind { grey, quality };
    let rows = Rows::of(pixels, kind, &look);
    if !from_strips(turbo, &rows, kind, part, file)? {
        turbo.encode(pixels, kind, file)?;
    }
    Ok(grey)
}

/// Says no when the page has nothing white, or when the library does not let rows stand alone; what is in `file` then
/// has no meaning.
fn from_strips(
    turbo: &mut TurboJpeg,
    rows: &Rows<'_>,
    kind: Kind,
    part: &mut Vec<u8>,
    file: &mut Vec<u8>,
) -> io::Result<bool> {
    let Some(first_white) = rows.white.iter().position(|white| *white) else {
        return Ok(false);
    };
    turbo.encode(rows.strip(first_white, 1), kind, part)?;
    let Some(template) = Coded::read(part) else {
        return Ok(false);
    };
    let white = template.blocks.to_vec();
    file.clear();
    append(file, template.header)?;
    let height = u16::try_from(rows.pixels.height).map_err(io::Error::other)?;
    file[template.height_at..][..2].copy_from_slice(&height.to_be_bytes());

    let mut row = 0;
    while row < rows.white.len() {
        if row > 0 {
            append(file, &[0xff, restart(row - 1)])?;
        }
        if rows.white[row] {
            append(file, &white)?;
            row += 1;
            continue;
        }
        let count = rows.white[row..]
            .iter()
            .take_while(|white| !**white)
            .count();
        turbo.encode(rows.strip(row, count), kind, part)?;
        let Some(coded) = Coded::read(part) else {
            return Ok(false);
        };
        let start = file.len();
        append(file, coded.blocks)?;
        if renumber(&mut file[start..], row) != count - 1 {
            return Ok(false);
        }
        row += count;
    }
    append(file, &[0xff, END_OF_IMAGE])?;
    Ok(true)
}

/// A page as rows of blocks.
struct Rows<'a> {
    pixels: Pixels<'a>,
    /// Bytes of a row's pixels; the last one may have fewer.
    bytes: usize,
    /// Rows of pixels in it.
    height: usize,
    /// Whether nothing but white is in it, for each row.
    white: Vec<bool>,
}

impl<'a> Rows<'a> {
    fn of(pixels: Pixels<'a>, kind: Kind, look: &Look) -> Self {
        let height = kind.rows_of_pixels();
        let white = look.white.chunks(height / ROWS_PER_LOOK);
        Self {
            pixels,
            bytes: height * pixels.width as usize * BYTES_PER_PIXEL,
            height,
            white: white
                .map(|parts| parts.iter().all(|white| *white))
                .collect(),
        }
    }

    /// The pixels of some rows.
    fn strip(&self, from: usize, count: usize) -> Pixels<'a> {
        let bgrx = self.pixels.bgrx;
        let end = ((from + count) * self.bytes).min(bgrx.len());
        let left = self.pixels.height as usize - from * self.height;
        Pixels {
            bgrx: &bgrx[from * self.bytes..end],
            width: self.pixels.width,
            height: left.min(count * self.height) as u32,
        }
    }
}

/// A JPEG with restart markers, taken apart.
struct Coded<'a> {
    /// All before the blocks.
    header: &'a [u8],
    /// Where the header says the height.
    height_at: usize,
    /// The blocks, without a marker before or after them.
    blocks: &'a [u8],
}

impl<'a> Coded<'a> {
    /// None when the file has no restart interval, or is not what libjpeg-turbo writes by default: one scan of a baseline
    /// frame.
    fn read(file: &'a [u8]) -> Option<Self> {
        let (mut height_at, mut restarts, mut at) = (None, false, 2);
        loop {
            let &[0xff, marker, high, low] = file.get(at..)?.first_chunk()? else {
                return None;
            };
            match marker {
                FRAME => height_at = Some(at + HEIGHT_AT),
                RESTART_INTERVAL => restarts = true,
                _ => {}
            }
            at += 2 + usize::from(u16::from_be_bytes([high, low]));
            if marker == SCAN {
                break;
            }
        }
        let (header, rest) = file.split_at_checked(at)?;
        Some(Self {
            header,
            height_at: height_at.filter(|_| restarts)?,
            blocks: rest.strip_suffix(&[0xff, END_OF_IMAGE])?,
        })
    }
}

/// Gives the restart markers of a strip the numbers that they have in the page, where it begins with this row of blocks.
/// Says how many there are.
fn renumber(blocks: &mut [u8], first_row: usize) -> usize {
    let mut row = first_row;
    let mut at = 0;
    while let Some(found) = memchr::memchr(0xff, &blocks[at..]) {
        at += found + 1;
        if let Some(marker @ FIRST_RESTART..=LAST_RESTART) = blocks.get_mut(at) {
            *marker = restart(row);
            row += 1;
        }
    }
    row - first_row
}

/// The marker after a row of blocks: they are counted from 0 to 7 and again (ITU-T T.81 B.2.1).
fn restart(row: usize) -> u8 {
    FIRST_RESTART + (row % 8) as u8
}

fn append(file: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    file.try_reserve(bytes.len()).map_err(io::Error::other)?;
    file.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Wider and higher than some blocks, and a multiple of none.
    const WIDTH: usize = 83;
    const HEIGHT: usize = 16 * 21 + 5;

    /// A page that is white but for some rows of pixels.
    fn page(inked: impl Fn(usize) -> bool, grey: bool) -> Vec<u8> {
        let mut bgrx = Vec::new();
        for row in 0..HEIGHT {
            for column in 0..WIDTH {
                let (blue, green) = match inked(row) {
                    true => ((row * 7 + column * 3) as u8, (column * 5) as u8),
                    false => (255, 255),
                };
                bgrx.extend([blue, if grey { blue } else { green }, blue, row as u8]);
            }
        }
        bgrx
    }

    fn decoded(file: &[u8]) -> Vec<u8> {
        let mut decoder =
            zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(file));
        let samples = decoder.decode().expect("a JPEG");
        assert_eq!(decoder.dimensions(), Some((WIDTH, HEIGHT)));
        samples
    }

    fn the_same_in_strips_as_in_one(turbo: &mut TurboJpeg, bgrx: &[u8], kind: Kind) {
        let pixels = Pixels {
            bgrx,
            width: WIDTH as u32,
            height: HEIGHT as u32,
        };
        let (mut part, mut strips, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let look = pixels.look();
        let rows = Rows::of(pixels, kind, &look);
        let done = from_strips(turbo, &rows, kind, &mut part, &mut strips).expect("encodes");
        assert_eq!(done, rows.white.contains(&true));
        turbo.encode(pixels, kind, &mut whole).expect("encodes");
        if done {
            let sizes = (strips.len(), whole.len());
            assert!(strips == whole, "{sizes:?} bytes");
            assert_eq!(decoded(&strips).len() % (WIDTH * HEIGHT), 0);
        }
        let grey = encode(turbo, pixels, kind.quality, &mut part, &mut strips).expect("encodes");
        assert_eq!(grey, look.grey);
        let kind = Kind { grey, ..kind };
        turbo.encode(pixels, kind, &mut whole).expect("encodes");
        assert!(strips == whole);
    }

    /// libjpeg-turbo reads the environment, which a test must not change beneath the others: this one is run once more
    /// in a process that has the variable.
    #[test]
    fn a_page_in_strips_is_the_file_of_the_page_in_one_piece() {
        let (name, value) = ROWS_STAND_ALONE;
        let runtime = std::env::var_os("PAGEMILL_RUNTIME").unwrap_or_default();
        let mut turbo = match TurboJpeg::load(&Path::new(&runtime).join("libpdfium.so")) {
            Ok(turbo) => turbo,
            Err(reason) => return println!("SKIPPED: libjpeg-turbo is not to be had: {reason}"),
        };
        if std::env::var_os(name).is_none() {
            let test =
                "encode::strips::tests::a_page_in_strips_is_the_file_of_the_page_in_one_piece";
            let this = std::env::current_exe().expect("has a path");
            let again = Command::new(this)
                .args(["--exact", test])
                .env(name, value)
                .output();
            let again = again.expect("runs");
            let said = String::from_utf8_lossy(&again.stdout);
            assert!(
                again.status.success() && said.contains("1 passed"),
                "{said}"
            );
            return;
        }
        for (grey, quality) in [(true, 85), (false, 85), (false, 95)] {
            let kind = Kind { grey, quality };
            the_same_in_strips_as_in_one(&mut turbo, &page(|_| false, grey), kind);
            the_same_in_strips_as_in_one(&mut turbo, &page(|_| true, grey), kind);
            for period in [1, 7, 16, 40, 100] {
                for phase in 0..3 {
                    let bgrx = page(|row| (row / period) % 3 == phase, grey);
                    the_same_in_strips_as_in_one(&mut turbo, &bgrx, kind);
                }
            }
        }
    }

    #[test]
    fn without_the_variable_a_page_is_encoded_in_one_piece() {
        let runtime = std::env::var_os("PAGEMILL_RUNTIME").unwrap_or_default();
        let Ok(mut turbo) = TurboJpeg::load(&Path::new(&runtime).join("libpdfium.so")) else {
            return println!("SKIPPED: libjpeg-turbo is not to be had");
        };
        let bgrx = page(|row| row % 40 == 0, true);
        let pixels = Pixels {
            bgrx: &bgrx,
            width: WIDTH as u32,
            height: HEIGHT as u32,
        };
        let (mut part, mut file) = (Vec::new(), Vec::new());
        assert!(encode(&mut turbo, pixels, 85, &mut part, &mut file).expect("encodes"));
        assert!(decoded(&file)[..WIDTH].iter().any(|sample| *sample != 255));
    }

    #[test]
    fn what_is_no_jpeg_with_restarts_is_not_taken_apart() {
        for file in [
            &b""[..],
            b"\xff\xd8",
            b"\xff\xd8\xff\xdd\x00",
            b"\xff\xd8\xff\xda\x00\x02\xff\xd9",
        ] {
            assert!(Coded::read(file).is_none(), "{file:?}");
        }
    }
}
