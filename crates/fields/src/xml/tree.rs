//! XML as a tree of local names, within bounds.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::MAX_BYTES;

const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 500_000;

/// Why XML can't be read as an invoice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// More of something than an invoice has.
    #[error("it has more {what} than the {allowed} that are read: it is no invoice")]
    OverLimit {
        /// Of what.
        what: &'static str,
        /// How many are read.
        allowed: usize,
    },
    /// Not XML.
    #[error("it is no well-formed XML at byte {at}: have its sender make it again")]
    Malformed {
        /// Where.
        at: u64,
    },
    /// XML of something else.
    #[error(
        "its root element is {root}, which is no invoice: CrossIndustryInvoice, CrossIndustryDocument, Invoice and CreditNote are"
    )]
    NoInvoice {
        /// The root's name.
        root: String,
    },
    /// A part that every invoice has is missing.
    #[error("its element {element} is missing: have its sender make it again")]
    Missing {
        /// Which.
        element: &'static str,
    },
}

/// An element, by its local name.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The children of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at a path of names parted by slashes.
    pub(super) fn at(&self, path: &str) -> Option<&Element> {
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        let mut children = self.children.iter().filter(|child| child.name == first);
        match rest {
            None => children.next(),
            Some(rest) => children.find_map(|child| child.at(rest)),
        }
    }

    /// The text there.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let found = self.at(path)?.text.trim();
        (!found.is_empty()).then(|| found.to_owned())
    }

    /// Its own text.
    pub(super) fn own_text(&self) -> String {
        self.text.trim().to_owned()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Element, XmlError> {
    if bytes.len() > MAX_BYTES {
        return Err(XmlError::OverLimit {
            what: "bytes",
            allowed: MAX_BYTES,
        });
    }
    let text = decode(bytes);
    let mut reader = Reader::from_str(&text);
    let mut open: Vec<Element> = Vec::new();
    let mut elements = 0;
    loop {
        let malformed = |reader: &Reader<&[u8]>| XmlError::Malformed {
            at: reader.buffer_position(),
        };
        let event = reader.read_event().map_err(|_| malformed(&reader))?;
        let closed = match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= MAX_DEPTH {
                    return Err(XmlError::OverLimit {
                        what: "levels of elements",
                        allowed: MAX_DEPTH,
                    });
                }
                open.push(element(&start));
                None
            }
            Event::Empty(start) => {
                elements += 1;
                Some(element(&start))
            }
            Event::End(_) => open.pop(),
            Event::Text(text) => {
                let content = text.xml_content(XmlVersion::Implicit1_0);
                add_text(&mut open, &content.unwrap_or_default());
                None
            }
            Event::CData(data) => {
                add_text(&mut open, &data.decode().unwrap_or_default());
                None
            }
            Event::GeneralRef(reference) => {
                add_text(&mut open, &character(&reference));
                None
            }
            Event::Eof => return Err(malformed(&reader)),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => None,
        };
        if elements > MAX_ELEMENTS {
            return Err(XmlError::OverLimit {
                what: "elements",
                allowed: MAX_ELEMENTS,
            });
        }
        if let Some(closed) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None => return Ok(closed),
            }
        }
    }
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let attributes = start.attributes().flatten();
    let attributes = attributes.map(|attribute| {
        let value = String::from_utf8_lossy(&attribute.value).into_owned();
        (name(attribute.key.local_name().as_ref()), value)
    });
    Element {
        name: name(start.local_name().as_ref()),
        attributes: attributes.collect(),
        ..Element::default()
    }
}

/// The five entities of XML and character references; nothing a document type declares is ever expanded.
fn character(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name = reference.decode().unwrap_or_default();
    let known = quick_xml::escape::resolve_predefined_entity(&name);
    known.unwrap_or_default().to_owned()
}

/// UTF-8; UTF-16 by its mark; and Latin-1 where it says so and is no UTF-8.
fn decode(bytes: &[u8]) -> String {
    let units = |pair: fn([u8; 2]) -> u16| -> String {
        let units = bytes[2..].chunks_exact(2);
        let units = units.map(|unit| pair([unit[0], unit[1]]));
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    match bytes {
        [0xFE, 0xFF, ..] => return units(u16::from_be_bytes),
        [0xFF, 0xFE, ..] => return units(u16::from_le_bytes),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
