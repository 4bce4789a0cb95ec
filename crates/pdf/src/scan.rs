//! Pages that are one picture: a scanner's JPEG over the whole page.
//!
//! Rendering such a page takes a JPEG apart, draws it, and makes another JPEG of it, a little worse. Where the page is
//! provably nothing but the picture, the one in the file can be taken instead. Three who do not know of each other must
//! agree on that: the objects of the file ([`find`], by lopdf), the page's objects (PDFium's, where the page is taken),
//! and the JPEG itself ([`jpeg_file`]). In every case of doubt the page is rendered.

use serde::{Deserialize, Serialize};

use pagemill_reader::{ImageFormat, ImageSettings};

mod detect;
mod jpeg_file;

pub(crate) use detect::find;
pub(crate) use jpeg_file::without_metadata;

/// Points in an inch.
const POINTS_PER_INCH: f64 = 72.0;

/// Part of the asked resolution that a picture must have at least: page sizes are rounded.
const LEAST_RESOLUTION: f64 = 0.97;

/// Times the asked resolution that a picture may have at most: 300 dpi where 150 are asked for. A finer one would
/// surprise whoever planned for pages of the asked size.
const MOST_RESOLUTION: f64 = 2.1;

/// Part by which the resolutions across and down may differ.
const SQUARENESS: f64 = 0.02;

/// The picture that a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scan {
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Whether it has one channel.
    pub(crate) grey: bool,
}

impl Scan {
    /// Whether this picture may stand for the rendered image of a page of `page_width` by `page_height` points.
    pub(crate) fn serves(
        self,
        settings: &ImageSettings,
        page_width: f32,
        page_height: f32,
    ) -> bool {
        if !settings.pass_through
            || settings.format != ImageFormat::Jpeg
            || settings.thumbnail_edge.is_some()
            || u64::from(self.width) * u64::from(self.height) > settings.max_pixels
        {
            return false;
        }
        let resolution =
            |pixels: u32, points: f32| f64::from(pixels) * POINTS_PER_INCH / f64::from(points);
        let (across, down) = (
            resolution(self.width, page_width),
            resolution(self.height, page_height),
        );
        let asked = f64::from(settings.dpi);
        let fits = (asked * LEAST_RESOLUTION..=asked * MOST_RESOLUTION).contains(&across);
        fits && (across - down).abs() <= across * SQUARENESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ImageSettings {
        ImageSettings {
            format: ImageFormat::Jpeg,
            ..ImageSettings::default()
        }
    }

    fn scan(width: u32, height: u32) -> Scan {
        Scan {
            width,
            height,
            grey: false,
        }
    }

    #[test]
    fn a_scan_of_150_to_300_dpi_serves() {
        let letter = |scan: Scan| scan.serves(&settings(), 612.0, 792.0);
        assert!(letter(scan(1275, 1650)));
        assert!(letter(scan(2550, 3300)));
        assert!(!letter(scan(850, 1100)), "too coarse");
        assert!(!letter(scan(5100, 6600)), "too fine");
        assert!(!letter(scan(2550, 1650)), "not square");
    }

    #[test]
    fn it_serves_only_as_a_jpeg_without_a_thumbnail_within_the_budget() {
        let serves = |settings: ImageSettings| scan(2550, 3300).serves(&settings, 612.0, 792.0);
        assert!(!serves(ImageSettings {
            format: ImageFormat::Png,
            ..settings()
        }));
        assert!(!serves(ImageSettings {
            thumbnail_edge: Some(100),
            ..settings()
        }));
        assert!(!serves(ImageSettings {
            max_pixels: 8_000_000,
            ..settings()
        }));
        assert!(!serves(ImageSettings {
            pass_through: false,
            ..settings()
        }));
    }
}
