//! Blocks: lines of a region that belong together.

use crate::text::layout::lines::LaidLine;
use crate::text::layout::tables::LaidTable;
use pagemill_document::{BlockKind, Rect};

/// A block in the frame of its direction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LaidBlock {
    /// Paragraph or list item.
    pub(super) kind: BlockKind,
    /// Its lines from the top; a table's rows.
    pub(super) lines: Vec<LaidLine>,
    /// Its cells, where it is a table.
    pub(super) table: Option<LaidTable>,
}

/// Lines of a title follow each other within so many font sizes.
const LEADING_OF_TITLE: f32 = 1.2;

/// Parts the lines of a region where the spacing grows, the size or weight changes, a list item begins or a first
/// line is indented.
pub(super) fn blocks(lines: Vec<LaidLine>) -> Vec<LaidBlock> {
    let leading = usual_leading(&lines);
    let left = usual_left(&lines);
    let usual = usual_size(&lines);
    let mut found: Vec<LaidBlock> = Vec::new();
    for line in lines {
        match found.last_mut() {
            Some(open) if !begins_block(open, &line, leading, left, usual) => {
                open.lines.push(line);
            }
            _ => found.push(LaidBlock {
                kind: if is_list_item(&line.text) {
                    BlockKind::ListItem
                } else {
                    BlockKind::Paragraph
                },
                lines: vec![line],
                table: None,
            }),
        }
    }
    found
}

/// The median distance of two lines of one size, in font sizes.
fn usual_leading(lines: &[LaidLine]) -> f32 {
    let mut distances: Vec<f32> = lines
        .windows(2)
        .filter(|pair| same_size(&pair[0], &pair[1]))
        .map(|pair| (pair[1].baseline - pair[0].baseline) / pair[1].size.max(0.1))
        .filter(|distance| (0.5..3.0).contains(distance))
        .collect();
    if distances.is_empty() {
        return 1.3;
    }
    // Lines of paragraphs are nearer than paragraphs: a little below the median.
    let at = distances.len() * 2 / 5;
    let (_, usual, _) = distances.select_nth_unstable_by(at, f32::total_cmp);
    usual.min(2.2)
}

/// The left edge that most lines begin at.
fn usual_left(lines: &[LaidLine]) -> f32 {
    let mut edges: Vec<f32> = lines.iter().map(|line| line.bbox.x0).collect();
    if edges.is_empty() {
        return 0.0;
    }
    let at = edges.len() / 4;
    let (_, left, _) = edges.select_nth_unstable_by(at, f32::total_cmp);
    *left
}

/// The size that most characters have.
fn usual_size(lines: &[LaidLine]) -> f32 {
    let mut sizes: Vec<(f32, usize)> = lines
        .iter()
        .map(|line| (line.size, line.text.len()))
        .collect();
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sizes.iter().map(|(_, length)| length).sum::<usize>() / 2;
    let mut seen = 0;
    let middle = sizes.iter().find(|(_, length)| {
        seen += length;
        seen > half
    });
    middle.map_or(0.0, |(size, _)| *size)
}

/// How far the lines of a title follow each other, in font sizes: those of a wrapped one may stand wider than running text.
fn widest_of(line: &LaidLine, usual: f32) -> f32 {
    match line.size > 1.3 * usual {
        true => LEADING_OF_TITLE,
        false => 0.0,
    }
}

/// Whether a line is the number of the title on the next one.
fn is_number_of_title(number: &LaidLine, title: &LaidLine) -> bool {
    let text = number.text.trim().trim_end_matches('.');
    let is_number = (1..=4).contains(&text.len())
        && (text.bytes().all(|byte| byte.is_ascii_digit())
            || text.bytes().all(|byte| b"IVX".contains(&byte)));
    is_number && number.bold == title.bold && (1.0..=1.5).contains(&(number.size / title.size))
}

/// Whether a line begins with the mark of a note, set small and raised: words follow it, and none follow the bounds of a sum.
fn begins_with_mark(line: &LaidLine) -> bool {
    let mark = line.raised.first().filter(|mark| mark.start == 0);
    mark.is_some_and(|mark| {
        let (mark, rest) = line.text.split_at(mark.end);
        let is_number = mark.bytes().all(|byte| byte.is_ascii_digit());
        (is_number || matches!(mark, "*" | "**" | "†" | "‡" | "§"))
            && rest
                .trim_start()
                .starts_with(|ch: char| ch.is_alphabetic() || matches!(ch, '“' | '"' | '‘' | '„'))
    })
}

fn same_size(a: &LaidLine, b: &LaidLine) -> bool {
    (a.size - b.size).abs() <= 0.08 * a.size.max(b.size)
}

