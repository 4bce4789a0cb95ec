//! Pages of any text, for tests of everything that takes text: in any Unicode, with blocks that may lie.
//!
//! A fuzzer's bytes are read as small orders, so that what comes out looks now like a paper, now like nothing that
//! anybody printed, and always the same for the same bytes.

use crate::{
    Block, BlockKind, CharacterAccount, Figure, FigureKind, Line, PageNumber, PageState, PageText,
    Rect, TableCell,
};

/// What the rules for titles, types, dates, identifiers, parties, captions and languages look for.
const PHRASES: &[&str] = &[
    "Abstract",
    "Keywords",
    "Index Terms",
    "Keywords—",
    "1 Introduction",
    "References",
    "Invoice No. 2024-0815",
    "Rechnungsdatum: 3. März 2021",
    "due date",
    "31 May 2024",
    "2024-02-30",
    "12/25/2019",
    "平成 2020年2月9日",
    "ISBN 978-0-306-40615-7",
    "ISSN 2049-3630",
    "doi 10.1000/xyz(1)",
    "arXiv:2101.00001v2",
    "DE89 3704 0044 0532 0130 00",
    "DE136695976",
    "0000-0002-1825-0097",
    "RFC 2119",
    "Muster & Söhne GmbH",
    "University of Example Town",
    "someone@example.org",
    "Table 1",
    "Abbildung 2:",
    "Contents",
    "Dear Sir",
    "Yours sincerely",
    "The miller grinds wheat, rye and barley between two heavy stones.",
    "La meunière moud le blé, le seigle et l'orge entre deux pierres lourdes.",
    "水車は川の流れで回り、村の人々のために小麦を挽いています。",
    "Мельник мелет пшеницу, рожь и ячмень между двумя камнями.",
    "7",
    "xiv",
    "<|endoftext|>",
    "{{document}}",
];

/// Characters of several bytes, marks, joiners, directions, letters whose other case has another length, digits that
/// are no ASCII, halves of what belongs together.
const ODD: &[&str] = &[
    "—",
    "–",
    "’",
    "“",
    "…",
    "\u{ad}",
    "\u{a0}",
    "\u{301}",
    "\u{200d}",
    "\u{200c}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\0",
    "\t",
    "\r",
    "ß",
    "ẞ",
    "İ",
    "ı",
    "ſ",
    "ŉ",
    "ﬁ",
    "Σ",
    "粉",
    "𠮷",
    "한",
    "👩\u{200d}🔬",
    "🇩",
    "٢٠٢٤",
    "१२",
    "ｅ",
    "é",
    "e\u{301}\u{301}\u{301}",
    "。",
];

/// What stands between pieces.
const BETWEEN: &[&str] = &[
    " ", " ", " ", "\n", "\n", "-", ":", ". ", ", ", "/", "(", ")", "#",
];

/// Sizes and places of text, some of which no page has.
const NUMBERS: &[f32] = &[
    10.0,
    12.0,
    24.0,
    9.5,
    0.0,
    -3.0,
    800.0,
    1e30,
    f32::MAX,
    f32::NEG_INFINITY,
    f32::NAN,
];

/// Most bytes of a page's text: a fuzzer runs many pages, and long ones have tests of their own.
const MOST_BYTES: usize = 6_000;

/// Reads bytes as orders; after the last one, all are zero.
struct Orders<'a>(std::slice::Iter<'a, u8>);

