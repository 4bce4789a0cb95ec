//! Looking things up among objects that may be missing, of the wrong kind, or in a circle.

use std::borrow::Cow;

use lopdf::xref::XrefEntry;
use lopdf::{Dictionary, Document, Object, ObjectId, Stream};
use memchr::memmem;

use super::kept;

/// Largest magnitude of a coordinate that is believed, in points; beyond it lies no page.
const LARGEST_COORDINATE: f32 = 1e7;

/// Levels of the page tree above a page.
const MAX_ANCESTORS: usize = 64;

/// How far behind an object's beginning the content of a stream may begin.
const MAX_STREAM_DICTIONARY_BYTES: usize = 16 << 10;

/// A document's objects. Every look-up follows references (bounded) and answers `None` for what is not there or
/// not of that kind.
#[derive(Clone, Copy)]
pub(crate) struct Objects<'a> {
    pub(crate) document: &'a Document,
    /// The file, for streams that were left in it; empty when they can't be read there.
    pub(crate) file: &'a [u8],
}

impl<'a> Objects<'a> {
    /// The object behind references, with the id of the last one; `None` for null and dangling references.
    pub(crate) fn resolve(self, object: &'a Object) -> Option<(Option<ObjectId>, &'a Object)> {
        let (id, resolved) = self.document.dereference(object).ok()?;
        (!resolved.is_null()).then_some((id, resolved))
    }

    /// An entry of a dictionary.
    pub(crate) fn get(self, dictionary: &'a Dictionary, key: &[u8]) -> Option<&'a Object> {
        let (_, object) = self.resolve(dictionary.get(key).ok()?)?;
        Some(object)
    }

    /// An object as a dictionary; a stream counts by its dictionary.
    pub(crate) fn as_dictionary(self, object: &'a Object) -> Option<&'a Dictionary> {
        match self.resolve(object)?.1 {
            Object::Dictionary(dictionary) => Some(dictionary),
            Object::Stream(stream) => Some(&stream.dict),
            _ => None,
        }
    }

    /// An entry that is a dictionary.
    pub(crate) fn dictionary(
        self,
        dictionary: &'a Dictionary,
        key: &[u8],
    ) -> Option<&'a Dictionary> {
        self.as_dictionary(dictionary.get(key).ok()?)
    }

    /// An entry that is an array.
    pub(crate) fn array(self, dictionary: &'a Dictionary, key: &[u8]) -> Option<&'a [Object]> {
        let array = self.get(dictionary, key)?.as_array().ok()?;
        Some(array.as_slice())
    }

    /// An entry that is a name, without its slash.
    pub(crate) fn name(self, dictionary: &'a Dictionary, key: &[u8]) -> Option<&'a [u8]> {
        self.get(dictionary, key)?.as_name().ok()
    }

    /// An entry that is an integer; a real is cut.
    pub(crate) fn integer(self, dictionary: &'a Dictionary, key: &[u8]) -> Option<i64> {
        match self.get(dictionary, key)? {
            Object::Integer(integer) => Some(*integer),
            Object::Real(real) => Some(*real as i64),
            _ => None,
        }
    }

    /// An entry that is a rectangle, normalised to `[left, bottom, right, top]`, all finite.
    pub(crate) fn rectangle(self, dictionary: &'a Dictionary, key: &[u8]) -> Option<[f32; 4]> {
        let numbers = self.array(dictionary, key)?;
        if numbers.len() < 4 {
            return None;
        }
        let mut corners = [0.0; 4];
        for (corner, number) in corners.iter_mut().zip(numbers) {
            let value = self.resolve(number)?.1.as_float().ok()?;
            if value.is_nan() {
                return None;
            }
            *corner = value.clamp(-LARGEST_COORDINATE, LARGEST_COORDINATE);
        }
        let [x0, y0, x1, y1] = corners;
        Some([x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)])
    }

    /// What the stream behind a reference holds, its filters undone, at most so many bytes.
    pub(crate) fn content(self, reference: &'a Object, most: usize) -> Option<Vec<u8>> {
        let whole = self.whole_stream(reference)?;
        whole.get_plain_content_with_limit(most).ok()
    }

    /// A dictionary that a page has, or takes from a node above it in the page tree.
    pub(crate) fn inherited(self, page: &'a Dictionary, key: &[u8]) -> Option<&'a Dictionary> {
        let mut node = page;
        for _ in 0..MAX_ANCESTORS {
            if let Some(found) = self.dictionary(node, key) {
                return Some(found);
            }
            node = self.dictionary(node, b"Parent")?;
        }
        None
    }

    /// A page's content, its filters undone, at most so many bytes; its parts are joined as if they were one (ISO 32000-2
    /// table 31). `None` when a part is missing.
    pub(crate) fn page_content(self, page: &'a Dictionary, most: usize) -> Option<Vec<u8>> {
        let Some(parts) = self.array(page, b"Contents") else {
            return self.content(page.get(b"Contents").ok()?, most);
        };
        let mut joined = Vec::new();
        for part in parts {
            let left = most.checked_sub(joined.len())?;
            joined.extend(self.content(part, left)?);
            joined.push(b'\n');
        }
        (joined.len() <= most).then_some(joined)
    }

    /// The stream behind a reference, with what was left in the file.
    pub(crate) fn whole_stream(self, reference: &'a Object) -> Option<Cow<'a, Stream>> {
        let (id, object) = self.resolve(reference)?;
        let stream = object.as_stream().ok()?;
        let Some(bytes) = kept::bytes_left_in_file(stream) else {
            return Some(Cow::Borrowed(stream));
        };
        Some(Cow::Owned(Stream {
            content: self.in_file(id?, bytes)?.to_vec(),
            ..stream.clone()
        }))
    }

    /// So many bytes of a stream where the file has them; `None` when they are not there, between the words that begin
    /// and end a stream.
    fn in_file(self, id: ObjectId, bytes: usize) -> Option<&'a [u8]> {
        let Some(&XrefEntry::Normal { offset, .. }) = self.document.reference_table.get(id.0)
        else {
            return None;
        };
        // The table counts from where the file's header begins.
        let header = memmem::find(self.file, b"%PDF-").unwrap_or(0);
        let object = self
            .file
            .get(header.checked_add(usize::try_from(offset).ok()?)?..)?;
        let begins = format!("{} {} obj", id.0, id.1);
        if !object.trim_ascii_start().starts_with(begins.as_bytes()) {
            return None;
        }
        let before = &object[..object.len().min(MAX_STREAM_DICTIONARY_BYTES)];
        memmem::find_iter(before, b"stream").find_map(|at| {
            let (dictionary, rest) = object.split_at(at);
            let rest = rest.strip_prefix(b"stream")?;
            let rest = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n"))?;
            let (content, end) = rest.split_at_checked(bytes)?;
            let is_whole = dictionary.trim_ascii_end().ends_with(b">>")
                && end.trim_ascii_start().starts_with(b"endstream");
            is_whole.then_some(content)
        })
    }

    /// The catalog.
    pub(crate) fn catalog(self) -> Option<&'a Dictionary> {
        self.dictionary(&self.document.trailer, b"Root")
    }
}

/// Who a dictionary is, for noticing circles: two references to the same object give the same answer.
pub(crate) fn identity(dictionary: &Dictionary) -> usize {
    std::ptr::from_ref(dictionary).addr()
}
