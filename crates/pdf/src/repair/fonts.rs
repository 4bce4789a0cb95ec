//! What fonts mean, where they say it in words that PDFium does not read.
//!
//! The copy of the file that is made here is for its text alone. Simple fonts get a `/ToUnicode` from the names of their
//! glyphs, composite ones from the maps of their programs, wherever the file's own map has nothing or zeros; and
//! fonts of Chinese, Japanese and Korean that are not in the file get boxes for glyphs, so that what is set in them has an extent.

use std::collections::{BTreeMap, HashMap};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};

use super::to_unicode::ToUnicode;
use super::{box_font, glyph_text};
use crate::inspect::fonts::{is_not_embedded, is_of_known_collection};
use crate::inspect::glyph_names;
use crate::inspect::objects::Objects;

/// Bytes of one font program or map that are read at most.
const MAX_PROGRAM_BYTES: usize = 32 << 20;

/// Fonts within other objects are looked for this deep.
const DEEPEST: usize = 8;

/// The objects that have to change, and their new state.
pub(super) fn with_meanings(document: &Document, next: u32) -> BTreeMap<ObjectId, Object> {
    let mut mender = Mender {
        objects: Objects {
            document,
            file: &[],
        },
        changed: BTreeMap::new(),
        next,
        boxes: None,
    };
    for (id, object) in &document.objects {
        if let Some(mended) = mender.mended(object, 0) {
            mender.changed.insert(*id, mended);
        }
    }
    mender.changed
}

struct Mender<'a> {
    objects: Objects<'a>,
    changed: BTreeMap<ObjectId, Object>,
    /// The highest number of an object.
    next: u32,
    /// The program of boxes and its map, once somebody needs them.
    boxes: Option<[ObjectId; 2]>,
}

impl<'a> Mender<'a> {
    /// An object with the fonts in it mended; `None` when none has to be.
    fn mended(&mut self, object: &'a Object, depth: usize) -> Option<Object> {
        if depth > DEEPEST {
            return None;
        }
        match object {
            Object::Dictionary(dictionary) => {
                let mended = self.mended_dictionary(dictionary, depth)?;
                Some(mended.into())
            }
            Object::Stream(stream) => {
                let mended = self.mended_dictionary(&stream.dict, depth)?;
                Some(
                    Stream {
                        dict: mended,
                        ..stream.clone()
                    }
                    .into(),
                )
            }
            _ => None,
        }
    }

    fn mended_dictionary(
        &mut self,
        dictionary: &'a Dictionary,
        depth: usize,
    ) -> Option<Dictionary> {
        if self.objects.name(dictionary, b"Type") == Some(b"Font") {
            return self.mended_font(dictionary);
        }
        let mut mended: Option<Dictionary> = None;
        for (key, value) in dictionary {
            if let Some(value) = self.mended(value, depth + 1) {
                mended
                    .get_or_insert_with(|| dictionary.clone())
                    .set(key.clone(), value);
            }
        }
        mended
    }

    fn mended_font(&mut self, font: &'a Dictionary) -> Option<Dictionary> {
        match self.objects.name(font, b"Subtype")? {
            b"Type0" => self.meanings(font, 2, Self::texts_of_composite),
            b"CIDFontType0" | b"CIDFontType2" => self.in_boxes(font),
            _ => self.meanings(font, 1, Self::texts_of_simple),
        }
    }

