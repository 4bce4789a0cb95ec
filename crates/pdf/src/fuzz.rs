//! What the fuzz targets of this crate share: real input with some places written over.
//!
//! `cargo test` runs each target for about a second on the stable toolchain; with
//! `BOLERO_RANDOM_TEST_TIME_MS=600000` it runs for ten minutes. A failure prints the seed that repeats it.

use bolero::TypeGenerator;

/// Most edits of one input, and most bytes of one edit.
const MOST_EDITS: usize = 6;
const MOST_BYTES: usize = 24;

/// A place that is written over.
#[derive(Debug, Clone, TypeGenerator)]
pub(crate) struct Edit {
    at: u16,
    cut: u8,
    insert: Insert,
}

/// What is put there: bytes, or what parsers stumble over.
#[derive(Debug, Clone, TypeGenerator)]
enum Insert {
    Bytes(Vec<u8>),
    Digit(u8),
    Word(u8),
    Again { from: u16, length: u8 },
}

/// Numbers at the edge, and the words of JSON and PDF.
const WORDS: &[&str] = &[
    "-1",
    "0",
    "2147483647",
    "4294967296",
    "18446744073709551615",
    "1e400",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "[[[[[[[[",
    "\"\"",
    "<<",
    ">>",
    " R",
    "1 0 R",
    "2 0 R",
    "3 0 R",
    "obj",
    "endobj",
    "stream",
    "/Kids",
    "/Count",
    "/Parent",
    "/Annots",
    "/A",
    "/S/URI",
    "/Dest",
    "(\\377\\376\\330)",
];

/// The input with these edits.
pub(crate) fn damaged(real: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = real.to_vec();
    for edit in edits.iter().take(MOST_EDITS) {
        let start = usize::from(edit.at) % (bytes.len() + 1);
        let end = (start + usize::from(edit.cut) % MOST_BYTES).min(bytes.len());
        let insert = match &edit.insert {
            Insert::Bytes(given) => given[..given.len().min(MOST_BYTES)].to_vec(),
            Insert::Digit(digit) => vec![b'0' + digit % 10],
            Insert::Word(index) => WORDS[usize::from(*index) % WORDS.len()].into(),
            Insert::Again { from, length } => {
                let from = usize::from(*from) % (bytes.len() + 1);
                let to = (from + usize::from(*length)).min(bytes.len());
                bytes[from..to].to_vec()
            }
        };
        bytes.splice(start..end, insert);
    }
    bytes
}
