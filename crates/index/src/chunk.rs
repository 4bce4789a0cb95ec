//! Cutting text into pieces of a known number of tokens.
//!
//! - Text is cut at headings and paragraphs where that fits, else at sentences, else at words. A single word longer
//!   than a chunk is cut between graphemes: there is no other way to keep the limit.
//! - A table is cut between rows only, and each piece of it begins with the rows of its head, and with its caption where
//!   that stands above it.
//! - Page furniture is left out. Nothing else is: every other visible character is in at least one chunk.
//! - A chunk's text is the text of its spans, joined by blank lines; a span is a byte range of one page's text.
//! - The same pages and settings always give the same chunks.

mod atoms;
mod boxes;
mod sentences;
mod tables;

use std::ops::Range;

use pagemill_document::{PageNumber, PageText, Rect};
use serde::{Deserialize, Serialize};

use crate::settings::{IndexSettings, Tokenizer};
use atoms::{Atom, Reader};

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

/// Cuts the text of pages into chunks.
pub fn chunks(pages: &[PageText], settings: &IndexSettings) -> Vec<Chunk> {
    let mut cutter = Cutter::new(settings.clone());
    let mut found: Vec<Chunk> = pages
        .iter()
        .flat_map(|page| cutter.add(page.clone()))
        .collect();
    found.extend(cutter.finish());
    found
}

/// Cuts pages as they come. It holds those that the next chunk may need and no others: a chunk's length of them, and what it
/// may repeat.
#[derive(Debug)]
pub(crate) struct Cutter {
    settings: IndexSettings,
    reader: Reader,
    pages: Vec<PageText>,
    atoms: Vec<Atom>,
    /// The atom at which the next chunk begins.
    begin: usize,
    /// Chunks that were made.
    made: usize,
}

impl Cutter {
    pub(crate) fn new(settings: IndexSettings) -> Self {
        Self {
            settings,
            reader: Reader::default(),
            pages: Vec::new(),
            atoms: Vec::new(),
            begin: 0,
            made: 0,
        }
    }

    /// Takes the next page, and gives the chunks that no later page can change.
    pub(crate) fn add(&mut self, page: PageText) -> Vec<Chunk> {
        self.reader
            .read(&page, self.pages.len(), &self.settings, &mut self.atoms);
        self.pages.push(page);
        let mut found = Vec::new();
        while self.reaches_over_a_chunk() {
            found.push(self.next());
        }
        self.forget();
        found
    }

    /// Gives the chunks of what is left.
    pub(crate) fn finish(mut self) -> Vec<Chunk> {
        let mut found = Vec::new();
        while self.begin < self.atoms.len() {
            found.push(self.next());
        }
        found
    }

    /// The first page that a later chunk may be of.
    pub(crate) fn first_page(&self) -> Option<PageNumber> {
        self.pages.first().map(|page| page.page)
    }

    /// Whether more atoms are at hand than the next chunk can hold, so that it ends among them.
    fn reaches_over_a_chunk(&self) -> bool {
        let mut tokens = 0;
        self.atoms[self.begin..].iter().any(|atom| {
            tokens += atom.tokens;
            tokens > self.settings.chunk_tokens
        })
    }

    fn next(&mut self) -> Chunk {
        let (pages, atoms, begin, settings) =
            (&self.pages, &self.atoms, self.begin, &self.settings);
        let repeated = repeated(atoms, begin, settings);
        let tokens: u32 = atoms[repeated.clone()].iter().map(|atom| atom.tokens).sum();
        let room = settings.chunk_tokens - tokens;
        let guess = chunk_end(atoms, begin, room, settings);
        let counted = fit(pages, atoms, (repeated.clone(), begin, guess), settings);
        let end = before_headings(atoms, begin, counted);
        let repeated = widest_fitting(pages, atoms, repeated, begin..end, settings);
        let parts = (repeated, begin..end);
        let chunk = chunk(pages, atoms, parts, self.made, settings.tokenizer);
        self.begin = end;
        self.made += 1;
        chunk
    }

    /// Drops the pages that no later chunk touches or repeats.
    fn forget(&mut self) {
        let mut first = overlap(&self.atoms, self.begin, &self.settings);
        if let Some((head, _)) = self.atoms.get(self.begin).and_then(|atom| atom.head) {
            first = first.min(head);
        }
        let pages = match self.atoms.get(first) {
            Some(atom) => atom.page,
            None => self.pages.len(),
        };
        let gone = self.atoms.partition_point(|atom| atom.page < pages);
        self.pages.drain(..pages);
        self.atoms.drain(..gone);
        self.begin -= gone;
        for atom in &mut self.atoms {
            atom.page -= pages;
            atom.head = atom.head.map(|(start, end)| (start - gone, end - gone));
        }
    }
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
    if atoms.get(begin).is_some_and(|atom| atom.is_heading) {
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
        heading_path: shared_path(&atoms[body.clone()]),
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
fn shared_path(atoms: &[Atom]) -> Vec<String> {
    let has_body = atoms.iter().any(|atom| !atom.is_heading);
    let mut relevant = atoms
        .iter()
        .filter(|atom| !(has_body && atom.is_heading))
        .map(|atom| &*atom.path);
    let mut shared = relevant.next().unwrap_or_default().to_vec();
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
