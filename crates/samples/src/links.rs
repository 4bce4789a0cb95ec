//! Every kind of link, the outline, named destinations of both sorts, and page labels.
//!
//! The unsafe ones are harmless: they point at hosts reserved for examples, at files that do not exist, and at scripts
//! that do nothing.

use crate::raw::RawPdf;

/// The anchor text of each link on page 2 and the rest of its annotation dictionary.
const LINKS: &[(&str, &str)] = &[
    (
        "Web page",
        "/A << /S /URI /URI (https://www.example.com/guide?page=2#top) >>",
    ),
    (
        "Web page, plain HTTP",
        "/A << /S /URI /URI (http://example.org/) >>",
    ),
    (
        "Web page with brackets",
        "/A << /S /URI /URI (https://example.com/a\\(b\\)) >>",
    ),
    (
        "Mail",
        "/A << /S /URI /URI (mailto:reader@example.com?subject=Hello) >>",
    ),
    ("Telephone", "/A << /S /URI /URI (tel:+1-555-0100) >>"),
    (
        "This document, page 3 by array",
        "/Dest [5 0 R /XYZ 0 700 null]",
    ),
    (
        "This document, page 4 by action",
        "/A << /S /GoTo /D [6 0 R /Fit] >>",
    ),
    (
        "This document, by name in the name tree",
        "/Dest (chapter-two)",
    ),
    (
        "This document, by old-style name",
        "/A << /S /GoTo /D /appendix >>",
    ),
    (
        "This document, a name that is not there",
        "/A << /S /GoTo /D (no-such-place) >>",
    ),
    (
        "Another file, page 5",
        "/A << /S /GoToR /F (volume2.pdf) /D [4 /Fit] >>",
    ),
    (
        "Another file, by name",
        "/A << /S /GoToR /F << /Type /Filespec /F (volume2.pdf) /UF (volume2.pdf) >> /D (start) >>",
    ),
    (
        "A file on a share",
        "/A << /S /GoToR /F (\\\\\\\\files.example\\\\public\\\\plan.pdf) /D [0 /Fit] >>",
    ),
    ("A program", "/A << /S /Launch /F (no-such-program.exe) >>"),
    (
        "A script as an action",
        "/A << /S /JavaScript /JS (var nothing = 0;) >>",
    ),
    (
        "A script as an address",
        "/A << /S /URI /URI (javascript:void\\(0\\)) >>",
    ),
    (
        "A local file",
        "/A << /S /URI /URI (file:///no/such/file.txt) >>",
    ),
    ("Data", "/A << /S /URI /URI (data:text/plain,hello) >>"),
    (
        "A share as an address",
        "/A << /S /URI /URI (smb://files.example/public) >>",
    ),
    (
        "A metadata service",
        "/A << /S /URI /URI (http://169.254.169.254/latest/) >>",
    ),
    (
        "A private address",
        "/A << /S /URI /URI (http://10.0.0.1/admin) >>",
    ),
    (
        "This very machine",
        "/A << /S /URI /URI (http://localhost:8080/) >>",
    ),
    (
        "A name without a dot",
        "/A << /S /URI /URI (http://intranet/) >>",
    ),
    (
        "Credentials",
        "/A << /S /URI /URI (https://user:password@example.com/) >>",
    ),
    (
        "A form submission",
        "/A << /S /SubmitForm /F << /FS /URL /F (https://example.com/submit) >> >>",
    ),
    (
        "The next page, by its name",
        "/A << /S /Named /N /NextPage >>",
    ),
    (
        "An unknown scheme",
        "/A << /S /URI /URI (gopherish:somewhere) >>",
    ),
    (
        "Not an address at all",
        "/A << /S /URI /URI (not an address) >>",
    ),
];

/// How many links [`links_and_outline`] has: one of each sort on page 2 (labelled `1`), and one on page 1.
pub const LINK_COUNT: usize = LINKS.len() + 1;

