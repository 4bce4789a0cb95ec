//! The text that is analysed: running text without headers and footers, bounded whatever the document's length.

use pagemill_document::{BlockKind, PageNumber, PageText};

/// The text of one page without its furniture.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    pub(crate) page: PageNumber,
    pub(crate) text: String,
}

/// A bounded selection of a document's pages.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) passages: Vec<Passage>,
    /// Whether something was left out.
    pub(crate) cut: bool,
}

impl Sample {
    /// Takes whole pages up to `max_chars`: half of it from the beginning, an eighth from the end, the rest evenly
    /// from between. A single page is cut at a quarter of the limit.
    pub(crate) fn take(pages: &[PageText], max_chars: usize) -> Self {
        let total: usize = pages.iter().map(|page| page.text.len()).sum();
        if total <= max_chars {
            let passages = pages.iter().map(|page| passage(page, usize::MAX)).collect();
            return Self {
                passages,
                cut: false,
            };
        }
        let page_limit = max_chars / 4;
        let cost = |page: &PageText| page.text.len().min(page_limit);
        let mut chosen = vec![false; pages.len()];
        let mut budget = max_chars / 2;
        for (index, page) in pages.iter().enumerate() {
            if cost(page) > budget {
                break;
            }
            budget -= cost(page);
            chosen[index] = true;
        }
        budget += max_chars / 8;
        for (index, page) in pages.iter().enumerate().rev() {
            if cost(page) > budget || chosen[index] {
                break;
            }
            budget -= cost(page);
            chosen[index] = true;
        }
        budget += max_chars * 3 / 8;
        let between: Vec<usize> = (0..pages.len()).filter(|index| !chosen[*index]).collect();
        let mean = (total / pages.len().max(1)).max(1);
        let step = (between.len() / (budget / mean).max(1)).max(1);
        for index in between.into_iter().step_by(step) {
            if cost(&pages[index]) <= budget {
                budget -= cost(&pages[index]);
                chosen[index] = true;
            }
        }
        let passages = pages
            .iter()
            .zip(&chosen)
            .filter(|(_, chosen)| **chosen)
            .map(|(page, _)| passage(page, page_limit))
            .collect();
        Self {
            passages,
            cut: true,
        }
    }

    /// All passages as one text.
    pub(crate) fn joined(&self) -> String {
        let texts: Vec<&str> = self
            .passages
            .iter()
            .map(|passage| passage.text.as_str())
            .collect();
        texts.join("\n\n")
    }

    /// The first passages that have text, at most `count`.
    pub(crate) fn first(&self, count: usize) -> impl Iterator<Item = &Passage> {
        self.passages
            .iter()
            .filter(|passage| !passage.text.trim().is_empty())
            .take(count)
    }
}

fn passage(page: &PageText, limit: usize) -> Passage {
    let mut text = String::with_capacity(page.text.len().min(limit));
    if page.blocks.is_empty() {
        text.push_str(&page.text);
    }
    for block in page
        .blocks
        .iter()
        .filter(|block| block.kind != BlockKind::Furniture)
    {
        if let Some(span) = page.text.get(block.start as usize..block.end as usize) {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(span);
        }
        if text.len() > limit {
            break;
        }
    }
    text.truncate(text.floor_char_boundary(limit));
    let text = text
        .chars()
        .filter(|character| !character.is_control() || matches!(character, '\n' | '\t'))
        .collect();
    Passage {
        page: page.page,
        text,
    }
}

/// White space runs as one space, none at the ends.
pub(crate) fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first `count` characters.
pub(crate) fn shorten(text: &str, count: usize) -> String {
    text.chars().take(count).collect()
}

/// The line of `text` that holds the byte at `position`, trimmed and shortened, as a quote. Any position will do: one
/// inside a character is that character's, one beyond the end the last line's.
pub(crate) fn line_at(text: &str, position: usize) -> String {
    let (before, after) = text.split_at(text.floor_char_boundary(position));
    let begun = before.rsplit('\n').next().unwrap_or_default();
    let rest = after.split('\n').next().unwrap_or_default();
    shorten(&collapse(&format!("{begun}{rest}")), 200)
}

/// The line that holds the last character of a match, as a quote: the match itself may begin lines before.
pub(crate) fn last_line_of(text: &str, found: regex::Match<'_>) -> String {
    line_at(text, found.end().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_inside_a_character_is_in_that_characters_line() {
        let text = "eins\nKeywords—graphs, 粉\nzwei";
        for position in 0..=text.len() + 3 {
            let quote = line_at(text, position);
            let expected = match position {
                ..=4 => "eins",
                5..=27 => "Keywords—graphs, 粉",
                _ => "zwei",
            };
            assert_eq!(quote, expected, "at {position}");
        }
        assert_eq!(line_at("", 0), "");
        assert_eq!(line_at("", 7), "");
    }
}
