//! The contract of chunks.

use std::collections::BTreeSet;

use pagemill_document::testing::page_with;
use pagemill_document::{Block, BlockKind, Line, PageNumber, PageText, Rect, Table, TableCell};
use pagemill_index::IndexSettings;
use pagemill_index::chunk::chunks;
use proptest::prelude::*;

/// A page of blocks, joined as the text of pages is.
fn page(number: u32, blocks: &[(BlockKind, Option<u8>, &str)]) -> PageText {
    let mut text = String::new();
    let mut made = Vec::new();
    for (place, (kind, level, content)) in blocks.iter().enumerate() {
        if place > 0 {
            text.push_str("\n\n");
        }
        let start = text.len() as u32;
        text.push_str(content);
        let top = place as f32 * 100.0;
        let lines = content.split('\n').enumerate().map(|(row, line)| Line {
            text: line.to_owned(),
            bbox: Rect {
                x0: 0.0,
                y0: top + row as f32 * 10.0,
                x1: 100.0,
                y1: top + row as f32 * 10.0 + 9.0,
            },
            font_size: 10.0,
            bold: false,
        });
        made.push(Block {
            kind: *kind,
            level: *level,
            start,
            end: text.len() as u32,
            bbox: Rect {
                x0: 0.0,
                y0: top,
                x1: 100.0,
                y1: top + 90.0,
            },
            font_size: 10.0,
            bold: false,
            lines: lines.collect(),
            table: None,
        });
    }
    page_with(PageNumber(number), text, made)
}

fn settings(chunk_tokens: u32, chunk_overlap_tokens: u32, min_chunk_tokens: u32) -> IndexSettings {
    IndexSettings {
        chunk_tokens,
        chunk_overlap_tokens,
        min_chunk_tokens,
        ..IndexSettings::default()
    }
}

const BODY: BlockKind = BlockKind::Paragraph;
const HEAD: BlockKind = BlockKind::Heading;
const EDGE: BlockKind = BlockKind::Furniture;

#[test]
fn a_short_document_is_one_chunk_without_its_furniture() {
    let pages = [
        page(
            1,
            &[
                (EDGE, None, "Running head"),
                (HEAD, Some(1), "Title"),
                (BODY, None, "First paragraph."),
            ],
        ),
        page(2, &[(BODY, None, "Second paragraph."), (EDGE, None, "2")]),
    ];
    let found = chunks(&pages, &IndexSettings::default());
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].text,
        "Title\n\nFirst paragraph.\n\nSecond paragraph."
    );
    assert_eq!(found[0].heading_path, ["Title"]);
    assert_eq!(
        (found[0].first_page, found[0].last_page),
        (PageNumber(1), PageNumber(2))
    );
    assert_eq!(
        found[0].embedded_text(),
        "Title\n\nTitle\n\nFirst paragraph.\n\nSecond paragraph."
    );
}

#[test]
fn a_heading_begins_a_chunk_and_gives_its_path() {
    let long = "A sentence of some length stands here. ".repeat(4);
    let pages = [page(
        1,
        &[
            (HEAD, Some(1), "One"),
            (HEAD, Some(2), "One A"),
            (BODY, None, long.trim()),
            (HEAD, Some(2), "One B"),
            (BODY, None, long.trim()),
            (HEAD, Some(1), "Two"),
            (BODY, None, long.trim()),
        ],
    )];
    let found = chunks(&pages, &settings(350, 0, 10));
    let paths: Vec<String> = found
        .iter()
        .map(|chunk| chunk.heading_path.join("/"))
        .collect();
    assert_eq!(paths, ["One/One A", "One/One B", "Two"]);
    assert!(found[1].text.starts_with("One B\n\nA sentence"));
}

#[test]
fn a_heading_never_ends_a_chunk() {
    let filler = "Some words fill this paragraph here. ".repeat(3);
    let pages = [page(
        1,
        &[
            (BODY, None, filler.trim()),
            (HEAD, Some(1), "Next"),
            (BODY, None, filler.trim()),
        ],
    )];
    for limit in 16..60 {
        for chunk in chunks(&pages, &settings(limit, 0, limit)) {
            assert!(
                !chunk.text.ends_with("Next"),
                "limit {limit}: {:?}",
                chunk.text
            );
        }
    }
}

#[test]
fn a_paragraph_that_fits_is_not_cut() {
    let paragraph = "This paragraph has a handful of words in it. It has two sentences.";
    let blocks = vec![(BODY, None, paragraph); 12];
    for chunk in chunks(&[page(1, &blocks)], &settings(40, 0, 10)) {
        assert!(
            chunk.text.starts_with("This paragraph") && chunk.text.ends_with("two sentences."),
            "{}",
            chunk.text
        );
    }
}

#[test]
fn overlap_repeats_whole_sentences() {
    let text: Vec<String> = (0..40)
        .map(|n| format!("This is the sentence with the number {n}."))
        .collect();
    let whole = text.join(" ");
    let found = chunks(&[page(1, &[(BODY, None, &whole)])], &settings(60, 20, 10));
    assert!(found.len() > 3);
    for pair in found.windows(2) {
        let first_sentence = pair[1].text.split_inclusive('.').next().unwrap();
        assert!(first_sentence.starts_with("This is"), "{first_sentence}");
        assert!(
            pair[0].text.contains(first_sentence),
            "{} / {}",
            pair[0].text,
            pair[1].text
        );
    }
}

