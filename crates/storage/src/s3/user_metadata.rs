//! The `x-amz-meta-` headers of an object, as text.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The headers by name, without the prefix.
///
/// Headers are ASCII: what has other letters, or line breaks, is written as RFC 2047 says (`=?UTF-8?B?...?=`), by the
/// uploader or by S3 itself (Amazon S3 User Guide, "Working with object metadata"), and is decoded here. Anything else
/// is taken as it is.
pub(super) fn read(headers: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    let headers = headers.into_iter().flatten();
    headers
        .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
        .collect()
}

fn text(value: &str) -> String {
    decoded(value).unwrap_or_else(|| value.to_owned())
}

/// The text of a value that is nothing but encoded words. White space between them only parts them (RFC 2047, 6.2).
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    for word in value.split_ascii_whitespace() {
        let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
        let (charset, encoding, content) = (parts.next()?, parts.next()?, parts.next()?);
        if !charset.eq_ignore_ascii_case("utf-8") {
            return None;
        }
        match encoding {
            "B" | "b" => bytes.extend(STANDARD.decode(content).ok()?),
            "Q" | "q" => bytes.extend(quoted(content)),
            _ => return None,
        }
    }
    // A long letter may be split between two words, so only the whole must be UTF-8.
    (!bytes.is_empty())
        .then(|| String::from_utf8(bytes).ok())
        .flatten()
}

/// The Q encoding: `_` is a space, `=` and two hex digits are a byte; anything else stands for itself.
fn quoted(content: &str) -> Vec<u8> {
    let mut rest = content.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'=', [high, low, ..]) => hex_byte(*high, *low),
            _ => None,
        };
        rest = match escaped {
            Some(byte) => {
                bytes.push(byte);
                &after[2..]
            }
            None => {
                bytes.push(if *first == b'_' { b' ' } else { *first });
                after
            }
        };
    }
    bytes
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn in_7_what_is_no_ascii_comes_as_encoded_words() {
        for (value, means) in [
            ("Name the parties.", "Name the parties."),
            (
                "=?UTF-8?B?TmVubmUgZGllIFBhcnRlaWVuLgo=?=",
                "Nenne die Parteien.\n",
            ),
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_an_Ada?=", "Grüße an Ada"),
            // A letter that is split between two words.
            ("=?UTF-8?Q?Gr=C3?= =?UTF-8?Q?=BC=C3=9Fe?=", "Grüße"),
            // What is none is what it is.
            ("=?UTF-8?B?***?=", "=?UTF-8?B?***?="),
            ("=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="),
            ("=?latin-1?Q?=FC?=", "=?latin-1?Q?=FC?="),
            ("see =?UTF-8?Q?x?=", "see =?UTF-8?Q?x?="),
            ("=?=", "=?="),
            ("", ""),
        ] {
            assert_eq!(text(value), means, "{value}");
        }
    }
}
