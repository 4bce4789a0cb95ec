//! Where a character stands, and how it is set.

use pdfium_render::prelude::{PdfFontWeight, PdfPageTextChar, PdfPoints, PdfRect};

use super::frame::PageFrame;
use crate::text::layout::{Direction, Directions, Glyph, is_ideographic};

/// Height of a font's box in font sizes, where the font does not say: that of Helvetica.
const USUAL_BOX: f32 = 1.17;

/// How far the height of a font's box may be from its size. Beyond it, the size is in other units than points, as that
/// of a Type 3 font whose glyphs are drawn in points.
const BELIEVABLE_BOX: std::ops::RangeInclusive<f32> = 0.3..=6.5;

/// A box higher than this many font sizes is not that of a line: fonts of formulas have room for everything that is built
/// of their signs.
const HIGHEST_BOX: f32 = 2.2;

/// What the glyphs of one word share; asking PDFium for it at every glyph would double the cost of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    /// Size as seen, in points.
    size: f32,
    bold: bool,
    direction: Direction,
    /// Height of the font's box as it stands in the file; another height inside a word means another font or size.
    box_height: f32,
    /// Height of the font's box along its glyphs, where they stand at an angle.
    font_height: f32,
    /// Whether the size is that of the boxes, because the font's own says nothing.
    pub(super) by_box: bool,
}

/// A character's box and origin in the coordinates of the PDF.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Where its baseline begins.
    pub(super) origin: (f32, f32),
    /// The font's box over its advance width.
    pub(super) loose: PdfRect,
}

impl Place {
    /// Reads it; nothing when PDFium does not know.
    pub(super) fn of(character: &PdfPageTextChar<'_>) -> Option<Self> {
        let (x, y) = character.origin().ok()?;
        Some(Self {
            origin: (x.value, y.value),
            loose: character.loose_bounds().ok()?,
        })
    }

    /// Whether two characters are printed as one glyph: PDFium gives all characters of a ligature its place, those
    /// after the first with its width or with none.
    pub(super) fn is_piece_of(&self, before: &Self) -> bool {
        let has_no_width = (self.loose.right() - self.loose.left()).value < 0.01;
        self.origin == before.origin
            && (has_no_width
                || (self.loose.right() == before.loose.right()
                    && self.loose.left() == before.loose.left()))
    }
}

/// Measures characters of one page.
#[derive(Debug)]
pub(super) struct Measure {
    frame: PageFrame,
    directions: Directions,
    /// That of the word at hand.
    style: Option<Style>,
}

impl Measure {
    pub(super) fn new(frame: PageFrame) -> Self {
        Self {
            frame,
            directions: Directions::default(),
            style: None,
        }
    }

    /// The next character begins a word.
    pub(super) fn begin_word(&mut self) {
        self.style = None;
    }

    /// Whether the size of the last glyph is that of its box.
    pub(super) fn is_by_box(&self) -> bool {
        self.style.is_some_and(|style| style.by_box)
    }

    /// A glyph at a place that PDFium gave. `turned` is by how many degrees PDFium sees it turned and it is not.
    pub(super) fn glyph(
        &mut self,
        character: &PdfPageTextChar<'_>,
        ch: char,
        place: &Place,
        turned: f32,
    ) -> Glyph {
        let box_height = (place.loose.top() - place.loose.bottom()).value;
        let style = match self.style {
            Some(style) if (style.box_height - box_height).abs() <= 0.02 * style.size => style,
            _ => {
                let style = self.read_style(character, box_height, turned);
                self.style = Some(style);
                style
            }
        };
        self.place(ch, place, style)
    }

    fn place(&self, ch: char, place: &Place, style: Style) -> Glyph {
        let direction = style.direction;
        let (seen_x, seen_y) = self.frame.seen(place.origin.0, place.origin.1);
        let (origin, baseline) = direction.to_frame(seen_x, seen_y);
        let seen = self.frame.seen_rect(&place.loose);
        let (x0, x1, top, bottom) = if direction.is_oblique() {
            let advance = advance(direction, seen.x1 - seen.x0, seen.y1 - seen.y0, style);
            let (top, bottom) = (baseline - 0.8 * style.size, baseline + 0.2 * style.size);
            (origin, origin + advance, top, bottom)
        } else {
            let mut extent = direction.rect_to_frame(seen);
            // In vertical writing PDFium's box is twice as wide as its glyph, or stands half a glyph beside it.
            let is_twice_as_wide = extent.x1 - extent.x0 > 1.6 * style.size;
            if is_ideographic(ch) && is_twice_as_wide && (extent.x0..=extent.x1).contains(&origin) {
                (extent.x0, extent.x1) = (origin, origin + style.size);
            }
            if !style.by_box && extent.y1 - extent.y0 > HIGHEST_BOX * style.size {
                (extent.y0, extent.y1) = (baseline - 0.8 * style.size, baseline + 0.2 * style.size);
            }
            (extent.x0, extent.x1, extent.y0, extent.y1)
        };
        Glyph {
            ch,
            x0,
            x1: x1.max(x0),
            top,
            bottom,
            baseline,
            size: style.size,
            bold: style.bold,
            space_before: false,
            piece: false,
            annotation: 0,
            direction,
        }
    }

