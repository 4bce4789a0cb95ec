//! Layout on hand-made glyphs.

use super::*;
use pagemill_document::{BlockKind, PageState, RaisedSpan};

/// A page to print on: every glyph is half as wide as its size, as in a typewriter's font.
#[derive(Default)]
struct Sheet {
    glyphs: Vec<Glyph>,
}

impl Sheet {
    /// Prints text from a point of the frame of `direction`; spaces are real ones.
    fn print_towards(
        &mut self,
        direction: Direction,
        x: f32,
        baseline: f32,
        size: f32,
        text: &str,
    ) -> f32 {
        let mut pen = x;
        let mut space_before = false;
        for ch in text.chars() {
            let width = if direction::is_ideographic(ch) {
                size
            } else {
                size * 0.5
            };
            if ch == ' ' {
                space_before = true;
                pen += width;
                continue;
            }
            self.glyphs.push(Glyph {
                ch,
                x0: pen,
                x1: pen + width,
                top: baseline - 0.8 * size,
                bottom: baseline + 0.2 * size,
                baseline,
                size,
                bold: false,
                space_before,
                piece: false,
                annotation: 0,
                direction,
            });
            space_before = false;
            pen += width;
        }
        pen
    }

    fn print(&mut self, x: f32, baseline: f32, text: &str) -> f32 {
        self.print_towards(Direction::default(), x, baseline, 10.0, text)
    }

    fn lay_out(&self) -> PageText {
        page_text(&self.glyphs, 612.0, usize::MAX, None).text
    }

    fn text(&self) -> String {
        self.lay_out().text
    }
}

#[test]
fn two_columns_are_read_one_after_the_other() {
    let mut sheet = Sheet::default();
    sheet.print(
        150.0,
        60.0,
        "A title that stands over both of the columns here",
    );
    for row in 0..6 {
        let baseline = 100.0 + 12.0 * row as f32;
        sheet.print(
            72.0,
            baseline,
            &format!("left{row} column of running prose"),
        );
        sheet.print(
            320.0,
            baseline,
            &format!("right{row} column of running prose"),
        );
    }
    let text = sheet.text();
    let at = |word: &str| {
        text.find(word)
            .unwrap_or_else(|| panic!("{word} in {text}"))
    };
    assert!(at("title") < at("left0"));
    assert!(at("left5") < at("right0"), "{text}");
    assert!(at("right0") < at("right5"));
}

#[test]
fn rows_of_a_table_stay_together_with_tabs() {
    let mut sheet = Sheet::default();
    for row in 0..5 {
        let baseline = 100.0 + 14.0 * row as f32;
        sheet.print(72.0, baseline, &format!("Item {row}"));
        sheet.print(250.0, baseline, "2");
        sheet.print(350.0, baseline, "19.90");
    }
    let text = sheet.text();
    assert!(
        text.starts_with("Item 0\t2\t19.90\nItem 1\t2\t19.90\n"),
        "{text}"
    );
}

#[test]
fn a_hyphen_at_a_line_end_is_taken_out_of_the_text_and_kept_in_the_lines() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "an example of hyphen-");
    sheet.print(72.0, 112.0, "ation in the state-of-");
    sheet.print(72.0, 124.0, "the-art of North-");
    sheet.print(72.0, 136.0, "West printing");
    let page = sheet.lay_out();
    assert_eq!(
        page.text,
        "an example of hyphenation in the state-of-the-art of North-\nWest printing"
    );
    assert_eq!(page.blocks[0].lines[0].text, "an example of hyphen-");
}

#[test]
fn ligatures_are_expanded() {
    let mut sheet = Sheet::default();
    sheet.print(
        72.0,
        100.0,
        "e\u{FB03}cient \u{FB01}re \u{FB02}ow \u{FB00} \u{FB06}",
    );
    assert_eq!(sheet.text(), "efficient fire flow ff st");
}

#[test]
fn the_pieces_of_a_ligature_in_one_place_all_stay() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "o");
    let place = sheet.glyphs[0];
    for (ch, width) in [('f', 8.0), ('f', 0.0), ('t', 0.0), ('t', 0.0)] {
        sheet.glyphs.push(Glyph {
            ch,
            x0: 77.0,
            x1: 77.0 + width,
            piece: width == 0.0,
            ..place
        });
    }
    sheet.print(85.0, 100.0, "er");
    assert_eq!(sheet.text(), "offtter");
}

