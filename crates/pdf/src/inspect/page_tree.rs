//! The page tree (ISO 32000-2 section 7.7.3), walked without trust: circles, lying counts and broken kids.

use std::collections::HashSet;

use lopdf::{Dictionary, Object, ObjectId};

use super::objects::{Objects, identity};
use pagemill_document::Rect;

/// Pages that are counted at most, whatever the tree says.
const MAX_LEAVES: usize = 1_000_000;

/// Kids that are visited at most for each object of the file. A sound tree visits every object at most once; a
/// tree of empty nodes that share their kids is small to write and endless to walk.
const VISITS_PER_OBJECT: usize = 4;

/// Kids that are visited at least before the tree is called endless.
const MIN_VISITS: usize = 10_000;

/// Largest size of a unit that is believed, in points; Acrobat takes no larger one.
const LARGEST_UNIT: f32 = 75_000.0;

/// Smallest size of a unit that is believed, in points.
const SMALLEST_UNIT: f32 = 0.01;

/// US letter, which readers take for a page without a usable media box.
const DEFAULT_MEDIA_BOX: [f32; 4] = [0.0, 0.0, 612.0, 792.0];

/// One page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PageNode {
    /// Its object; a page written directly among the kids has none and gives no links.
    pub(crate) id: Option<ObjectId>,
    /// How it is seen.
    pub(crate) geometry: Geometry,
}

/// How a page's user space is seen: the part of it that is shown, the turn, and the size of its unit (ISO 32000-2
/// table 31, `UserUnit`), which PDFium knows nothing of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Geometry {
    shown: [f32; 4],
    quarter_turns: u8,
    user_unit: f32,
}

impl Geometry {
    /// The part that is shown: left, bottom, right, top, in user space.
    pub(crate) fn shown(self) -> [f32; 4] {
        self.shown
    }

    /// Whether the page is turned.
    pub(crate) fn is_turned(self) -> bool {
        self.quarter_turns != 0
    }

    /// The size of a unit in points: 1 on almost every page.
    pub(crate) fn user_unit(self) -> f32 {
        self.user_unit
    }

    /// Where a point of the page as seen, in points from the top left, lies in user space.
    pub(crate) fn in_user_space(self, seen: [f32; 2]) -> [f32; 2] {
        let [left, bottom, right, top] = self.shown;
        let (width, height) = (right - left, top - bottom);
        let [x, y] = seen.map(|edge| edge / self.user_unit);
        let [x, y] = match self.quarter_turns {
            1 => [y, x],
            2 => [width - x, y],
            3 => [width - y, height - x],
            _ => [x, height - y],
        };
        [left + x, bottom + y]
    }

    /// Which way it is to the right on the page as seen, and which way up, in user space: two vectors of length 1.
    pub(crate) fn axes(self) -> [f32; 4] {
        match self.quarter_turns {
            1 => [0.0, 1.0, -1.0, 0.0],
            2 => [-1.0, 0.0, 0.0, -1.0],
            3 => [0.0, -1.0, 1.0, 0.0],
            _ => [1.0, 0.0, 0.0, 1.0],
        }
    }

    /// Turns a normalised rectangle in user space into the page as seen: in points from the top left, y downwards.
    pub(crate) fn as_seen(self, rectangle: [f32; 4]) -> Rect {
        let [left, bottom, right, top] = self.shown;
        let (width, height) = (right - left, top - bottom);
        let (x0, x1) = (rectangle[0] - left, rectangle[2] - left);
        let (y0, y1) = (rectangle[1] - bottom, rectangle[3] - bottom);
        let (x0, y0, x1, y1) = match self.quarter_turns {
            1 => (y0, x0, y1, x1),
            2 => (width - x1, y0, width - x0, y1),
            3 => (height - y1, width - x1, height - y0, width - x0),
            _ => (x0, height - y1, x1, height - y0),
        };
        Rect { x0, y0, x1, y1 }.scaled(self.user_unit)
    }
}

/// What a page takes from its ancestors.
#[derive(Debug, Clone, Copy, Default)]
struct Inherited {
    media_box: Option<[f32; 4]>,
    crop_box: Option<[f32; 4]>,
    rotate: Option<i64>,
}

impl Inherited {
    fn with<'a>(self, objects: Objects<'a>, node: &'a Dictionary) -> Self {
        Self {
            media_box: objects.rectangle(node, b"MediaBox").or(self.media_box),
            crop_box: objects.rectangle(node, b"CropBox").or(self.crop_box),
            rotate: objects.integer(node, b"Rotate").or(self.rotate),
        }
    }

    /// As PDFium does it: an empty media box is US letter, the crop box only cuts from the media box.
    fn geometry(self, user_unit: f32) -> Geometry {
        let not_empty =
            |rectangle: &[f32; 4]| rectangle[2] > rectangle[0] && rectangle[3] > rectangle[1];
        let media_box = self
            .media_box
            .filter(not_empty)
            .unwrap_or(DEFAULT_MEDIA_BOX);
        let shown = self
            .crop_box
            .filter(not_empty)
            .map(|crop| {
                [
                    crop[0].max(media_box[0]),
                    crop[1].max(media_box[1]),
                    crop[2].min(media_box[2]),
                    crop[3].min(media_box[3]),
                ]
            })
            .filter(not_empty)
            .unwrap_or(media_box);
        let quarter_turns = (self.rotate.unwrap_or(0) / 90).rem_euclid(4);
        Geometry {
            shown,
            quarter_turns: u8::try_from(quarter_turns).unwrap_or(0),
            user_unit,
        }
    }
}

