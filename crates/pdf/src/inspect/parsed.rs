//! A document as lopdf reads it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::encryption::DecryptionError;
use lopdf::xref::XrefRecovery;
use lopdf::{Document, IncrementalDocument, LoadOptions, Object, ObjectId, Stream};

use super::fonts::{
    IS_MISREAD, composed_name, is_misread, is_not_embedded, is_of_kind, is_of_known_collection,
};
use super::kept::keep_what_is_read;
use super::layers::Layers;
use super::objects::Objects;
use super::page_tree::{PageNode, PageTree};
use super::{active, info, passwords, text_string, xmp};
use crate::annotation_text::{self, AnnotationText};
use crate::drawing::{self, Undrawn};
use crate::engine::Limits;
use crate::error::PdfError;
use crate::link::annotations;
use crate::link::destinations::Destinations;
use crate::protocol::{Look, Misread};
use crate::scan::{self, Scan};
use crate::structure::{labels, outline};
use pagemill_document::{
    DocumentInfo, Encryption, Inspection, Link, OutlineItem, PageLabel, PageNumber,
};

/// Bytes that one object stream or cross-reference stream may inflate to. Most writers put a few hundred objects
/// into a stream, some put all of a document there, so some megabytes must fit; and what is inflated can need a
/// hundred times as much memory as objects, so not many more.
const MAX_INFLATED_BYTES: usize = 16 << 20;

/// Fonts that are no objects of their own are looked for this deep: page, resources, fonts, font.
const DEEPEST_FONT: usize = 4;

/// A document whose objects are read. Made in a child process: the bytes are hostile.
pub(crate) struct Parsed<'a> {
    document: Document,
    /// The file, when its streams can be read there: not an encrypted one.
    file: &'a [u8],
    pages: Vec<PageNode>,
    page_numbers: HashMap<ObjectId, PageNumber>,
    /// The named destinations, read when the first is asked for.
    destinations: OnceCell<Destinations>,
    inspection: Inspection,
}

impl<'a> Parsed<'a> {
    /// Reads the objects of a file. The empty user password is tried first, then `passwords` in their order.
    ///
    /// # Errors
    ///
    /// [`PdfError::Encrypted`] when no password opens it, [`PdfError::OverLimit`] for too many pages, and
    /// [`PdfError::Corrupt`] when this parser can't read it, which includes security handlers that it does not
    /// know (public keys, for one). PDFium may still be able to, so the caller goes on with PDFium alone.
    pub(crate) fn open(
        bytes: &'a [u8],
        passwords: &[String],
        limits: &Limits,
    ) -> Result<Self, PdfError> {
        let Opened {
            document,
            encryption,
        } = guarded(|| open_document(bytes, passwords, Kept::WhatIsRead))?;
        let file = match encryption {
            Encryption::None => bytes,
            Encryption::EmptyPassword | Encryption::Password => &[],
        };
        let objects = Objects {
            document: &document,
            file,
        };
        let tree = PageTree::walk(objects);
        if tree.pages.is_empty() {
            return Err(corrupt("it has no pages that can be found"));
        }
        let page_count = u32::try_from(tree.pages.len()).unwrap_or(u32::MAX);
        if page_count > limits.max_pages {
            return Err(PdfError::OverLimit {
                limit: "max_pages".to_owned(),
                actual: u64::from(page_count),
                allowed: u64::from(limits.max_pages),
            });
        }
        let mut warnings = Vec::new();
        warnings.extend(recovery_warning(document.xref_recovery));
        warnings.extend(tree.damage.map(str::to_owned));
        let (xmp, xmp_warning) = read_xmp(objects);
        warnings.extend(xmp_warning);
        let inspection = Inspection {
            pages: page_count,
            pdf_version: version(objects),
            encryption,
            info: DocumentInfo {
                info: info::read(objects),
                xmp,
            },
            tagged: active::is_tagged(objects),
            has_form: active::has_form(objects),
            has_script: active::has_script(objects),
            attachments: active::attachments(objects),
            warnings,
        };
        let mut page_numbers = HashMap::with_capacity(tree.pages.len());
        for (page, number) in tree.pages.iter().zip(1..) {
            if let Some(id) = page.id {
                page_numbers.entry(id).or_insert(PageNumber(number));
            }
        }
        Ok(Self {
            document,
            file,
            pages: tree.pages,
            page_numbers,
            destinations: OnceCell::new(),
            inspection,
        })
    }