#[test]
fn a_stamp_along_the_margin_does_not_get_into_the_lines() {
    let mut sheet = Sheet::default();
    let upwards = Direction::from_degrees(90.0);
    sheet.print_towards(upwards, -300.0, 30.0, 14.0, "arXiv 1234.5678 stamp");
    for row in 0..10 {
        sheet.print(
            72.0,
            100.0 + 20.0 * row as f32,
            "a line of the page itself that is longer",
        );
    }
    let page = sheet.lay_out();
    let stamp = page.blocks.last().expect("the page has blocks");
    assert_eq!(&page.text[stamp.start as usize..], "arXiv 1234.5678 stamp");
    assert!(
        stamp.bbox.y1 - stamp.bbox.y0 > 100.0,
        "{:?} runs up the page",
        stamp.bbox
    );
    assert!(
        stamp.bbox.x1 < 72.0,
        "{:?} stands in the margin",
        stamp.bbox
    );
    assert_eq!(page.text.matches("stamp").count(), 1);
}

#[test]
fn hebrew_is_in_logical_order() {
    let mut sheet = Sheet::default();
    // Painted as seen, from the left.
    sheet.print(72.0, 100.0, "123 םלוע םולש");
    assert_eq!(sheet.text(), "שלום עולם 123");
}

#[test]
fn lines_of_chinese_are_joined_without_space() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "关于红军作战的");
    sheet.print(72.0, 114.0, "原则问题");
    assert_eq!(sheet.text(), "关于红军作战的原则问题");
}

#[test]
fn vertical_writing_is_read_down_and_from_the_right() {
    let mut sheet = Sheet::default();
    for (column, text) in [(0, "一二三四"), (1, "五六七八")] {
        for (row, ch) in text.chars().enumerate() {
            sheet.print(
                300.0 - 16.0 * column as f32,
                100.0 + 10.0 * row as f32,
                &ch.to_string(),
            );
        }
    }
    find_vertical_writing(&mut sheet.glyphs);
    assert_eq!(sheet.text(), "一二三四五六七八");
}

#[test]
fn overprinted_text_is_there_once() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "bold letters");
    sheet.print(72.3, 100.0, "bold letters");
    assert_eq!(sheet.text(), "bold letters");
}

#[test]
fn a_doubled_letter_is_no_overprint() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "Netto");
    // Letters that are narrow and set close.
    for (index, glyph) in sheet.glyphs.iter_mut().enumerate() {
        glyph.x0 = 72.0 + 0.8 * index as f32;
        glyph.x1 = glyph.x0 + 1.4;
    }
    assert_eq!(sheet.text(), "Netto");
}

#[test]
fn a_ligature_of_two_equal_letters_keeps_both() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "Net");
    let first = sheet.glyphs[2];
    sheet.glyphs.push(Glyph {
        piece: true,
        ..first
    });
    sheet.print(first.x1, 100.0, "o");
    let laid_out = page_text(&sheet.glyphs, 612.0, usize::MAX, None);
    assert_eq!(laid_out.text.text, "Netto");
    assert_eq!(laid_out.overprinted, 0);
}

#[test]
fn a_letter_printed_twice_to_look_bold_is_there_once_and_in_the_account() {
    let mut sheet = Sheet::default();
    for ch in "bold".chars() {
        let x = 72.0 + 2.5 * sheet.glyphs.len() as f32;
        sheet.print(x, 100.0, &ch.to_string());
        sheet.print(x + 0.3, 100.0, &ch.to_string());
    }
    let laid_out = page_text(&sheet.glyphs, 612.0, usize::MAX, None);
    assert_eq!(laid_out.text.text, "bold");
    assert_eq!(laid_out.overprinted, 4);
    assert_eq!(laid_out.overprints, Letters::of("bold"));
}

#[test]
fn two_runs_that_share_a_letter_by_chance_are_two_texts() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "carpet");
    sheet.print(82.5, 100.5, "pony");
    let laid_out = page_text(&sheet.glyphs, 612.0, usize::MAX, None);
    assert_eq!(laid_out.overprinted, 0, "{}", laid_out.text.text);
    assert_eq!(Letters::of(&laid_out.text.text), Letters::of("carpetpony"));
}

