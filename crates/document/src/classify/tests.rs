use crate::testing::{page_with, table_cell};
use crate::{
    Block, BlockKind, Figure, FigureKind, Line, OcrAccount, OcrWord, OutlineItem, PageNumber,
    PageText, Rect, Table,
};
use crate::{Observer, classify, headings};

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
            table: None,
        });
    }
    page_with(PageNumber(number), text, blocks)
}

const BODY: &str =
    "The quick brown fox jumps over the lazy dog, and then it does so again and again until dusk.";

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

#[test]
fn pages_seen_one_by_one_are_classified_as_all_together() {
    let mut together = report();
    classify(&mut together);
    let mut observer = Observer::default();
    for page in report() {
        observer.observe(&page);
    }
    let classifier = observer.finish();
    let mut one_by_one = report();
    for page in one_by_one.iter_mut().rev() {
        classifier.apply(page);
    }
    assert_eq!(one_by_one, together);
}

/// The headings of a page, after it was classified as a document.
fn headings_of(samples: &[Sample<'_>]) -> Vec<String> {
    let mut pages = [page(1, samples)];
    classify(&mut pages);
    let found = headings(&pages).into_iter();
    found.map(|heading| heading.text).collect()
}

#[test]
fn what_a_list_of_contents_names_is_no_heading_and_its_own_name_is_one() {
    let mut samples = vec![sample("Contents", 60.0, 10.0, false)];
    let entries = [
        "First things\t1",
        "Of wheat ........ 4",
        "Of rye\t7",
        "Of barley\t9",
        "Of oats\t12",
    ];
    for (number, entry) in entries.into_iter().enumerate() {
        samples.push(sample(entry, 100.0 + 14.0 * number as f32, 10.0, false));
    }
    samples.insert(3, sample("Part two: the mills", 112.0, 14.0, false));
    assert_eq!(headings_of(&samples), ["Contents"]);
}

#[test]
fn names_beside_falling_numbers_are_no_list_of_contents() {
    let mut samples = vec![sample("Harvest", 60.0, 14.0, true)];
    for (number, row) in ["Wheat\t90", "Rye\t70", "Oats\t50", "Corn\t30", "Peas\t10"]
        .into_iter()
        .enumerate()
    {
        samples.push(sample(row, 100.0 + 14.0 * number as f32, 10.0, false));
    }
    samples.push(sample("Remarks", 200.0, 14.0, true));
    samples.push(sample(BODY, 220.0, 10.0, false));
    assert_eq!(headings_of(&samples), ["Harvest", "Remarks"]);
}

#[test]
fn the_name_and_number_of_a_chapter_above_its_title_is_a_heading() {
    let found = headings_of(&[
        sample("CHAPTER 7.", 100.0, 10.0, false),
        sample("Mills", 130.0, 14.0, true),
        sample(BODY, 160.0, 10.0, false),
        sample("Chapter 7 tells of mills", 300.0, 10.0, false),
    ]);
    assert_eq!(found, ["CHAPTER 7.", "Mills"]);
}

#[test]
fn a_bold_line_in_the_margin_of_a_single_page_is_no_heading() {
    let found = headings_of(&[
        sample("The book of mills", 30.0, 10.0, true),
        sample("Of wheat", 100.0, 10.0, true),
        sample(BODY, 120.0, 10.0, false),
    ]);
    assert_eq!(found, ["Of wheat"]);
}

#[test]
fn a_title_with_years_and_a_full_stop_is_a_heading_and_a_note_that_is_a_little_larger_is_none() {
    let found = headings_of(&[
        sample(
            "Anna Miller (1546–1601) and Johannes Young (1571–1630).",
            100.0,
            14.0,
            false,
        ),
        sample(BODY, 130.0, 10.0, false),
        sample(
            "Ask at the mill, or else write to us before the autumn of this year:",
            300.0,
            11.8,
            false,
        ),
        sample(BODY, 330.0, 10.0, false),
    ]);
    assert_eq!(
        found,
        ["Anna Miller (1546–1601) and Johannes Young (1571–1630)."]
    );
}

#[test]
fn what_a_picture_shows_is_no_heading_and_no_body() {
    let labels = "Labels of a chart, more of them than the page has words. ".repeat(8);
    let mut shown = page(
        1,
        &[
            sample("A title", 60.0, 16.0, false),
            sample(BODY, 100.0, 10.0, false),
            sample("Title in the picture", 300.0, 18.0, false),
            sample(&labels, 340.0, 5.0, false),
        ],
    );
    let words = shown.blocks[2..].iter().map(|block| OcrWord {
        text: "word".to_owned(),
        bbox: block.bbox,
        confidence: 90.0,
    });
    shown.ocr = Some(OcrAccount {
        reader: "a reader".to_owned(),
        language: "eng".to_owned(),
        confidence: 90.0,
        dpi: 300,
        deskewed: 0.0,
        words: words.collect(),
    });
    let mut pages = [shown];
    classify(&mut pages);
    let found: Vec<String> = headings(&pages).into_iter().map(|it| it.text).collect();
    assert_eq!(found, ["A title"]);
}

#[test]
fn a_ruled_list_of_contents_is_no_table() {
    let listed = |name: &str, numbers: [&str; 3]| {
        let mut listed = page(
            1,
            &[
                sample(name, 60.0, 16.0, false),
                sample(
                    "The river\t4\nThe mill\t9\nThe flour\t12",
                    100.0,
                    10.0,
                    false,
                ),
            ],
        );
        let titles = ["The river", "The mill", "The flour"];
        let cells = (0..)
            .zip(titles.iter().zip(numbers))
            .flat_map(|(row, (title, number))| {
                [table_cell(row, 0, title), table_cell(row, 1, number)]
            });
        listed.blocks[1].kind = BlockKind::Table;
        listed.blocks[1].table = Some(Box::new(Table {
            rows: 3,
            columns: 2,
            cells: cells.collect(),
            ..Table::default()
        }));
        let mut pages = [listed];
        classify(&mut pages);
        pages[0].blocks[1].table.is_none()
    };
    assert!(listed("Contents", ["4", "9", "12"]));
    assert!(!listed("Contents", ["4", "9", "2"]));
    assert!(!listed("Yields", ["4", "9", "12"]));
}

fn outline_item(title: &str, page: u32) -> OutlineItem {
    OutlineItem {
        level: 2,
        title: title.to_owned(),
        page: Some(PageNumber(page)),
        link: None,
    }
}

/// The kinds of the blocks of a page whose second one is a plain line, in a document with this outline.
fn second_block(line: &str, outline: &[OutlineItem]) -> (BlockKind, Option<u8>) {
    let mut page = page(
        1,
        &[
            sample(BODY, 100.0, 10.0, false),
            sample(line, 140.0, 10.0, false),
            sample(BODY, 160.0, 10.0, false),
        ],
    );
    let mut observer = Observer::default();
    observer.observe(&page);
    observer.finish().with_outline(outline).apply(&mut page);
    (page.blocks[1].kind, page.blocks[1].level)
}

#[test]
fn a_plain_line_that_the_outline_names_on_its_page_is_a_heading() {
    let heading = (BlockKind::Heading, Some(2));
    let named = [outline_item("2.1 The Mills", 1)];
    assert_eq!(second_block("2.1 The mills", &named), heading);
    assert_eq!(second_block("The mills", &named), heading);
    assert_eq!(second_block("2.1  THE MILLS.", &named), heading);
}

#[test]
fn an_outline_makes_no_heading_of_other_text_or_of_another_page() {
    let paragraph = (BlockKind::Paragraph, None);
    assert_eq!(
        second_block("The mills grind", &[outline_item("The mills", 1)]),
        paragraph
    );
    assert_eq!(
        second_block("The mills", &[outline_item("The mills", 2)]),
        paragraph
    );
    assert_eq!(second_block("12", &[outline_item("12", 1)]), paragraph);
}

/// Blocks at these places, of these kinds, one line high.
fn placed(blocks: &[(&str, BlockKind, f32, f32)]) -> PageText {
    let samples: Vec<_> = blocks
        .iter()
        .map(|(text, _, _, top)| sample(text, *top, 10.0, false))
        .collect();
    let mut page = page(1, &samples);
    for (block, (_, kind, left, _)) in page.blocks.iter_mut().zip(blocks) {
        block.kind = *kind;
        block.bbox.x0 = *left;
    }
    page
}

#[test]
fn items_of_lists_have_depths_by_where_they_stand() {
    use BlockKind::{ListItem, Paragraph};
    let mut pages = [placed(&[
        ("9. rye", ListItem, 77.0, 100.0),
        ("10. oats", ListItem, 72.0, 115.0),
        ("• flakes", ListItem, 90.0, 130.0),
        ("which are rolled", Paragraph, 100.0, 145.0),
        ("– fine", ListItem, 108.0, 160.0),
        ("• groats", ListItem, 90.0, 175.0),
        ("11. spelt", ListItem, 72.0, 190.0),
        (BODY, Paragraph, 72.0, 220.0),
        ("• apart", ListItem, 90.0, 260.0),
        ("• in the next column", ListItem, 320.0, 100.0),
    ])];
    classify(&mut pages);
    let levels: Vec<_> = pages[0].blocks.iter().map(|block| block.level).collect();
    let expected = [1, 1, 2, 0, 3, 2, 1, 0, 1, 1].map(|level| (level > 0).then_some(level));
    assert_eq!(levels, expected);
}

fn figure(kind: FigureKind, [x0, y0, x1, y1]: [f32; 4]) -> Figure {
    Figure {
        kind,
        bbox: Rect { x0, y0, x1, y1 },
        caption: None,
    }
}

#[test]
fn figures_have_their_captions_and_lines_without_one_are_none() {
    use BlockKind::Paragraph;
    let mut page = placed(&[
        (BODY, Paragraph, 72.0, 60.0),
        ("Figure 1 Flow of water", Paragraph, 72.0, 310.0),
        ("Figure 1 shows how much.", Paragraph, 72.0, 325.0),
        ("Fig. 2: A mill", Paragraph, 72.0, 640.0),
    ]);
    page.figures = vec![
        figure(FigureKind::Drawing, [72.0, 120.0, 280.0, 290.0]),
        figure(FigureKind::Drawing, [300.0, 140.0, 500.0, 300.0]),
        figure(FigureKind::Picture, [100.0, 500.0, 300.0, 630.0]),
        figure(FigureKind::Drawing, [72.0, 700.0, 500.0, 760.0]),
        figure(FigureKind::Picture, [400.0, 720.0, 460.0, 760.0]),
    ];
    let mut pages = [page];
    for _ in 0..2 {
        classify(&mut pages);
        let found = pages[0].figures.iter();
        let found: Vec<_> = found
            .map(|one| (one.kind, one.bbox.x1, one.caption))
            .collect();
        assert_eq!(
            found,
            [
                (FigureKind::Drawing, 500.0, Some(1)),
                (FigureKind::Picture, 300.0, Some(3)),
                (FigureKind::Picture, 460.0, None),
            ]
        );
        assert_eq!(pages[0].blocks[1].kind, BlockKind::Caption);
        assert_eq!(pages[0].blocks[2].kind, BlockKind::Paragraph);
    }
}

#[test]
fn the_rules_of_a_table_are_no_figure() {
    let mut page = placed(&[
        ("Item", BlockKind::Table, 72.0, 100.0),
        ("Figure 3: Prices", BlockKind::Paragraph, 72.0, 205.0),
    ]);
    page.blocks[0].bbox.y1 = 200.0;
    page.blocks[0].table = Some(Box::new(Table {
        rows: 1,
        columns: 1,
        cells: vec![table_cell(0, 0, "Item")],
        ..Table::default()
    }));
    page.figures = vec![figure(FigureKind::Drawing, [72.0, 100.0, 500.0, 200.0])];
    let mut pages = [page];
    classify(&mut pages);
    assert_eq!(pages[0].figures, []);
}

#[test]
fn a_picture_that_comes_again_at_its_place_is_an_ornament() {
    let mut pages = report();
    for page in &mut pages {
        let number = page.page.0 as f32;
        page.figures = vec![
            figure(FigureKind::Picture, [43.0, 14.0, 105.0, 70.0]),
            figure(
                FigureKind::Picture,
                [100.0, 400.0 + 20.0 * number, 300.0, 700.0],
            ),
        ];
    }
    classify(&mut pages);
    let left = pages.iter().flat_map(|page| &page.figures);
    assert!(left.clone().all(|figure| figure.bbox.x0 == 100.0));
    assert_eq!(left.count(), pages.len());
}
