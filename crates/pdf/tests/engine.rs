//! The engine's contract, on small files made here. Needs libpdfium: set `PAGEMILL_RUNTIME` to the folder that holds it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt;
use pagemill_document::{Encryption, PageNumber, PageState};
use pagemill_pdf::{
    Behind, Document, Engine, EngineSettings, ExtractRequest, ImageFormat, ImageSettings,
    JpegEncoder, LayerName, Limits, Pace, PageFailure, PageOutput, PdfError, SealedFile,
};

#[path = "support/sample.rs"]
mod sample;
use sample::{Page, pdf, scanned};

type Outcome = (PageNumber, Result<PageOutput, PageFailure>);

fn settings() -> Option<EngineSettings> {
    let runtime = pagemill_testkit::runtime("engine")?;
    Some(EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: runtime,
        children: 2,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: None,
    })
}

fn engine() -> Option<Engine> {
    settings().map(|settings| Engine::new(settings).expect("the engine starts"))
}

fn sealed(bytes: &[u8]) -> SealedFile {
    SealedFile::from_bytes(bytes, 1 << 30).expect("a PDF")
}

async fn open(engine: &Engine, bytes: &[u8]) -> Document {
    let opened = engine.open(sealed(bytes), &[]).await;
    opened.expect("a file that opens")
}

fn everything() -> ExtractRequest {
    ExtractRequest {
        images: Some(ImageSettings {
            dpi: 36,
            ..ImageSettings::default()
        }),
        text: true,
        links: true,
        ..ExtractRequest::default()
    }
}

fn images(settings: ImageSettings) -> ExtractRequest {
    ExtractRequest {
        images: Some(settings),
        ..ExtractRequest::default()
    }
}

async fn all(document: &Document, request: ExtractRequest) -> Vec<Outcome> {
    document.extract(request).collect().await
}

/// Colour type and samples.
fn png_samples(file: &[u8]) -> (png::ColorType, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .expect("a PNG header");
    let mut samples = vec![0; reader.output_buffer_size().expect("it fits")];
    let info = reader.next_frame(&mut samples).expect("PNG data");
    samples.truncate(info.buffer_size());
    (info.color_type, samples)
}

#[tokio::test]
async fn every_page_comes_once_and_in_order() {
    let Some(engine) = engine() else { return };
    let pages: Vec<Page> = (1..=23)
        .map(|n| Page::text(&format!("Page {n} of many")))
        .collect();
    let document = open(&engine, &pdf(&pages)).await;
    assert_eq!(document.inspection().pages, 23);
    assert_eq!(document.inspection().encryption, Encryption::None);

    let outcomes = all(&document, everything()).await;
    let numbers: Vec<u32> = outcomes.iter().map(|(page, _)| page.0).collect();
    assert_eq!(numbers, (1..=23).collect::<Vec<_>>());
    for (number, outcome) in outcomes {
        let page = outcome.expect("a whole page");
        let text = page.text.expect("text was asked for");
        assert_eq!(text.text.trim(), format!("Page {} of many", number.0));
        assert_eq!(text.state, PageState::Text);
        let image = page.image.expect("an image was asked for");
        assert_eq!((image.width, image.height), (306, 396));
        assert!(image.grey && !image.scaled_down);
        assert_eq!(page.links, Some(Vec::new()));
    }
}

#[tokio::test]
async fn only_what_is_asked_for_comes() {
    let Some(engine) = engine() else { return };
    let document = open(&engine, &pdf(&[Page::text("Hello")])).await;
    let nothing = all(&document, ExtractRequest::default()).await;
    let page = nothing[0].1.as_ref().expect("a page");
    assert!(page.image.is_none() && page.text.is_none() && page.links.is_none());
}

#[tokio::test]
async fn colours_and_rotation_are_as_seen() {
    let Some(engine) = engine() else { return };
    // Red on the left half of a page that is 100 points wide and 50 high, turned by 90 degrees clockwise.
    let mut page = Page::drawn("1 0 0 rg 0 0 50 50 re f", 100.0, 50.0);
    page.rotate = 90;
    let document = open(&engine, &pdf(&[page])).await;
    let settings = ImageSettings {
        dpi: 72,
        ..ImageSettings::default()
    };
    let outcomes = all(&document, images(settings)).await;
    let page = outcomes[0].1.as_ref().expect("a page");
    let image = page.image.as_ref().expect("an image");
    assert_eq!((image.width, image.height), (50, 100));
    assert!(!image.grey);
    let (colour, samples) = png_samples(&image.data);
    assert_eq!(colour, png::ColorType::Rgb);
    let pixel = |x: usize, y: usize| &samples[(y * 50 + x) * 3..][..3];
    assert_eq!(pixel(25, 10), [255, 0, 0], "the left half is now on top");
    assert_eq!(pixel(25, 90), [255, 255, 255]);
}