/// Four pages labelled `i`, `1`, `2`, `A-1`. Page 1 has a table of contents with one link; page 2 has one link of each
/// sort (web, mail, inside the document by array, action and name, other files, programs, scripts, private addresses,
/// ...), each under a line of text that says what it is. The outline has three levels and one entry without a target;
/// destinations are named in the name tree (`chapter-two`) and in the old dictionary (`appendix`).
#[must_use]
pub fn links_and_outline() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object(
        "<< /Type /Catalog /Pages 2 0 R /Outlines 13 0 R /PageMode /UseOutlines /Lang (en) \
         /Names << /Dests << /Names [(chapter-one) [4 0 R /XYZ 0 800 null] (chapter-two) << /D [5 0 R /XYZ 0 760 null] >>] >> >> \
         /Dests << /appendix [6 0 R /Fit] >> \
         /PageLabels << /Nums [0 << /S /r >> 1 << /S /D >> 3 << /S /D /P (A-) >>] >> >>",
    );
    pdf.object("<< /Type /Pages /Kids [3 0 R 4 0 R 5 0 R 6 0 R] /Count 4 >>");
    let first_annotation = 20;
    let references: Vec<String> = (0..LINKS.len())
        .map(|index| format!("{} 0 R", first_annotation + 1 + index))
        .collect();
    let annotations = [
        format!("{first_annotation} 0 R"),
        references.join(" "),
        String::new(),
        String::new(),
    ];
    for (index, annotations) in annotations.iter().enumerate() {
        let contents = 7 + index;
        pdf.object(&format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {contents} 0 R \
             /Resources << /Font << /F1 11 0 R >> >> /Annots [{annotations}] >>"
        ));
    }
    pdf.stream(
        "",
        &page_text("Contents", &["Chapter One: every kind of link"]),
    );
    let anchors: Vec<&str> = LINKS.iter().map(|(anchor, _)| *anchor).collect();
    pdf.stream("", &page_text("Chapter One", &anchors));
    pdf.stream(
        "",
        &page_text("Chapter Two", &["Links from chapter one lead here."]),
    );
    pdf.stream("", &page_text("Appendix", &["The end."]));
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    pdf.object(
        "<< /Title (Links and Outline) /Author (Pagemill samples) /Subject (Every kind of link) \
         /Keywords (links, outline, page labels) /Creator (pagemill-samples) /CreationDate (D:20260115093000Z) >>",
    );
    outline(&mut pdf);
    pdf.object(&annotation(0, "/Dest (chapter-one)"));
    for (index, (_, target)) in LINKS.iter().enumerate() {
        pdf.object(&annotation(index, target));
    }
    let id = "<5061676D696C6C2D73616D706C65732D>";
    pdf.finish(&format!("/Info 12 0 R /ID [{id} {id}]"))
}

const FIRST_LINE: usize = 770;
const LEADING: usize = 25;

fn page_text(heading: &str, lines: &[&str]) -> Vec<u8> {
    let mut content = format!("BT /F1 20 Tf 60 800 Td ({heading}) Tj ET\n");
    for (index, line) in lines.iter().enumerate() {
        let baseline = FIRST_LINE - index * LEADING;
        content.push_str(&format!("BT /F1 12 Tf 60 {baseline} Td ({line}) Tj ET\n"));
    }
    content.into_bytes()
}

fn annotation(line: usize, target: &str) -> String {
    let baseline = FIRST_LINE - line * LEADING;
    let (bottom, top) = (baseline - 4, baseline + 12);
    format!(
        "<< /Type /Annot /Subtype /Link /Rect [58 {bottom} 400 {top}] /Border [0 0 1] /C [0 0 1] {target} >>"
    )
}

/// Objects 13 to 19: the outline's root, then six entries on three levels.
fn outline(pdf: &mut RawPdf) {
    pdf.object("<< /Type /Outlines /First 14 0 R /Last 19 0 R /Count 6 >>");
    pdf.object("<< /Title (Contents) /Parent 13 0 R /Next 15 0 R /Dest [3 0 R /Fit] >>");
    pdf.object(
        "<< /Title (Chapter One) /Parent 13 0 R /Prev 14 0 R /Next 18 0 R /First 16 0 R /Last 16 0 R /Count 2 \
         /Dest (chapter-one) >>",
    );
    pdf.object(
        "<< /Title (Every kind of link) /Parent 15 0 R /First 17 0 R /Last 17 0 R /Count 1 \
         /A << /S /GoTo /D [4 0 R /XYZ 0 780 null] >> >>",
    );
    // UTF-16BE with its byte order mark: "Näheres".
    pdf.object("<< /Title <FEFF004E00E400680065007200650073> /Parent 16 0 R /Dest [4 0 R /XYZ 0 400 null] >>");
    pdf.object(
        "<< /Title (Chapter Two) /Parent 13 0 R /Prev 15 0 R /Next 19 0 R /Dest (chapter-two) >>",
    );
    pdf.object("<< /Title (An entry that leads nowhere) /Parent 13 0 R /Prev 18 0 R >>");
}
