//! Cutting text into pieces of a known number of tokens.
//!
//! - Text is cut at headings and paragraphs where that fits, else at sentences, else at words. A single word longer
//!   than a chunk is cut between graphemes: there is no other way to keep the limit.
//! - A table is cut between rows only, and each piece of it begins with the rows of its head, and with its caption where
//!   that stands above it.
//! - Page furniture is left out. Nothing else is: every other visible character is in at least one chunk.
//! - A chunk's text is the text of its spans, joined by blank lines; a span is a byte range of one page's text.
//! - The same pages and settings always give the same chunks.

mod boxes;
mod sentences;
mod tables;

use std::ops::Range;

use pagemill_document::{BlockKind, PageNumber, PageText, Rect};
use serde::{Deserialize, Serialize};

use crate::settings::{IndexSettings, Tokenizer};

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its number in the document, from 0.
    pub n: u32,
    /// Its text.
    pub text: String,
    /// The headings above it, outermost first: what the paths of all its paragraphs share.
    pub heading_path: Vec<String>,
    /// The page of its first span.
    pub first_page: PageNumber,
    /// The page of its last span.
    pub last_page: PageNumber,
    /// Where its text stands, in order.
    pub spans: Vec<ChunkSpan>,
    /// Its length in tokens of the settings' tokenizer.
    pub tokens: u32,
}

impl Chunk {
    /// What is embedded: the headings above the text, then the text. A paragraph seldom names its subject; its
    /// headings do.
    pub fn embedded_text(&self) -> String {
        if self.heading_path.is_empty() {
            return self.text.clone();
        }
        format!("{}\n\n{}", self.heading_path.join(" > "), self.text)
    }
}

/// A stretch of one page's text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkSpan {
    /// Its number, from 1.
    pub page: PageNumber,
    /// Where it begins in [`PageText::text`], in bytes of UTF-8.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// Where it stands on the page: a rectangle for each block it touches, of its lines only.
    pub boxes: Vec<Rect>,
}

/// A piece that is not cut further: a sentence, or part of one that is too long.
#[derive(Debug, Clone)]
struct Atom {
    page: usize,
    start: usize,
    end: usize,
    tokens: u32,
    /// Which paragraph of the document it belongs to, from 0.
    paragraph: usize,
    is_heading: bool,
    /// Index into the heading paths.
    path: usize,
    /// Of a row of a table: the atoms of its caption and head, which come before its first row.
    head: Option<(usize, usize)>,
}

/// Cuts the text of pages into chunks.
pub fn chunks(pages: &[PageText], settings: &IndexSettings) -> Vec<Chunk> {
    let (atoms, paths) = atoms(pages, settings);
    let mut result = Vec::new();
    let mut begin = 0;
    while begin < atoms.len() {
        let repeated = repeated(&atoms, begin, settings);
        let tokens: u32 = atoms[repeated.clone()].iter().map(|atom| atom.tokens).sum();
        let room = settings.chunk_tokens - tokens;
        let guess = chunk_end(&atoms, begin, room, settings);
        let counted = fit(pages, &atoms, (repeated.clone(), begin, guess), settings);
        let end = before_headings(&atoms, begin, counted);
        let repeated = widest_fitting(pages, &atoms, repeated, begin..end, settings);
        result.push(chunk(
            pages,
            &atoms,
            &paths,
            (repeated, begin..end),
            result.len(),
            settings.tokenizer,
        ));
        begin = end;
    }
    result
}

