//! What stays of a file's objects while they are read.
//!
//! The loader would keep every object, at some kilobytes each. Most of them belong to fonts, pictures, tags and the look
//! of annotations, which nothing here reads: without them a document of thousands of pages fits into a child.

use lopdf::{Dictionary, Object, ObjectId, Stream};

use super::fonts::{IS_MISREAD, composed_name, is_misread, is_not_embedded, is_of_kind};

/// Streams longer than this are left in the file: what the loader keeps of one takes as much.
const MAX_COPIED_BYTES: usize = 1024;

/// What is read of a font, besides its encoding where that has names which only this program reads.
const OF_A_FONT: &[&[u8]] = &[b"Type", b"Subtype"];

/// What only the look of a link needs, or nobody.
const LOOK_OF_A_LINK: &[&[u8]] = &[
    b"Border",
    b"BS",
    b"C",
    b"H",
    b"M",
    b"NM",
    b"P",
    b"StructParent",
];

/// For the loader. It takes the answer itself for members of object streams, which are never streams, and only whether
/// there is one for everything else; that it changes in place.
pub(super) fn keep_what_is_read(id: ObjectId, object: &mut Object) -> Option<(ObjectId, Object)> {
    match &mut *object {
        Object::Stream(stream) => return keep_stream(stream).then_some((id, Object::Null)),
        Object::Dictionary(dictionary) => {
            if dictionary.has_type(b"Font") {
                keep_font(dictionary);
            } else if dictionary.has_type(b"FontDescriptor") && is_not_embedded(dictionary) {
                retain(dictionary, |key| key == b"Type");
            } else if let Some(names) = composed_name(dictionary) {
                *dictionary = names;
            } else if is_look(dictionary) || is_tag(dictionary) {
                return None;
            } else if matches!(dictionary.get(b"Subtype"), Ok(Object::Name(kind)) if kind == b"Link")
            {
                retain(dictionary, |key| !LOOK_OF_A_LINK.contains(&key));
            }
        }
        Object::Array(items) if is_table_of_numbers(items) => return None,
        _ => {}
    }
    // A copy has no room to spare: of a dictionary as it was read, that is half.
    let copy = object.clone();
    Some((id, std::mem::replace(object, copy)))
}

/// Leaves in the file what may never be asked for.
fn keep_stream(stream: &mut Stream) -> bool {
    let is_of = |kind: &[u8]| stream.dict.has_type(kind);
    let subtype = match stream.dict.get(b"Subtype") {
        Ok(Object::Name(subtype)) => Some(subtype.as_slice()),
        _ => None,
    };
    if is_of(b"ObjStm") || is_of(b"XRef") || is_of(b"Metadata") || subtype == Some(b"XML") {
        return true;
    }
    // An embedded file's subtype is a media type; the type is optional (ISO 32000-2 table 44).
    if is_of(b"EmbeddedFile") || subtype.is_some_and(|subtype| subtype.contains(&b'/')) {
        return leave_in_file(stream);
    }
    // Programs of fonts, forms, patterns, shadings and functions.
    let others = [
        b"Subtype".as_slice(),
        b"Length1",
        b"PatternType",
        b"ShadingType",
        b"FunctionType",
    ];
    if subtype != Some(b"Image") && others.iter().any(|key| stream.dict.has(key)) {
        return false;
    }
    leave_in_file(stream)
}

/// Keeps a stream's dictionary; what it holds only where that is short.
fn leave_in_file(stream: &mut Stream) -> bool {
    stream.dict = stream.dict.clone();
    let bytes = stream.content.len();
    if bytes > MAX_COPIED_BYTES {
        // What the file says may be wrong; the loader has found the end.
        stream
            .dict
            .set("Length", i64::try_from(bytes).unwrap_or(i64::MAX));
        // The loader fills a stream that is empty once more.
        stream.content.truncate(1);
        stream.content.shrink_to_fit();
    }
    true
}

/// The length of a stream that was left in the file.
pub(crate) fn bytes_left_in_file(stream: &Stream) -> Option<usize> {
    let Ok(Object::Integer(bytes)) = stream.dict.get(b"Length") else {
        return None;
    };
    let bytes = usize::try_from(*bytes).ok()?;
    (stream.content.len() == 1 && bytes > MAX_COPIED_BYTES).then_some(bytes)
}

