//! Hand-made pages of one picture, and every way in which they are more than that.

use super::super::Scan;
use crate::inspect::hand_made::{open, pdf};
use pagemill_document::PageNumber;

const PICTURE: &str = "/Type/XObject/Subtype/Image/Width 600/Height 300/BitsPerComponent 8\
                       /ColorSpace/DeviceRGB/Filter/DCTDecode";

fn stream(dictionary: &str, content: &str) -> String {
    format!(
        "<<{dictionary}/Length {}>>\nstream\n{content}\nendstream",
        content.len()
    )
}

/// The scan that is found on a page of 200 by 100 points.
fn found(page: &str, content: &str, picture: &str, resources: &str) -> Option<Scan> {
    let page = format!(
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R{page}\
         /Resources<</XObject<</Im0 5 0 R>>/Font<</F1 6 0 R/F3 7 0 R>>{resources}>>>>"
    );
    let file = pdf(&[
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        &page,
        &stream("", content),
        &stream(picture, "not looked at"),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "<</Type/Font/Subtype/Type3>>",
    ]);
    open(&file).expect("a PDF").scan(PageNumber(1))
}

fn on_page(content: &str) -> Option<Scan> {
    found("", content, PICTURE, "")
}

const DRAWN: &str = "q 200 0 0 100 0 0 cm /Im0 Do Q";

#[test]
fn a_page_that_is_one_picture_is_found() {
    let scan = Scan {
        width: 600,
        height: 300,
        grey: false,
    };
    for content in [
        DRAWN,
        "200 0 0 100 0 0 cm /Im0 Do",
        "q .5 0 0 .5 0 0 cm q 400 0 0 200 0 0 cm /Im0 Do Q Q",
        "q 0 0 200 100 re W n 200 0 0 100 0 0 cm /Im0 Do Q",
        "q 199.9 0 0 100.1 0.05 0 cm /Im0 Do Q",
        "BT 3 Tr /F1 10 Tf 5 5 Td (hidden) Tj ET q 200 0 0 100 0 0 cm /Im0 Do Q",
        "/Artifact <</Type/Layout>> BDC 1 0 0 rg q 200 0 0 100 0 0 cm /Im0 Do Q EMC",
    ] {
        assert_eq!(on_page(content), Some(scan), "{content}");
    }
    let grey = PICTURE.replace("DeviceRGB", "DeviceGray");
    let found_grey = found("", DRAWN, &grey, "");
    assert_eq!(found_grey, Some(Scan { grey: true, ..scan }));
    let linked = "/Annots[<</Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://example.com)>>>>]";
    assert_eq!(found(linked, DRAWN, PICTURE, ""), Some(scan));
    let harmless = "/ExtGState<</G<</Type/ExtGState/CA 1/ca 1.0/BM/Normal/SMask/None>>>>";
    let content = format!("/G gs {DRAWN}");
    assert_eq!(found("", &content, PICTURE, harmless), Some(scan));
    // Longer than what is copied from the file, with words that end streams.
    let long = format!("% endstream\n%{}\n{DRAWN}", "stream\n% ".repeat(1000));
    assert_eq!(on_page(&long), Some(scan));
    let cropped_to_it = "/CropBox[0 0 200 100]";
    assert_eq!(found(cropped_to_it, DRAWN, PICTURE, ""), Some(scan));
}