    /// What was learnt of the file as a whole.
    pub(crate) fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// The links of a page in the order of its annotations, at most `max`, and how many were left out over that.
    /// A page that is not there has none. Anchors are not filled in: the text is PDFium's.
    pub(crate) fn links(&self, page: PageNumber, max: u32) -> (Vec<Link>, u32) {
        let Some(node) = self.node(page) else {
            return (Vec::new(), 0);
        };
        let objects = self.objects();
        let Some(dictionary) = node.id.and_then(|id| self.document.get_dictionary(id).ok()) else {
            return (Vec::new(), 0);
        };
        annotations::links(
            objects,
            self.destinations(),
            dictionary,
            page,
            node.geometry,
            max,
        )
    }

    /// The text that the annotations of a page show.
    pub(crate) fn annotation_texts(&self, page: PageNumber) -> Vec<AnnotationText> {
        let Some(node) = self.node(page) else {
            return Vec::new();
        };
        match node.id.and_then(|id| self.document.get_dictionary(id).ok()) {
            Some(page) => annotation_text::read(self.objects(), page, node.geometry),
            None => Vec::new(),
        }
    }

    /// The annotations of a page, of any kind.
    pub(crate) fn annotations(&self, page: PageNumber) -> u32 {
        let dictionary = self
            .node(page)
            .and_then(|node| self.document.get_dictionary(node.id?).ok());
        let list = dictionary.and_then(|page| self.objects().array(page, b"Annots"));
        list.map_or(0, |list| u32::try_from(list.len()).unwrap_or(u32::MAX))
    }

    /// What PDFium does not tell of a page's look, and how many of its annotations nobody draws.
    pub(crate) fn look(&self, page: PageNumber) -> (Look, u32) {
        let unit = self.node(page).map(|node| node.geometry.user_unit());
        let undrawn = self.undrawn(page);
        let look = Look {
            scan: self.scan(page),
            user_unit: unit.unwrap_or(1.0),
            shapes: undrawn.shapes,
            is_without_hidden: false,
        };
        (look, undrawn.others)
    }

    /// The annotations of a page that PDFium draws nothing of.
    pub(crate) fn undrawn(&self, page: PageNumber) -> Undrawn {
        let dictionary = self
            .node(page)
            .and_then(|node| self.document.get_dictionary(node.id?).ok());
        dictionary.map_or(Undrawn::default(), |page| {
            drawing::read(self.objects(), page)
        })
    }

    /// The picture that a page is, if it is nothing else. Not for encrypted files.
    pub(crate) fn scan(&self, page: PageNumber) -> Option<Scan> {
        let node = self.node(page)?;
        if self.inspection.encryption != Encryption::None {
            return None;
        }
        let dictionary = self.document.get_dictionary(node.id?).ok()?;
        scan::find(self.objects(), dictionary, node.geometry)
    }

    /// The outline, depth first.
    pub(crate) fn outline(&self) -> Vec<OutlineItem> {
        outline::read(self.objects(), self.destinations())
    }

    /// The label of every page; empty when the file has no labels.
    pub(crate) fn page_labels(&self) -> Vec<PageLabel> {
        labels::read(self.objects(), self.inspection.pages)
    }

    /// What PDFium gets wrong about the file.
    pub(crate) fn misread(&self) -> Misread {
        Misread {
            layers: Layers::read(self.objects()).any_is_off(),
            fonts: self
                .document
                .objects
                .values()
                .any(|object| self.has_misread_font(object, 0)),
        }
    }

    /// Whether an object is or holds a font with names of glyphs that are composed of others and no map to Unicode, or a
    /// part of a composite font that the file does not bring.
    fn has_misread_font(&self, object: &Object, depth: usize) -> bool {
        let Object::Dictionary(dictionary) = object else {
            return false;
        };
        if dictionary.has_type(b"Font") {
            let descriptor = self.objects().dictionary(dictionary, b"FontDescriptor");
            if is_of_kind(dictionary, &[b"CIDFontType0", b"CIDFontType2"]) {
                return descriptor.is_some_and(is_not_embedded)
                    && is_of_known_collection(self.objects(), dictionary);
            }
            let encoding = self.objects().dictionary(dictionary, b"Encoding");
            let is_misread = match dictionary.get(IS_MISREAD) {
                Ok(is_misread) => is_misread.as_bool().unwrap_or(false),
                Err(_) => is_misread(dictionary),
            };
            return is_misread
                || !dictionary.has(b"ToUnicode") && encoding.and_then(composed_name).is_some();
        }
        depth < DEEPEST_FONT
            && dictionary
                .iter()
                .any(|(_, value)| self.has_misread_font(value, depth + 1))
    }

