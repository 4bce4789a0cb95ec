//! A picture that is small in its file and fills the memory when it is decoded.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use futures::StreamExt;
use lopdf::{Object, Stream};
use pagemill_document::PageState;
use pagemill_pdf::{ExtractRequest, ImageSettings, SealedFile};

use super::{SHOWN, chart, engine_with, file_of, grey_picture};

/// Pixels on each side: what a child may have holds half of them.
const SIDE: usize = 45_000;

/// Two gigabytes of white in some kilobytes: runs of 128 bytes in two each, and these compressed.
fn bomb() -> Stream {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let runs = [129, 255].repeat(SIDE * SIDE / 128);
    packed.write_all(&runs).expect("memory takes it");
    let packed = packed.finish().expect("memory takes it");
    assert!(packed.len() < 100_000, "{}", packed.len());
    let filters = ["FlateDecode", "RunLengthDecode"].map(|name| Object::Name(name.into()));
    let mut picture = grey_picture(SIDE as i64, SIDE as i64);
    picture.set("Filter", filters.to_vec());
    let mut stream = Stream::new(picture, packed);
    stream.allows_compression = false;
    stream
}

#[tokio::test]
async fn ho_1_a_bomb_of_a_picture_costs_one_child_and_the_pages_around_it_are_read() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng"]);
    let scan = || (String::new(), Stream::new(grey_picture(800, 270), chart()));
    let file = file_of(vec![scan(), (String::new(), bomb()), scan()]);
    let file = SealedFile::from_bytes(&file, 1 << 30).expect("a PDF");
    let document = engine.open(file, &[]).await.expect("opens");
    let request = ExtractRequest {
        images: Some(ImageSettings::default()),
        text: true,
        ..ExtractRequest::default()
    };
    let pages: Vec<_> = document.extract(request).collect().await;
    for (page, outcome) in &pages {
        match (page.0, outcome) {
            (2, Ok(output)) => {
                let text = output.text.as_ref().expect("text");
                assert!(
                    text.text.is_empty() && text.state != PageState::Ocr,
                    "{text:?}"
                );
            }
            (2, Err(failure)) => assert_eq!(failure.code(), "out_of_memory"),
            (_, outcome) => {
                let output = outcome.as_ref().expect("a page");
                let text = output.text.as_ref().expect("text");
                assert_eq!(text.text.replace("\n\n", "\n"), SHOWN.join("\n"));
            }
        }
    }
    assert_eq!(pages.len(), 3);
    assert!(engine.deaths() <= 1, "{} children died", engine.deaths());
}
