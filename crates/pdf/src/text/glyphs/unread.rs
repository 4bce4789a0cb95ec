//! Text that is drawn and that PDFium's text page leaves out.
//!
//! A text page skips two kinds of text objects. One has a box without width: vertical writing in a font that the file
//! does not embed, for which PDFium has no glyphs, so that a column of it is as high as its lines and as wide as nothing.
//! The other looks like the object before it, printed again: a second "f" of a word that is set letter by letter, in a
//! font whose "f" hangs over. Such objects are moved to where a text page takes them, read there, and moved back before
//! the page is drawn.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use pdfium_render::prelude::{
    PdfPage, PdfPageObject, PdfPageObjectCommon, PdfPageObjectsCommon, PdfPageTextObject,
    PdfPoints, PdfRect,
};

use super::PageGlyphs;
use super::admit::{Admitted, admit};
use super::measure::{Measure, Place};

/// A box narrower than this, in points, is none to PDFium.
const NO_WIDTH: f32 = 0.01;

/// A box higher than this, in points, has something in it.
const SOME_HEIGHT: f32 = 0.5;

/// How far to the right objects are moved, in points: where no page's own text is.
const AWAY: f32 = 40_000.0;

/// Objects in forms in forms are looked at this deep.
const DEEPEST_FORM: usize = 8;

/// More objects of a page are not looked at.
const MAX_OBJECTS: usize = 1 << 20;

/// So many objects before it PDFium compares an object with.
const COMPARED: usize = 5;

/// A letter that stands at least so far from its like, in font sizes, and on its baseline, is a letter of its own.
const OWN_PLACE: f32 = 0.15;
const OWN_BASELINE: f32 = 0.02;

/// How objects are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// By a quarter turn counter-clockwise around the origin, and then to the right.
    Turned,
    /// To the right.
    Shifted,
}

impl Moved {
    /// By how many degrees, counter-clockwise.
    pub(super) fn degrees(self) -> f32 {
        match self {
            Self::Turned => 90.0,
            Self::Shifted => 0.0,
        }
    }

    /// Where a character stands that was moved; nothing for a character that was not.
    pub(super) fn back(self, place: &Place) -> Option<Place> {
        let (x, y) = place.origin;
        // Beyond lies what is on layers that are off.
        if !(AWAY / 2.0..AWAY * 2.0).contains(&x) {
            return None;
        }
        let back = |x: f32, y: f32| match self {
            Self::Turned => (y, AWAY - x),
            Self::Shifted => (x - AWAY, y),
        };
        let corner = |x: PdfPoints, y: PdfPoints| back(x.value, y.value);
        let (xa, ya) = corner(place.loose.left(), place.loose.bottom());
        let (xb, yb) = corner(place.loose.right(), place.loose.top());
        Some(Place {
            origin: back(x, y),
            loose: PdfRect::new(
                PdfPoints::new(ya.min(yb)),
                PdfPoints::new(xa.min(xb)),
                PdfPoints::new(ya.max(yb)),
                PdfPoints::new(xa.max(xb)),
            ),
        })
    }

    fn apply(self, object: &mut PdfPageObject<'_>) -> bool {
        let moved = match self {
            Self::Turned => object.transform(0.0, 1.0, -1.0, 0.0, AWAY, 0.0),
            Self::Shifted => object.transform(1.0, 0.0, 0.0, 1.0, AWAY, 0.0),
        };
        moved.is_ok()
    }

    /// Moves an object back; what could not be moved could not be moved back either.
    fn undo(self, object: &mut PdfPageObject<'_>) {
        let back = match self {
            Self::Turned => object.transform(0.0, -1.0, 1.0, 0.0, 0.0, AWAY),
            Self::Shifted => object.transform(1.0, 0.0, 0.0, 1.0, -AWAY, 0.0),
        };
        if back.is_err() {
            tracing::debug!("a text object could not be moved back");
        }
    }
}

impl PageGlyphs {
    /// Takes the characters of text objects that a text page leaves out, and counts those that can't be read.
    pub(super) fn take_unread(&mut self, page: &PdfPage<'_>, measure: &mut Measure) {
        let mut unread = Unread::default();
        unread.look_at(page.objects().iter(), 0);
        self.account.not_read += unread.in_forms;
        // An object without any extent is a space, or a single glyph that PDFium has not. There are more letters than
        // spaces: what goes beyond that is letters.
        let letters = u32::try_from(self.glyphs.len()).unwrap_or(u32::MAX);
        self.account.not_read += unread.without_extent.saturating_sub(letters);
        if self.width > AWAY / 4.0 {
            return;
        }
        self.take_moved(page, measure, unread.without_width, Moved::Turned);
        if !unread.alike.is_empty() {
            let taken = Origins::of(page);
            let left_out = unread.alike.into_iter().filter(|alike| !taken.has(alike));
            let (own, again): (Vec<_>, Vec<_>) = left_out.partition(|alike| taken.has_room(alike));
            self.account.overprinted += u32::try_from(again.len()).unwrap_or(u32::MAX);
            let own = own.into_iter().map(|alike| alike.object).collect();
            self.take_moved(page, measure, own, Moved::Shifted);
        }
    }

    fn take_moved(
        &mut self,
        page: &PdfPage<'_>,
        measure: &mut Measure,
        mut objects: Vec<PdfPageObject<'_>>,
        moved: Moved,
    ) {
        if objects.is_empty() {
            return;
        }
        objects.retain_mut(|object| moved.apply(object));
        let found = page
            .text()
            .map_or(0, |text| self.take(&text, measure, Some(moved)));
        for object in &mut objects {
            moved.undo(object);
        }
        if found == 0 {
            self.account.not_read += u32::try_from(objects.len()).unwrap_or(u32::MAX);
        }
    }
}

