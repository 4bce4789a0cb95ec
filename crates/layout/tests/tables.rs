//! Tables of each kind with their exact cells, and what is no table.

use pagemill_document::Rect;
use pagemill_layout::{Axis, Drawing, Rule, TableShape, Word, WordKind, find_tables};

/// A page that is written word by word: letters are 5 points wide, the font has 10.
#[derive(Default)]
struct Sheet {
    words: Vec<Word>,
    texts: Vec<String>,
    drawing: Drawing,
}

impl Sheet {
    /// Writes words that follow each other on a baseline.
    fn write(&mut self, mut x: f32, baseline: f32, text: &str) -> &mut Self {
        for part in text.split(' ') {
            let width = 5.0 * part.chars().count() as f32;
            let digits = part.chars().filter(char::is_ascii_digit).count();
            let letters = part.chars().filter(|ch| ch.is_alphabetic()).count();
            self.words.push(Word {
                bbox: Rect {
                    x0: x,
                    y0: baseline - 9.0,
                    x1: x + width,
                    y1: baseline + 2.5,
                },
                baseline,
                size: 10.0,
                bold: false,
                kind: match (digits, letters) {
                    (1.., 0) => WordKind::Number,
                    (0, 0) if part.starts_with("...") => WordKind::Leader,
                    _ => WordKind::Text,
                },
                characters: part.chars().count() as u16,
                begins_small: part.starts_with(char::is_lowercase),
                names_table: part == "Table",
            });
            self.texts.push(part.to_owned());
            x += width + 2.8;
        }
        self
    }

    /// Writes cells of a row.
    fn row(&mut self, baseline: f32, cells: &[(f32, &str)]) -> &mut Self {
        for (x, text) in cells {
            self.write(*x, baseline, text);
        }
        self
    }

    fn rule(&mut self, axis: Axis, at: f32, from: f32, to: f32) -> &mut Self {
        self.drawing.rules.push(Rule { axis, at, from, to });
        self
    }

    fn fill(&mut self, x0: f32, y0: f32, x1: f32, y1: f32) -> &mut Self {
        self.drawing.fills.push(Rect { x0, y0, x1, y1 });
        self
    }

    fn tables(&self) -> Vec<TableShape> {
        find_tables(&self.words, &self.drawing)
    }

    /// The cells of the only table: row, column, what they span when that is more than one place, and text.
    fn cells(&self) -> Vec<String> {
        let tables = self.tables();
        assert_eq!(tables.len(), 1, "{tables:?}");
        let cells = tables[0].cells.iter().map(|cell| {
            let mut words = cell.words.clone();
            words.sort_unstable();
            let text: Vec<&str> = words
                .iter()
                .map(|&word| self.texts[word].as_str())
                .collect();
            let spans = match (cell.row_span, cell.column_span) {
                (1, 1) => String::new(),
                (rows, columns) => format!(" [{rows}x{columns}]"),
            };
            let head = if cell.header { "*" } else { "" };
            format!(
                "{}.{}{spans}{head} {}",
                cell.row,
                cell.column,
                text.join(" ")
            )
        });
        cells.collect()
    }
}

fn lattice(sheet: &mut Sheet, xs: &[f32], ys: &[f32]) {
    for &y in ys {
        sheet.rule(Axis::Horizontal, y, xs[0], xs[xs.len() - 1]);
    }
    for &x in xs {
        sheet.rule(Axis::Vertical, x, ys[0], ys[ys.len() - 1]);
    }
}

#[test]
fn a_full_grid_has_a_cell_a_place_and_keeps_wrapped_lines_together() {
    let mut sheet = Sheet::default();
    lattice(&mut sheet, &[50.0, 150.0, 300.0], &[100.0, 120.0, 152.0]);
    sheet
        .row(114.0, &[(55.0, "Item"), (155.0, "Remark")])
        .row(132.0, &[(55.0, "Flour"), (155.0, "ground between")])
        .row(144.0, &[(155.0, "two stones")]);
    let expected = [
        "0.0* Item",
        "0.1* Remark",
        "1.0 Flour",
        "1.1 ground between two stones",
    ];
    assert_eq!(sheet.cells(), expected);
}