#[tokio::test]
async fn every_format_and_a_thumbnail() {
    let Some(engine) = engine() else { return };
    let document = open(
        &engine,
        &pdf(&[Page::drawn("0 0 1 rg 10 10 90 90 re f", 200.0, 100.0)]),
    )
    .await;
    for (format, signature) in [
        (ImageFormat::Png, &b"\x89PNG"[..]),
        (ImageFormat::Jpeg, b"\xff\xd8\xff"),
        (ImageFormat::Webp, b"RIFF"),
    ] {
        let settings = ImageSettings {
            format,
            thumbnail_edge: Some(20),
            ..ImageSettings::default()
        };
        let outcomes = all(&document, images(settings)).await;
        let page = outcomes[0].1.as_ref().expect("a page");
        let image = page.image.as_ref().expect("an image");
        assert!(image.data.starts_with(signature));
        let thumbnail = image.thumbnail.as_ref().expect("a thumbnail");
        assert!(thumbnail.starts_with(signature));
        match format {
            ImageFormat::Png => assert_eq!(png_samples(thumbnail).1.len(), 20 * 10 * 3),
            ImageFormat::Jpeg => {
                // Said in the children's environment: rows of blocks stand for themselves (DRI, ITU-T T.81 B.2.4.4).
                let restarts = image.data.windows(2).any(|pair| pair == [0xff, 0xdd]);
                let turbo = matches!(
                    engine.report().jpeg_encoder,
                    JpegEncoder::LibjpegTurbo { .. }
                );
                assert_eq!(restarts, turbo);
            }
            ImageFormat::Webp => {}
        }
    }
}

#[tokio::test]
async fn a_scanned_page_keeps_its_jpeg_unless_it_must_be_rendered() {
    let Some(engine) = engine() else { return };
    let samples: Vec<u8> = (0..300 * 150 * 3_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 80)
        .encode(&samples, 300, 150, jpeg_encoder::ColorType::Rgb)
        .expect("encodes");
    let (pixels, size) = ((300, 150), (144, 72));
    let as_jpeg = ImageSettings {
        format: ImageFormat::Jpeg,
        ..ImageSettings::default()
    };
    let rendered = ImageSettings {
        pass_through: false,
        ..as_jpeg.clone()
    };
    let cases = [
        (0, as_jpeg.clone(), true, pixels),
        (0, rendered, false, pixels),
        (0, ImageSettings::default(), false, pixels),
        (90, as_jpeg, false, (150, 300)),
    ];
    for (rotate, settings, is_kept, seen) in cases {
        let document = open(&engine, &scanned(&jpeg, pixels, size, rotate)).await;
        let request = ExtractRequest {
            text: true,
            ..images(settings)
        };
        let outcomes = all(&document, request).await;
        let page = outcomes[0].1.as_ref().expect("a page");
        let image = page.image.as_ref().expect("an image");
        assert_eq!((image.width, image.height), seen, "{image:?}");
        assert_eq!(image.data[..] == jpeg[..], is_kept);
        assert!(!image.grey);
        let text = page.text.as_ref().expect("text");
        assert_eq!(text.state, PageState::NeedsOcr);
    }
}

#[tokio::test]
async fn ho_2_a_giant_page_is_scaled_down_and_says_so() {
    let Some(engine) = engine() else { return };
    let document = open(
        &engine,
        &pdf(&[Page::drawn("0 0 100 100 re f", 36_000.0, 18_000.0)]),
    )
    .await;
    let settings = ImageSettings {
        max_pixels: 2_000_000,
        ..ImageSettings::default()
    };
    let outcomes = all(&document, images(settings)).await;
    let page = outcomes[0].1.as_ref().expect("a giant page works");
    let image = page.image.as_ref().expect("an image");
    assert!(image.scaled_down);
    assert!(u64::from(image.width) * u64::from(image.height) <= 2_000_000);
    assert_eq!(image.width / image.height, 2);
}

#[tokio::test]
async fn out_3_blank_and_pictured_pages_are_told_apart_with_and_without_images() {
    let Some(engine) = engine() else { return };
    let pages = [
        Page::drawn("", 612.0, 792.0),
        Page::drawn("0 0 300 300 re f", 612.0, 792.0),
    ];
    let document = open(&engine, &pdf(&pages)).await;
    let only_text = ExtractRequest {
        text: true,
        ..ExtractRequest::default()
    };
    for request in [everything(), only_text] {
        let states: Vec<PageState> = all(&document, request)
            .await
            .into_iter()
            .map(|(_, outcome)| outcome.expect("a page").text.expect("text").state)
            .collect();
        assert_eq!(states, [PageState::Blank, PageState::NeedsOcr]);
    }
}

