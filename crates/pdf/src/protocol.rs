//! What the engine and its children say to each other, and in which frames.
//!
//! A frame is a prefix of twelve bytes (magic with version, length of the header, length of the body; little endian),
//! a header and a body. The header is JSON: the types in it are the public ones, whose tags and flattened fields only a
//! self-describing encoding can carry. The body is raw image bytes, or a file. Both lengths are checked against a cap before a
//! byte is allocated. The parent trusts nothing: an answer that does not fit its request ends the child.

use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::annotation_text::AnnotationText;
use crate::drawing::Shape;
use crate::encode::JpegEncoder;
use crate::engine::{OcrReport, OcrSettings};
use crate::repair::{Purpose, Repair};
use crate::sandbox::Layer;
use crate::scan::Scan;
use pagemill_document::{Inspection, Link, OutlineItem, PageLabel, PageNumber, PageText};
use pagemill_reader::{
    ImageFormat, ImageSettings, Limits, NotKept, PageFailure, PageWords, PdfError, PictureReading,
};

/// First bytes of every frame; the digit is the protocol's version.
const MAGIC: [u8; 4] = *b"PMC1";

/// Length of a frame's prefix in bytes.
pub(crate) const PREFIX_BYTES: usize = 12;

/// Header bytes that every answer may have, before what text and links may add.
const BASE_HEADER_BYTES: u64 = 8 << 20;

/// Header bytes for one byte of text: it comes twice (page and lines), escaped, with boxes around each line.
const HEADER_BYTES_PER_TEXT_BYTE: u64 = 12;

/// Bytes of an encoded image for one pixel, at worst: three channels and the encoder's own overhead.
const BODY_BYTES_PER_PIXEL: u64 = 4;

/// What the parent says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Always first: load the library and put up the guards.
    Setup {
        /// Path of libpdfium, or the folder that holds it.
        libpdfium: PathBuf,
        /// Limits; the child's guards come from them.
        limits: Limits,
        /// How pages without text are read from their pictures, where they are.
        #[serde(default)]
        ocr: Option<OcrSettings>,
    },
    /// Open the file whose descriptor comes with this frame.
    Open {
        /// Its length in bytes.
        bytes: u64,
        /// Passwords to try after the empty one.
        passwords: Vec<String>,
    },
    /// Rewrite the file whose descriptor comes with this frame. It need not be open.
    Repair {
        /// What for.
        purpose: Purpose,
        /// Its length in bytes.
        bytes: u64,
        /// Passwords to try after the empty one.
        passwords: Vec<String>,
    },
    /// Write these words into the file whose descriptor comes with this frame. It need not be open.
    Searchable {
        /// By their pages.
        pages: Vec<PageWords>,
        /// Its length in bytes.
        bytes: u64,
        /// Passwords to try after the empty one.
        passwords: Vec<String>,
    },
    /// Give the files that the one carries whose descriptor comes with this frame. It need not be open.
    Attachments {
        /// The first one that is wanted, counted from 0.
        from: usize,
        /// Bytes that may be used for all of them.
        room: u64,
        /// The file's length in bytes.
        bytes: u64,
        /// Passwords to try after the empty one.
        passwords: Vec<String>,
    },
    /// Take the file whose descriptor comes with this frame as the copy of the open one in which fonts say what they mean.
    Attach {
        /// Its length in bytes.
        bytes: u64,
    },
    /// Read the objects of the open file with the second parser.
    Inspect,
    /// Extract pages of the open file, each answered in turn.
    Pages {
        /// The pages, in the order in which they are wanted.
        tasks: Vec<PageTask>,
        /// How to render, when images are wanted.
        images: Option<ImageSettings>,
        /// Whether text is wanted.
        text: bool,
    },
}

