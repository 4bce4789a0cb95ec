//! What the objects of a file say of a page: is it one opaque JPEG over the whole of it, and nothing else?

use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Object, Stream};

use super::Scan;
use crate::inspect::objects::Objects;
use crate::inspect::page_tree::Geometry;

/// Most bytes of a page's content that are looked at. A scanner's page is a line; with hidden text it is some kilobytes.
const MAX_CONTENT_BYTES: usize = 256 << 10;

/// Deepest nesting of saved states.
const MAX_DEPTH: usize = 64;

/// Pictures and forms of a page that are looked at: a scanner's page has one, or a few that pages share.
const MAX_PICTURES: usize = 64;

/// Points by which the picture may miss the page's edge: half a pixel at 150 dpi.
const EDGE_SLACK: f64 = 0.25;

/// Text rendering mode of text that is not drawn (ISO 32000-2 table 104).
const INVISIBLE: i64 = 3;

/// Where the sRGB profile names itself, and its length. PDFium draws colours under this profile as they are.
const SRGB_NAME_AT: usize = 400;
const SRGB_NAME: &[u8] = b"sRGB IEC61966-2.1";
const SRGB_PROFILE_BYTES: usize = 3144;

/// The picture that a page is, if it is nothing else.
pub(crate) fn find(objects: Objects<'_>, page: &Dictionary, geometry: Geometry) -> Option<Scan> {
    if geometry.is_turned() || geometry.user_unit() != 1.0 || draws_annotations(objects, page) {
        return None;
    }
    let resources = objects.inherited(page, b"Resources")?;
    let mut reader = Reader {
        objects,
        resources,
        page_box: geometry.shown().map(f64::from),
        state: State::default(),
        saved: Vec::new(),
        path: Path::default(),
        scan: None,
    };
    // Most pages have no such picture; their content need not be read.
    if !reader.has_picture() {
        return None;
    }
    let content = objects.page_content(page, MAX_CONTENT_BYTES)?;
    let operations = Content::decode_strict(&content).ok()?.operations;
    for operation in &operations {
        reader.step(operation)?;
    }
    reader.scan
}

/// Whether any annotation may be drawn: all but links without an appearance.
fn draws_annotations(objects: Objects<'_>, page: &Dictionary) -> bool {
    if !page.has(b"Annots") {
        return false;
    }
    let Some(annotations) = objects.array(page, b"Annots") else {
        return true;
    };
    annotations.iter().any(|annotation| {
        objects.as_dictionary(annotation).is_none_or(|annotation| {
            objects.name(annotation, b"Subtype") != Some(b"Link") || annotation.has(b"AP")
        })
    })
}

/// What `q` saves.
#[derive(Debug, Clone, Copy)]
struct State {
    /// From the units of the content to those of the page.
    matrix: [f64; 6],
    text_is_invisible: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            matrix: [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            text_is_invisible: false,
        }
    }
}

/// A path that is being built: nothing, one rectangle, or something else.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Path {
    rectangle: Option<[f64; 4]>,
    clips: bool,
}

struct Reader<'a> {
    objects: Objects<'a>,
    resources: &'a Dictionary,
    /// Left, bottom, right, top.
    page_box: [f64; 4],
    state: State,
    saved: Vec<State>,
    path: Path,
    scan: Option<Scan>,
}