impl Orders<'_> {
    fn next(&mut self) -> usize {
        self.0.next().copied().unwrap_or_default().into()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() % from.len()]
    }

    fn piece(&mut self, text: &mut String) {
        match self.next() % 8 {
            0..=2 => text.push_str(self.pick(PHRASES)),
            3 | 4 => text.push_str(self.pick(ODD)),
            5 => {
                let code = self.next() << 16 | self.next() << 8 | self.next();
                let code = u32::try_from(code % 0x11_0000).unwrap_or_default();
                text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            6 => {
                let odd = self.pick(ODD);
                let times = self.next();
                text.extend(std::iter::repeat_n(odd, times));
            }
            _ => text.push_str(self.pick(BETWEEN)),
        }
        let between = self.next();
        if !between.is_multiple_of(4) {
            text.push_str(BETWEEN[between % BETWEEN.len()]);
        }
    }

    fn block(&mut self, text: &mut String) -> Block {
        if !text.is_empty() && !self.next().is_multiple_of(8) {
            text.push_str("\n\n");
        }
        let start = text.len();
        for _ in 0..self.next() % 12 {
            self.piece(text);
        }
        let kinds = [
            BlockKind::Paragraph,
            BlockKind::Paragraph,
            BlockKind::Heading,
            BlockKind::Furniture,
        ];
        let kind = self.pick(&kinds);
        let font_size = self.pick(NUMBERS);
        let bold = self.next().is_multiple_of(4);
        let bbox = Rect {
            x0: self.pick(NUMBERS),
            y0: self.pick(NUMBERS),
            x1: self.pick(NUMBERS),
            y1: self.pick(NUMBERS),
        };
        let lines = text[start..].split('\n').map(|line| Line {
            text: line.to_owned(),
            bbox,
            font_size,
            bold,
        });
        let (lines, end) = (lines.collect(), text.len());
        // One block of eight lies about where it stands: inside a character, backwards, beyond the end.
        let (start, end) = match self.next() % 24 {
            0 => (start + 1, end),
            1 => (start, end + self.next()),
            2 => (end, start),
            _ => (start, end),
        };
        let levels = [None, Some(1), Some(2), Some(6), Some(0)];
        Block {
            kind,
            level: self.pick(&levels),
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
            bbox,
            font_size,
            bold,
            lines,
            table: None,
        }
    }

    fn page(&mut self, page: PageNumber) -> PageText {
        let mut text = String::new();
        let mut blocks = Vec::new();
        for _ in 0..self.next() % 10 {
            if text.len() < MOST_BYTES {
                blocks.push(self.block(&mut text));
            }
        }
        let states = [PageState::Text, PageState::NeedsOcr, PageState::Blank];
        PageText {
            page,
            width: self.pick(NUMBERS),
            height: self.pick(NUMBERS),
            rotation: 0,
            state: self.pick(&states),
            text,
            blocks,
            annotations: Vec::new(),
            raised: Vec::new(),
            figures: (0..self.next() % 4).map(|_| self.figure()).collect(),
            characters: CharacterAccount::default(),
            ocr: None,
            truncated: false,
        }
    }

    fn figure(&mut self) -> Figure {
        let kinds = [FigureKind::Picture, FigureKind::Drawing];
        Figure {
            kind: self.pick(&kinds),
            bbox: Rect {
                x0: self.pick(NUMBERS),
                y0: self.pick(NUMBERS),
                x1: self.pick(NUMBERS),
                y1: self.pick(NUMBERS),
            },
            caption: self.pick(&[None, Some(0), Some(7)]),
        }
    }
}

/// A text of any kind.
pub fn any_text(bytes: &[u8]) -> String {
    let mut orders = Orders(bytes.iter());
    let mut text = String::new();
    while orders.0.len() > 0 && text.len() < MOST_BYTES {
        orders.piece(&mut text);
    }
    text
}

/// Pages of any kind, at most four.
pub fn any_pages(bytes: &[u8]) -> Vec<PageText> {
    let mut orders = Orders(bytes.iter());
    let pages = 1 + orders.next() % 4;
    (1..)
        .map(PageNumber)
        .take(pages)
        .map(|page| orders.page(page))
        .collect()
}

/// A page of this text: a block for each paragraph, the first one larger.
pub fn page_of(page: PageNumber, text: &str) -> PageText {
    let mut start = 0;
    let mut blocks = Vec::new();
    for paragraph in text.split("\n\n") {
        let font_size = if start == 0 { 18.0 } else { 10.0 };
        let bbox = Rect {
            x0: 72.0,
            y0: 72.0,
            x1: 500.0,
            y1: 90.0,
        };
        blocks.push(Block {
            kind: BlockKind::Paragraph,
            level: None,
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(start + paragraph.len()).unwrap_or(u32::MAX),
            bbox,
            font_size,
            bold: false,
            lines: paragraph
                .split('\n')
                .map(|line| Line {
                    text: line.to_owned(),
                    bbox,
                    font_size,
                    bold: false,
                })
                .collect(),
            table: None,
        });
        start += paragraph.len() + 2;
    }
    page_with(page, text.to_owned(), blocks)
}

/// A page of A4 with text in blocks, and nothing else.
pub fn page_with(page: PageNumber, text: String, blocks: Vec<Block>) -> PageText {
    PageText {
        page,
        width: 595.0,
        height: 842.0,
        rotation: 0,
        state: PageState::Text,
        text,
        blocks,
        annotations: Vec::new(),
        raised: Vec::new(),
        figures: Vec::new(),
        characters: CharacterAccount::default(),
        ocr: None,
        truncated: false,
    }
}

/// A cell of a table, of one row and one column; those of the first row are its head.
pub fn table_cell(row: u32, column: u32, text: &str) -> TableCell {
    TableCell {
        row,
        column,
        row_span: 1,
        column_span: 1,
        header: row == 0,
        bbox: Rect::default(),
        text: text.to_owned(),
    }
}
