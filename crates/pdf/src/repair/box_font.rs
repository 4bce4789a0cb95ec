//! A font in which every character is a box, for fonts that a file names and does not bring, and for words that are to be
//! found and not seen.
//!
//! Where PDFium has no glyph it sees a character without extent, and a text object of such characters is none to its
//! text page. With boxes for glyphs it reads them. Nothing is ever drawn in this font.

/// Units of the em square.
pub(crate) const UNITS_PER_EM: u16 = 1000;

/// The box, as most ideographs fill their em square: left, bottom, right, top.
pub(crate) const BOX: [i16; 4] = [20, -110, 980, 850];

/// The glyph of the box; glyph 0 is the one for characters that a font has not.
const BOX_GLYPH: u16 = 1;

/// The program of the font, in TrueType.
pub(crate) fn program() -> Vec<u8> {
    file(map_of_one(3, 1, 0x25A1), None)
}

/// A file of the tables that a font has to have, with this map and, if there are any, names of glyphs.
fn file(map: Vec<u8>, names: Option<Vec<u8>>) -> Vec<u8> {
    let glyph = glyph();
    let mut tables: Vec<(&[u8; 4], Vec<u8>)> = vec![
        (b"cmap", map),
        (b"glyf", [glyph.as_slice(), &glyph].concat()),
        (b"head", head()),
        (b"hhea", hhea()),
        (b"hmtx", words(&[UNITS_PER_EM, 20, UNITS_PER_EM, 20])),
        (b"loca", loca(glyph.len())),
        (b"maxp", maxp()),
    ];
    tables.extend(names.map(|names| (b"post", names)));
    let directory = 12 + 16 * tables.len();
    let count = u16::try_from(tables.len()).unwrap_or(0);
    // Nobody reads the three words that are to help a search.
    let mut file = words(&[0x0001, 0x0000, count, 0, 0, 0]);
    let mut data = Vec::new();
    for (tag, table) in &tables {
        let offset = directory + data.len();
        file.extend(*tag);
        file.extend(long(0));
        file.extend(long(offset));
        file.extend(long(table.len()));
        data.extend(table);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    file.extend(data);
    file
}

/// Which glyph stands for which character (`/CIDToGIDMap`): the box for all.
pub(super) fn glyph_map() -> Vec<u8> {
    glyph_map_of(1 << 16)
}

/// The same for so many characters.
pub(crate) fn glyph_map_of(characters: usize) -> Vec<u8> {
    words(&[BOX_GLYPH]).repeat(characters)
}

fn words(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

fn long(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

fn signed(values: &[i16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

/// One contour of four points, of which each coordinate is a difference of two bytes.
fn glyph() -> Vec<u8> {
    let [left, bottom, right, top] = BOX;
    let mut glyph = signed(&[1, left, bottom, right, top]);
    glyph.extend(words(&[3, 0]));
    glyph.extend([0x01; 4]);
    glyph.extend(signed(&[left, 0, right - left, 0]));
    glyph.extend(signed(&[bottom, top - bottom, 0, bottom - top]));
    glyph.resize(glyph.len().next_multiple_of(4), 0);
    glyph
}

fn loca(glyph: usize) -> Vec<u8> {
    let halved = |bytes: usize| u16::try_from(bytes / 2).unwrap_or(0);
    words(&[0, halved(glyph), halved(2 * glyph)])
}

fn head() -> Vec<u8> {
    let [left, bottom, right, top] = BOX;
    let mut head = words(&[1, 0, 1, 0, 0, 0, 0x5F0F, 0x3CF5, 0, UNITS_PER_EM]);
    head.extend([0; 16]);
    head.extend(signed(&[left, bottom, right, top]));
    head.extend(words(&[0, 8, 2, 0, 0]));
    head
}

fn hhea() -> Vec<u8> {
    let mut hhea = words(&[1, 0]);
    hhea.extend(signed(&[
        850, -150, 0, 1000, 20, 20, 980, 1, 0, 0, 0, 0, 0, 0, 0,
    ]));
    hhea.extend(words(&[2]));
    hhea
}

fn maxp() -> Vec<u8> {
    words(&[1, 0, 2, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// A map of one code to the box (format 6), for a platform and an encoding.
fn map_of_one(platform: u16, encoding: u16, code: u16) -> Vec<u8> {
    words(&[
        0, 1, platform, encoding, 0, 12, 6, 12, 0, code, 1, BOX_GLYPH,
    ])
}

/// A font whose one glyph has a name, and a code of the Macintosh.
#[cfg(test)]
pub(super) fn named(name: &str, code: u8) -> Vec<u8> {
    let mut names = words(&[2, 0]);
    names.resize(32, 0);
    names.extend(words(&[2, 0, 258]));
    names.push(u8::try_from(name.len()).expect("a short name"));
    names.extend(name.as_bytes());
    file(map_of_one(1, 0, u16::from(code)), Some(names))
}

#[cfg(test)]
mod tests {
    use read_fonts::{FontRef, TableProvider, types::GlyphId};

    use super::*;

    #[test]
    fn another_reader_finds_the_box() {
        let file = program();
        let font = FontRef::new(&file).expect("it is a font");
        assert_eq!(font.maxp().expect("its glyphs").num_glyphs(), 2);
        let loca = font.loca(None).expect("their places");
        let glyphs = font.glyf().expect("their shapes");
        let found = loca
            .get_glyf(GlyphId::new(1), &glyphs)
            .expect("it reads")
            .expect("it has a shape");
        assert_eq!(
            [found.x_min(), found.y_min(), found.x_max(), found.y_max()],
            BOX
        );
        assert_eq!(
            font.cmap().expect("a map").map_codepoint(0x25A1_u32),
            Some(GlyphId::new(1))
        );
    }
}
