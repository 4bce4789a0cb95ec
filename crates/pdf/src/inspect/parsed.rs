//! A document as lopdf reads it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use lopdf::{Document, Object, ObjectId};

use super::fonts::{
    IS_MISREAD, composed_name, is_misread, is_not_embedded, is_of_kind, is_of_known_collection,
};
use super::layers::{Layers, off_by_default};
use super::loading::{
    Kept, Opened, corrupt, describe, guarded, open_document, recovery_warning, without_crypt_filter,
};
use super::objects::Objects;
use super::page_tree::{PageNode, PageTree};
use super::{active, attachments, info, text_string, xmp};
use crate::annotation_text::{self, AnnotationText};
use crate::drawing::{self, Undrawn};
use crate::link::annotations;
use crate::link::destinations::Destinations;
use crate::protocol::{Look, Misread};
use crate::scan::{self, Scan};
use crate::structure::{labels, outline};
use pagemill_document::{
    DocumentInfo, Encryption, Inspection, Link, OutlineItem, PageLabel, PageNumber,
};
use pagemill_reader::{Limits, PdfError};

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
    /// The layers that the catalog has off, read when the first asks.
    layers_off: OnceCell<HashSet<ObjectId>>,
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
            attachments: attachments::names(objects),
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
            layers_off: OnceCell::new(),
            inspection,
        })
    }

    /// The files that it carries, in the order of their names in the inspection.
    pub(crate) fn attachments(&self) -> attachments::Attachments<'_> {
        attachments::Attachments::of(self.objects())
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
            Some(page) => annotation_text::read(self.objects(), self.layers(), page, node.geometry),
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
        };
        (look, undrawn.others)
    }

    /// The annotations of a page that PDFium draws nothing of.
    pub(crate) fn undrawn(&self, page: PageNumber) -> Undrawn {
        let dictionary = self
            .node(page)
            .and_then(|node| self.document.get_dictionary(node.id?).ok());
        dictionary.map_or(Undrawn::default(), |page| {
            drawing::read(self.objects(), self.layers(), page)
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
            layers: self.layers().any_is_off(),
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

    fn layers(&self) -> Layers<'_> {
        let off = self
            .layers_off
            .get_or_init(|| off_by_default(self.objects()));
        Layers::new(self.objects(), off)
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

#[cfg(test)]
mod tests;
