//! What blocks are, seen over the whole document: furniture, and headings with levels.
//!
//! Furniture is what stands at the top or bottom edge of a page and comes again, but for its numbers, at the same
//! height on other pages. Headings are short blocks set larger than the body text, or in bold at its size; their
//! styles, ordered by size and then weight, are the levels.

use std::collections::HashMap;

use crate::text::{Block, BlockKind, PageText};

/// Headings have at most this many lines.
const HEADING_LINES: usize = 4;
/// Headings have at most this many characters.
const HEADING_CHARS: usize = 200;
/// Deepest heading level.
const DEEPEST_LEVEL: u8 = 6;
/// Part of the page's height, at its top and at its bottom, in which furniture stands.
const EDGE: f32 = 0.12;

/// Marks headings (by size and weight against the document's body text, with levels) and furniture (text repeated in
/// the same place over the pages) among the blocks of all pages of one document, in order. Doing it again changes
/// nothing.
pub fn classify(pages: &mut [PageText]) {
    mark_furniture(pages);
    mark_headings(pages);
}

/// What makes two blocks of different pages the same furniture: their text without numbers, and their height on the
/// page in steps of six points.
type FurnitureKey = (String, i32);

fn mark_furniture(pages: &mut [PageText]) {
    let mut seen_on: HashMap<FurnitureKey, usize> = HashMap::new();
    for page in pages.iter() {
        let mut keys: Vec<FurnitureKey> = page
            .blocks
            .iter()
            .filter_map(|block| furniture_key(page, block))
            .collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            *seen_on.entry(key).or_default() += 1;
        }
    }
    // Left and right pages differ, chapters change the header: a quarter of the pages is enough, three at least.
    let enough = (pages.len() / 4).clamp(3, 12);
    for page in pages.iter_mut() {
        let marked: Vec<usize> = (0..page.blocks.len())
            .filter(|&index| {
                let key = furniture_key(page, &page.blocks[index]);
                key.is_some_and(|(text, step)| {
                    let near = [step - 1, step, step + 1];
                    near.into_iter()
                        .filter_map(|height| seen_on.get(&(text.clone(), height)))
                        .sum::<usize>()
                        >= enough
                })
            })
            .collect();
        for index in marked {
            page.blocks[index].kind = BlockKind::Furniture;
            page.blocks[index].level = None;
        }
    }
}

fn furniture_key(page: &PageText, block: &Block) -> Option<FurnitureKey> {
    let at_top = block.bbox.y1 <= page.height * EDGE;
    let at_bottom = block.bbox.y0 >= page.height * (1.0 - EDGE);
    if block.lines.len() > 3 || !(at_top || at_bottom) {
        return None;
    }
    let text = text_of(page, block)?;
    let mut key = String::with_capacity(text.len());
    for ch in text.chars() {
        let is_digit = ch.is_numeric();
        if is_digit && key.ends_with('#') {
            continue;
        }
        key.push(if is_digit { '#' } else { ch });
    }
    let is_roman_number = key.len() <= 6
        && key
            .bytes()
            .all(|byte| matches!(byte, b'i' | b'v' | b'x' | b'l'));
    if is_roman_number {
        key = "#".to_owned();
    }
    // Measured from the nearer edge, so that pages of different sizes agree.
    let height = if at_top {
        block.bbox.y0
    } else {
        block.bbox.y1 - page.height
    };
    Some((key, (height / 6.0).round() as i32))
}

fn text_of<'a>(page: &'a PageText, block: &Block) -> Option<&'a str> {
    page.text.get(block.start as usize..block.end as usize)
}

/// Font size in tenths of a point, and weight.
type Style = (u32, bool);

fn style(block: &Block) -> Style {
    ((block.font_size * 10.0).round().max(0.0) as u32, block.bold)
}