fn begins_block(open: &LaidBlock, line: &LaidLine, leading: f32, left: f32, usual: f32) -> bool {
    let (Some(first), Some(last)) = (open.lines.first(), open.lines.last()) else {
        return true;
    };
    let distance = (line.baseline - last.baseline) / line.size.max(last.size).max(0.1);
    if distance > 1.25 * leading.max(widest_of(last, usual)) || distance < 0.3 {
        return true;
    }
    let changes_weight = last.bold != line.bold && !last.mixed_weight && !line.mixed_weight;
    let is_numbered_title =
        open.lines.len() == 1 && is_number_of_title(last, line) && last.size > 1.3 * usual;
    if !same_size(last, line) && !is_numbered_title || changes_weight {
        return true;
    }
    if is_list_item(&line.text) || begins_with_mark(line) {
        return true;
    }
    let is_row = |line: &LaidLine| line.text.contains('\t');
    if is_row(line) || is_row(last) || line.from_right {
        return false;
    }
    let is_title = last.bold && line.bold || last.size > 1.12 * usual;
    if is_title && is_centred_below(last, line) {
        return false;
    }
    let indent = (line.bbox.x0 - last.bbox.x0) / line.size.max(0.1);
    let stands_in = (line.bbox.x0 - left) / line.size.max(0.1) > 0.6;
    let is_indented_first_line =
        (0.7..6.0).contains(&indent) && stands_in && open.kind != BlockKind::ListItem;
    if is_indented_first_line {
        return open.lines.len() > 1 || !is_hanging(first, line);
    }
    // After a list item, a line further left than its marker is not part of it.
    open.kind == BlockKind::ListItem && (first.bbox.x0 - line.bbox.x0) > 0.5 * line.size
}

/// Whether a line has its middle below that of the one above, and begins and ends elsewhere: both are centred.
fn is_centred_below(above: &LaidLine, line: &LaidLine) -> bool {
    let (above, size) = (above.bbox, line.size.max(0.1));
    let begins = (line.bbox.x0 - above.x0) / size;
    let ends = (above.x1 - line.bbox.x1) / size;
    begins.abs() > 0.7 && (begins - ends).abs() < 0.6
}

/// Whether the second line of a block hangs, as in references: the first line fills the column further to the left.
fn is_hanging(first: &LaidLine, second: &LaidLine) -> bool {
    first.bbox.x1 > second.bbox.x0 + 8.0 * second.size
        && first.bbox.x1 >= second.bbox.x1 - second.size
}

/// Whether a line begins with a bullet or with a number or letter as lists have it.
pub(super) fn is_list_item(text: &str) -> bool {
    let Some((marker, rest)) = text.split_once([' ', '\t']) else {
        return false;
    };
    if rest.trim().is_empty() {
        return false;
    }
    let mut chars = marker.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else {
        return false;
    };
    if second.is_none() {
        return matches!(
            first,
            '•' | '▪'
                | '◦'
                | '‣'
                | '⁃'
                | '●'
                | '○'
                | '■'
                | '□'
                | '–'
                | '—'
                | '-'
                | '*'
                | '·'
                | '➢'
                | '✓'
        );
    }
    let inner = marker
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .or_else(|| {
            marker
                .strip_prefix('[')
                .and_then(|inner| inner.strip_suffix(']'))
        })
        .or_else(|| marker.strip_suffix(')'))
        .or_else(|| marker.strip_suffix('.'));
    let Some(inner) = inner else {
        return false;
    };
    let is_number =
        (1..=3).contains(&inner.len()) && inner.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = inner.len() == 1 && inner.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_roman = inner.len() <= 4
        && !inner.is_empty()
        && inner.bytes().all(|byte| matches!(byte, b'i' | b'v' | b'x'));
    is_number || is_letter || is_roman
}

impl LaidBlock {
    /// The box around its lines.
    pub(super) fn bbox(&self) -> Rect {
        if let Some(table) = &self.table {
            return table.bbox;
        }
        let mut boxes = self.lines.iter().map(|line| line.bbox);
        let first = boxes.next().unwrap_or_default();
        boxes.fold(first, |all, bbox| Rect {
            x0: all.x0.min(bbox.x0),
            y0: all.y0.min(bbox.y0),
            x1: all.x1.max(bbox.x1),
            y1: all.y1.max(bbox.y1),
        })
    }

    /// Size and weight of most of its characters.
    pub(super) fn style(&self) -> (f32, bool) {
        let longest = self.lines.iter().max_by_key(|line| line.text.len());
        let total: usize = self.lines.iter().map(|line| line.text.len()).sum();
        let bold: usize = self
            .lines
            .iter()
            .filter(|line| line.bold)
            .map(|line| line.text.len())
            .sum();
        (longest.map_or(0.0, |line| line.size), bold * 2 > total)
    }
}
