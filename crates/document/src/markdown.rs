//! A document as Markdown (GitHub's dialect).
//!
//! - Headings by their levels; paragraphs on one line each; list items with their numbers, bullets as `-`, those of a list within
//!   a list set in below the item that has it.
//! - Tables as GitHub has them, and as HTML where a cell takes several rows or columns, which GitHub's can't. One that goes
//!   on over pages is one table: its names are not repeated, and the page's anchor stands in its first cell there.
//! - Notes at the foot of a page that a raised mark points to as `[^1]: ...`, and the mark as `[^1]`. Where numbers begin anew on
//!   every page, the label of a note is that of its page and its place there: `[^7-1]`.
//! - Links where their anchor is found in the text. Those that could run or leak something are left out:
//!   a [`LinkSafety`] other than `ordinary` is not made clickable.
//! - Furniture (running heads, page numbers) is left out.
//! - In a document of several pages each that can be read begins with an anchor, `<a id="page-3"></a>`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use crate::{Block, BlockKind, Link, LinkSafety, LinkTarget, PageText};

mod continued;
mod escape;
mod notes;
mod tables;

use continued::Ending;
use notes::Notes;
pub use tables::{csv_table, html_table, markdown_table};

/// A document as Markdown, a page at a time: pages of a long document need not be in memory together.
#[derive(Debug)]
pub struct MarkdownPages {
    with_anchors: bool,
    has_begun: bool,
    /// The table that the last page ended with.
    ending: Option<Ending>,
    /// The labels of notes so far.
    labels: HashSet<String>,
}

impl MarkdownPages {
    /// For a document of so many pages, those that can't be read included.
    pub fn of(pages: u32) -> Self {
        Self {
            with_anchors: pages > 1,
            has_begun: false,
            ending: None,
            labels: HashSet::new(),
        }
    }

    /// What the next page, with its own links, adds to the text.
    pub fn next(&mut self, page: &PageText, links: &[&Link]) -> String {
        let ending = self.ending.take();
        let continued = ending.as_ref().and_then(|ending| ending.goes_on(page));
        let anchor = match self.with_anchors {
            true => format!("<a id=\"page-{}\"></a>", page.page.0),
            false => String::new(),
        };
        let notes = Notes::of(page, &mut self.labels);
        let mut text = String::new();
        match (ending, continued) {
            (Some(ending), Some(continued)) => {
                text.push_str(&ending.rows(&continued, &anchor));
                text.push_str(ending.end());
                push_blocks(&mut text, page, continued.block + 1, links, &notes);
                self.ending = Ending::of(page, Some((continued.block, ending)));
            }
            (ending, _) => {
                if !anchor.is_empty() {
                    text.push_str(&anchor);
                    text.push('\n');
                }
                push_blocks(&mut text, page, 0, links, &notes);
                if self.has_begun && !text.is_empty() {
                    text.insert(0, '\n');
                }
                text.insert_str(0, ending.as_ref().map_or("", Ending::end));
                self.ending = Ending::of(page, None);
            }
        }
        if let Some(end) = self.ending.as_ref().map(Ending::end)
            && text.ends_with(end)
        {
            text.truncate(text.len() - end.len());
        }
        self.has_begun |= !text.is_empty();
        text
    }

    /// What ends the text behind the last page.
    pub fn finish(self) -> &'static str {
        self.ending.map_or("", |ending| ending.end())
    }
}

/// Appends the blocks of a page from one on.
fn push_blocks(
    text: &mut String,
    page: &PageText,
    from: usize,
    links: &[&Link],
    notes: &Notes<'_>,
) {
    let mut links = Links::of(links);
    let mut last: Option<BlockKind> = None;
    let mut items = OpenItems::default();
    let blocks = printed(page).filter(|(index, ..)| *index >= from);
    for (_, block, of_block) in blocks {
        // The items of a list are one block of Markdown.
        match (last, block.kind) {
            (Some(BlockKind::ListItem), BlockKind::ListItem) => {}
            _ => begin_block(text),
        }
        if block.kind != BlockKind::ListItem {
            items = OpenItems::default();
        }
        last = Some(block.kind);
        push_block(text, block, of_block, &mut links, notes, &mut items);
    }
}

