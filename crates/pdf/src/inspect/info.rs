//! The document information dictionary (ISO 32000-2 section 14.3.3).

use std::collections::BTreeMap;

use lopdf::Object;

use super::date;
use super::objects::Objects;
use super::text_string;

/// Entries that are kept at most.
const MAX_ENTRIES: usize = 100;

/// Characters of a key, and of a value, that are kept at most.
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 16 * 1024;

/// The entries that are text, names, numbers or truth values, by lower-case name. Dates are ISO 8601 where they
/// can be read. Empty values are left out.
pub(super) fn read(objects: Objects<'_>) -> BTreeMap<String, String> {
    let Some(dictionary) = objects.dictionary(&objects.document.trailer, b"Info") else {
        return BTreeMap::new();
    };
    let mut info = BTreeMap::new();
    for (key, value) in dictionary.iter() {
        if info.len() >= MAX_ENTRIES {
            break;
        }
        let name = lower_case_name(&text_string::clean(&String::from_utf8_lossy(key), MAX_KEY));
        let Some((_, resolved)) = objects.resolve(value) else {
            continue;
        };
        let text = match resolved {
            Object::String(bytes, _) => text_string::decode_clean(bytes, MAX_VALUE),
            Object::Name(bytes) => text_string::clean(&String::from_utf8_lossy(bytes), MAX_VALUE),
            Object::Integer(integer) => integer.to_string(),
            Object::Real(real) => real.to_string(),
            Object::Boolean(boolean) => boolean.to_string(),
            _ => continue,
        };
        let is_date = name.ends_with("date") || text.starts_with("D:");
        let value = if is_date {
            date::to_iso8601(&text).unwrap_or(text)
        } else {
            text
        };
        if !name.is_empty() && !value.is_empty() {
            info.insert(name, value);
        }
    }
    info
}

/// `CreationDate` is `creation_date`; runs of capitals stay together.
fn lower_case_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    let mut before: Option<char> = None;
    for character in key.chars() {
        let starts_word = character.is_uppercase()
            && before.is_some_and(|last| last.is_lowercase() || last.is_numeric());
        if starts_word {
            name.push('_');
        }
        if character == ' ' {
            name.push('_');
        } else {
            name.extend(character.to_lowercase());
        }
        before = Some(character);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::lower_case_name;

    #[test]
    fn names_are_lower_case_words() {
        let cases = [
            ("Title", "title"),
            ("CreationDate", "creation_date"),
            ("ModDate", "mod_date"),
            ("AAPL:Keywords", "aapl:keywords"),
            ("PTEX.Fullbanner", "ptex.fullbanner"),
            ("SourceModified", "source_modified"),
            ("Last Author", "last_author"),
        ];
        for (key, expected) in cases {
            assert_eq!(lower_case_name(key), expected);
        }
    }
}
