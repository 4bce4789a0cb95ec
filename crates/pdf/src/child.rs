//! The child: one process, one PDFium, one document at a time.
//!
//! It reads requests from its standard input, which is one end of a socket pair, and answers there. It knows nothing
//! of retries, deadlines or other children; when anything is wrong with the channel, or with itself, it ends.

use std::io;
use std::process::ExitCode;

use memmap2::Mmap;
use pdfium_render::prelude::{PdfDocument, Pdfium};

use crate::encode;
use crate::engine::Limits;
use crate::error::PageFailure;
use crate::inspect::Parsed;
use crate::page::{ImageSettings, PageNumber, PageState, Rect};
use crate::pdfium;
use crate::protocol::{Answer, ImageHeader, LinkTask, PageAnswer, PageLinks, PageTask, Request};
use crate::render::{Canvas, DrawError, image_size};
use crate::sandbox::Layer;
use crate::text::{PageGlyphs, PageText};

mod channel;
mod guard;

use channel::Channel;
use guard::Budget;

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
    let Some(Request::Setup { libpdfium, limits }) = channel.receive()? else {
        return Err(io::Error::other("the first request was not a setup"));
    };
    let path = pdfium::library_path(&libpdfium);
    let library = match pdfium::load(&path) {
        Ok(library) => library,
        Err(error) => return channel.answer(&Answer::Refused(error)),
    };
    let (budget, more) = guard::after_loading(&limits)?;
    layers.extend(more);
    channel.answer(&Answer::Ready {
        libpdfium: path,
        layers,
    })?;

    let mut canvas = Canvas::default();
    let mut request = channel.receive()?;
    loop {
        request = match request {
            None => return Ok(()),
            Some(Request::Open { bytes, passwords }) => {
                let map = channel.take_file(bytes)?;
                budget.begin(limits.open_timeout_seconds, bytes)?;
                let mut file = OpenFile {
                    channel: &mut channel,
                    canvas: &mut canvas,
                    limits: &limits,
                    budget,
                    map: &map,
                    passwords: &passwords,
                };
                file.serve(&library)?
            }
            Some(_) => return Err(io::Error::other("a request without an open file")),
        };
    }
}

/// The file that is open, until the next one is.
struct OpenFile<'a> {
    channel: &'a mut Channel,
    canvas: &'a mut Canvas,
    limits: &'a Limits,
    budget: Budget,
    map: &'a Mmap,
    passwords: &'a [String],
}