    fn objects(&self) -> Objects<'_> {
        Objects {
            document: &self.document,
            file: self.file,
        }
    }

    fn node(&self, page: PageNumber) -> Option<&PageNode> {
        let index = usize::try_from(page.0.checked_sub(1)?).ok()?;
        self.pages.get(index)
    }

    fn destinations(&self) -> &Destinations {
        self.destinations.get_or_init(|| {
            Destinations::read(
                self.objects(),
                self.page_numbers.clone(),
                self.inspection.pages,
            )
        })
    }
}

/// What opening gave.
struct Opened {
    document: Document,
    encryption: Encryption,
}

fn corrupt(reason: impl Into<String>) -> PdfError {
    PdfError::Corrupt {
        reason: reason.into(),
    }
}

/// Runs the parser, and makes a panic in it an error of the file: the parser is not ours, and the file is hostile.
fn guarded<T>(parse: impl FnOnce() -> Result<T, PdfError>) -> Result<T, PdfError> {
    catch_unwind(AssertUnwindSafe(parse))
        .unwrap_or_else(|_| Err(corrupt("the parser panicked on it")))
}

/// How much of a file is kept while it is read. An encrypted file is kept whole either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    WhatIsRead,
    Everything,
}

fn open_document(bytes: &[u8], passwords: &[String], kept: Kept) -> Result<Opened, PdfError> {
    let document = load(bytes, None, kept)?;
    match mended_trailer(&document) {
        None => unlock(bytes, document, passwords, kept),
        Some(mended) => {
            let updated = with_trailer(bytes, document, mended)?;
            let document = load(&updated, None, kept)?;
            unlock(&updated, document, passwords, kept)
        }
    }
}

fn unlock(
    bytes: &[u8],
    document: Document,
    passwords: &[String],
    kept: Kept,
) -> Result<Opened, PdfError> {
    if !document.is_encrypted() {
        let encryption = if document.encryption_state.is_some() {
            Encryption::EmptyPassword
        } else {
            Encryption::None
        };
        return Ok(Opened {
            document,
            encryption,
        });
    }
    // The empty password does not open it, or the parser does not know the security handler.
    if let Err(error) = document.authenticate_password("")
        && !is_wrong_password(&error)
    {
        let reason = describe(&error);
        return Err(match is_supported(&document) {
            true => corrupt(format!("its encryption dictionary is damaged: {reason}")),
            false => PdfError::UnsupportedEncryption { reason },
        });
    }
    let mut forms = passwords
        .iter()
        .flat_map(|password| passwords::for_parser(password));
    let fitting = forms.find(|form| document.authenticate_password(form).is_ok());
    let Some(password) = fitting else {
        return Err(PdfError::Encrypted);
    };
    let document = load(bytes, Some(&password), kept)?;
    if document.is_encrypted() {
        return Err(PdfError::Encrypted);
    }
    Ok(Opened {
        document,
        encryption: Encryption::Password,
    })
}

/// What an encrypted file's trailer must say otherwise for lopdf to decrypt it.
struct MendedTrailer {
    /// The encryption dictionary, or the reference to it. It has to be an object of its own; some writers put it into the
    /// trailer.
    encryption: Object,
    /// Whether the file has no identifier. Readers take an empty one into the key then, lopdf gives up.
    lacks_id: bool,
}

fn mended_trailer(document: &Document) -> Option<MendedTrailer> {
    let encryption = document.trailer.get(b"Encrypt").ok()?;
    let lacks_id = !document.trailer.has(b"ID");
    let is_direct = matches!(encryption, Object::Dictionary(_));
    (is_direct || lacks_id).then(|| MendedTrailer {
        encryption: encryption.clone(),
        lacks_id,
    })
}

