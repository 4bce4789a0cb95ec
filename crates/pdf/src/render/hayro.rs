//! The second renderer: hayro, in Rust alone. By feature, for measurements; no child draws with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_interpret::util::TransformExt;
use hayro::hayro_syntax::Pdf;
use hayro::kurbo::Affine;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::{PixmapMut, RasterizerSettings, RenderContext, Resources, TargetInit};
use hayro::{RenderCache, RenderSettings, render_into};

use super::{DrawError, ImageSize, make_room};
use crate::encode::{BYTES_PER_PIXEL, Pixels};

/// Draws pages of one document, one after the other, into one buffer.
///
/// What a file does not embed is drawn with the fonts that hayro ships, which are those of PDFium; the machine's are
/// never read.
pub(crate) struct HayroCanvas<'a> {
    document: &'a Pdf,
    drawing: Drawing<'a>,
    buffer: Vec<u8>,
}

/// What a panic may leave half done.
struct Drawing<'a> {
    cache: RenderCache<'a>,
    settings: InterpreterSettings,
    context: RenderContext,
    resources: Resources,
}

impl Drawing<'_> {
    fn new() -> Self {
        Self {
            cache: RenderCache::new(),
            settings: InterpreterSettings::default(),
            context: RenderContext::new(1, 1),
            resources: Resources::new(),
        }
    }
}

/// Why hayro did not draw a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HayroError {
    /// As of PDFium: no memory, or a page or size that it does not have.
    Draw(DrawError),
    /// It panicked.
    Panicked,
}

impl<'a> HayroCanvas<'a> {
    /// A canvas for the pages of `document`.
    pub(crate) fn new(document: &'a Pdf) -> Self {
        Self {
            document,
            drawing: Drawing::new(),
            buffer: Vec::new(),
        }
    }

    /// Draws the page of that index (from 0) on white, with annotations, turned as the page says.
    ///
    /// # Errors
    /// [`HayroError`]; after a panic the next page is drawn with nothing left of the one before.
    pub(crate) fn draw(&mut self, index: usize, size: ImageSize) -> Result<Pixels<'_>, HayroError> {
        let refused = HayroError::Draw(DrawError::Refused);
        let width = u16::try_from(size.width).map_err(|_| refused)?;
        let height = u16::try_from(size.height).map_err(|_| refused)?;
        let bytes = size.width as usize * size.height as usize * BYTES_PER_PIXEL;
        make_room(&mut self.buffer, bytes).map_err(HayroError::Draw)?;
        let (document, drawing) = (self.document, &mut self.drawing);
        let target = PixmapMut::new(width, height, &mut self.buffer[..bytes]).ok_or(refused)?;
        let attempt = AssertUnwindSafe(|| draw_into(document, index, drawing, target));
        let Ok(found) = catch_unwind(attempt) else {
            self.drawing = Drawing::new();
            return Err(HayroError::Panicked);
        };
        found.ok_or(refused)?;
        let pixels = &mut self.buffer[..bytes];
        for pixel in pixels.chunks_exact_mut(BYTES_PER_PIXEL) {
            pixel.swap(0, 2);
        }
        Ok(Pixels {
            bgrx: pixels,
            width: size.width,
            height: size.height,
        })
    }
}

/// Draws a page as red, green, blue and an alpha that is full; `None` when there is no such page.
fn draw_into<'a>(
    document: &'a Pdf,
    index: usize,
    drawing: &mut Drawing<'a>,
    target: PixmapMut<'_>,
) -> Option<()> {
    let page = document.pages().get(index)?;
    let (wide, high) = page.render_dimensions();
    let (columns, rows) = (f64::from(target.width()), f64::from(target.height()));
    let to_pixels = Affine::scale_non_uniform(columns / f64::from(wide), rows / f64::from(high));
    drawing
        .context
        .reset_and_resize(target.width(), target.height());
    render_into(
        page,
        &drawing.cache,
        &drawing.settings,
        &RenderSettings::default(),
        &mut drawing.context,
        to_pixels * page.initial_transform(true).to_kurbo(),
    );
    drawing.context.flush();
    let settings = RasterizerSettings {
        target_init: TargetInit::Clear(WHITE),
        ..RasterizerSettings::default()
    };
    drawing
        .context
        .render_with(target, &mut drawing.resources, settings);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 3] = [0, 0, 255];
    const BLUE: [u8; 3] = [255, 0, 0];
    const WHITE: [u8; 3] = [255, 255, 255];

    /// A page of 200 by 100 points of which the left half is red and the lower right quarter blue.
    fn document(page_entries: &str) -> Pdf {
        let content = "1 0 0 rg 0 0 100 100 re f 0 0 1 rg 100 0 100 50 re f";
        let file = format!(
            "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
             2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
             3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R{page_entries}>>endobj\n\
             4 0 obj<</Length {}>>stream\n{content}\nendstream endobj\n\
             trailer<</Root 1 0 R/Size 5>>\n%%EOF\n",
            content.len()
        );
        Pdf::new(file.into_bytes()).expect("hayro mends a file without a table of its objects")
    }

    /// Blue, green and red in the middle of the four quarters: upper left and right, lower left and right.
    fn quarters(page_entries: &str, width: u32, height: u32) -> [[u8; 3]; 4] {
        let document = document(page_entries);
        let size = ImageSize {
            width,
            height,
            scaled_down: false,
        };
        let mut canvas = HayroCanvas::new(&document);
        let pixels = canvas.draw(0, size).expect("the page is plain");
        let (left, right) = (width / 4, width * 3 / 4);
        let (upper, lower) = (height / 4, height * 3 / 4);
        [(left, upper), (right, upper), (left, lower), (right, lower)].map(|(column, row)| {
            let start = (row * width + column) as usize * BYTES_PER_PIXEL;
            [
                pixels.bgrx[start],
                pixels.bgrx[start + 1],
                pixels.bgrx[start + 2],
            ]
        })
    }

    #[test]
    fn a_page_is_drawn_on_white_in_pdfiums_order_of_channels() {
        assert_eq!(quarters("", 40, 20), [RED, WHITE, RED, BLUE]);
    }

    #[test]
    fn a_page_is_turned_and_cropped_as_it_says() {
        assert_eq!(quarters("/Rotate 90", 20, 40), [RED, RED, BLUE, WHITE]);
        let lower_half = "/CropBox[0 0 200 50]";
        assert_eq!(quarters(lower_half, 40, 10), [RED, BLUE, RED, BLUE]);
    }

    #[test]
    fn a_page_or_a_size_that_there_is_not_is_refused() {
        let document = document("");
        let mut canvas = HayroCanvas::new(&document);
        let size = |width| ImageSize {
            width,
            height: 1,
            scaled_down: false,
        };
        let refused = HayroError::Draw(DrawError::Refused);
        assert_eq!(canvas.draw(1, size(1)).err(), Some(refused));
        assert_eq!(canvas.draw(0, size(70_000)).err(), Some(refused));
    }
}