/// The size of a page's unit, which is not inherited; 1 where there is none that can be believed.
fn user_unit<'a>(objects: Objects<'a>, page: &'a Dictionary) -> f32 {
    let unit = objects
        .get(page, b"UserUnit")
        .and_then(|unit| unit.as_float().ok());
    unit.filter(|unit| is_user_unit(*unit)).unwrap_or(1.0)
}

/// Whether a unit of so many points can be believed.
pub(crate) fn is_user_unit(points: f32) -> bool {
    (SMALLEST_UNIT..=LARGEST_UNIT).contains(&points)
}

/// The pages found, in order.
#[derive(Debug, Default)]
pub(crate) struct PageTree {
    pub(crate) pages: Vec<PageNode>,
    /// Circles, dangling kids, or an end before the end.
    pub(super) damage: Option<&'static str>,
}

/// A node whose kids are being walked.
struct Frame<'a> {
    node: usize,
    kids: std::slice::Iter<'a, Object>,
    inherited: Inherited,
}

impl PageTree {
    /// Walks the tree from the catalog. `/Count` is not looked at. A kid with `/Kids` is a node, any other
    /// dictionary is a page, as PDFium and qpdf have it.
    pub(crate) fn walk(objects: Objects<'_>) -> Self {
        let mut tree = Self::default();
        let Some(catalog) = objects.catalog() else {
            return tree;
        };
        let Ok(root) = catalog.get(b"Pages") else {
            return tree;
        };
        let mut path = HashSet::new();
        let mut frames: Vec<Frame<'_>> = Vec::new();
        tree.enter(objects, root, Inherited::default(), &mut path, &mut frames);
        let mut visits = 0_usize;
        let max_visits = objects
            .document
            .objects
            .len()
            .saturating_mul(VISITS_PER_OBJECT)
            .max(MIN_VISITS);
        while let Some(frame) = frames.last_mut() {
            let Some(kid) = frame.kids.next() else {
                path.remove(&frame.node);
                frames.pop();
                continue;
            };
            let inherited = frame.inherited;
            visits += 1;
            if visits > max_visits || tree.pages.len() >= MAX_LEAVES {
                tree.damage = Some("the page tree has no end in sight and was cut");
                break;
            }
            tree.enter(objects, kid, inherited, &mut path, &mut frames);
        }
        tree
    }

    fn enter<'a>(
        &mut self,
        objects: Objects<'a>,
        kid: &'a Object,
        inherited: Inherited,
        path: &mut HashSet<usize>,
        frames: &mut Vec<Frame<'a>>,
    ) {
        let (Some((id, _)), Some(node)) = (objects.resolve(kid), objects.as_dictionary(kid)) else {
            self.damage = Some("the page tree names pages that are not in the file");
            return;
        };
        let inherited = inherited.with(objects, node);
        if !node.has(b"Kids") {
            self.pages.push(PageNode {
                id,
                geometry: inherited.geometry(user_unit(objects, node)),
            });
            return;
        }
        let Some(kids) = objects.array(node, b"Kids") else {
            self.damage = Some("a node of the page tree has no readable kids");
            return;
        };
        if !path.insert(identity(node)) {
            self.damage = Some("the page tree runs in a circle");
            return;
        }
        frames.push(Frame {
            node: identity(node),
            kids: kids.iter(),
            inherited,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_the_page_as_seen_is_found_again_however_it_is_turned() {
        for quarter_turns in 0..4 {
            let geometry = Geometry {
                shown: [10.0, 20.0, 310.0, 420.0],
                quarter_turns,
                user_unit: 2.0,
            };
            let seen = geometry.as_seen([50.0, 60.0, 90.0, 80.0]);
            let [x, y] = geometry.in_user_space([seen.x0, seen.y0]);
            let [right_x, right_y, up_x, up_y] = geometry.axes();
            // From its top left corner as seen, the rectangle goes to the right and down.
            let (wide, high) = ((seen.x1 - seen.x0) / 2.0, (seen.y1 - seen.y0) / 2.0);
            let across = [
                x + right_x * wide - up_x * high,
                y + right_y * wide - up_y * high,
            ];
            let corners = [
                x.min(across[0]),
                y.min(across[1]),
                x.max(across[0]),
                y.max(across[1]),
            ];
            assert_eq!(
                corners,
                [50.0, 60.0, 90.0, 80.0],
                "{quarter_turns} quarter turns"
            );
        }
    }
}
