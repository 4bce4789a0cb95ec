//! Other scripts: Greek, Cyrillic, Hebrew and Arabic with embedded fonts; Chinese, Japanese and Korean without.

use crate::raw::RawPdf;
use crate::typeset::{A4, Book, Entry, Face, Sheet, Style, break_lines};

const GREEK: &str = "Ο μύλος αλέθει αργά, αλλά αλέθει λεπτά. Το νερό του ποταμού γυρίζει τον τροχό μέρα και νύχτα, και \
    το αλεύρι γεμίζει τους σάκους που περιμένουν στην αυλή.";
const RUSSIAN: &str = "Мельница стоит у реки. Вода вращает колесо днём и ночью, и мука наполняет мешки, которые ждут \
    во дворе. Зимой река замерзает, и мельник читает старые книги.";
const UKRAINIAN: &str = "Їжак і ґава живуть біля млина, а є ще й щука в ставку.";
/// One line each; the writer does no bidirectional resolution, so a line has one script only.
const HEBREW: &[&str] = &[
    "הטחנה עומדת על שפת הנהר",
    "המים מסובבים את הגלגל ביום ובלילה",
    "הקמח ממלא את השקים",
];
const ARABIC: &[&str] = &[
    "تقف الطاحونة على ضفة النهر",
    "الماء يدير العجلة ليلا ونهارا",
    "الدقيق يملأ الأكياس",
];

/// Two pages: Greek, Russian and Ukrainian; then Hebrew and Arabic, set from right to left and aligned right.
#[must_use]
pub fn non_latin() -> Vec<u8> {
    let body = Style::new(Face::Serif, 13.0);
    let mut first = Sheet::new(A4);
    let mut y = 90.0;
    let mut outline = Vec::new();
    for (heading, text) in [
        ("Ελληνικά", GREEK),
        ("Русский", RUSSIAN),
        ("Українська", UKRAINIAN),
    ] {
        outline.push(Entry {
            level: 0,
            title: heading.to_owned(),
            page_index: 0,
            y: y - 20.0,
        });
        first.text(64.0, y, Style::new(Face::Bold, 18.0), heading);
        y += 28.0;
        for line in break_lines(body, text, 467.0) {
            first.text(64.0, y, body, &line);
            y += 18.0;
        }
        y += 24.0;
    }

    let mut second = Sheet::new(A4);
    let mut baseline = 90.0;
    for (heading, face, lines) in [
        ("עברית", Face::Serif, HEBREW),
        ("العربية", Face::Mono, ARABIC),
    ] {
        outline.push(Entry {
            level: 0,
            title: heading.to_owned(),
            page_index: 1,
            y: baseline - 20.0,
        });
        second.text_to(531.0, baseline, Style::new(face, 20.0), heading);
        baseline += 30.0;
        for line in lines {
            second.text_to(531.0, baseline, Style::new(face, 14.0), line);
            baseline += 22.0;
        }
        baseline += 24.0;
    }
    Book {
        title: "Μύλος · Мельница · טחנה · طاحونة",
        author: "Pagemill samples",
        subject: "The same mill in several scripts",
        keywords: &["Ελληνικά", "Русский", "עברית", "العربية"],
        language: "el",
        sheets: vec![first, second],
        outline,
    }
    .to_pdf()
}

/// A line of CJK: the text, the font, the character collection and the predefined CMap (ISO 32000-2 section 9.7.5.2).
const CJK_LINES: &[(&str, &str, &str, &str)] = &[
    (
        "水车在河边昼夜转动，面粉装满了布袋。",
        "STSong-Light",
        "GB1",
        "UniGB-UTF16-H",
    ),
    (
        "水車は川のほとりで昼も夜も回っている。",
        "HeiseiMin-W3",
        "Japan1",
        "UniJIS-UTF16-H",
    ),
    (
        "물레방아는 강가에서 밤낮으로 돌아간다.",
        "HYSMyeongJo-Medium",
        "Korea1",
        "UniKS-UTF16-H",
    ),
];

/// One page with a line each of Chinese, Japanese and Korean. The fonts are named but not embedded, as many office
/// files of those languages do: the text can always be extracted; how it looks depends on the reader's fonts.
#[must_use]
pub fn cjk() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R /Lang (zh) >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F0 5 0 R /F1 8 0 R /F2 11 0 R >> >> >>",
    );
    let mut content = String::new();
    for (index, (text, ..)) in CJK_LINES.iter().enumerate() {
        let baseline = 740 - index * 60;
        let hex: String = text
            .encode_utf16()
            .map(|unit| format!("{unit:04X}"))
            .collect();
        content.push_str(&format!(
            "BT /F{index} 20 Tf 64 {baseline} Td <{hex}> Tj ET\n"
        ));
    }
    pdf.stream("", content.as_bytes());
    for (_, font, collection, cmap) in CJK_LINES {
        let composite = pdf.next_number();
        let (descendant, descriptor) = (composite + 1, composite + 2);
        pdf.object(&format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /{font}-{cmap} /Encoding /{cmap} \
             /DescendantFonts [{descendant} 0 R] >>"
        ));
        pdf.object(&format!(
            "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /{font} /DW 1000 /FontDescriptor {descriptor} 0 R \
             /CIDSystemInfo << /Registry (Adobe) /Ordering ({collection}) /Supplement 2 >> >>"
        ));
        pdf.object(&format!(
            "<< /Type /FontDescriptor /FontName /{font} /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 \
             /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>"
        ));
    }
    pdf.finish("")
}