#[tokio::test]
async fn pages_that_are_behind_are_not_done_again_and_the_others_come_in_order() {
    let Some(mut settings) = settings() else {
        return;
    };
    // Less room than a page takes: it must know which page the reader waits for.
    settings.limits.page_buffer_mib = 0;
    let engine = Engine::new(settings).expect("the engine starts");
    let texts: Vec<Page> = (1..=12)
        .map(|page| Page::text(&format!("Page {page}")))
        .collect();
    let document = open(&engine, &pdf(&texts)).await;
    for (behind, pace) in [
        (0, Pace::Full),
        (5, Pace::Full),
        (9, Pace::Cautious),
        (12, Pace::Full),
    ] {
        let request = ExtractRequest {
            behind: Behind {
                pages: behind,
                ..Behind::default()
            },
            pace,
            ..everything()
        };
        let read = all(&document, request)
            .await
            .into_iter()
            .map(|(page, outcome)| {
                let text = outcome.expect("a page").text.expect("text").text;
                assert_eq!(text, format!("Page {}", page.0));
                page.0
            });
        let read: Vec<u32> = read.collect();
        assert_eq!(read, Vec::from_iter(behind + 1..=12));
    }
}

#[tokio::test]
async fn links_come_with_the_text_under_them() {
    let Some(engine) = engine() else { return };
    let mut page = Page::text("Click here");
    page.links.push((
        [70.0, 690.0, 300.0, 740.0],
        "https://example.com/a".to_owned(),
    ));
    let document = open(&engine, &pdf(&[page])).await;
    let outcomes = all(&document, everything()).await;
    let links = outcomes[0]
        .1
        .as_ref()
        .expect("a page")
        .links
        .clone()
        .expect("links");
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].anchor.as_deref(), Some("Click here"));
    assert!((links[0].bbox.y0 - 52.0).abs() < 0.1, "{:?}", links[0].bbox);
    let json = serde_json::to_value(&links[0]).expect("a link is JSON");
    assert_eq!(json["uri"], "https://example.com/a");
}

#[tokio::test]
async fn a_dropped_stream_stops_and_the_engine_goes_on() {
    let Some(engine) = engine() else { return };
    let pages: Vec<Page> = (1..=40).map(|n| Page::text(&format!("Page {n}"))).collect();
    let document = open(&engine, &pdf(&pages)).await;
    let mut stream = document.extract(everything());
    assert!(stream.next().await.is_some());
    drop(stream);
    let outcomes = all(&document, everything()).await;
    assert_eq!(outcomes.len(), 40);
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
}

#[tokio::test]
async fn documents_side_by_side_share_the_pool() {
    let Some(engine) = engine() else { return };
    let runs = (0..6).map(|run| {
        let engine = engine.clone();
        async move {
            let pages: Vec<Page> = (1..=9)
                .map(|n| Page::text(&format!("Run {run} page {n}")))
                .collect();
            let document = open(&engine, &pdf(&pages)).await;
            for (number, outcome) in all(&document, everything()).await {
                let text = outcome.expect("a page").text.expect("text").text;
                assert_eq!(text.trim(), format!("Run {run} page {}", number.0));
            }
        }
    });
    futures::future::join_all(runs).await;
}

#[tokio::test]
async fn ho_2_limits_say_no_by_name() {
    let Some(mut settings) = settings() else {
        return;
    };
    settings.limits.max_pages = 2;
    settings.limits.max_file_bytes = 4_000;
    let engine = Engine::new(settings).expect("the engine starts");
    let three: Vec<Page> = (0..3).map(|_| Page::drawn("", 10.0, 10.0)).collect();
    let too_many = engine.open(sealed(&pdf(&three)), &[]).await;
    assert!(
        matches!(&too_many, Err(PdfError::OverLimit { limit, actual: 3, allowed: 2 }) if limit == "max_pages"),
        "{too_many:?}"
    );
    let many: Vec<Page> = (0..50).map(|_| Page::drawn("", 10.0, 10.0)).collect();
    let too_long = engine.open(sealed(&pdf(&many)), &[]).await;
    assert!(
        matches!(&too_long, Err(PdfError::OverLimit { limit, .. }) if limit == "max_file_bytes"),
        "{too_long:?}"
    );
}