#[test]
fn a_missing_piece_of_a_rule_makes_a_cell_that_spans() {
    let mut sheet = Sheet::default();
    for y in [100.0, 120.0, 140.0, 160.0] {
        let from = if y == 120.0 { 150.0 } else { 50.0 };
        sheet.rule(Axis::Horizontal, y, from, 350.0);
    }
    for (x, from) in [
        (50.0, 100.0),
        (150.0, 100.0),
        (250.0, 120.0),
        (350.0, 100.0),
    ] {
        sheet.rule(Axis::Vertical, x, from, 160.0);
    }
    sheet
        .row(114.0, &[(55.0, "Mill"), (220.0, "Tonnes")])
        .row(134.0, &[(155.0, "2019"), (255.0, "2020")])
        .row(154.0, &[(55.0, "North"), (155.0, "12"), (255.0, "15")]);
    let expected = [
        "0.0 [2x1]* Mill",
        "0.1 [1x2]* Tonnes",
        "1.1* 2019",
        "1.2* 2020",
        "2.0 North",
        "2.1 12",
        "2.2 15",
    ];
    assert_eq!(sheet.cells(), expected);
}

#[test]
fn filled_cells_are_a_grid_and_the_white_rows_between_them_belong_to_it() {
    let mut sheet = Sheet::default();
    for y in [100.0, 140.0] {
        for x in [50.0, 150.0, 250.0] {
            sheet.fill(x, y, x + 99.5, y + 20.0);
        }
    }
    for (number, name) in ["Head", "North", "South", "East"].iter().enumerate() {
        let baseline = 114.0 + 20.0 * number as f32;
        sheet.row(baseline, &[(55.0, name), (155.0, "1"), (255.0, "2")]);
    }
    // The last row is white too, and nothing ends it: it is not in the net.
    let tables = sheet.tables();
    assert_eq!((tables[0].rows, tables[0].columns), (3, 3));
}

#[test]
fn rules_over_and_under_the_head_part_columns_by_their_white() {
    let mut sheet = Sheet::default();
    for y in [100.0, 120.0, 170.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 350.0);
    }
    sheet
        .row(114.0, &[(55.0, "Mill"), (155.0, "Wheat"), (255.0, "Rye")])
        .row(134.0, &[(55.0, "North"), (155.0, "12"), (255.0, "15")])
        .row(147.0, &[(55.0, "South"), (155.0, "7"), (255.0, "9")])
        .row(160.0, &[(55.0, "East"), (155.0, "3"), (255.0, "4")]);
    let expected = [
        "0.0* Mill",
        "0.1* Wheat",
        "0.2* Rye",
        "1.0 North",
        "1.1 12",
        "1.2 15",
        "2.0 South",
        "2.1 7",
        "2.2 9",
        "3.0 East",
        "3.1 3",
        "3.2 4",
    ];
    assert_eq!(sheet.cells(), expected);
}

#[test]
fn numbers_in_columns_are_a_table_without_any_rule() {
    let mut sheet = Sheet::default();
    sheet
        .row(114.0, &[(55.0, "Mill"), (155.0, "2019"), (255.0, "2020")])
        .row(127.0, &[(55.0, "North"), (155.0, "12"), (255.0, "15")])
        .row(140.0, &[(55.0, "South"), (155.0, "7"), (255.0, "9")])
        .row(153.0, &[(55.0, "East"), (155.0, "3"), (255.0, "4")]);
    let tables = sheet.tables();
    assert_eq!(tables.len(), 1);
    assert_eq!((tables[0].rows, tables[0].columns), (4, 3));
}

#[test]
fn prose_in_two_columns_is_no_table_also_between_rules() {
    let mut sheet = Sheet::default();
    sheet
        .rule(Axis::Horizontal, 90.0, 50.0, 500.0)
        .rule(Axis::Horizontal, 400.0, 50.0, 500.0);
    for line in 0..20 {
        let baseline = 110.0 + 13.0 * line as f32;
        sheet.write(50.0, baseline, "the miller grinds wheat rye and barley all");
        sheet.write(290.0, baseline, "day between two heavy stones of granite");
    }
    assert_eq!(sheet.tables(), []);
}

