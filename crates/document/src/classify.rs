//! What blocks are, seen over the whole document: furniture, and headings with levels.
//!
//! Furniture is what stands at the top or bottom edge of a page and comes again, but for its numbers, at the same
//! height on other pages. Headings are short blocks set larger than the body text, or in bold at its size; their
//! styles, ordered by size and then weight, are the levels. What the file's outline names on the page that it leads to is one
//! too, also where it looks like text. What lists of contents name is none, and what stands in the
//! margin of a page is a running head. What stands in pictures says nothing of how a document is set, and names none of
//! its parts.
//!
//! That takes two passes. An [`Observer`] sees each page once, as it comes, and keeps statistics only; the
//! [`Classifier`] that it ends as marks the blocks of any page. So nobody needs all pages at once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Block, BlockKind, OutlineItem, PageText};

mod contents;
mod figures;
mod labels;
mod lists;
mod outline;
mod pictures;
mod styles;

use labels::{
    after_number, begins_as_caption, ends_in_number, is_caption, is_chapter_label, is_lone_number,
    is_whole_caption,
};
use styles::{
    Body, DEEPEST_LEVEL, Style, Styles, is_bold_at_body_size, is_far_larger, is_larger, levels,
    style,
};

/// Headings have at most this many lines.
const HEADING_LINES: usize = 4;
/// Headings have at most this many characters.
const HEADING_CHARS: usize = 200;
/// A heading that ends with a colon has at most this many.
const LABEL_CHARS: usize = 60;
/// A footnote has at least this many bytes: less is a number beside a chart.
const SHORTEST_NOTE: usize = 20;
/// Blocks among which those below a running head are looked for.
const TOP_BLOCKS: usize = 200;
/// What the outline names has at least this part of the body text's size: smaller is a running head.
const SMALLEST_NAMED: f32 = 0.9;
/// Part of the page's height that is its margin.
const MARGIN: f32 = 0.06;
/// Part of the page's height, at its top and at its bottom, in which furniture stands.
const EDGE: f32 = 0.12;
/// Different texts at the edges of pages that are kept apart at most: a hostile document has millions.
const MAX_EDGES: usize = 50_000;

/// Marks headings (by size and weight against the document's body text, with levels) and furniture (text repeated in
/// the same place over the pages) among the blocks of all pages of one document, in order. Doing it again changes
/// nothing.
pub fn classify(pages: &mut [PageText]) {
    classify_with_outline(pages, &[]);
}

/// [`classify`], with what the file's outline says of headings.
pub fn classify_with_outline(pages: &mut [PageText], outline: &[OutlineItem]) {
    let mut observer = Observer::default();
    for page in pages.iter() {
        observer.observe(page);
    }
    let classifier = observer.finish().with_outline(outline);
    for page in pages {
        classifier.apply(page);
    }
}

/// Sees the pages of a document, each once and in any order, and keeps what classifying them needs: some bytes a page.
#[derive(Debug, Default)]
pub struct Observer {
    pages: usize,
    /// What stands at the edges of pages: furniture, or not.
    edges: HashMap<EdgeKey, EdgeText>,
    /// On how many pages a picture stands at a place.
    pictures: HashMap<figures::Place, usize>,
    /// The text of tables. Asked only in documents without other text.
    tables: Styles,
    /// All the rest.
    rest: Styles,
}

impl Observer {
    /// Takes a page into account.
    pub fn observe(&mut self, page: &PageText) {
        self.pages += 1;
        for place in figures::places(page) {
            let is_full = self.pictures.len() >= MAX_EDGES;
            match self.pictures.entry(place) {
                Entry::Occupied(mut known) => *known.get_mut() += 1,
                Entry::Vacant(new) if !is_full => {
                    new.insert(1);
                }
                Entry::Vacant(_) => {}
            }
        }
        let in_pictures = pictures::words(page);
        for block in &page.blocks {
            if pictures::holds_any(block, &in_pictures) {
                continue;
            }
            if block.table.is_some() {
                self.tables.add_lines(block);
                continue;
            }
            let styles = match edge_key(page, block) {
                Some(key) => {
                    let is_full = self.edges.len() >= MAX_EDGES;
                    let edge = match self.edges.entry(key) {
                        Entry::Occupied(known) => Some(known.into_mut()),
                        Entry::Vacant(_) if is_full => None,
                        Entry::Vacant(new) => Some(new.insert(EdgeText::default())),
                    };
                    match edge {
                        Some(edge) => {
                            if edge.last_page != self.pages {
                                edge.last_page = self.pages;
                                edge.pages += 1;
                            }
                            &mut edge.styles
                        }
                        None => &mut self.rest,
                    }
                }
                None => &mut self.rest,
            };
            if block.kind != BlockKind::Furniture {
                styles.add(page, block);
            }
        }
    }

