//! Links out of a page's annotations (ISO 32000-2 sections 12.5.6.5 and 12.6).

use std::collections::HashSet;

use lopdf::{Dictionary, Object};

use super::classify;
use super::destinations::{Destination, Destinations, resolve_remote};
use crate::inspect::active::file_specification;
use crate::inspect::objects::{Objects, identity};
use crate::inspect::page_tree::Geometry;
use crate::inspect::text_string;
use pagemill_document::{Link, LinkTarget, PageNumber, Rect};

/// Actions of one annotation that are followed along `/Next` at most.
const MAX_CHAIN: usize = 8;

/// Characters of a script, or another detail, that are kept at most.
const MAX_DETAIL: usize = 1_024;

/// Boxes of one link, and of all links of a page, that are kept at most.
const MAX_QUADS: usize = 256;
const MAX_QUADS_PER_PAGE: usize = 20_000;

/// Points by which a box may stand out of its link's rectangle before it is not believed.
const QUAD_SLACK: f32 = 2.0;

/// Bytes of a URI or a file name that are kept at most.
const MAX_TARGET_BYTES: usize = 64 * 1024;

/// The links of a page in the order of its annotations, at most `max`, and how many are left out over that.
/// Annotations that are broken, or lead nowhere, are no links. Chained actions are links of their own. What is over
/// the limit is counted without being read.
pub(crate) fn links<'a>(
    objects: Objects<'a>,
    destinations: &Destinations,
    page_dictionary: &'a Dictionary,
    page: PageNumber,
    geometry: Geometry,
    max: u32,
) -> (Vec<Link>, u32) {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let mut kept = Vec::new();
    let mut dropped = 0_u32;
    let mut quads_left = MAX_QUADS_PER_PAGE;
    let annotations = objects
        .array(page_dictionary, b"Annots")
        .unwrap_or_default();
    for annotation in annotations
        .iter()
        .filter_map(|annotation| objects.as_dictionary(annotation))
    {
        if objects.name(annotation, b"Subtype") != Some(b"Link") {
            continue;
        }
        if kept.len() >= max {
            let leads_somewhere = annotation.has(b"A") || annotation.has(b"Dest");
            dropped = dropped.saturating_add(u32::from(leads_somewhere));
            continue;
        }
        let rectangle = objects.rectangle(annotation, b"Rect");
        let seen = |rectangle| geometry.as_seen(rectangle);
        let bbox = rectangle.map_or(Rect::default(), seen);
        let quads: Vec<Rect> = rectangle
            .map(|rectangle| quads(objects, annotation, rectangle))
            .filter(|quads| quads.len() <= quads_left)
            .unwrap_or_default()
            .into_iter()
            .map(seen)
            .collect();
        for target in targets(objects, destinations, annotation) {
            if kept.len() >= max {
                dropped = dropped.saturating_add(1);
                continue;
            }
            quads_left = quads_left.saturating_sub(quads.len());
            kept.push(Link {
                page,
                safety: classify(&target),
                target,
                anchor: None,
                bbox,
                quads: quads.clone(),
            });
        }
    }
    (kept, dropped)
}

/// The boxes of a link's parts, as rectangles around their four corners. None when one of them lies outside the link's
/// own rectangle: then readers ignore all (ISO 32000-2 table 176).
fn quads<'a>(
    objects: Objects<'a>,
    annotation: &'a Dictionary,
    rectangle: [f32; 4],
) -> Vec<[f32; 4]> {
    let Some(numbers) = objects.array(annotation, b"QuadPoints") else {
        return Vec::new();
    };
    let number = |object| objects.resolve(object)?.1.as_float().ok();
    let mut quads = Vec::new();
    for corners in numbers.as_chunks::<8>().0.iter().take(MAX_QUADS) {
        let Some(corners) = corners.iter().map(number).collect::<Option<Vec<f32>>>() else {
            return Vec::new();
        };
        let mut quad = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for [x, y] in corners.as_chunks::<2>().0 {
            quad = [
                quad[0].min(*x),
                quad[1].min(*y),
                quad[2].max(*x),
                quad[3].max(*y),
            ];
        }
        let is_inside = quad[0] >= rectangle[0] - QUAD_SLACK
            && quad[1] >= rectangle[1] - QUAD_SLACK
            && quad[2] <= rectangle[2] + QUAD_SLACK
            && quad[3] <= rectangle[3] + QUAD_SLACK;
        if !is_inside {
            return Vec::new();
        }
        if quad[2] > quad[0] && quad[3] > quad[1] {
            quads.push(quad);
        }
    }
    quads
}

