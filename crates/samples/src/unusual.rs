//! Files that are right, or nearly so, and that readers get wrong: one of each kind, named after what went wrong.
//!
//! Each says in its documentation what is to be seen in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lopdf::encryption::Permissions;
use lopdf::encryption::crypt_filters::{CryptFilter, Rc4CryptFilter};
use lopdf::{Document, EncryptionState, EncryptionVersion, Object};

use crate::hostile::{OWNER_PASSWORD, settle_padding};
use crate::raw::RawPdf;

pub mod lettering;
pub mod notes;
pub mod tables;

const HELVETICA: &str =
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";

/// Every unusual sample with the file name that `make-samples --unusual` gives it.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("user-unit.pdf", user_unit()),
        ("link-over-two-lines.pdf", link_over_two_lines()),
        ("no-header.pdf", no_header()),
        ("outline-to-addresses.pdf", outline_to_addresses()),
        ("drawn-annotations.pdf", drawn_annotations()),
        ("plain-strings.pdf", plain_strings()),
        ("encrypted-without-id.pdf", encrypted_without_id()),
        ("ligatures.pdf", lettering::ligatures()),
        ("letter-by-letter.pdf", lettering::letter_by_letter()),
        ("vertical-writing.pdf", lettering::vertical_writing()),
        ("negative-sizes.pdf", lettering::negative_sizes()),
        ("oblique.pdf", lettering::oblique(30.0)),
        ("type-3-of-units.pdf", lettering::type_3_of_units()),
        ("filled-form.pdf", lettering::filled_form()),
        ("non-joiner.pdf", lettering::non_joiner()),
        ("nameless-glyphs.pdf", lettering::nameless_glyphs()),
        ("names-above-the-rules.pdf", tables::names_above_the_rules()),
        ("heads-of-many-kinds.pdf", tables::heads_of_many_kinds()),
        ("chart-with-a-scale.pdf", tables::chart_with_a_scale()),
        (
            "notes-and-a-plain-heading.pdf",
            notes::notes_and_a_plain_heading(),
        ),
        ("lists-and-figures.pdf", notes::lists_and_figures()),
    ]
}

/// A page of 8.5 by 11 units of an inch each (`/UserUnit 72`): 612 by 792 points. It has the line "Plot of a site" of
/// 14.4 points, over which a link lies.
#[must_use]
pub fn user_unit() -> Vec<u8> {
    page(
        "/MediaBox [0 0 8.5 11] /UserUnit 72",
        "BT /F1 0.2 Tf 1 9 Td (Plot of a site) Tj ET",
        &[
            "<< /Type /Annot /Subtype /Link /Border [0 0 0] /Rect [1 8.9 2.5 9.3] /A << /S /URI /URI (https://www.example.com/plot) >> >>",
        ],
    )
}

/// A link from the last word of a line, "long", to the first one of the next, "link" (`/QuadPoints`), whose rectangle
/// covers both lines.
#[must_use]
pub fn link_over_two_lines() -> Vec<u8> {
    page(
        "/MediaBox [0 0 612 792]",
        "BT /F1 12 Tf 72 660 Td (this line ends with a long) Tj 0 -14 Td (link and goes on after it) Tj ET",
        &[
            "<< /Type /Annot /Subtype /Link /Border [0 0 0] /Rect [72 643 202.73 671] /QuadPoints [180.05 671 202.73 671 180.05 657 202.73 657 72 657 90 657 72 643 90 643] /A << /S /URI /URI (https://www.example.com/two-lines) >> >>",
        ],
    )
}

/// A page that says "A file without a header", in a file that has none.
#[must_use]
pub fn no_header() -> Vec<u8> {
    let whole = page(
        "/MediaBox [0 0 612 792]",
        "BT /F1 12 Tf 72 700 Td (A file without a header) Tj ET",
        &[],
    );
    let header = whole.iter().position(|byte| *byte == b'\n');
    whole[header.map_or(0, |end| end + 1)..].to_vec()
}