/// The file with an update that changes its trailer.
fn with_trailer(
    bytes: &[u8],
    mut document: Document,
    mended: MendedTrailer,
) -> Result<Vec<u8>, PdfError> {
    // lopdf appends to no file that it takes for encrypted. What is appended here is not.
    document.trailer.remove(b"Encrypt");
    let mut update = IncrementalDocument::create_from(bytes.to_vec(), document);
    let appended = &mut update.new_document;
    let encryption = match mended.encryption {
        Object::Reference(id) => {
            // An update has an object.
            appended.add_object(Object::Null);
            id
        }
        direct => appended.add_object(direct),
    };
    appended.trailer.set("Encrypt", encryption);
    if mended.lacks_id {
        let empty = Object::string_literal("");
        appended.trailer.set("ID", vec![empty.clone(), empty]);
    }
    let mut moved = Vec::with_capacity(bytes.len() + 4096);
    update
        .save_to(&mut moved)
        .map_err(|error| corrupt(describe(&error)))?;
    Ok(moved)
}

/// A copy of an encrypted file without its encryption, and how that was. The empty user password is tried first, then
/// `passwords` in their order.
///
/// # Errors
/// [`PdfError::Encrypted`] when no password opens it that PDFium would not know, [`PdfError::UnsupportedEncryption`], and [`PdfError::Corrupt`] when
/// the file can't be read or is not encrypted.
pub(crate) fn decrypted(
    bytes: &[u8],
    passwords: &[String],
) -> Result<(Encryption, Vec<u8>), PdfError> {
    guarded(|| {
        let Opened {
            mut document,
            encryption,
        } = open_document(bytes, passwords, Kept::Everything)?;
        if encryption == Encryption::None {
            return Err(corrupt("it is not encrypted"));
        }
        let state = document.encryption_state.as_ref();
        let is_even = state
            .is_some_and(|state| state.default_stream_filter() == state.default_string_filter());
        // PDFium opens such a file, if it is meant to be open to everybody: lopdf takes an empty owner password too.
        if encryption == Encryption::EmptyPassword && is_even {
            return Err(PdfError::Encrypted);
        }
        Ok((encryption, written_plain(&mut document)?))
    })
}

/// A document that was decrypted as a file without encryption.
fn written_plain(document: &mut Document) -> Result<Vec<u8>, PdfError> {
    // Otherwise it would be encrypted once more.
    document.encryption_state = None;
    for object in document.objects.values_mut() {
        if let Object::Stream(stream) = object
            && let Cow::Owned(clear) = without_crypt_filter(stream)
        {
            *stream = clear;
        }
    }
    let mut plain = Vec::new();
    document
        .save_to(&mut plain)
        .map_err(|error| corrupt(describe(&error)))?;
    Ok(plain)
}

/// A copy of a file in which some objects are others. `change` gets the document with all of its objects, and gives the
/// objects to put in the place of those with the same number, or besides them; with none there is no copy.
///
/// A sound file gets an update at its end. One that is encrypted, or whose table of objects is not sound, is written
/// anew.
///
/// # Errors
/// Those of opening it.
pub(crate) fn changed(
    bytes: &[u8],
    passwords: &[String],
    change: impl FnOnce(&Document) -> BTreeMap<ObjectId, Object>,
) -> Result<Option<Vec<u8>>, PdfError> {
    guarded(|| {
        let Opened {
            mut document,
            encryption,
        } = open_document(bytes, passwords, Kept::Everything)?;
        let changes = change(&document);
        let Some(last) = changes.keys().map(|(number, _)| *number).max() else {
            return Ok(None);
        };
        let is_sound = encryption == Encryption::None && document.xref_recovery.is_none();
        if !is_sound {
            document.max_id = document.max_id.max(last);
            document.objects.extend(changes);
            return written_plain(&mut document).map(Some);
        }
        let mut update = IncrementalDocument::create_from(bytes.to_vec(), document);
        let appended = &mut update.new_document;
        appended.max_id = appended.max_id.max(last);
        appended.objects.extend(changes);
        let mut written = Vec::with_capacity(bytes.len() + (64 << 10));
        update
            .save_to(&mut written)
            .map_err(|error| corrupt(describe(&error)))?;
        Ok(Some(written))
    })
}

