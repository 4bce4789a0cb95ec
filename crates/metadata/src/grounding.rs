//! Where words stand in a document: the pages prepared for finding quotes, and evidence with spans and boxes.

use std::cell::OnceCell;

use pagemill_document::{Block, PageNumber, PageText, Rect};

use crate::document::Evidence;
use crate::extractive::sample::{collapse, shorten};

/// Longest quote that is believed, and that is written.
pub(crate) const LONGEST_QUOTE: usize = 300;

/// A place on a page: which of the pages, and bytes of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) page: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The pages of a document, searchable.
pub(crate) struct Pages<'a> {
    pages: &'a [PageText],
    folded: Vec<OnceCell<Folded>>,
}

/// A text made comparable, and where each byte of that comes from.
struct Folded {
    text: String,
    /// For each byte of `text`, where the character that it comes from begins, and ends.
    from: Vec<(u32, u32)>,
}

impl Folded {
    fn of(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut from = Vec::with_capacity(original.len());
        let mut is_after_space = true;
        for (at, character) in original.char_indices() {
            let place = (
                u32::try_from(at).unwrap_or(u32::MAX),
                u32::try_from(at + character.len_utf8()).unwrap_or(u32::MAX),
            );
            if character.is_whitespace() {
                if !is_after_space {
                    text.push(' ');
                    from.push(place);
                }
                is_after_space = true;
                continue;
            }
            if !is_seen(character) {
                continue;
            }
            is_after_space = false;
            for folded in same(character).to_lowercase() {
                text.push(folded);
                from.resize(text.len(), place);
            }
        }
        if text.ends_with(' ') {
            text.pop();
            from.pop();
        }
        Self { text, from }
    }

    /// The span of the original text that a match of the folded one comes from.
    fn original(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let (first, _) = self.from.get(start)?;
        let (_, last) = self.from.get(end.checked_sub(1)?)?;
        Some((*first as usize, *last as usize))
    }
}

fn is_seen(character: char) -> bool {
    crate::visible::is_visible(character)
}

/// Quotation marks and dashes of all kinds are one.
fn same(character: char) -> char {
    match character {
        '‘' | '’' | '‚' | '′' => '\'',
        '“' | '”' | '„' | '«' | '»' => '"',
        '‐' | '‑' | '–' | '—' | '−' => '-',
        other => other,
    }
}

/// A text made comparable: white space collapsed, quotation marks and dashes made equal, lower case, nothing unseen.
pub(crate) fn fold(text: &str) -> String {
    Folded::of(text).text
}

/// Where `value` stands in `text` as whole words, however it is spaced: bytes of `text`.
pub(crate) fn whole_words(text: &str, value: &str) -> Option<(usize, usize)> {
    let folded = Folded::of(text);
    let wanted = fold(value);
    if wanted.is_empty() {
        return None;
    }
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut from = 0;
    while let Some(found) = folded.text.get(from..)?.find(&wanted) {
        let (start, end) = (from + found, from + found + wanted.len());
        let before = folded.text[..start].chars().next_back();
        let after = folded.text[end..].chars().next();
        let begins_in_word = is_part(before) && is_part(wanted.chars().next());
        let ends_in_word = is_part(after) && is_part(wanted.chars().next_back());
        // Scripts without spaces have no bounds to look for.
        let is_dense = wanted.chars().any(|character| character as u32 >= 0x2E80);
        if is_dense || !(begins_in_word || ends_in_word) {
            return folded.original(start, end);
        }
        from = start + folded.text[start..].chars().next()?.len_utf8();
    }
    None
}

/// Where the letters and digits of `value` stand in `text` without others between them, at bounds of words: bytes of `text`.
pub(crate) fn same_letters(text: &str, value: &str) -> Option<(usize, usize)> {
    let wanted: Vec<char> = letters(value).map(|(_, _, letter)| letter).collect();
    let there: Vec<(usize, usize, char)> = letters(text).collect();
    if wanted.is_empty() {
        return None;
    }
    there.windows(wanted.len()).find_map(|window| {
        let is_same = window
            .iter()
            .zip(&wanted)
            .all(|((_, _, letter), wanted)| letter == wanted);
        let (start, end) = (window.first()?.0, window.last()?.1);
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        let is_inside =
            before.is_some_and(char::is_alphanumeric) || after.is_some_and(char::is_alphanumeric);
        (is_same && !is_inside).then_some((start, end))
    })
}

