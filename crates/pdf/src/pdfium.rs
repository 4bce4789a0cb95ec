//! PDFium in a child: loading it, opening a file with it, and what it knows of a file and its links.

use std::path::{Path, PathBuf};

use pdfium_render::prelude::{
    PdfAction, PdfDestination, PdfDocument, PdfDocumentMetadataTagType, PdfDocumentVersion,
    PdfLink, PdfPage, PdfPageAnnotationCommon, PdfRenderConfig, PdfSecurityHandlerRevision, Pdfium,
    PdfiumError, PdfiumInternalError, PdfiumLibraryConfig,
};

use crate::inspect::passwords;
use crate::link;
use crate::protocol::PageLinks;
use pagemill_document::{DocumentInfo, Encryption, Inspection, Link, LinkTarget, PageNumber, Rect};
use pagemill_reader::{Limits, PdfError};

/// Name of the library on Linux.
const LIBRARY_NAME: &str = "libpdfium.so";

/// A place for fonts where there are none. PDFium's own fonts stand in for those that a file does not embed; the
/// machine's are never read.
const NO_FONTS: &str = "/dev/null";

/// Most embedded files that are named.
const MAX_ATTACHMENTS: u16 = 1_000;

/// Most characters of a metadata value.
const MAX_VALUE_CHARACTERS: usize = 10_000;

/// Fractions of a point that link rectangles are rounded to.
const PARTS_OF_A_POINT: f32 = 32.0;

/// The file that a setting means: itself, or the library in that folder.
pub(crate) fn library_path(setting: &Path) -> PathBuf {
    if setting.is_dir() {
        setting.join(LIBRARY_NAME)
    } else {
        setting.to_owned()
    }
}

/// Loads the library, once a process.
///
/// # Errors
/// [`PdfError::Engine`].
pub(crate) fn load(path: &Path) -> Result<Pdfium, PdfError> {
    let bindings = Pdfium::bind_to_library(path).map_err(|error| PdfError::Engine {
        reason: format!(
            "libpdfium can't be loaded from {} ({error:?}): set the path of a libpdfium.so for this machine",
            path.display()
        ),
    })?;
    // Set to a place without files: a page looks the same on every machine, and a child has nothing to open.
    let config = PdfiumLibraryConfig::new()
        .set_user_font_paths(&[NO_FONTS])
        .map_err(|error| PdfError::Engine {
            reason: format!("libpdfium can't be kept from the machine's fonts ({error:?})"),
        })?;
    Ok(Pdfium::new_with_config(bindings, config))
}

/// Opens a file: with the empty password first, then with each of `passwords`.
///
/// # Errors
/// [`PdfError::Encrypted`], [`PdfError::UnsupportedEncryption`], [`PdfError::Corrupt`], or [`PdfError::OverLimit`] for
/// too many pages.
pub(crate) fn open<'a>(
    pdfium: &'a Pdfium,
    bytes: &'a [u8],
    passwords: &[String],
    limits: &Limits,
) -> Result<(PdfDocument<'a>, Encryption), PdfError> {
    let (document, encryption) = unlock(pdfium, bytes, passwords)?;
    let pages = u64::try_from(document.pages().len()).unwrap_or(0);
    if pages == 0 {
        return Err(PdfError::Corrupt {
            reason: "it has no pages".to_owned(),
        });
    }
    if pages > u64::from(limits.max_pages) {
        return Err(PdfError::OverLimit {
            limit: "max_pages".to_owned(),
            actual: pages,
            allowed: u64::from(limits.max_pages),
        });
    }
    Ok((document, encryption))
}

fn unlock<'a>(
    pdfium: &'a Pdfium,
    bytes: &'a [u8],
    passwords: &[String],
) -> Result<(PdfDocument<'a>, Encryption), PdfError> {
    match pdfium.load_pdf_from_byte_slice(bytes, None) {
        Ok(document) => {
            let protected = matches!(
                document.permissions().security_handler_revision(),
                Ok(revision) if revision != PdfSecurityHandlerRevision::Unprotected
            );
            let encryption = if protected {
                Encryption::EmptyPassword
            } else {
                Encryption::None
            };
            return Ok((document, encryption));
        }
        Err(PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError)) => {}
        Err(error) => return Err(refusal(&error)),
    }
    let forms = passwords
        .iter()
        .flat_map(|password| passwords::for_pdfium(password));
    for password in forms {
        match pdfium.load_pdf_from_byte_slice(bytes, Some(&password)) {
            Ok(document) => return Ok((document, Encryption::Password)),
            Err(PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError)) => {}
            Err(error) => return Err(refusal(&error)),
        }
    }
    Err(PdfError::Encrypted)
}

fn refusal(error: &PdfiumError) -> PdfError {
    let reason = match error {
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::FormatError) => {
            "PDFium finds no document in it".to_owned()
        }
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::SecurityError) => {
            return PdfError::UnsupportedEncryption {
                reason: "PDFium does not know it".to_owned(),
            };
        }
        other => format!("PDFium can't open it ({other:?})"),
    };
    PdfError::Corrupt { reason }
}