impl Reader<'_> {
    /// Follows one operator. None when the page may be more than a picture.
    fn step(&mut self, operation: &Operation) -> Option<()> {
        let operands = &operation.operands;
        match operation.operator.as_str() {
            "q" if self.saved.len() < MAX_DEPTH => self.saved.push(self.state),
            "Q" => self.state = self.saved.pop()?,
            "cm" => self.state.matrix = multiplied(numbers(operands)?, self.state.matrix),
            "gs" => self.changes_nothing(operands)?,
            "Do" => self.draw(operands)?,
            "re" if self.path.rectangle.is_none() => {
                let [x, y, width, height] = numbers(operands)?;
                self.path.rectangle =
                    Some(placed([x, y, x + width, y + height], self.state.matrix)?);
            }
            "W" | "W*" => self.path.clips = true,
            "n" => self.end_path()?,
            "Tr" => {
                self.state.text_is_invisible = operands.first()?.as_i64().ok()? == INVISIBLE;
            }
            "Tf" => self.is_ordinary_font(operands)?,
            "Tj" | "TJ" | "'" | "\"" => self.state.text_is_invisible.then_some(())?,
            "BDC" if operands.first()?.as_name().ok()? == b"OC" => return None,
            // Text state and position, marked content, colours and pens: an opaque picture shows none of them.
            "BT" | "ET" | "Td" | "TD" | "Tm" | "T*" | "Tc" | "Tw" | "Tz" | "TL" | "Ts" | "BMC"
            | "BDC" | "EMC" | "MP" | "DP" | "g" | "G" | "rg" | "RG" | "k" | "K" | "cs" | "CS"
            | "sc" | "SC" | "scn" | "SCN" | "ri" | "i" | "w" | "J" | "j" | "M" | "d" => {}
            _ => return None,
        }
        Some(())
    }

    /// A clip that the page lies within is none.
    fn end_path(&mut self) -> Option<()> {
        let path = std::mem::take(&mut self.path);
        if !path.clips {
            return Some(());
        }
        covers(path.rectangle?, self.page_box).then_some(())
    }

    /// Whether a graphics state parameter dictionary leaves a picture as it is.
    fn changes_nothing(&self, operands: &[Object]) -> Option<()> {
        let name = operands.first()?.as_name().ok()?;
        let states = self.objects.dictionary(self.resources, b"ExtGState")?;
        let state = self.objects.dictionary(states, name)?;
        let is_harmless = state.iter().all(|(key, value)| {
            let value = self.objects.resolve(value).map(|(_, value)| value);
            match key.as_slice() {
                b"Type" | b"SA" | b"OP" | b"op" | b"OPM" | b"LW" | b"LC" | b"LJ" | b"ML" | b"FL"
                | b"RI" => true,
                b"CA" | b"ca" => value.and_then(number).is_some_and(|alpha| alpha == 1.0),
                b"AIS" => matches!(value, Some(Object::Boolean(false))),
                b"BM" => matches!(value, Some(Object::Name(mode)) if mode == b"Normal" || mode == b"Compatible"),
                b"SMask" => matches!(value, Some(Object::Name(mask)) if mask == b"None"),
                _ => false,
            }
        });
        is_harmless.then_some(())
    }

    /// The glyphs of a Type 3 font are drawn whatever the text's mode is.
    fn is_ordinary_font(&self, operands: &[Object]) -> Option<()> {
        let name = operands.first()?.as_name().ok()?;
        let fonts = self.objects.dictionary(self.resources, b"Font")?;
        let font = self.objects.dictionary(fonts, name)?;
        (self.objects.name(font, b"Subtype")? != b"Type3").then_some(())
    }

    /// Whether there is any picture that a page could be.
    fn has_picture(&self) -> bool {
        let pictures = self.objects.dictionary(self.resources, b"XObject");
        pictures.is_some_and(|pictures| {
            pictures.iter().take(MAX_PICTURES).any(|(_, object)| {
                let stream = self.objects.resolve(object);
                let stream = stream.and_then(|(_, object)| object.as_stream().ok());
                stream.is_some_and(|stream| self.picture(stream).is_some())
            })
        })
    }

    fn draw(&mut self, operands: &[Object]) -> Option<()> {
        if self.scan.is_some() {
            return None;
        }
        let name = operands.first()?.as_name().ok()?;
        let pictures = self.objects.dictionary(self.resources, b"XObject")?;
        let (_, picture) = self.objects.resolve(pictures.get(name).ok()?)?;
        let scan = self.picture(picture.as_stream().ok()?)?;
        // A picture fills the unit square (ISO 32000-2 section 8.9.5.1), its first row on top.
        let [a, b, c, d, x, y] = self.state.matrix;
        if b != 0.0 || c != 0.0 || a <= 0.0 || d <= 0.0 {
            return None;
        }
        let area = [x, y, x + a, y + d];
        let is_whole_page = area
            .iter()
            .zip(self.page_box)
            .all(|(edge, of_page)| (edge - of_page).abs() <= EDGE_SLACK);
        if !is_whole_page {
            return None;
        }
        self.scan = Some(scan);
        Some(())
    }

    /// A picture that is a JPEG and nothing else: no mask, no colours turned about.
    fn picture(&self, stream: &Stream) -> Option<Scan> {
        let (objects, dictionary) = (self.objects, &stream.dict);
        let is_plain = dictionary.iter().all(|(key, _)| {
            matches!(
                key.as_slice(),
                b"Type"
                    | b"Subtype"
                    | b"Name"
                    | b"Width"
                    | b"Height"
                    | b"BitsPerComponent"
                    | b"ColorSpace"
                    | b"Filter"
                    | b"Length"
                    | b"Interpolate"
                    | b"Intent"
                    | b"Metadata"
                    | b"StructParent"
            )
        });
        let filters = stream.filters().ok()?;
        if !is_plain
            || objects.name(dictionary, b"Subtype")? != b"Image"
            || objects.integer(dictionary, b"BitsPerComponent")? != 8
            || filters != [b"DCTDecode".as_slice()]
        {
            return None;
        }
        let pixels = |key: &[u8]| {
            let count = objects.integer(dictionary, key)?;
            u32::try_from(count).ok().filter(|count| *count > 0)
        };
        Some(Scan {
            width: pixels(b"Width")?,
            height: pixels(b"Height")?,
            grey: self.is_grey(objects.get(dictionary, b"ColorSpace")?)?,
        })
    }

    /// Whether a colour space has one channel; none when its colours are not those of the JPEG as it is.
    fn is_grey(&self, space: &Object) -> Option<bool> {
        let spaces = self.objects.dictionary(self.resources, b"ColorSpace");
        let is_redefined = |key: &[u8]| spaces.is_some_and(|spaces| spaces.has(key));
        match space {
            Object::Name(name) if name == b"DeviceGray" && !is_redefined(b"DefaultGray") => {
                Some(true)
            }
            Object::Name(name) if name == b"DeviceRGB" && !is_redefined(b"DefaultRGB") => {
                Some(false)
            }
            Object::Array(parts) if parts.len() == 2 => {
                let kind = self.objects.resolve(parts.first()?)?.1.as_name().ok()?;
                let profile = self.objects.resolve(parts.get(1)?)?.1.as_stream().ok()?;
                let bytes = self.objects.content(parts.get(1)?, MAX_CONTENT_BYTES)?;
                let is_srgb = kind == b"ICCBased"
                    && self.objects.integer(&profile.dict, b"N") == Some(3)
                    && bytes.len() == SRGB_PROFILE_BYTES
                    && bytes.get(SRGB_NAME_AT..)?.starts_with(SRGB_NAME);
                is_srgb.then_some(false)
            }
            _ => None,
        }
    }
}