fn letters(text: &str) -> impl Iterator<Item = (usize, usize, char)> {
    text.char_indices()
        .filter(|(_, character)| character.is_alphanumeric())
        .filter_map(|(at, character)| {
            let lower = character.to_lowercase().next()?;
            Some((at, at + character.len_utf8(), lower))
        })
}

impl<'a> Pages<'a> {
    pub(crate) fn new(pages: &'a [PageText]) -> Self {
        Self {
            pages,
            folded: pages.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    pub(crate) fn text(&self, page: usize) -> &'a str {
        self.pages.get(page).map_or("", |page| page.text.as_str())
    }

    pub(crate) fn page(&self, page: usize) -> Option<&'a PageText> {
        self.pages.get(page)
    }

    /// Which of the pages that have text it is, from 0.
    #[cfg(feature = "llm")]
    pub(crate) fn rank(&self, page: usize) -> usize {
        let before = self.pages.iter().take(page);
        before.filter(|page| !page.text.trim().is_empty()).count()
    }

    fn folded(&self, page: usize) -> Option<&Folded> {
        let cell = self.folded.get(page)?;
        Some(cell.get_or_init(|| Folded::of(self.text(page))))
    }

    /// Where words stand: on the page that is named, else on the nearest one that has them. Models count pages badly.
    pub(crate) fn find(&self, words: &str, named: u32) -> Option<Span> {
        let wanted = fold(words);
        if wanted.is_empty() || wanted.chars().count() > LONGEST_QUOTE {
            return None;
        }
        let mut order: Vec<usize> = (0..self.pages.len()).collect();
        order.sort_by_key(|index| self.pages[*index].page.0.abs_diff(named));
        order.into_iter().find_map(|page| {
            let folded = self.folded(page)?;
            let at = folded.text.find(&wanted)?;
            let (start, end) = folded.original(at, at + wanted.len())?;
            Some(Span { page, start, end })
        })
    }

    /// Where a value stands as whole words, on the first page that has it.
    pub(crate) fn find_value(&self, value: &str) -> Option<Span> {
        let wanted = fold(value);
        (0..self.pages.len()).find_map(|page| {
            if !self.folded(page)?.text.contains(&wanted) {
                return None;
            }
            let (start, end) = whole_words(self.text(page), value)?;
            Some(Span { page, start, end })
        })
    }

    /// A span of the page with this number.
    pub(crate) fn index_of(&self, number: PageNumber) -> Option<usize> {
        let is_it = |page: &PageText| page.page == number;
        // Pages come in order, and hardly one is missing.
        let guess = (number.0 as usize).saturating_sub(1);
        match self.pages.get(guess).is_some_and(is_it) {
            true => Some(guess),
            false => self.pages.iter().position(is_it),
        }
    }

    /// The evidence of a value that stands in a span: its lines as the quote.
    pub(crate) fn evidence(&self, span: Span) -> Evidence {
        let text = self.text(span.page);
        let lines = lines_of(text, span.start, span.end);
        let around = &text[lines.0..lines.1];
        let quote = match around.chars().count() > LONGEST_QUOTE {
            // Lines of a page that is one line: as much as fits from the value on.
            true => &text[span.start..lines.1.max(span.end)],
            false => around,
        };
        self.evidence_with(span, quote)
    }

    /// The same with a quote of its own.
    pub(crate) fn evidence_with(&self, span: Span, quote: &str) -> Evidence {
        let number = self.pages.get(span.page).map_or(0, |page| page.page.0);
        let quote = collapse(&crate::visible::visible(quote));
        Evidence {
            page: PageNumber(number),
            start: u32::try_from(span.start).unwrap_or(u32::MAX),
            end: u32::try_from(span.end).unwrap_or(u32::MAX),
            quote: shorten(&quote, LONGEST_QUOTE),
            boxes: self
                .page(span.page)
                .map(|page| boxes_of(page, span.start, span.end))
                .unwrap_or_default(),
        }
    }
}

