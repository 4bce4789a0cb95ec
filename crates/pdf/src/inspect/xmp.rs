//! The XMP packet (ISO 16684-1) of a document, read for its plain properties.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::text_string;

/// Bytes of a packet that are read at most; real ones have tens of kilobytes.
pub(super) const MAX_PACKET_BYTES: usize = 4 << 20;

/// Properties, list items of a property, and nesting, that are read at most.
const MAX_PROPERTIES: usize = 300;
const MAX_ITEMS: usize = 200;
const MAX_DEPTH: usize = 64;

/// Characters of a value that are kept at most.
const MAX_VALUE: usize = 16 * 1024;

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// Namespaces and the prefix that their properties get here, whatever prefix the packet uses.
const NAMESPACES: [(&str, &str); 19] = [
    ("http://purl.org/dc/elements/1.1/", "dc"),
    ("http://purl.org/dc/terms/", "dcterms"),
    ("http://ns.adobe.com/pdf/1.3/", "pdf"),
    ("http://ns.adobe.com/pdfx/1.3/", "pdfx"),
    ("http://ns.adobe.com/xap/1.0/", "xmp"),
    ("http://ns.adobe.com/xap/1.0/mm/", "xmpMM"),
    ("http://ns.adobe.com/xap/1.0/rights/", "xmpRights"),
    ("http://ns.adobe.com/xap/1.0/t/pg/", "xmpTPg"),
    ("http://ns.adobe.com/photoshop/1.0/", "photoshop"),
    ("http://www.aiim.org/pdfa/ns/id/", "pdfaid"),
    ("http://www.aiim.org/pdfua/ns/id/", "pdfuaid"),
    ("http://www.npes.org/pdfx/ns/id/", "pdfxid"),
    ("http://prismstandard.org/namespaces/basic/2.0/", "prism"),
    ("http://prismstandard.org/namespaces/basic/2.1/", "prism"),
    ("http://crossref.org/crossmark/1.0/", "crossmark"),
    ("urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#", "fx"),
    ("urn:zugferd:pdfa:CrossIndustryDocument:invoice:2p0#", "zf"),
    ("urn:zugferd:pdfa:CrossIndustryDocument:invoice:1p0#", "zf"),
    ("urn:ferd:pdfa:CrossIndustryDocument:invoice:1p0#", "zf"),
];