impl OpenFile<'_> {
    /// Answers requests for this file. Gives back the first request that is not for it.
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
        loop {
            match self.channel.receive()? {
                Some(Request::Inspect) => self.inspect()?,
                Some(Request::Pages {
                    tasks,
                    images,
                    text,
                }) => {
                    for task in tasks {
                        self.page(&document, task, images.as_ref(), text)?;
                    }
                }
                other => return Ok(other),
            }
        }
    }

    fn inspect(&mut self) -> io::Result<()> {
        self.budget
            .begin(self.limits.open_timeout_seconds, self.map.len() as u64)?;
        let parsed = match Parsed::open(self.map, self.passwords, self.limits) {
            Ok(parsed) => parsed,
            Err(error) => return self.channel.answer(&Answer::Refused(error)),
        };
        self.channel.answer(&Answer::Inspected {
            inspection: Box::new(parsed.inspection().clone()),
            outline: parsed.outline(),
            page_labels: parsed.page_labels(),
        })?;
        let pages = parsed.inspection().pages.min(self.limits.max_pages);
        let mut left = MAX_LINKS_PER_DOCUMENT;
        for page in (1..=pages).map(PageNumber) {
            let (mut links, dropped) = parsed.links(page, self.limits.max_links_per_page.min(left));
            let annotations = parsed.annotations(page);
            if links.is_empty() && dropped == 0 && annotations == 0 {
                continue;
            }
            for link in &mut links {
                make_finite(&mut link.bbox);
            }
            left = left.saturating_sub(u32::try_from(links.len()).unwrap_or(u32::MAX));
            let links = PageLinks { links, dropped };
            self.channel.answer(&Answer::Links {
                page,
                annotations,
                links,
            })?;
        }
        self.channel.answer(&Answer::LinksEnd)
    }

    fn page(
        &mut self,
        document: &PdfDocument<'_>,
        task: PageTask,
        images: Option<&ImageSettings>,
        text: bool,
    ) -> io::Result<()> {
        self.budget
            .begin(self.limits.page_timeout_seconds, self.map.len() as u64)?;
        let number = task.page;
        match self.extract(document, task, images, text) {
            Ok((answer, encoded)) => {
                let image: &[u8] = encoded.as_ref().map_or(&[], |encoded| &encoded.image);
                let thumbnail = encoded
                    .as_ref()
                    .and_then(|encoded| encoded.thumbnail.as_deref());
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

    fn extract(
        &mut self,
        document: &PdfDocument<'_>,
        task: PageTask,
        images: Option<&ImageSettings>,
        text: bool,
    ) -> Result<(PageAnswer, Option<encode::Encoded>), DrawError> {
        let number = task.page;
        let index = i32::try_from(number.0.saturating_sub(1)).map_err(|_| DrawError::Refused)?;
        let page = document
            .pages()
            .get(index)
            .map_err(|_| DrawError::Refused)?;

        let needs_glyphs = text
            || matches!(&task.links, LinkTask::Found(found) if !found.links.is_empty())
            || task.links == LinkTask::AskPdfium;
        let glyphs = needs_glyphs.then(|| PageGlyphs::read(&page));
        let links = match task.links {
            LinkTask::Unwanted => None,
            LinkTask::Found(links) => Some(links),
            LinkTask::AskPdfium => {
                Some(pdfium::links(&page, number, self.limits.max_links_per_page))
            }
        };
        let links = links.map(|mut links| {
            for link in &mut links.links {
                make_finite(&mut link.bbox);
                link.anchor = glyphs.as_ref().and_then(|glyphs| glyphs.anchor(link.bbox));
            }
            links
        });
        let mut page_text = match &glyphs {
            Some(glyphs) if text => Some(finite(glyphs.text(number, self.limits))),
            _ => None,
        };

        let mut blank = None;
        let mut drawn = None;
        if let Some(settings) = images {
            let size = image_size(page.width().value, page.height().value, settings);
            let pixels = self.canvas.draw(&page, size)?;
            blank = Some(pixels.all_white());
            let encoded = encode::encode(pixels, settings).map_err(|_| DrawError::Refused)?;
            drawn = Some((size, settings.format, encoded));
        }
        if let Some(page_text) = &mut page_text
            && page_text.state != PageState::Text
        {
            let blank = match blank {
                Some(blank) => blank,
                None => self.canvas.is_blank(&page)?,
            };
            page_text.state = if blank {
                PageState::Blank
            } else {
                PageState::NeedsOcr
            };
        }

        let image = drawn.as_ref().map(|(size, format, encoded)| ImageHeader {
            width: size.width,
            height: size.height,
            format: *format,
            grey: encoded.grey,
            scaled_down: size.scaled_down,
            bytes: encoded.image.len() as u64,
            thumbnail_bytes: encoded.thumbnail.as_ref().map(|file| file.len() as u64),
        });
        let answer = PageAnswer {
            page: number,
            image,
            text: page_text,
            links,
            annotations: u32::try_from(page.annotations().len()).unwrap_or(u32::MAX),
        };
        Ok((answer, drawn.map(|(_, _, encoded)| encoded)))
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

fn finite(mut text: PageText) -> PageText {
    for length in [&mut text.width, &mut text.height] {
        if !length.is_finite() {
            *length = 0.0;
        }
    }
    for block in &mut text.blocks {
        make_finite(&mut block.bbox);
        if !block.font_size.is_finite() {
            block.font_size = 0.0;
        }
        for line in &mut block.lines {
            make_finite(&mut line.bbox);
            if !line.font_size.is_finite() {
                line.font_size = 0.0;
            }
        }
    }
    text
}
