//! One page: its image, text and links from one page load.

use std::cmp::Ordering;

use pdfium_render::prelude::{PdfDocument, PdfPage, PdfPageObject, PdfPageObjectsCommon};

use super::ocr::OcrReader;
use super::{make_finite, pictures};
use crate::drawing;
use crate::encode::{Encoded, Encoder};
use crate::pdfium;
use crate::protocol::{ImageHeader, LinkTask, Look, PageAnswer, PageLinks, PageTask};
use crate::render::{Canvas, DrawError, ImageSize, image_size};
use crate::scan::{self, Scan};
use crate::text::PageGlyphs;
use pagemill_document::{Block, Link, PageNumber, PageState, PageText, Rect, TableCell};
use pagemill_reader::{ImageFormat, ImageSettings, Limits};

/// Takes pages, one after the other, with the same buffers.
#[derive(Debug)]
pub(super) struct PageReader {
    canvas: Canvas,
    encoder: Encoder,
    ocr: Option<OcrReader>,
}

impl PageReader {
    /// A reader that encodes with this encoder, and has pictures read by this reader.
    pub(super) fn new(encoder: Encoder, ocr: Option<OcrReader>) -> Self {
        Self {
            canvas: Canvas::default(),
            encoder,
            ocr,
        }
    }

    /// What was asked of one page, and its encoded image, when asked for. Text that is unclear is read from the copy too,
    /// if there is one. What a page gives does not depend on its neighbours: each is read from the file as it came first.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(super) fn extract(
        &mut self,
        document: &PdfDocument<'_>,
        copy: Option<&PdfDocument<'_>>,
        limits: &Limits,
        task: PageTask,
        images: Option<&ImageSettings>,
        text: bool,
    ) -> Result<(PageAnswer, Option<Encoded<'_>>), DrawError> {
        let PageTask {
            page: number,
            links: link_task,
            look,
            without_hidden,
            misread,
            copy_may_come,
            readings,
        } = task;
        if let Some(ocr) = &mut self.ocr {
            ocr.begin_page(readings);
        }
        let index = i32::try_from(number.0.saturating_sub(1)).map_err(|_| DrawError::Refused)?;
        let mut page = document
            .pages()
            .get(index)
            .map_err(|_| DrawError::Refused)?;

        let links_again = copy.is_some().then(|| link_task.clone());
        let reading = Reading {
            number,
            limits,
            user_unit: look.user_unit,
            without_hidden,
        };
        let mut read = reading.read(&page, link_task, text);
        if let (Some(copy), Some(links), Some(text)) = (copy, links_again, &read.text)
            && PageTask::is_unclear(misread, text)
            && let Ok(page) = copy.pages().get(index)
        {
            read = read.or_clearer(reading.read(&page, links, true));
        }
        let Read {
            text: mut page_text,
            links,
            mut glyphs,
        } = read;

        if let Err(error) = drawing::add(&mut page, document, &look.shapes) {
            tracing::debug!(?error, "an annotation can't be drawn");
        }
        let lacks_text = page_text
            .as_ref()
            .is_some_and(|text| text.state != PageState::Text);
        let waits_for_copy = page_text
            .as_ref()
            .is_some_and(|text| copy_may_come && PageTask::is_unclear(misread, text));
        let may_be_read = lacks_text && self.ocr.is_some() && !waits_for_copy;
        // One that is drawn, and not read before, shows by that whether it is blank.
        let probed = match may_be_read || lacks_text && images.is_none() {
            true => Some(self.canvas.is_blank(&page)?),
            false => None,
        };
        let of_outlines = glyphs.as_ref().is_some_and(PageGlyphs::is_of_outlines);
        if may_be_read
            && probed == Some(false)
            && let (Some(text), Some(ocr)) = (&mut page_text, &mut self.ocr)
            && let Some(read) = ocr.read(&page, text, of_outlines, look.user_unit, limits)?
        {
            *text = read;
        }
        // Whoever waits for a copy that does not come keeps this; with the copy the page is read anew, pictures and all.
        if look.user_unit == 1.0
            && !lacks_text
            && let (Some(text), Some(glyphs), Some(ocr)) =
                (&mut page_text, &mut glyphs, &mut self.ocr)
            && ocr.reads_pictures()
            && let Some(taken) = pictures::take_in(&page, glyphs, &mut self.canvas, ocr, limits)?
        {
            *text = finite(glyphs.text(number, limits));
            text.ocr = taken.account;
        }
        let has_no_text = page_text.as_ref().is_some_and(|page_text| {
            matches!(page_text.state, PageState::NeedsOcr | PageState::Blank)
        });
        let ocr = self.ocr.as_mut();
        let readings = ocr.map_or_else(Vec::new, OcrReader::take_new_readings);
        let drawn = match images {
            Some(settings) => Some(self.draw(&page, &look, settings, has_no_text)?),
            None => None,
        };
        if let Some(page_text) = &mut page_text
            && has_no_text
        {
            let is_blank = drawn.as_ref().map(|drawn| drawn.is_blank).or(probed);
            page_text.state = match is_blank {
                Some(true) => PageState::Blank,
                _ => PageState::NeedsOcr,
            };
        }
        let image = drawn.as_ref().map(Drawn::header);
        let answer = PageAnswer {
            page: number,
            image,
            text: page_text,
            links,
            annotations: u32::try_from(page.annotations().len()).unwrap_or(u32::MAX),
            readings,
        };
        Ok((answer, drawn.map(|drawn| drawn.encoded)))
    }

    /// The image of a page: the picture that it is, where that serves, or else rendered and encoded. Only a page that
    /// may be blank is looked at for that.
    fn draw(
        &mut self,
        page: &PdfPage<'_>,
        look: &Look,
        settings: &ImageSettings,
        may_be_blank: bool,
    ) -> Result<Drawn<'_>, DrawError> {
        let width = page.width().value * look.user_unit;
        let height = page.height().value * look.user_unit;
        let picture = look
            .scan
            .filter(|scan| scan.serves(settings, width, height))
            .and_then(|scan| Some((scan, only_picture(page, scan)?)));
        if let Some((scan, file)) = picture {
            return Ok(Drawn {
                size: ImageSize {
                    width: scan.width,
                    height: scan.height,
                    scaled_down: false,
                },
                format: settings.format,
                is_blank: false,
                encoded: self.encoder.take_over(file, scan.grey),
            });
        }
        let size = image_size(width, height, settings);
        let pixels = self.canvas.draw(page, size)?;
        let is_blank = may_be_blank && pixels.all_white();
        let encoded = self
            .encoder
            .encode(pixels, settings)
            .map_err(|_| DrawError::Refused)?;
        Ok(Drawn {
            size,
            format: settings.format,
            is_blank,
            encoded,
        })
    }
}