/// Reads the pages into atoms, with the heading path in force at each.
fn atoms(pages: &[PageText], settings: &IndexSettings) -> (Vec<Atom>, Vec<Vec<String>>) {
    let mut found = Vec::new();
    let mut paths: Vec<Vec<String>> = vec![Vec::new()];
    let mut open: Vec<(u8, String)> = Vec::new();
    let mut paragraph = 0;
    for (page_index, page) in pages.iter().enumerate() {
        // Where the caption of a table above which it stands begins.
        let mut caption: Option<usize> = None;
        for stretch in stretches(page) {
            let text = &page.text[stretch.start..stretch.end];
            if text.trim().is_empty() {
                continue;
            }
            let is_heading = stretch.heading_level.is_some();
            if let Some(level) = stretch.heading_level {
                open.retain(|(above, _)| *above < level);
                open.push((level, text.split_whitespace().collect::<Vec<_>>().join(" ")));
                paths.push(open.iter().map(|(_, title)| title.clone()).collect());
            }
            let begins = found.len();
            let above = caption.take().filter(|_| stretch.head_rows.is_some());
            if above.is_some() {
                // A caption and its table are not parted where both fit.
                paragraph -= 1;
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
                    page: page_index,
                    start: stretch.start + start,
                    end: stretch.start + end,
                    tokens,
                    paragraph,
                    is_heading,
                    path: paths.len() - 1,
                });
            }
            paragraph += 1;
        }
    }
    (found, paths)
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

/// Where the chunk that begins at `begin` ends by the sum of its atoms' tokens, exclusive.
fn chunk_end(atoms: &[Atom], begin: usize, limit: u32, settings: &IndexSettings) -> usize {
    let mut tokens = 0;
    let mut has_body = false;
    let mut end = begin;
    while end < atoms.len() {
        let atom = &atoms[end];
        let begins_paragraph = end == begin || atoms[end - 1].paragraph != atom.paragraph;
        if end > begin && begins_paragraph {
            if atom.is_heading && has_body && tokens >= settings.min_chunk_tokens {
                break;
            }
            let whole = paragraph_tokens(atoms, end);
            // A paragraph that fits into a chunk of its own is not cut, unless that would leave this one half empty.
            if tokens + whole > limit && tokens > limit / 2 && whole <= limit {
                break;
            }
        }
        if end > begin && tokens + atom.tokens > limit {
            break;
        }
        tokens += atom.tokens;
        has_body |= !atom.is_heading;
        end += 1;
    }
    end
}

/// Draws the end back before headings: a heading goes with what it is above. Where there is nothing else, it stays.
fn before_headings(atoms: &[Atom], begin: usize, end: usize) -> usize {
    let is_last = end == atoms.len();
    let trailing = atoms[begin..end]
        .iter()
        .rev()
        .take_while(|atom| atom.is_heading)
        .count();
    if is_last || trailing == end - begin {
        end
    } else {
        end - trailing
    }
}

/// Tokens of the rest of a paragraph.
fn paragraph_tokens(atoms: &[Atom], from: usize) -> u32 {
    let paragraph = atoms[from].paragraph;
    atoms[from..]
        .iter()
        .take_while(|atom| atom.paragraph == paragraph)
        .map(|atom| atom.tokens)
        .sum()
}

/// Draws the end back until the text itself, counted whole, keeps the limit. The sum of the atoms is a good guess only.
fn fit(
    pages: &[PageText],
    atoms: &[Atom],
    (repeated, begin, end): (Range<usize>, usize, usize),
    settings: &IndexSettings,
) -> usize {
    let mut last = end;
    while last > begin + 1
        && tokens_of(
            pages,
            &both(atoms, &repeated, begin..last),
            settings.tokenizer,
        ) > settings.chunk_tokens
    {
        last -= 1;
    }
    last
}

/// What a chunk repeats of what came before: within a table its caption and head, unless they would take half of it; else
/// the end of the chunk before.
fn repeated(atoms: &[Atom], begin: usize, settings: &IndexSettings) -> Range<usize> {
    let Some((start, end)) = atoms[begin].head else {
        return overlap(atoms, begin, settings)..begin;
    };
    let tokens: u32 = atoms[start..end].iter().map(|atom| atom.tokens).sum();
    match begin >= end && tokens <= settings.chunk_tokens / 2 {
        true => start..end,
        false => begin..begin,
    }
}

/// Atoms that are repeated, and those that follow.
fn both(atoms: &[Atom], repeated: &Range<usize>, rest: Range<usize>) -> Vec<Atom> {
    [&atoms[repeated.clone()], &atoms[rest]].concat()
}