/// Where an annotation or a bookmark leads: its action and what is chained to it, or else its destination.
pub(crate) fn targets<'a>(
    objects: Objects<'a>,
    destinations: &Destinations,
    annotation: &'a Dictionary,
) -> Vec<LinkTarget> {
    let Some(first) = objects.dictionary(annotation, b"A") else {
        let destination = objects.get(annotation, b"Dest");
        return destination
            .map(|place| goto(destinations.resolve(objects, place)))
            .into_iter()
            .collect();
    };
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting = vec![first];
    while let Some(action) = waiting.pop() {
        if seen.len() >= MAX_CHAIN || !seen.insert(identity(action)) {
            continue;
        }
        found.extend(target(objects, destinations, action));
        match objects.get(action, b"Next") {
            Some(Object::Array(next)) => {
                let actions = next.iter().take(MAX_CHAIN).rev();
                waiting.extend(actions.filter_map(|action| objects.as_dictionary(action)));
            }
            Some(next) => waiting.extend(objects.as_dictionary(next)),
            None => {}
        }
    }
    found
}

fn goto(destination: Destination) -> LinkTarget {
    LinkTarget::GoTo {
        page: destination.page,
        name: destination.name,
    }
}

/// What one action does.
fn target<'a>(
    objects: Objects<'a>,
    destinations: &Destinations,
    action: &'a Dictionary,
) -> Option<LinkTarget> {
    let kind = objects.name(action, b"S").unwrap_or_default();
    let destination = objects.get(action, b"D");
    let file = || {
        objects
            .get(action, b"F")
            .and_then(|file| file_specification(objects, file))
            .map(cut)
    };
    let target = match kind {
        b"URI" => {
            let bytes = objects.get(action, b"URI")?.as_str().ok()?;
            let uri = cut(text_string::decode(bytes));
            if is_mailto(&uri) {
                LinkTarget::Mailto { uri }
            } else {
                LinkTarget::Uri { uri }
            }
        }
        // Without a destination it is still a link, one that leads nowhere.
        b"GoTo" => goto(destination.map_or(
            Destination {
                page: None,
                name: None,
            },
            |place| destinations.resolve(objects, place),
        )),
        b"GoToR" => {
            let place = destination.map(|place| resolve_remote(objects, place));
            let (page, name) = place.map_or((None, None), |place| (place.page, place.name));
            LinkTarget::GoToR {
                file: file().unwrap_or_default(),
                page,
                name,
            }
        }
        b"Launch" => LinkTarget::Launch {
            file: launched(objects, action).or_else(file).unwrap_or_default(),
        },
        b"JavaScript" => other(
            kind,
            action
                .get(b"JS")
                .ok()
                .and_then(|object| script(objects, object)),
        ),
        b"Named" => {
            let name = objects
                .name(action, b"N")
                .map(|name| String::from_utf8_lossy(name).into_owned());
            other(kind, name)
        }
        b"" => return None,
        _ => other(kind, file()),
    };
    Some(target)
}

fn other(kind: &[u8], detail: Option<String>) -> LinkTarget {
    LinkTarget::Other {
        action: text_string::clean(&String::from_utf8_lossy(kind), 64),
        detail: detail.map(|text| text_string::clean(&text, MAX_DETAIL)),
    }
}

/// The program and parameters of a launch action for Windows, one after the other.
fn launched<'a>(objects: Objects<'a>, action: &'a Dictionary) -> Option<String> {
    let windows = objects.dictionary(action, b"Win")?;
    let text = |key: &[u8]| {
        objects
            .get(windows, key)?
            .as_str()
            .ok()
            .map(text_string::decode)
    };
    let program = text(b"F")?;
    let command = match text(b"P") {
        Some(parameters) => format!("{program} {parameters}"),
        None => program,
    };
    Some(cut(command))
}

/// A script's beginning; it may be a string or a stream.
fn script(objects: Objects<'_>, object: &Object) -> Option<String> {
    match objects.resolve(object)?.1 {
        Object::String(bytes, _) => Some(text_string::decode_clean(bytes, MAX_DETAIL)),
        Object::Stream(_) => {
            let bytes = objects.content(object, MAX_TARGET_BYTES)?;
            Some(text_string::decode_clean(&bytes, MAX_DETAIL))
        }
        _ => None,
    }
}

fn is_mailto(uri: &str) -> bool {
    let start = uri.trim_start();
    start
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"))
}

/// Cuts at the end of a character.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TARGET_BYTES));
    text
}

#[cfg(test)]
mod tests;
