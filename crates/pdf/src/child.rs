//! The child: one process, one PDFium, one document at a time.
//!
//! It reads requests from its standard input, which is one end of a socket pair, and answers there. It knows nothing
//! of retries, deadlines or other children; when anything is wrong with the channel, or with itself, it ends.

use std::io;
use std::process::ExitCode;

use memmap2::Mmap;
use pdfium_render::prelude::{PdfDocument, Pdfium};

use crate::encode::Encoder;
use crate::inspect::Parsed;
use crate::pdfium;
use crate::protocol::{Answer, FoundPage, Look, PageLinks, PageTask, Request};
use crate::render::DrawError;
use crate::repair;
use crate::sandbox::Layer;
use crate::searchable;
use pagemill_document::{PageNumber, Rect};
use pagemill_reader::{ImageSettings, Limits, PageFailure};

mod channel;
mod guard;
mod ocr;
mod page;
mod pictures;
mod readings;

use channel::Channel;
use guard::Budget;
use ocr::OcrReader;
use page::PageReader;

/// Most links of one document that are kept; more are counted.
const MAX_LINKS_PER_DOCUMENT: u32 = 200_000;

/// Runs this process as a child of an [`Engine`](crate::engine::Engine) until the parent closes the channel.
///
/// The program's `main` calls it first thing, before it starts a thread, when it is started as the engine's
/// `child_command`. There are no further arguments: all that a child needs to know comes over its standard input.
pub fn child_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the channel to the parent broke: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Puts the walls of a child around this process and begins a piece of work of `seconds` CPU seconds: for the program
/// that tries to get out (`src/bin/pdf-probe.rs`). There is no way back.
///
/// # Errors
/// When the system refuses a limit.
#[doc(hidden)]
pub fn confine_this_process(limits: &Limits, seconds: u32) -> io::Result<Vec<Layer>> {
    let mut layers = guard::before_loading()?;
    let (budget, more) = guard::after_loading(limits)?;
    budget.begin(seconds, 0)?;
    layers.extend(more);
    Ok(layers)
}

fn serve() -> io::Result<()> {
    let mut layers = guard::before_loading()?;
    let mut channel = Channel::from_stdin()?;
    let Some(Request::Setup {
        libpdfium,
        limits,
        ocr,
    }) = channel.receive()?
    else {
        return Err(io::Error::other("the first request was not a setup"));
    };
    let path = pdfium::library_path(&libpdfium);
    let library = match pdfium::load(&path) {
        Ok(library) => library,
        Err(error) => return channel.answer(&Answer::Refused(error)),
    };
    let (encoder, jpeg_encoder) = Encoder::load(&path);
    let (reader, ocr) = OcrReader::load(ocr, &limits);
    let (budget, more) = guard::after_loading(&limits)?;
    layers.extend(more);
    channel.answer(&Answer::Ready {
        libpdfium: path,
        jpeg_encoder,
        layers,
        ocr,
    })?;

    let mut pages = PageReader::new(encoder, reader);
    let mut request = channel.receive()?;
    loop {
        request = match request {
            None => return Ok(()),
            Some(Request::Open { bytes, passwords }) => {
                let map = channel.take_file(bytes)?;
                budget.begin(limits.open_timeout_seconds, bytes)?;
                let mut file = OpenFile {
                    channel: &mut channel,
                    pages: &mut pages,
                    limits: &limits,
                    budget,
                    map: &map,
                    bytes,
                    passwords: &passwords,
                };
                file.serve(&library)?
            }
            Some(Request::Repair {
                purpose,
                bytes,
                passwords,
            }) => {
                let map = channel.take_file(bytes)?;
                budget.begin(limits.open_timeout_seconds, bytes)?;
                match repair::repaired(&map, &passwords, purpose, &limits) {
                    Ok((repair, file)) => {
                        channel.answer_with(&Answer::Repaired(repair), &[&file])?;
                    }
                    Err(error) => channel.answer(&Answer::Refused(error))?,
                }
                channel.receive()?
            }
            Some(Request::Searchable {
                pages,
                bytes,
                passwords,
            }) => {
                let map = channel.take_file(bytes)?;
                budget.begin(limits.open_timeout_seconds, bytes)?;
                match searchable::searchable(&map, &passwords, &pages, &limits) {
                    Ok(file) => channel.answer_with(&Answer::Searchable, &[&file])?,
                    Err(error) => channel.answer(&Answer::Refused(error))?,
                }
                channel.receive()?
            }
            Some(Request::Attachments {
                from,
                room,
                bytes,
                passwords,
            }) => {
                let map = channel.take_file(bytes)?;
                budget.begin(limits.open_timeout_seconds, bytes)?;
                match Parsed::open(&map, &passwords, &limits) {
                    Ok(parsed) => give_attachments(&mut channel, &parsed, from, room, &limits)?,
                    Err(error) => channel.answer(&Answer::Refused(error))?,
                }
                channel.receive()?
            }
            Some(_) => return Err(io::Error::other("a request without an open file")),
        };
    }
}

/// Gives the attached files one by one, so that those before one that ends this process are not lost.
fn give_attachments(
    channel: &mut Channel,
    parsed: &Parsed<'_>,
    from: usize,
    room: u64,
    limits: &Limits,
) -> io::Result<()> {
    let mut room = room;
    let files = parsed.attachments();
    for index in from..files.count() {
        let most = room.min(limits.max_attachment_bytes);
        let (file, content) = files.read(index, usize::try_from(most).unwrap_or(usize::MAX));
        room -= content.len() as u64;
        channel.answer_with(&Answer::Attachment(file), &[&content])?;
    }
    channel.answer(&Answer::AttachmentsEnd)
}

