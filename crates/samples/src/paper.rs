//! A paper-like document: a title over two columns of justified text, words broken at line ends, ligatures.

use crate::typeset::{A4, Book, Entry, Face, Sheet, Style, break_lines};

const BODY: Style = Style::new(Face::Serif, 10.0);
const HEADING: Style = Style::new(Face::Bold, 11.5);
const LEADING: f32 = 12.6;
const COLUMN_WIDTH: f32 = 236.0;
const COLUMN_LEFT: [f32; 2] = [50.0, 309.0];
const COLUMN_BOTTOM: f32 = 780.0;

/// `|` marks where a word may be broken; it becomes a soft hyphen.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "1 Introduction",
        &[
            "Docu|ments that leave an office as pages come back as questions. A reader wants the para|graph that an|swers \
             a ques|tion, not the file that con|tains it. This note de|scribes a small ex|peri|ment on find|ing such \
             para|graphs in two-col|umn text, where an ex|trac|tor that reads straight across the page joins half a \
             sen|tence of the left col|umn to half a sen|tence of the right one.",
            "The dif|fi|cul|ty is easy to state. Char|ac|ters on a page have po|si|tions but no or|der. A col|umn \
             bound|ary is only a gap that hap|pens to re|peat from line to line. Words that were di|vided at the end of a \
             line must be joined again be|fore any|one can search for them, while a hy|phen that be|longs to a com|pound \
             such as well-known must stay.",
        ],
    ),
    (
        "2 Method",
        &[
            "We set the same text three times: in one col|umn, in two, and in three. Each ver|sion was ex|tract|ed with \
             a read|er that sorts lines by their ver|ti|cal po|si|tion, and with one that first looks for white rivers \
             be|tween blocks. We then count|ed how many sen|tences of the orig|i|nal oc|cur un|broken in the re|sult.",
            "Lig|a|tures were left as the font of|fers them. The words of|fice, af|flu|ent, fi|nal and flow are \
             there|fore set with sin|gle glyphs for two or three let|ters; an ex|trac|tor must give back the let|ters. \
             The char|ac|ter map of the font says which they are.",
            "A sen|tence counts as found when all of its words ap|pear in their or|der with noth|ing be|tween them. \
             Head|ings, the run|ning title and page num|bers do not count.",
        ],
    ),
    (
        "3 Results",
        &[
            "With one col|umn both read|ers find ev|ery sen|tence. With two col|umns the first read|er finds four of one \
             hun|dred; with three it finds none. The sec|ond read|er finds all of them in both cases, as long as the \
             riv|er is at least as wide as two spaces of the text. Be|low that width the re|sult de|pends on the \
             hy|phen|ation, be|cause a bro|ken word makes a rag|ged edge.",
            "Search suf|fers sooner than read|ing does. A per|son guess|es the miss|ing half of a word with|out \
             no|tic|ing; an in|dex does not. In our trial, leav|ing the hy|phens in place lost eight per cent of the \
             queries, all of them for long and there|fore rare words, which are the words that peo|ple search for.",
        ],
    ),
    (
        "4 Discussion",
        &[
            "The ex|per|i|ment is small and the texts are our own, so the num|bers should be read as or|ders. The \
             con|clu|sion is not sur|pris|ing: find the blocks first, sort the lines of each block, and join di|vid|ed \
             words last, when it is known which line fol|lows which.",
            "What re|mains open is the foot|note, which stands un|der one col|umn but be|longs to both, and the wide \
             ta|ble, which cuts both col|umns in two. A read|er that knows about font sizes can tell the first; the \
             sec|ond needs rules or lines that the page has and the text has not.",
            "An ef|fi|cient im|ple|men|ta|tion needs one pass over the char|ac|ters and a sort of the lines. On an \
             or|di|nary page that is far less work than draw|ing it. There is there|fore no rea|son to save on it, and \
             ev|ery rea|son to do it the same way on each run, so that re|sults can be com|pared.",
        ],
    ),
    (
        "5 Conclusion",
        &[
            "Two col|umns are not two pages side by side, but they are near|er to that than to one wide col|umn. An \
             ex|trac|tor that treats them so gets the or|der right; one that al|so mends hy|phens and lig|a|tures \
             gives text that can be searched.",
        ],
    ),
];

