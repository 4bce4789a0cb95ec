//! A copy of a PDF whose scanned pages can be searched: the words that were read lie over their pictures, invisible.
//!
//! The words come from whoever read the pictures, with their boxes on the page as it is seen. A child writes them into the
//! page's content, ahead of what is there, where the state of graphics is known: in a font of boxes that has a code for each
//! character in use and says what it means (`/ToUnicode`), so that any script can be searched and copied. They are set in
//! rendering mode 3, which paints nothing. What the page shows stays as it is; a sound file gets an update at its end.

use std::collections::BTreeMap;

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};
use pagemill_reader::{Limits, PageWords, PdfError, PlacedWord};

use crate::inspect::changed;
use crate::inspect::objects::Objects;
use crate::inspect::page_tree::{Geometry, PageTree};
use crate::repair::box_font;
use crate::repair::to_unicode::ToUnicode;

/// The name of the font, in the file and, where it is free, in the resources of pages.
const FONT: &str = "PagemillWords";

/// Units of the box font's em that a box is high, and how far below the baseline it begins, as parts of the em.
const BOX_HEIGHT: f32 =
    (box_font::BOX[3] - box_font::BOX[1]) as f32 / box_font::UNITS_PER_EM as f32;
const BOX_DEPTH: f32 = -box_font::BOX[1] as f32 / box_font::UNITS_PER_EM as f32;

/// Words of a document that are written at most; a document of 10,000 dense pages has fewer.
pub(crate) const MAX_WORDS: usize = 8_000_000;

/// The file with these words on its pages. Called in a child: the bytes are hostile.
///
/// # Errors
/// [`PdfError::Corrupt`] when the object reader does not find these pages, those of opening the file, and
/// [`PdfError::OverLimit`] when it would be larger than a file may be.
pub(crate) fn searchable(
    bytes: &[u8],
    passwords: &[String],
    pages: &[PageWords],
    limits: &Limits,
) -> Result<Vec<u8>, PdfError> {
    let file = changed(bytes, passwords, |document, last| {
        with_words(document, last, pages)
    })?;
    let file = file.ok_or_else(|| PdfError::Corrupt {
        reason: "its pages can't be found among its objects".to_owned(),
    })?;
    let actual = file.len() as u64;
    match actual > limits.max_file_bytes {
        true => Err(PdfError::OverLimit {
            limit: "max_file_bytes".to_owned(),
            actual,
            allowed: limits.max_file_bytes,
        }),
        false => Ok(file),
    }
}

/// The objects that have to change, and their new state.
fn with_words(document: &Document, last: u32, pages: &[PageWords]) -> BTreeMap<ObjectId, Object> {
    let objects = Objects {
        document,
        file: &[],
    };
    let tree = PageTree::walk(objects).pages;
    let mut writer = Writer {
        objects,
        changed: BTreeMap::new(),
        last,
        codes: BTreeMap::new(),
    };
    let font = writer.next_id();
    for words in pages {
        let node = (words.page.0 as usize)
            .checked_sub(1)
            .and_then(|index| tree.get(index));
        if let Some(node) = node
            && let Some(id) = node.id
        {
            writer.page(id, node.geometry, &words.words, font);
        }
    }
    if writer.changed.is_empty() {
        return BTreeMap::new();
    }
    writer.font(font);
    writer.changed
}

struct Writer<'a> {
    objects: Objects<'a>,
    changed: BTreeMap<ObjectId, Object>,
    /// The highest number of an object.
    last: u32,
    /// The code of each character, from 1.
    codes: BTreeMap<char, u16>,
}

