//! Files that are right, or nearly so, and that PDFium gets wrong or refuses. Needs libpdfium: set `PAGEMILL_RUNTIME` to
//! the folder that holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use lopdf::encryption::Permissions;
use lopdf::encryption::crypt_filters::{Aes256CryptFilter, CryptFilter};
use lopdf::{EncryptionState, EncryptionVersion};
use pagemill_document::markdown::MarkdownPages;
use pagemill_document::{
    Encryption, Figure, FigureKind, LinkSafety, LinkTarget, Observer, PageNumber, PageState,
    PageText, Rect,
};
use pagemill_pdf::{
    Document, Engine, ExtractRequest, ImageSettings, PageOutput, PdfError, SealedFile,
};
use pagemill_samples::unusual;

#[path = "support/engine.rs"]
mod one_child;
use one_child::engine;

async fn open(engine: &Engine, bytes: &[u8], passwords: &[&str]) -> Result<Document, PdfError> {
    let passwords: Vec<String> = passwords.iter().map(|text| (*text).to_owned()).collect();
    let file = SealedFile::from_bytes(bytes, 1 << 30)?;
    engine.open(file, &passwords).await
}

async fn first_page(document: &Document) -> PageOutput {
    let request = ExtractRequest {
        images: Some(ImageSettings::default()),
        text: true,
        links: true,
        ..ExtractRequest::default()
    };
    let (_, page) = document
        .extract(request)
        .next()
        .await
        .expect("there is a page");
    page.expect("a whole page")
}

fn text(page: &PageOutput) -> &str {
    page.text.as_ref().expect("it was asked for").text.trim()
}

/// The channels of a pixel of a page's image.
fn pixel(page: &PageOutput, x: usize, y: usize) -> Vec<u8> {
    let image = page.image.as_ref().expect("it was asked for");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&image.data))
        .read_info()
        .expect("a PNG header");
    let mut samples = vec![0; reader.output_buffer_size().expect("it fits")];
    let info = reader.next_frame(&mut samples).expect("PNG data");
    let channels = info.color_type.samples();
    let row = &samples[y * info.line_size..][..info.line_size];
    row[x * channels..][..channels].to_vec()
}

fn near(one: Rect, other: [f32; 4]) -> bool {
    let edges = [one.x0, one.y0, one.x1, one.y1];
    edges
        .iter()
        .zip(other)
        .all(|(one, other)| (one - other).abs() < 0.1)
}

#[tokio::test]
async fn w10_a_page_in_units_of_an_inch_was_18_by_23_pixels() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::user_unit(), &[]).await;
    let page = first_page(&document.expect("it opens")).await;
    let image = page.image.as_ref().expect("it was asked for");
    assert_eq!((image.width, image.height), (1275, 1650));
    let shown = page.text.as_ref().expect("it was asked for");
    assert_eq!((shown.width, shown.height), (612.0, 792.0));
    assert_eq!(shown.text.trim(), "Plot of a site");
    let line = &shown.blocks[0].lines[0];
    assert!((line.font_size - 14.4).abs() < 0.1, "{line:?}");
    assert!((line.bbox.x0 - 72.0).abs() < 2.0, "{line:?}");
    assert!((line.bbox.y1 - 144.0).abs() < 6.0, "{line:?}");
    let link = &page.links.as_ref().expect("they were asked for")[0];
    assert!(near(link.bbox, [72.0, 122.4, 180.0, 151.2]), "{link:?}");
    assert_eq!(link.anchor.as_deref(), Some("Plot of a site"));
}

#[tokio::test]
async fn w13_a_link_over_two_lines_had_both_whole_lines_as_its_text() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::link_over_two_lines(), &[]).await;
    let page = first_page(&document.expect("it opens")).await;
    let links = page.links.expect("they were asked for");
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].anchor.as_deref(), Some("long link"));
    assert!(near(links[0].bbox, [72.0, 121.0, 202.73, 149.0]));
    assert_eq!(links[0].quads.len(), 2);
    assert!(near(links[0].quads[0], [180.05, 121.0, 202.73, 135.0]));
    assert!(near(links[0].quads[1], [72.0, 135.0, 90.0, 149.0]));
}

