//! The characters of one page, read from PDFium once.

use std::cell::OnceCell;

use pdfium_render::prelude::{
    PdfFontWeight, PdfPage, PdfPageRenderRotation, PdfPageTextChar, PdfRect,
};

use crate::engine::Limits;
use crate::page::{PageNumber, Rect};
use crate::text::PageText;
use crate::text::layout::{self, Direction, Glyph, Middles};

/// More glyphs of one page are not read: 64 MiB of them, twenty times a dense newspaper page.
const MAX_GLYPHS: usize = 1 << 20;

/// The page's box and rotation, and how its coordinates become those of the page as seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PageFrame {
    /// Crop box (within the media box) in PDF's own coordinates, y upwards.
    left: f32,
    bottom: f32,
    right: f32,
    top: f32,
    /// Degrees clockwise: 0, 90, 180 or 270.
    rotation: u16,
}

impl PageFrame {
    /// Width and height of the page as seen.
    fn seen_size(&self) -> (f32, f32) {
        let (width, height) = (self.right - self.left, self.top - self.bottom);
        match self.rotation {
            90 | 270 => (height, width),
            _ => (width, height),
        }
    }

    /// A point of the PDF as a point of the page as seen.
    fn seen(&self, x: f32, y: f32) -> (f32, f32) {
        match self.rotation {
            90 => (y - self.bottom, x - self.left),
            180 => (self.right - x, y - self.bottom),
            270 => (self.top - y, self.right - x),
            _ => (x - self.left, self.top - y),
        }
    }

    fn seen_rect(&self, rect: &PdfRect) -> Rect {
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

/// What the glyphs of one word share; asking PDFium for it at every glyph would double the cost of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Style {
    /// Size as seen, in points.
    size: f32,
    bold: bool,
    direction: Direction,
    /// Height of the font's box; another height inside a word means another font or size.
    box_height: f32,
}

/// The glyphs of one page. Built once; gives the page's text and the text under link rectangles.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageGlyphs {
    width: f32,
    height: f32,
    rotation: u16,
    glyphs: Vec<Glyph>,
    /// Characters that PDFium can't map to Unicode; they are kept out of the text.
    unmapped: usize,
    /// Whether the page has more glyphs than are read.
    cut: bool,
    /// Where they are, from the first link on that asks.
    middles: OnceCell<Middles>,
}

impl PageGlyphs {
    /// Reads all glyphs of a loaded page. A page whose text can't be read has none.
    pub(crate) fn read(page: &PdfPage<'_>) -> Self {
        let frame = page_frame(page);
        let (width, height) = frame.seen_size();
        let mut read = Self {
            width,
            height,
            rotation: frame.rotation,
            ..Self::default()
        };
        let Ok(text) = page.text() else {
            return read;
        };

        let mut style: Option<Style> = None;
        let mut space_before = false;
        let mut high_surrogate: Option<u32> = None;
        for character in text.chars().iter() {
            let mut value = character.unicode_value();
            if (0xD800..0xDC00).contains(&value) {
                high_surrogate = Some(value);
                continue;
            }
            if let Some(high) = high_surrogate.take()
                && (0xDC00..0xE000).contains(&value)
            {
                value = 0x1_0000 + ((high - 0xD800) << 10) + (value - 0xDC00);
            }
            let kept = match admit(value) {
                Admitted::Char(kept) => kept,
                Admitted::Space => {
                    // PDFium makes up spaces where it sees gaps; the layout judges gaps itself.
                    space_before |= !character.is_generated().unwrap_or(false);
                    style = None;
                    continue;
                }
                Admitted::Ignored => continue,
                // PDFium blanks the hyphen that it takes for a break of a word.
                Admitted::Unmapped if value == 0 && character.is_hyphen().unwrap_or(false) => '-',
                Admitted::Unmapped => {
                    read.unmapped += 1;
                    continue;
                }
            };
            if read.glyphs.len() >= MAX_GLYPHS {
                read.cut = true;
                break;
            }
            let Some(glyph) = measure(&character, kept, &frame, &mut style) else {
                continue;
            };
            read.glyphs.push(Glyph {
                space_before,
                ..glyph
            });
            space_before = false;
        }
        layout::find_vertical_writing(&mut read.glyphs);
        read
    }

    /// The page's text in reading order, cut at `limits.max_text_bytes_per_page`.
    pub(crate) fn text(&self, number: PageNumber, limits: &Limits) -> PageText {
        let max_bytes = usize::try_from(limits.max_text_bytes_per_page).unwrap_or(usize::MAX);
        let mut text = layout::page_text(&self.glyphs, number, self.width, max_bytes);
        text.width = self.width;
        text.height = self.height;
        text.rotation = self.rotation;
        text.truncated |= self.cut;
        if self.unmapped > self.glyphs.len() {
            // A text layer of which most has no meaning is worse than the picture of it.
            text.state = crate::page::PageState::NeedsOcr;
            tracing::debug!(
                page = number.0,
                unmapped = self.unmapped,
                "most characters have no unicode value"
            );
        }
        text
    }

    /// The text under a rectangle (page as seen, points from top left) on one line, trimmed.
    pub(crate) fn anchor(&self, rect: Rect) -> Option<String> {
        let middles = self.middles.get_or_init(|| Middles::of(&self.glyphs));
        layout::text_within(&self.glyphs, middles, rect)
    }
}

fn page_frame(page: &PdfPage<'_>) -> PageFrame {
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
    PageFrame {
        left,
        bottom,
        right,
        top,
        rotation,
    }
}

/// What a character value of PDFium means to the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admitted {
    Char(char),
    Space,
    Ignored,
    Unmapped,
}