/// The image of a page, and what is said of it.
struct Drawn<'a> {
    size: ImageSize,
    format: ImageFormat,
    is_blank: bool,
    encoded: Encoded<'a>,
}

impl Drawn<'_> {
    fn header(&self) -> ImageHeader {
        ImageHeader {
            width: self.size.width,
            height: self.size.height,
            format: self.format,
            grey: self.encoded.grey,
            scaled_down: self.size.scaled_down,
            bytes: self.encoded.image.len() as u64,
            thumbnail_bytes: self.encoded.thumbnail.map(|file| file.len() as u64),
        }
    }
}

/// The JPEG of the only picture among a page's objects, when PDFium too sees no other, and nothing but text beside it.
fn only_picture(page: &PdfPage<'_>, scan: Scan) -> Option<Vec<u8>> {
    let mut file = None;
    for object in page.objects().iter() {
        match object {
            PdfPageObject::Image(picture) if file.is_none() => {
                file = Some(picture.get_raw_image_data().ok()?);
            }
            PdfPageObject::Text(_) => {}
            _ => return None,
        }
    }
    scan::without_metadata(&file?, scan)
}

/// Part of a box's height by which the next one on its line may stand away from it and still go on in the same word.
const TOUCHING: f32 = 0.1;

/// What was read of a page.
struct Read {
    text: Option<PageText>,
    links: Option<PageLinks>,
    /// What they were made of, in the page's unit.
    glyphs: Option<PageGlyphs>,
}

/// How a page is read, from the file and from its copy alike.
struct Reading<'a> {
    number: PageNumber,
    limits: &'a Limits,
    user_unit: f32,
    without_hidden: bool,
}

