//! From PDFium's pixels to the bytes of an image file.

use std::io;

use jpeg_encoder::{ColorType as JpegColor, Encoder as JpegEncoder};

use crate::page::{ImageFormat, ImageSettings};

/// Bytes of one pixel as PDFium draws it: blue, green, red, and one that means nothing.
pub(crate) const BYTES_PER_PIXEL: usize = 4;

/// Pixels looked at before deciding whether to look further.
const PIXELS_PER_LOOK: usize = 1024;

/// Pixels as PDFium drew them, rows without gaps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixels<'a> {
    /// Blue, green, red, nothing; `width * height` times.
    pub(crate) bgrx: &'a [u8],
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
}

/// An encoded image and its thumbnail.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The image file.
    pub(crate) image: Vec<u8>,
    /// The thumbnail's file.
    pub(crate) thumbnail: Option<Vec<u8>>,
    /// Whether both have one channel.
    pub(crate) grey: bool,
}

/// Longest edge that a format can say, in pixels: JPEG has 16 bits (ITU-T T.81 B.2.2), WebP 14 (RFC 9649 section
/// 2.6 and 3.4), PNG 31, of which PDFium's own bitmaps leave less.
pub(crate) fn longest_edge(format: ImageFormat) -> u32 {
    match format {
        ImageFormat::Png => 1 << 20,
        ImageFormat::Jpeg => 65_535,
        ImageFormat::Webp => 16_384,
    }
}

impl Pixels<'_> {
    /// Whether nothing but white is to be seen.
    pub(crate) fn all_white(&self) -> bool {
        self.every(|pixel| pixel & 0x00ff_ffff == 0x00ff_ffff)
    }

    /// Whether no pixel has a colour.
    pub(crate) fn all_grey(&self) -> bool {
        self.every(|pixel| (pixel ^ (pixel >> 8)) & 0xffff == 0)
    }

    /// Whether `holds` for every pixel. Looks at whole runs, so that the compiler can take many pixels at a time, and
    /// stops after the first run that says no.
    fn every(&self, holds: impl Fn(u32) -> bool) -> bool {
        self.bgrx
            .chunks(PIXELS_PER_LOOK * BYTES_PER_PIXEL)
            .all(|run| {
                run.chunks_exact(BYTES_PER_PIXEL)
                    .fold(true, |so_far, bytes| {
                        let pixel = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
                        so_far & holds(pixel)
                    })
            })
    }

    fn grey_samples(&self) -> Vec<u8> {
        self.bgrx
            .chunks_exact(BYTES_PER_PIXEL)
            .map(|pixel| pixel[0])
            .collect()
    }

    fn rgb_samples(&self) -> Vec<u8> {
        let mut rgb = vec![0; self.bgrx.len() / BYTES_PER_PIXEL * 3];
        for (to, from) in rgb
            .chunks_exact_mut(3)
            .zip(self.bgrx.chunks_exact(BYTES_PER_PIXEL))
        {
            to[0] = from[2];
            to[1] = from[1];
            to[2] = from[0];
        }
        rgb
    }
}

/// Encodes a page, grey when it is grey.
///
/// # Errors
/// What the encoder says; a size that the format can't hold.
pub(crate) fn encode(pixels: Pixels<'_>, settings: &ImageSettings) -> io::Result<Encoded> {
    let grey = pixels.all_grey();
    let image = encode_one(pixels, grey, settings)?;
    let thumbnail = match settings.thumbnail_edge {
        Some(edge) => {
            let (small, width, height) = shrink(pixels, edge);
            let small_pixels = Pixels {
                bgrx: &small,
                width,
                height,
            };
            Some(encode_one(small_pixels, grey, settings)?)
        }
        None => None,
    };
    Ok(Encoded {
        image,
        thumbnail,
        grey,
    })
}

fn encode_one(pixels: Pixels<'_>, grey: bool, settings: &ImageSettings) -> io::Result<Vec<u8>> {
    match settings.format {
        ImageFormat::Png => encode_png(pixels, grey),
        ImageFormat::Jpeg => encode_jpeg(pixels, grey, settings.jpeg_quality),
        ImageFormat::Webp => encode_webp(pixels, grey),
    }
}

fn encode_png(pixels: Pixels<'_>, grey: bool) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, pixels.width, pixels.height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(if grey {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    // A tenth of the time of the default for a file that is a few per cent larger.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    if grey {
        writer.write_image_data(&pixels.grey_samples())?;
    } else {
        writer.write_image_data(&pixels.rgb_samples())?;
    }
    writer.finish()?;
    Ok(file)
}

fn encode_jpeg(pixels: Pixels<'_>, grey: bool, quality: u8) -> io::Result<Vec<u8>> {
    let width = u16::try_from(pixels.width).map_err(io::Error::other)?;
    let height = u16::try_from(pixels.height).map_err(io::Error::other)?;
    let mut file = Vec::new();
    let encoder = JpegEncoder::new(&mut file, quality.clamp(1, 100));
    let outcome = if grey {
        encoder.encode(&pixels.grey_samples(), width, height, JpegColor::Luma)
    } else {
        encoder.encode(pixels.bgrx, width, height, JpegColor::Bgra)
    };
    outcome.map_err(io::Error::other)?;
    Ok(file)
}

fn encode_webp(pixels: Pixels<'_>, grey: bool) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut file);
    let outcome = if grey {
        let samples = pixels.grey_samples();
        encoder.encode(
            &samples,
            pixels.width,
            pixels.height,
            image_webp::ColorType::L8,
        )
    } else {
        let samples = pixels.rgb_samples();
        encoder.encode(
            &samples,
            pixels.width,
            pixels.height,
            image_webp::ColorType::Rgb8,
        )
    };
    outcome.map_err(io::Error::other)?;
    Ok(file)
}