/// The boxes of the lines that a span of a page touches; of its blocks, where lines are not known.
pub(crate) fn boxes_of(page: &PageText, start: usize, end: usize) -> Vec<Rect> {
    let touches = |block: &&Block| (block.start as usize) < end && start < block.end as usize;
    let blocks = page.blocks.iter().filter(touches);
    blocks
        .flat_map(|block| {
            let lines = lines_in(page, block, start, end);
            match lines.is_empty() {
                true => vec![block.bbox],
                false => lines,
            }
        })
        .take(20)
        .collect()
}

/// The boxes of a block's lines that a span touches. A line's text stands in the page's, but for the hyphen at its end.
fn lines_in(page: &PageText, block: &Block, from: usize, to: usize) -> Vec<Rect> {
    let Some(text) = page.text.get(block.start as usize..block.end as usize) else {
        return Vec::new();
    };
    let mut at = 0;
    let mut boxes = Vec::new();
    for line in &block.lines {
        let printed = line.text.trim_end_matches(['-', '\u{ad}', '‐']);
        let Some(found) = text.get(at..).and_then(|rest| rest.find(printed)) else {
            continue;
        };
        let start = block.start as usize + at + found;
        let end = start + printed.len();
        at += found + printed.len();
        if start < to && from < end.max(start + 1) {
            boxes.push(line.bbox);
        }
    }
    boxes
}

/// The whole lines that a span lies in.
pub(crate) fn lines_of(text: &str, start: usize, end: usize) -> (usize, usize) {
    let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let finish = text[end..].find('\n').map_or(text.len(), |at| end + at);
    (begin, finish)
}

#[cfg(test)]
mod tests {
    use pagemill_document::testing::page_of;

    use super::*;

    #[test]
    fn a_quote_is_found_on_whatever_page_it_stands() {
        let pages = [
            page_of(PageNumber(1), "Nothing of it."),
            page_of(PageNumber(2), "Dated “31  May\n2024” – for the mill"),
        ];
        let pages = Pages::new(&pages);
        let span = pages.find("\"31 may 2024\" -", 1).expect("it is there");
        assert_eq!(span.page, 1);
        assert!(pages.text(1)[span.start..span.end].starts_with('“'));
        assert_eq!(pages.evidence(span).page, PageNumber(2));
        assert_eq!(pages.find("32 May 2024", 1), None);
        assert_eq!(pages.find(" ", 1), None);
    }

    #[test]
    fn the_boxes_of_a_place_are_those_of_its_lines() {
        let line = |text: &str, y0: f32| pagemill_document::Line {
            text: text.to_owned(),
            bbox: Rect {
                x0: 10.0,
                y0,
                x1: 90.0,
                y1: y0 + 9.0,
            },
            font_size: 9.0,
            bold: false,
        };
        let mut page = page_of(PageNumber(1), "The wheel\nturns today\nand stops.");
        page.blocks = vec![Block {
            kind: pagemill_document::BlockKind::Paragraph,
            level: None,
            start: 0,
            end: u32::try_from(page.text.len()).expect("a short text"),
            bbox: Rect::default(),
            font_size: 9.0,
            bold: false,
            lines: vec![
                line("The wheel", 0.0),
                line("turns to-", 10.0),
                line("and stops.", 20.0),
            ],
            table: None,
        }];
        let tops = |start, end| -> Vec<f32> {
            let boxes = boxes_of(&page, start, end);
            boxes.iter().map(|place| place.y0).collect()
        };
        assert_eq!(tops(4, 9), [0.0]);
        assert_eq!(tops(4, 15), [0.0, 10.0]);
        assert_eq!(tops(26, 31), [20.0]);
        page.blocks[0].lines.clear();
        assert_eq!(boxes_of(&page, 4, 9), [Rect::default()]);
    }

    #[test]
    fn a_value_has_bounds() {
        assert_eq!(whole_words("No. 993548900", "5489"), None);
        assert_eq!(whole_words("ab abc, Abc.", "abc"), Some((3, 6)));
        assert_eq!(same_letters("IBAN DE89 3704 x", "DE893704"), Some((5, 14)));
        assert_eq!(same_letters("IBAN DE89 37045", "DE893704"), None);
    }
}
