//! Rules, and the edges of filled areas, joined where they are pieces of one.

use pagemill_document::Rect;

use crate::{Axis, Drawing};

/// Edges that are as near as this, in points, are one: the two sides of a thick rule, of a double one, or of the white
/// between two filled cells.
pub(crate) const SAME: f32 = 2.5;

/// Pieces of one rule that are as near as this are joined.
const GAP: f32 = 3.5;

/// Sides of an area that is no dot.
const THINNEST_AREA: f32 = 3.0;

/// A row is at least so high.
const THINNEST_ROW: f32 = 7.0;

/// Text stands at most so far from the sides of its cell, in points.
const PADDING: f32 = 14.0;

/// More areas than this are not compared with each other.
const MANY_FILLS: usize = 2_000;

/// Edges shorter than this are dots and ticks.
const SHORTEST: f32 = 4.0;

/// More edges than this, once joined, are a picture.
const MAX_EDGES: usize = 3_000;

/// A line along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    pub(crate) at: f32,
    pub(crate) from: f32,
    pub(crate) to: f32,
    /// Whether it is a rule, and not only the edge of a filled area.
    pub(crate) is_rule: bool,
}

/// The joined edges of a page.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub(crate) horizontal: Vec<Edge>,
    pub(crate) vertical: Vec<Edge>,
}

impl Edges {
    pub(crate) fn of(drawing: &Drawing) -> Self {
        let (mut horizontal, mut vertical) = (Vec::new(), Vec::new());
        for rule in &drawing.rules {
            let edge = Edge {
                at: rule.at,
                from: rule.from.min(rule.to),
                to: rule.from.max(rule.to),
                is_rule: true,
            };
            match rule.axis {
                Axis::Horizontal => horizontal.push(edge),
                Axis::Vertical => vertical.push(edge),
            }
        }
        for fill in cells_among(&drawing.fills) {
            let edge = |at, from, to| Edge {
                at,
                from,
                to,
                is_rule: false,
            };
            horizontal.push(edge(fill.y0, fill.x0, fill.x1));
            horizontal.push(edge(fill.y1, fill.x0, fill.x1));
            vertical.push(edge(fill.x0, fill.y0, fill.y1));
            vertical.push(edge(fill.x1, fill.y0, fill.y1));
        }
        let (horizontal, vertical) = (join(horizontal), join(vertical));
        if horizontal.len() > MAX_EDGES || vertical.len() > MAX_EDGES {
            return Self::default();
        }
        Self {
            horizontal,
            vertical,
        }
    }
}

impl Edges {
    /// Takes out what lies in some areas.
    pub(crate) fn leave_out(&mut self, areas: &[Rect]) {
        if areas.is_empty() {
            return;
        }
        let is_outside = |x: f32, y: f32| {
            !areas
                .iter()
                .any(|area| (area.x0..=area.x1).contains(&x) && (area.y0..=area.y1).contains(&y))
        };
        self.horizontal
            .retain(|edge| is_outside((edge.from + edge.to) / 2.0, edge.at));
        self.vertical
            .retain(|edge| is_outside(edge.at, (edge.from + edge.to) / 2.0));
    }
}

/// The areas that may be cells, and are not the ground of something in one.
fn cells_among(fills: &[Rect]) -> Vec<Rect> {
    let (shadings, mut cells): (Vec<Rect>, Vec<Rect>) =
        fills.iter().partition(|fill| is_shading(fill, fills));
    if fills.len() <= MANY_FILLS {
        // The ground of a word lies on that of its line.
        let grounds = shadings
            .iter()
            .filter(|fill| fill.y1 - fill.y0 >= THINNEST_ROW);
        let grounds: Vec<&Rect> = grounds.collect();
        cells.retain(|fill| !grounds.iter().any(|ground| holds(ground, fill)));
    }
    cells
}

fn holds(outer: &Rect, inner: &Rect) -> bool {
    outer.x0 <= inner.x0 + 0.5
        && outer.x1 >= inner.x1 - 0.5
        && outer.y0 <= inner.y0 + 0.5
        && outer.y1 >= inner.y1 - 0.5
}

/// Whether an area is part of a cell and no cell: a dot at a corner, the ground of a line of text within the padding of a
/// filled cell, or that padding.
fn is_shading(fill: &Rect, all: &[Rect]) -> bool {
    let (width, height) = (fill.x1 - fill.x0, fill.y1 - fill.y0);
    if width < THINNEST_AREA && height < THINNEST_AREA {
        return true;
    }
    if all.len() > MANY_FILLS {
        return false;
    }
    all.iter().any(|cell| {
        let (left, right) = (fill.x0 - cell.x0, cell.x1 - fill.x1);
        let is_within = cell.y0 <= fill.y0 + 0.5 && cell.y1 >= fill.y1 - 0.5;
        let is_padded = (SAME..PADDING).contains(&left) && (SAME..PADDING).contains(&right);
        let is_at_end = fill.y0 - cell.y0 < SAME || cell.y1 - fill.y1 < SAME;
        let is_padding = left > -SAME
            && right > -SAME
            && (left < SAME && right < SAME || is_at_end)
            && height < THINNEST_ROW
            && cell.y1 - cell.y0 > 2.0 * height;
        is_within && (is_padded || is_padding)
    })
}

/// Joins what is one, by place; the result is sorted by where edges lie, and then by where they begin.
fn join(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.retain(|edge| edge.at.is_finite() && edge.from.is_finite() && edge.to.is_finite());
    edges.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.from.total_cmp(&b.from)));
    let mut joined = Vec::new();
    let mut start = 0;
    while start < edges.len() {
        let mut end = start + 1;
        while end < edges.len() && edges[end].at - edges[start].at <= SAME {
            end += 1;
        }
        let level = &mut edges[start..end];
        level.sort_by(|a, b| a.from.total_cmp(&b.from));
        let mut open: Option<Edge> = None;
        for edge in level.iter() {
            match &mut open {
                Some(open) if edge.from <= open.to + GAP => {
                    // The place of the longest piece is that of all.
                    if edge.to - edge.from > open.to - open.from {
                        open.at = edge.at;
                    }
                    open.to = open.to.max(edge.to);
                    open.is_rule |= edge.is_rule;
                }
                _ => {
                    joined.extend(open.take());
                    open = Some(*edge);
                }
            }
        }
        joined.extend(open);
        start = end;
    }
    joined.retain(|edge| edge.to - edge.from >= SHORTEST);
    joined
}

/// Sorted places that differ by more than [`SAME`] from each other.
pub(crate) fn places(mut all: Vec<f32>) -> Vec<f32> {
    all.sort_by(f32::total_cmp);
    let mut distinct: Vec<f32> = Vec::new();
    for place in all {
        if distinct.last().is_none_or(|last| place - last > SAME) {
            distinct.push(place);
        }
    }
    distinct
}

/// How much of `from..to` the edges at a place cover, from 0 to 1.
pub(crate) fn coverage(edges: &[Edge], at: f32, from: f32, to: f32) -> f32 {
    let first = edges.partition_point(|edge| edge.at < at - SAME - 0.01);
    let covered: f32 = edges[first..]
        .iter()
        .take_while(|edge| edge.at <= at + SAME + 0.01)
        .map(|edge| (edge.to.min(to) - edge.from.max(from)).max(0.0))
        .sum();
    covered / (to - from).max(0.1)
}
