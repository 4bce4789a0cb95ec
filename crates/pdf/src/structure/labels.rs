//! Page labels (ISO 32000-2 section 12.4.2).

use std::collections::BTreeMap;

use lopdf::Dictionary;

use crate::inspect::objects::Objects;
use crate::inspect::{text_string, tree};
use pagemill_document::{PageLabel, PageNumber};

/// Characters of a prefix that are kept at most.
const MAX_PREFIX: usize = 64;

/// Numbers above these are written in decimal: a Roman numeral grows by a letter a thousand, letters by one in 26.
const LARGEST_ROMAN: u64 = 9_999;
const LARGEST_LETTERS: u64 = 26 * 16;

/// How the pages of a range are labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    /// Index of its first page, from 0.
    from: u32,
    style: Style,
    prefix: String,
    /// Number of its first page.
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Decimal,
    Roman {
        upper: bool,
    },
    Letters {
        upper: bool,
    },
    /// Only the prefix.
    None,
}

/// The label of each of `pages` pages; empty when the file has no labels.
pub(crate) fn read(objects: Objects<'_>, pages: u32) -> Vec<PageLabel> {
    let tree_root = objects
        .catalog()
        .and_then(|catalog| objects.dictionary(catalog, b"PageLabels"));
    let Some(root) = tree_root else {
        return Vec::new();
    };
    let mut ranges = BTreeMap::new();
    for (key, value) in tree::entries(objects, root, b"Nums") {
        let from = key
            .as_i64()
            .ok()
            .and_then(|index| u32::try_from(index).ok());
        if let (Some(from), Some(label)) = (from, objects.as_dictionary(value)) {
            ranges.insert(from, range(objects, from, label));
        }
    }
    if ranges.is_empty() {
        return Vec::new();
    }
    // Pages before the first range are numbered as if there were no labels.
    let mut current = Range {
        from: 0,
        style: Style::Decimal,
        prefix: String::new(),
        start: 1,
    };
    let mut labels = Vec::with_capacity(usize::try_from(pages).unwrap_or_default());
    for index in 0..pages {
        if let Some(next) = ranges.remove(&index) {
            current = next;
        }
        let number = current
            .start
            .saturating_add(u64::from(index - current.from));
        labels.push(PageLabel {
            page: PageNumber(index + 1),
            label: format!("{}{}", current.prefix, numeral(current.style, number)),
        });
    }
    labels
}

fn range<'a>(objects: Objects<'a>, from: u32, label: &'a Dictionary) -> Range {
    let style = match objects.name(label, b"S") {
        Some(b"D") => Style::Decimal,
        Some(b"R") => Style::Roman { upper: true },
        Some(b"r") => Style::Roman { upper: false },
        Some(b"A") => Style::Letters { upper: true },
        Some(b"a") => Style::Letters { upper: false },
        _ => Style::None,
    };
    let prefix = objects
        .get(label, b"P")
        .and_then(|prefix| prefix.as_str().ok());
    // A space between prefix and number belongs to the label.
    let prefix = prefix.map(|bytes| {
        let shown = text_string::decode(&bytes[..bytes.len().min(4 * MAX_PREFIX)]);
        shown
            .chars()
            .filter(|character| !character.is_control())
            .take(MAX_PREFIX)
            .collect()
    });
    let start = objects
        .integer(label, b"St")
        .and_then(|start| u64::try_from(start).ok());
    Range {
        from,
        style,
        prefix: prefix.unwrap_or_default(),
        start: start.unwrap_or(1).max(1),
    }
}

fn numeral(style: Style, number: u64) -> String {
    let lower = match style {
        Style::None => return String::new(),
        Style::Roman { .. } if number <= LARGEST_ROMAN => roman(number),
        Style::Letters { .. } if number <= LARGEST_LETTERS => letters(number),
        Style::Decimal | Style::Roman { .. } | Style::Letters { .. } => number.to_string(),
    };
    match style {
        Style::Roman { upper: true } | Style::Letters { upper: true } => lower.to_uppercase(),
        _ => lower,
    }
}

fn roman(mut number: u64) -> String {
    const NUMERALS: [(u64, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut text = String::new();
    for (value, numeral) in NUMERALS {
        while number >= value {
            text.push_str(numeral);
            number -= value;
        }
    }
    text
}

/// `a` to `z`, then `aa` to `zz`, then `aaa`: the same letter, once more for each 26 pages.
fn letters(number: u64) -> String {
    let index = number.saturating_sub(1);
    let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
    let times = usize::try_from(index / 26 + 1).unwrap_or(1);
    std::iter::repeat_n(letter, times).collect()
}

#[cfg(test)]
mod tests {
    use super::{Style, numeral};

    #[test]
    fn numerals_follow_their_style() {
        let cases = [
            (Style::Decimal, 12, "12"),
            (Style::Roman { upper: false }, 4, "iv"),
            (Style::Roman { upper: true }, 1994, "MCMXCIV"),
            (Style::Letters { upper: false }, 1, "a"),
            (Style::Letters { upper: true }, 26, "Z"),
            (Style::Letters { upper: true }, 28, "BB"),
            (Style::None, 7, ""),
        ];
        for (style, number, expected) in cases {
            assert_eq!(numeral(style, number), expected);
        }
    }

    #[test]
    fn huge_numbers_stay_short() {
        assert_eq!(numeral(Style::Roman { upper: false }, u64::MAX).len(), 20);
        assert_eq!(
            numeral(Style::Letters { upper: false }, 4_000_000_000),
            "4000000000"
        );
    }
}