/// The blocks of a page that are not left out, with their places and texts.
fn printed(page: &PageText) -> impl Iterator<Item = (usize, &Block, &str)> {
    page.blocks.iter().enumerate().filter_map(|(index, block)| {
        let text = page.text.get(block.start as usize..block.end as usize)?;
        let is_printed = block.kind != BlockKind::Furniture && !text.trim().is_empty();
        is_printed.then_some((index, block, text))
    })
}

fn begin_block(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

fn push_block(
    text: &mut String,
    block: &Block,
    of_block: &str,
    links: &mut Links<'_>,
    notes: &Notes<'_>,
    items: &mut OpenItems,
) {
    if let Some(table) = &block.table {
        text.push_str(&markdown_table(table));
        return;
    }
    let of_block = match notes.note(block, of_block) {
        Some((label, note)) => {
            text.push_str(&format!("[^{label}]: "));
            Cow::Borrowed(note)
        }
        None => notes.with_marks(block, of_block),
    };
    let plain = of_block.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = escape::close_leaders(&plain);
    match block.kind {
        BlockKind::Heading => {
            let level = usize::from(block.level.unwrap_or(1).clamp(1, 6));
            text.push_str(&"#".repeat(level));
            text.push(' ');
            text.push_str(&escape::inline(&plain));
        }
        BlockKind::ListItem => {
            let (marker, rest) = escape::list_marker(&plain);
            text.push_str(&" ".repeat(items.indent(block.level, marker)));
            text.push_str(marker);
            text.push(' ');
            text.push_str(&links.put_into(rest));
        }
        _ => {
            let linked = links.put_into(&plain);
            text.push_str(&escape::line_start(&linked));
        }
    }
    text.push('\n');
}

/// The items that the next item of a list may belong to, by the width of their markers.
#[derive(Debug, Default)]
struct OpenItems(Vec<usize>);

impl OpenItems {
    /// How far an item of this depth is set in, in characters: below the text of the item that has it.
    fn indent(&mut self, level: Option<u8>, marker: &str) -> usize {
        let depth = usize::from(level.unwrap_or(1).max(1));
        self.0.truncate(depth - 1);
        let indent = self.0.iter().sum();
        self.0.push(marker.chars().count() + 1);
        indent
    }
}

/// The links of a page that are not yet in its Markdown, in their order.
struct Links<'a>(Vec<(String, &'a str)>);

impl<'a> Links<'a> {
    fn of(links: &[&'a Link]) -> Self {
        let clickable = links.iter().filter_map(|link| {
            if link.safety != LinkSafety::Ordinary {
                return None;
            }
            let (LinkTarget::Uri { uri } | LinkTarget::Mailto { uri }) = &link.target else {
                return None;
            };
            let anchor = link.anchor.as_ref()?;
            let anchor = anchor.split_whitespace().collect::<Vec<_>>().join(" ");
            // What is printed as its own address is a link already.
            let says_itself = uri.contains(anchor.trim_end_matches('/'));
            (!anchor.is_empty() && !says_itself).then_some((anchor, uri.as_str()))
        });
        Self(clickable.collect())
    }

    /// A text with the links whose anchors are in it, each once, and escaped. One that was cut in two by the end of a line is
    /// one again.
    fn put_into(&mut self, plain: &str) -> String {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        let mut from = 0;
        self.0.retain(|(anchor, uri)| {
            let Some(place) = plain[from..].find(anchor.as_str()) else {
                return true;
            };
            let anchored = from + place..from + place + anchor.len();
            from = anchored.end;
            match found.last_mut() {
                Some((open, same))
                    if same == uri && plain[open.end..anchored.start].trim().is_empty() =>
                {
                    open.end = anchored.end;
                }
                _ => found.push((anchored, *uri)),
            }
            false
        });
        let mut made = String::with_capacity(plain.len());
        let mut from = 0;
        for (anchored, uri) in found {
            made.push_str(&escape::inline(&plain[from..anchored.start]));
            made.push_str(&format!(
                "[{}]({})",
                escape::inline(&plain[anchored.clone()]),
                escape::address(uri)
            ));
            from = anchored.end;
        }
        made.push_str(&escape::inline(&plain[from..]));
        made
    }
}

#[cfg(test)]
mod tests;
