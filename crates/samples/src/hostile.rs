//! What a worker must survive: files that are not PDFs, that are broken, or that try to use up memory or time.
//!
//! Each is small on disk. **Open them only behind limits**: some ask for gigabytes.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lopdf::encryption::Permissions;
use lopdf::{Document, EncryptionState, EncryptionVersion, Object};

use crate::plain::deflate;
use crate::raw::RawPdf;

/// The user password of [`encrypted`].
pub const USER_PASSWORD: &str = "mill-pond";

/// The owner password of [`encrypted`] and [`encrypted_with_empty_password`].
pub const OWNER_PASSWORD: &str = "mill-owner";

/// Every hostile sample with the file name that `make-samples --hostile` gives it.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("html.pdf", html()),
        ("png.pdf", png()),
        ("empty.pdf", empty()),
        ("header-only.pdf", header_only()),
        ("truncated.pdf", truncated()),
        ("encrypted.pdf", encrypted()),
        (
            "encrypted-empty-password.pdf",
            encrypted_with_empty_password(),
        ),
        ("huge-page.pdf", huge_page()),
        ("many-pages.pdf", many_pages(5_000)),
        ("flate-bomb.pdf", flate_bomb()),
        ("nested-flate-bomb.pdf", nested_flate_bomb()),
        ("form-loop.pdf", form_loop()),
        ("form-fan-out.pdf", form_fan_out()),
        ("lying-page-count.pdf", lying_page_count()),
        ("page-tree-loop.pdf", page_tree_loop()),
        ("no-pages.pdf", no_pages()),
        ("hostile-attachments.pdf", hostile_attachments()),
    ]
}

/// A web page named `.pdf`, as a failed download leaves it.
#[must_use]
pub fn html() -> Vec<u8> {
    b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not found</body></html>\n".to_vec()
}

/// The head of a PNG image named `.pdf`.
#[must_use]
pub fn png() -> Vec<u8> {
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0".to_vec()
}

/// No bytes at all.
#[must_use]
pub fn empty() -> Vec<u8> {
    Vec::new()
}

/// A header with nothing behind it.
#[must_use]
pub fn header_only() -> Vec<u8> {
    b"%PDF-1.7\n".to_vec()
}

/// The first 40 per cent of [`crate::report`]: no cross-reference table, no trailer.
#[must_use]
pub fn truncated() -> Vec<u8> {
    let mut bytes = crate::report();
    bytes.truncate(bytes.len() * 2 / 5);
    bytes
}

/// [`crate::invoice`], encrypted (RC4, 128 bits); opens with [`USER_PASSWORD`] only.
#[must_use]
pub fn encrypted() -> Vec<u8> {
    encrypt(&crate::invoice(), USER_PASSWORD)
}

/// [`crate::invoice`], encrypted with an empty user password: readers open it without asking. It is not hostile, but
/// belongs beside [`encrypted`].
#[must_use]
pub fn encrypted_with_empty_password() -> Vec<u8> {
    encrypt(&crate::invoice(), "")
}

/// RC4 needs no random numbers, so that the bytes can be the same each time; AES would.
fn encrypt(intact: &[u8], user_password: &str) -> Vec<u8> {
    let mut document = Document::load_mem(intact).expect("the samples are valid documents");
    let version = EncryptionVersion::V2 {
        document: &document,
        owner_password: OWNER_PASSWORD,
        user_password,
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state =
        EncryptionState::try_from(version).expect("the samples have a file id to encrypt with");
    document
        .encrypt(&state)
        .expect("a plain document can be encrypted");
    settle_padding(&mut document);
    let mut bytes = Vec::new();
    document
        .save_to(&mut bytes)
        .expect("writing to memory does not fail");
    bytes
}

/// The second half of `/U` is arbitrary (ISO 32000-2, algorithm 5) and lopdf fills it at random: make it zeros.
pub(crate) fn settle_padding(document: &mut Document) {
    let dictionary = document
        .trailer
        .get(b"Encrypt")
        .and_then(Object::as_reference)
        .and_then(|id| document.get_object_mut(id))
        .and_then(Object::as_dict_mut)
        .expect("an encrypted document has its dictionary");
    if let Ok(Object::String(user_value, _)) = dictionary.get_mut(b"U") {
        user_value[16..].fill(0);
    }
}

/// One page of 36,000 by 36,000 points (12.7 m): 5.6 gigapixels at 150 dpi.
#[must_use]
pub fn huge_page() -> Vec<u8> {
    let content = b"BT /F1 2000 Tf 2000 18000 Td (A very large page) Tj ET\n";
    one_page("[0 0 36000 36000]", "/Font << /F1 5 0 R >>", |pdf| {
        pdf.stream("", content);
        pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    })
}

/// A document of so many pages, each full of text: some 700 tokens of a model.
pub fn wordy_pages(count: usize) -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    let kids: Vec<String> = (0..count)
        .map(|index| format!("{} 0 R", 4 + 2 * index))
        .collect();
    pdf.object(&format!(
        "<< /Type /Pages /Kids [{}] /Count {count} /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> >>",
        kids.join(" ")
    ));
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    for page in 1..=count {
        let contents = pdf.next_number() + 1;
        pdf.object(&format!(
            "<< /Type /Page /Parent 2 0 R /Contents {contents} 0 R >>"
        ));
        let lines: String = (1..=36)
            .map(|line| {
                format!("(On day {line} of month {page} the miller ground {} sacks of the farmers' corn.) Tj T* ", line * page + 7)
            })
            .collect();
        let text = format!("BT /F1 11 Tf 18 TL 54 730 Td {lines} ET");
        pdf.stream("", text.as_bytes());
    }
    pdf.finish("")
}