#[test]
fn a_list_of_contents_is_no_table() {
    let mut sheet = Sheet::default();
    for line in 0..8 {
        let baseline = 110.0 + 13.0 * line as f32;
        sheet.row(
            baseline,
            &[
                (55.0, "Chapter"),
                (120.0, "................"),
                (300.0, "12"),
            ],
        );
    }
    sheet
        .rule(Axis::Horizontal, 95.0, 50.0, 350.0)
        .rule(Axis::Horizontal, 220.0, 50.0, 350.0);
    assert_eq!(sheet.tables(), []);
}

#[test]
fn a_frame_around_text_is_no_table() {
    let mut sheet = Sheet::default();
    lattice(&mut sheet, &[50.0, 350.0], &[100.0, 160.0]);
    sheet
        .write(60.0, 114.0, "A note in a frame that goes on")
        .write(60.0, 127.0, "for two lines of text");
    assert_eq!(sheet.tables(), []);
}

#[test]
fn a_chart_of_bars_is_no_table() {
    let mut sheet = Sheet::default();
    for (number, height) in [80.0, 50.0, 30.0, 65.0].into_iter().enumerate() {
        let x = 100.0 + 30.0 * number as f32;
        sheet.fill(x, 300.0 - height, x + 28.0, 300.0);
        sheet.write(x + 8.0, 290.0 - height, "12");
        sheet.write(x + 8.0, 315.0, "2019");
    }
    assert_eq!(sheet.tables(), []);
}

#[test]
fn a_page_that_is_drawn_is_not_searched() {
    let mut sheet = Sheet::default();
    sheet.row(114.0, &[(55.0, "Map"), (155.0, "of"), (255.0, "mills")]);
    for line in 0..=pagemill_layout::MAX_DRAWN {
        sheet.rule(Axis::Horizontal, line as f32, 0.0, 100.0);
    }
    assert_eq!(sheet.tables(), []);
}

#[test]
fn a_chart_is_no_table_for_its_scale_stands_at_the_height_of_its_lines() {
    let mut sheet = Sheet::default();
    for (number, label) in ["80", "60", "40", "20"].iter().enumerate() {
        let y = 100.0 + 25.0 * number as f32;
        sheet.rule(Axis::Horizontal, y, 70.0, 350.0);
        sheet.write(55.0, y + 3.2, label);
        sheet.row(y + 12.0, &[(120.0, "61"), (200.0, "North"), (280.0, "72")]);
    }
    assert_eq!(sheet.tables(), []);
}

#[test]
fn names_above_the_first_rule_of_a_grid_are_its_head() {
    let mut sheet = Sheet::default();
    for y in [120.0, 140.0, 160.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 350.0);
    }
    for x in [150.0, 250.0] {
        sheet.rule(Axis::Vertical, x, 120.0, 160.0);
    }
    sheet
        .row(114.0, &[(180.0, "Wheat"), (280.0, "Rye")])
        .row(134.0, &[(55.0, "North"), (155.0, "good"), (255.0, "bad")])
        .row(154.0, &[(55.0, "South"), (155.0, "fair"), (255.0, "none")]);
    let expected = [
        "0.0* ",
        "0.1* Wheat",
        "0.2* Rye",
        "1.0 North",
        "1.1 good",
        "1.2 bad",
        "2.0 South",
        "2.1 fair",
        "2.2 none",
    ];
    assert_eq!(sheet.cells(), expected);
}

#[test]
fn a_sentence_above_a_grid_is_not_its_head() {
    let mut sheet = Sheet::default();
    lattice(
        &mut sheet,
        &[50.0, 150.0, 250.0, 350.0],
        &[120.0, 140.0, 160.0],
    );
    sheet
        .write(55.0, 114.0, "The mills of the north and of the south:")
        .row(134.0, &[(55.0, "North"), (155.0, "good"), (255.0, "bad")])
        .row(154.0, &[(55.0, "South"), (155.0, "fair"), (255.0, "none")]);
    assert_eq!(sheet.tables()[0].rows, 2);
}

