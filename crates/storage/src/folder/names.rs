//! Keys are text and file names are bytes: a file name that is no UTF-8 must still have a key, and one only.
//!
//! A byte that is no UTF-8 becomes one of the private characters U+EF80 to U+EFFF (U+EF00 + byte). A name that
//! holds such characters itself has their bytes spelled the same way, so that every name has one key.

use std::ffi::{OsStr, OsString};

/// The first private character; bytes below 0x80 are always UTF-8.
const FIRST: u32 = 0xEF80;
const LAST: u32 = 0xEFFF;

#[cfg(unix)]
pub(super) fn to_key_segment(name: &OsStr) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut key = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_private(character) {
                push_bytes(&mut key, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                key.push(character);
            }
        }
        push_bytes(&mut key, chunk.invalid());
    }
    key
}

/// `None` for a key that no file name has.
#[cfg(unix)]
pub(super) fn to_file_name(segment: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    if !segment.chars().any(is_private) {
        return Some(OsString::from(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    for character in segment.chars() {
        if is_private(character) {
            bytes.push((u32::from(character) & 0xFF) as u8);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    let name = OsString::from_vec(bytes);
    (to_key_segment(&name) == segment).then_some(name)
}

#[cfg(not(unix))]
pub(super) fn to_key_segment(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(not(unix))]
pub(super) fn to_file_name(segment: &str) -> Option<OsString> {
    Some(OsString::from(segment))
}

fn is_private(character: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(character))
}

#[cfg(unix)]
fn push_bytes(key: &mut String, bytes: &[u8]) {
    let private = |byte: &u8| char::from_u32(0xEF00 + u32::from(*byte));
    key.extend(bytes.iter().filter_map(private));
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn every_file_name_has_one_key_and_comes_back() {
        let names: [&[u8]; 6] = [
            b"plain.pdf",
            "é 漢.pdf".as_bytes(),
            b"caf\xe9.pdf",
            b"\xff\xfe",
            "\u{EF80}".as_bytes(),
            b"\x80",
        ];
        let mut keys = std::collections::BTreeSet::new();
        for name in names {
            let name = OsString::from_vec(name.to_vec());
            let key = to_key_segment(&name);
            assert_eq!(to_file_name(&key), Some(name.clone()), "{name:?}");
            assert!(keys.insert(key), "{name:?} shares its key");
        }
    }

    #[test]
    fn a_key_that_would_be_another_keys_file_is_refused() {
        let disguised_e_acute = "\u{EFC3}\u{EFA9}";
        assert_eq!(to_file_name(disguised_e_acute), None);
    }
}