fn admit(value: u32) -> Admitted {
    match value {
        0x09..=0x0D
        | 0x20
        | 0xA0
        | 0x1680
        | 0x2000..=0x200A
        | 0x2028
        | 0x2029
        | 0x202F
        | 0x205F
        | 0x3000 => Admitted::Space,
        // PDFium's markers of a hyphen at a line's end, and the soft hyphen: printed, so kept as printed.
        0x02 | 0xAD | 0xFFFE => Admitted::Char('-'),
        0 | 0xFFFD => Admitted::Unmapped,
        0x01..=0x1F
        | 0x7F..=0x9F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0xFEFF => Admitted::Ignored,
        // Bullets of the Symbol and Wingdings fonts, the only private values with one well known meaning.
        0xF0B7 | 0xF06C | 0xF09F => Admitted::Char('•'),
        0xF0A7 | 0xF06E => Admitted::Char('▪'),
        0xF0D8 => Admitted::Char('➢'),
        0xF0FC => Admitted::Char('✓'),
        0xE000..=0xF8FF | 0xF0000..=0x10FFFF => Admitted::Unmapped,
        _ => char::from_u32(value).map_or(Admitted::Unmapped, Admitted::Char),
    }
}

/// Where a glyph stands, and its style. None when it stands outside the page or can't be measured.
fn measure(
    character: &PdfPageTextChar<'_>,
    kept: char,
    frame: &PageFrame,
    known: &mut Option<Style>,
) -> Option<Glyph> {
    let loose = character.loose_bounds().ok()?;
    let box_height = loose.top().value - loose.bottom().value;
    let style = match known {
        Some(style) if (style.box_height - box_height).abs() <= 0.02 * style.size => *style,
        _ => {
            let style = read_style(character, frame, box_height);
            *known = Some(style);
            style
        }
    };
    let (origin_x, origin_y) = character.origin().ok()?;
    let (seen_x, seen_y) = frame.seen(origin_x.value, origin_y.value);
    let direction = style.direction;
    let (mut x0, baseline) = direction.to_frame(seen_x, seen_y);

    // PDFium's loose box is the advance width by the font's height, but only where text is upright in the file.
    let upright_in_file = box_height > 0.05 * style.size;
    let seen = if upright_in_file {
        frame.seen_rect(&loose)
    } else {
        frame.seen_rect(&character.tight_bounds().ok()?)
    };
    let extent = direction.rect_to_frame(seen);
    let (top, bottom) = if upright_in_file {
        (extent.y0, extent.y1)
    } else {
        (baseline - 0.8 * style.size, baseline + 0.2 * style.size)
    };
    if upright_in_file || extent.x0 < x0 {
        x0 = extent.x0;
    }
    let x1 = extent.x1.max(x0);

    let (width, height) = frame.seen_size();
    let (centre_x, centre_y) = ((seen.x0 + seen.x1) / 2.0, (seen.y0 + seen.y1) / 2.0);
    let on_page =
        (-1.0..=width + 1.0).contains(&centre_x) && (-1.0..=height + 1.0).contains(&centre_y);
    if !on_page {
        return None;
    }
    Some(Glyph {
        ch: kept,
        x0,
        x1,
        top,
        bottom,
        baseline,
        size: style.size,
        bold: style.bold,
        space_before: false,
        direction,
    })
}

fn read_style(character: &PdfPageTextChar<'_>, frame: &PageFrame, box_height: f32) -> Style {
    let nominal = character.unscaled_font_size().value;
    let (scale, radians) = match character.matrix() {
        Ok(matrix) => (matrix.c().hypot(matrix.d()), matrix.b().atan2(matrix.a())),
        Err(_) => (1.0, 0.0),
    };
    let scaled = (nominal * scale).abs();
    let size = if scaled.is_finite() && scaled > 0.01 {
        scaled
    } else {
        box_height.abs().max(1.0)
    };
    let degrees = radians.to_degrees() - f32::from(frame.rotation);
    let is_heavy = match character.font_weight() {
        Some(PdfFontWeight::Weight600 | PdfFontWeight::Weight700Bold) => true,
        Some(PdfFontWeight::Weight800 | PdfFontWeight::Weight900) => true,
        Some(PdfFontWeight::Custom(weight)) => weight >= 600,
        _ => false,
    };
    let bold = is_heavy || is_bold_name(&character.font_name());
    Style {
        size,
        bold,
        direction: Direction::from_degrees(degrees),
        box_height,
    }
}

fn is_bold_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    ["bold", "black", "heavy", "demi", "cmbx"]
        .iter()
        .any(|word| {
            bytes
                .windows(word.len())
                .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
        })
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

    #[test]
    fn control_characters_and_private_values_stay_out() {
        assert_eq!(admit(0x07), Admitted::Ignored);
        assert_eq!(admit(0x200B), Admitted::Ignored);
        assert_eq!(admit(0), Admitted::Unmapped);
        assert_eq!(admit(0xE123), Admitted::Unmapped);
        assert_eq!(admit(0xFFFE), Admitted::Char('-'));
        assert_eq!(admit(0xF0B7), Admitted::Char('•'));
        assert_eq!(admit(0xA0), Admitted::Space);
        assert_eq!(admit('é' as u32), Admitted::Char('é'));
    }

    #[test]
    fn bold_is_read_from_the_name_of_a_font() {
        assert!(is_bold_name("ABCDEF+Helvetica-Bold"));
        assert!(is_bold_name("NimbusRomNo9L-MediDEMI"));
        assert!(!is_bold_name("TimesNewRomanPSMT"));
    }
}