#[tokio::test]
async fn w14_a_file_without_a_header_was_no_pdf() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::no_header(), &[]).await;
    let document = document.expect("it opens");
    let inspection = document.inspection();
    assert_eq!(inspection.pages, 1);
    assert_eq!(inspection.pdf_version, "");
    let says = |words: &str| inspection.warnings.iter().any(|text| text.contains(words));
    assert!(says("no header"), "{:?}", inspection.warnings);
    assert_eq!(
        text(&first_page(&document).await),
        "A file without a header"
    );

    // It has an object, and nothing behind it.
    let no_document = open(&engine, b"1 0 obj\n<< /A 1 >>\nendobj\n", &[]).await;
    let refusal = no_document.map(|_| ()).expect_err("no document");
    assert_eq!(refusal.code(), "not_a_pdf", "{refusal}");
}

#[tokio::test]
async fn w12_a_file_with_plain_strings_was_locked_for_everybody() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::plain_strings(), &[]).await;
    let document = document.expect("it opens");
    let inspection = document.inspection();
    assert_eq!(inspection.encryption, Encryption::EmptyPassword);
    assert_eq!(inspection.warnings.len(), 1, "{:?}", inspection.warnings);
    let plain = open(&engine, &pagemill_samples::invoice(), &[]).await;
    let plain = plain.expect("it opens");
    assert_eq!(inspection.info, plain.inspection().info);
    let (page, expected) = (first_page(&document).await, first_page(&plain).await);
    assert_eq!(page.text, expected.text);
    assert_eq!(page.image, expected.image);
}

#[tokio::test]
async fn w12_encryption_that_nobody_knows_is_said_to_be_unsupported() {
    let Some(engine) = engine() else { return };
    let mut file = unusual::plain_strings();
    let at = file
        .windows(16)
        .position(|words| words == b"/Filter/Standard")
        .expect("it is encrypted");
    file[at + 8..at + 16].copy_from_slice(b"Unknown1");
    let opened = open(&engine, &file, &["x"]).await;
    let refusal = opened.map(|_| ()).expect_err("no handler of this name");
    assert_eq!(refusal.code(), "unsupported_encryption", "{refusal}");
}

#[tokio::test]
async fn w15_an_encrypted_file_without_an_id_lost_its_outline() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::encrypted_without_id(), &[]).await;
    let document = document.expect("it opens");
    let plain = open(&engine, &pagemill_samples::links_and_outline(), &[]).await;
    let plain = plain.expect("it opens");
    assert!(!plain.outline().is_empty() && !plain.page_labels().is_empty());
    assert_eq!(document.outline(), plain.outline());
    assert_eq!(document.page_labels(), plain.page_labels());
    let warnings = &document.inspection().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[tokio::test]
async fn w22_bookmarks_to_web_addresses_led_nowhere() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::outline_to_addresses(), &[]).await;
    let document = document.expect("it opens");
    let [journal, here, part_two] = document.outline() else {
        panic!("{:?}", document.outline());
    };
    let journal = journal.link.as_ref().expect("it leads out");
    assert_eq!(
        journal.target,
        LinkTarget::Uri {
            uri: "https://www.example.com/journal".to_owned()
        }
    );
    assert_eq!(journal.safety, LinkSafety::Ordinary);
    assert_eq!(
        (here.page, here.link.is_none()),
        (Some(PageNumber(1)), true)
    );
    let part_two = part_two.link.as_ref().expect("it leads out");
    assert_eq!(part_two.safety, LinkSafety::LocalFile);
}

#[tokio::test]
async fn w16_lines_and_polygons_were_not_in_the_image_and_a_stamp_not_in_the_account() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &unusual::drawn_annotations(), &[]).await;
    let document = document.expect("it opens");
    let page = first_page(&document).await;
    assert_eq!(
        page.text.as_ref().map(|text| text.state),
        Some(PageState::NeedsOcr)
    );
    let at = |x: f64, y: f64| {
        let pixels = |points: f64| (points * 150.0 / 72.0) as usize;
        pixel(&page, pixels(x), pixels(792.0 - y))
    };
    assert_eq!(at(297.0, 576.0), [0, 0, 0], "the middle of the line");
    assert_eq!(at(250.0, 150.0), [0, 255, 0], "inside the triangle");
    assert_eq!(at(550.0, 150.0), [255, 255, 255], "beside it");
    let counted = document.counted(PageNumber(1)).expect("they were counted");
    assert_eq!((counted.annotations, counted.undrawn), (3, 1));
}

