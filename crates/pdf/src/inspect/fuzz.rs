//! Fuzz target: links, outline, labels and metadata of damaged files.

use bolero::{TypeGenerator, check};

use super::Parsed;
use super::hand_made::{one_page, pdf};
use crate::fuzz::{Edit, damaged};
use pagemill_document::PageNumber;
use pagemill_reader::Limits;

/// Most links of a page, so small that a damaged file gets over it.
const MOST_LINKS: u32 = 3;

/// Pages that a damaged file may have.
const MOST_PAGES: u32 = 50;

/// Small files with what is read: links of each kind, names, outlines, labels, metadata, a page tree of two levels.
fn real() -> Vec<Vec<u8>> {
    let links = one_page(
        "/Names<</Dests<</Names[(a)[3 0 R/Fit]]>>>>/Dests<</b[3 0 R/XYZ 0 0 0]>>",
        "",
        &[
            "<</Type/Annot/Subtype/Link/Rect[1 2 30 40]/A<</S/URI/URI(https://example.com/)>>>>",
            "<</Subtype/Link/Rect[1 2 30 40]/A<</S/GoTo/D(a)>>>>",
            "<</Subtype/Link/Rect[1 2 30 40]/Dest/b>>",
            "<</Subtype/Link/Rect[30 40 1 2]/A<</S/GoToR/F(b.pdf)/D[0/Fit]>>>>",
            "<</Subtype/Link/Rect[1 2 30 40]/A<</S/Launch/F(c.exe)>>>>",
            "4 0 R",
        ],
        &["<</Subtype/Link/Rect[0 0 9 9]/A<</S/JavaScript/JS(app.alert)>>>>"],
    );
    let structure = pdf(&[
        "<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R/PageLabels<</Nums[0<</S/r>>1<</S/D/P(A-)/St 7>>]>>/Metadata 9 0 R/OpenAction<</S/JavaScript/JS(x)>>>>",
        "<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2/MediaBox[0 0 200 100]/Rotate 90>>",
        "<</Type/Page/Parent 2 0 R>>",
        "<</Type/Pages/Parent 2 0 R/Kids[5 0 R]/Count 1>>",
        "<</Type/Page/Parent 4 0 R/CropBox[10 10 20 20]>>",
        "<</Type/Outlines/First 7 0 R/Last 8 0 R/Count 2>>",
        "<</Title(One)/Parent 6 0 R/Next 8 0 R/Dest[3 0 R/Fit]>>",
        "<</Title(\\376\\377\\000T)/Parent 6 0 R/Prev 7 0 R/A<</S/GoTo/D[5 0 R/Fit]>>>>",
        "<</Type/Metadata/Subtype/XML/Length 151>>\nstream\n<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description/></rdf:RDF></x:xmpmeta>        \nendstream",
    ]);
    vec![links, structure]
}

#[derive(Debug, Clone, TypeGenerator)]
struct File {
    which: u8,
    edits: Vec<Edit>,
}

fn limits() -> Limits {
    Limits {
        max_pages: MOST_PAGES,
        ..Limits::default()
    }
}

/// Reads all there is, and checks what holds of every file. Gives how much was found.
fn read(bytes: &[u8]) -> usize {
    let Ok(parsed) = Parsed::open(bytes, &[], &limits()) else {
        return 0;
    };
    let pages = parsed.inspection().pages;
    assert!((1..=MOST_PAGES).contains(&pages), "{pages} pages");
    let mut found = parsed.outline().len() + parsed.page_labels().len();
    for page in (1..=pages).map(PageNumber) {
        let (links, _) = parsed.links(page, MOST_LINKS);
        assert!(links.len() <= MOST_LINKS as usize);
        assert!(links.iter().all(|link| link.page == page));
        found += links.len();
    }
    found
}

#[test]
fn ho_1_links_and_structure_of_damaged_files_are_read_or_refused() {
    let real = real();
    check!().with_type::<File>().for_each(|file| {
        let bytes = damaged(&real[usize::from(file.which) % real.len()], &file.edits);
        read(&bytes);
    });
}

#[test]
fn whole_files_have_what_the_fuzzer_damages() {
    for file in real() {
        assert!(read(&file) >= 3);
    }
}
