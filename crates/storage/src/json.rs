//! JSON that is the same bytes for the same value.

use bytes::Bytes;
use serde::Serialize;

/// Serialises with sorted keys, two spaces of indent and a newline at the end.
///
/// # Errors
/// What serde_json refuses: maps whose keys are not text or numbers, or a failing `Serialize`.
pub fn to_canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, serde_json::Error> {
    let mut tree = serde_json::to_value(value)?;
    // Without serde_json's `preserve_order` they are sorted anyway; another crate may switch it on.
    tree.sort_all_objects();
    let mut text = serde_json::to_vec_pretty(&tree)?;
    text.push(b'\n');
    Ok(Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Unsorted {
        zebra: u32,
        ape: Vec<u32>,
    }

    #[test]
    fn keys_are_sorted_and_the_text_ends_in_a_newline() {
        let text = to_canonical_json(&Unsorted {
            zebra: 1,
            ape: vec![2],
        })
        .unwrap();
        assert_eq!(
            &text[..],
            b"{\n  \"ape\": [\n    2\n  ],\n  \"zebra\": 1\n}\n"
        );
    }
}