/// Where the characters of a page begin, y first, in fiftieths of a point.
struct Origins(BTreeSet<(i32, i32)>);

impl Origins {
    fn of(page: &PdfPage<'_>) -> Self {
        let Ok(text) = page.text() else {
            return Self(BTreeSet::new());
        };
        let characters = text.chars();
        let origins = characters.iter().filter_map(|character| {
            // Where PDFium sees a gap, it makes up a space.
            if matches!(admit(character.unicode_value()), Admitted::Space) {
                return None;
            }
            let (x, y) = character.origin().ok()?;
            Some((in_fiftieths(y.value), in_fiftieths(x.value)))
        });
        Self(origins.collect())
    }

    /// Whether the characters of an object are there.
    fn has(&self, alike: &Alike<'_>) -> bool {
        self.has_between(alike, -1..=1, 0.0)
    }

    /// Whether an object that is not there is a letter of its own: the one before it stands on its baseline, and none as
    /// near as an overprint would be.
    fn has_room(&self, alike: &Alike<'_>) -> bool {
        let nearest = in_fiftieths(OWN_PLACE * alike.size);
        let farthest = in_fiftieths(1.5 * alike.size);
        self.has_between(alike, nearest..=farthest, OWN_BASELINE * alike.size)
            && !self.has_between(alike, 1 - nearest..=nearest - 1, OWN_PLACE * alike.size)
    }

    /// Whether a character begins so far before an object, in fiftieths of a point, on a baseline as near as that.
    fn has_between(&self, alike: &Alike<'_>, before: RangeInclusive<i32>, near: f32) -> bool {
        let (x, y) = (in_fiftieths(alike.origin.0), in_fiftieths(alike.origin.1));
        // A font of a thousand points would have every row of the page looked at.
        let near = in_fiftieths(near).clamp(1, 200);
        let from = x.saturating_sub(*before.end());
        let to = x.saturating_sub(*before.start());
        (y.saturating_sub(near)..=y.saturating_add(near))
            .any(|row| self.0.range((row, from)..=(row, to)).next().is_some())
    }
}

fn in_fiftieths(points: f32) -> i32 {
    (points * 50.0).round() as i32
}

/// Text objects that a text page leaves out, or may leave out.
#[derive(Default)]
struct Unread<'a> {
    /// Their boxes have no width.
    without_width: Vec<PdfPageObject<'a>>,
    /// They lie over another one.
    alike: Vec<Alike<'a>>,
    /// How many without a width there are in forms, which have coordinates of their own.
    in_forms: u32,
    /// How many have neither width nor height.
    without_extent: u32,
    looked_at: usize,
}

/// A text object that lies over one before it.
struct Alike<'a> {
    object: PdfPageObject<'a>,
    /// Where it begins.
    origin: (f32, f32),
    /// Its font's size, in points.
    size: f32,
}

/// Where a text object stands, as far as PDFium compares it with the next ones.
#[derive(Debug, Clone, Copy)]
struct Standing {
    left: f32,
    right: f32,
    bottom: f32,
    top: f32,
}

impl Standing {
    /// Whether this lies over another by half of its width.
    fn is_over(&self, other: &Self) -> bool {
        let shared = self.right.min(other.right) - self.left.max(other.left);
        let is_level = self.top > other.bottom && other.top > self.bottom;
        is_level && shared > 0.0 && shared * 2.0 >= self.right - self.left
    }
}

impl<'a> Unread<'a> {
    fn look_at(&mut self, objects: impl Iterator<Item = PdfPageObject<'a>>, depth: usize) {
        let mut before: VecDeque<Standing> = VecDeque::with_capacity(COMPARED + 1);
        for object in objects {
            self.looked_at += 1;
            if self.looked_at > MAX_OBJECTS {
                return;
            }
            match &object {
                PdfPageObject::Text(text) => {
                    let Some(standing) = standing(&object) else {
                        continue;
                    };
                    if standing.right - standing.left < NO_WIDTH {
                        match standing.top - standing.bottom > SOME_HEIGHT {
                            true if depth == 0 => self.without_width.push(object),
                            true => self.in_forms += 1,
                            false => self.without_extent += 1,
                        }
                        continue;
                    }
                    let over = before.iter().any(|earlier| standing.is_over(earlier));
                    before.push_back(standing);
                    if before.len() > COMPARED {
                        before.pop_front();
                    }
                    if over
                        && depth == 0
                        && let Some((origin, size)) = origin(text)
                    {
                        self.alike.push(Alike {
                            object,
                            origin,
                            size,
                        });
                    }
                }
                PdfPageObject::XObjectForm(form) if depth < DEEPEST_FORM => {
                    // What is in a form is counted only, so it need not outlive the form.
                    let mut inner = Unread {
                        looked_at: self.looked_at,
                        ..Unread::default()
                    };
                    inner.look_at(form.iter(), depth + 1);
                    self.in_forms += inner.in_forms;
                    self.without_extent += inner.without_extent;
                    self.looked_at = inner.looked_at;
                }
                _ => {}
            }
        }
    }
}

fn standing(object: &PdfPageObject<'_>) -> Option<Standing> {
    let bounds = object.bounds().ok()?;
    Some(Standing {
        left: bounds.left().value,
        right: bounds.right().value,
        bottom: bounds.bottom().value,
        top: bounds.top().value,
    })
}

/// Where a text object begins, and the size of its font.
fn origin(text: &PdfPageTextObject<'_>) -> Option<((f32, f32), f32)> {
    let matrix = text.matrix().ok()?;
    let size = text.unscaled_font_size().value.abs() * matrix.a().hypot(matrix.b());
    (size.is_finite() && size > 0.0).then_some(((matrix.e(), matrix.f()), size))
}