/// One page in two justified columns with a title across both, an abstract, index terms, hyphenated words, ligatures (fi, ff, ffi,
/// fl) and a page number at the foot.
#[must_use]
pub fn paper() -> Vec<u8> {
    let mut first = Sheet::new(A4);
    first.text_centred(
        84.0,
        Style::new(Face::Bold, 18.0),
        "Reading Two Columns in the Right Order",
    );
    first.text_centred(
        106.0,
        Style::new(Face::Italic, 11.0),
        "A note from the Pagemill samples",
    );
    let summary = "Abstract. Text in two columns is read down, not across. We measure how often a simple extractor \
        joins lines of different columns, and show that looking for the gap between the columns first is sufficient.";
    // As the IEEE prints it: a dash of three bytes right after the words that a rule looks for.
    let terms = "Index Terms\u{2014}reading order, columns, hyphenation, ligatures.";
    let mut y = 134.0;
    for text in [summary, terms] {
        for line in break_lines(Style::new(Face::Italic, 9.5), text, 380.0) {
            first.text(107.0, y, Style::new(Face::Italic, 9.5), &line);
            y += 12.0;
        }
        y += 4.0;
    }
    let first_top = y + 14.0;

    let mut book = Book {
        title: "Reading Two Columns in the Right Order",
        author: "Pagemill samples",
        subject: "A two-column note on reading order, hyphenation and ligatures",
        keywords: &["reading order", "columns", "hyphenation", "ligatures"],
        language: "en",
        sheets: vec![first],
        ..Book::default()
    };
    let mut cursor = Cursor {
        column: 0,
        y: first_top,
        top: first_top,
    };
    for (heading, paragraphs) in SECTIONS {
        cursor.make_room(&mut book, 4.0 * LEADING);
        if cursor.y > cursor.top {
            cursor.y += 6.0;
        }
        let page_index = book.sheets.len() - 1;
        book.outline.push(Entry {
            level: 0,
            title: (*heading).to_owned(),
            page_index,
            y: cursor.y - 12.0,
        });
        book.sheets[page_index].text(COLUMN_LEFT[cursor.column], cursor.y, HEADING, heading);
        cursor.y += LEADING + 4.0;
        for paragraph in *paragraphs {
            set_paragraph(&mut book, &mut cursor, &paragraph.replace('|', "\u{ad}"));
        }
    }
    for (index, sheet) in book.sheets.iter_mut().enumerate() {
        sheet.text_centred(
            812.0,
            Style::new(Face::Serif, 9.0),
            &format!("{}", index + 1),
        );
    }
    book.to_pdf()
}

struct Cursor {
    column: usize,
    y: f32,
    top: f32,
}

impl Cursor {
    fn make_room(&mut self, book: &mut Book, height: f32) {
        if self.y + height <= COLUMN_BOTTOM {
            return;
        }
        if self.column == 0 {
            self.column = 1;
        } else {
            book.sheets.push(Sheet::new(A4));
            self.column = 0;
            self.top = 70.0;
        }
        self.y = self.top;
    }
}

fn set_paragraph(book: &mut Book, cursor: &mut Cursor, text: &str) {
    let lines = break_lines(BODY, text, COLUMN_WIDTH);
    let last = lines.len() - 1;
    for (number, line) in lines.iter().enumerate() {
        cursor.make_room(book, LEADING);
        let page_index = book.sheets.len() - 1;
        let sheet = &mut book.sheets[page_index];
        let left = COLUMN_LEFT[cursor.column];
        if number == last {
            sheet.text(left, cursor.y, BODY, line);
        } else {
            sheet.text_justified(left, cursor.y, BODY, line, COLUMN_WIDTH);
        }
        cursor.y += LEADING;
    }
    cursor.y += 4.0;
}