    /// Ends the first pass.
    pub fn finish(mut self) -> Classifier {
        // Left and right pages differ, chapters change the header: a quarter of the pages is enough, three at least.
        let enough = (self.pages / 4).clamp(3, 12);
        let seen_on = |text: u64, step: i32| {
            let near = [step.checked_sub(1), Some(step), step.checked_add(1)];
            let pages = near
                .into_iter()
                .flatten()
                .filter_map(|height| self.edges.get(&(text, height)));
            pages.map(|edge| edge.pages).sum::<usize>()
        };
        let furniture: HashSet<EdgeKey> = self
            .edges
            .keys()
            .filter(|&&(text, step)| seen_on(text, step) >= enough)
            .copied()
            .collect();
        self.pictures.retain(|_, pages| *pages >= enough);
        let mut styles = self.rest;
        for (key, edge) in &self.edges {
            if !furniture.contains(key) {
                styles.merge(&edge.styles);
            }
        }
        let without_tables = styles.has_prose.then(|| styles.body()).flatten();
        let body = without_tables.or_else(|| {
            self.tables.merge(&styles);
            self.tables.body()
        });
        let levels = body.map_or_else(HashMap::new, |body| levels(styles.of_headings(body)));
        Classifier {
            furniture,
            ornaments: self.pictures.into_keys().collect(),
            body,
            levels,
            titles: outline::Titles::default(),
        }
    }
}

/// Knows the furniture and the heading styles of a document.
#[derive(Debug)]
pub struct Classifier {
    furniture: HashSet<EdgeKey>,
    /// Where pictures stand that come again.
    ornaments: HashSet<figures::Place>,
    /// Nothing in a document without text.
    body: Option<Body>,
    levels: HashMap<Style, u8>,
    titles: outline::Titles,
}

impl Classifier {
    /// This, with what the file's outline says of headings.
    #[must_use]
    pub fn with_outline(self, outline: &[OutlineItem]) -> Self {
        Self {
            titles: outline::Titles::of(outline),
            ..self
        }
    }

    /// Marks the furniture and the headings of a page. Doing it again changes nothing.
    pub fn apply(&self, page: &mut PageText) {
        contents::without_tables(page);
        let in_pictures = pictures::words(page);
        let listed_from = contents::first_entry(page).unwrap_or(usize::MAX);
        for index in (0..page.blocks.len()).rev() {
            let block = &page.blocks[index];
            if block.table.is_some() {
                continue;
            }
            let is_furniture =
                edge_key(page, block).is_some_and(|key| self.furniture.contains(&key));
            let is_heading = |body| {
                index <= listed_from
                    && !pictures::holds_any(block, &in_pictures)
                    && block.kind != BlockKind::Furniture
                    && is_heading(page, block, body)
            };
            let named = || {
                let body = self.body.filter(|_| {
                    index <= listed_from
                        && !pictures::holds_any(block, &in_pictures)
                        && block.kind != BlockKind::Furniture
                })?;
                self.level_in_outline(page, block, body)
            };
            if is_furniture {
                let block = &mut page.blocks[index];
                block.kind = BlockKind::Furniture;
                block.level = None;
            } else if self.body.is_some_and(is_heading) {
                let level = self.levels.get(&style(block)).copied();
                let block = &mut page.blocks[index];
                block.kind = BlockKind::Heading;
                block.level = level;
            } else if let Some(level) = named() {
                let level = self.levels.get(&style(block)).copied().unwrap_or(level);
                let block = &mut page.blocks[index];
                block.kind = BlockKind::Heading;
                block.level = Some(level);
            } else if let Some(body) = self.body
                && page.blocks[index].kind != BlockKind::Furniture
            {
                self.name(page, index, body);
            }
        }
        link_captions(page);
        figures::link(page, &self.ornaments);
        lists::set_levels(page);
    }

