//! The page's box and rotation, and how its coordinates become those of the page as seen.

use pdfium_render::prelude::{PdfPage, PdfPageRenderRotation, PdfRect};

use pagemill_document::Rect;

/// The page's box and rotation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PageFrame {
    /// Crop box (within the media box) in PDF's own coordinates, y upwards.
    left: f32,
    bottom: f32,
    right: f32,
    top: f32,
    /// Degrees clockwise: 0, 90, 180 or 270.
    pub(super) rotation: u16,
}

impl PageFrame {
    /// The frame of a loaded page.
    pub(super) fn of(page: &PdfPage<'_>) -> Self {
        let rotation = match page.rotation() {
            Ok(PdfPageRenderRotation::Degrees90) => 90,
            Ok(PdfPageRenderRotation::Degrees180) => 180,
            Ok(PdfPageRenderRotation::Degrees270) => 270,
            _ => 0,
        };
        let bounds = page
            .boundaries()
            .bounding()
            .map(|boundary| boundary.bounds)
            .ok();
        let (left, bottom, right, top) = match bounds {
            Some(rect) => (
                rect.left().value,
                rect.bottom().value,
                rect.right().value,
                rect.top().value,
            ),
            None => (0.0, 0.0, page.width().value, page.height().value),
        };
        Self {
            left,
            bottom,
            right,
            top,
            rotation,
        }
    }

    /// Width and height of the page as seen.
    pub(super) fn seen_size(&self) -> (f32, f32) {
        let (width, height) = (self.right - self.left, self.top - self.bottom);
        match self.rotation {
            90 | 270 => (height, width),
            _ => (width, height),
        }
    }

    /// A point of the PDF as a point of the page as seen.
    pub(super) fn seen(&self, x: f32, y: f32) -> (f32, f32) {
        match self.rotation {
            90 => (y - self.bottom, x - self.left),
            180 => (self.right - x, y - self.bottom),
            270 => (self.top - y, self.right - x),
            _ => (x - self.left, self.top - y),
        }
    }

    /// A rectangle of the PDF as one of the page as seen.
    pub(super) fn seen_rect(&self, rect: &PdfRect) -> Rect {
        let (xa, ya) = self.seen(rect.left().value, rect.bottom().value);
        let (xb, yb) = self.seen(rect.right().value, rect.top().value);
        Rect {
            x0: xa.min(xb),
            y0: ya.min(yb),
            x1: xa.max(xb),
            y1: ya.max(yb),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_of_a_turned_and_cropped_page_lands_where_it_is_seen() {
        let frame = |rotation| PageFrame {
            left: 10.0,
            bottom: 20.0,
            right: 110.0,
            top: 220.0,
            rotation,
        };
        // The top left corner in the file.
        assert_eq!(frame(0).seen(10.0, 220.0), (0.0, 0.0));
        assert_eq!(frame(90).seen(10.0, 220.0), (200.0, 0.0));
        assert_eq!(frame(180).seen(10.0, 220.0), (100.0, 200.0));
        assert_eq!(frame(270).seen(10.0, 220.0), (0.0, 100.0));
        assert_eq!(frame(90).seen_size(), (200.0, 100.0));
    }
}
