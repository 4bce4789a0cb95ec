use super::*;
use crate::testing::{page_of, table_cell as cell};
use crate::{PageNumber, Rect, Table};

/// All pages of a document.
fn markdown(pages: &[PageText], links: &[Link]) -> String {
    let mut maker = MarkdownPages::of(pages.len() as u32);
    let links: Vec<&Link> = links.iter().collect();
    pages.iter().map(|page| maker.next(page, &links)).collect()
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
