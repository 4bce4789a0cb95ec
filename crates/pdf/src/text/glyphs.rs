//! The characters of one page, read from PDFium once.

use std::cell::OnceCell;

use pdfium_render::prelude::{PdfPage, PdfPageText};

use crate::annotation_text::AnnotationText;
use crate::text::layout::{self, Glyph, Middles};
use pagemill_document::{
    CharacterAccount, Figure, FigureKind, Letters, PageNumber, PageState, PageText, Rect,
};
use pagemill_reader::Limits;

mod admit;
mod annotations;
mod drawn;
mod frame;
mod measure;
mod reading;
mod sketch;
mod unread;

use admit::{Admitted, admit};
use drawn::Drawn;
use frame::PageFrame;
use measure::{Measure, Place};
use unread::Moved;

/// More glyphs of one page are not read: 64 MiB of them, twenty times a dense newspaper page.
const MAX_GLYPHS: usize = 1 << 20;

/// What lies so far off a page, in points, is on a layer that is off: see [`crate::repair`].
const LAYERS_OFF: f32 = 100_000.0;

/// A page of which more than this part of the characters is missing in its text needs OCR.
const MISSING_PART: f32 = 0.1;

/// A page of at least so many shapes that are as large as letters, and so many for each of its characters, was made of the
/// outlines of letters.
const OUTLINES: usize = 150;
const OUTLINES_A_CHARACTER: usize = 3;

/// Pictures that are narrower or lower than this, in points, are signs and ornaments.
const SMALLEST_FIGURE: f32 = 36.0;

/// The strips of one picture differ at their edges by at most this, in points.
const STRIP_GAP: f32 = 1.0;

/// A picture that takes more than this part of its page is the page itself, or its ground.
const GROUND: f32 = 0.8;

/// Pictures that share so much of the larger one are one: a picture and its mask, or its shadow.
const SAME_PLACE: f32 = 0.8;

/// The glyphs of one page. Built once; gives the page's text and the text under link rectangles.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageGlyphs {
    width: f32,
    height: f32,
    rotation: u16,
    without_hidden: bool,
    glyphs: Vec<Glyph>,
    /// What is not among the glyphs.
    account: CharacterAccount,
    /// Rules and filled areas, pictures and outlines.
    drawn: Drawn,
    /// What annotations show; glyphs name them by their place here, from 1.
    annotations: Vec<AnnotationText>,
    /// Whether the page has more glyphs than are read.
    cut: bool,
    /// Where they are, from the first link on that asks.
    middles: OnceCell<Middles>,
}

impl PageGlyphs {
    /// Reads all glyphs of a loaded page. A page whose text can't be read has none. What lies very far off a page
    /// `without_hidden` is on layers that are off.
    pub(crate) fn read(page: &PdfPage<'_>, without_hidden: bool) -> Self {
        let frame = PageFrame::of(page);
        let (width, height) = frame.seen_size();
        let mut read = Self {
            width,
            height,
            rotation: frame.rotation,
            without_hidden,
            ..Self::default()
        };
        read.drawn = Drawn::of(page, &frame);
        let mut measure = Measure::new(frame);
        if let Ok(text) = page.text() {
            read.take(&text, &mut measure, None);
        }
        read.take_unread(page, &mut measure);
        layout::find_vertical_writing(&mut read.glyphs);
        read
    }

