//! Charts, which are drawn as tables are and hold none: lines of one width above each other, with numbers between them.
//!
//! The scale of a chart tells them apart: its numbers stand at the ends of the lines, at their height. The words of a table
//! stand between its rules.

use pagemill_document::Rect;

use crate::edges::{Edge, Edges};
use crate::{Word, WordKind, middle};

/// Lines of a chart that have a number at their end, at least; and of all its lines, this part.
const FEWEST_MARKS: usize = 3;
const MARKED: f32 = 0.6;

/// A number stands so near to the end of its line, in font sizes.
const NEAR: f32 = 2.5;

/// Its middle is so near to the height of the line, in font sizes. A line below a number lies farther from it.
const LEVEL: f32 = 0.2;

/// Ends of the lines of one chart differ by at most this, in points.
const SAME_END: f32 = 3.0;

/// Lines shorter than this, in points, are no scale.
const SHORTEST: f32 = 40.0;

/// The areas of the charts on a page.
pub(crate) fn find(words: &[Word], edges: &Edges) -> Vec<Rect> {
    let numbers: Vec<&Word> = words
        .iter()
        .filter(|word| word.kind == WordKind::Number)
        .collect();
    if numbers.len() < FEWEST_MARKS {
        return Vec::new();
    }
    let mut groups: Vec<Vec<Edge>> = Vec::new();
    let long = edges.horizontal.iter();
    for edge in long.filter(|edge| edge.to - edge.from >= SHORTEST) {
        let same = |group: &&mut Vec<Edge>| {
            (group[0].from - edge.from).abs() <= SAME_END
                && (group[0].to - edge.to).abs() <= SAME_END
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(*edge),
            None => groups.push(vec![*edge]),
        }
    }
    let charts = groups.iter().filter_map(|lines| {
        let marked = lines
            .iter()
            .filter(|line| is_marked(line, &numbers))
            .count();
        let is_chart = marked >= FEWEST_MARKS && marked as f32 >= MARKED * lines.len() as f32;
        is_chart.then(|| area(lines))
    });
    charts.collect()
}

/// Whether a number stands at an end of a line, outside of it and at its height.
fn is_marked(line: &Edge, numbers: &[&Word]) -> bool {
    numbers.iter().any(|word| {
        let (_, y) = middle(word.bbox);
        let before = line.from - word.bbox.x1;
        let after = word.bbox.x0 - line.to;
        let near = -1.0..NEAR * word.size;
        (y - line.at).abs() <= LEVEL * word.size
            && (near.contains(&before) || near.contains(&after))
    })
}

/// The area of the lines of a chart, which are sorted from the top.
fn area(lines: &[Edge]) -> Rect {
    Rect {
        x0: lines[0].from - 1.0,
        y0: lines[0].at - 1.0,
        x1: lines[0].to + 1.0,
        y1: lines[lines.len() - 1].at + 1.0,
    }
}

/// Whether a place is in one of the areas, or at one's side.
pub(crate) fn covers(charts: &[Rect], word: &Word) -> bool {
    let (x, y) = middle(word.bbox);
    let beside = NEAR * word.size;
    charts.iter().any(|chart| {
        (chart.x0 - beside..=chart.x1 + beside).contains(&x)
            && (chart.y0 - word.size..=chart.y1 + word.size).contains(&y)
    })
}
