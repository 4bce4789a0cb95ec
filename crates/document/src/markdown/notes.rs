//! Notes at the foot of a page, and the marks in its text that point to them.
//!
//! Both ends have to be there: a note that begins with a mark, and above it the same mark set raised, behind a word. A note
//! without its mark and a mark without its note stay as they are printed.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::{Block, BlockKind, PageText, RaisedSpan};

/// Letters of a word that a mark may follow, at least: what is raised behind fewer is the exponent of a unit or a variable.
const SHORTEST_WORD: usize = 3;

/// Notes of a page that are looked at.
const MOST_NOTES: usize = 200;

/// Marks that point to one note, at most: more are those of authors, to whose institutions they point.
const MOST_MARKS: usize = 3;

/// Raised texts of a block that are looked at.
const MOST_RAISED: usize = 500;

/// The notes of a page that have a mark in its text.
#[derive(Debug, Default)]
pub(super) struct Notes<'a> {
    /// Of each note its label, and how many bytes its mark takes, by where its block begins.
    notes: HashMap<u32, (String, usize)>,
    /// The marks that point to them, with their labels, in the order of the text.
    marks: Vec<(RaisedSpan, String)>,
    text: &'a str,
}

impl<'a> Notes<'a> {
    /// Those of a page. `taken` are the labels of the document so far: numbers that begin anew on every page are told apart.
    pub(super) fn of(page: &'a PageText, taken: &mut HashSet<String>) -> Self {
        let mut found = Self {
            text: &page.text,
            ..Self::default()
        };
        let is_note = |block: &&Block| block.kind == BlockKind::Footnote;
        for note in page.blocks.iter().filter(is_note).take(MOST_NOTES) {
            let Some((mark, bytes)) = found.text_of(note).and_then(mark_of_note) else {
                continue;
            };
            let marks: Vec<RaisedSpan> = page
                .blocks
                .iter()
                .filter(|block| may_point(block, note))
                .flat_map(|block| found.raised_in(page, block))
                .filter(|span| found.points_to(span, &mark))
                .collect();
            if !(1..=MOST_MARKS).contains(&marks.len()) {
                continue;
            }
            let number = found.notes.len() + 1;
            let of_page = format!("{}-{number}", page.page.0);
            let label = match mark.bytes().all(|byte| byte.is_ascii_digit()) {
                true if !taken.contains(&mark) => mark,
                _ => of_page,
            };
            taken.insert(label.clone());
            let marks = marks.into_iter().map(|span| (span, label.clone()));
            found.marks.extend(marks);
            found.notes.insert(note.start, (label, bytes));
        }
        found.marks.sort_by_key(|(span, _)| span.start);
        found
    }

    /// The label of a note, and its text behind its mark; nothing of one that no mark points to.
    pub(super) fn note<'t>(&self, block: &Block, of_block: &'t str) -> Option<(&str, &'t str)> {
        let (label, bytes) = self.notes.get(&block.start)?;
        Some((label, of_block.get(*bytes..)?.trim_start()))
    }

    /// The text of a block with its marks as Markdown has them.
    pub(super) fn with_marks<'t>(&self, block: &Block, of_block: &'t str) -> Cow<'t, str> {
        let first = self
            .marks
            .partition_point(|(span, _)| span.start < block.start);
        let marks = self.marks[first..].iter();
        let mut marks = marks
            .take_while(|(span, _)| span.end <= block.end)
            .peekable();
        if marks.peek().is_none() {
            return Cow::Borrowed(of_block);
        }
        let mut marked = String::with_capacity(of_block.len() + 8);
        let mut from = 0;
        for (span, label) in marks {
            let start = (span.start - block.start) as usize;
            marked.push_str(of_block.get(from..start).unwrap_or_default());
            marked.push_str(&format!("[^{label}]"));
            from = (span.end - block.start) as usize;
        }
        marked.push_str(of_block.get(from..).unwrap_or_default());
        Cow::Owned(marked)
    }

    fn text_of(&self, block: &Block) -> Option<&'a str> {
        self.text.get(block.start as usize..block.end as usize)
    }

    fn raised_in<'p>(
        &self,
        page: &'p PageText,
        block: &Block,
    ) -> impl Iterator<Item = RaisedSpan> + use<'p> {
        let first = page.raised.partition_point(|span| span.start < block.start);
        let end = block.end;
        page.raised[first..]
            .iter()
            .copied()
            .take_while(move |span| span.end <= end)
            .take(MOST_RAISED)
    }

    /// Whether a raised text is this mark, and stands behind a word or what ends one.
    fn points_to(&self, span: &RaisedSpan, mark: &str) -> bool {
        let (start, end) = (span.start as usize, span.end as usize);
        let is_mark = self.text.get(start..end).is_some_and(|text| text == mark);
        let Some(before) = self.text.get(..start).filter(|_| is_mark) else {
            return false;
        };
        let before = before.trim_end_matches(' ');
        match before.chars().next_back() {
            Some(last) if last.is_alphabetic() => {
                let letters = before.chars().rev().take(SHORTEST_WORD);
                letters.filter(|ch| ch.is_alphabetic()).count() == SHORTEST_WORD
            }
            Some(last) => matches!(
                last,
                '.' | ',' | ';' | ':' | '!' | '?' | '"' | '”' | '’' | '»' | ')'
            ),
            None => false,
        }
    }
}

/// Whether a mark in a block may point to a note: it stands above it, and is no note itself.
fn may_point(block: &Block, note: &Block) -> bool {
    let is_text = !matches!(
        block.kind,
        BlockKind::Footnote | BlockKind::Furniture | BlockKind::Table
    );
    is_text && block.bbox.y0 < note.bbox.y0
}

/// The mark that a note begins with, and how many bytes it takes with the white around it.
fn mark_of_note(text: &str) -> Option<(String, usize)> {
    let white = text.len() - text.trim_start().len();
    let text = &text[white..];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let signs = text
        .chars()
        .take_while(|ch| matches!(ch, '*' | '†' | '‡' | '§'));
    let bytes = match digits {
        0 => signs.map(char::len_utf8).sum(),
        digits => digits,
    };
    let is_mark = (1..=9).contains(&bytes) && !text[bytes..].trim().is_empty();
    is_mark.then(|| (text[..bytes].to_owned(), white + bytes))
}