fn retain(dictionary: &mut Dictionary, is_kept: impl Fn(&[u8]) -> bool) {
    let all = std::mem::take(dictionary);
    let kept = all.into_iter().filter(|(key, _)| is_kept(key));
    *dictionary = kept.collect();
}

fn keep_font(font: &mut Dictionary) {
    let is_misread = is_misread(font);
    let is_part = is_of_kind(font, &[b"CIDFontType0", b"CIDFontType2"]);
    let has_map = font.has(b"ToUnicode");
    let is_elsewhere = matches!(font.get(b"Encoding"), Ok(Object::Reference(_)));
    retain(font, |key| match key {
        b"FontDescriptor" | b"CIDSystemInfo" => is_part,
        b"Encoding" => is_elsewhere && !has_map,
        _ => OF_A_FONT.contains(&key),
    });
    font.set(IS_MISREAD, is_misread);
}

/// Whether a dictionary says how something looks: a part of a font, a pattern, a shading.
fn is_look(dictionary: &Dictionary) -> bool {
    dictionary.has_type(b"Encoding")
        || [
            b"FontBBox".as_slice(),
            b"PatternType",
            b"ShadingType",
            b"Differences",
        ]
        .iter()
        .any(|key| dictionary.has(key))
}

/// Whether a dictionary is an element of the tag tree. Its type is optional, but all of its keys are known (ISO 32000-2
/// table 355), and no label of pages or action has what is asked for here.
fn is_tag(dictionary: &Dictionary) -> bool {
    let is_of_tag = |key: &[u8]| {
        matches!(
            key,
            b"Type"
                | b"S"
                | b"P"
                | b"ID"
                | b"Pg"
                | b"K"
                | b"A"
                | b"C"
                | b"R"
                | b"T"
                | b"Lang"
                | b"Alt"
                | b"E"
                | b"ActualText"
        )
    };
    matches!(dictionary.get(b"P"), Ok(Object::Reference(_)))
        && dictionary.has(b"S")
        && (dictionary.has(b"K") || dictionary.has(b"Pg"))
        && dictionary.iter().all(|(key, _)| is_of_tag(key))
}

