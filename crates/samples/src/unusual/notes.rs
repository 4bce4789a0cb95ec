//! What stands apart from the running text, and belongs to it: notes, and headings that only the outline tells of.

use crate::raw::RawPdf;

use super::HELVETICA;

/// A page on the trade of a mill. Its heading "2 The trade" is set as its text is, and the outline leads there; the outline also
/// has "Flour", which is a word of the text. Two notes stand close to each other at its foot, the marks 3 and 4 raised behind
/// "bread" and "oats." An exponent, that of "20 m2", has the number of no note.
#[must_use]
pub fn notes_and_a_plain_heading() -> Vec<u8> {
    let content = "BT /F1 11 Tf 72 700 Td (2 The trade) Tj \
        0 -28 Td (The mill grinds wheat for bread) Tj 6.5 0 0 6.5 223.0 676 Tm /F1 1 Tf (3) Tj \
        1 0 0 1 226.6 672 Tm /F1 11 Tf ( and, since the new stones, also oats.) Tj \
        6.5 0 0 6.5 410.0 676 Tm /F1 1 Tf (4) Tj \
        1 0 0 1 72 658 Tm /F1 11 Tf (Its floor of 20 m) Tj 6.5 0 0 6.5 147.8 662 Tm /F1 1 Tf (2) Tj \
        1 0 0 1 151.4 658 Tm /F1 11 Tf ( holds the flour of a week, and no more than that.) Tj \
        5 0 0 5 72 103 Tm /F1 1 Tf (3) Tj 1 0 0 1 76 100 Tm /F1 8 Tf (The oldest of its kinds, with long ears.) Tj \
        5 0 0 5 72 93 Tm /F1 1 Tf (4) Tj 1 0 0 1 76 90 Tm /F1 8 Tf (Of the upper fields, which lie in the shade.) Tj ET";
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>",
    );
    pdf.object(HELVETICA);
    pdf.stream("", content.as_bytes());
    pdf.object("<< /Type /Outlines /First 7 0 R /Last 8 0 R /Count 2 >>");
    pdf.object("<< /Title (The trade) /Parent 6 0 R /Next 8 0 R /Dest [3 0 R /Fit] >>");
    pdf.object("<< /Title (Flour) /Parent 6 0 R /Prev 7 0 R /Dest [3 0 R /Fit] >>");
    pdf.finish("")
}

/// A page with a list within a list, whose items are "1.", "(a)", "(b)" and "2.", and two figures: a drawn curve between two axes
/// above "Figure 1 Water of a year", and a picture in two strips below each other above "Figure 2: The weir". "Figure 1 shows the
/// water." is a sentence. A rule without a caption crosses the foot of the page.
#[must_use]
pub fn lists_and_figures() -> Vec<u8> {
    let lines = [
        (
            72,
            720,
            "Figure 1 shows the water. The mill stands still in two months of the year.",
        ),
        (72, 690, "1. Open the gate."),
        (96, 676, "(a) Turn the wheel by hand."),
        (96, 662, "(b) Look at the chain."),
        (72, 648, "2. Let the water in."),
        (72, 430, "Figure 1 Water of a year"),
        (72, 230, "Figure 2: The weir"),
    ];
    let text: String = lines
        .iter()
        .map(|(x, y, line)| format!("BT /F1 11 Tf {x} {y} Td ({line}) Tj ET\n"))
        .collect();
    let strip = |y: u32| {
        format!("q 200 0 0 60 72 {y} cm BI /W 2 /H 1 /BPC 8 /CS /G /F /AHx ID 40A0> EI Q\n")
    };
    let content = format!(
        "{text}1 w 80 460 m 80 620 l S 80 460 m 300 460 l S 80 470 m 140 640 220 400 300 600 c S\n\
         {}{}72 60 m 540 60 l S",
        strip(310),
        strip(250),
    );
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>",
    );
    pdf.object(HELVETICA);
    pdf.stream("", content.as_bytes());
    pdf.finish("")
}