    /// Takes the characters of a text page; with `moved`, only those of objects that were moved to be read. Returns how
    /// many there are.
    fn take(&mut self, text: &PdfPageText<'_>, measure: &mut Measure, moved: Option<Moved>) -> u32 {
        let mut space_before = false;
        let mut high_surrogate: Option<u32> = None;
        let mut before: Option<Place> = None;
        let mut by_box = Vec::new();
        let mut found = 0;
        let turned_by = moved.map_or(0.0, Moved::degrees);
        measure.begin_word();
        for character in text.chars().iter() {
            let back = match moved {
                None => None,
                Some(moved) => match Place::of(&character).and_then(|place| moved.back(&place)) {
                    None => continue,
                    back => back,
                },
            };
            found += 1;
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
            let admitted = match admit(value) {
                // PDFium blanks the hyphen that it takes for a break of a word, or puts a mark of its own there.
                Admitted::Unmapped if value <= 2 && character.is_hyphen().unwrap_or(false) => {
                    Admitted::Char('-')
                }
                admitted => admitted,
            };
            let ch = match admitted {
                Admitted::Char(ch) => ch,
                Admitted::Space => {
                    // PDFium makes up spaces where it sees gaps; the layout judges gaps itself.
                    space_before |= !character.is_generated().unwrap_or(false);
                    measure.begin_word();
                    before = None;
                    continue;
                }
                Admitted::Ignored => continue,
                Admitted::Unmapped => {
                    self.account.no_unicode += 1;
                    before = None;
                    continue;
                }
                Admitted::Private => {
                    self.account.private_use += 1;
                    before = None;
                    continue;
                }
            };
            let Some(place) = back.or_else(|| Place::of(&character)) else {
                self.account.off_page += 1;
                continue;
            };
            if self.glyphs.len() >= MAX_GLYPHS {
                self.cut = true;
                self.account.over_limit += 1;
                continue;
            }
            let mut glyph = measure.glyph(&character, ch, &place, turned_by);
            if moved == Some(Moved::Turned) {
                layout::turn_down(&mut glyph);
            }
            if !self.is_on_page(&glyph) {
                let distance = glyph.x0.abs().max(glyph.top.abs());
                match self.without_hidden && distance > LAYERS_OFF {
                    true => self.account.layer_off += 1,
                    false => self.account.off_page += 1,
                }
                before = None;
                continue;
            }
            if measure.is_by_box() {
                by_box.push(self.glyphs.len());
            }
            self.glyphs.push(Glyph {
                space_before,
                piece: before.is_some_and(|before| place.is_piece_of(&before)),
                ..glyph
            });
            before = Some(place);
            space_before = false;
        }
        even_out(&mut self.glyphs, &by_box);
        found
    }

    fn is_on_page(&self, glyph: &Glyph) -> bool {
        let seen = glyph.direction.rect_to_seen(Rect {
            x0: glyph.x0,
            y0: glyph.top,
            x1: glyph.x1,
            y1: glyph.bottom,
        });
        let (x, y) = ((seen.x0 + seen.x1) / 2.0, (seen.y0 + seen.y1) / 2.0);
        (-1.0..=self.width + 1.0).contains(&x) && (-1.0..=self.height + 1.0).contains(&y)
    }

    /// The page's text in reading order, cut at `limits.max_text_bytes_per_page`.
    pub(crate) fn text(&self, number: PageNumber, limits: &Limits) -> PageText {
        let max_bytes = usize::try_from(limits.max_text_bytes_per_page).unwrap_or(usize::MAX);
        let mut laid_out = layout::page_text(
            &self.glyphs,
            self.width,
            max_bytes,
            Some(&self.drawn.drawing),
        );
        laid_out.text.page = number;
        let mut text = laid_out.text;
        text.width = self.width;
        text.height = self.height;
        text.rotation = self.rotation;
        text.truncated |= self.cut;
        for (span, number) in text.annotations.iter_mut().zip(laid_out.annotations) {
            if let Some(annotation) = self.annotations.get(usize::from(number.wrapping_sub(1))) {
                span.source = annotation.source;
                span.name.clone_from(&annotation.name);
            }
        }
        text.figures = self.figures();
        text.characters = self.account_for(&text, laid_out.overprinted, laid_out.overprints);
        if self.is_of_outlines() {
            text.state = PageState::NeedsOcr;
        }
        let missing = text.characters.missing();
        let all = self.glyphs.len() as f32 + missing as f32;
        if missing > 0 && missing as f32 > MISSING_PART * all && !text.truncated {
            // A text layer that does not say what the page shows is worse than the picture of it.
            text.state = PageState::NeedsOcr;
            tracing::debug!(
                page = number.0,
                missing,
                "much of the page is not in its text"
            );
        }
        text
    }

    /// Whether the page shows letters as outlines, and next to none as text.
    pub(crate) fn is_of_outlines(&self) -> bool {
        let outlines = self.drawn.outlines;
        outlines >= OUTLINES && outlines >= OUTLINES_A_CHARACTER * self.glyphs.len()
    }

    /// Where its pictures are, within the page as seen; of those that lie in one place the first.
    pub(crate) fn pictures(&self) -> Vec<Rect> {
        let mut found: Vec<Rect> = Vec::new();
        for picture in &self.drawn.pictures {
            let picture = Rect {
                x0: picture.x0.max(0.0),
                y0: picture.y0.max(0.0),
                x1: picture.x1.min(self.width),
                y1: picture.y1.min(self.height),
            };
            let is_new = |other: &Rect| {
                let larger = picture.area().max(other.area());
                other.shared_area(picture) < SAME_PLACE * larger
            };
            if picture.area() > 0.0 && found.iter().all(is_new) {
                found.push(picture);
            }
        }
        found
    }

