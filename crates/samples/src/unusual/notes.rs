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
