//! The outline in the file (ISO 32000-2 section 12.3.3).

use std::collections::HashSet;

use lopdf::Dictionary;

use crate::inspect::objects::{Objects, identity};
use crate::inspect::text_string;
use crate::link::annotations::targets;
use crate::link::classify;
use crate::link::destinations::Destinations;
use pagemill_document::{LinkTarget, OutlineItem, OutlineTarget, PageNumber};

/// Items and depth that are read at most, and characters of a title.
const MAX_ITEMS: usize = 50_000;
const MAX_DEPTH: usize = 64;
const MAX_TITLE: usize = 1_024;

/// Bytes of where the bookmarks go that are kept at most, pages of the document aside.
const MAX_TARGET_BYTES: usize = 2 << 20;

/// The outline, depth first. An item that was seen before ends its branch, so circles end.
pub(crate) fn read(objects: Objects<'_>, destinations: &Destinations) -> Vec<OutlineItem> {
    let first = objects
        .catalog()
        .and_then(|catalog| objects.dictionary(catalog, b"Outlines"))
        .and_then(|root| objects.dictionary(root, b"First"));
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    let mut bytes_left = MAX_TARGET_BYTES;
    // The next item of every level that is open; the last is the deepest.
    let mut levels: Vec<Option<&Dictionary>> = vec![first];
    while let Some(level) = levels.last_mut() {
        let Some(item) = level.take().filter(|item| seen.insert(identity(item))) else {
            levels.pop();
            continue;
        };
        if items.len() >= MAX_ITEMS {
            break;
        }
        *level = objects.dictionary(item, b"Next");
        let depth = levels.len();
        let link =
            link(objects, destinations, item).filter(|link| link.target.text_bytes() <= bytes_left);
        bytes_left -= link.as_ref().map_or(0, |link| link.target.text_bytes());
        items.push(OutlineItem {
            level: u8::try_from(depth).unwrap_or(u8::MAX),
            title: title(objects, item),
            page: page(objects, destinations, item),
            link,
        });
        if depth < MAX_DEPTH {
            levels.push(objects.dictionary(item, b"First"));
        }
    }
    items
}

fn title<'a>(objects: Objects<'a>, item: &'a Dictionary) -> String {
    let bytes = objects
        .get(item, b"Title")
        .and_then(|title| title.as_str().ok());
    bytes
        .map(|bytes| text_string::decode_clean(bytes, MAX_TITLE))
        .unwrap_or_default()
}

/// The page of the item's destination, or of its action when that goes to a place in this document.
fn page<'a>(
    objects: Objects<'a>,
    destinations: &Destinations,
    item: &'a Dictionary,
) -> Option<PageNumber> {
    if let Some(destination) = objects.get(item, b"Dest") {
        return destinations.resolve(objects, destination).page;
    }
    let action = objects.dictionary(item, b"A")?;
    if objects.name(action, b"S") != Some(b"GoTo") {
        return None;
    }
    destinations
        .resolve(objects, objects.get(action, b"D")?)
        .page
}

/// Where the item's action leads, or the first of those chained to it that leads to no page of this document.
fn link<'a>(
    objects: Objects<'a>,
    destinations: &Destinations,
    item: &'a Dictionary,
) -> Option<OutlineTarget> {
    if item.has(b"Dest") {
        return None;
    }
    let target = targets(objects, destinations, item)
        .into_iter()
        .find(|target| !matches!(target, LinkTarget::GoTo { .. }))?;
    Some(OutlineTarget {
        safety: classify(&target),
        target,
    })
}

#[cfg(test)]
mod tests;