    /// Its pictures, but for ornaments, and what may be drawings, from top to bottom.
    fn figures(&self) -> Vec<Figure> {
        let is_large = |at: &Rect| {
            let (width, height) = (at.x1 - at.x0, at.y1 - at.y0);
            width >= SMALLEST_FIGURE && height >= SMALLEST_FIGURE
        };
        let is_ground = |at: &Rect| at.area() > GROUND * self.width * self.height;
        let pictures = joined_strips(self.pictures()).into_iter();
        let pictures = pictures.filter(|at| is_large(at) && !is_ground(at));
        let figure = |kind| {
            move |bbox| Figure {
                kind,
                bbox,
                caption: None,
            }
        };
        let drawings = self.drawn.areas.iter().copied();
        let mut figures: Vec<Figure> = pictures.map(figure(FigureKind::Picture)).collect();
        figures.extend(drawings.map(figure(FigureKind::Drawing)));
        figures.sort_by(|a, b| a.bbox.y0.total_cmp(&b.bbox.y0));
        figures
    }

    /// The boxes of the characters that stand in a rectangle of the page as seen.
    pub(crate) fn boxes_within(&self, rect: Rect) -> Vec<Rect> {
        let seen = self.glyphs.iter().map(|glyph| {
            glyph.direction.rect_to_seen(Rect {
                x0: glyph.x0,
                y0: glyph.top,
                x1: glyph.x1,
                y1: glyph.bottom,
            })
        });
        seen.filter(|of| {
            let (x, y) = ((of.x0 + of.x1) / 2.0, (of.y0 + of.y1) / 2.0);
            (rect.x0..=rect.x1).contains(&x) && (rect.y0..=rect.y1).contains(&y)
        })
        .collect()
    }

    /// What the text has and has not of the glyphs that were read.
    fn account_for(
        &self,
        text: &PageText,
        overprinted: u32,
        overprints: Letters,
    ) -> CharacterAccount {
        let mut account = self.account;
        account.letters = Letters::of(&text.text);
        account.overprinted = account.overprinted.saturating_add(overprinted);
        let read: Letters = self.glyphs.iter().map(|glyph| glyph.ch).collect();
        let expected = read.without(overprints);
        if text.truncated {
            let over = expected.count.saturating_sub(account.letters.count);
            account.over_limit = account.over_limit.saturating_add(over);
        } else if expected != account.letters {
            account.lost = expected.count.abs_diff(account.letters.count).max(1);
            tracing::error!(
                page = text.page.0,
                read = expected.count,
                in_text = account.letters.count,
                "letters were lost on the way into a page's text"
            );
        }
        account
    }

    /// The text under a rectangle (page as seen, points from top left) on one line, trimmed.
    pub(crate) fn anchor(&self, rect: Rect) -> Option<String> {
        let middles = self.middles.get_or_init(|| Middles::of(&self.glyphs));
        layout::text_within(&self.glyphs, middles, rect)
    }
}

/// Pictures, of which those that lie below each other without a gap are one: files have large pictures in strips.
fn joined_strips(mut pictures: Vec<Rect>) -> Vec<Rect> {
    let is_same = |a: f32, b: f32| (a - b).abs() <= STRIP_GAP;
    pictures.sort_by(|a, b| a.y0.total_cmp(&b.y0));
    let mut joined: Vec<Rect> = Vec::new();
    for picture in pictures {
        let above = joined.iter_mut().find(|above| {
            is_same(above.y1, picture.y0)
                && is_same(above.x0, picture.x0)
                && is_same(above.x1, picture.x1)
        });
        match above {
            Some(above) => above.y1 = picture.y1,
            None => joined.push(picture),
        }
    }
    joined
}

/// Gives glyphs whose size is that of their boxes the largest size among their neighbours on the line: the boxes of a
/// Type 3 font may be those of its glyphs, and an "a" is not set smaller than a "B".
fn even_out(glyphs: &mut [Glyph], by_box: &[usize]) {
    let continues = |before: &Glyph, glyph: &Glyph| {
        before.direction == glyph.direction
            && (before.baseline - glyph.baseline).abs() < 0.3 * before.size.max(glyph.size)
    };
    let mut start = 0;
    while start < by_box.len() {
        let mut end = start + 1;
        let mut size = glyphs[by_box[start]].size;
        while end < by_box.len() && continues(&glyphs[by_box[end - 1]], &glyphs[by_box[end]]) {
            size = size.max(glyphs[by_box[end]].size);
            end += 1;
        }
        for &index in &by_box[start..end] {
            glyphs[index].size = size;
        }
        start = end;
    }
}
