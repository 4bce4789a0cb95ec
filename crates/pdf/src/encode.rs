//! From PDFium's pixels to the bytes of an image file.

use std::io;
use std::path::{Path, PathBuf};

use jpeg_encoder::ColorType as JpegColor;
use serde::{Deserialize, Serialize};

use pagemill_reader::{ImageFormat, ImageSettings};

mod samples;
mod strips;
mod thumbnail;
mod turbojpeg;

pub(crate) use strips::ROWS_STAND_ALONE;

use thumbnail::shrink;
use turbojpeg::TurboJpeg;

/// Bytes of one pixel as PDFium draws it: blue, green, red, and one that means nothing.
pub(crate) const BYTES_PER_PIXEL: usize = 4;

/// What a buffer may keep between pages, in bytes: more than a page of A3 at 150 dpi needs.
const KEPT_BYTES: usize = 20 << 20;

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

/// An encoded image and its thumbnail, until the next page is encoded.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    /// The image file.
    pub(crate) image: &'a [u8],
    /// The thumbnail's file.
    pub(crate) thumbnail: Option<&'a [u8]>,
    /// Whether the image has one channel.
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

/// What encodes JPEGs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum JpegEncoder {
    /// libjpeg-turbo, loaded at run time.
    LibjpegTurbo {
        /// The file, or the name by which the system found it.
        path: PathBuf,
    },
    /// The one that is compiled in, at three times the cost.
    CompiledIn {
        /// Why libjpeg-turbo was not loaded.
        reason: String,
    },
}

/// Encodes pages, one after the other, with the same buffers.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    turbo: Option<TurboJpeg>,
    samples: Vec<u8>,
    image: Vec<u8>,
    thumbnail: Vec<u8>,
}

impl Encoder {
    /// An encoder with the fastest JPEG encoder that there is, and its name: libjpeg-turbo beside libpdfium, or the
    /// system's, or else the one that is compiled in.
    pub(crate) fn load(libpdfium: &Path) -> (Self, JpegEncoder) {
        match TurboJpeg::load(libpdfium) {
            Ok(turbo) => {
                let name = JpegEncoder::LibjpegTurbo {
                    path: turbo.path().to_owned(),
                };
                let encoder = Self {
                    turbo: Some(turbo),
                    ..Self::default()
                };
                (encoder, name)
            }
            Err(reason) => (Self::default(), JpegEncoder::CompiledIn { reason }),
        }
    }

    /// Encodes a page, grey when it is grey.
    ///
    /// # Errors
    /// What the encoder says; a size that the format can't hold.
    pub(crate) fn encode(
        &mut self,
        pixels: Pixels<'_>,
        settings: &ImageSettings,
    ) -> io::Result<Encoded<'_>> {
        for buffer in [&mut self.samples, &mut self.image, &mut self.thumbnail] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
        let mut image = std::mem::take(&mut self.image);
        let grey = self.encode_one(pixels, settings, &mut image)?;
        self.image = image;
        if let Some(edge) = settings.thumbnail_edge {
            let (small, width, height) = shrink(pixels, edge);
            let small_pixels = Pixels {
                bgrx: &small,
                width,
                height,
            };
            let mut thumbnail = std::mem::take(&mut self.thumbnail);
            self.encode_one(small_pixels, settings, &mut thumbnail)?;
            self.thumbnail = thumbnail;
        }
        Ok(Encoded {
            image: &self.image,
            thumbnail: settings.thumbnail_edge.map(|_| &self.thumbnail[..]),
            grey,
        })
    }

    /// Keeps a file that is encoded already.
    pub(crate) fn take_over(&mut self, image: Vec<u8>, grey: bool) -> Encoded<'_> {
        self.image = image;
        Encoded {
            image: &self.image,
            thumbnail: None,
            grey,
        }
    }

    /// Puts the image's file into `file`. Says whether it is grey.
    fn encode_one(
        &mut self,
        pixels: Pixels<'_>,
        settings: &ImageSettings,
        file: &mut Vec<u8>,
    ) -> io::Result<bool> {
        file.clear();
        if settings.format == ImageFormat::Jpeg
            && let Some(turbo) = &mut self.turbo
        {
            return strips::encode(
                turbo,
                pixels,
                settings.jpeg_quality,
                &mut self.samples,
                file,
            );
        }
        let grey = pixels.grey_into(&mut self.samples);
        if !grey && settings.format != ImageFormat::Jpeg {
            pixels.rgb_into(&mut self.samples);
        }
        let samples = &self.samples[..];
        match settings.format {
            ImageFormat::Png => encode_png(pixels, grey, samples, file)?,
            ImageFormat::Webp => encode_webp(pixels, grey, samples, file)?,
            ImageFormat::Jpeg => {
                encode_jpeg(pixels, grey.then_some(samples), settings.jpeg_quality, file)?;
            }
        }
        Ok(grey)
    }
}