/// Whether the first rectangle covers the second, but for the slack.
fn covers(outer: [f64; 4], inner: [f64; 4]) -> bool {
    outer[0] <= inner[0] + EDGE_SLACK
        && outer[1] <= inner[1] + EDGE_SLACK
        && outer[2] >= inner[2] - EDGE_SLACK
        && outer[3] >= inner[3] - EDGE_SLACK
}

/// A rectangle on the page, normalised; none when it is turned.
fn placed(rectangle: [f64; 4], matrix: [f64; 6]) -> Option<[f64; 4]> {
    let [a, b, c, d, x, y] = matrix;
    if b != 0.0 || c != 0.0 {
        return None;
    }
    let [x0, y0, x1, y1] = rectangle;
    let (left, right) = (a * x0 + x, a * x1 + x);
    let (bottom, top) = (d * y0 + y, d * y1 + y);
    Some([
        left.min(right),
        bottom.min(top),
        left.max(right),
        bottom.max(top),
    ])
}

/// `first`, then `second` (ISO 32000-2 section 8.3.4).
fn multiplied(first: [f64; 6], second: [f64; 6]) -> [f64; 6] {
    let [a, b, c, d, x, y] = first;
    let [e, f, g, h, u, v] = second;
    [
        a * e + b * g,
        a * f + b * h,
        c * e + d * g,
        c * f + d * h,
        x * e + y * g + u,
        x * f + y * h + v,
    ]
}

fn number(object: &Object) -> Option<f64> {
    object.as_float().ok().map(f64::from)
}

/// Exactly `COUNT` finite numbers.
fn numbers<const COUNT: usize>(operands: &[Object]) -> Option<[f64; COUNT]> {
    let numbers: Vec<f64> = operands
        .iter()
        .filter_map(number)
        .filter(|number| number.is_finite())
        .collect();
    if numbers.len() != operands.len() {
        return None;
    }
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests;
