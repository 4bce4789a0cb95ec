//! Text that annotations show: values of form fields and free text (ISO 32000-2 sections 12.5.6.6 and 12.7).
//!
//! It is no part of a page's content, so that whoever reads the content alone takes a form that was filled in for an
//! empty one.

use std::collections::HashSet;

use lopdf::{Dictionary, Object};
use serde::{Deserialize, Serialize};

use crate::inspect::layers::Layers;
use crate::inspect::objects::{Objects, identity};
use crate::inspect::page_tree::Geometry;
use crate::inspect::text_string;
use pagemill_document::{AnnotationSource, Rect};

/// Most texts of annotations of one page.
pub(crate) const MAX_TEXTS: usize = 10_000;

/// Most characters of one of them.
const MAX_CHARACTERS: usize = 20_000;

/// Most characters of a field's name.
const MAX_NAME: usize = 500;

/// Most nodes between a field and the root of its tree.
const MAX_ANCESTORS: usize = 32;

/// Field flags (ISO 32000-2 tables 229 and 231).
const MULTILINE: i64 = 1 << 12;
const PASSWORD: i64 = 1 << 13;
const PUSH_BUTTON: i64 = 1 << 16;

/// A text that an annotation shows, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnnotationText {
    pub(crate) source: AnnotationSource,
    /// The full name of the field.
    pub(crate) name: Option<String>,
    /// What it shows, lines parted by a newline.
    pub(crate) text: String,
    /// Where, on the page as seen.
    pub(crate) bbox: Rect,
    /// Its font's size in points, where it says so.
    pub(crate) size: Option<f32>,
    /// Whether it has room for several lines.
    pub(crate) is_multiline: bool,
}

/// The texts that annotations of a page show, in their order.
pub(crate) fn read<'a>(
    objects: Objects<'a>,
    layers: Layers<'a>,
    page: &'a Dictionary,
    geometry: Geometry,
) -> Vec<AnnotationText> {
    let annotations = objects.array(page, b"Annots").unwrap_or_default();
    annotations
        .iter()
        .filter_map(|annotation| objects.as_dictionary(annotation))
        .filter(|annotation| layers.show_annotation(annotation))
        .filter_map(|annotation| text_of(objects, annotation, geometry))
        .take(MAX_TEXTS)
        .collect()
}

fn text_of<'a>(
    objects: Objects<'a>,
    annotation: &'a Dictionary,
    geometry: Geometry,
) -> Option<AnnotationText> {
    let bbox = geometry.as_seen(objects.rectangle(annotation, b"Rect")?);
    let found = match objects.name(annotation, b"Subtype")? {
        b"Widget" => field(objects, annotation)?,
        b"FreeText" => free_text(objects, annotation)?,
        _ => return None,
    };
    (!found.text.trim().is_empty()).then_some(AnnotationText { bbox, ..found })
}

fn free_text<'a>(objects: Objects<'a>, annotation: &'a Dictionary) -> Option<AnnotationText> {
    let contents = objects.get(annotation, b"Contents")?.as_str().ok()?;
    Some(AnnotationText {
        source: AnnotationSource::FreeText,
        name: None,
        text: shown(contents),
        bbox: Rect::default(),
        size: size(objects.get(annotation, b"DA")),
        is_multiline: true,
    })
}

fn field<'a>(objects: Objects<'a>, widget: &'a Dictionary) -> Option<AnnotationText> {
    let path = path(objects, widget);
    let inherited = |key: &[u8]| path.iter().find_map(|node| objects.get(node, key));
    let flags = match inherited(b"Ff") {
        Some(Object::Integer(flags)) => *flags,
        _ => 0,
    };
    let text = match inherited(b"FT")?.as_name().ok()? {
        b"Tx" if flags & PASSWORD == 0 => value(objects, inherited(b"V")?)?,
        b"Ch" => choice(objects, inherited(b"V")?, inherited(b"Opt"))?,
        b"Btn" if flags & PUSH_BUTTON != 0 => {
            let look = objects.dictionary(widget, b"MK")?;
            shown(objects.get(look, b"CA")?.as_str().ok()?)
        }
        // A box or a circle that is ticked; what is not says nothing.
        b"Btn" => match objects.name(widget, b"AS") {
            Some(state) if state != b"Off" => "☒".to_owned(),
            _ => return None,
        },
        _ => return None,
    };
    let names: Vec<String> = path
        .iter()
        .rev()
        .filter_map(|node| objects.get(node, b"T")?.as_str().ok())
        .map(|name| text_string::decode_clean(name, MAX_NAME))
        .collect();
    let name = text_string::clean(&names.join("."), MAX_NAME);
    Some(AnnotationText {
        source: AnnotationSource::FormField,
        name: (!name.is_empty()).then_some(name),
        text,
        bbox: Rect::default(),
        size: size(inherited(b"DA")),
        is_multiline: flags & MULTILINE != 0,
    })
}

/// A widget and the fields above it, the nearest first.
fn path<'a>(objects: Objects<'a>, widget: &'a Dictionary) -> Vec<&'a Dictionary> {
    let mut path = vec![widget];
    let mut seen = HashSet::from([identity(widget)]);
    while let Some(parent) = path
        .last()
        .and_then(|node| objects.dictionary(node, b"Parent"))
    {
        if path.len() >= MAX_ANCESTORS || !seen.insert(identity(parent)) {
            break;
        }
        path.push(parent);
    }
    path
}

/// The text of a value: a string, a stream, or several strings.
fn value(objects: Objects<'_>, value: &Object) -> Option<String> {
    match objects.resolve(value)?.1 {
        Object::String(bytes, _) => Some(shown(bytes)),
        Object::Stream(_) => Some(shown(&objects.content(value, MAX_CHARACTERS * 4)?)),
        Object::Array(values) => {
            let texts = values.iter().filter_map(|value| {
                let bytes = objects.resolve(value)?.1.as_str().ok()?;
                Some(shown(bytes))
            });
            Some(texts.take(MAX_TEXTS).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

/// What a list shows: the names of its values, where it has other names for people than for machines.
fn choice(objects: Objects<'_>, chosen: &Object, options: Option<&Object>) -> Option<String> {
    let chosen = value(objects, chosen)?;
    let Some(Object::Array(options)) = options else {
        return Some(chosen);
    };
    let shown_as = |exported: &str| {
        options.iter().take(MAX_TEXTS).find_map(|option| {
            let Object::Array(pair) = objects.resolve(option)?.1 else {
                return None;
            };
            let of = |at: usize| objects.resolve(pair.get(at)?)?.1.as_str().ok().map(shown);
            (of(0)? == exported).then(|| of(1)).flatten()
        })
    };
    let lines = chosen
        .lines()
        .map(|line| shown_as(line).unwrap_or_else(|| line.to_owned()));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// A text string as it is shown: line ends of all kinds are lines.
fn shown(bytes: &[u8]) -> String {
    let most_bytes = MAX_CHARACTERS * 4 + 4;
    let text = text_string::decode(&bytes[..bytes.len().min(most_bytes)]);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = text
        .lines()
        .map(|line| text_string::clean(line, MAX_CHARACTERS));
    lines.collect::<Vec<_>>().join("\n")
}

/// The size in a default appearance such as `/Helv 12 Tf 0 g`; 0 stands for "as fits".
fn size(appearance: Option<&Object>) -> Option<f32> {
    let text = String::from_utf8_lossy(appearance?.as_str().ok()?).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Tf")?;
    let size: f32 = words.get(at.checked_sub(1)?)?.parse().ok()?;
    (size.is_finite() && size > 0.0 && size < 1_000.0).then_some(size)
}