fn mark_headings(pages: &mut [PageText]) {
    let Some((body_size, body_bold)) = body_style(pages) else {
        return;
    };
    let mut used: HashMap<Style, usize> = HashMap::new();
    for page in pages.iter() {
        for block in &page.blocks {
            if is_heading(page, block, body_size, body_bold) {
                *used.entry(style(block)).or_default() += 1;
            }
        }
    }
    let levels = levels(used);
    for page in pages.iter_mut() {
        for index in 0..page.blocks.len() {
            let block = &page.blocks[index];
            if !is_heading(page, block, body_size, body_bold) {
                continue;
            }
            let level = levels.get(&style(block)).copied();
            let block = &mut page.blocks[index];
            block.kind = BlockKind::Heading;
            block.level = level;
        }
    }
}

/// The style that most characters have, furniture aside.
fn body_style(pages: &[PageText]) -> Option<(f32, bool)> {
    let mut sizes: HashMap<u32, (usize, usize)> = HashMap::new();
    for page in pages {
        for block in page
            .blocks
            .iter()
            .filter(|block| block.kind != BlockKind::Furniture)
        {
            for line in &block.lines {
                // Half points: hinting and scaling make sizes such as 9.96 and 10.02 of one style.
                let (all, bold) = sizes
                    .entry((line.font_size * 2.0).round().max(0.0) as u32)
                    .or_default();
                *all += line.text.len();
                *bold += if line.bold { line.text.len() } else { 0 };
            }
        }
    }
    sizes
        .into_iter()
        .max_by_key(|&(size, (all, _))| (all, size))
        .map(|(size, (all, bold))| (size as f32 / 2.0, bold * 2 > all))
}

fn is_heading(page: &PageText, block: &Block, body_size: f32, body_bold: bool) -> bool {
    if block.kind == BlockKind::Furniture || block.lines.len() > HEADING_LINES {
        return false;
    }
    let Some(text) = text_of(page, block).map(str::trim) else {
        return false;
    };
    let characters = text.chars().count();
    let letters = text.chars().filter(|ch| ch.is_alphabetic()).count();
    let is_wordy = letters >= 2 && letters * 2 >= characters;
    if characters > HEADING_CHARS || !is_wordy || text.contains('\t') {
        return false;
    }
    let is_larger = block.font_size > body_size * 1.12 + 0.2;
    if is_larger {
        return true;
    }
    let is_bold_at_body_size =
        block.bold && !body_bold && block.font_size >= body_size * 0.97 - 0.3;
    let is_sentence = text.ends_with(['.', ',', ';', ':', '。']) && !ends_in_number(text);
    if is_caption(text) {
        return false;
    }
    let starts_small = text.chars().next().is_some_and(char::is_lowercase);
    is_bold_at_body_size
        && !is_sentence
        && !starts_small
        && block.lines.len() <= 2
        && characters <= 120
}

/// Whether text begins as the caption of a figure or table does: `Figure 1`, `Tab. 2:`.
fn is_caption(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_lowercase();
    let names = [
        "figure",
        "fig",
        "table",
        "tab",
        "abbildung",
        "abb",
        "tabelle",
        "tableau",
        "figura",
        "tabla",
    ];
    names.contains(&first.as_str())
        && words
            .next()
            .is_some_and(|word| word.starts_with(|ch: char| ch.is_ascii_digit()))
}

