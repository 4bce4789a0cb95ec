//! What is learnt of hand-made files, whole, broken and hostile.

use std::io::Write;

use lopdf::{Document, EncryptionState, EncryptionVersion, Object, Permissions, StringFormat};

use super::Parsed;
use crate::inspect::hand_made::{one_page, open, pdf, pdf_with_trailer};
use pagemill_document::{Encryption, PageNumber};
use pagemill_reader::{Limits, PdfError};

const PAGE: &str = "<</Type/Page/Parent 2 0 R>>";

/// How a file fails to open.
fn failure(bytes: &[u8]) -> PdfError {
    match open(bytes) {
        Ok(parsed) => panic!("it opened: {:?}", parsed.inspection()),
        Err(error) => error,
    }
}

#[test]
fn a_lying_count_is_not_believed() {
    for count in ["2147483647", "-1", "0", "(many)"] {
        let kids = format!("<</Type/Pages/Kids[3 0 R 4 0 R]/Count {count}>>");
        let file = pdf(&["<</Type/Catalog/Pages 2 0 R>>", &kids, PAGE, PAGE]);
        assert_eq!(open(&file).unwrap().inspection().pages, 2, "{count}");
    }
}

#[test]
fn circles_in_the_page_tree_end_and_are_told() {
    let file = pdf(&[
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R 4 0 R 9 0 R]/Count 2>>",
        PAGE,
        "<</Type/Pages/Parent 2 0 R/Kids[2 0 R 4 0 R 5 0 R]/Count 1>>",
        PAGE,
    ]);
    let parsed = open(&file).unwrap();
    assert_eq!(parsed.inspection().pages, 2);
    assert_eq!(parsed.inspection().warnings.len(), 1);
}

#[test]
fn a_tree_of_shared_empty_nodes_ends() {
    let mut objects = vec!["<</Type/Catalog/Pages 2 0 R>>".to_owned()];
    for level in 2..60 {
        let kids = format!("{} 0 R ", level + 1).repeat(8);
        objects.push(format!("<</Type/Pages/Kids[{kids}]>>"));
    }
    objects.push("<</Type/Pages/Kids[]>>".to_owned());
    assert_eq!(failure(&pdf_with_trailer(&objects, "")).code(), "corrupt");
}

#[test]
fn too_many_pages_are_over_the_limit() {
    let kids = "3 0 R ".repeat(20);
    let file = pdf(&[
        "<</Type/Catalog/Pages 2 0 R>>",
        &format!("<</Type/Pages/Kids[{kids}]>>"),
        PAGE,
    ]);
    let limits = Limits {
        max_pages: 19,
        ..Limits::default()
    };
    let error = Parsed::open(&file, &[], &limits).err().unwrap();
    let expected = PdfError::OverLimit {
        limit: "max_pages".to_owned(),
        actual: 20,
        allowed: 19,
    };
    assert_eq!(error, expected);
}