impl Writer<'_> {
    fn next_id(&mut self) -> ObjectId {
        self.last += 1;
        (self.last, 0)
    }

    fn add(&mut self, object: impl Into<Object>) -> ObjectId {
        let id = self.next_id();
        self.changed.insert(id, object.into());
        id
    }

    fn page(&mut self, id: ObjectId, geometry: Geometry, words: &[PlacedWord], font: ObjectId) {
        let objects = self.objects;
        let Ok(page) = objects.document.get_dictionary(id) else {
            return;
        };
        // A page that stands twice in the tree has one content.
        if self.changed.contains_key(&id) {
            return;
        }
        let resources = objects.inherited(page, b"Resources");
        let fonts = resources.and_then(|resources| objects.dictionary(resources, b"Font"));
        let mut fonts = fonts.cloned().unwrap_or_default();
        let mut name = FONT.to_owned();
        while fonts.has(name.as_bytes()) {
            name.push('_');
        }
        fonts.set(name.clone(), font);
        let mut resources = resources.cloned().unwrap_or_default();
        resources.set("Font", fonts);
        let content = self.content(geometry, words, &name);
        let mut contents = vec![Object::Reference(
            self.add(compressed(content.into_bytes())),
        )];
        match objects.array(page, b"Contents") {
            Some(parts) => contents.extend_from_slice(parts),
            None => contents.extend(page.get(b"Contents").ok().cloned()),
        }
        let mut page = page.clone();
        page.set("Resources", resources);
        page.set("Contents", contents);
        self.changed.insert(id, page.into());
    }

    /// The content that sets the words, each at its place, and after each a space up to the next one on its line.
    fn content(&mut self, geometry: Geometry, words: &[PlacedWord], font: &str) -> String {
        let axes = geometry.axes();
        let [a, b, c, d] = axes.map(|axis| axis as i8);
        let mut content = "q BT 3 Tr\n".to_owned();
        for (index, PlacedWord(text, [x0, y0, x1, y1])) in words.iter().enumerate() {
            let text = self.coded(&as_painted(text));
            if text.is_empty() {
                continue;
            }
            let size = (y1 - y0) / BOX_HEIGHT;
            let [x, y] = geometry.in_user_space([*x0, y1 - BOX_DEPTH * size]);
            let size = size / geometry.user_unit();
            let width = (x1 - x0) / geometry.user_unit();
            content.push_str(&format!(
                "/{font} {size:.2} Tf {:.2} Tz {a} {b} {c} {d} {x:.2} {y:.2} Tm <{}> Tj",
                100.0 * width / (size * text.len() as f32),
                hex(&text)
            ));
            let next = words.get(index + 1).map(|PlacedWord(_, edges)| edges);
            if let Some(next) = next.filter(|next| is_beside(next, [*x0, *y0, *x1, *y1])) {
                let gap = (next[0] - x1).max(0.0) / geometry.user_unit();
                let space = self.coded(" ");
                content.push_str(&format!(
                    " {:.2} Tz <{}> Tj",
                    (100.0 * gap / size).max(1.0),
                    hex(&space)
                ));
            }
            content.push('\n');
        }
        content.push_str("ET Q\n");
        content
    }

    /// The codes of characters; those beyond the number of codes are left out.
    fn coded(&mut self, text: &str) -> Vec<u16> {
        let characters = text.chars().filter(|character| !character.is_control());
        characters
            .filter_map(|character| match self.codes.get(&character) {
                Some(code) => Some(*code),
                None => {
                    let code = u16::try_from(self.codes.len() + 1).ok()?;
                    self.codes.insert(character, code);
                    Some(code)
                }
            })
            .collect()
    }

    /// The font, with all characters that were set in it.
    fn font(&mut self, id: ObjectId) {
        let mut meanings = ToUnicode::default();
        for (character, code) in &self.codes {
            meanings.put(*code, character.encode_utf16(&mut [0; 2]).to_vec());
        }
        let codes = self.codes.len();
        let meanings = self.add(compressed(meanings.written(2).into_bytes()));
        let glyphs = self.add(compressed(box_font::glyph_map_of(codes + 1)));
        let mut program = compressed(box_font::program());
        program
            .dict
            .set("Length1", box_font::program().len() as i64);
        let program = self.add(program);
        let [left, bottom, right, top] = box_font::BOX.map(i64::from);
        let descriptor = self.add(dictionary! {
            "Type" => "FontDescriptor",
            "FontName" => FONT,
            "Flags" => 4,
            "FontBBox" => [left, bottom, right, top].map(Object::from).to_vec(),
            "ItalicAngle" => 0,
            "Ascent" => top,
            "Descent" => bottom,
            "CapHeight" => top,
            "StemV" => 80,
            "FontFile2" => program,
        });
        let descendant = self.add(dictionary! {
            "Type" => "Font",
            "Subtype" => "CIDFontType2",
            "BaseFont" => FONT,
            "CIDSystemInfo" => dictionary! {
                "Registry" => Object::string_literal("Adobe"),
                "Ordering" => Object::string_literal("Identity"),
                "Supplement" => 0,
            },
            "FontDescriptor" => descriptor,
            "DW" => i64::from(box_font::UNITS_PER_EM),
            "CIDToGIDMap" => glyphs,
        });
        let font = dictionary! {
            "Type" => "Font",
            "Subtype" => "Type0",
            "BaseFont" => FONT,
            "Encoding" => "Identity-H",
            "DescendantFonts" => vec![Object::Reference(descendant)],
            "ToUnicode" => meanings,
        };
        self.changed.insert(id, font.into());
    }
}

