//! Images of pages, and how they are made.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// File format of page images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Lossless; grey pages are stored grey.
    #[default]
    Png,
    /// Lossy; smallest and fastest for scans.
    Jpeg,
    /// Lossless WebP.
    Webp,
}

impl ImageFormat {
    /// The file name's ending, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
        }
    }

    /// The MIME type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// How pages are rendered. Every field is part of the fingerprint of the `pages` stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSettings {
    /// Dots per inch, 36 to 600.
    pub dpi: u32,
    /// File format.
    pub format: ImageFormat,
    /// JPEG quality, 1 to 100.
    pub jpeg_quality: u8,
    /// Most pixels of one page image; a larger page is rendered at a lower resolution and the ledger says so.
    pub max_pixels: u64,
    /// Longest edge of a thumbnail in pixels; none when absent.
    pub thumbnail_edge: Option<u32>,
    /// With `format` jpeg and no thumbnails: a page that is nothing but one JPEG, of `dpi` to twice that, upright and
    /// in plain colours, gets that JPEG as its image, without its metadata. False renders every page, so that no
    /// reader of the images meets bytes that came with the document.
    pub pass_through: bool,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            dpi: 150,
            format: ImageFormat::Png,
            jpeg_quality: 85,
            max_pixels: 40_000_000,
            thumbnail_edge: None,
            pass_through: true,
        }
    }
}

/// An encoded page image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Format of `data`.
    pub format: ImageFormat,
    /// Whether it is stored with one channel.
    pub grey: bool,
    /// Whether it is smaller than asked to keep `max_pixels`.
    pub scaled_down: bool,
    /// The file's bytes.
    pub data: Bytes,
    /// The thumbnail's bytes, in the same format, when one was asked for.
    pub thumbnail: Option<Bytes>,
}