#[test]
fn spans_name_the_lines_they_touch() {
    let content =
        "The first line stands here.\nThe second line stands here.\nThe third line stands here.";
    let found = chunks(&[page(1, &[(BODY, None, content)])], &settings(16, 0, 4));
    assert!(found.len() >= 2);
    let first = &found[0].spans[0];
    assert_eq!((first.start, first.boxes[0].y0), (0, 0.0));
    assert!(first.boxes[0].y1 < 29.0, "{:?}", first.boxes);
    let last = found.last().unwrap().spans.last().unwrap();
    assert_eq!(last.end as usize, content.len());
    assert_eq!(last.boxes[0].y1, 29.0);
}

#[test]
fn a_whole_that_counts_more_than_its_parts_keeps_the_limit() {
    let text = "👩\u{200d}👩\u{200d}👧🇩🇪é🇩🇪éé👩\u{200d}👩\u{200d}👧ﬁe\u{301}  ée\u{301}é🇩🇪";
    for limit in 16..40 {
        for chunk in chunks(&[page(1, &[(BODY, None, text)])], &settings(limit, 0, 8)) {
            assert!(
                chunk.tokens <= limit,
                "{} tokens of {limit}: {:?}",
                chunk.tokens,
                chunk.text
            );
        }
    }
}

#[test]
fn no_text_gives_no_chunk() {
    assert!(chunks(&[], &IndexSettings::default()).is_empty());
    assert!(
        chunks(
            &[
                page(1, &[]),
                page(2, &[(EDGE, None, "2"), (BODY, None, " \n ")])
            ],
            &IndexSettings::default()
        )
        .is_empty()
    );
}

fn block() -> impl Strategy<Value = (BlockKind, Option<u8>, String)> {
    let words = prop_oneof![
        "[a-zA-Z ,.\n]{0,200}",
        "\\PC{0,80}",
        "[\u{4e00}-\u{4e40}\u{3041}-\u{3060}。]{0,60}",
        "[a-z]{100,300}",
        "(é|e\u{301}|👩‍👩‍👧|🇩🇪|ﬁ| ){0,40}",
    ];
    let kind = prop_oneof![
        4 => Just((BODY, None)),
        1 => (1_u8..4).prop_map(|level| (HEAD, Some(level))),
        1 => Just((EDGE, None)),
    ];
    (kind, words).prop_map(|((kind, level), text)| (kind, level, text))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_character_but_furniture_is_in_a_chunk_and_every_limit_holds(
        blocks in prop::collection::vec(prop::collection::vec(block(), 0..6), 0..4),
        limit in 16_u32..80,
        overlap in 0_u32..16,
    ) {
        let pages: Vec<PageText> = blocks.iter().enumerate().map(|(number, of_page)| {
            let borrowed: Vec<_> = of_page.iter().map(|(kind, level, text)| (*kind, *level, text.as_str())).collect();
            page(number as u32 + 1, &borrowed)
        }).collect();
        let chosen = settings(limit, overlap, limit / 2);
        let found = chunks(&pages, &chosen);
        prop_assert_eq!(&found, &chunks(&pages, &chosen), "the same pages give the same chunks");

        let mut covered: BTreeSet<(u32, usize)> = BTreeSet::new();
        for (n, chunk) in found.iter().enumerate() {
            prop_assert_eq!(chunk.n as usize, n);
            prop_assert!(chunk.tokens <= limit, "{} tokens of {}: {:?}", chunk.tokens, limit, chunk.text);
            let mut texts = Vec::new();
            for span in &chunk.spans {
                let source = &pages[span.page.0 as usize - 1];
                let text = source.text.get(span.start as usize..span.end as usize);
                prop_assert!(text.is_some(), "a span cuts a character");
                texts.push(text.unwrap());
                covered.extend((span.start as usize..span.end as usize).map(|place| (span.page.0, place)));
            }
            prop_assert_eq!(texts.join("\n\n"), chunk.text.clone());
        }
        for source in &pages {
            for (place, letter) in source.text.char_indices().filter(|(_, letter)| !letter.is_whitespace()) {
                let is_furniture = source.blocks.iter().any(|block| {
                    block.kind == EDGE && (block.start as usize..block.end as usize).contains(&place)
                });
                let is_covered = covered.contains(&(source.page.0, place));
                prop_assert_eq!(is_covered, !is_furniture, "{:?} at {} of page {}", letter, place, source.page.0);
            }
        }
    }
}

#[test]
fn a_table_is_cut_between_rows_and_repeats_its_caption_and_head() {
    let rows: Vec<String> = (1..=6)
        .map(|row| format!("Mill number {row}\tgrinds {row}{row} tonnes. Every year."))
        .collect();
    let table = format!("Name\tTonnes\n{}", rows.join("\n"));
    let mut pages = [page(
        1,
        &[
            (HEAD, Some(1), "Mills"),
            (BlockKind::Caption, None, "Table 1: What they grind"),
            (BlockKind::Table, None, &table),
            (BODY, None, "After it."),
        ],
    )];
    let cell = |column| TableCell {
        row: 0,
        column,
        row_span: 1,
        column_span: 1,
        header: true,
        bbox: Rect::default(),
        text: String::new(),
    };
    pages[0].blocks[2].table = Some(Box::new(Table {
        rows: 7,
        columns: 2,
        cells: vec![cell(0), cell(1)],
        ..Table::default()
    }));
    let found = chunks(&pages, &settings(60, 20, 10));
    assert!(found.len() > 1);
    for row in &rows {
        let whole = found
            .iter()
            .filter(|chunk| chunk.text.contains(row.as_str()));
        assert_eq!(whole.count(), 1, "{row} in {found:#?}");
    }
    for chunk in found.iter().filter(|chunk| chunk.text.contains("grinds")) {
        let begins = "Table 1: What they grind\n\nName\tTonnes\n";
        assert!(chunk.text.contains(begins), "{chunk:#?}");
        assert_eq!(chunk.heading_path, ["Mills"]);
        assert!(chunk.tokens <= 60);
    }
}
