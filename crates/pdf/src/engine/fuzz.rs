//! Fuzz target: what a child says, read as the parent reads it. A child that has read a hostile page may say anything.

use bolero::{TypeGenerator, check};

use super::check as answers;
use super::opening::LinkCollector;
use crate::fuzz::{Edit, damaged};
use crate::protocol::{self, Answer, FrameCaps, FrameLengths, PREFIX_BYTES};
use pagemill_document::PageNumber;
use pagemill_reader::{ExtractRequest, ImageFormat, ImageSettings, Limits};

const PAGE: PageNumber = PageNumber(2);

/// Pages of the document in question.
const PAGES: u32 = 3;

/// Small limits, so that many answers are over them.
fn limits() -> Limits {
    Limits {
        max_links_per_page: 2,
        max_text_bytes_per_page: 64,
        ..Limits::default()
    }
}

/// Headers as children write them.
const REAL: &[&str] = &[
    r#"{"Page":{"page":2,"image":{"width":10,"height":9,"format":"png","grey":true,"scaled_down":false,"bytes":12,"thumbnail_bytes":null},"text":null,"links":null,"annotations":0}}"#,
    r#"{"Page":{"page":2,"image":{"width":10,"height":9,"format":"png","grey":true,"scaled_down":false,"bytes":12,"thumbnail_bytes":null},"text":{"page":2,"text":"One\n\nTwo","state":"text","blocks":[{"kind":"heading","start":0,"end":3,"bbox":{"x0":0,"y0":0,"x1":9.5,"y1":1},"font_size":12,"bold":false,"lines":[]},{"kind":"paragraph","start":5,"end":8,"bbox":{"x0":0,"y0":0,"x1":9.5,"y1":1},"font_size":12,"bold":false,"lines":[]}],"width":612,"height":792,"rotation":0},"links":{"links":[{"page":2,"kind":"uri","uri":"https://example.com/","safety":"ordinary","anchor":null,"bbox":{"x0":0,"y0":0,"x1":9.5,"y1":1}}],"dropped":1},"annotations":3}}"#,
    r#"{"PageFailed":{"reason":"unreadable","page":2}}"#,
    r#"{"PageFailed":{"reason":"out_of_memory","page":2}}"#,
    r#"{"Found":{"page":2,"annotations":1,"undrawn":1,"links":{"links":[{"page":2,"kind":"go_to","target_page":1,"name":null,"safety":"ordinary","anchor":"x","bbox":{"x0":0,"y0":0,"x1":9.5,"y1":1}}],"dropped":0},"look":{"scan":{"width":9,"height":9,"grey":true},"user_unit":1.5}}}"#,
    r#"{"Ready":{"libpdfium":"/x","jpeg_encoder":{"name":"compiled_in","reason":"x"},"layers":[{"name":"seccomp","state":{"active":{"detail":"x"}}}],"ocr":{"state":"missing","reason":"x"}}}"#,
    r#"{"Refused":{"Corrupt":{"reason":"x"}}}"#,
    r#""FoundEnd""#,
];

const BODY: &[u8] = b"\x89PNG\r\n\x1a\nrest";

/// What a child sends.
#[derive(Debug, Clone, TypeGenerator)]
enum Sent {
    /// Bytes without sense.
    Noise(Vec<u8>),
    /// A real answer in a right frame, then damaged as a whole: the lengths may lie.
    Frame { which: u8, edits: Vec<Edit> },
    /// A damaged header in a right frame: what a hostile child would take the trouble to send.
    Header {
        which: u8,
        edits: Vec<Edit>,
        body: Vec<Edit>,
    },
}

fn frame(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut frame = protocol::encode(&0_u8, body.len()).expect("a number is JSON");
    frame.truncate(PREFIX_BYTES);
    frame[4..8].copy_from_slice(&(header.len() as u32).to_le_bytes());
    frame.extend(header);
    frame.extend(body);
    frame
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let real = |which: u8| REAL[usize::from(which) % REAL.len()].as_bytes();
        match self {
            Self::Noise(bytes) => bytes.clone(),
            Self::Frame { which, edits } => damaged(&frame(real(*which), BODY), edits),
            Self::Header { which, edits, body } => {
                frame(&damaged(real(*which), edits), &damaged(BODY, body))
            }
        }
    }
}

/// The answers as the parent takes them off a channel.
fn answers_in(mut bytes: &[u8], caps: FrameCaps) -> Vec<(Answer, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() {
        let Ok(lengths) = FrameLengths::parse(*prefix, caps) else {
            break;
        };
        assert!(u64::from(lengths.header) <= caps.header);
        assert!(u64::from(lengths.body) <= caps.body);
        let Some((header, rest)) = rest.split_at_checked(lengths.header as usize) else {
            break;
        };
        let Some((body, rest)) = rest.split_at_checked(lengths.body as usize) else {
            break;
        };
        let Ok(answer) = protocol::decode(header) else {
            break;
        };
        found.push((answer, body.to_vec()));
        bytes = rest;
    }
    found
}

#[test]
fn ho_1_whatever_a_child_says_is_refused_or_within_the_limits() {
    let limits = limits();
    let settings = ImageSettings {
        max_pixels: 100,
        ..ImageSettings::default()
    };
    let request = |text, links| ExtractRequest {
        images: Some(settings.clone()),
        text,
        links,
        ..ExtractRequest::default()
    };
    let caps = FrameCaps::of_page(&limits, Some(&settings));
    check!().with_type::<Sent>().for_each(|sent| {
        let mut collector = LinkCollector::new(PAGES, &limits);
        for (answer, body) in answers_in(&sent.bytes(), caps) {
            match answer {
                Answer::Page(answer) => {
                    let request = request(answer.text.is_some(), answer.links.is_some());
                    let output = answers::page_output(PAGE, &request, &limits, *answer, body);
                    if let Ok(output) = output {
                        check_page(&output, &limits);
                    }
                }
                Answer::PageFailed(failure) if answers::is_answerable(PAGE, &failure) => {
                    assert!(["unreadable", "out_of_memory"].contains(&failure.code()));
                }
                Answer::Found(found) => {
                    let kept = found.links.links.len();
                    if collector.take(found).is_ok() {
                        assert!(kept <= limits.max_links_per_page as usize);
                    }
                }
                _ => {}
            }
        }
        assert!(collector.found().pages().all(|page| page.0 <= PAGES));
    });
}

/// What holds of every page that is let through.
fn check_page(output: &super::PageOutput, limits: &Limits) {
    assert_eq!(output.page, PAGE);
    let image = output.image.as_ref().expect("one was asked for");
    assert!((1..=100).contains(&(u64::from(image.width) * u64::from(image.height))));
    assert_eq!(image.format, ImageFormat::Png);
    assert!(image.data.starts_with(b"\x89PNG"));
    if let Some(text) = &output.text {
        assert_eq!(text.page, PAGE);
        for block in &text.blocks {
            assert!(
                text.text
                    .get(block.start as usize..block.end as usize)
                    .is_some()
            );
        }
    }
    if let Some(links) = &output.links {
        assert!(links.len() <= limits.max_links_per_page as usize);
        assert!(links.iter().all(|link| link.page == PAGE));
    }
}

#[test]
fn real_answers_are_read() {
    let caps = FrameCaps::of_page(&limits(), Some(&ImageSettings::default()));
    for real in REAL {
        let found = answers_in(&frame(real.as_bytes(), BODY), caps);
        assert_eq!(
            found.len(),
            1,
            "a fuzzer that begins with this gets nowhere: {real}"
        );
    }
}
