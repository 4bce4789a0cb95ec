//! Text that is set in ways that readers lose letters of, or their order.

use super::page;
use crate::raw::RawPdf;

/// "Netto Offerings" as a font with ligatures has it: one glyph for "tt", one for "ff" (`/ToUnicode` of two letters).
#[must_use]
pub fn ligatures() -> Vec<u8> {
    with_map(
        "<01> <00740074> <02> <00660066>",
        "BT /F1 14 Tf 72 700 Td (Ne\\001o O\\002erings) Tj ET",
    )
}

/// "Officer" in italics, each letter a text of its own: the first "f" hangs over half of the second. And "twice", printed
/// again a fraction of a point beside itself to look bold.
#[must_use]
pub fn letter_by_letter() -> Vec<u8> {
    let mut content = String::from("BT /F2 10 Tf ");
    let mut x = 72.0;
    for (letter, advance) in "Officer"
        .chars()
        .zip([7.22, 2.78, 2.78, 2.78, 4.44, 4.44, 3.89])
    {
        content.push_str(&format!("1 0 0 1 {x:.2} 700 Tm ({letter}) Tj "));
        x += advance;
    }
    for x in [72.0, 72.2] {
        content.push_str(&format!("1 0 0 1 {x:.2} 660 Tm (twice) Tj "));
    }
    let mut pdf = begun("/F2 5 0 R", format!("{content}ET").as_bytes());
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Times-Italic >>");
    pdf.finish("")
}

/// Two columns of vertical writing, "昭和十二年" and, to the left of it, "山川" letter by letter, in a font that the file
/// does not embed.
#[must_use]
pub fn vertical_writing() -> Vec<u8> {
    vertical(
        "BT /F1 12 Tf 1 0 0 1 500 700 Tm <662d548c53414e8c5e74> Tj 1 0 0 1 484 700 Tm <5c715ddd> Tj ET",
    )
}

/// A page with this content, in a font of Japanese for vertical writing that the file does not embed.
fn vertical(content: &str) -> Vec<u8> {
    let mut pdf = begun("/F1 5 0 R", content.as_bytes());
    pdf.object("<< /Type /Font /Subtype /Type0 /BaseFont /Ryumin-Light-V /Encoding /UniJIS-UCS2-V /DescendantFonts [6 0 R] >>");
    pdf.object("<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Ryumin-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> /FontDescriptor 7 0 R /DW 1000 >>");
    pdf.object("<< /Type /FontDescriptor /FontName /Ryumin-Light /Flags 4 /FontBBox [-170 -331 1024 903] /ItalicAngle 0 /Ascent 723 /Descent -241 /CapHeight 709 /StemV 69 >>");
    pdf.finish("")
}

/// Two upright lines, "Schedule of fees" and "for the year": a negative font size, which the text matrix or a negative
/// scaling turns back.
#[must_use]
pub fn negative_sizes() -> Vec<u8> {
    page(
        "/MediaBox [0 0 612 792]",
        "BT /F1 -12 Tf -1 0 0 -1 72 700 Tm (Schedule of fees) Tj ET \
         q 1 0 0 -1 0 792 cm BT -100 Tz /F1 -12 Tf 72 112 Td (for the year) Tj ET Q",
        &[],
    )
}

/// Two lines at an angle of so many degrees, "one of the two lines" and "and the other one".
#[must_use]
pub fn oblique(degrees: f32) -> Vec<u8> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let line = |row: f32, text: &str| {
        let (x, y) = (200.0 + 14.0 * row * sin, 300.0 - 14.0 * row * cos);
        format!(
            "BT /F1 11 Tf {cos:.5} {sin:.5} {:.5} {cos:.5} {x:.2} {y:.2} Tm ({text}) Tj ET ",
            -sin
        )
    };
    let content = line(0.0, "one of the two lines") + &line(1.0, "and the other one");
    page("/MediaBox [0 0 612 792]", &content, &[])
}