fn encode_png(
    pixels: Pixels<'_>,
    grey: bool,
    samples: &[u8],
    file: &mut Vec<u8>,
) -> io::Result<()> {
    let mut encoder = png::Encoder::new(file, pixels.width, pixels.height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(if grey {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    // A tenth of the time of the default for a file that is a few per cent larger.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()?;
    Ok(())
}

/// With the encoder that is compiled in. `grey` are the samples of a grey page.
fn encode_jpeg(
    pixels: Pixels<'_>,
    grey: Option<&[u8]>,
    quality: u8,
    file: &mut Vec<u8>,
) -> io::Result<()> {
    let width = u16::try_from(pixels.width).map_err(io::Error::other)?;
    let height = u16::try_from(pixels.height).map_err(io::Error::other)?;
    let encoder = jpeg_encoder::Encoder::new(file, quality.clamp(1, 100));
    let outcome = match grey {
        Some(samples) => encoder.encode(samples, width, height, JpegColor::Luma),
        None => encoder.encode(pixels.bgrx, width, height, JpegColor::Bgra),
    };
    outcome.map_err(io::Error::other)
}

fn encode_webp(
    pixels: Pixels<'_>,
    grey: bool,
    samples: &[u8],
    file: &mut Vec<u8>,
) -> io::Result<()> {
    let colour = match grey {
        true => image_webp::ColorType::L8,
        false => image_webp::ColorType::Rgb8,
    };
    image_webp::WebPEncoder::new(file)
        .encode(samples, pixels.width, pixels.height, colour)
        .map_err(io::Error::other)
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

    /// What an encoder without libjpeg-turbo makes: image, thumbnail, grey.
    fn encoded(
        pixels: Pixels<'_>,
        settings: &ImageSettings,
    ) -> io::Result<(Vec<u8>, Vec<u8>, bool)> {
        let mut encoder = Encoder::default();
        let encoded = encoder.encode(pixels, settings)?;
        let thumbnail = encoded.thumbnail.expect("asked for");
        Ok((encoded.image.to_vec(), thumbnail.to_vec(), encoded.grey))
    }

    /// Height, width and number of components, from the frame header (ITU-T T.81 B.2.2).
    fn jpeg_frame(file: &[u8]) -> (u16, u16, u8) {
        assert_eq!(file[..2], [0xff, 0xd8]);
        let mut at = 2;
        loop {
            assert_eq!(file[at], 0xff);
            let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            if matches!(file[at + 1], 0xc0..=0xc2) {
                let number = |at: usize| u16::from_be_bytes([file[at], file[at + 1]]);
                return (number(at + 5), number(at + 7), file[at + 9]);
            }
            at += 2 + length;
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
        let (image, _, grey) =
            encoded(two_by_two(&COLOURS), &settings(ImageFormat::Png)).expect("encodes");
        assert!(!grey);
        let (colour, samples) = decode_png(&image);
        assert_eq!(colour, png::ColorType::Rgb);
        assert_eq!(samples, [0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn a_grey_page_is_stored_with_one_channel_whatever_the_fourth_byte_is() {
        let (image, small, grey) =
            encoded(two_by_two(&GREYS), &settings(ImageFormat::Png)).expect("encodes");
        assert!(grey);
        let (colour, samples) = decode_png(&image);
        assert_eq!(colour, png::ColorType::Grayscale);
        assert_eq!(samples, [0, 50, 100, 250]);
        let (_, thumbnail) = decode_png(&small);
        assert_eq!(thumbnail, [100]);
    }

    #[test]
    fn webp_keeps_every_sample() {
        let (image, ..) =
            encoded(two_by_two(&COLOURS), &settings(ImageFormat::Webp)).expect("encodes");
        let mut decoder =
            image_webp::WebPDecoder::new(io::Cursor::new(image)).expect("a WebP header");
        let mut samples = vec![0; decoder.output_buffer_size().expect("small")];
        decoder.read_image(&mut samples).expect("WebP data");
        assert_eq!(samples, [0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn jpeg_is_a_jpeg_and_refuses_what_it_cannot_say() {
        let settings = settings(ImageFormat::Jpeg);
        let (image, ..) = encoded(two_by_two(&GREYS), &settings).expect("encodes");
        assert_eq!(jpeg_frame(&image), (2, 2, 1));
        let wide = vec![0; 70_000 * BYTES_PER_PIXEL];
        let pixels = Pixels {
            bgrx: &wide,
            width: 70_000,
            height: 1,
        };
        assert!(encoded(pixels, &settings).is_err());
    }

    #[test]
    fn libjpeg_turbo_keeps_size_and_channels_and_refuses_what_it_cannot_say() {
        let runtime = std::env::var_os("PAGEMILL_RUNTIME").unwrap_or_default();
        let (mut encoder, name) = Encoder::load(&Path::new(&runtime).join("libpdfium.so"));
        if encoder.turbo.is_none() {
            println!("SKIPPED: libjpeg-turbo is not to be had: {name:?}");
            return;
        }
        let settings = settings(ImageFormat::Jpeg);
        let encoded = encoder.encode(two_by_two(&GREYS), &settings);
        let encoded = encoded.expect("encodes");
        assert!(encoded.grey);
        assert_eq!(jpeg_frame(encoded.image), (2, 2, 1));
        assert_eq!(jpeg_frame(encoded.thumbnail.expect("asked for")), (1, 1, 1));

        let encoded = encoder.encode(two_by_two(&COLOURS), &settings);
        let encoded = encoded.expect("encodes");
        assert!(!encoded.grey);
        assert_eq!(jpeg_frame(encoded.image), (2, 2, 3));

        let wide = vec![0; 70_000 * BYTES_PER_PIXEL];
        let pixels = Pixels {
            bgrx: &wide,
            width: 70_000,
            height: 1,
        };
        assert!(encoder.encode(pixels, &settings).is_err());
    }
}