#[test]
fn names_wider_than_what_is_below_them_are_of_one_column_each() {
    let mut sheet = Sheet::default();
    for y in [100.0, 140.0, 190.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 400.0);
    }
    sheet
        .row(
            114.0,
            &[(115.0, "Returns of the old"), (240.0, "Returns of a new")],
        )
        .row(
            127.0,
            &[(55.0, "Year"), (130.0, "portfolio"), (260.0, "investment")],
        )
        .row(154.0, &[(55.0, "2019"), (150.0, "10%"), (285.0, "7%")])
        .row(167.0, &[(55.0, "2020"), (150.0, "6%"), (285.0, "8%")])
        .row(180.0, &[(55.0, "2021"), (150.0, "3%"), (285.0, "2%")]);
    let cells = sheet.cells();
    let head = [
        "0.0* Year",
        "0.1* Returns of the old portfolio",
        "0.2* Returns of a new investment",
    ];
    assert_eq!(cells[..3], head);
}

#[test]
fn a_name_in_the_middle_of_two_groups_stands_for_both() {
    let mut sheet = Sheet::default();
    for y in [100.0, 142.0, 180.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 450.0);
    }
    for (from, to) in [(150.0, 265.0), (300.0, 415.0)] {
        sheet.rule(Axis::Horizontal, 128.0, from, to);
    }
    sheet
        .write(240.0, 112.0, "Tonnes of the year")
        .row(125.0, &[(190.0, "Wheat"), (345.0, "Rye")])
        .row(
            138.0,
            &[
                (55.0, "Mill"),
                (150.0, "old"),
                (250.0, "new"),
                (300.0, "old"),
                (400.0, "new"),
            ],
        )
        .row(
            156.0,
            &[
                (55.0, "North"),
                (150.0, "12"),
                (250.0, "15"),
                (300.0, "2"),
                (400.0, "3"),
            ],
        )
        .row(
            169.0,
            &[
                (55.0, "South"),
                (150.0, "7"),
                (250.0, "9"),
                (300.0, "4"),
                (400.0, "5"),
            ],
        );
    let cells = sheet.cells();
    assert!(
        cells.contains(&"0.1 [1x4]* Tonnes of the year".to_owned()),
        "{cells:?}"
    );
    assert!(cells.contains(&"1.1 [1x2]* Wheat".to_owned()), "{cells:?}");
    assert!(cells.contains(&"1.3 [1x2]* Rye".to_owned()), "{cells:?}");
}

#[test]
fn names_that_only_their_columns_part_are_the_head_of_numbers() {
    let mut sheet = Sheet::default();
    // A space is 2.8 points wide, and every name begins where its column does.
    sheet
        .write(55.0, 114.0, "Measure Water Sugar Yeast")
        .row(
            127.0,
            &[(55.0, "2"), (92.8, "24"), (120.6, "0"), (148.4, "4")],
        )
        .row(
            140.0,
            &[(55.0, "3"), (92.8, "12"), (120.6, "12"), (148.4, "4")],
        )
        .row(
            153.0,
            &[(55.0, "4"), (92.8, "4"), (120.6, "12"), (148.4, "12")],
        );
    let cells = sheet.cells();
    let head = ["0.0* Measure", "0.1* Water", "0.2* Sugar", "0.3* Yeast"];
    assert_eq!(cells[..4], head);
}

#[test]
fn a_form_has_the_columns_that_its_bold_head_names() {
    let mut sheet = Sheet::default();
    for y in [100.0, 190.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 300.0);
    }
    sheet.row(114.0, &[(55.0, "Mill"), (110.0, "What was seen")]);
    for word in &mut sheet.words {
        word.bold = true;
    }
    for (number, name) in ["North", "South", "East", "West"].iter().enumerate() {
        sheet.write(55.0, 130.0 + 16.0 * number as f32, name);
    }
    let tables = sheet.tables();
    assert_eq!((tables[0].rows, tables[0].columns), (5, 2));
}

#[test]
fn a_ruled_list_in_one_column_is_a_table() {
    let mut sheet = Sheet::default();
    let ys: Vec<f32> = (0..6).map(|row| 100.0 + 20.0 * row as f32).collect();
    lattice(&mut sheet, &[50.0, 350.0], &ys);
    for (number, name) in ["Mills", "North", "South", "East", "West"]
        .iter()
        .enumerate()
    {
        sheet.write(55.0, 114.0 + 20.0 * number as f32, name);
    }
    let tables = sheet.tables();
    assert_eq!((tables[0].rows, tables[0].columns), (5, 1));
}