    fn read_style(
        &mut self,
        character: &PdfPageTextChar<'_>,
        box_height: f32,
        turned: f32,
    ) -> Style {
        let nominal = character.unscaled_font_size().value;
        let (scale, radians) = match character.matrix() {
            Ok(matrix) => (matrix.c().hypot(matrix.d()), matrix.b().atan2(matrix.a())),
            Err(_) => (1.0, 0.0),
        };
        // A negative size turns the glyphs by half a turn, which its matrix turns back.
        let half_turn = if nominal < 0.0 { 180.0 } else { 0.0 };
        let degrees = radians.to_degrees() + half_turn - turned - f32::from(self.frame.rotation);
        let direction = self.directions.of_degrees(degrees);
        let scaled = (nominal * scale).abs();
        // Only text at an angle needs it, and PDFium has to be asked three times.
        let font_height = match direction.is_oblique() {
            true => font_height(character, scale, scaled),
            false => 0.0,
        };
        let seen_height = if direction.is_oblique() {
            font_height
        } else if self.is_along_y(direction) {
            box_height.abs()
        } else {
            // Text that runs up or down in the file: the box is as wide as the font is high.
            scaled
        };
        let is_size = scaled.is_finite()
            && scaled > 0.01
            && BELIEVABLE_BOX.contains(&(seen_height / scaled).max(0.0));
        // An empty box says nothing either.
        let by_box = !is_size && seen_height > 0.01;
        let size = match (is_size, by_box) {
            (true, _) => scaled,
            (false, true) => seen_height,
            (false, false) if scaled.is_finite() && scaled > 0.01 => scaled,
            (false, false) => 1.0,
        };
        let is_heavy = match character.font_weight() {
            Some(PdfFontWeight::Weight600 | PdfFontWeight::Weight700Bold) => true,
            Some(PdfFontWeight::Weight800 | PdfFontWeight::Weight900) => true,
            Some(PdfFontWeight::Custom(weight)) => weight >= 600,
            _ => false,
        };
        Style {
            size,
            bold: is_heavy || is_bold_name(&character.font_name()),
            direction,
            box_height,
            font_height,
            by_box,
        }
    }

    /// Whether glyphs of a direction stand upright, or on their heads, in the file.
    fn is_along_y(&self, direction: Direction) -> bool {
        let (sin, _) = direction.sin_cos();
        let is_turned_page = matches!(self.frame.rotation, 90 | 270);
        (sin.abs() < 0.5) != is_turned_page
    }
}

/// The advance width of an oblique glyph, of the box (width by height) around its turned box.
fn advance(direction: Direction, width: f32, height: f32, style: Style) -> f32 {
    let (sin, cos) = direction.sin_cos();
    let (sin, cos) = (sin.abs(), cos.abs());
    // width = advance * cos + h * sin, height = advance * sin + h * cos, with h the height of the font's box.
    let difference = cos * cos - sin * sin;
    let advance = if difference.abs() > 0.3 {
        (width * cos - height * sin) / difference
    } else if cos >= sin {
        (width - style.font_height * sin) / cos
    } else {
        (height - style.font_height * cos) / sin
    };
    advance.clamp(0.0, 4.0 * style.size)
}

/// Height of the font's box as seen.
fn font_height(character: &PdfPageTextChar<'_>, scale: f32, scaled: f32) -> f32 {
    let size = PdfPoints::new(character.unscaled_font_size().value.abs());
    let height = character.text_object().ok().and_then(|object| {
        let font = object.font();
        let (ascent, descent) = (font.ascent(size).ok()?, font.descent(size).ok()?);
        Some((ascent.value - descent.value) * scale)
    });
    height
        .filter(|height| height.is_finite() && *height > 0.1 * scaled)
        .unwrap_or(USUAL_BOX * scaled)
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
    fn bold_is_read_from_the_name_of_a_font() {
        assert!(is_bold_name("ABCDEF+Helvetica-Bold"));
        assert!(is_bold_name("NimbusRomNo9L-MediDEMI"));
        assert!(!is_bold_name("TimesNewRomanPSMT"));
    }

    #[test]
    fn the_advance_of_a_turned_glyph_is_that_of_the_upright_one() {
        let (true_advance, h) = (6.0_f32, 11.7_f32);
        for degrees in [
            5.0_f32, 30.0, 40.0, 45.0, 50.0, 60.0, 100.0, 135.0, 200.0, 300.0,
        ] {
            let direction = Direction::from_degrees(degrees);
            let (sin, cos) = direction.sin_cos();
            let (sin, cos) = (sin.abs(), cos.abs());
            let style = Style {
                size: 10.0,
                bold: false,
                direction,
                box_height: 0.0,
                font_height: h,
                by_box: false,
            };
            let (width, height) = (true_advance * cos + h * sin, true_advance * sin + h * cos);
            let found = advance(direction, width, height, style);
            assert!((found - true_advance).abs() < 0.01, "{degrees}: {found}");
        }
    }
}
