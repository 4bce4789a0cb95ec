use super::*;
use crate::testing::{page_of, table_cell as cell};
use crate::{PageNumber, RaisedSpan, Rect, Table};

/// All pages of a document.
fn markdown(pages: &[PageText], links: &[Link]) -> String {
    let mut maker = MarkdownPages::of(pages.len() as u32);
    let links: Vec<&Link> = links.iter().collect();
    let mut made: String = pages.iter().map(|page| maker.next(page, &links)).collect();
    made.push_str(maker.finish());
    made
}

fn table() -> Table {
    Table {
        rows: 2,
        columns: 2,
        cells: vec![
            cell(0, 0, "Item"),
            cell(0, 1, "Net | gross"),
            cell(1, 0, "Flour,\n1 kg"),
            cell(1, 1, "<2>"),
        ],
        ..Table::default()
    }
}

fn link(anchor: &str, uri: &str, safety: LinkSafety) -> Link {
    Link {
        page: PageNumber(1),
        target: LinkTarget::Uri {
            uri: uri.to_owned(),
        },
        safety,
        anchor: Some(anchor.to_owned()),
        bbox: Rect::default(),
        quads: Vec::new(),
    }
}

#[test]
fn blocks_become_headings_lists_and_paragraphs() {
    let mut page = page_of(
        PageNumber(1),
        "Mills\n\nThey grind\nwheat.\n\n• rye\n\n• barley\n\n12",
    );
    page.blocks[0].kind = BlockKind::Heading;
    page.blocks[0].level = Some(2);
    page.blocks[2].kind = BlockKind::ListItem;
    page.blocks[3].kind = BlockKind::ListItem;
    page.blocks[4].kind = BlockKind::Furniture;
    let made = markdown(&[page], &[]);
    assert_eq!(made, "## Mills\n\nThey grind wheat.\n\n- rye\n- barley\n");
}

#[test]
fn a_list_within_a_list_is_set_in_below_its_item() {
    let items = [
        ("9. rye", 1),
        ("• flour", 2),
        ("(a) fine", 3),
        ("• bran", 2),
        ("10) oats", 1),
        ("• flakes", 2),
    ];
    let text = items.map(|(item, _)| item).join("\n\n");
    let mut page = page_of(PageNumber(1), &text);
    for (block, (_, level)) in page.blocks.iter_mut().zip(items) {
        block.kind = BlockKind::ListItem;
        block.level = Some(level);
    }
    let expected = "9. rye\n   - flour\n     - (a) fine\n   - bran\n10) oats\n    - flakes\n";
    assert_eq!(markdown(&[page], &[]), expected);
}

#[test]
fn pages_have_anchors_where_there_are_several() {
    let pages = [page_of(PageNumber(1), "One"), page_of(PageNumber(2), "Two")];
    let made = markdown(&pages, &[]);
    let expected = "<a id=\"page-1\"></a>\n\nOne\n\n<a id=\"page-2\"></a>\n\nTwo\n";
    assert_eq!(made, expected);
    assert_eq!(markdown(&pages[..1], &[]), "One\n");
}

#[test]
fn pages_without_text_leave_their_anchors_and_no_gap() {
    let blank = |page| page_of(PageNumber(page), "");
    let pages = [blank(1), page_of(PageNumber(2), "Two")];
    let expected = "<a id=\"page-1\"></a>\n\n<a id=\"page-2\"></a>\n\nTwo\n";
    assert_eq!(markdown(&pages, &[]), expected);
    assert_eq!(markdown(&[blank(1)], &[]), "");
    // A document of which one page could be read is one of several pages all the same.
    let last = MarkdownPages::of(2).next(&pages[1], &[]);
    assert_eq!(last, "<a id=\"page-2\"></a>\n\nTwo\n");
}

#[test]
fn what_would_mean_something_in_markdown_is_escaped() {
    let page = page_of(PageNumber(1), "# 5 of <b>\n\n- minus\n\na < b");
    let made = markdown(&[page], &[]);
    assert_eq!(made, "\\# 5 of &lt;b>\n\n\\- minus\n\na < b\n");
}

