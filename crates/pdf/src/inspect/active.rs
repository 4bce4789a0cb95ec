//! What a file carries besides pages: scripts, forms, embedded files.

use lopdf::{Dictionary, Object};

use super::objects::Objects;
use super::text_string;
use super::tree;

/// Names of embedded files that are kept at most, and characters of each.
const MAX_ATTACHMENTS: usize = 1_000;
const MAX_NAME: usize = 512;

/// Annotations that are looked at for attached files at most.
const MAX_ANNOTATIONS: usize = 200_000;

/// Whether any object holds JavaScript, or opening the file runs more than a jump to a page.
pub(super) fn has_script(objects: Objects<'_>) -> bool {
    opens_with_action(objects) || objects.document.objects.values().any(holds_script)
}

fn opens_with_action(objects: Objects<'_>) -> bool {
    let Some(catalog) = objects.catalog() else {
        return false;
    };
    let runs_on_opening = objects
        .dictionary(catalog, b"OpenAction")
        .and_then(|action| objects.name(action, b"S"))
        .is_some_and(|kind| kind != b"GoTo");
    let runs_on_events = objects
        .dictionary(catalog, b"AA")
        .is_some_and(|actions| !actions.is_empty());
    runs_on_opening || runs_on_events
}

/// Whether an object, or anything written inside it, is a JavaScript action. References are not followed: what
/// they lead to is an object of its own. The depth is bounded by the parser.
fn holds_script(object: &Object) -> bool {
    let mut waiting = vec![object];
    while let Some(next) = waiting.pop() {
        let dictionary = match next {
            Object::Array(items) => {
                waiting.extend(items.iter().filter(|item| is_container(item)));
                continue;
            }
            Object::Dictionary(dictionary) => dictionary,
            Object::Stream(stream) => &stream.dict,
            _ => continue,
        };
        let is_action = dictionary
            .get(b"S")
            .and_then(Object::as_name)
            .is_ok_and(|kind| kind == b"JavaScript");
        if is_action {
            return true;
        }
        waiting.extend(
            dictionary
                .iter()
                .map(|(_, value)| value)
                .filter(|value| is_container(value)),
        );
    }
    false
}

fn is_container(object: &Object) -> bool {
    matches!(object, Object::Array(_) | Object::Dictionary(_))
}

/// Whether there are form fields, or an XFA form.
pub(super) fn has_form(objects: Objects<'_>) -> bool {
    let form = objects
        .catalog()
        .and_then(|catalog| objects.dictionary(catalog, b"AcroForm"));
    form.is_some_and(|form| {
        let has_fields = objects
            .array(form, b"Fields")
            .is_some_and(|fields| !fields.is_empty());
        has_fields || form.has(b"XFA")
    })
}

/// Whether there is a structure tree.
pub(super) fn is_tagged(objects: Objects<'_>) -> bool {
    let Some(catalog) = objects.catalog() else {
        return false;
    };
    objects.dictionary(catalog, b"StructTreeRoot").is_some()
}

/// Names of embedded files: those of the document, then those of attachment annotations, each name once.
pub(super) fn attachments(objects: Objects<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut keep = |name: String| {
        if !name.is_empty() && names.len() < MAX_ATTACHMENTS && seen.insert(name.clone()) {
            names.push(name);
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
            keep(
                objects
                    .resolve(value)
                    .and_then(|(_, file)| file_name(objects, file))
                    .unwrap_or_else(by_key),
            );
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
        if let Some(name) = objects
            .get(annotation, b"FS")
            .and_then(|file| file_name(objects, file))
        {
            keep(name);
        }
    }
    names
}

/// The name in a file specification (ISO 32000-2 section 7.11), for people.
fn file_name<'a>(objects: Objects<'a>, file: &'a Object) -> Option<String> {
    let name = file_specification(objects, file)?;
    Some(text_string::clean(&name, MAX_NAME))
}

/// The file that a file specification names, as written: a string, or a dictionary with `UF`, `F` or one of the
/// old keys for one platform.
pub(crate) fn file_specification<'a>(objects: Objects<'a>, file: &'a Object) -> Option<String> {
    let (_, resolved) = objects.resolve(file)?;
    if let Ok(bytes) = resolved.as_str() {
        return Some(text_string::decode(bytes));
    }
    let dictionary: &Dictionary = objects.as_dictionary(resolved)?;
    [b"UF".as_slice(), b"F", b"Unix", b"Mac", b"DOS"]
        .into_iter()
        .find_map(|key| objects.get(dictionary, key)?.as_str().ok())
        .map(text_string::decode)
}