/// One page to extract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PageTask {
    /// Its number, from 1.
    pub(crate) page: PageNumber,
    /// Its links.
    pub(crate) links: LinkTask,
    /// What PDFium does not tell of its look.
    pub(crate) look: Look,
    /// Whether what is on layers that are off was moved far off the pages.
    #[serde(default)]
    pub(crate) without_hidden: bool,
    /// Whether fonts of the document are known to be misread, so that the text is taken from the copy too.
    #[serde(default)]
    pub(crate) misread: bool,
    /// Whether a copy with clear fonts may still come. Until then a text that such a copy may mend is not replaced by what
    /// its picture says.
    #[serde(default)]
    pub(crate) copy_may_come: bool,
    /// What was read of its pictures before; none: nobody keeps it, and what is read now need not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) readings: Option<Vec<PictureReading>>,
}

impl PageTask {
    /// Whether a page's text is to be read from the copy too: it lacks characters that are to be seen, or it is set in
    /// fonts that are known to be misread.
    pub(crate) fn is_unclear(misread: bool, text: &PageText) -> bool {
        misread || text.characters.no_unicode > 0 || text.characters.not_read > 0
    }
}

/// What the second parser knows of how a page looks, and PDFium does not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// The picture that the page is, if nothing else was found on it.
    pub(crate) scan: Option<Scan>,
    /// The size of its unit in points (ISO 32000-2 table 31, `UserUnit`).
    pub(crate) user_unit: f32,
    /// Lines and areas of its annotations that PDFium does not draw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shapes: Vec<Shape>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            scan: None,
            user_unit: 1.0,
            shapes: Vec::new(),
        }
    }
}

/// Where a page's links come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum LinkTask {
    /// They are not wanted.
    Unwanted,
    /// The second parser found these; the texts under them are missing.
    Found(PageLinks),
    /// The second parser could not read the file: ask PDFium.
    AskPdfium,
}

/// The links of one page, and the text that its annotations show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PageLinks {
    /// In the order of the annotations.
    pub(crate) links: Vec<Link>,
    /// How many more there are.
    pub(crate) dropped: u32,
    /// Values of form fields and free text, which the page's content has not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) texts: Vec<AnnotationText>,
}

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To `Setup`: the library is loaded, the guards are up.
    Ready {
        /// The file that the library was loaded from.
        libpdfium: PathBuf,
        /// What encodes JPEGs.
        jpeg_encoder: JpegEncoder,
        /// The layers of the sandbox, up and missing.
        layers: Vec<Layer>,
        /// What reads pictures of pages.
        ocr: OcrReport,
    },
    /// To `Open`: what PDFium knows of the file.
    Opened(Box<Inspection>),
    /// To `Attach`.
    Attached,
    /// To `Repair`: what was done. The body is the file.
    Repaired(Repair),
    /// To `Searchable`. The body is the file.
    Searchable,
    /// To `Attachments`, for each in turn. The body is what it holds, where that is kept.
    Attachment(AttachedFile),
    /// To `Attachments`, at last.
    AttachmentsEnd,
    /// To any request but `Pages`: no, and why.
    Refused(PdfError),
    /// To `Inspect`, first: what the second parser knows of the file.
    Inspected {
        /// Of the file as a whole.
        inspection: Box<Inspection>,
        /// Bookmarks.
        outline: Vec<OutlineItem>,
        /// Page labels.
        page_labels: Vec<PageLabel>,
        /// What PDFium gets wrong about the file.
        misread: Misread,
    },
    /// To `Inspect`, then: what was found on one page, in ascending order of pages; pages with nothing are left out.
    Found(FoundPage),
    /// To `Inspect`, at last.
    FoundEnd,
    /// To `Pages`, for each: what it gave. The body is the image, then the thumbnail.
    Page(Box<PageAnswer>),
    /// To `Pages`, for each: why it gave nothing.
    PageFailed(PageFailure),
}

/// What PDFium is known to get wrong about a file that it opens, as the second parser tells from its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Misread {
    /// Text on layers that are off is given like any other.
    pub(crate) layers: bool,
    /// Characters are another or none: glyphs whose names are composed of others ("f_f"), codes that only a font's program
    /// explains, single characters of Chinese, Japanese and Korean in a font that the file does not bring.
    pub(crate) fonts: bool,
}

/// An attached file, whose bytes are in the body.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttachedFile {
    /// Its name.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) media_type: Option<String>,
    /// What it is to the document.
    pub(crate) relationship: Option<String>,
    /// Why the body is empty, where it is not its bytes.
    pub(crate) not_kept: Option<NotKept>,
}

