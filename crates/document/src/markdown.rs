//! A document as Markdown (GitHub's dialect).
//!
//! - Headings by their levels; paragraphs on one line each; list items with their numbers, bullets as `-`.
//! - Tables as GitHub has them, and as HTML where a cell takes several rows or columns, which GitHub's can't.
//! - Links where their anchor is found in the text. Those that could run or leak something are left out:
//!   a [`LinkSafety`] other than `ordinary` is not made clickable.
//! - Furniture (running heads, page numbers) is left out.
//! - In a document of several pages each that can be read begins with an anchor, `<a id="page-3"></a>`.

use crate::{Block, BlockKind, Link, LinkSafety, LinkTarget, PageText};

mod escape;
mod tables;

pub use tables::{csv_table, html_table, markdown_table};

/// A document as Markdown, a page at a time: pages of a long document need not be in memory together.
#[derive(Debug)]
pub struct MarkdownPages {
    with_anchors: bool,
    has_begun: bool,
}

impl MarkdownPages {
    /// For a document of so many pages, those that can't be read included.
    pub fn of(pages: u32) -> Self {
        Self {
            with_anchors: pages > 1,
            has_begun: false,
        }
    }

    /// What the next page, with its own links, adds to the text.
    pub fn next(&mut self, page: &PageText, links: &[&Link]) -> String {
        let mut text = String::new();
        push_page(&mut text, page, links, self.with_anchors);
        if self.has_begun && !text.is_empty() {
            text.insert(0, '\n');
        }
        self.has_begun |= !text.is_empty();
        text
    }
}

/// Appends a page to a document; with an anchor for the page where it is one of several.
pub fn push_page(text: &mut String, page: &PageText, links: &[&Link], with_anchor: bool) {
    if with_anchor {
        begin_block(text);
        text.push_str(&format!("<a id=\"page-{}\"></a>\n", page.page.0));
    }
    let mut links = Links::of(links);
    let mut last: Option<BlockKind> = None;
    for block in &page.blocks {
        if block.kind == BlockKind::Furniture {
            continue;
        }
        let of_block = page.text.get(block.start as usize..block.end as usize);
        let Some(of_block) = of_block.filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        // The items of a list are one block of Markdown.
        match (last, block.kind) {
            (Some(BlockKind::ListItem), BlockKind::ListItem) => {}
            _ => begin_block(text),
        }
        last = Some(block.kind);
        push_block(text, block, of_block, &mut links);
    }
}

fn begin_block(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

fn push_block(text: &mut String, block: &Block, of_block: &str, links: &mut Links<'_>) {
    if let Some(table) = &block.table {
        text.push_str(&markdown_table(table));
        return;
    }
    let plain = of_block.split_whitespace().collect::<Vec<_>>().join(" ");
    match block.kind {
        BlockKind::Heading => {
            let level = usize::from(block.level.unwrap_or(1).clamp(1, 6));
            text.push_str(&"#".repeat(level));
            text.push(' ');
            text.push_str(&escape::inline(&plain));
        }
        BlockKind::ListItem => {
            let (marker, rest) = escape::list_marker(&plain);
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

    /// A text with the links whose anchors are in it, each once, and escaped.
    fn put_into(&mut self, plain: &str) -> String {
        let mut made = String::with_capacity(plain.len());
        let mut rest = plain;
        self.0.retain(|(anchor, uri)| {
            let Some((before, after)) = rest.split_once(anchor.as_str()) else {
                return true;
            };
            made.push_str(&escape::inline(before));
            made.push_str(&format!(
                "[{}]({})",
                escape::inline(anchor),
                escape::address(uri)
            ));
            rest = after;
            false
        });
        made.push_str(&escape::inline(rest));
        made
    }
}

#[cfg(test)]
mod tests;
