//! The words of a page, as the search for tables sees them.

use pagemill_document::Rect;
use pagemill_layout::{Word, WordKind};

use crate::text::layout::Glyph;
use crate::text::layout::fragments::Fragment;

/// White wider than this many font sizes ends a word; so does a space of the file.
const WORD_GAP: f32 = 0.22;

/// What captions of tables begin with, in small letters.
const TABLE_NAMES: &[&str] = &[
    "table", "tab.", "tabelle", "tableau", "tabla", "tabela", "tabella",
];

/// A word and its glyphs: `start..end` of the page's.
pub(super) struct PageWord {
    pub(super) word: Word,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of fragments.
pub(super) fn words(fragments: &[Fragment], glyphs: &[Glyph]) -> Vec<PageWord> {
    let mut found = Vec::new();
    for fragment in fragments {
        let mut start = fragment.start;
        for index in fragment.start + 1..=fragment.end {
            let ends = index == fragment.end || {
                let (before, glyph) = (&glyphs[index - 1], &glyphs[index]);
                let gap = glyph.x0 - before.x1;
                !glyph.piece
                    && (glyph.space_before && gap > -0.3 * glyph.size
                        || gap > WORD_GAP * glyph.size
                        || is_leader(before.ch) != is_leader(glyph.ch) && runs_on(glyphs, index))
            };
            if ends {
                found.push(PageWord {
                    word: word(&glyphs[start..index]),
                    start,
                    end: index,
                });
                start = index;
            }
        }
    }
    found
}

fn is_leader(ch: char) -> bool {
    matches!(ch, '.' | '·' | '…' | '_')
}

/// Whether a run of dots begins or ends at a glyph, and no full stop.
fn runs_on(glyphs: &[Glyph], index: usize) -> bool {
    let is_dot = |at: usize| glyphs.get(at).is_some_and(|glyph| is_leader(glyph.ch));
    (is_dot(index) && is_dot(index + 1) && is_dot(index + 2))
        || (index >= 3 && is_dot(index - 1) && is_dot(index - 2) && is_dot(index - 3))
}

fn word(glyphs: &[Glyph]) -> Word {
    let first = &glyphs[0];
    let mut bbox = Rect {
        x0: first.x0,
        y0: first.top,
        x1: first.x1,
        y1: first.bottom,
    };
    let (mut digits, mut letters, mut leaders, mut bold) = (0, 0, 0, 0);
    let mut size = first.size;
    for glyph in glyphs {
        bbox.x0 = bbox.x0.min(glyph.x0);
        bbox.x1 = bbox.x1.max(glyph.x1);
        bbox.y0 = bbox.y0.min(glyph.top);
        bbox.y1 = bbox.y1.max(glyph.bottom);
        digits += usize::from(glyph.ch.is_numeric());
        letters += usize::from(glyph.ch.is_alphabetic());
        leaders += usize::from(is_leader(glyph.ch));
        bold += usize::from(glyph.bold);
        size = size.max(glyph.size);
    }
    let is_dash = letters == 0
        && digits == 0
        && glyphs.len() <= 3
        && glyphs
            .iter()
            .all(|glyph| matches!(glyph.ch, '-' | '–' | '—' | '−' | '%' | '$' | '€' | '£'));
    let kind = if leaders == glyphs.len() && leaders >= 3 {
        WordKind::Leader
    } else if digits > 0 && letters <= 1 && letters < digits.max(2) || is_dash {
        WordKind::Number
    } else {
        WordKind::Text
    };
    let names_table = (5..=8).contains(&glyphs.len()) || glyphs.len() == 4;
    let names_table = names_table && {
        let text: String = glyphs
            .iter()
            .flat_map(|glyph| glyph.ch.to_lowercase())
            .collect();
        TABLE_NAMES.contains(&text.as_str())
    };
    Word {
        bbox,
        baseline: first.baseline,
        size,
        bold: bold * 2 > glyphs.len(),
        kind,
        characters: u16::try_from(glyphs.len()).unwrap_or(u16::MAX),
        begins_small: first.ch.is_lowercase(),
        names_table,
    }
}