/// What the second parser found on one page.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FoundPage {
    /// Its number, from 1.
    pub(crate) page: PageNumber,
    /// Its annotations of any kind.
    pub(crate) annotations: u32,
    /// Those of them that are to be seen and that nobody draws.
    pub(crate) undrawn: u32,
    /// Its links.
    pub(crate) links: PageLinks,
    /// Its look.
    pub(crate) look: Look,
}

/// What one page gave.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PageAnswer {
    /// Its number, from 1.
    pub(crate) page: PageNumber,
    /// Its image, when asked for.
    pub(crate) image: Option<ImageHeader>,
    /// Its text, when asked for.
    pub(crate) text: Option<PageText>,
    /// Its links, when asked for.
    pub(crate) links: Option<PageLinks>,
    /// Its annotations of any kind, as PDFium counts them.
    pub(crate) annotations: u32,
    /// What was read of its pictures now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) readings: Vec<PictureReading>,
}

/// An image whose bytes are in the body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImageHeader {
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// File format.
    pub(crate) format: ImageFormat,
    /// Whether it has one channel.
    pub(crate) grey: bool,
    /// Whether it is smaller than asked.
    pub(crate) scaled_down: bool,
    /// Bytes of the image.
    pub(crate) bytes: u64,
    /// Bytes of the thumbnail, when asked for.
    pub(crate) thumbnail_bytes: Option<u64>,
}

/// Most bytes that a frame may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameCaps {
    /// Of the header.
    pub(crate) header: u64,
    /// Of the body.
    pub(crate) body: u64,
}

impl FrameCaps {
    /// Caps of answers without a body.
    pub(crate) fn without_body(limits: &Limits) -> Self {
        let text = limits
            .max_text_bytes_per_page
            .saturating_mul(HEADER_BYTES_PER_TEXT_BYTE);
        Self {
            header: text.saturating_add(BASE_HEADER_BYTES),
            body: 0,
        }
    }

    /// Caps of an answer to `Repair` or `Searchable`.
    pub(crate) fn of_file(limits: &Limits) -> Self {
        Self {
            body: limits.max_file_bytes,
            ..Self::without_body(limits)
        }
    }

    /// Caps of an answer to `Attachments`.
    pub(crate) fn of_attachment(limits: &Limits) -> Self {
        Self {
            body: limits.max_attachment_bytes,
            ..Self::without_body(limits)
        }
    }

    /// Caps of an answer to `Pages`.
    pub(crate) fn of_page(limits: &Limits, images: Option<&ImageSettings>) -> Self {
        let pixels = images.map_or(0, |settings| settings.max_pixels);
        let image = pixels.saturating_mul(BODY_BYTES_PER_PIXEL);
        Self {
            body: if images.is_some() {
                // The thumbnail is never larger than the image.
                image.saturating_mul(2).saturating_add(1 << 20)
            } else {
                0
            },
            ..Self::without_body(limits)
        }
    }
}

/// The lengths that a prefix announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameLengths {
    /// Of the header.
    pub(crate) header: u32,
    /// Of the body.
    pub(crate) body: u32,
}

impl FrameLengths {
    /// Reads a prefix.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(prefix: [u8; PREFIX_BYTES], caps: FrameCaps) -> Result<Self, String> {
        let [m0, m1, m2, m3, h0, h1, h2, h3, b0, b1, b2, b3] = prefix;
        if [m0, m1, m2, m3] != MAGIC {
            return Err("a frame without its magic number".to_owned());
        }
        let lengths = Self {
            header: u32::from_le_bytes([h0, h1, h2, h3]),
            body: u32::from_le_bytes([b0, b1, b2, b3]),
        };
        if u64::from(lengths.header) > caps.header {
            return Err(format!("a header of {} bytes", lengths.header));
        }
        if u64::from(lengths.body) > caps.body {
            return Err(format!("a body of {} bytes", lengths.body));
        }
        Ok(lengths)
    }
}

