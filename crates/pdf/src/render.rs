//! Drawing a page into pixels, within the pixel budget.

use pdfium_render::prelude::{PdfBitmap, PdfBitmapFormat, PdfPage, PdfRenderConfig};

use crate::encode::{BYTES_PER_PIXEL, Pixels, longest_edge};
use pagemill_reader::ImageSettings;

/// Points in an inch, the unit of PDF (ISO 32000-2 section 8.3.2.3).
const POINTS_PER_INCH: f64 = 72.0;

/// A byte of a white pixel, whichever of the four it is.
const WHITE: u8 = 0xff;

/// Longest edge of the picture that only tells a blank page from another, in pixels.
const PROBE_EDGE: f64 = 400.0;

/// The size of a page's image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImageSize {
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Whether it is smaller than the resolution asks for.
    pub(crate) scaled_down: bool,
}

/// Why a page could not be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrawError {
    /// No memory for the bitmap.
    OutOfMemory,
    /// PDFium refused.
    Refused,
}

/// The size of the image of a page of `width` by `height` points. Decided before any bitmap is made.
pub(crate) fn image_size(width: f32, height: f32, settings: &ImageSettings) -> ImageSize {
    let scale = f64::from(settings.dpi.clamp(1, 2400)) / POINTS_PER_INCH;
    let sane = |points: f32| {
        if points.is_finite() {
            f64::from(points).clamp(0.01, 1e7)
        } else {
            1.0
        }
    };
    let (wide, high) = (sane(width) * scale, sane(height) * scale);
    let budget = settings.max_pixels.max(1) as f64;
    let edge = f64::from(longest_edge(settings.format));
    let by_area = (budget / (wide * high)).sqrt();
    let by_edge = edge / wide.max(high);
    let shrink = by_area.min(by_edge).min(1.0);
    let scaled_down = shrink < 1.0;
    let pixels = |length: f64| {
        let scaled = length * shrink;
        let whole = if scaled_down {
            scaled.floor()
        } else {
            scaled.round()
        };
        (whole as u32).max(1)
    };
    let (mut columns, mut rows) = (pixels(wide), pixels(high));
    // A sliver: one edge was raised to one pixel, or rounding went up, so the other must give way.
    let most = settings.max_pixels.max(1);
    if u64::from(columns) * u64::from(rows) > most {
        if columns >= rows {
            columns = u32::try_from(most / u64::from(rows))
                .unwrap_or(u32::MAX)
                .max(1);
        } else {
            rows = u32::try_from(most / u64::from(columns))
                .unwrap_or(u32::MAX)
                .max(1);
        }
        return ImageSize {
            width: columns,
            height: rows,
            scaled_down: true,
        };
    }
    ImageSize {
        width: columns,
        height: rows,
        scaled_down,
    }
}

/// Draws pages, one after the other, into one buffer.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    buffer: Vec<u8>,
}

/// What the buffer may keep between pages, in bytes: a page of A3 at 150 dpi.
const KEPT_BYTES: usize = 20 << 20;

impl Canvas {
    /// Draws a page on white, with annotations and form fields, turned as the page says.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(crate) fn draw(
        &mut self,
        page: &PdfPage<'_>,
        size: ImageSize,
    ) -> Result<Pixels<'_>, DrawError> {
        let bytes = size.width as usize * size.height as usize * BYTES_PER_PIXEL;
        if bytes < KEPT_BYTES && self.buffer.len() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
        make_room(&mut self.buffer, bytes)?;
        let width = i32::try_from(size.width).map_err(|_| DrawError::Refused)?;
        let height = i32::try_from(size.height).map_err(|_| DrawError::Refused)?;
        let config = PdfRenderConfig::new()
            .set_fixed_size(width, height)
            .set_format(PdfBitmapFormat::BGRx)
            .set_reverse_byte_order(false)
            .clear_before_rendering(false)
            .render_annotations(true)
            .render_form_data(true);
        // PDFium would do it pixel by pixel.
        self.buffer[..bytes].fill(WHITE);
        let mut bitmap =
            PdfBitmap::from_bytes(width, height, PdfBitmapFormat::BGRx, &mut self.buffer)
                .map_err(|_| DrawError::Refused)?;
        page.render_into_bitmap_with_config(&mut bitmap, &config)
            .map_err(|_| DrawError::Refused)?;
        drop(bitmap);
        Ok(Pixels {
            bgrx: &self.buffer[..bytes],
            width: size.width,
            height: size.height,
        })
    }

    /// Whether there is nothing to see on a page, told from a small picture of it.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(crate) fn is_blank(&mut self, page: &PdfPage<'_>) -> Result<bool, DrawError> {
        let (width, height) = (page.width().value, page.height().value);
        let longest = f64::from(width.max(height)).max(1.0);
        let pixels = |points: f32| ((f64::from(points) * PROBE_EDGE / longest) as u32).max(1);
        let size = ImageSize {
            width: pixels(width),
            height: pixels(height),
            scaled_down: true,
        };
        Ok(self.draw(page, size)?.all_white())
    }
}

/// Lets a buffer grow to so many bytes.
fn make_room(buffer: &mut Vec<u8>, bytes: usize) -> Result<(), DrawError> {
    if buffer.len() < bytes {
        buffer
            .try_reserve_exact(bytes - buffer.len())
            .map_err(|_| DrawError::OutOfMemory)?;
        buffer.resize(bytes, 0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagemill_reader::ImageFormat;

    fn size(width: f32, height: f32, settings: &ImageSettings) -> (u32, u32, bool) {
        let size = image_size(width, height, settings);
        (size.width, size.height, size.scaled_down)
    }

    #[test]
    fn an_ordinary_page_has_the_asked_resolution() {
        let settings = ImageSettings::default();
        assert_eq!(size(612.0, 792.0, &settings), (1275, 1650, false));
        assert_eq!(size(595.276, 841.89, &settings), (1240, 1754, false));
    }

    #[test]
    fn no_page_is_over_the_budget_or_without_pixels() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Webp] {
            for max_pixels in [1, 1_000, 40_000_000] {
                let settings = ImageSettings {
                    format,
                    max_pixels,
                    ..ImageSettings::default()
                };
                for (width, height) in [
                    (14_400.0, 14_400.0),
                    (36_000.0, 36_000.0),
                    (36_000.0, 0.001),
                    (f32::NAN, f32::INFINITY),
                    (-5.0, 1e30),
                ] {
                    let (columns, rows, scaled) = size(width, height, &settings);
                    assert!(columns >= 1 && rows >= 1);
                    assert!(u64::from(columns) * u64::from(rows) <= max_pixels);
                    assert!(columns.max(rows) <= longest_edge(format));
                    if width == 36_000.0 && height == 36_000.0 {
                        assert!(scaled);
                    }
                }
            }
        }
    }

    #[test]
    fn a_giant_page_keeps_its_shape() {
        let (columns, rows, scaled) = size(36_000.0, 18_000.0, &ImageSettings::default());
        assert!(scaled);
        let ratio = f64::from(columns) / f64::from(rows);
        assert!((ratio - 2.0).abs() < 0.001, "{columns} x {rows}");
    }
}