#[tokio::test]
async fn a_header_alone_is_corrupt() {
    let Some(engine) = engine() else { return };
    let refused = engine.open(sealed(b"%PDF-1.7\nnothing more"), &[]).await;
    assert!(
        matches!(refused, Err(PdfError::Corrupt { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn ho_1_a_page_that_never_ends_is_given_up_and_the_others_come() {
    let Some(mut settings) = settings() else {
        return;
    };
    settings.limits.page_timeout_seconds = 1;
    let engine = Engine::new(settings).expect("the engine starts");
    // 10^7 forms drawn by seven levels of ten.
    let mut pages = vec![
        Page::text("before"),
        Page::text("slow"),
        Page::text("after"),
    ];
    pages[1].form_levels = 8;
    let document = open(&engine, &pdf(&pages)).await;
    let outcomes = all(&document, everything()).await;
    assert!(outcomes[0].1.is_ok() && outcomes[2].1.is_ok());
    assert_eq!(
        outcomes[1].1,
        Err(PageFailure::TimedOut {
            page: PageNumber(2),
            limit_seconds: 1
        })
    );
}

#[tokio::test]
async fn ho_2_after_too_many_deaths_the_other_pages_are_not_tried() {
    let Some(mut settings) = settings() else {
        return;
    };
    settings.children = 1;
    settings.limits.page_timeout_seconds = 1;
    settings.limits.max_page_deaths = 1;
    let engine = Engine::new(settings).expect("the engine starts");
    let mut pages: Vec<Page> = (0..8).map(|_| Page::text("a page")).collect();
    pages[1].form_levels = 8;
    let document = open(&engine, &pdf(&pages)).await;
    let outcomes = all(&document, everything()).await;
    assert!(outcomes[0].1.is_ok());
    assert!(matches!(outcomes[1].1, Err(PageFailure::TimedOut { .. })));
    // The rest of its turn; other turns may have been done before its second death.
    for (page, outcome) in &outcomes[2..4] {
        assert_eq!(*outcome, Err(PageFailure::NotTried { page: *page }));
    }
    let is_whole_or_not_tried = |outcome: &Result<PageOutput, PageFailure>| {
        matches!(outcome, Ok(_) | Err(PageFailure::NotTried { .. }))
    };
    assert!(
        outcomes[4..]
            .iter()
            .all(|(_, outcome)| is_whole_or_not_tried(outcome))
    );
}

#[tokio::test]
async fn without_room_for_finished_pages_all_of_them_come_in_order() {
    let Some(mut settings) = settings() else {
        return;
    };
    settings.limits.page_buffer_mib = 0;
    settings.limits.page_timeout_seconds = 2;
    let engine = Engine::new(settings).expect("the engine starts");
    let mut pages: Vec<Page> = (1..=14).map(|n| Page::text(&format!("Page {n}"))).collect();
    // Its turn gives its child up and waits for another, while the others wait for room.
    pages[1].form_levels = 8;
    let document = open(&engine, &pdf(&pages)).await;
    let outcomes = all(&document, everything()).await;
    let failed: Vec<u32> = (1..)
        .zip(&outcomes)
        .filter(|(_, (_, outcome))| outcome.is_err())
        .map(|(number, _)| number)
        .collect();
    assert_eq!(failed, [2]);
    let numbers: Vec<u32> = outcomes.iter().map(|(page, _)| page.0).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<_>>());
}

#[tokio::test]
async fn ho_1_a_child_is_guarded() {
    let Some(engine) = engine() else { return };
    let report = engine.report();
    assert!(report.libpdfium.ends_with("libpdfium.so"));
    assert!(report.libpdfium_bytes > 1 << 20);
    let limits = report
        .layers
        .iter()
        .find(|layer| layer.name == LayerName::Limits);
    let limits = limits.expect("no child starts without its limits");
    assert!(limits.to_string().contains("1024 MiB"), "{limits}");
    let names: Vec<LayerName> = report.layers.iter().map(|layer| layer.name).collect();
    for layer in LayerName::ALL {
        assert!(names.contains(&layer), "{layer} is reported, up or missing");
    }
    // The kernel always has these: only the engine's own start could lack them.
    let own = [
        LayerName::NoNewPrivileges,
        LayerName::Environment,
        LayerName::Descriptors,
        LayerName::Undumpable,
    ];
    for layer in report
        .layers
        .iter()
        .filter(|layer| own.contains(&layer.name))
    {
        assert_eq!(layer.missing(), None, "{layer}");
    }
}

#[tokio::test]
async fn after_shutdown_nothing_is_opened() {
    let Some(engine) = engine() else { return };
    engine.shutdown().await;
    let refused = engine.open(sealed(&pdf(&[Page::text("late")])), &[]).await;
    assert!(matches!(refused, Err(PdfError::Engine { .. })));
}

#[test]
fn an_engine_without_its_library_says_what_to_do() {
    let settings = EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: PathBuf::from("/nonexistent/libpdfium.so"),
        children: 1,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: None,
    };
    let Err(PdfError::Engine { reason }) = Engine::new(settings) else {
        panic!("there is no such library");
    };
    assert!(reason.contains("/nonexistent/libpdfium.so"), "{reason}");
    let settings = EngineSettings {
        child_command: vec!["/nonexistent/child".to_owned()],
        libpdfium: PathBuf::from("/nonexistent"),
        children: 1,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: None,
    };
    assert!(
        matches!(Engine::new(settings), Err(PdfError::Engine { reason }) if reason.contains("/nonexistent/child"))
    );
}

/// A child that is a shell script: it takes the setup and reports as it should, and then says `then` to whatever comes.
fn lying_settings(then: &str, timeout_seconds: u32) -> (EngineSettings, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let ready = br#"{"Ready":{"libpdfium":"/x","jpeg_encoder":{"name":"compiled_in","reason":"x"},"layers":[],"ocr":{"state":"off"}}}"#;
    let mut frame = b"PMC1".to_vec();
    frame.extend((ready.len() as u32).to_le_bytes());
    frame.extend([0; 4]);
    frame.extend(ready);
    fs::write(folder.path().join("ready"), frame).expect("a file");
    let script = folder.path().join("child.sh");
    let lines = format!(
        "#!/bin/sh\ncd {}\n/bin/dd bs=65536 count=1 of=/dev/null 2>/dev/null\n/bin/cat ready >&0\n{then}\n",
        folder.path().display()
    );
    fs::write(&script, lines).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it may run");
    let settings = EngineSettings {
        child_command: vec!["/bin/sh".to_owned(), script.display().to_string()],
        libpdfium: PathBuf::from("/x"),
        children: 1,
        limits: Limits {
            open_timeout_seconds: timeout_seconds,
            ..Limits::default()
        },
        required_layers: BTreeSet::new(),
        ocr: None,
    };
    (settings, folder)
}

fn lying_engine(then: &str, timeout_seconds: u32) -> (Engine, tempfile::TempDir) {
    let (settings, folder) = lying_settings(then, timeout_seconds);
    let engine = Engine::new(settings).expect("the script reports as it should");
    (engine, folder)
}

#[test]
fn ho_1_no_engine_starts_without_a_layer_that_is_required() {
    let (mut settings, _folder) = lying_settings("exec /bin/sleep 60", 20);
    settings.required_layers = BTreeSet::from([LayerName::Seccomp]);
    let refused = Engine::new(settings);
    assert!(
        matches!(&refused, Err(PdfError::Engine { reason }) if reason.contains("seccomp")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn ho_1_a_child_that_its_sandbox_ends_is_a_crash_and_says_so() {
    let (engine, _folder) = lying_engine("kill -s SYS $$", 20);
    let outcome = engine.open(sealed(&pdf(&[Page::text("x")])), &[]).await;
    assert!(
        matches!(&outcome, Err(PdfError::Poison { reason }) if reason.contains("its sandbox ended it")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn ho_1_garbage_from_children_is_refused() {
    for then in [
        "while :; do printf 'garbage garbage garbage' >&0 || exit; done",
        // A header of four gigabytes, and a body where none may be.
        r"printf 'PMC1\377\377\377\377\0\0\0\0' >&0; exec /bin/sleep 60",
        r"printf 'PMC1\2\0\0\0\377\377\377\0{}' >&0; exec /bin/sleep 60",
        // The right frame with the wrong words in it, and no frame at all.
        r"printf 'PMC1\12\0\0\0\0\0\0\0\042FoundEnd\042' >&0; exec /bin/sleep 60",
        "exit 3",
    ] {
        let (engine, _folder) = lying_engine(then, 20);
        let began = Instant::now();
        let outcome = engine.open(sealed(&pdf(&[Page::text("x")])), &[]).await;
        assert!(
            matches!(outcome, Err(PdfError::Poison { .. })),
            "{then}: {outcome:?}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{then}: it was waited for"
        );
    }
}

#[tokio::test]
async fn ho_1_a_child_that_says_nothing_is_given_up() {
    let (engine, _folder) = lying_engine("exec /bin/sleep 60", 1);
    let outcome = engine.open(sealed(&pdf(&[Page::text("x")])), &[]).await;
    assert!(
        matches!(&outcome, Err(PdfError::Poison { reason }) if reason.contains("in time")),
        "{outcome:?}"
    );
}