/// Bookmarks that lead to a web address, to a page and to another file.
#[must_use]
pub fn outline_to_addresses() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R /Outlines 4 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << >> >>");
    pdf.object("<< /Type /Outlines /First 5 0 R /Last 7 0 R /Count 3 >>");
    pdf.object("<< /Title (The journal) /Parent 4 0 R /Next 6 0 R /A << /S /URI /URI (https://www.example.com/journal) >> >>");
    pdf.object("<< /Title (Here) /Parent 4 0 R /Prev 5 0 R /Next 7 0 R /Dest [3 0 R /Fit] >>");
    pdf.object("<< /Title (Part two) /Parent 4 0 R /Prev 6 0 R /A << /S /GoToR /F (part2.pdf) /D [0 /Fit] >> >>");
    pdf.finish("")
}

/// A page with a line, a green triangle and a stamp that bring no appearance of their own.
#[must_use]
pub fn drawn_annotations() -> Vec<u8> {
    page(
        "/MediaBox [0 0 612 792]",
        "",
        &[
            "<< /Type /Annot /Subtype /Line /Rect [66 527 538 625] /L [66 615 528 537] /C [0 0 0] /BS << /W 4 >> /F 4 >>",
            "<< /Type /Annot /Subtype /Polygon /Rect [100 100 400 300] /Vertices [100 100 400 100 250 300] /C [0 0.5 0] /IC [0 1 0] /F 4 >>",
            "<< /Type /Annot /Subtype /Stamp /Rect [400 700 500 740] /Name /Approved /F 4 >>",
        ],
    )
}

/// [`crate::invoice`], encrypted with an empty user password, its streams only: its strings are left as they are
/// (`/StrF /Identity`).
#[must_use]
pub fn plain_strings() -> Vec<u8> {
    let mut document =
        Document::load_mem(&crate::invoice()).expect("the samples are valid documents");
    let filter: Arc<dyn CryptFilter> = Arc::new(Rc4CryptFilter);
    let version = EncryptionVersion::V4 {
        document: &document,
        encrypt_metadata: true,
        crypt_filters: BTreeMap::from([(b"StdCF".to_vec(), filter)]),
        stream_filter: b"StdCF".to_vec(),
        string_filter: b"Identity".to_vec(),
        owner_password: OWNER_PASSWORD,
        user_password: "",
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).expect("the samples have a file id");
    document
        .encrypt(&state)
        .expect("a plain document can be encrypted");
    settle_padding(&mut document);
    written(document)
}

/// [`crate::links_and_outline`], encrypted with an empty user password, in a file without the identifier that is part of
/// the key: readers take an empty one.
#[must_use]
pub fn encrypted_without_id() -> Vec<u8> {
    let mut document =
        Document::load_mem(&crate::links_and_outline()).expect("the samples are valid documents");
    let empty = Object::string_literal("");
    document.trailer.set("ID", vec![empty.clone(), empty]);
    let version = EncryptionVersion::V2 {
        document: &document,
        owner_password: OWNER_PASSWORD,
        user_password: "",
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).expect("an empty id is one");
    document
        .encrypt(&state)
        .expect("a plain document can be encrypted");
    settle_padding(&mut document);
    document.trailer.remove(b"ID");
    written(document)
}

fn written(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document
        .save_to(&mut bytes)
        .expect("writing to memory does not fail");
    bytes
}

/// A file of one page with Helvetica as `/F1`; `entries` are those of the page besides.
fn page(entries: &str, content: &str, annotations: &[&str]) -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    let first = 6;
    let references: Vec<String> = (first..first + annotations.len())
        .map(|number| format!("{number} 0 R"))
        .collect();
    pdf.object(&format!(
        "<< /Type /Page /Parent 2 0 R {entries} /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> /Annots [{}] >>",
        references.join(" ")
    ));
    pdf.stream("", content.as_bytes());
    pdf.object(HELVETICA);
    for annotation in annotations {
        pdf.object(annotation);
    }
    pdf.finish("")
}