/// The words "aa ab ba" in a Type 3 font whose glyphs are drawn in units of its text (`/FontMatrix` of 1), so that a size
/// of 0.24 makes letters five points high.
#[must_use]
pub fn type_3_of_units() -> Vec<u8> {
    let mut pdf = begun(
        "/F1 5 0 R",
        b"BT /F1 0.24 Tf 72 700 Td (aa) Tj 15.6 0 Td (ab) Tj 15.6 0 Td (ba) Tj ET",
    );
    pdf.object("<< /Type /Font /Subtype /Type3 /FontBBox [0 0 50 50] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 98 /Widths [25 25] /CharProcs << /a 6 0 R /b 7 0 R >> /Encoding << /Differences [97 /a /b] >> /ToUnicode 8 0 R >>");
    pdf.stream("", b"25 0 0 0 15 20 d1 0 0 15 20 re f");
    pdf.stream("", b"25 0 0 0 15 14 d1 0 0 15 14 re f");
    pdf.stream("", to_unicode("<61> <0061> <62> <0062>").as_bytes());
    pdf.finish("")
}

/// A form with the label "Name:" and a field that holds "Ada Lovelace", without an appearance; a ticked box; and a note
/// on the page, "paid in full".
#[must_use]
pub fn filled_form() -> Vec<u8> {
    page(
        "/MediaBox [0 0 612 792]",
        "BT /F1 12 Tf 72 700 Td (Name:) Tj 0 -30 Td (member) Tj ET",
        &[
            "<< /Type /Annot /Subtype /Widget /FT /Tx /T (person) /V (Ada Lovelace) /DA (/Helv 12 Tf 0 g) /Rect [120 696 300 714] /F 4 >>",
            "<< /Type /Annot /Subtype /Widget /FT /Btn /T (member) /V /Yes /AS /Yes /Rect [130 666 142 678] /F 4 >>",
            "<< /Type /Annot /Subtype /Widget /FT /Tx /T (secret) /V (not to be shown) /Ff 8192 /Rect [120 600 300 614] /F 4 >>",
            "<< /Type /Annot /Subtype /FreeText /Contents (paid in full) /DA (/Helv 14 Tf 1 0 0 rg) /Rect [72 500 300 530] /F 4 >>",
            "<< /Type /Annot /Subtype /FreeText /Contents (hidden) /DA (/Helv 14 Tf 1 0 0 rg) /Rect [72 400 300 430] /F 2 >>",
        ],
    )
}

/// A Persian word with a zero-width non-joiner, painted from the left as it is seen.
#[must_use]
pub fn non_joiner() -> Vec<u8> {
    with_map(
        "<41> <0645> <42> <06cc> <43> <200c> <44> <062e>",
        "BT /F1 14 Tf 72 700 Td (DCBA) Tj ET",
    )
}

/// A page whose glyphs have names that say nothing, and no `/ToUnicode`, but for a word in Helvetica: "known".
#[must_use]
pub fn nameless_glyphs() -> Vec<u8> {
    let mut pdf = begun("/F1 5 0 R /F2 6 0 R", b"BT /F1 14 Tf 72 700 Td (known) Tj /F2 14 Tf 0 -30 Td (\\001\\002\\003\\004\\001\\002\\003\\004) Tj ET");
    pdf.object(super::HELVETICA);
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /Differences [1 /g1x /g2x /g3x /g4x] >> /FirstChar 1 /LastChar 4 /Widths [500 500 500 500] >>");
    pdf.finish("")
}

/// "stuff, The office" in a font whose ligatures have names composed of those of their letters (`f_f`, `T_h`), and no
/// `/ToUnicode`: one of them under a code that is a letter's ("Q").
#[must_use]
pub fn composed_names() -> Vec<u8> {
    let mut pdf = begun(
        "/F1 5 0 R",
        b"BT /F1 14 Tf 72 700 Td (stu\\001, \\002e oQce) Tj ET",
    );
    let widths = "600 ".repeat(126);
    pdf.object(&format!("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding 6 0 R /FirstChar 1 /LastChar 126 /Widths [{widths}] >>"));
    pdf.object("<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [1 /f_f /T_h 81 /f_f_i.liga] >>");
    pdf.finish("")
}

/// "Office" with the ligature "fi", which the font's `/ToUnicode` maps to U+0000, and the name of its glyph tells.
#[must_use]
pub fn map_to_zero() -> Vec<u8> {
    mapped_to_zero("fi", "Of\\222ce")
}

/// "5 − 3" with a minus sign that the font's `/ToUnicode` maps to U+0000, and the name of its glyph tells.
#[must_use]
pub fn sign_mapped_to_zero() -> Vec<u8> {
    mapped_to_zero("minus", "5 \\222 3")
}

