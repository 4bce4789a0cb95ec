//! How a document is set: the sizes and weights of its lines, which of them is the body's, and which are levels of headings.

use std::collections::HashMap;

use super::heading_shape;
use crate::{Block, PageText};

/// Deepest heading level.
pub(super) const DEEPEST_LEVEL: u8 = 6;
/// A block of so many lines is running text.
const LINES_OF_PROSE: usize = 3;
/// Styles, and sizes of lines, that are kept apart at most: a hostile document has millions.
const MAX_STYLES: usize = 4_096;

/// Font size in tenths of a point, and weight.
pub(super) type Style = (u32, bool);

pub(super) fn style(block: &Block) -> Style {
    ((block.font_size * 10.0).round().max(0.0) as u32, block.bold)
}

/// The style that most characters have, furniture aside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Body {
    pub(super) size: f32,
    pub(super) bold: bool,
}

/// Statistics of text, each list sorted by its key.
#[derive(Debug, Default)]
pub(super) struct Styles {
    /// Bytes of lines by their size in half points, and how many of them are bold. Hinting and scaling make sizes such
    /// as 9.96 and 10.02 of one style.
    lines: Vec<(u32, (usize, usize))>,
    /// Whether there is a paragraph of several lines.
    pub(super) has_prose: bool,
    /// Blocks that are short and wordy as headings are, by style.
    short: Vec<(Style, Largest)>,
}

/// The largest sizes in points among blocks of one style.
#[derive(Debug, Clone, Copy)]
struct Largest {
    /// Of those that are no sentences.
    titles: f32,
    /// Of sentences.
    sentences: f32,
    /// Of those that would be headings in bold at the size of the body text.
    at_body_size: f32,
}

impl Styles {
    pub(super) fn add_lines(&mut self, block: &Block) {
        for line in &block.lines {
            let size = (line.font_size * 2.0).round().max(0.0) as u32;
            let bold = if line.bold { line.text.len() } else { 0 };
            self.add_line(size, (line.text.len(), bold));
        }
    }

    pub(super) fn add(&mut self, page: &PageText, block: &Block) {
        self.add_lines(block);
        self.has_prose |= block.lines.len() >= LINES_OF_PROSE;
        if let Some(shape) = heading_shape(page, block) {
            let none = f32::NEG_INFINITY;
            let largest = Largest {
                titles: if shape.is_title {
                    block.font_size
                } else {
                    none
                },
                sentences: if shape.is_title {
                    none
                } else {
                    block.font_size
                },
                at_body_size: if shape.in_bold { block.font_size } else { none },
            };
            self.add_short(style(block), largest);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.has_prose |= other.has_prose;
        for (size, bytes) in &other.lines {
            self.add_line(*size, *bytes);
        }
        for (style, largest) in &other.short {
            self.add_short(*style, *largest);
        }
    }

    fn add_line(&mut self, size: u32, (all, bold): (usize, usize)) {
        match self.lines.binary_search_by_key(&size, |(known, _)| *known) {
            Ok(place) => {
                let (_, known) = &mut self.lines[place];
                known.0 += all;
                known.1 += bold;
            }
            Err(place) if self.lines.len() < MAX_STYLES => {
                self.lines.insert(place, (size, (all, bold)));
            }
            Err(_) => {}
        }
    }

    fn add_short(&mut self, style: Style, largest: Largest) {
        match self.short.binary_search_by_key(&style, |(known, _)| *known) {
            Ok(place) => {
                let (_, known) = &mut self.short[place];
                known.titles = known.titles.max(largest.titles);
                known.sentences = known.sentences.max(largest.sentences);
                known.at_body_size = known.at_body_size.max(largest.at_body_size);
            }
            Err(place) if self.short.len() < MAX_STYLES => {
                self.short.insert(place, (style, largest));
            }
            Err(_) => {}
        }
    }

    pub(super) fn body(&self) -> Option<Body> {
        let most = self
            .lines
            .iter()
            .max_by_key(|(size, (all, _))| (*all, *size));
        most.map(|&(size, (all, bold))| Body {
            size: size as f32 / 2.0,
            bold: bold * 2 > all,
        })
    }

    /// The styles that at least one heading has.
    pub(super) fn of_headings(&self, body: Body) -> Vec<Style> {
        let headings = self.short.iter().filter(|(_, largest)| {
            is_larger(largest.titles, body)
                || is_far_larger(largest.sentences, body)
                || is_bold_at_body_size(largest.at_body_size, body)
        });
        headings.map(|(style, _)| *style).collect()
    }
}

pub(super) fn is_larger(font_size: f32, body: Body) -> bool {
    font_size > body.size * 1.12 + 0.2
}

/// Large enough for a sentence to be a heading.
pub(super) fn is_far_larger(font_size: f32, body: Body) -> bool {
    font_size > body.size * 1.35 + 0.2
}

pub(super) fn is_bold_at_body_size(font_size: f32, body: Body) -> bool {
    !body.bold && font_size >= body.size * 0.97 - 0.3
}

/// Levels from 1: larger first, bold before regular; sizes within half a point are one level.
pub(super) fn levels(mut styles: Vec<Style>) -> HashMap<Style, u8> {
    styles.sort_by(|a, b| b.cmp(a));
    let mut levels = HashMap::new();
    let mut level = 0;
    let mut last: Option<Style> = None;
    for style in styles {
        let is_same = last.is_some_and(|(size, bold)| size - style.0 <= 5 && bold == style.1);
        if !is_same {
            level = (level + 1).min(DEEPEST_LEVEL);
            last = Some(style);
        }
        levels.insert(style, level);
    }
    levels
}
