//! The pieces of a page's text that are not cut further, and what each of them belongs to.

use std::sync::Arc;

use pagemill_document::{BlockKind, PageText};

use super::{sentences, tables};
use crate::settings::IndexSettings;

/// A piece that is not cut further: a sentence, or part of one that is too long.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    /// Index into the pages at hand.
    pub(super) page: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tokens: u32,
    /// Which paragraph of the document it belongs to, from 0. No paragraph goes over two pages.
    pub(super) paragraph: usize,
    pub(super) is_heading: bool,
    /// The headings in force, outermost first.
    pub(super) path: Arc<[String]>,
    /// Of a row of a table: the atoms of its caption and head, which come before its first row.
    pub(super) head: Option<(usize, usize)>,
}

/// What goes on from page to page while they are read into atoms.
#[derive(Debug)]
pub(super) struct Reader {
    /// The headings in force, with their levels.
    open: Vec<(u8, String)>,
    path: Arc<[String]>,
    paragraph: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            path: Arc::new([]),
            paragraph: 0,
        }
    }
}

impl Reader {
    /// Appends the atoms of a page, which has this index.
    pub(super) fn read(
        &mut self,
        page: &PageText,
        index: usize,
        settings: &IndexSettings,
        found: &mut Vec<Atom>,
    ) {
        // Where the caption of a table above which it stands begins.
        let mut caption: Option<usize> = None;
        for stretch in stretches(page) {
            let text = &page.text[stretch.start..stretch.end];
            if text.trim().is_empty() {
                continue;
            }
            if let Some(level) = stretch.heading_level {
                self.open.retain(|(above, _)| *above < level);
                let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
                self.open.push((level, title));
                self.path = self.open.iter().map(|(_, title)| title.clone()).collect();
            }
            let begins = found.len();
            let above = caption.take().filter(|_| stretch.head_rows.is_some());
            if above.is_some() {
                // A caption and its table are not parted where both fit.
                self.paragraph -= 1;
            }
            let pieces = match stretch.head_rows {
                Some(rows) => tables::rows(text, rows as usize, settings),
                None => sentences::split(text, settings)
                    .into_iter()
                    .map(|piece| (piece, false))
                    .collect(),
            };
            let head = pieces.iter().take_while(|(_, is_head)| *is_head).count();
            let head =
                (stretch.head_rows.is_some()).then(|| (above.unwrap_or(begins), begins + head));
            if stretch.is_caption {
                caption = Some(begins);
            }
            for ((start, end, tokens), _) in pieces {
                found.push(Atom {
                    head,
                    page: index,
                    start: stretch.start + start,
                    end: stretch.start + end,
                    tokens,
                    paragraph: self.paragraph,
                    is_heading: stretch.heading_level.is_some(),
                    path: Arc::clone(&self.path),
                });
            }
            self.paragraph += 1;
        }
    }
}

/// A block, or text between blocks.
struct Stretch {
    start: usize,
    end: usize,
    heading_level: Option<u8>,
    is_caption: bool,
    /// Of a table: how many of its rows are its head.
    head_rows: Option<u32>,
}

impl Stretch {
    /// Text that stands in no block.
    fn between(start: usize, end: usize) -> Self {
        Self {
            start,
            end,
            heading_level: None,
            is_caption: false,
            head_rows: None,
        }
    }
}

/// The stretches of a page but furniture, in order. A span that does not fit the text is not believed: its text then
/// counts as standing between blocks.
fn stretches(page: &PageText) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut done = 0;
    for block in &page.blocks {
        let (start, end) = (block.start as usize, block.end as usize);
        let fits = start >= done && start <= end && page.text.get(start..end).is_some();
        if !fits {
            continue;
        }
        found.push(Stretch::between(done, start));
        if block.kind != BlockKind::Furniture {
            let heading_level =
                (block.kind == BlockKind::Heading).then(|| block.level.unwrap_or(1).max(1));
            found.push(Stretch {
                start,
                end,
                heading_level,
                is_caption: block.kind == BlockKind::Caption,
                head_rows: block.table.as_ref().map(|table| table.header_rows()),
            });
        }
        done = end;
    }
    found.push(Stretch::between(done, page.text.len()));
    found
}