/// The plain properties of a packet: text, and lists joined by `; ` (of a language alternative the default one).
/// Properties with a structure are left out, and so are namespaces that are not listed above.
/// What comes before a syntax error counts.
pub(super) fn read(packet: &[u8]) -> BTreeMap<String, String> {
    let text = decode(packet);
    let mut collector = Collector::default();
    let mut reader = NsReader::from_str(&text);
    reader.config_mut().check_end_names = false;
    while let Ok((namespace, event)) = reader.read_resolved_event() {
        match event {
            Event::Start(start) => {
                let name = qualified(&namespace, start.local_name().as_ref());
                let attributes = attributes(&reader, &start);
                if !collector.open(name, attributes) {
                    break;
                }
            }
            Event::Empty(start) => {
                let name = qualified(&namespace, start.local_name().as_ref());
                let attributes = attributes(&reader, &start);
                if !collector.open(name, attributes) {
                    break;
                }
                collector.close();
            }
            Event::Text(text) => collector.text(
                &text
                    .xml_content(XmlVersion::Implicit1_0)
                    .unwrap_or_default(),
            ),
            Event::CData(data) => collector.text(&data.decode().unwrap_or_default()),
            Event::GeneralRef(reference) => collector.text(&character(&reference)),
            Event::End(_) => collector.close(),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    collector.properties
}

/// A packet is UTF-8, or UTF-16 with a byte order mark.
fn decode(packet: &[u8]) -> String {
    match packet {
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => text_string::decode(packet),
        _ => String::from_utf8_lossy(packet).into_owned(),
    }
}

/// The five entities of XML and character references; nothing a document type declares is ever expanded.
fn character(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name = reference.decode().unwrap_or_default();
    quick_xml::escape::resolve_predefined_entity(&name)
        .unwrap_or_default()
        .to_owned()
}

/// What an element is to this reader.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Rdf(String),
    /// A property, by its name here.
    Property(String),
    Other,
}

fn qualified(namespace: &ResolveResult<'_>, local_name: &[u8]) -> Name {
    let ResolveResult::Bound(bound) = namespace else {
        return Name::Other;
    };
    let local = text_string::clean(&String::from_utf8_lossy(local_name), 128);
    if bound.as_ref() == RDF.as_bytes() {
        return Name::Rdf(local);
    }
    NAMESPACES
        .iter()
        .find(|(uri, _)| bound.as_ref() == uri.as_bytes())
        .map_or(Name::Other, |(_, prefix)| {
            Name::Property(format!("{prefix}:{local}"))
        })
}

/// The attributes that are properties (the short form of RDF), and the language.
fn attributes(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Vec<(Name, String)> {
    let mut found = Vec::new();
    for attribute in start
        .attributes()
        .with_checks(false)
        .flatten()
        .take(MAX_PROPERTIES)
    {
        let (namespace, local_name) = reader.resolver().resolve_attribute(attribute.key);
        let name = if attribute.key.as_ref() == b"xml:lang" {
            Name::Rdf("lang".to_owned())
        } else {
            qualified(&namespace, local_name.as_ref())
        };
        let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else {
            continue;
        };
        found.push((name, text_string::clean(&value, MAX_VALUE)));
    }
    found
}

/// A property being read.
#[derive(Debug, Default)]
struct Open {
    name: String,
    depth: usize,
    text: String,
    items: Vec<String>,
    /// Whether it is a language alternative, and whether its default was met.
    is_alternative: bool,
    has_default: bool,
    /// Whether it holds properties of its own.
    is_structure: bool,
}

/// Collects the properties of the packet's `rdf:Description` elements.
#[derive(Debug, Default)]
struct Collector {
    properties: BTreeMap<String, String>,
    path: Vec<Name>,
    open: Option<Open>,
    /// Depth of the list item being read, its text, and whether it is the default language.
    item: Option<(usize, String, bool)>,
}

impl Collector {
    /// An element begins; `false` when the packet is nested too deeply to go on.
    fn open(&mut self, name: Name, attributes: Vec<(Name, String)>) -> bool {
        if self.path.len() >= MAX_DEPTH {
            return false;
        }
        let is_description = name == Name::Rdf("Description".to_owned());
        let is_inside_description = self.path.last() == Some(&Name::Rdf("Description".to_owned()));
        self.path.push(name.clone());
        let depth = self.path.len();
        if let Some(open) = self.open.as_mut() {
            match &name {
                Name::Rdf(container) if container == "Alt" => open.is_alternative = true,
                Name::Rdf(container) if container == "li" => {
                    let is_default = attributes.iter().any(|(key, value)| {
                        *key == Name::Rdf("lang".to_owned()) && value == "x-default"
                    });
                    open.is_structure |= attributes
                        .iter()
                        .any(|(key, _)| matches!(key, Name::Property(_)));
                    self.item = Some((depth, String::new(), is_default));
                }
                Name::Rdf(container) if matches!(container.as_str(), "Bag" | "Seq") => {}
                Name::Rdf(_) | Name::Property(_) | Name::Other => open.is_structure = true,
            }
            return true;
        }
        if is_description {
            for (key, value) in attributes {
                if let Name::Property(property) = key {
                    self.keep(property, value);
                }
            }
            return true;
        }
        if let (true, Name::Property(property)) = (is_inside_description, name) {
            self.open = Some(Open {
                name: property,
                depth,
                ..Open::default()
            });
        }
        true
    }

    fn text(&mut self, text: &str) {
        let target = match (&mut self.item, &mut self.open) {
            (Some((_, item, _)), _) => item,
            (None, Some(open)) => &mut open.text,
            (None, None) => return,
        };
        if target.len() < MAX_VALUE * 4 {
            target.push_str(text);
        }
    }

    fn close(&mut self) {
        let depth = self.path.len();
        self.path.pop();
        let Some(open) = self.open.as_mut() else {
            return;
        };
        if let Some((_, text, is_default)) =
            self.item.take_if(|(item_depth, ..)| *item_depth == depth)
        {
            let value = text_string::clean(&text, MAX_VALUE);
            if open.is_alternative {
                if is_default || !open.has_default && open.items.is_empty() {
                    open.items = vec![value];
                }
                open.has_default |= is_default;
            } else if !value.is_empty() && open.items.len() < MAX_ITEMS {
                open.items.push(value);
            }
        }
        if let Some(done) = self.open.take_if(|property| property.depth == depth) {
            let value = if done.items.is_empty() {
                done.text
            } else {
                done.items.join("; ")
            };
            if !done.is_structure {
                self.keep(done.name, text_string::clean(&value, MAX_VALUE));
            }
        }
    }

    fn keep(&mut self, name: String, value: String) {
        if !value.is_empty() && self.properties.len() < MAX_PROPERTIES {
            self.properties.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn packet(body: &str) -> String {
        format!(
            "<?xpacket begin='\u{FEFF}' id='W5M0MpCehiHzreSzNTczkc9d'?>\
             <x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' \
             xmlns:d='http://purl.org/dc/elements/1.1/' xmlns:pdf='http://ns.adobe.com/pdf/1.3/' \
             xmlns:xap='http://ns.adobe.com/xap/1.0/' xmlns:dc='http://example.com/not-dublin-core'>{body}</r:RDF>\
             </x:xmpmeta><?xpacket end='w'?>"
        )
    }

    #[test]
    fn elements_attributes_and_lists_are_read_by_namespace() {
        let text = packet(
            "<r:Description r:about='' pdf:Producer='Maker &amp; Co' xap:CreateDate='2020-01-02T03:04:05Z'>\
             <d:title><r:Alt><r:li xml:lang='de'>Titel</r:li><r:li xml:lang='x-default'>A &lt;title&gt; &#228;</r:li></r:Alt></d:title>\
             <d:creator><r:Seq><r:li>First One</r:li><r:li>Second</r:li></r:Seq></d:creator>\
             <pdf:Keywords>a, b</pdf:Keywords><dc:title>not this</dc:title></r:Description>",
        );
        let properties = read(text.as_bytes());
        assert_eq!(properties["dc:title"], "A <title> ä");
        assert_eq!(properties["dc:creator"], "First One; Second");
        assert_eq!(properties["pdf:Producer"], "Maker & Co");
        assert_eq!(properties["pdf:Keywords"], "a, b");
        assert_eq!(properties["xmp:CreateDate"], "2020-01-02T03:04:05Z");
        assert_eq!(properties.len(), 5);
    }

    #[test]
    fn a_packet_in_utf_16_is_read() {
        let text = packet("<r:Description><pdf:Producer>Größe</pdf:Producer></r:Description>");
        let mut bytes = vec![0xFE, 0xFF];
        bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        assert_eq!(read(&bytes)["pdf:Producer"], "Größe");
    }

    #[test]
    fn hostile_packets_end() {
        let laughs = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>".to_owned()
            + &packet("<r:Description><pdf:Producer>&b;!</pdf:Producer></r:Description>");
        assert_eq!(
            read(laughs.as_bytes())
                .get("pdf:Producer")
                .map(String::as_str),
            Some("!")
        );
        let deep = packet(&"<r:Description>".repeat(100_000));
        assert!(read(deep.as_bytes()).is_empty());
        let cut = packet("<r:Description><pdf:Producer>ok</pdf:Producer><pdf:Keywords>never");
        assert_eq!(
            read(cut.split("never").next().unwrap().as_bytes())["pdf:Producer"],
            "ok"
        );
        assert!(read(b"\xFF\xFE\x00\xD8").is_empty());
        assert!(read(b"").is_empty());
    }

    #[test]
    fn structures_do_not_leak_into_text() {
        let text = packet(
            "<r:Description xmlns:mm='http://ns.adobe.com/xap/1.0/mm/' xmlns:e='urn:e'><mm:History><r:Seq>\
             <r:li r:parseType='Resource'><e:action>saved</e:action></r:li></r:Seq></mm:History></r:Description>",
        );
        assert!(read(text.as_bytes()).is_empty());
    }
}
