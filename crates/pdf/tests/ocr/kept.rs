//! Pictures of which it is known what they say.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use lopdf::Stream;
use pagemill_document::{PageNumber, PageState, PageText};
use pagemill_pdf::{Engine, ExtractRequest, SealedFile};
use pagemill_reader::{KeptReadings, PictureReading};
use pagemill_samples::scan;

use super::{chart, engine_with, file_of, grey_picture, texts, with_picture};

/// Readings in memory.
#[derive(Debug, Default)]
struct Kept(Vec<PictureReading>, Mutex<u32>);

#[async_trait]
impl KeptReadings for Kept {
    async fn of_page(&self, _: PageNumber) -> Vec<PictureReading> {
        *self.1.lock().expect("nobody panics") += 1;
        self.0.clone()
    }
}

/// The first page, with these readings kept of it, and those that were made.
pub(super) async fn with_kept(
    engine: &Engine,
    bytes: &[u8],
    kept: Vec<PictureReading>,
) -> (PageText, Vec<PictureReading>) {
    let file = SealedFile::from_bytes(bytes, 1 << 30).expect("a PDF");
    let document = engine.open(file, &[]).await.expect("opens");
    let kept = Arc::new(Kept(kept, Mutex::default()));
    let request = ExtractRequest {
        text: true,
        readings: Some(Arc::clone(&kept) as Arc<dyn KeptReadings>),
        ..ExtractRequest::default()
    };
    let mut pages: Vec<_> = document.extract(request).collect().await;
    assert_eq!(*kept.1.lock().expect("nobody panics"), 1);
    let page = pages.remove(0).1.expect("a page");
    (page.text.expect("text"), page.readings)
}

#[tokio::test]
async fn out_7_a_picture_that_was_read_before_is_not_read_again() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng"]);
    for (file, state) in [
        (scan(), PageState::Ocr),
        (with_picture(chart()), PageState::Text),
    ] {
        let (text, made) = with_kept(&engine, &file, Vec::new()).await;
        assert_eq!((text.state, made.len()), (state, 1));
        assert_eq!(texts(&engine, &file, false).await[0], text);
        let (again, more) = with_kept(&engine, &file, made.clone()).await;
        assert_eq!((&again, more), (&text, Vec::new()));

        // Who reads the picture finds no such word in it.
        let mut other = made.clone();
        other[0].reading = other[0].reading.replace("of", "OTHERWISE");
        let (believed, _) = with_kept(&engine, &file, other).await;
        assert!(believed.text.contains("OTHERWISE"), "{}", believed.text);

        // One of another picture, or of another reader, is not believed.
        let mut strange = made.clone();
        strange[0].picture = "0".repeat(64);
        let (read, made_again) = with_kept(&engine, &file, strange).await;
        assert_eq!((&read, &made_again), (&text, &made));
        let german = engine_with(&runtime, &["deu"]);
        let (_, by_another) = with_kept(&german, &file, made.clone()).await;
        assert_ne!(by_another[0].picture, made[0].picture);
    }
}

#[tokio::test]
async fn out_7_a_page_without_words_is_kept_as_such() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng"]);
    let grain = |at: usize| ((at % 800 * 7 + at / 800 * 13 + at * at % 97) % 251) as u8;
    let pixels = (0..800 * 270).map(grain).collect();
    let picture = Stream::new(grey_picture(800, 270), pixels);
    let file = file_of(vec![(String::new(), picture)]);
    let (text, made) = with_kept(&engine, &file, Vec::new()).await;
    assert_eq!((text.state, made.len()), (PageState::NeedsOcr, 1));
    let (again, more) = with_kept(&engine, &file, made).await;
    assert_eq!((again.state, more.len()), (PageState::NeedsOcr, 0));
}