    /// The depth that the outline gives a block which is short enough for a heading, and no smaller than the text.
    fn level_in_outline(&self, page: &PageText, block: &Block, body: Body) -> Option<u8> {
        let is_small = block.font_size < body.size * SMALLEST_NAMED;
        if is_small || block.lines.len() > HEADING_LINES || is_running_head(page, block) {
            return None;
        }
        let text = text_of(page, block).filter(|text| text.len() <= HEADING_CHARS * 4)?;
        self.titles.level(page.page.0, text)
    }

    /// Says of a block that is neither furniture nor a heading by itself whether its neighbours or its text make it one, or
    /// a caption, or a footnote.
    fn name(&self, page: &mut PageText, index: usize, body: Body) {
        let block = &page.blocks[index];
        let Some(text) = text_of(page, block).map(str::trim) else {
            return;
        };
        let is_table = |index: usize| {
            page.blocks
                .get(index)
                .is_some_and(|block| block.table.is_some())
        };
        let is_beside = is_table(index + 1)
            || index > 0 && is_table(index - 1)
            || begins_as_caption(text) && figures::has_beside(page, block);
        let next = page.blocks.get(index + 1);
        let title_level = next.and_then(|next| match next.kind {
            BlockKind::Heading => next.level,
            _ => None,
        });
        let is_larger_number = is_lone_number(text) && block.font_size > body.size * 1.4;
        let (kind, level) = if is_whole_caption(text, is_beside) {
            (BlockKind::Caption, None)
        } else if contents::is_name(text) && block.font_size >= body.size {
            (BlockKind::Heading, Some(1))
        } else if title_level.is_some() && (is_larger_number || is_chapter_label(text)) {
            (BlockKind::Heading, title_level)
        } else if is_footnote(page, block, text, body) {
            (BlockKind::Footnote, None)
        } else {
            return;
        };
        let block = &mut page.blocks[index];
        block.kind = kind;
        block.level = level;
    }
}

/// Says which caption each table has: the one above it, or else the one below.
fn link_captions(page: &mut PageText) {
    for index in 0..page.blocks.len() {
        if page.blocks[index].table.is_none() {
            continue;
        }
        let neighbours = [index.checked_sub(1), index.checked_add(1)];
        let caption = neighbours.into_iter().flatten().find(|&beside| {
            let block = page.blocks.get(beside);
            block.is_some_and(|block| block.kind == BlockKind::Caption)
        });
        if let Some(table) = &mut page.blocks[index].table {
            table.caption = caption.and_then(|caption| u32::try_from(caption).ok());
        }
    }
}

/// What makes two blocks of different pages the same furniture: their text without numbers, as a hash, and their
/// height on the page in steps of six points.
type EdgeKey = (u64, i32);

/// One text at one height at the edge of pages.
#[derive(Debug, Default)]
struct EdgeText {
    pages: usize,
    /// The last page that it was counted for, from 1.
    last_page: usize,
    /// How it is set, should it turn out not to be furniture.
    styles: Styles,
}

fn edge_key(page: &PageText, block: &Block) -> Option<EdgeKey> {
    let at_top = block.bbox.y1 <= page.height * EDGE;
    let at_bottom = block.bbox.y0 >= page.height * (1.0 - EDGE);
    if block.lines.len() > 3 || !(at_top || at_bottom) {
        return None;
    }
    let text = text_of(page, block)?;
    let mut key = String::with_capacity(text.len());
    for ch in text.chars() {
        let is_digit = ch.is_numeric();
        if is_digit && key.ends_with('#') {
            continue;
        }
        key.push(if is_digit { '#' } else { ch });
    }
    let is_roman_number = key.len() <= 6
        && key
            .bytes()
            .all(|byte| matches!(byte, b'i' | b'v' | b'x' | b'l'));
    if is_roman_number {
        key = "#".to_owned();
    }
    // Measured from the nearer edge, so that pages of different sizes agree.
    let height = if at_top {
        block.bbox.y0
    } else {
        block.bbox.y1 - page.height
    };
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Some((hasher.finish(), (height / 6.0).round() as i32))
}