/// Whether an array is a font's table of widths or the like. A destination has six items at most.
fn is_table_of_numbers(items: &[Object]) -> bool {
    let is_number = |item: &Object| matches!(item, Object::Integer(_) | Object::Real(_));
    items.len() > 16 && items.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    use lopdf::{Stream, dictionary};

    use super::*;

    fn kept(object: impl Into<Object>) -> Option<Object> {
        let mut object = object.into();
        let answer = keep_what_is_read((7, 0), &mut object)?;
        let is_stream = matches!(object, Object::Stream(_));
        assert!(is_stream || answer.1 == object, "both answers are the same");
        Some(object)
    }

    #[test]
    fn fonts_shrink_and_their_parts_go() {
        let font = dictionary! {
            "Type" => "Font", "Subtype" => "Type3", "FirstChar" => 0, "Widths" => vec![500.into(); 300],
        };
        let mut expected = dictionary! { "Type" => "Font", "Subtype" => "Type3" };
        expected.set(IS_MISREAD, false);
        assert_eq!(kept(font), Some(expected.into()));
        assert_eq!(
            kept(dictionary! { "Flags" => 4, "FontBBox" => vec![0.into(); 4] }),
            None
        );
        assert_eq!(
            kept(dictionary! { "Type" => "Pattern", "PatternType" => 2 }),
            None
        );
        assert_eq!(kept(vec![500.into(); 300]), None);
        let program = Stream::new(dictionary! { "Length1" => 10 }, vec![1; 10]);
        assert_eq!(kept(program), None);
    }

    #[test]
    fn of_an_encoding_the_names_stay_that_the_renderer_does_not_read() {
        let names = |names: &[&str]| {
            let names = names.iter().map(|name| Object::from(*name));
            dictionary! { "Differences" => std::iter::once(Object::from(1)).chain(names).collect::<Vec<_>>() }
        };
        let composed = dictionary! { "Differences" => vec![Object::from("f_f")] };
        assert_eq!(kept(names(&["a", "g_1"])), None);
        assert_eq!(kept(names(&["a", "f_f", "T_h"])), Some(composed.into()));
        let font = |kind: &str, key: &str, value: Object| {
            let font = dictionary! { "Type" => "Font", "Subtype" => kind, key => value };
            kept(font).and_then(|font| font.as_dict().cloned().ok())
        };
        for (kind, key, value, is_misread) in [
            ("Type1", "Encoding", names(&["f_f"]).into(), true),
            ("Type1", "Encoding", names(&["a"]).into(), false),
            ("Type1", "Encoding", Object::from((8, 0)), false),
            ("Type1", "FirstChar", 1.into(), false),
            ("TrueType", "FirstChar", 1.into(), true),
            ("TrueType", "Encoding", "WinAnsiEncoding".into(), false),
            ("TrueType", "ToUnicode", (9, 0).into(), false),
        ] {
            let mut expected = dictionary! { "Type" => "Font", "Subtype" => kind };
            if value.as_reference().is_ok() && key == "Encoding" {
                expected.set(key, value.clone());
            }
            expected.set(IS_MISREAD, is_misread);
            assert_eq!(font(kind, key, value), Some(expected));
        }
    }

    #[test]
    fn a_descriptor_stays_where_the_font_does_not_come_with_the_file() {
        let part = dictionary! {
            "Type" => "Font", "Subtype" => "CIDFontType0", "FontDescriptor" => (8, 0), "CIDSystemInfo" => (7, 0),
            "DW" => 1000,
        };
        let mut expected = part.clone();
        expected.remove(b"DW");
        expected.set(IS_MISREAD, false);
        assert_eq!(kept(part), Some(expected.into()));
        let descriptor = |key: &str| dictionary! { "Type" => "FontDescriptor", "FontBBox" => vec![0.into()], key => (9, 0) };
        let expected = dictionary! { "Type" => "FontDescriptor" };
        assert_eq!(kept(descriptor("Style")), Some(expected.into()));
        assert_eq!(kept(descriptor("FontFile3")), None);
    }

    #[test]
    fn tags_go_and_what_looks_like_them_stays() {
        let tag = dictionary! { "S" => "P", "P" => (1, 0), "K" => 3 };
        assert_eq!(kept(tag), None);
        for other in [
            dictionary! { "S" => "D", "P" => Object::string_literal("A-") },
            dictionary! { "S" => "D", "P" => (1, 0) },
            dictionary! { "S" => "JavaScript", "P" => (1, 0), "K" => 3, "JS" => Object::string_literal("x") },
        ] {
            assert_eq!(kept(other.clone()), Some(other.into()));
        }
    }

    #[test]
    fn a_link_keeps_where_it_is_and_where_it_leads() {
        let link = dictionary! {
            "Subtype" => "Link", "Rect" => vec![0.into(), 0.into(), 9.into(), 9.into()], "A" => (4, 0), "C" => vec![1.into()],
        };
        let expected = dictionary! {
            "Subtype" => "Link", "Rect" => vec![0.into(), 0.into(), 9.into(), 9.into()], "A" => (4, 0),
        };
        assert_eq!(kept(link), Some(expected.into()));
    }

    #[test]
    fn of_long_streams_the_length_stays() {
        for dictionary in [dictionary! {}, dictionary! { "Subtype" => "Image" }] {
            let stream = Stream::new(dictionary, vec![1; 3000]);
            assert_eq!(bytes_left_in_file(&stream), None);
            let Some(Object::Stream(left)) = kept(stream) else {
                panic!("the stream stays");
            };
            assert_eq!(left.content.len(), 1);
            assert_eq!(bytes_left_in_file(&left), Some(3000));
        }
    }

    #[test]
    fn short_streams_and_metadata_stay_whole_and_the_look_of_pages_goes() {
        let short = Stream::new(dictionary! {}, vec![1; 100]);
        assert_eq!(kept(short.clone()), Some(short.clone().into()));
        assert_eq!(bytes_left_in_file(&short), None);
        let metadata = Stream::new(dictionary! { "Subtype" => "XML" }, vec![1; 100_000]);
        assert_eq!(kept(metadata.clone()), Some(metadata.into()));
        let form = Stream::new(dictionary! { "Subtype" => "Form" }, vec![1; 10]);
        assert_eq!(kept(form), None);
    }
}