/// A line in a font whose `/ToUnicode` maps the code 222 (octal) to U+0000, though its glyph has this name.
fn mapped_to_zero(name: &str, line: &str) -> Vec<u8> {
    let content = format!("BT /F1 14 Tf 72 700 Td ({line}) Tj ET");
    let mut pdf = begun("/F1 5 0 R", content.as_bytes());
    pdf.object(&format!("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /BaseEncoding /WinAnsiEncoding /Differences [146 /{name}] >> /ToUnicode 6 0 R >>"));
    pdf.stream("", to_unicode("<92> <0000>").as_bytes());
    pdf.finish("")
}

/// The ideographs "山川" of vertical writing, each a text of its own, in a font that the file does not embed.
#[must_use]
pub fn vertical_letters() -> Vec<u8> {
    vertical("BT /F1 12 Tf 1 0 0 1 500 700 Tm <5c71> Tj 1 0 0 1 500 688 Tm <5ddd> Tj ET")
}

/// "always", "on" and "down again" on a page with a layer that is off: it has a text of its own, one in the middle of a
/// line, one in a form, a form of its own, and a note. A second layer is on.
#[must_use]
pub fn layers_off() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R /OCProperties << /OCGs [8 0 R 9 0 R] /D << /OFF [8 0 R] >> >> >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F1 5 0 R >> /Properties << /Off 8 0 R /On 9 0 R /Some 10 0 R >> /XObject << /Form 6 0 R /Hidden 7 0 R >> >> >>");
    pdf.object(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Annots [11 0 R] >>",
    );
    pdf.stream("", b"BT /F1 12 Tf 72 720 Td (always) Tj ET /OC /Off BDC BT /F1 12 Tf 72 690 Td (draft) Tj ET /Form Do EMC \
        /OC /On BDC BT /F1 12 Tf 72 660 Td (on) Tj ET EMC /Hidden Do \
        BT /F1 12 Tf 72 630 Td (down ) Tj /OC /Some BDC (xx ) Tj EMC (again) Tj ET");
    pdf.object(super::HELVETICA);
    pdf.stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> >>",
        b"BT /F1 12 Tf 72 600 Td (form) Tj ET",
    );
    pdf.stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /OC 8 0 R /Resources << /Font << /F1 5 0 R >> >>",
        b"BT /F1 12 Tf 72 570 Td (hidden) Tj ET",
    );
    pdf.object("<< /Type /OCG /Name (off) >>");
    pdf.object("<< /Type /OCG /Name (on) >>");
    pdf.object("<< /Type /OCMD /OCGs [8 0 R 9 0 R] /P /AllOn >>");
    pdf.object("<< /Type /Annot /Subtype /FreeText /Contents (note) /DA (/Helv 14 Tf 1 0 0 rg) /Rect [72 500 300 530] /F 4 /OC 8 0 R >>");
    pdf.finish("")
}

/// "here" on the page, and "far" 400,000 points off it.
#[must_use]
pub fn far_off() -> Vec<u8> {
    page(
        "/MediaBox [0 0 612 792]",
        "BT /F1 12 Tf 72 700 Td (here) Tj 400000 0 Td (far) Tj ET",
        &[],
    )
}

/// A file of one page with these fonts and this content, as far as the page's content: the fonts are to follow, from
/// object 5 on.
fn begun(fonts: &str, content: &[u8]) -> RawPdf {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(&format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << {fonts} >> >> >>"));
    pdf.stream("", content);
    pdf
}

/// A page in Helvetica of 600 units a letter with some codes mapped to other text.
fn with_map(pairs: &str, content: &str) -> Vec<u8> {
    let mut pdf = begun("/F1 5 0 R", content.as_bytes());
    let widths = "600 ".repeat(126);
    pdf.object(&format!("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding /FirstChar 1 /LastChar 126 /Widths [{widths}] /ToUnicode 6 0 R >>"));
    pdf.stream("", to_unicode(pairs).as_bytes());
    pdf.finish("")
}

/// A map of codes to Unicode: letters and spaces as they are, but for these pairs.
fn to_unicode(pairs: &str) -> String {
    let count = pairs.split_whitespace().count() / 2;
    format!(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def \
         1 begincodespacerange <00> <FF> endcodespacerange 2 beginbfrange <20> <40> <0020> <45> <7E> <0045> endbfrange \
         {count} beginbfchar {pairs} endbfchar endcmap end end"
    )
}