#[test]
fn a_joiner_stays_between_its_letters_without_white() {
    let mut sheet = Sheet::default();
    // Painted as seen, from the left: the joiner has the width of a letter in its font.
    sheet.print(72.0, 100.0, "\u{62E}\u{200C}\u{6CC}\u{645}");
    sheet.glyphs.reverse();
    assert_eq!(sheet.text(), "\u{645}\u{6CC}\u{200C}\u{62E}");
}

#[test]
fn dots_under_an_entry_are_not_mixed_into_it() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "..............................");
    sheet.print(73.2, 100.0, "Invoice number");
    let text = sheet.text();
    assert!(text.contains("Invoice number"), "{text}");
}

#[test]
fn a_superscript_stays_in_its_line() {
    let mut sheet = Sheet::default();
    let end = sheet.print(72.0, 100.0, "as shown");
    let end = sheet.print_towards(Direction::default(), end, 96.0, 7.0, "12");
    sheet.print(end, 100.0, " in the text");
    assert_eq!(sheet.text(), "as shown12 in the text");
    let raised = sheet.lay_out().raised;
    assert_eq!(raised, [RaisedSpan { start: 8, end: 10 }]);
}

#[test]
fn notes_that_follow_each_other_are_blocks_of_their_own() {
    let mut sheet = Sheet::default();
    for (row, (mark, text)) in [("7", "Of wheat."), ("8", "Of rye, which is")]
        .iter()
        .enumerate()
    {
        let baseline = 100.0 + 12.0 * row as f32;
        let end = sheet.print_towards(Direction::default(), 72.0, baseline - 3.0, 6.0, mark);
        sheet.print(end + 2.0, baseline, text);
    }
    sheet.print(72.0, 124.0, "grown too.");
    assert_eq!(
        sheet.text(),
        "7 Of wheat.\n\n8 Of rye, which is\ngrown too."
    );
}

#[test]
fn an_accent_printed_over_a_letter_becomes_one_with_it() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "M\u{B4}exico");
    let place = sheet.glyphs[2].x0;
    for glyph in &mut sheet.glyphs[2..] {
        glyph.x0 -= 5.0;
        glyph.x1 -= 5.0;
    }
    sheet.glyphs[1].x0 = place - 4.5;
    sheet.glyphs[1].x1 = place - 1.0;
    assert_eq!(sheet.text(), "México");
}

#[test]
fn paragraphs_and_list_items_are_blocks() {
    let mut sheet = Sheet::default();
    for (row, text) in [
        "First paragraph that goes",
        "on in a second line",
        "and a third",
    ]
    .iter()
    .enumerate()
    {
        sheet.print(72.0, 100.0 + 12.0 * row as f32, text);
    }
    sheet.print(72.0, 150.0, "• one thing");
    sheet.print(72.0, 162.0, "• another thing");
    let page = sheet.lay_out();
    let kinds: Vec<BlockKind> = page.blocks.iter().map(|block| block.kind).collect();
    assert_eq!(
        kinds,
        [
            BlockKind::Paragraph,
            BlockKind::ListItem,
            BlockKind::ListItem
        ]
    );
    for block in &page.blocks {
        assert!(
            page.text
                .get(block.start as usize..block.end as usize)
                .is_some()
        );
    }
    assert!(
        page.text
            .contains("second line\nand a third\n\n• one thing\n\n• another"),
        "{}",
        page.text
    );
}

#[test]
fn text_over_the_limit_is_cut_between_characters() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "ééééé");
    let page = page_text(&sheet.glyphs, 612.0, 5, None).text;
    assert_eq!(page.text, "éé");
    assert!(page.truncated);
    assert_eq!(page.blocks[0].end, 4);
}

#[test]
fn a_page_without_glyphs_needs_ocr() {
    let page = Sheet::default().lay_out();
    assert_eq!(page.state, PageState::NeedsOcr);
    assert_eq!(page.text, "");
}

