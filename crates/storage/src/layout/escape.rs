//! Paths that are safe and distinct in S3 and in a file system.
//!
//! A segment is *plain* when it is not empty, not `.` or `..`, has no control character, has at most 200 bytes and
//! does not start with `%~`. Plain segments stay as they are. Any other is written as one or more segments
//! `%~` + text, in which `%`, `~`, control characters (and dots, when there is nothing else) are percent-encoded;
//! a piece that goes on in the next segment ends in `~`. A whole key that is not under the source prefix goes under
//! the segment `%~~`. A path that would have more than 850 bytes is replaced by `%~~` + its SHA-256.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

const MARK: &str = "%~";
const OUTSIDE: &str = "%~~";
/// Leaves room for `.json` and for the names of temporary files in the 255 bytes of a file name.
const MAX_SEGMENT_BYTES: usize = 200;
/// Leaves room for prefix, generation and page in the 1,024 bytes of an S3 key.
const MAX_PATH_BYTES: usize = 850;

/// A decoded path.
pub(super) enum Path {
    /// Relative to the source prefix.
    Inside(String),
    /// A whole key outside the source prefix.
    Outside(String),
}

pub(super) fn is_plain(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment.len() <= MAX_SEGMENT_BYTES
        && !segment.starts_with(MARK)
        && !segment.chars().any(|c| c.is_ascii_control())
}

pub(super) fn encode_inside(relative: &str) -> String {
    shorten(encode(relative))
}

pub(super) fn encode_outside(key: &str) -> String {
    shorten(format!("{OUTSIDE}/{}", encode(key)))
}

fn shorten(path: String) -> String {
    if path.len() <= MAX_PATH_BYTES {
        return path;
    }
    format!("{OUTSIDE}{}", hex::encode(Sha256::digest(path.as_bytes())))
}

fn encode(path: &str) -> String {
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| {
            if is_plain(segment) {
                segment.to_owned()
            } else {
                encode_segment(segment)
            }
        })
        .collect();
    segments.join("/")
}

fn encode_segment(segment: &str) -> String {
    let only_dots = segment.chars().all(|c| c == '.');
    let mut encoded = String::from(MARK);
    let mut piece_bytes = MARK.len();
    for character in segment.chars() {
        let token = if character.is_ascii_control()
            || matches!(character, '%' | '~')
            || (only_dots && character == '.')
        {
            format!("%{:02X}", u32::from(character))
        } else {
            character.to_string()
        };
        // One byte stays free for the `~` of a piece that goes on.
        if piece_bytes + token.len() + 1 > MAX_SEGMENT_BYTES {
            let written = write!(encoded, "~/{MARK}");
            debug_assert!(written.is_ok(), "writing to a string does not fail");
            piece_bytes = MARK.len();
        }
        piece_bytes += token.len();
        encoded.push_str(&token);
    }
    encoded
}

/// `None` for what [`encode_inside`] and [`encode_outside`] never make, and for hashes.
pub(super) fn decode(path: &str) -> Option<Path> {
    match path.strip_prefix("%~~/") {
        Some(outside) => decode_segments(outside).map(Path::Outside),
        None => decode_segments(path).map(Path::Inside),
    }
}

fn decode_segments(path: &str) -> Option<String> {
    let mut decoded: Vec<String> = Vec::new();
    let mut goes_on = false;
    for segment in path.split('/') {
        let Some(piece) = segment.strip_prefix(MARK) else {
            if goes_on {
                return None;
            }
            decoded.push(segment.to_owned());
            continue;
        };
        let (text, continues) = match piece.strip_suffix('~') {
            Some(text) => (text, true),
            None => (piece, false),
        };
        if text.contains('~') {
            return None;
        }
        let bytes = percent_encoding::percent_decode_str(text);
        let text = bytes.decode_utf8().ok()?;
        match decoded.last_mut() {
            Some(last) if goes_on => last.push_str(&text),
            _ => decoded.push(text.into_owned()),
        }
        goes_on = continues;
    }
    (!goes_on).then(|| decoded.join("/"))
}