#[test]
fn lines_of_code_on_grounds_of_their_own_are_no_table() {
    let mut sheet = Sheet::default();
    for line in 0..8 {
        let y = 100.0 + 14.0 * line as f32;
        sheet.fill(50.0, y, 350.0, y + 14.0);
        sheet.write(55.0, y + 10.0, "let mill = grind(wheat)");
    }
    assert_eq!(sheet.tables(), []);
}

#[test]
fn rules_around_a_list_make_a_table_where_a_caption_says_so() {
    let mut sheet = Sheet::default();
    for y in [100.0, 118.0, 175.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 170.0);
    }
    sheet.write(58.0, 112.0, "Name of the mill");
    for (number, name) in [
        "wheat_and_rye_of_north",
        "barley",
        "oats_of_the_south",
        "corn",
    ]
    .iter()
    .enumerate()
    {
        sheet.write(58.0, 130.0 + 13.0 * number as f32, name);
    }
    assert_eq!(sheet.tables(), []);
    sheet.write(50.0, 190.0, "Table 8: Names");
    let tables = sheet.tables();
    assert_eq!((tables[0].rows, tables[0].columns), (5, 1));
}

#[test]
fn a_paragraph_between_the_rules_of_two_tables_parts_them() {
    let mut sheet = Sheet::default();
    for y in [100.0, 120.0, 160.0, 260.0, 300.0] {
        sheet.rule(Axis::Horizontal, y, 50.0, 350.0);
    }
    let cells = [
        (114.0, ["Mill", "Wheat", "Rye"]),
        (134.0, ["North", "12", "15"]),
        (147.0, ["South", "7", "9"]),
        (254.0, ["Mill", "Oats", "Corn"]),
        (274.0, ["East", "3", "4"]),
        (287.0, ["West", "5", "6"]),
    ];
    for (baseline, [name, first, second]) in cells {
        sheet.row(baseline, &[(55.0, name), (155.0, first), (255.0, second)]);
    }
    for line in 0..3 {
        let baseline = 190.0 + 13.0 * line as f32;
        sheet.write(
            50.0,
            baseline,
            "the miller grinds wheat and rye and barley all the day",
        );
    }
    sheet.write(50.0, 240.0, "More of the mills");
    let tables = sheet.tables();
    assert_eq!(tables.len(), 2, "{tables:?}");
    let has = |table: &TableShape| {
        let words = table.cells.iter().flat_map(|cell| &cell.words);
        words
            .map(|&word| sheet.texts[word].clone())
            .collect::<Vec<_>>()
    };
    assert!(!has(&tables[0]).contains(&"miller".to_owned()));
    assert_eq!(has(&tables[1])[0], "Mill");
}

/// A grid with one upright rule, behind the names of the rows.
fn with_one_upright(cells: &[[&str; 3]]) -> Sheet {
    let mut sheet = Sheet::default();
    for (row, [name, left, right]) in (0..).zip(cells) {
        let y = 20.0 * row as f32;
        sheet.row(y + 14.0, &[(5.0, *name), (110.0, *left), (210.0, *right)]);
        sheet.rule(Axis::Horizontal, y, 0.0, 300.0);
    }
    let bottom = 20.0 * cells.len() as f32;
    sheet.rule(Axis::Horizontal, bottom, 0.0, 300.0);
    for x in [0.0, 100.0, 300.0] {
        sheet.rule(Axis::Vertical, x, 0.0, bottom);
    }
    sheet
}

#[test]
fn white_parts_the_columns_that_rules_leave_together() {
    let sheet = with_one_upright(&[
        ["mill", "2024", "2025"],
        ["wheat", "10.5", "11.5"],
        ["rye", "7.1", "8.2"],
        ["spelt", "3.3", "4.4"],
    ]);
    let tables = sheet.tables();
    assert_eq!((tables[0].rows, tables[0].columns), (4, 3), "{tables:?}");
    assert!(tables[0].cells.iter().all(|cell| cell.words.len() == 1));
}

#[test]
fn a_sign_beside_its_number_is_no_column() {
    let sheet = with_one_upright(&[
        ["mill", "$", "2025"],
        ["wheat", "$", "11.5"],
        ["rye", "$", "8.2"],
        ["spelt", "$", "4.4"],
    ]);
    assert_eq!(sheet.tables()[0].columns, 2);
}