    /// The font with a map to Unicode that has these texts where its own has nothing that can be used.
    fn meanings(
        &mut self,
        font: &'a Dictionary,
        code_bytes: usize,
        texts: fn(&Self, &'a Dictionary) -> BTreeMap<u16, Meaning>,
    ) -> Option<Dictionary> {
        let own = font
            .get(b"ToUnicode")
            .ok()
            .and_then(|map| self.objects.content(map, MAX_PROGRAM_BYTES));
        let mut map = own.as_deref().map(ToUnicode::read).unwrap_or_default();
        let nothing = map.take_nothing();
        let mut has_more = false;
        for (code, meaning) in texts(self, font) {
            // PDFium takes what a map says of a code, were it nothing. Without that it reads plain names itself, and what else
            // is missing in a map of glyphs is hardly used, unless it shows.
            let is_misread = !meaning.is_plain
                && !map.has(code)
                && (own.is_none() || code_bytes == 1 || is_no_character(code));
            if nothing.contains(&code) || is_misread {
                map.put(code, meaning.text.encode_utf16().collect());
                has_more = true;
            }
        }
        if !has_more {
            return None;
        }
        let map = map.written(code_bytes).into_bytes();
        let id = self.add(Stream::new(Dictionary::new(), map));
        let mut font = font.clone();
        font.set("ToUnicode", id);
        Some(font)
    }

    /// What the codes of a simple font mean, by the names of its glyphs.
    fn texts_of_simple(&self, font: &'a Dictionary) -> BTreeMap<u16, Meaning> {
        let encoding = self.objects.get(font, b"Encoding");
        let is_true_type = self.objects.name(font, b"Subtype") == Some(b"TrueType");
        if is_true_type && encoding.is_none() {
            return self.texts_of_true_type(font);
        }
        let mut names: HashMap<u8, String> = HashMap::new();
        let base = match encoding {
            Some(Object::Name(name)) => Some(name.as_slice()),
            Some(Object::Dictionary(encoding)) => self.objects.name(encoding, b"BaseEncoding"),
            _ => None,
        };
        if base.is_none() && !is_true_type {
            let program = self.program(font, &[b"FontFile", b"FontFile3"]);
            names.extend(
                program
                    .iter()
                    .flat_map(|program| glyph_text::names_of_codes(program)),
            );
        }
        if let Some(Object::Dictionary(encoding)) = encoding {
            let mut code = 0_i64;
            for item in self
                .objects
                .array(encoding, b"Differences")
                .unwrap_or_default()
            {
                match self.objects.resolve(item) {
                    Some((_, Object::Integer(next))) => code = *next,
                    Some((_, Object::Name(name))) => {
                        if let Ok(code) = u8::try_from(code) {
                            names.insert(code, String::from_utf8_lossy(name).into_owned());
                        }
                        code = code.saturating_add(1);
                    }
                    _ => {}
                }
            }
        }
        names
            .into_iter()
            .filter_map(|(code, name)| {
                let meaning = Meaning {
                    text: glyph_names::of_name(&name)?,
                    is_plain: glyph_names::is_plain(&name),
                };
                Some((u16::from(code), meaning))
            })
            .collect()
    }

    /// What the codes of a TrueType font without an encoding mean: PDFium takes them for those of some encoding.
    fn texts_of_true_type(&self, font: &'a Dictionary) -> BTreeMap<u16, Meaning> {
        let program = self.program(font, &[b"FontFile2"]).unwrap_or_default();
        let texts = glyph_text::texts_of_codes(&program);
        texts
            .into_iter()
            .map(|(code, text)| {
                (
                    u16::from(code),
                    Meaning {
                        text,
                        is_plain: false,
                    },
                )
            })
            .collect()
    }

    /// What the codes of a composite font mean, by its program, where codes are numbers of glyphs.
    fn texts_of_composite(&self, font: &'a Dictionary) -> BTreeMap<u16, Meaning> {
        let none = BTreeMap::new();
        if !matches!(
            self.objects.name(font, b"Encoding"),
            Some(b"Identity-H" | b"Identity-V")
        ) {
            return none;
        }
        let Some(descendant) = self.descendant(font) else {
            return none;
        };
        let Some(program) = self.program(descendant, &[b"FontFile2", b"FontFile3"]) else {
            return none;
        };
        let texts = glyph_text::texts_of_glyphs(&program);
        let meaning = |glyph: u16| {
            Some(Meaning {
                text: texts.get(&glyph)?.clone(),
                is_plain: is_of_known_collection(self.objects, descendant),
            })
        };
        let map = descendant.get(b"CIDToGIDMap").ok();
        match map.and_then(|map| self.objects.content(map, 2 << 16)) {
            Some(map) => (0..=u16::MAX)
                .zip(map.as_chunks::<2>().0)
                .filter_map(|(code, glyph)| Some((code, meaning(u16::from_be_bytes(*glyph))?)))
                .collect(),
            None => texts
                .keys()
                .filter_map(|glyph| Some((*glyph, meaning(*glyph)?)))
                .collect(),
        }
    }

    fn descendant(&self, font: &'a Dictionary) -> Option<&'a Dictionary> {
        let descendants = self.objects.array(font, b"DescendantFonts")?;
        self.objects.as_dictionary(descendants.first()?)
    }

    fn program(&self, font: &'a Dictionary, keys: &[&[u8]]) -> Option<Vec<u8>> {
        let descriptor = self.objects.dictionary(font, b"FontDescriptor")?;
        keys.iter()
            .filter_map(|key| descriptor.get(key).ok())
            .find_map(|program| self.objects.content(program, MAX_PROGRAM_BYTES))
    }

    /// The part of a composite font that is not in the file, with boxes for glyphs.
    fn in_boxes(&mut self, font: &'a Dictionary) -> Option<Dictionary> {
        let descriptor = self.objects.dictionary(font, b"FontDescriptor");
        if !descriptor.is_none_or(is_not_embedded) || !is_of_known_collection(self.objects, font) {
            return None;
        }
        let [program, map] = match self.boxes {
            Some(boxes) => boxes,
            None => {
                let program = box_font::program();
                let length = i64::try_from(program.len()).unwrap_or(0);
                let program = Stream::new(dictionary! { "Length1" => length }, program);
                let map = Stream::new(Dictionary::new(), box_font::glyph_map());
                let boxes = [self.add(program), self.add(map)];
                *self.boxes.insert(boxes)
            }
        };
        let mut descriptor = descriptor.cloned().unwrap_or_default();
        descriptor.set("FontFile2", program);
        let mut font = font.clone();
        font.set("Subtype", "CIDFontType2");
        font.set("FontDescriptor", descriptor);
        font.set("CIDToGIDMap", map);
        Some(font)
    }

    fn add(&mut self, mut stream: Stream) -> ObjectId {
        if stream.compress().is_err() {
            tracing::debug!("a stream that was made could not be compressed");
        }
        self.next += 1;
        let id = (self.next, 0);
        self.changed.insert(id, stream.into());
        id
    }
}

/// Whether a code, which PDFium gives in place of a character that it does not know, is none.
fn is_no_character(code: u16) -> bool {
    matches!(code, 0..=0x1F | 0x7F..=0x9F | 0xE000..=0xF8FF)
}

/// What a code means.
struct Meaning {
    text: String,
    /// Whether PDFium would know it without a map.
    is_plain: bool,
}
