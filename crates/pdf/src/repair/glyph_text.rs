//! What the glyphs of a font mean, by the names and codes that its program has for them.

use std::collections::HashMap;

use read_fonts::ps::cff::CffFontRef;
use read_fonts::ps::type1::Type1Font;
use read_fonts::tables::cmap::{CmapIterLimits, EncodingRecord, PlatformId};
use read_fonts::types::GlyphId;
use read_fonts::{FontRef, TableProvider};

use crate::inspect::glyph_names::{is_private, of_name};

/// The names that a program of a simple font has for codes.
pub(super) fn names_of_codes(program: &[u8]) -> HashMap<u8, String> {
    if let Ok(font) = Type1Font::new(program) {
        let Some(encoding) = font.encoding() else {
            return HashMap::new();
        };
        return (0..=u8::MAX)
            .filter_map(|code| Some((code, encoding.glyph_name(code)?.to_owned())))
            .collect();
    }
    let Ok(font) = CffFontRef::new_cff(program, 0, None) else {
        return HashMap::new();
    };
    let (Some(encoding), false) = (font.encoding(), font.is_cid()) else {
        return HashMap::new();
    };
    (0..=u8::MAX)
        .filter_map(|code| {
            let name = font.string(encoding.charset().string_id(encoding.map(code)?)?)?;
            Some((code, std::str::from_utf8(name).ok()?.to_owned()))
        })
        .collect()
}

/// What the codes of a simple TrueType font without an encoding mean: its glyphs are found by its map for symbols or for
/// the Macintosh (ISO 32000-2 section 9.6.5.4).
pub(super) fn texts_of_codes(program: &[u8]) -> HashMap<u8, String> {
    let font = FontRef::new(program).ok();
    let Some(maps) = font.and_then(|font| font.cmap().ok()) else {
        return HashMap::new();
    };
    let map = |is_it: fn(&EncodingRecord) -> bool| {
        let record = maps
            .encoding_records()
            .iter()
            .find(|record| is_it(record))?;
        record.subtable(maps.offset_data()).ok()
    };
    let symbols = map(EncodingRecord::is_symbol);
    let mac = map(EncodingRecord::is_mac_roman);
    let texts = texts_of_glyphs(program);
    (0..=u8::MAX)
        .filter_map(|code| {
            let code_point = u32::from(code);
            let of_symbols = symbols.as_ref().and_then(|map| {
                map.map_codepoint(0xF000 + code_point)
                    .or_else(|| map.map_codepoint(code_point))
            });
            let glyph = of_symbols.or_else(|| mac.as_ref()?.map_codepoint(code_point))?;
            let glyph = u16::try_from(glyph.to_u32())
                .ok()
                .filter(|glyph| *glyph != 0)?;
            Some((code, texts.get(&glyph)?.clone()))
        })
        .collect()
}

/// What the glyphs of a program mean.
pub(super) fn texts_of_glyphs(program: &[u8]) -> HashMap<u16, String> {
    let mut texts = HashMap::new();
    let mut put = |glyph: GlyphId, text: Option<String>| {
        if let (Ok(glyph), Some(text)) = (u16::try_from(glyph.to_u32()), text) {
            texts.entry(glyph).or_insert(text);
        }
    };
    let Ok(font) = FontRef::new(program) else {
        if let Ok(font) = CffFontRef::new_cff(program, 0, None)
            && !font.is_cid()
            && let Some(charset) = font.charset()
        {
            for (glyph, name) in charset.iter() {
                let name = font
                    .string(name)
                    .and_then(|name| std::str::from_utf8(name).ok());
                put(glyph, name.and_then(of_name));
            }
        }
        return texts;
    };
    if let Ok(names) = font.post() {
        for (glyph, name) in names.glyph_names() {
            put(glyph, of_name(name));
        }
    }
    if let Ok(maps) = font.cmap() {
        let limits = CmapIterLimits {
            max_char: 0x10FFFF,
            glyph_count: u32::from(u16::MAX),
        };
        // Maps for the Macintosh and for symbols are in codes that mean something to their font alone.
        let unicode = maps.encoding_records().iter().filter(|record| {
            record.platform_id() == PlatformId::Unicode
                || record.platform_id() == PlatformId::Windows && !record.is_symbol()
        });
        for (code, glyph) in unicode
            .filter_map(|record| record.subtable(maps.offset_data()).ok())
            .flat_map(|map| map.iter_with_limits(limits))
        {
            let ch = char::from_u32(code).filter(|ch| !is_private(*ch) && !ch.is_control());
            put(glyph, ch.map(String::from));
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::box_font;

    #[test]
    fn codes_of_the_macintosh_mean_what_the_names_of_their_glyphs_say() {
        let program = box_font::named("f_i", 0xDE);
        let expected = HashMap::from([(0xDE, "fi".to_owned())]);
        assert_eq!(texts_of_codes(&program), expected);
        assert_eq!(
            texts_of_glyphs(&program),
            HashMap::from([(1, "fi".to_owned())])
        );
    }

    #[test]
    fn what_is_no_font_means_nothing() {
        assert!(names_of_codes(b"%!PS-AdobeFont-1.0").is_empty());
        assert!(texts_of_glyphs(b"").is_empty());
        assert!(texts_of_glyphs(&box_font::program()).contains_key(&1));
    }
}