/// A flat tree of `count` small pages, each with its number as text.
#[must_use]
pub fn many_pages(count: usize) -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    let first_page = 4;
    let kids: Vec<String> = (0..count)
        .map(|index| format!("{} 0 R", first_page + 2 * index))
        .collect();
    pdf.object(&format!(
        "<< /Type /Pages /Kids [{}] /Count {count} /MediaBox [0 0 144 144] /Resources << /Font << /F1 3 0 R >> >> >>",
        kids.join(" ")
    ));
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    for number in 1..=count {
        let contents = pdf.next_number() + 1;
        pdf.object(&format!(
            "<< /Type /Page /Parent 2 0 R /Contents {contents} 0 R >>"
        ));
        pdf.stream(
            "",
            format!("BT /F1 18 Tf 20 70 Td (Page {number}) Tj ET").as_bytes(),
        );
    }
    pdf.finish("")
}

/// One page whose content stream inflates from about 260 KB to 256 MiB of spaces.
#[must_use]
pub fn flate_bomb() -> Vec<u8> {
    let bomb = deflate_spaces(256);
    one_page("[0 0 595 842]", "", |pdf| {
        pdf.stream("/Filter /FlateDecode", &bomb);
    })
}

/// One page whose content stream passes through two inflations, from a few kilobytes to 1 GiB.
#[must_use]
pub fn nested_flate_bomb() -> Vec<u8> {
    let bomb = deflate(&deflate_spaces(1024));
    one_page("[0 0 595 842]", "", |pdf| {
        pdf.stream("/Filter [/FlateDecode /FlateDecode]", &bomb);
    })
}

/// Names under which [`hostile_attachments`] has its files.
pub const HOSTILE_NAMES: [&str; 5] = [
    "../../../etc/passwd.xml",
    "factur-x.xml",
    "C:\\Windows\\win.ini\n.xml",
    "macro.docm",
    "bomb.xml",
];

/// One page and attached files: names that lead out of folders, one that holds another kind, one that inflates from about a
/// megabyte to 1 GiB, and among them XML that is fine (`factur-x.xml`).
#[must_use]
pub fn hostile_attachments() -> Vec<u8> {
    let bomb = deflate(&deflate_spaces(1024));
    let mut pdf = RawPdf::new();
    let name = |at: usize| HOSTILE_NAMES[at].replace('\\', "\\\\").replace('\n', "\\n");
    let names: String = (0..HOSTILE_NAMES.len())
        .map(|at| format!("({}) {} 0 R ", name(at), 4 + 2 * at + 1))
        .collect();
    pdf.object(&format!(
        "<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [{names}] >> >> >>"
    ));
    pdf.object("<< /Type /Pages /Count 1 /Kids [3 0 R] >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>");
    for at in 0..HOSTILE_NAMES.len() {
        let stream = match at {
            4 => pdf.stream("/Filter [/FlateDecode /FlateDecode]", &bomb),
            1 => pdf.stream("/Subtype /text#2Fxml", crate::CII.as_bytes()),
            _ => pdf.stream("", b"<a/>"),
        };
        let name = name(at);
        pdf.object(&format!(
            "<< /Type /Filespec /F ({name}) /EF << /F {stream} 0 R >> >>"
        ));
    }
    pdf.finish("")
}

fn deflate_spaces(mebibytes: usize) -> Vec<u8> {
    let block = vec![b' '; 1 << 20];
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for _ in 0..mebibytes {
        encoder
            .write_all(&block)
            .expect("writing to memory does not fail");
    }
    encoder.finish().expect("writing to memory does not fail")
}

/// A page that draws a form which draws itself.
#[must_use]
pub fn form_loop() -> Vec<u8> {
    one_page("[0 0 595 842]", "/XObject << /Fm0 5 0 R >>", |pdf| {
        pdf.stream("", b"/Fm0 Do\n");
        pdf.stream(
            "/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /Fm0 5 0 R >> >>",
            b"0 0 10 10 re f /Fm0 Do\n",
        );
    })
}

/// Eight levels of forms, each drawing the next one ten times: a hundred million rectangles from 3 KB.
#[must_use]
pub fn form_fan_out() -> Vec<u8> {
    one_page("[0 0 595 842]", "/XObject << /Fm 5 0 R >>", |pdf| {
        pdf.stream("", b"/Fm Do\n");
        for _ in 0..8 {
            let next = pdf.next_number() + 1;
            pdf.stream(
                &format!(
                    "/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /Fm {next} 0 R >> >>"
                ),
                "/Fm Do ".repeat(10).as_bytes(),
            );
        }
        pdf.stream(
            "/Type /XObject /Subtype /Form /BBox [0 0 595 842]",
            b"0 0 10 10 re f\n",
        );
    })
}

/// One page in a tree that claims 2,147,483,647 of them.
#[must_use]
pub fn lying_page_count() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 2147483647 >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>");
    pdf.finish("")
}

/// A page tree whose second node has the first among its kids.
#[must_use]
pub fn page_tree_loop() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>");
    pdf.object("<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 3 0 R] /Count 2 >>");
    pdf.finish("")
}

/// A well-formed file with a page tree of no pages.
#[must_use]
pub fn no_pages() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [] /Count 0 >>");
    pdf.finish("")
}

/// Catalog (1), tree (2) and page (3); `rest` adds the contents (4) and what they use (5 and on).
fn one_page(media_box: &str, resources: &str, rest: impl FnOnce(&mut RawPdf)) -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(&format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox {media_box} /Contents 4 0 R /Resources << {resources} >> >>"
    ));
    rest(&mut pdf);
    pdf.finish("")
}
