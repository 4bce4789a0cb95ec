//! A file as lopdf loads it: leniently, with its passwords, and written anew where PDFium is to read something else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::encryption::DecryptionError;
use lopdf::xref::XrefRecovery;
use lopdf::{Document, IncrementalDocument, LoadOptions, Object, ObjectId, Stream};
use pagemill_document::Encryption;

use super::kept::keep_what_is_read;
use super::objects::Objects;
use super::page_tree::PageTree;
use super::{passwords, text_string};
use pagemill_reader::PdfError;

/// Bytes that one object stream or cross-reference stream may inflate to. Most writers put a few hundred objects
/// into a stream, some put all of a document there, so some megabytes must fit; and what is inflated can need a
/// hundred times as much memory as objects, so not many more.
const MAX_INFLATED_BYTES: usize = 16 << 20;

/// What opening gave.
pub(super) struct Opened {
    pub(super) document: Document,
    pub(super) encryption: Encryption,
}

pub(super) fn corrupt(reason: impl Into<String>) -> PdfError {
    PdfError::Corrupt {
        reason: reason.into(),
    }
}

/// Runs the parser, and makes a panic in it an error of the file: the parser is not ours, and the file is hostile.
pub(super) fn guarded<T>(parse: impl FnOnce() -> Result<T, PdfError>) -> Result<T, PdfError> {
    catch_unwind(AssertUnwindSafe(parse))
        .unwrap_or_else(|_| Err(corrupt("the parser panicked on it")))
}

/// How much of a file is kept while it is read. An encrypted file is kept whole either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    WhatIsRead,
    Everything,
}

pub(super) fn open_document(
    bytes: &[u8],
    passwords: &[String],
    kept: Kept,
) -> Result<Opened, PdfError> {
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

/// A copy of a file in which some objects are others. `change` gets the document with all of its objects and the highest
/// number of one, and gives the objects to put in the place of those with the same number, or besides them; with none there
/// is no copy.
///
/// A sound file gets an update at its end. One that is encrypted, or whose table of objects is not sound, is written
/// anew.
///
/// # Errors
/// Those of opening it.
pub(crate) fn changed(
    bytes: &[u8],
    passwords: &[String],
    change: impl FnOnce(&Document, u32) -> BTreeMap<ObjectId, Object>,
) -> Result<Option<Vec<u8>>, PdfError> {
    guarded(|| {
        let Opened {
            mut document,
            encryption,
        } = open_document(bytes, passwords, Kept::Everything)?;
        let objects = document.objects.keys().map(|(number, _)| *number).max();
        let last = document.max_id.max(objects.unwrap_or(0));
        let changes = change(&document, last);
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
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut description = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        description.push_str(": ");
        description.push_str(&cause.to_string());
        source = cause.source();
    }
    text_string::clean(&description, 500)
}

pub(super) fn recovery_warning(recovery: Option<XrefRecovery>) -> Option<String> {
    let warning = match recovery? {
        XrefRecovery::OffsetCorrected => {
            "an offset of the cross-reference table was wrong and was corrected"
        }
        _ => "the cross-reference table was unreadable and was rebuilt by scanning the file",
    };
    Some(warning.to_owned())
}

/// The stream without `/Crypt` among its filters, which lopdf does not know. Metadata that is left in clear in an
/// encrypted file carries it with the name `Identity` (ISO 32000-2 section 7.4.10), which changes nothing.
pub(super) fn without_crypt_filter(stream: &Stream) -> Cow<'_, Stream> {
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