impl Reading<'_> {
    fn read(&self, page: &PdfPage<'_>, link_task: LinkTask, text: bool) -> Read {
        let &Self {
            number,
            limits,
            user_unit,
            without_hidden,
        } = self;
        let needs_glyphs = text
            || matches!(&link_task, LinkTask::Found(found) if !found.links.is_empty())
            || link_task == LinkTask::AskPdfium;
        let mut glyphs = needs_glyphs.then(|| PageGlyphs::read(page, without_hidden));
        let mut texts = Vec::new();
        let links = match link_task {
            LinkTask::Unwanted => None,
            LinkTask::Found(mut links) => {
                texts = std::mem::take(&mut links.texts);
                Some(links)
            }
            LinkTask::AskPdfium => Some(pdfium::links(page, number, limits.max_links_per_page)),
        };
        let links = links.map(|mut links| {
            for link in &mut links.links {
                make_finite(&mut link.bbox);
                link.quads.iter_mut().for_each(make_finite);
                link.anchor = glyphs
                    .as_ref()
                    .and_then(|glyphs| anchor(glyphs, link, user_unit));
            }
            links
        });
        for text in &mut texts {
            // Glyphs are in the units of the page.
            text.bbox = text.bbox.scaled(1.0 / user_unit);
        }
        if let Some(glyphs) = &mut glyphs {
            glyphs.add_annotations(&texts);
        }
        let text = match &glyphs {
            Some(glyphs) if text => Some(finite(scaled(glyphs.text(number, limits), user_unit))),
            _ => None,
        };
        Read {
            text,
            links,
            glyphs,
        }
    }
}

impl Read {
    /// This, or what was read from the copy, where that lacks less, or lacks as much and has other letters.
    fn or_clearer(self, copy: Self) -> Self {
        let (Some(first), Some(second)) = (&self.text, &copy.text) else {
            return self;
        };
        let (first, second) = (first.characters, second.characters);
        let is_clearer = match second.missing().cmp(&first.missing()) {
            Ordering::Less => true,
            Ordering::Equal => second.letters != first.letters,
            Ordering::Greater => false,
        };
        match is_clearer {
            true => copy,
            false => self,
        }
    }
}

/// The text under a link: under its parts in their order, where the file names them.
fn anchor(glyphs: &PageGlyphs, link: &Link, user_unit: f32) -> Option<String> {
    let mut parts: Vec<Rect> = Vec::new();
    for quad in &link.quads {
        let near = (quad.y1 - quad.y0) * TOUCHING;
        match parts.last_mut() {
            // A box a word, or a box a change of font: what touches is read in one piece.
            Some(last)
                if (last.y0 - quad.y0).abs() <= near
                    && (last.y1 - quad.y1).abs() <= near
                    && (last.x1 - quad.x0).abs() <= near =>
            {
                last.x1 = last.x1.max(quad.x1);
            }
            _ => parts.push(*quad),
        }
    }
    if parts.is_empty() {
        parts.push(link.bbox);
    }
    let texts = parts
        .into_iter()
        .filter_map(|part| glyphs.anchor(part.scaled(1.0 / user_unit)));
    let text = texts.collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// A page's text in points, where PDFium measured it in units of so many points.
fn scaled(mut text: PageText, user_unit: f32) -> PageText {
    if user_unit == 1.0 {
        return text;
    }
    text.width *= user_unit;
    text.height *= user_unit;
    for figure in &mut text.figures {
        figure.bbox = figure.bbox.scaled(user_unit);
    }
    for block in &mut text.blocks {
        block.bbox = block.bbox.scaled(user_unit);
        block.font_size *= user_unit;
        for line in &mut block.lines {
            line.bbox = line.bbox.scaled(user_unit);
            line.font_size *= user_unit;
        }
        for cell in cells_of(block) {
            cell.bbox = cell.bbox.scaled(user_unit);
        }
    }
    text
}

fn cells_of(block: &mut Block) -> impl Iterator<Item = &mut TableCell> {
    block.table.iter_mut().flat_map(|table| &mut table.cells)
}

fn finite(mut text: PageText) -> PageText {
    for length in [&mut text.width, &mut text.height] {
        if !length.is_finite() {
            *length = 0.0;
        }
    }
    for figure in &mut text.figures {
        make_finite(&mut figure.bbox);
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
        for cell in cells_of(block) {
            make_finite(&mut cell.bbox);
        }
    }
    text
}
