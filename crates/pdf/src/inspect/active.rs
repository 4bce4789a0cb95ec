//! What a file carries besides pages: scripts, forms.

use lopdf::{Dictionary, Object};

use super::objects::Objects;
use super::text_string;

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
