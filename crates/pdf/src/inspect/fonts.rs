//! What a font's dictionaries tell of how far PDFium will read it.

use lopdf::{Dictionary, Object};

use super::glyph_names;
use super::objects::Objects;

/// Collections whose characters PDFium knows by their numbers.
const KNOWN_COLLECTIONS: &[&[u8]] = &[b"Japan1", b"GB1", b"CNS1", b"Korea1"];

/// What the filter has seen of a font, under a key that no font has.
pub(super) const IS_MISREAD: &[u8] = b"PagemillIsMisread";

/// Whether a font itself shows that PDFium does not know its characters, and this program may: it has no map to Unicode,
/// and names of glyphs that are composed of others, or codes that only its program explains.
pub(super) fn is_misread(font: &Dictionary) -> bool {
    if font.has(b"ToUnicode") {
        return false;
    }
    match font.get(b"Encoding") {
        Ok(Object::Dictionary(encoding)) => composed_name(encoding).is_some(),
        Ok(_) => false,
        Err(_) => is_of_kind(font, &[b"TrueType"]),
    }
}

/// Whether a font is of one of these kinds.
pub(super) fn is_of_kind(font: &Dictionary, kinds: &[&[u8]]) -> bool {
    let kind = font.get(b"Subtype").and_then(Object::as_name);
    kind.is_ok_and(|kind| kinds.contains(&kind))
}

/// Whether a font that is described so is not in the file.
pub(crate) fn is_not_embedded(descriptor: &Dictionary) -> bool {
    let programs = [b"FontFile".as_slice(), b"FontFile2", b"FontFile3"];
    !programs.iter().any(|key| descriptor.has(key))
}

/// Of an encoding with names of glyphs that are composed of others, one of those.
pub(super) fn composed_name(encoding: &Dictionary) -> Option<Dictionary> {
    let Ok(Object::Array(differences)) = encoding.get(b"Differences") else {
        return None;
    };
    let composed = differences.iter().find(|item| {
        let name = item
            .as_name()
            .ok()
            .and_then(|name| std::str::from_utf8(name).ok());
        name.is_some_and(glyph_names::is_composed)
    })?;
    Some(Dictionary::from_iter([(
        "Differences",
        Object::Array(vec![composed.clone()]),
    )]))
}

/// Whether a part of a composite font is of characters that PDFium knows by their numbers: Chinese, Japanese or Korean.
pub(crate) fn is_of_known_collection<'a>(objects: Objects<'a>, part: &'a Dictionary) -> bool {
    let system = objects.dictionary(part, b"CIDSystemInfo");
    system
        .and_then(|system| objects.get(system, b"Ordering")?.as_str().ok())
        .is_some_and(|ordering| KNOWN_COLLECTIONS.contains(&ordering))
}