/// Where the repetition of the chunk before begins: whole sentences from just before `begin`, but no heading, and
/// nothing across one.
fn overlap(atoms: &[Atom], begin: usize, settings: &IndexSettings) -> usize {
    if atoms[begin].is_heading {
        return begin;
    }
    let mut first = begin;
    let mut tokens = 0;
    while first > 0
        && !atoms[first - 1].is_heading
        && atoms[first - 1].head.is_none()
        && tokens + atoms[first - 1].tokens <= settings.chunk_overlap_tokens
    {
        first -= 1;
        tokens += atoms[first].tokens;
    }
    first
}

/// The widest repetition that keeps the limit when the whole is counted.
fn widest_fitting(
    pages: &[PageText],
    atoms: &[Atom],
    mut repeated: Range<usize>,
    rest: Range<usize>,
    settings: &IndexSettings,
) -> Range<usize> {
    while !repeated.is_empty()
        && tokens_of(
            pages,
            &both(atoms, &repeated, rest.clone()),
            settings.tokenizer,
        ) > settings.chunk_tokens
    {
        repeated.start += 1;
    }
    repeated
}

fn tokens_of(pages: &[PageText], atoms: &[Atom], tokenizer: Tokenizer) -> u32 {
    tokenizer.count(&join(pages, &runs(pages, atoms)))
}

/// Makes a chunk of atoms; those that are repeated do not count for the heading path.
fn chunk(
    pages: &[PageText],
    atoms: &[Atom],
    paths: &[Vec<String>],
    (repeated, body): (Range<usize>, Range<usize>),
    number: usize,
    tokenizer: Tokenizer,
) -> Chunk {
    let all = both(atoms, &repeated, body.clone());
    let runs = runs(pages, &all);
    let text = join(pages, &runs);
    let spans: Vec<ChunkSpan> = runs
        .iter()
        .map(|run| ChunkSpan {
            page: pages[run.page].page,
            start: byte_offset(run.start),
            end: byte_offset(run.end),
            boxes: boxes::of(&pages[run.page], run.start, run.end),
        })
        .collect();
    let tokens = tokenizer.count(&text);
    Chunk {
        n: u32::try_from(number).unwrap_or(u32::MAX),
        heading_path: shared_path(&atoms[body.clone()], paths),
        first_page: pages[all[0].page].page,
        last_page: pages[atoms[body.end - 1].page].page,
        text,
        spans,
        tokens,
    }
}

/// Offsets in a page's text are 32 bits wide, as in [`pagemill_document::Block`].
fn byte_offset(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// A stretch of one page's text that goes into a chunk.
struct Run {
    page: usize,
    start: usize,
    end: usize,
}

/// Joins neighbouring atoms of a page where nothing but white space stands between them.
fn runs(pages: &[PageText], atoms: &[Atom]) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    for atom in atoms {
        match found.last_mut() {
            Some(run)
                if run.page == atom.page
                    && pages[atom.page].text[run.end..atom.start].trim().is_empty() =>
            {
                run.end = atom.end;
            }
            _ => found.push(Run {
                page: atom.page,
                start: atom.start,
                end: atom.end,
            }),
        }
    }
    found
}

fn join(pages: &[PageText], runs: &[Run]) -> String {
    let texts: Vec<&str> = runs
        .iter()
        .map(|run| &pages[run.page].text[run.start..run.end])
        .collect();
    texts.join("\n\n")
}

/// What the heading paths of the body share; of the headings, when there is no body.
fn shared_path(atoms: &[Atom], paths: &[Vec<String>]) -> Vec<String> {
    let has_body = atoms.iter().any(|atom| !atom.is_heading);
    let mut relevant = atoms
        .iter()
        .filter(|atom| !(has_body && atom.is_heading))
        .map(|atom| &paths[atom.path]);
    let mut shared = relevant.next().cloned().unwrap_or_default();
    for path in relevant {
        let same = shared
            .iter()
            .zip(path)
            .take_while(|(one, other)| one == other)
            .count();
        shared.truncate(same);
    }
    shared
}