/// Whether a box follows another on the same line.
fn is_beside(next: &[f32; 4], [_, y0, x1, y1]: [f32; 4]) -> bool {
    let common = next[3].min(y1) - next[1].max(y0);
    let lower = (next[3] - next[1]).min(y1 - y0);
    next[2] > x1 && common > lower / 2.0
}

/// A word as it is painted, from left to right: readers of PDFs turn words of scripts that are written from right to left.
fn as_painted(word: &str) -> String {
    let is_from_right = |character: char| matches!(character, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}');
    // Numbers among them are painted from the left.
    match word.chars().any(is_from_right) && !word.chars().any(char::is_numeric) {
        true => word.chars().rev().collect(),
        false => word.to_owned(),
    }
}

fn hex(codes: &[u16]) -> String {
    codes.iter().map(|code| format!("{code:04X}")).collect()
}

fn compressed(content: Vec<u8>) -> Stream {
    let mut stream = Stream::new(Dictionary::new(), content.clone());
    match stream.compress() {
        Ok(()) => stream,
        Err(_) => Stream::new(Dictionary::new(), content),
    }
}

#[cfg(test)]
mod tests {
    use pagemill_document::PageNumber;

    use super::*;
    use crate::inspect::hand_made::one_page;

    fn words(words: &[(&str, [f32; 4])]) -> PageWords {
        PageWords {
            page: PageNumber(1),
            words: words
                .iter()
                .map(|(text, edges)| PlacedWord((*text).to_owned(), *edges))
                .collect(),
        }
    }

    fn written(file: &[u8], pages: &[PageWords]) -> Result<Vec<u8>, PdfError> {
        searchable(file, &[], pages, &Limits::default())
    }

    #[test]
    fn a_sound_file_gets_an_update_at_its_end() {
        let file = one_page("", "", &[], &[]);
        let made =
            written(&file, &[words(&[("Mill", [10.0, 10.0, 40.0, 20.0])])]).expect("it is sound");
        assert!(made.starts_with(&file), "what it was is still there");
        assert!(
            made.len() < file.len() + 8_192,
            "{} bytes more",
            made.len() - file.len()
        );
    }

    #[test]
    fn words_of_no_page_are_an_error_and_change_nothing() {
        let mut lost = words(&[("Mill", [10.0, 10.0, 40.0, 20.0])]);
        for page in [0, 2, u32::MAX] {
            lost.page = PageNumber(page);
            let refused = written(&one_page("", "", &[], &[]), std::slice::from_ref(&lost));
            assert!(
                matches!(refused, Err(PdfError::Corrupt { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn what_grows_over_the_limit_of_a_file_is_refused() {
        let file = one_page("", "", &[], &[]);
        let limits = Limits {
            max_file_bytes: file.len() as u64,
            ..Limits::default()
        };
        let refused = searchable(
            &file,
            &[],
            &[words(&[("Mill", [10.0, 10.0, 40.0, 20.0])])],
            &limits,
        );
        assert!(
            matches!(refused, Err(PdfError::OverLimit { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn words_from_right_to_left_are_painted_from_the_left() {
        assert_eq!(as_painted("שלום"), "םולש");
        assert_eq!(as_painted("Mühle"), "Mühle");
        assert_eq!(as_painted("水車"), "水車");
        assert_eq!(as_painted("א12"), "א12");
    }
}