#[test]
fn more_than_the_picture_is_not_it() {
    for content in [
        "",
        "q 200 0 0 100 0 0 cm /Im0 Do Q q 200 0 0 100 0 0 cm /Im0 Do Q",
        "q 200 0 0 100 0 0 cm /Im0 Do Q 0 0 5 5 re f",
        "q 200 0 0 100 0 0 cm /Im0 Do Q BT /F1 10 Tf (seen) Tj ET",
        "q BT 3 Tr ET Q q 200 0 0 100 0 0 cm /Im0 Do Q BT /F1 10 Tf (seen) Tj ET",
        "BT 3 Tr /F3 10 Tf (drawn all the same) Tj ET q 200 0 0 100 0 0 cm /Im0 Do Q",
        "q 200 0 0 100 0 0 cm /Im0 Do Q /Other Do",
        "q 200 0 0 100 0 0 cm /Im0 Do Q /Sh sh",
        "q 200 0 0 100 0 0 cm /Im0 Do Q 0 0 m 9 9 l S",
        "q 200 0 0 100 0 0 cm /Im0 Do Q ]]>> what is this",
        "/OC /Layer BDC q 200 0 0 100 0 0 cm /Im0 Do Q EMC",
        "/Missing gs q 200 0 0 100 0 0 cm /Im0 Do Q",
    ] {
        assert_eq!(on_page(content), None, "{content}");
    }
    let stamped = "/Annots[<</Subtype/Stamp/Rect[0 0 9 9]>>]";
    assert_eq!(found(stamped, DRAWN, PICTURE, ""), None);
    for state in [
        "/ca .5",
        "/BM/Multiply",
        "/SMask<</S/Alpha>>",
        "/TR/Identity",
    ] {
        let resources = format!("/ExtGState<</G<<{state}>>>>");
        let content = format!("/G gs {DRAWN}");
        assert_eq!(found("", &content, PICTURE, &resources), None, "{state}");
    }
}

#[test]
fn a_picture_that_is_turned_cut_or_smaller_than_the_page_is_not_it() {
    for content in [
        "q 0 100 -200 0 200 0 cm /Im0 Do Q",
        "q 200 0 0 -100 0 100 cm /Im0 Do Q",
        "q -200 0 0 100 200 0 cm /Im0 Do Q",
        "q 200 1 0 100 0 0 cm /Im0 Do Q",
        "q 198 0 0 100 1 0 cm /Im0 Do Q",
        "q 220 0 0 100 -10 0 cm /Im0 Do Q",
        "q 10 10 100 50 re W n 200 0 0 100 0 0 cm /Im0 Do Q",
        "q 0 0 200 100 re 10 10 20 20 re W* n 200 0 0 100 0 0 cm /Im0 Do Q",
    ] {
        assert_eq!(on_page(content), None, "{content}");
    }
    assert_eq!(found("/Rotate 90", DRAWN, PICTURE, ""), None);
    assert_eq!(found("/CropBox[20 20 180 80]", DRAWN, PICTURE, ""), None);
}

#[test]
fn a_picture_of_other_colours_or_with_a_mask_is_not_it() {
    for (from, to) in [
        ("/DCTDecode", "[/FlateDecode/DCTDecode]"),
        ("/DCTDecode", "/JPXDecode"),
        ("/DeviceRGB", "/DeviceCMYK"),
        ("/DeviceRGB", "[/Indexed/DeviceRGB 1(abcdef)]"),
        ("/DeviceRGB", "[/ICCBased 6 0 R]"),
        ("/DeviceRGB", "/DeviceRGB/Decode[1 0 1 0 1 0]"),
        ("/DeviceRGB", "/DeviceRGB/Mask[0 9 0 9 0 9]"),
        ("/DeviceRGB", "/DeviceRGB/SMask 5 0 R"),
        ("/DeviceRGB", "/DeviceRGB/OC 6 0 R"),
        ("/DeviceRGB", "/DeviceRGB/DecodeParms<</ColorTransform 0>>"),
        ("/BitsPerComponent 8", "/BitsPerComponent 1"),
        ("/Width 600", "/Width -600"),
        ("/Image", "/Form"),
    ] {
        let picture = PICTURE.replacen(from, to, 1);
        assert_ne!(picture, PICTURE);
        assert_eq!(found("", DRAWN, &picture, ""), None, "{to}");
    }
    let redefined = "/ColorSpace<</DefaultRGB 6 0 R>>";
    assert_eq!(found("", DRAWN, PICTURE, redefined), None);
}
