//! Small PDFs for tests, written by hand: a page tree, Helvetica, a content stream a page.

use std::fmt::Write as _;

/// One page.
pub(crate) struct Page {
    content: String,
    width: f32,
    height: f32,
    /// Degrees clockwise.
    pub(crate) rotate: u32,
    /// Rectangles in points from the lower left corner, and where they link to.
    pub(crate) links: Vec<([f32; 4], String)>,
    /// Levels of form objects that each draw the next one ten times.
    pub(crate) form_levels: u32,
}

impl Page {
    /// A letter page with one line of text at 72, 700.
    pub(crate) fn text(line: &str) -> Self {
        Self::drawn(
            &format!("BT /F1 24 Tf 72 700 Td ({line}) Tj ET"),
            612.0,
            792.0,
        )
    }

    /// A page with this content stream.
    pub(crate) fn drawn(content: &str, width: f32, height: f32) -> Self {
        Self {
            content: content.to_owned(),
            width,
            height,
            rotate: 0,
            links: Vec::new(),
            form_levels: 0,
        }
    }
}

/// A file with these pages.
pub(crate) fn pdf(pages: &[Page]) -> Vec<u8> {
    // Objects 1 to 3 are the catalogue, the page tree and the font.
    let mut objects = vec![String::new(); 3];
    let mut kids = String::new();
    for page in pages {
        let mut content = page.content.clone();
        let first_form = objects.len() + 1;
        for level in 1..=page.form_levels as usize {
            let is_last = level == page.form_levels as usize;
            let stream = if is_last {
                "0 0 9 9 re f".to_owned()
            } else {
                "/X Do ".repeat(10)
            };
            let next = first_form + level;
            let resources = if is_last {
                String::new()
            } else {
                format!("/X {next} 0 R")
            };
            objects.push(format!(
                "<< /Type /XObject /Subtype /Form /BBox [0 0 99 99] /Resources << /XObject << {resources} >> >> /Length {} >>\nstream\n{stream}\nendstream",
                stream.len()
            ));
        }
        let forms = if page.form_levels > 0 {
            content.push_str(" /X Do");
            format!("/XObject << /X {first_form} 0 R >>")
        } else {
            String::new()
        };
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
        let content_id = objects.len();
        let mut annotations = String::new();
        for ([left, bottom, right, top], uri) in &page.links {
            objects.push(format!(
                "<< /Type /Annot /Subtype /Link /Border [0 0 0] /Rect [{left} {bottom} {right} {top}] /A << /S /URI /URI ({uri}) >> >>"
            ));
            write!(annotations, "{} 0 R ", objects.len()).expect("a string takes it");
        }
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Rotate {} /Contents {content_id} 0 R /Annots [{annotations}] /Resources << /Font << /F1 3 0 R >> {forms} >> >>",
            page.width, page.height, page.rotate
        ));
        write!(kids, "{} 0 R ", objects.len()).expect("a string takes it");
    }
    objects[0] = "<< /Type /Catalog /Pages 2 0 R >>".to_owned();
    objects[1] = format!("<< /Type /Pages /Count {} /Kids [{kids}] >>", pages.len());
    objects[2] = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned();

    let mut file = "%PDF-1.7\n".to_owned();
    let mut table = String::new();
    for (index, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", file.len()).expect("a string takes it");
        write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1).expect("a string takes it");
    }
    let start = file.len();
    let size = objects.len() + 1;
    write!(
        file,
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    )
    .expect("a string takes it");
    file.into_bytes()
}

/// A file of one page of `width` by `height` points that shows nothing but this JPEG, of three channels.
#[allow(dead_code, reason = "not every test scans")]
pub(crate) fn scanned(jpeg: &[u8], pixels: (u32, u32), size: (u32, u32), rotate: u32) -> Vec<u8> {
    let content = format!("q {} 0 0 {} 0 0 cm /Im0 Do Q", size.0, size.1);
    let objects: [Vec<u8>; 5] = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 {} {}]/Rotate {rotate}/Contents 4 0 R\
             /Resources<</XObject<</Im0 5 0 R>>>>>>",
            size.0, size.1
        )
        .into_bytes(),
        format!(
            "<</Length {}>>\nstream\n{content}\nendstream",
            content.len()
        )
        .into_bytes(),
        [
            format!(
                "<</Type/XObject/Subtype/Image/Width {}/Height {}/BitsPerComponent 8\
                 /ColorSpace/DeviceRGB/Filter/DCTDecode/Length {}>>\nstream\n",
                pixels.0,
                pixels.1,
                jpeg.len()
            )
            .as_bytes(),
            jpeg,
            b"\nendstream",
        ]
        .concat(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        writeln!(table, "{:010} 00000 n ", file.len()).expect("a string takes it");
        file.extend(format!("{number} 0 obj\n").into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    file.extend(table.into_bytes());
    file.extend(
        format!(
            "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        )
        .into_bytes(),
    );
    file
}
