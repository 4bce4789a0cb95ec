//! PDFs written by hand, for tests.

use super::Parsed;
use pagemill_reader::{Limits, PdfError};

/// A file of these objects, numbered from 1; the first is the catalog. `trailer` is added to the trailer.
pub(crate) fn pdf_with_trailer(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut offsets = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").into_bytes());
    }
    let start = file.len();
    let size = objects.len() + 1;
    file.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").into_bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").into_bytes());
    }
    file.extend(
        format!("trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n")
            .into_bytes(),
    );
    file
}

/// A file of these objects.
pub(crate) fn pdf(objects: &[&str]) -> Vec<u8> {
    let owned: Vec<String> = objects.iter().map(|object| (*object).to_owned()).collect();
    pdf_with_trailer(&owned, "")
}

/// A file of one page with these annotations; `catalog` and `page` are added to their dictionaries, and `more`
/// are objects from 4 on.
pub(crate) fn one_page(catalog: &str, page: &str, annotations: &[&str], more: &[&str]) -> Vec<u8> {
    let catalog = format!("<</Type/Catalog/Pages 2 0 R{catalog}>>");
    let page = format!(
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]{page}/Annots[{}]>>",
        annotations.join(" ")
    );
    let mut objects = vec![
        catalog.as_str(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page.as_str(),
    ];
    objects.extend(more);
    pdf(&objects)
}

/// Opens without passwords, with the default limits. The file stays until the test's process ends.
pub(crate) fn open(bytes: &[u8]) -> Result<Parsed<'static>, PdfError> {
    Parsed::open(bytes.to_vec().leak(), &[], &Limits::default())
}