#[test]
fn the_anchor_is_the_text_under_the_rectangle_on_one_line() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "see the manual");
    sheet.print(72.0, 112.0, "page for more");
    let middles = Middles::of(&sheet.glyphs);
    let text_in = |x0, y0, x1, y1| text_within(&sheet.glyphs, &middles, Rect { x0, y0, x1, y1 });
    assert_eq!(
        text_in(110.0, 90.0, 150.0, 103.0).as_deref(),
        Some("manual")
    );
    assert_eq!(
        text_in(70.0, 90.0, 95.0, 116.0).as_deref(),
        Some("see t page")
    );
    assert_eq!(text_in(300.0, 90.0, 350.0, 103.0), None);
}

#[test]
fn a_page_of_very_many_fragments_is_read_by_rows() {
    let mut sheet = Sheet::default();
    for index in 0..30_000 {
        let (column, row) = (index % 30, index / 30);
        sheet.print(column as f32 * 20.0, row as f32 * 12.0, "x");
    }
    let text = sheet.text();
    assert_eq!(text.matches('x').count(), 30_000);
    assert_eq!(text.lines().filter(|line| !line.is_empty()).count(), 1_000);
}

#[test]
fn a_run_in_heading_stays_with_its_paragraph() {
    let mut sheet = Sheet::default();
    sheet.print(72.0, 100.0, "All of this line is bold");
    let whole = sheet.glyphs.len();
    sheet.print(72.0, 112.0, "Run-in words. then others");
    sheet.glyphs[..whole + 12]
        .iter_mut()
        .for_each(|glyph| glyph.bold = true);
    sheet.print(72.0, 124.0, "and the rest of it");
    let text = sheet.text();
    assert!(
        text.ends_with("Run-in words. then others\nand the rest of it"),
        "{text}"
    );
}

#[test]
fn the_lines_of_a_centred_title_are_one_block() {
    let mut sheet = Sheet::default();
    let level = Direction::default();
    sheet.print_towards(level, 111.0, 150.0, 24.0, "A Note of the Miller");
    sheet.print_towards(level, 141.0, 178.0, 24.0, "Second Edition!");
    for line in 0..6 {
        let baseline = 230.0 + 12.0 * line as f32;
        sheet.print(
            60.0,
            baseline,
            "The mill stands by the river and grinds the wheat of all",
        );
    }
    let blocks = sheet.lay_out().blocks;
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    assert_eq!(blocks[0].lines.len(), 2);
}

#[test]
fn the_number_above_a_title_is_a_part_of_it() {
    let mut sheet = Sheet::default();
    let level = Direction::default();
    sheet.print_towards(level, 60.0, 76.0, 24.0, "4");
    sheet.print_towards(level, 60.0, 100.0, 17.0, "Basis of mills");
    for line in 0..6 {
        let baseline = 130.0 + 12.0 * line as f32;
        sheet.print(
            60.0,
            baseline,
            "The mill stands by the river and grinds the wheat of all",
        );
    }
    let page = sheet.lay_out();
    assert!(
        page.text.starts_with("4\nBasis of mills\n\n"),
        "{}",
        page.text
    );
}

#[test]
fn a_letter_that_hangs_beside_the_first_lines_belongs_to_the_first_word() {
    let mut sheet = Sheet::default();
    // As high as two lines, and on the baseline of the second.
    sheet.print_towards(Direction::default(), 50.0, 112.0, 30.0, "T");
    sheet.print(67.0, 100.0, "he mill stands beside the river that drives");
    sheet.print(67.0, 112.0, "its wheel, and grinds what the farmers bring");
    sheet.print(50.0, 124.0, "to it on market days and before the winter.");
    let text = sheet.text();
    assert!(text.starts_with("The mill stands"), "{text}");
    assert!(text.contains("drives\nits wheel"), "{text}");
}

#[test]
fn the_number_of_a_chapter_beside_its_title_does_not_hang() {
    let mut sheet = Sheet::default();
    sheet.print_towards(Direction::default(), 50.0, 100.0, 30.0, "A");
    sheet.print(80.0, 100.0, "Mills on the river and what they grind");
    sheet.print(80.0, 112.0, "over the year, by month and kind of grain");
    let text = sheet.text();
    assert!(!text.contains("AMills"), "{text}");
}