/// The file that is open, until the next one is.
struct OpenFile<'a> {
    channel: &'a mut Channel,
    pages: &'a mut PageReader,
    limits: &'a Limits,
    budget: Budget,
    map: &'a Mmap,
    /// Bytes of the file, and of its copy.
    bytes: u64,
    passwords: &'a [String],
}

impl OpenFile<'_> {
    /// Opens the file and answers requests for it. Gives back the first request that is not for it.
    fn serve(&mut self, library: &Pdfium) -> io::Result<Option<Request>> {
        let (document, encryption) =
            match pdfium::open(library, self.map, self.passwords, self.limits) {
                Ok(opened) => opened,
                Err(error) => {
                    self.channel.answer(&Answer::Refused(error))?;
                    return self.channel.receive();
                }
            };
        let inspection = pdfium::inspect(&document, encryption);
        self.channel.answer(&Answer::Opened(Box::new(inspection)))?;
        let mut request = self.answer(&document, None)?;
        while let Some(Request::Attach { bytes }) = request {
            let map = self.channel.take_file(bytes)?;
            self.bytes = self.map.len() as u64 + bytes;
            self.budget
                .begin(self.limits.open_timeout_seconds, self.bytes)?;
            request = match pdfium::open(library, &map, self.passwords, self.limits) {
                Ok((copy, _)) => {
                    self.channel.answer(&Answer::Attached)?;
                    self.answer(&document, Some(&copy))?
                }
                Err(error) => {
                    self.channel.answer(&Answer::Refused(error))?;
                    self.answer(&document, None)?
                }
            };
        }
        Ok(request)
    }

    /// Answers requests for the file that is open, with its copy or without. Gives back the first other request.
    fn answer(
        &mut self,
        document: &PdfDocument<'_>,
        copy: Option<&PdfDocument<'_>>,
    ) -> io::Result<Option<Request>> {
        loop {
            match self.channel.receive()? {
                Some(Request::Inspect) => self.inspect()?,
                Some(Request::Pages {
                    tasks,
                    images,
                    text,
                }) => {
                    for task in tasks {
                        self.page(document, copy, task, images.as_ref(), text)?;
                    }
                }
                other => return Ok(other),
            }
        }
    }

    fn inspect(&mut self) -> io::Result<()> {
        self.budget
            .begin(self.limits.open_timeout_seconds, self.bytes)?;
        let parsed = match Parsed::open(self.map, self.passwords, self.limits) {
            Ok(parsed) => parsed,
            Err(error) => return self.channel.answer(&Answer::Refused(error)),
        };
        self.channel.answer(&Answer::Inspected {
            inspection: Box::new(parsed.inspection().clone()),
            outline: parsed.outline(),
            page_labels: parsed.page_labels(),
            misread: parsed.misread(),
        })?;
        let pages = parsed.inspection().pages.min(self.limits.max_pages);
        let mut left = MAX_LINKS_PER_DOCUMENT;
        for page in (1..=pages).map(PageNumber) {
            let (mut links, dropped) = parsed.links(page, self.limits.max_links_per_page.min(left));
            let annotations = parsed.annotations(page);
            let (look, undrawn) = parsed.look(page);
            let mut texts = parsed.annotation_texts(page);
            let has_nothing = links.is_empty() && dropped == 0 && annotations == 0;
            if has_nothing && texts.is_empty() && look == Look::default() {
                continue;
            }
            for link in &mut links {
                make_finite(&mut link.bbox);
                link.quads.iter_mut().for_each(make_finite);
            }
            left = left.saturating_sub(u32::try_from(links.len()).unwrap_or(u32::MAX));
            for text in &mut texts {
                make_finite(&mut text.bbox);
            }
            let links = PageLinks {
                links,
                dropped,
                texts,
            };
            self.channel.answer(&Answer::Found(FoundPage {
                page,
                annotations,
                undrawn,
                links,
                look,
            }))?;
        }
        self.channel.answer(&Answer::FoundEnd)
    }

    fn page(
        &mut self,
        document: &PdfDocument<'_>,
        copy: Option<&PdfDocument<'_>>,
        task: PageTask,
        images: Option<&ImageSettings>,
        text: bool,
    ) -> io::Result<()> {
        self.budget
            .begin(self.limits.page_timeout_seconds, self.bytes)?;
        let number = task.page;
        let outcome = self
            .pages
            .extract(document, copy, self.limits, task, images, text);
        match outcome {
            Ok((answer, encoded)) => {
                let image: &[u8] = encoded.as_ref().map_or(&[], |encoded| encoded.image);
                let thumbnail = encoded.as_ref().and_then(|encoded| encoded.thumbnail);
                let answer = Answer::Page(Box::new(answer));
                self.channel
                    .answer_with(&answer, &[image, thumbnail.unwrap_or_default()])
            }
            Err(DrawError::OutOfMemory) => {
                let failure = PageFailure::OutOfMemory { page: number };
                self.channel.answer(&Answer::PageFailed(failure))
            }
            Err(DrawError::Refused) => {
                let failure = PageFailure::Unreadable { page: number };
                self.channel.answer(&Answer::PageFailed(failure))
            }
        }
    }
}

/// JSON has no word for infinity: a coordinate that is not a number becomes zero.
fn make_finite(rect: &mut Rect) {
    for edge in [&mut rect.x0, &mut rect.y0, &mut rect.x1, &mut rect.y1] {
        if !edge.is_finite() {
            *edge = 0.0;
        }
    }
}