#[test]
fn safe_links_stand_at_their_anchors_and_others_do_not() {
    let page = page_of(
        PageNumber(1),
        "See the manual, the tool and example.org for more.",
    );
    let links = [
        link("manual", "https://example.org/a(b)", LinkSafety::Ordinary),
        link("tool", "javascript:alert(1)", LinkSafety::Script),
        link("example.org", "https://example.org/", LinkSafety::Ordinary),
    ];
    let made = markdown(&[page], &links);
    let expected =
        "See the [manual](https://example.org/a%28b%29), the tool and example.org for more.\n";
    assert_eq!(made, expected);
}

#[test]
fn a_plain_table_is_githubs_and_one_with_spans_is_html() {
    let mut table = table();
    let expected = "| Item | Net \\| gross |\n| --- | --- |\n| Flour, 1 kg | <2> |\n";
    assert_eq!(markdown_table(&table), expected);
    table.cells[0].column_span = 2;
    table.cells.remove(1);
    let expected = "<table>\n<tr><th colspan=\"2\">Item</th></tr>\n\
                    <tr><td>Flour, 1 kg</td><td>&lt;2&gt;</td></tr>\n</table>\n";
    assert_eq!(markdown_table(&table), expected);
}

#[test]
fn a_table_as_csv_has_a_line_a_row() {
    let expected = "Item,Net | gross\r\n\"Flour, 1 kg\",<2>\r\n";
    assert_eq!(csv_table(&table()), expected);
}

#[test]
fn a_link_that_the_end_of_a_line_cut_in_two_is_one() {
    let page = page_of(PageNumber(1), "Read of wheat\nmills and of rye.");
    let links = [
        link("wheat", "https://example.org/w", LinkSafety::Ordinary),
        link("mills", "https://example.org/w", LinkSafety::Ordinary),
        link("rye", "https://example.org/w", LinkSafety::Ordinary),
    ];
    let expected =
        "Read of [wheat mills](https://example.org/w) and of [rye](https://example.org/w).\n";
    assert_eq!(markdown(&[page], &links), expected);
}

/// A page of 800 points with nothing but a table, whose columns are 100 points wide.
fn page_with_table(number: u32, [y0, y1]: [f32; 2], rows: &[[&str; 2]]) -> PageText {
    let of_row = |(row, texts): (u32, &[&str; 2])| {
        let of_column = |(column, text): (u32, &&str)| {
            let mut made = cell(row, column, text);
            made.header = row == 0 && texts[0] == "Item";
            made.bbox.x0 = 50.0 + 100.0 * column as f32;
            made
        };
        (0..).zip(texts).map(of_column).collect::<Vec<_>>()
    };
    let text: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    let mut page = page_of(PageNumber(number), &text.join("\n"));
    page.height = 800.0;
    page.blocks.truncate(1);
    let block = &mut page.blocks[0];
    block.kind = BlockKind::Table;
    block.bbox = Rect {
        x0: 50.0,
        y0,
        x1: 250.0,
        y1,
    };
    block.table = Some(Box::new(Table {
        rows: rows.len() as u32,
        columns: 2,
        cells: (0..).zip(rows).flat_map(of_row).collect(),
        ..Table::default()
    }));
    page
}

#[test]
fn a_table_that_goes_on_over_pages_is_one_and_its_names_stand_once() {
    let pages = [
        page_with_table(1, [600.0, 740.0], &[["Item", "Net"], ["Flour", "2"]]),
        page_with_table(2, [60.0, 740.0], &[["Item", "Net"], ["Bran", "3"]]),
        page_with_table(3, [60.0, 200.0], &[["Rye", "4"]]),
    ];
    let expected = "<a id=\"page-1\"></a>\n\n| Item | Net |\n| --- | --- |\n| Flour | 2 |\n\
                    | <a id=\"page-2\"></a>Bran | 3 |\n| <a id=\"page-3\"></a>Rye | 4 |\n";
    assert_eq!(markdown(&pages, &[]), expected);
}

