//! Name trees and number trees (ISO 32000-2 sections 7.9.6 and 7.9.7).

use std::collections::HashSet;

use lopdf::{Dictionary, Object};

use super::objects::{Objects, identity};

/// Entries that are read of one tree at most.
const MAX_ENTRIES: usize = 200_000;

/// Kids that are looked at in one tree at most: nodes can share one long array of kids.
const MAX_VISITS: usize = 1_000_000;

/// The pairs of key and value of a tree in the order of the file. `leaf_key` is `Names` or `Nums`. The limits are
/// not searched for: every node is read once, so a tree out of order loses nothing and a circle ends.
pub(crate) fn entries<'a>(
    objects: Objects<'a>,
    root: &'a Dictionary,
    leaf_key: &[u8],
) -> Vec<(&'a Object, &'a Object)> {
    let mut pairs = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting = vec![root];
    let mut visits = 0_usize;
    while let Some(node) = waiting.pop() {
        if !seen.insert(identity(node)) {
            continue;
        }
        if let Some(leaves) = objects.array(node, leaf_key) {
            for pair in leaves.as_chunks::<2>().0 {
                if pairs.len() >= MAX_ENTRIES {
                    return pairs;
                }
                if let (Some((_, key)), Some(_)) =
                    (objects.resolve(&pair[0]), objects.resolve(&pair[1]))
                {
                    pairs.push((key, &pair[1]));
                }
            }
        }
        if let Some(kids) = objects.array(node, b"Kids") {
            visits = visits.saturating_add(kids.len());
            if visits > MAX_VISITS {
                return pairs;
            }
            waiting.extend(
                kids.iter()
                    .rev()
                    .filter_map(|kid| objects.as_dictionary(kid)),
            );
        }
    }
    pairs
}