/// Whether an encrypted file names a security handler, and a version of it, that there is (ISO 32000-2 table 20).
fn is_supported(document: &Document) -> bool {
    let Ok(encryption) = document.get_encrypted() else {
        return true;
    };
    let handler = encryption.get(b"Filter").and_then(Object::as_name);
    let version = encryption.get(b"V").and_then(Object::as_i64).unwrap_or(0);
    matches!(handler, Ok(b"Standard") | Err(_)) && matches!(version, 1 | 2 | 4 | 5)
}

fn is_wrong_password(error: &lopdf::Error) -> bool {
    matches!(
        error,
        lopdf::Error::InvalidPassword
            | lopdf::Error::Decryption(DecryptionError::IncorrectPassword)
    )
}

/// Loads leniently. When the cross-reference table reads but leads to no page, it is rebuilt by scanning the file.
fn load(bytes: &[u8], password: Option<&String>, kept: Kept) -> Result<Document, PdfError> {
    let options = |force_reconstruct| LoadOptions {
        password: password.cloned(),
        filter: match kept {
            Kept::WhatIsRead => Some(keep_what_is_read),
            Kept::Everything => None,
        },
        strict: false,
        max_decompressed_size: Some(MAX_INFLATED_BYTES),
        force_reconstruct,
    };
    let has_pages = |document: &Document| {
        let objects = Objects {
            document,
            file: bytes,
        };
        document.trailer.has(b"Encrypt") || !PageTree::walk(objects).pages.is_empty()
    };
    let read = Document::load_mem_with_options(bytes, options(false));
    match read {
        Ok(document) if has_pages(&document) => Ok(document),
        Ok(document) => match Document::load_mem_with_options(bytes, options(true)) {
            Ok(rebuilt) if has_pages(&rebuilt) => Ok(rebuilt),
            _ => Ok(document),
        },
        Err(error) => Err(corrupt(describe(&error))),
    }
}

/// The error with its causes on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut description = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        description.push_str(": ");
        description.push_str(&cause.to_string());
        source = cause.source();
    }
    text_string::clean(&description, 500)
}

fn recovery_warning(recovery: Option<XrefRecovery>) -> Option<String> {
    let warning = match recovery? {
        XrefRecovery::OffsetCorrected => {
            "an offset of the cross-reference table was wrong and was corrected"
        }
        _ => "the cross-reference table was unreadable and was rebuilt by scanning the file",
    };
    Some(warning.to_owned())
}

/// The later of the header's and the catalog's version (ISO 32000-2 section 7.7.2).
fn version(objects: Objects<'_>) -> String {
    let header = text_string::clean(&objects.document.version, 16);
    let in_catalog = objects
        .catalog()
        .and_then(|catalog| objects.name(catalog, b"Version"))
        .map(|name| text_string::clean(&String::from_utf8_lossy(name), 16));
    let number = |text: &str| text.parse::<f32>().ok();
    match in_catalog {
        Some(later) if number(&later) > number(&header) => later,
        _ => header,
    }
}

fn read_xmp(objects: Objects<'_>) -> (std::collections::BTreeMap<String, String>, Option<String>) {
    let packet = objects
        .catalog()
        .and_then(|catalog| catalog.get(b"Metadata").ok())
        .and_then(|reference| objects.whole_stream(reference));
    let Some(stream) = packet else {
        return Default::default();
    };
    match without_crypt_filter(&stream).get_plain_content_with_limit(xmp::MAX_PACKET_BYTES) {
        Ok(bytes) => (xmp::read(&bytes), None),
        Err(error) => {
            let warning = format!("its XMP metadata could not be read: {}", describe(&error));
            (Default::default(), Some(warning))
        }
    }
}

/// The stream without `/Crypt` among its filters, which lopdf does not know. Metadata that is left in clear in an
/// encrypted file carries it with the name `Identity` (ISO 32000-2 section 7.4.10), which changes nothing.
fn without_crypt_filter(stream: &Stream) -> Cow<'_, Stream> {
    let filters = stream.filters().unwrap_or_default();
    if !filters.contains(&b"Crypt".as_slice()) {
        return Cow::Borrowed(stream);
    }
    let others: Vec<Object> = filters
        .iter()
        .filter(|filter| **filter != b"Crypt")
        .map(|filter| Object::Name(filter.to_vec()))
        .collect();
    let mut clear = stream.clone();
    clear.dict.set("Filter", others);
    clear.dict.remove(b"DecodeParms");
    Cow::Owned(clear)
}

#[cfg(test)]
mod tests;