#[test]
fn a_table_in_html_goes_on_too_and_is_ended_once() {
    let mut first = page_with_table(1, [600.0, 740.0], &[["Item", "Net"], ["Flour", "2"]]);
    let table = first.blocks[0].table.as_mut().expect("a table");
    table.cells[0].column_span = 2;
    table.cells.remove(1);
    let second = page_with_table(2, [60.0, 200.0], &[["Rye", "4"]]);
    let expected = "<a id=\"page-1\"></a>\n\n<table>\n<tr><th colspan=\"2\">Item</th></tr>\n\
                    <tr><td>Flour</td><td>2</td></tr>\n\
                    <tr><td><a id=\"page-2\"></a>Rye</td><td>4</td></tr>\n</table>\n";
    assert_eq!(markdown(&[first.clone(), second], &[]), expected);
    let after = page_of(PageNumber(2), "No table.");
    let made = markdown(&[first, after], &[]);
    assert!(
        made.ends_with("</tr>\n</table>\n\n<a id=\"page-2\"></a>\n\nNo table.\n"),
        "{made}"
    );
}

#[test]
fn a_table_of_other_columns_or_further_down_the_page_is_another() {
    let first = page_with_table(1, [600.0, 740.0], &[["Item", "Net"], ["Flour", "2"]]);
    let lower = page_with_table(2, [400.0, 500.0], &[["Rye", "4"]]);
    let mut wider = page_with_table(2, [60.0, 200.0], &[["Rye", "4"]]);
    wider.blocks[0].bbox.x1 = 400.0;
    for second in [lower, wider] {
        let made = markdown(&[first.clone(), second], &[]);
        assert!(made.contains("<a id=\"page-2\"></a>\n\n| Rye"), "{made}");
    }
}

#[test]
fn the_dots_before_a_page_number_stand_close() {
    let page = page_of(PageNumber(1), "The mill . . . . . . 12. . . . 13");
    assert_eq!(markdown(&[page], &[]), "The mill ...... 12.... 13\n");
}

/// A page whose last block is a note below the others; what is raised is told by its place among all that is found.
fn page_with_note(number: u32, text: &str, raised: &[(&str, usize)]) -> PageText {
    let mut page = page_of(PageNumber(number), text);
    let last = page.blocks.last_mut().expect("a block");
    last.kind = BlockKind::Footnote;
    last.bbox.y0 = 700.0;
    let span = |&(mark, nth): &(&str, usize)| {
        let (start, found) = text.match_indices(mark).nth(nth).expect("the mark");
        RaisedSpan {
            start: start as u32,
            end: (start + found.len()) as u32,
        }
    };
    page.raised = raised.iter().map(span).collect();
    page
}

#[test]
fn a_note_that_a_raised_mark_points_to_is_a_note_of_markdown() {
    let page = page_with_note(
        1,
        "Mills\n\nThe wheat2 is ground.\n\n2 Rye <too>.",
        &[("2", 0), ("2", 1)],
    );
    let expected = "Mills\n\nThe wheat[^2] is ground.\n\n[^2]: Rye &lt;too>.\n";
    assert_eq!(markdown(&[page], &[]), expected);
}

#[test]
fn an_exponent_points_to_no_note() {
    for text in [
        "Mills\n\nOf 20 m2 each.\n\n2 Rye too.",
        "Mills\n\nOf 102 each.\n\n2 Rye too.",
    ] {
        let page = page_with_note(1, text, &[("2", text.matches('2').count() - 2)]);
        let expected = format!("{text}\n");
        assert_eq!(markdown(&[page], &[]), expected);
    }
}

#[test]
fn notes_whose_numbers_begin_anew_on_every_page_are_told_apart() {
    let of_page = |number| page_with_note(number, "Mills\n\nThe wheat.1\n\n1 Rye.", &[("1", 0)]);
    let made = markdown(&[of_page(1), of_page(2)], &[]);
    for expected in ["wheat.[^1]\n\n[^1]: Rye.", "wheat.[^2-1]\n\n[^2-1]: Rye."] {
        assert!(made.contains(expected), "{made}");
    }
}

#[test]
fn what_many_marks_point_to_is_no_note() {
    let text = "Mills\n\nMiller,1 Baker,1 Farmer,1 Smith1\n\n1 University of Riverton";
    let marks = [("1", 0), ("1", 1), ("1", 2), ("1", 3)];
    let made = markdown(&[page_with_note(1, text, &marks)], &[]);
    assert_eq!(made, format!("{text}\n"));
}