/// Whether the last word is a number such as the `1.2.` of a section.
fn ends_in_number(text: &str) -> bool {
    let last = text.split_whitespace().next_back().unwrap_or_default();
    last.bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Levels from 1: larger first, bold before regular; sizes within half a point are one level.
fn levels(used: HashMap<Style, usize>) -> HashMap<Style, u8> {
    let mut styles: Vec<Style> = used.into_keys().collect();
    styles.sort_by(|a, b| b.cmp(a));
    let mut levels = HashMap::new();
    let mut level = 0;
    let mut last: Option<Style> = None;
    for style in styles {
        let is_same = last.is_some_and(|(size, bold)| size - style.0 <= 5 && bold == style.1);
        if !is_same {
            level = (level + 1).min(DEEPEST_LEVEL);
            last = Some(style);
        }
        levels.insert(style, level);
    }
    levels
}

#[cfg(test)]
mod tests {
    use crate::page::{PageNumber, PageState, Rect};
    use crate::structure::headings;
    use crate::text::{Block, BlockKind, Line, PageText, classify};

    struct Sample<'a> {
        text: &'a str,
        top: f32,
        size: f32,
        bold: bool,
    }

    fn sample(text: &str, top: f32, size: f32, bold: bool) -> Sample<'_> {
        Sample {
            text,
            top,
            size,
            bold,
        }
    }

    fn page(number: u32, samples: &[Sample<'_>]) -> PageText {
        let mut text = String::new();
        let mut blocks = Vec::new();
        for sample in samples {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            let start = text.len() as u32;
            text.push_str(sample.text);
            let bbox = Rect {
                x0: 72.0,
                y0: sample.top,
                x1: 500.0,
                y1: sample.top + sample.size,
            };
            blocks.push(Block {
                kind: BlockKind::Paragraph,
                level: None,
                start,
                end: text.len() as u32,
                bbox,
                font_size: sample.size,
                bold: sample.bold,
                lines: vec![Line {
                    text: sample.text.to_owned(),
                    bbox,
                    font_size: sample.size,
                    bold: sample.bold,
                }],
            });
        }
        PageText {
            page: PageNumber(number),
            width: 595.0,
            height: 842.0,
            rotation: 0,
            state: PageState::Text,
            text,
            blocks,
            truncated: false,
        }
    }

    const BODY: &str = "The quick brown fox jumps over the lazy dog, and then it does so again and again until dusk.";

    fn report() -> Vec<PageText> {
        (1..=4)
            .map(|number| {
                let footer = format!("Page {number} of 4");
                let chapter = format!("{number} Chapter");
                page(
                    number,
                    &[
                        sample("Annual report", 30.0, 8.0, false),
                        sample(&chapter, 100.0, 18.0, true),
                        sample(BODY, 140.0, 10.0, false),
                        sample("A bold line", 300.0, 10.0, true),
                        sample(BODY, 320.0, 10.0, false),
                        sample("This bold one is a sentence.", 360.0, 10.0, true),
                        sample(&footer, 800.0, 8.0, false),
                    ],
                )
            })
            .collect()
    }

    #[test]
    fn headings_get_levels_by_size_and_weight() {
        let mut pages = report();
        classify(&mut pages);
        let found: Vec<(u8, String, u32)> = headings(&pages)
            .into_iter()
            .map(|heading| (heading.level, heading.text, heading.page.0))
            .take(3)
            .collect();
        assert_eq!(
            found,
            [
                (1, "1 Chapter".to_owned(), 1),
                (2, "A bold line".to_owned(), 1),
                (1, "2 Chapter".to_owned(), 2)
            ]
        );
    }

    #[test]
    fn running_headers_and_page_numbers_are_furniture() {
        let mut pages = report();
        classify(&mut pages);
        for page in &pages {
            let furniture: Vec<usize> = (0..page.blocks.len())
                .filter(|&index| page.blocks[index].kind == BlockKind::Furniture)
                .collect();
            assert_eq!(furniture, [0, 6]);
        }
    }

    #[test]
    fn text_at_the_edge_of_a_single_page_is_no_furniture() {
        let mut pages = vec![page(
            1,
            &[
                sample("Annual report", 30.0, 8.0, false),
                sample(BODY, 140.0, 10.0, false),
            ],
        )];
        classify(&mut pages);
        assert!(
            pages[0]
                .blocks
                .iter()
                .all(|block| block.kind == BlockKind::Paragraph)
        );
    }

    #[test]
    fn classifying_twice_changes_nothing() {
        let mut pages = report();
        classify(&mut pages);
        let once = pages.clone();
        classify(&mut pages);
        assert_eq!(pages, once);
    }

    #[test]
    fn a_bold_caption_is_no_heading() {
        let mut pages = vec![page(
            1,
            &[
                sample(BODY, 140.0, 10.0, false),
                sample("Figure 2: the fox", 300.0, 10.0, true),
            ],
        )];
        classify(&mut pages);
        assert!(headings(&pages).is_empty());
    }

    #[test]
    fn an_empty_document_is_no_problem() {
        classify(&mut []);
        let mut pages = vec![page(1, &[])];
        classify(&mut pages);
        assert!(headings(&pages).is_empty());
    }
}