/// Prefix and header of a frame, for a body of `body_bytes` bytes.
///
/// # Errors
/// When the header can't be encoded or a length does not fit 32 bits.
pub(crate) fn encode<T: Serialize>(header: &T, body_bytes: usize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; PREFIX_BYTES];
    serde_json::to_writer(&mut frame, header)?;
    let header_bytes = u32::try_from(frame.len() - PREFIX_BYTES).map_err(io::Error::other)?;
    let body_length = u32::try_from(body_bytes).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&header_bytes.to_le_bytes());
    frame[8..12].copy_from_slice(&body_length.to_le_bytes());
    Ok(frame)
}

/// Reads a header.
///
/// # Errors
/// What is wrong with it, in words; none of the header's own words, which are hostile.
pub(crate) fn decode<T: DeserializeOwned>(header: &[u8]) -> Result<T, String> {
    serde_json::from_slice(header).map_err(|error| {
        format!(
            "a header that can't be read at line {} column {}",
            error.line(),
            error.column()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagemill_document::Rect;
    use pagemill_document::{LinkSafety, LinkTarget};

    fn caps() -> FrameCaps {
        FrameCaps {
            header: 1 << 20,
            body: 10,
        }
    }

    fn prefix_of(frame: &[u8]) -> [u8; PREFIX_BYTES] {
        frame[..PREFIX_BYTES]
            .try_into()
            .expect("a frame has a prefix")
    }

    #[test]
    fn a_frame_comes_back_as_it_went() {
        let bbox = Rect::default();
        let link = |target: LinkTarget| Link {
            page: PageNumber(3),
            target,
            safety: LinkSafety::Ordinary,
            anchor: None,
            bbox,
            quads: vec![bbox; 2],
        };
        let links = PageLinks {
            links: vec![
                Link {
                    page: PageNumber(3),
                    target: LinkTarget::Uri {
                        uri: "https://example.com/\u{7}".to_owned(),
                    },
                    safety: LinkSafety::Ordinary,
                    anchor: None,
                    bbox: Rect {
                        x0: 0.1,
                        y0: 1.0 / 3.0,
                        x1: f32::MAX,
                        y1: -7.25e-12,
                    },
                    quads: Vec::new(),
                },
                // Their own `page` must not be taken for the page that the link stands on.
                link(LinkTarget::GoTo {
                    page: Some(PageNumber(9)),
                    name: None,
                }),
                link(LinkTarget::GoToR {
                    file: "a.pdf".to_owned(),
                    page: None,
                    name: None,
                }),
            ],
            dropped: 4,
            texts: Vec::new(),
        };
        let task = PageTask {
            page: PageNumber(3),
            readings: None,
            links: LinkTask::Found(links),
            look: Look {
                scan: Some(Scan {
                    width: 1275,
                    height: 1650,
                    grey: true,
                }),
                user_unit: 2.5,
                shapes: vec![Shape {
                    points: vec![[1.0, 1.0 / 3.0]; 2],
                    closed: true,
                    stroke: Some([1, 2, 3, 255]),
                    fill: None,
                    width: 0.5,
                }],
            },
            without_hidden: true,
            misread: true,
            copy_may_come: true,
        };
        let frame = encode(&task, 7).expect("encodes");
        let lengths = FrameLengths::parse(prefix_of(&frame), caps()).expect("within caps");
        assert_eq!(lengths.body, 7);
        let back: PageTask = decode(&frame[PREFIX_BYTES..]).expect("decodes");
        assert_eq!(back, task);
    }

    #[test]
    fn a_body_or_header_over_its_cap_is_refused() {
        let frame = encode(&"x", 11).expect("encodes");
        assert!(FrameLengths::parse(prefix_of(&frame), caps()).is_err());
        let long = encode(&"x".repeat(2 << 20), 0).expect("encodes");
        assert!(FrameLengths::parse(prefix_of(&long), caps()).is_err());
    }

    #[test]
    fn another_version_is_refused() {
        let mut frame = encode(&"x", 0).expect("encodes");
        frame[3] = b'2';
        assert!(FrameLengths::parse(prefix_of(&frame), caps()).is_err());
    }

    #[test]
    fn an_unreadable_header_is_not_quoted() {
        let error = decode::<Answer>(b"\"password: hunter2\"").expect_err("not an answer");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