/// What PDFium knows of the file as a whole.
pub(crate) fn inspect(document: &PdfDocument<'_>, encryption: Encryption) -> Inspection {
    let mut info = DocumentInfo::default();
    for tag in document.metadata().iter() {
        let value = without_controls(tag.value());
        if !value.is_empty() {
            info.info
                .insert(info_name(tag.tag_type()).to_owned(), value);
        }
    }
    let attachments = document
        .attachments()
        .iter()
        .take(usize::from(MAX_ATTACHMENTS))
        .map(|attachment| without_controls(&attachment.name()))
        .collect();
    Inspection {
        pages: u32::try_from(document.pages().len()).unwrap_or(0),
        pdf_version: version(document.version()),
        encryption,
        info,
        tagged: document.catalog().is_tagged(),
        has_form: document.form().is_some(),
        has_script: false,
        attachments,
        warnings: Vec::new(),
    }
}

fn info_name(tag: PdfDocumentMetadataTagType) -> &'static str {
    match tag {
        PdfDocumentMetadataTagType::Title => "title",
        PdfDocumentMetadataTagType::Author => "author",
        PdfDocumentMetadataTagType::Subject => "subject",
        PdfDocumentMetadataTagType::Keywords => "keywords",
        PdfDocumentMetadataTagType::Creator => "creator",
        PdfDocumentMetadataTagType::Producer => "producer",
        PdfDocumentMetadataTagType::CreationDate => "creation_date",
        PdfDocumentMetadataTagType::ModificationDate => "mod_date",
    }
}

fn version(version: PdfDocumentVersion) -> String {
    let tenths = match version {
        PdfDocumentVersion::Unset => return String::new(),
        PdfDocumentVersion::Pdf1_0 => 10,
        PdfDocumentVersion::Pdf1_1 => 11,
        PdfDocumentVersion::Pdf1_2 => 12,
        PdfDocumentVersion::Pdf1_3 => 13,
        PdfDocumentVersion::Pdf1_4 => 14,
        PdfDocumentVersion::Pdf1_5 => 15,
        PdfDocumentVersion::Pdf1_6 => 16,
        PdfDocumentVersion::Pdf1_7 => 17,
        PdfDocumentVersion::Pdf2_0 => 20,
        PdfDocumentVersion::Other(tenths) => tenths,
    };
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn without_controls(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_VALUE_CHARACTERS)
        .collect()
}

/// The links of a page from PDFium's own link API, for a file that the second parser can't read.
pub(crate) fn links(page: &PdfPage<'_>, number: PageNumber, max: u32) -> PageLinks {
    let mut found = PageLinks::default();
    for annotation in page.annotations().iter() {
        let Some(annotation) = annotation.as_link_annotation() else {
            continue;
        };
        if found.links.len() >= max as usize {
            found.dropped = found.dropped.saturating_add(1);
            continue;
        }
        let Ok(target) = annotation.link().map(|link| link_target(&link)) else {
            continue;
        };
        let Ok(bounds) = annotation.bounds() else {
            continue;
        };
        let corners = [
            (bounds.left(), bounds.bottom()),
            (bounds.right(), bounds.top()),
        ];
        let config = PdfRenderConfig::new().set_fixed_size(
            (page.width().value * PARTS_OF_A_POINT) as i32,
            (page.height().value * PARTS_OF_A_POINT) as i32,
        );
        let [Ok(one), Ok(other)] = corners.map(|(x, y)| page.points_to_pixels(x, y, &config))
        else {
            continue;
        };
        let points = |parts: i32| parts as f32 / PARTS_OF_A_POINT;
        found.links.push(Link {
            page: number,
            safety: link::classify(&target),
            target,
            anchor: None,
            bbox: Rect {
                x0: points(one.0.min(other.0)),
                y0: points(one.1.min(other.1)),
                x1: points(one.0.max(other.0)),
                y1: points(one.1.max(other.1)),
            },
            quads: Vec::new(),
        });
    }
    found
}

fn link_target(link: &PdfLink<'_>) -> LinkTarget {
    match link.action() {
        Some(PdfAction::Uri(action)) => {
            let uri = action.uri().unwrap_or_default();
            let is_mailto = uri
                .get(..7)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
            if is_mailto {
                LinkTarget::Mailto { uri }
            } else {
                LinkTarget::Uri { uri }
            }
        }
        Some(PdfAction::LocalDestination(action)) => go_to(action.destination().ok()),
        Some(PdfAction::RemoteDestination(_) | PdfAction::EmbeddedDestination(_)) => {
            LinkTarget::GoToR {
                file: String::new(),
                page: None,
                name: None,
            }
        }
        Some(PdfAction::Launch(_)) => LinkTarget::Launch {
            file: String::new(),
        },
        Some(PdfAction::Unsupported(_)) => LinkTarget::Other {
            action: "unknown".to_owned(),
            detail: None,
        },
        None => go_to(link.destination()),
    }
}

fn go_to(destination: Option<PdfDestination<'_>>) -> LinkTarget {
    let index = destination.and_then(|destination| destination.page_index().ok());
    LinkTarget::GoTo {
        page: index
            .and_then(|index| u32::try_from(index).ok())
            .map(|index| PageNumber(index.saturating_add(1))),
        name: None,
    }
}
