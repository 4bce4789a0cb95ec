//! Which of what is drawn on a page is a figure, and what its caption is.
//!
//! A picture is a figure; so are lines and curves that a caption stands below or above, with all that is drawn beside them. Lines
//! without a caption are ornaments, frames and the rules of forms; those of a table are the table's. A picture that comes again at
//! its place on other pages, as logos do, is an ornament.

use std::collections::HashSet;

use super::labels::names_figure;
use crate::{Block, BlockKind, Figure, FigureKind, PageText, Rect};

/// A caption lies at most so far from its figure, in points: the names of a chart's axes stand between them.
const NEAR: f32 = 44.0;

/// A caption may reach so far into the box of its figure, in points.
const INTO: f32 = 6.0;

/// What stands above a caption beside its figure shares this part of the height of the two.
const BESIDE: f32 = 0.5;

/// A drawing is a table's when it lies in it with this part of its area.
const IN_TABLE: f32 = 0.5;

/// A block of so many lines is running text, which no figure holds.
const LINES_OF_PROSE: usize = 4;

/// Whether a figure, or what may be one, lies just above or below a block.
pub(super) fn has_beside(page: &PageText, block: &Block) -> bool {
    let boxes = page.figures.iter().map(|figure| figure.bbox);
    boxes
        .filter(|&figure| !lies_in_a_table(page, figure))
        .any(|figure| distance(figure, block.bbox).is_some())
}

/// Where a picture stands, in steps of two points.
pub(super) type Place = [i32; 4];

fn place(bbox: Rect) -> Place {
    [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(|edge| (edge / 2.0).round() as i32)
}

/// Where the pictures of a page stand, each place once.
pub(super) fn places(page: &PageText) -> HashSet<Place> {
    let pictures = page.figures.iter();
    let pictures = pictures.filter(|figure| figure.kind == FigureKind::Picture);
    pictures.map(|picture| place(picture.bbox)).collect()
}

/// Joins what belongs to one figure, gives figures their captions, and leaves out drawings that are none, and ornaments.
pub(super) fn link(page: &mut PageText, ornaments: &HashSet<Place>) {
    let mut left: Vec<Figure> = std::mem::take(&mut page.figures)
        .into_iter()
        .map(|figure| Figure {
            caption: None,
            ..figure
        })
        .collect();
    left.retain(|figure| figure.kind == FigureKind::Picture || !lies_in_a_table(page, figure.bbox));
    let mut found = Vec::new();
    for (index, block) in page.blocks.iter().enumerate() {
        let is_caption = block.kind == BlockKind::Caption
            && page
                .text
                .get(block.start as usize..block.end as usize)
                .is_some_and(names_figure);
        if !is_caption {
            continue;
        }
        let near = left.iter().enumerate().filter_map(|(place, figure)| {
            let away = distance(figure.bbox, block.bbox)?;
            // Captions stand below more often than above.
            let is_below = block.bbox.y0 + block.bbox.y1 > figure.bbox.y0 + figure.bbox.y1;
            Some((away + if is_below { 0.0 } else { NEAR }, place))
        });
        let Some((_, nearest)) = near.min_by(|a, b| a.0.total_cmp(&b.0)) else {
            continue;
        };
        let mut figure = left.swap_remove(nearest);
        figure.caption = u32::try_from(index).ok();
        loop {
            let of_it = left.iter().position(|other| {
                let all = figure.bbox.around(other.bbox);
                is_beside(figure.bbox, other.bbox)
                    && shared(all.x0, all.x1, block.bbox.x0, block.bbox.x1) > 0.0
                    && spans(block.bbox, other.bbox)
                    && !holds_prose(page, all)
            });
            let Some(other) = of_it.map(|place| left.swap_remove(place)) else {
                break;
            };
            figure.bbox = figure.bbox.around(other.bbox);
            if other.kind == FigureKind::Drawing {
                figure.kind = FigureKind::Drawing;
            }
        }
        found.push(figure);
    }
    left.retain(|figure| {
        figure.kind == FigureKind::Picture && !ornaments.contains(&place(figure.bbox))
    });
    found.extend(left);
    found.sort_by(|a, b| {
        let by_top = a.bbox.y0.total_cmp(&b.bbox.y0);
        by_top.then(a.bbox.x0.total_cmp(&b.bbox.x0))
    });
    page.figures = found;
}

/// How far a caption is above or below a figure, in points; nothing where it is too far, or beside it.
fn distance(figure: Rect, caption: Rect) -> Option<f32> {
    let width = (figure.x1 - figure.x0).min(caption.x1 - caption.x0);
    if shared(figure.x0, figure.x1, caption.x0, caption.x1) < 0.3 * width {
        return None;
    }
    let (below, above) = (caption.y0 - figure.y1, figure.y0 - caption.y1);
    let away = below.max(above);
    (-INTO..=NEAR).contains(&away).then_some(away.max(0.0))
}

/// Whether two boxes stand beside each other, or one in the other.
fn is_beside(a: Rect, b: Rect) -> bool {
    let height = (a.y1 - a.y0).min(b.y1 - b.y0);
    shared(a.y0, a.y1, b.y0, b.y1) > BESIDE * height
}

/// Whether a caption's column is that of a box too: it reaches over some of it.
fn spans(caption: Rect, other: Rect) -> bool {
    let width = other.x1 - other.x0;
    shared(caption.x0, caption.x1, other.x0, other.x1) > 0.3 * width
}

fn holds_prose(page: &PageText, bbox: Rect) -> bool {
    page.blocks.iter().any(|block| {
        let middle = (
            (block.bbox.x0 + block.bbox.x1) / 2.0,
            (block.bbox.y0 + block.bbox.y1) / 2.0,
        );
        block.kind == BlockKind::Paragraph
            && block.lines.len() >= LINES_OF_PROSE
            && (bbox.x0..=bbox.x1).contains(&middle.0)
            && (bbox.y0..=bbox.y1).contains(&middle.1)
    })
}

fn lies_in_a_table(page: &PageText, bbox: Rect) -> bool {
    let area = bbox.area();
    let tables = page.blocks.iter().filter(|block| block.table.is_some());
    tables
        .map(|table| table.bbox)
        .any(|table| bbox.shared_area(table) > IN_TABLE * area)
}

fn shared(a0: f32, a1: f32, b0: f32, b1: f32) -> f32 {
    a1.min(b1) - a0.max(b0)
}