#[test]
fn a_file_without_pages_or_sense_is_corrupt() {
    let no_pages = pdf(&["<</Type/Catalog>>"]);
    let no_kids = pdf(&[
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[]/Count 0>>",
    ]);
    let noise: Vec<u8> = (0..5_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut after_header = b"%PDF-1.7\n".to_vec();
    after_header.extend(&noise);
    for file in [
        no_pages,
        no_kids,
        noise,
        after_header,
        b"%PDF-1.4".to_vec(),
        Vec::new(),
    ] {
        assert_eq!(failure(&file).code(), "corrupt");
    }
}

#[test]
fn no_truncation_or_flipped_byte_makes_it_panic() {
    let whole = one_page(
        "/Lang(en)",
        "",
        &["<</Subtype/Link/A<</S/URI/URI(http://a.example)>>>>"],
        &[],
    );
    for end in 0..whole.len() {
        drop(open(&whole[..end]));
    }
    for position in 0..whole.len() {
        for byte in [0, b'0', b'9', b'<', b'(', 0xFF] {
            let mut flipped = whole.clone();
            flipped[position] = byte;
            if let Ok(parsed) = open(&flipped) {
                parsed.links(PageNumber(1), 10);
                parsed.outline();
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let file = one_page(
        &format!("/Deep {deep}"),
        "",
        &[],
        &[&deep, &"<</A".repeat(50_000)],
    );
    drop(open(&file));
    let chain = (4..2_000)
        .map(|n| format!("{} 0 R", n + 1))
        .collect::<Vec<_>>();
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    let file = one_page("/OpenAction 4 0 R", "", &[], &chain);
    assert!(!open(&file).unwrap().inspection().has_script);
}

#[test]
fn the_later_version_counts() {
    let version = |catalog: &str| {
        open(&one_page(catalog, "", &[], &[]))
            .unwrap()
            .inspection()
            .pdf_version
            .clone()
    };
    assert_eq!(version(""), "1.4");
    assert_eq!(version("/Version/1.7"), "1.7");
    assert_eq!(version("/Version/1.2"), "1.4");
    assert_eq!(version("/Version/bogus"), "1.4");
}

#[test]
fn the_info_dictionary_is_read_in_every_encoding() {
    let info = "<</Title<FEFF00C400D6>/Author(A\\000B\\007)/Subject<EFBBBF C3A4>/CreationDate(D:20200102030405+01'00')\
                /ModDate(soon)/Trapped/False/Custom#20Key(x)/Empty()/Nothing null/List[1]>>";
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        PAGE,
        info,
    ]
    .map(str::to_owned);
    let parsed = open(&pdf_with_trailer(&objects, "/Info 4 0 R")).unwrap();
    let read = &parsed.inspection().info.info;
    let expected = [
        ("author", "AB"),
        ("custom_key", "x"),
        ("creation_date", "2020-01-02T03:04:05+01:00"),
        ("mod_date", "soon"),
        ("subject", "ä"),
        ("title", "ÄÖ"),
        ("trapped", "False"),
    ];
    for (key, value) in expected {
        assert_eq!(read.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(
        !read.contains_key("empty") && !read.contains_key("list") && !read.contains_key("nothing")
    );
}

#[test]
fn xmp_is_read_and_a_bomb_in_it_is_a_warning() {
    let packet = "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><r:Description \
                  xmlns:p='http://ns.adobe.com/pdf/1.3/' p:Producer='Us'/></r:RDF>";
    let stream = format!(
        "<</Type/Metadata/Subtype/XML/Length {}>>stream\n{packet}\nendstream",
        packet.len()
    );
    let parsed = open(&one_page("/Metadata 4 0 R", "", &[], &[&stream])).unwrap();
    assert_eq!(parsed.inspection().info.xmp["pdf:Producer"], "Us");

    let long = format!("{packet}{}", " ".repeat(5_000));
    let untyped = format!("<</Length {}>>stream\n{long}\nendstream", long.len());
    let parsed = open(&one_page("/Metadata 4 0 R", "", &[], &[&untyped])).unwrap();
    assert_eq!(parsed.inspection().info.xmp["pdf:Producer"], "Us");

    let mut document =
        Document::load_mem(&one_page("/Metadata 4 0 R", "", &[], &[&stream])).unwrap();
    let bomb = document
        .get_object_mut((4, 0))
        .unwrap()
        .as_stream_mut()
        .unwrap();
    bomb.set_plain_content(vec![b' '; 64 << 20]);
    bomb.compress().unwrap();
    let mut file = Vec::new();
    document.save_to(&mut file).unwrap();
    assert!(file.len() < 1 << 20);
    let parsed = open(&file).unwrap();
    assert!(parsed.inspection().info.xmp.is_empty());
    assert!(
        parsed.inspection().warnings[0].contains("XMP"),
        "{:?}",
        parsed.inspection().warnings
    );
}

#[test]
fn an_object_stream_that_inflates_without_end_is_refused() {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"10 0 42").unwrap();
    encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
    let hex: String = encoder
        .finish()
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let stream = format!(
        "<</Type/ObjStm/N 1/First 5/Filter[/ASCIIHexDecode/FlateDecode]/Length {}>>stream\n{hex}\nendstream",
        hex.len()
    );
    let file = one_page("", "", &[], &[&stream]);
    assert!(file.len() < 1 << 20);
    let error = failure(&file);
    assert!(error.to_string().contains("bomb"), "{error}");
}

#[test]
fn scripts_are_found_wherever_they_hide() {
    let has_script = |catalog: &str, annotation: &[&str], more: &[&str]| {
        open(&one_page(catalog, "", annotation, more))
            .unwrap()
            .inspection()
            .has_script
    };
    assert!(!has_script("", &[], &[]));
    assert!(!has_script("/OpenAction[3 0 R/Fit]", &[], &[]));
    assert!(!has_script("/OpenAction<</S/GoTo/D[3 0 R/Fit]>>", &[], &[]));
    assert!(has_script("/OpenAction<</S/JavaScript/JS(x)>>", &[], &[]));
    assert!(has_script("/OpenAction<</S/Launch/F(calc.exe)>>", &[], &[]));
    assert!(has_script("/AA<</WC<</S/JavaScript/JS(x)>>>>", &[], &[]));
    assert!(has_script(
        "/Names<</JavaScript<</Names[(a)4 0 R]>>>>",
        &[],
        &["<</S/JavaScript/JS(x)>>"]
    ));
    assert!(has_script(
        "",
        &["<</Subtype/Widget/AA<</K<</S/JavaScript/JS(x)>>>>>>"],
        &[]
    ));
    assert!(has_script(
        "/OpenAction<</S/GoTo/D[3 0 R/Fit]/Next[<</S/JavaScript/JS(x)>>]>>",
        &[],
        &[]
    ));
}

#[test]
fn forms_and_tags_are_told() {
    let inspect = |catalog: &str| {
        open(&one_page(catalog, "", &[], &["<<>>"]))
            .unwrap()
            .inspection()
            .clone()
    };
    assert!(!inspect("").has_form && !inspect("").tagged);
    assert!(!inspect("/AcroForm<</Fields[]>>").has_form);
    assert!(inspect("/AcroForm<</Fields[4 0 R]>>").has_form);
    assert!(inspect("/AcroForm<</Fields[]/XFA[(a)4 0 R]>>").has_form);
    assert!(inspect("/StructTreeRoot 4 0 R").tagged);
}

#[test]
fn attachments_are_named_once() {
    let catalog = "/Names<</EmbeddedFiles<</Kids[4 0 R 4 0 R]>>>>";
    let file = one_page(
        catalog,
        "",
        &["<</Subtype/FileAttachment/FS<</F(note.txt)>>>>", "6 0 R"],
        &[
            "<</Kids[4 0 R 5 0 R]>>",
            "<</Names[(k1)<</F(a.xml)/UF<FEFF00E4002E0078006D006C>>>(k2)<</Type/Filespec>>(k3)(plain.bin)(odd)]>>",
            "<</Subtype/FileAttachment/FS<</F(note.txt)>>>>",
        ],
    );
    let parsed = open(&file).unwrap();
    assert_eq!(
        parsed.inspection().attachments,
        ["ä.xml", "k2", "plain.bin", "note.txt"]
    );
}

#[test]
fn a_damaged_cross_reference_table_is_rebuilt_and_told() {
    let file = one_page(
        "",
        "",
        &["<</Subtype/Link/A<</S/URI/URI(http://a.example)>>>>"],
        &[],
    );
    let start = file
        .windows(9)
        .position(|nine| nine == b"startxref")
        .unwrap();
    let mut damaged = file[..start].to_vec();
    damaged.extend(b"startxref\n999999\n%%EOF\n");
    let parsed = open(&damaged).unwrap();
    assert_eq!(parsed.inspection().pages, 1);
    assert_eq!(parsed.links(PageNumber(1), 10).0.len(), 1);
    assert_eq!(parsed.inspection().warnings.len(), 1);
}

/// A file encrypted with RC4 of 128 bits.
fn encrypted(user_password: &str) -> Vec<u8> {
    let plain = one_page(
        "",
        "",
        &["<</Subtype/Link/A<</S/URI/URI(http://a.example/secret)>>>>"],
        &[],
    );
    let mut document = Document::load_mem(&plain).unwrap();
    let id = Object::String(b"0123456789abcdef".to_vec(), StringFormat::Literal);
    document.trailer.set("ID", vec![id.clone(), id]);
    let version = EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password,
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).unwrap();
    document.encrypt(&state).unwrap();
    let mut file = Vec::new();
    document.save_to(&mut file).unwrap();
    file
}

#[test]
fn passwords_are_tried_in_turn() {
    let uri = |parsed: &Parsed<'_>| format!("{:?}", parsed.links(PageNumber(1), 10).0[0].target);
    let empty = open(&encrypted("")).unwrap();
    assert_eq!(empty.inspection().encryption, Encryption::EmptyPassword);
    assert!(uri(&empty).contains("http://a.example/secret"));

    let file = encrypted("sesame");
    assert_eq!(failure(&file), PdfError::Encrypted);
    let known = ["no".to_owned(), "sesame".to_owned()];
    let opened = Parsed::open(&file, &known, &Limits::default()).unwrap();
    assert_eq!(opened.inspection().encryption, Encryption::Password);
    assert!(uri(&opened).contains("http://a.example/secret"));
}

#[test]
fn an_unknown_security_handler_is_for_pdfium() {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]>>",
        PAGE,
        "<</Filter/Adobe.PubSec/V 4>>",
    ];
    let error = failure(&pdf_with_trailer(
        &objects.map(str::to_owned),
        "/Encrypt 4 0 R",
    ));
    assert_eq!(error.code(), "unsupported_encryption");
    assert!(error.to_string().contains("encryption"), "{error}");
}