fn text_of<'a>(page: &'a PageText, block: &Block) -> Option<&'a str> {
    page.text.get(block.start as usize..block.end as usize)
}

fn is_heading(page: &PageText, block: &Block, body: Body) -> bool {
    heading_shape(page, block).is_some_and(|shape| {
        shape.is_title && is_larger(block.font_size, body)
            || is_far_larger(block.font_size, body)
            || shape.in_bold && is_bold_at_body_size(block.font_size, body)
    })
}

/// A block that is short and wordy as a heading is.
struct HeadingShape {
    /// Whether it would be one in a larger size: it is no sentence, or one on a single line, and hardly a number or a date.
    is_title: bool,
    /// Whether it would be one in bold at the size of the body text too.
    in_bold: bool,
}

/// Whether a block looks like a heading, whatever the body text is like.
fn heading_shape(page: &PageText, block: &Block) -> Option<HeadingShape> {
    if block.lines.len() > HEADING_LINES {
        return None;
    }
    let text = text_of(page, block).map(str::trim)?;
    // Most blocks end here: no character has more than four bytes.
    if text.len() > HEADING_CHARS * 4 {
        return None;
    }
    let characters = text.chars().count();
    let letters = text.chars().filter(|ch| ch.is_alphabetic()).count();
    let is_wordy = letters * 2 >= characters;
    let printed = text.chars().filter(|ch| !ch.is_whitespace()).count();
    let has_words = letters >= 2 && letters * 2 >= printed;
    let has_cells = after_number(text).contains('\t');
    if characters > HEADING_CHARS || !has_words || has_cells || is_caption(text) {
        return None;
    }
    // A colon ends what names the list or the steps below it, where it is short.
    let is_label = text.ends_with(':') && characters <= LABEL_CHARS;
    let is_sentence =
        text.ends_with(['.', ',', ';', ':', '。']) && !is_label && !ends_in_number(text);
    let starts_small = text.chars().next().is_some_and(char::is_lowercase);
    let is_long = block.lines.len() > 1 || !text.ends_with(['.', '。']);
    Some(HeadingShape {
        is_title: is_wordy && !(is_sentence && is_long),
        in_bold: block.bold
            && is_wordy
            && !is_sentence
            && !starts_small
            && !is_running_head(page, block)
            && block.lines.len() <= 2
            && characters <= 120,
    })
}

/// Whether a block stands in the margin of its page, apart from what is below it: a running head, also in a document that
/// is too short for it to come again.
fn is_running_head(page: &PageText, block: &Block) -> bool {
    let (top, bottom) = (page.height * MARGIN, page.height * (1.0 - MARGIN));
    let below = block.bbox.y1..block.bbox.y1 + block.font_size * 1.5;
    // The top of a page comes first; a page of very many blocks is not searched for each of them.
    let mut others = page.blocks.iter().take(TOP_BLOCKS).map(|other| other.bbox);
    block.bbox.y0 >= bottom
        || block.bbox.y1 <= top && !others.any(|other| below.contains(&other.y0))
}

/// Whether a block is a note at the foot of its page: smaller than the body text, below the middle, and begun by a mark.
fn is_footnote(page: &PageText, block: &Block, text: &str, body: Body) -> bool {
    let is_small = block.font_size <= body.size * 0.92;
    let is_low = block.bbox.y0 > page.height * 0.5;
    let after_digits = text.trim_start_matches(|ch: char| ch.is_ascii_digit());
    let digits = text.len() - after_digits.len();
    let is_numbered = (1..=3).contains(&digits)
        && after_digits
            .trim_start()
            .starts_with(|ch: char| ch.is_alphabetic() || matches!(ch, '“' | '"' | '‘'));
    let is_marked = text.starts_with(['*', '†', '‡', '§']);
    is_small && is_low && (is_numbered || is_marked) && text.len() >= SHORTEST_NOTE
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
