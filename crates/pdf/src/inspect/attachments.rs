//! The files that a PDF carries: in its name tree, and at annotations (ISO 32000-2 section 7.11).

use std::collections::HashSet;

use lopdf::{Error, Object};
use pagemill_reader::{MAX_ATTACHMENTS, NotKept};

use super::active::file_specification;
use super::objects::Objects;
use super::{text_string, tree};
use crate::protocol::AttachedFile;

/// Characters of a name, a media type and a relationship.
const MAX_NAME: usize = 512;
const MAX_WORD: usize = 128;

/// Annotations that are looked at for attached files at most.
const MAX_ANNOTATIONS: usize = 200_000;

/// The names of the files, in their order.
pub(super) fn names(objects: Objects<'_>) -> Vec<String> {
    let files = specifications(objects).into_iter();
    files.map(|(name, _)| name).collect()
}

/// The files, found once and read one by one.
pub(crate) struct Attachments<'a> {
    objects: Objects<'a>,
    files: Vec<(String, &'a Object)>,
}

impl<'a> Attachments<'a> {
    pub(super) fn of(objects: Objects<'a>) -> Self {
        Self {
            objects,
            files: specifications(objects),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// What is said of a file, and what it holds, at most so many bytes: only of XML, and empty where that is not kept.
    pub(crate) fn read(&self, index: usize, most: usize) -> (AttachedFile, Vec<u8>) {
        let (name, specification) = &self.files[index];
        let objects = self.objects;
        let dictionary = objects.as_dictionary(specification);
        let relationship = dictionary.and_then(|file| objects.name(file, b"AFRelationship"));
        let embedded = dictionary.and_then(|file| objects.dictionary(file, b"EF"));
        let stream = embedded.and_then(|files| files.get(b"UF").or_else(|_| files.get(b"F")).ok());
        let media_type = stream
            .and_then(|stream| objects.as_dictionary(stream))
            .and_then(|stream| objects.name(stream, b"Subtype"))
            .map(word);
        let is_xml = name.to_lowercase().ends_with(".xml")
            || media_type
                .as_deref()
                .is_some_and(|kind| kind.ends_with("/xml") || kind.ends_with("+xml"));
        let content = match stream {
            _ if !is_xml => Err(NotKept::NotXml),
            None => Err(NotKept::Unreadable),
            Some(_) if most == 0 => Err(NotKept::OverLimit),
            Some(stream) => self.content(stream, most),
        };
        let file = AttachedFile {
            name: name.clone(),
            media_type,
            relationship: relationship.map(word),
            not_kept: content.as_ref().err().copied(),
        };
        (file, content.unwrap_or_default())
    }

    fn content(&self, stream: &Object, most: usize) -> Result<Vec<u8>, NotKept> {
        let whole = self.objects.whole_stream(stream);
        let whole = whole.ok_or(NotKept::Unreadable)?;
        whole
            .get_plain_content_with_limit(most)
            .map_err(|error| match error {
                Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. }) => {
                    NotKept::OverLimit
                }
                _ => NotKept::Unreadable,
            })
    }
}

fn word(name: &[u8]) -> String {
    text_string::clean(&String::from_utf8_lossy(name), MAX_WORD)
}

/// Names and file specifications: those of the document, then those of attachment annotations, each name once.
fn specifications(objects: Objects<'_>) -> Vec<(String, &Object)> {
    let mut files: Vec<(String, &Object)> = Vec::new();
    let mut seen = HashSet::new();
    let mut keep = |name: String, file| {
        if !name.is_empty() && files.len() < MAX_ATTACHMENTS && seen.insert(name.clone()) {
            files.push((name, file));
        }
    };
    let embedded = objects
        .catalog()
        .and_then(|catalog| objects.dictionary(catalog, b"Names"))
        .and_then(|all| objects.dictionary(all, b"EmbeddedFiles"));
    if let Some(root) = embedded {
        for (key, value) in tree::entries(objects, root, b"Names") {
            let by_key = || {
                key.as_str()
                    .map(|bytes| text_string::decode_clean(bytes, MAX_NAME))
                    .unwrap_or_default()
            };
            let Some((_, file)) = objects.resolve(value) else {
                keep(by_key(), value);
                continue;
            };
            keep(file_name(objects, file).unwrap_or_else(by_key), file);
        }
    }
    let annotations = objects
        .document
        .objects
        .values()
        .filter_map(|object| object.as_dict().ok())
        .take(MAX_ANNOTATIONS);
    for annotation in annotations {
        let is_attachment = annotation
            .get(b"Subtype")
            .and_then(Object::as_name)
            .is_ok_and(|kind| kind == b"FileAttachment");
        if !is_attachment {
            continue;
        }
        let Some(file) = objects.get(annotation, b"FS") else {
            continue;
        };
        if let Some(name) = file_name(objects, file) {
            keep(name, file);
        }
    }
    files
}

/// The name in a file specification, for people.
fn file_name<'a>(objects: Objects<'a>, file: &'a Object) -> Option<String> {
    let name = file_specification(objects, file)?;
    Some(text_string::clean(&name, MAX_NAME))
}