/// The invoice, locked by AES-256 (revision 6) with the password of its owner and the one of its users.
fn locked_by(owner_password: &str, user_password: &str) -> Vec<u8> {
    let mut document =
        lopdf::Document::load_mem(&pagemill_samples::invoice()).expect("a valid document");
    let filter: Arc<dyn CryptFilter> = Arc::new(Aes256CryptFilter);
    let version = EncryptionVersion::V5 {
        encrypt_metadata: true,
        crypt_filters: BTreeMap::from([(b"StdCF".to_vec(), filter)]),
        file_encryption_key: &[7; 32],
        stream_filter: b"StdCF".to_vec(),
        string_filter: b"StdCF".to_vec(),
        owner_password,
        user_password,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).expect("a key of 32 bytes");
    document.encrypt(&state).expect("a plain document");
    let mut file = Vec::new();
    document.save_to(&mut file).expect("memory takes it");
    file
}

#[tokio::test]
async fn w11_a_password_was_tried_only_as_it_was_typed() {
    let Some(engine) = engine() else { return };
    // A full-width letter and a ligature: what is hashed is "Afix".
    let file = locked_by("somebody else's", "Ａﬁx");
    for password in ["Ａﬁx", "Afix"] {
        let document = open(&engine, &file, &["no", password]).await;
        let document = document.expect("it opens");
        assert_eq!(document.inspection().encryption, Encryption::Password);
        let warnings = &document.inspection().warnings;
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    let closed = open(&engine, &file, &["afix"]).await;
    assert_eq!(closed.map(|_| ()), Err(PdfError::Encrypted));
}

#[tokio::test]
async fn w12_a_locked_file_whose_owner_has_no_password_stays_locked() {
    let Some(engine) = engine() else { return };
    let file = locked_by("", "sesame");
    let closed = open(&engine, &file, &[]).await;
    assert_eq!(closed.map(|_| ()), Err(PdfError::Encrypted));
}

#[tokio::test]
async fn notes_were_plain_paragraphs_and_a_heading_that_only_the_outline_tells_of_was_text() {
    let Some(engine) = engine() else { return };
    let file = unusual::notes::notes_and_a_plain_heading();
    let page = classified(&engine, &file).await;
    let made = markdown(&page);
    let expected = "# 2 The trade\n\n\
        The mill grinds wheat for bread[^3] and, since the new stones, also oats.[^4] \
        Its floor of 20 m2 holds the flour of a week, and no more than that.\n\n\
        [^3]: The oldest of its kinds, with long ears.\n\n\
        [^4]: Of the upper fields, which lie in the shade.\n";
    assert_eq!(made, expected);
}

#[tokio::test]
async fn lists_within_lists_were_flat_and_nobody_told_of_figures() {
    let Some(engine) = engine() else { return };
    let page = classified(&engine, &unusual::notes::lists_and_figures()).await;
    let expected = "Figure 1 shows the water. The mill stands still in two months of the year.\n\n\
        1. Open the gate.\n   - (a) Turn the wheel by hand.\n   - (b) Look at the chain.\n2. Let the water in.\n\n\
        Figure 1 Water of a year\n\nFigure 2: The weir\n";
    assert_eq!(markdown(&page), expected);
    let caption = |figure: &Figure| {
        let block = &page.blocks[figure.caption? as usize];
        page.text.get(block.start as usize..block.end as usize)
    };
    let found: Vec<_> = page
        .figures
        .iter()
        .map(|figure| (figure.kind, caption(figure)))
        .collect();
    let expected = [
        (FigureKind::Drawing, Some("Figure 1 Water of a year")),
        (FigureKind::Picture, Some("Figure 2: The weir")),
    ];
    assert_eq!(found, expected);
    let [drawing, picture] = [0, 1].map(|index| page.figures[index].bbox);
    let is_near = |a: f32, b: f32| (a - b).abs() <= 6.0;
    assert!(
        is_near(drawing.x0, 80.0) && is_near(drawing.x1, 300.0),
        "{drawing:?}"
    );
    assert!(is_near(drawing.y1, 332.0), "{drawing:?}");
    assert!(
        is_near(picture.y0, 422.0) && is_near(picture.y1, 542.0),
        "{picture:?}"
    );
}

/// The first page of a file, with what the whole document says of its blocks.
async fn classified(engine: &Engine, file: &[u8]) -> PageText {
    let document = open(engine, file, &[]).await.expect("it opens");
    let mut page = first_page(&document).await.text.expect("it was asked for");
    let mut observer = Observer::default();
    observer.observe(&page);
    let classifier = observer.finish().with_outline(document.outline());
    classifier.apply(&mut page);
    page
}

fn markdown(page: &PageText) -> String {
    let mut pages = MarkdownPages::of(1);
    pages.next(page, &[]) + pages.finish()
}