/// A smaller copy whose longest edge is `edge`: each of its pixels is the mean of those that it covers. An image that
/// is small already is copied.
fn shrink(pixels: Pixels<'_>, edge: u32) -> (Vec<u8>, u32, u32) {
    let longest = pixels.width.max(pixels.height);
    if longest <= edge {
        return (pixels.bgrx.to_vec(), pixels.width, pixels.height);
    }
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(edge.max(1)) + u64::from(longest) / 2)
            / u64::from(longest);
        u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
    };
    let (width, height) = (scaled(pixels.width), scaled(pixels.height));
    let row_bytes = pixels.width as usize * BYTES_PER_PIXEL;
    let from = |index: u32, small: u32, large: u32| {
        (u64::from(index) * u64::from(large) / u64::from(small)) as usize
    };
    let mut small = Vec::with_capacity(width as usize * height as usize * BYTES_PER_PIXEL);
    for y in 0..height {
        let top = from(y, height, pixels.height);
        let bottom = from(y + 1, height, pixels.height).max(top + 1);
        for x in 0..width {
            let left = from(x, width, pixels.width);
            let right = from(x + 1, width, pixels.width).max(left + 1);
            let mut sums = [0_u64; 3];
            for row in top..bottom {
                let start = row * row_bytes;
                let covered =
                    &pixels.bgrx[start + left * BYTES_PER_PIXEL..start + right * BYTES_PER_PIXEL];
                for pixel in covered.chunks_exact(BYTES_PER_PIXEL) {
                    for (sum, sample) in sums.iter_mut().zip(pixel) {
                        *sum += u64::from(*sample);
                    }
                }
            }
            let count = ((bottom - top) * (right - left)) as u64;
            small.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
            small.push(0xff);
        }
    }
    (small, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two by two: blue, green / red, white.
    const COLOURS: [u8; 16] = [
        255, 0, 0, 0, 0, 255, 0, 0, //
        0, 0, 255, 0, 255, 255, 255, 0,
    ];
    const GREYS: [u8; 16] = [
        0, 0, 0, 9, 50, 50, 50, 8, //
        100, 100, 100, 7, 250, 250, 250, 6,
    ];

    fn two_by_two(bgrx: &[u8]) -> Pixels<'_> {
        Pixels {
            bgrx,
            width: 2,
            height: 2,
        }
    }

    fn settings(format: ImageFormat) -> ImageSettings {
        ImageSettings {
            format,
            thumbnail_edge: Some(1),
            ..ImageSettings::default()
        }
    }

    fn decode_png(file: &[u8]) -> (png::ColorType, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(file))
            .read_info()
            .expect("a PNG header");
        let mut samples = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut samples).expect("PNG data");
        samples.truncate(info.buffer_size());
        (info.color_type, samples)
    }

    #[test]
    fn png_keeps_the_order_of_colours() {
        let encoded = encode(two_by_two(&COLOURS), &settings(ImageFormat::Png)).expect("encodes");
        assert!(!encoded.grey);
        let (colour, samples) = decode_png(&encoded.image);
        assert_eq!(colour, png::ColorType::Rgb);
        assert_eq!(samples, [0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn a_grey_page_is_stored_with_one_channel_whatever_the_fourth_byte_is() {
        let encoded = encode(two_by_two(&GREYS), &settings(ImageFormat::Png)).expect("encodes");
        assert!(encoded.grey);
        let (colour, samples) = decode_png(&encoded.image);
        assert_eq!(colour, png::ColorType::Grayscale);
        assert_eq!(samples, [0, 50, 100, 250]);
        let (_, thumbnail) = decode_png(&encoded.thumbnail.expect("asked for"));
        assert_eq!(thumbnail, [100]);
    }

    #[test]
    fn webp_keeps_every_sample() {
        let encoded = encode(two_by_two(&COLOURS), &settings(ImageFormat::Webp)).expect("encodes");
        let mut decoder =
            image_webp::WebPDecoder::new(io::Cursor::new(encoded.image)).expect("a WebP header");
        let mut samples = vec![0; decoder.output_buffer_size().expect("small")];
        decoder.read_image(&mut samples).expect("WebP data");
        assert_eq!(samples, [0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn jpeg_is_a_jpeg_and_refuses_what_it_cannot_say() {
        let encoded = encode(two_by_two(&GREYS), &settings(ImageFormat::Jpeg)).expect("encodes");
        assert_eq!(encoded.image[..3], [0xff, 0xd8, 0xff]);
        let wide = vec![0; 70_000 * BYTES_PER_PIXEL];
        let pixels = Pixels {
            bgrx: &wide,
            width: 70_000,
            height: 1,
        };
        assert!(encode(pixels, &settings(ImageFormat::Jpeg)).is_err());
    }

    #[test]
    fn white_is_white_and_almost_white_is_not() {
        let mut page = [255_u8; 4 * 5000];
        let pixels = Pixels {
            bgrx: &page,
            width: 5000,
            height: 1,
        };
        assert!(pixels.all_white());
        page[4 * 4999] = 254;
        let pixels = Pixels {
            bgrx: &page,
            width: 5000,
            height: 1,
        };
        assert!(!pixels.all_white());
        assert!(!pixels.all_grey());
    }

    #[test]
    fn a_thumbnail_keeps_the_shape() {
        let page = vec![255; 300 * 100 * BYTES_PER_PIXEL];
        let pixels = Pixels {
            bgrx: &page,
            width: 300,
            height: 100,
        };
        let (small, width, height) = shrink(pixels, 30);
        assert_eq!((width, height), (30, 10));
        assert!(small.iter().all(|sample| *sample == 255));
    }
}
