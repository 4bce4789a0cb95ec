//! Reads the picture of a page that has no text, or none that says what it shows.

use std::time::{Duration, Instant};

use pagemill_document::{OcrAccount, OcrWord, PageState, PageText, Rect};
use pagemill_ocr::{
    Engine, GreyImage, Library, Looks, OcrError, PpOcrModels, Present, Readers, Reading,
    compute_on_this_thread,
};
use pdfium_render::prelude::PdfPage;

use super::guard;
use super::readings::{Readings, name_of};
use crate::encode::BYTES_PER_PIXEL;
use crate::engine::{OcrReaderKind, OcrReaderReport, OcrReport, OcrSettings};
use crate::render::{Canvas, DrawError, image_size};
use crate::text::PageGlyphs;
use pagemill_reader::{ImageFormat, ImageSettings, Limits, PictureReading};

/// Points in an inch.
const POINTS_PER_INCH: f32 = 72.0;

/// Part of a page's time that reading its picture may take: drawing it comes first, and the answer after.
const SHARE_OF_TIME: f64 = 0.75;

/// A reading as sure as this is believed.
const SURE: f32 = 75.0;

/// One that is less sure is believed where so much of it is words; below this confidence, none: photographs and patterns
/// are read as letters too.
const UNSURE: f32 = 45.0;
const WORDY: f32 = 0.5;

/// A page of outlines is drawn in so many pixels at most, those of A4 at 300 dpi: a larger one is a poster of large letters.
const MOST_PIXELS_OF_OUTLINES: u64 = 9_000_000;

/// What PP-OCR takes of a child's address space, beside the bitmaps of a page, in MiB: measured on pages of A4, and a third more.
const PPOCR_MIB: u64 = 512;

/// Reads pictures of pages. Libraries and models are there before the walls go up; a model is started by the first page that
/// needs it.
#[derive(Debug)]
pub(super) struct OcrReader {
    readers: Readers,
    readings: Readings,
    settings: OcrSettings,
    /// Of its own: the picture that is kept of a page is still in the other one.
    canvas: Canvas,
}

impl OcrReader {
    /// Loads libraries and models, as far as they are to be had, and as far as memory allows.
    pub(super) fn load(
        settings: Option<OcrSettings>,
        limits: &Limits,
    ) -> (Option<Self>, OcrReport) {
        let Some(settings) = settings else {
            return (None, OcrReport::Off);
        };
        let library = Library::load(&settings.tesseract);
        let ppocr = ppocr(&settings, limits);
        let lacks = match (&library, &ppocr) {
            (Ok(_), Err(reason)) => Some(reason.clone()),
            (Err(error), Ok(_)) => Some(error.to_string()),
            _ => None,
        };
        let models = ppocr.map_err(|reason| OcrError::NoPpOcr { reason });
        match Readers::new(library, &settings.tesseract, models, &settings.languages) {
            Ok(readers) => {
                let present = readers.present().into_iter();
                let report = OcrReport::Ready {
                    readers: present.map(|one| told(one, &settings)).collect(),
                    lacks,
                };
                let reader = Self {
                    readers,
                    readings: Readings::default(),
                    settings,
                    canvas: Canvas::default(),
                };
                (Some(reader), report)
            }
            Err(error) => {
                let reason = match (&error, lacks) {
                    (OcrError::NoModel { .. }, Some(lacks)) => format!("{error}; {lacks}"),
                    _ => error.to_string(),
                };
                (None, OcrReport::Missing { reason })
            }
        }
    }

    /// The text of a page's picture; none where there are no words in it, or it took too long. `before` is what was
    /// read without it. A page `of_outlines` was drawn, and not scanned.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(super) fn read(
        &mut self,
        page: &PdfPage<'_>,
        before: &PageText,
        of_outlines: bool,
        user_unit: f32,
        limits: &Limits,
    ) -> Result<Option<PageText>, DrawError> {
        let most = match of_outlines {
            true => MOST_PIXELS_OF_OUTLINES,
            false => u64::MAX,
        };
        let wanted = ImageSettings {
            dpi: self.settings.dpi,
            max_pixels: self.settings.max_pixels.min(most),
            format: ImageFormat::Png,
            ..ImageSettings::default()
        };
        let width = page.width().value * user_unit;
        let height = page.height().value * user_unit;
        let size = image_size(width, height, &wanted);
        let drawn = self.canvas.draw(page, size)?;
        let pixels = grey(drawn.bgrx);
        let scale = size.width as f32 / width.max(1.0);
        let dpi = (scale * POINTS_PER_INCH).round().max(1.0) as u32;
        let image = GreyImage {
            width: size.width,
            height: size.height,
            dpi,
            pixels: &pixels,
        };
        let of_page = Duration::from_secs(u64::from(limits.page_timeout_seconds));
        let within = of_page.mul_f64(SHARE_OF_TIME);
        let reading = match self.picture(&image, !of_outlines, within) {
            Ok(reading) => reading,
            Err(OcrError::TimedOut) => {
                eprintln!("a page was not read: there was no time left for it");
                return Ok(None);
            }
            Err(error) => {
                eprintln!("a picture was not read: {error}");
                return Ok(None);
            }
        };
        if !is_believed(&reading) {
            return Ok(None);
        }
        let glyphs =
            PageGlyphs::of_reading(&reading, [width, height], before.rotation, 1.0 / scale);
        let mut text = glyphs.text(before.page, limits);
        // The lines of a page that stood askew were laid out level.
        for block in &mut text.blocks {
            block.bbox = placed(&reading, block.bbox, scale);
            for line in &mut block.lines {
                line.bbox = placed(&reading, line.bbox, scale);
            }
            for cell in block.table.iter_mut().flat_map(|table| &mut table.cells) {
                cell.bbox = placed(&reading, cell.bbox, scale);
            }
        }
        text.state = PageState::Ocr;
        text.ocr = Some(self.account(&reading, dpi, scale));
        Ok(Some(text))
    }

    /// Whether pictures among text are read too.
    pub(super) fn reads_pictures(&self) -> bool {
        self.settings.pictures
    }

    /// Pixels an inch in which pictures are read.
    pub(super) fn dpi(&self) -> u32 {
        self.settings.dpi
    }

    /// Most pixels that are drawn of a page.
    pub(super) fn max_pixels(&self) -> u64 {
        self.settings.max_pixels
    }

    /// Begins a page, of whose pictures so much was read before; none: nobody keeps it.
    pub(super) fn begin_page(&mut self, known: Option<Vec<PictureReading>>) {
        self.readings.begin(known);
    }

    /// What was read of the page's pictures, and was not known.
    pub(super) fn take_new_readings(&mut self) -> Vec<PictureReading> {
        self.readings.take_new()
    }

    /// Reads a picture that stands on a page, or one that takes most of it, unless it was read before.
    ///
    /// # Errors
    /// As [`Readers::read`]. What was not read in time is not kept: another time there may be more of it.
    pub(super) fn picture(
        &mut self,
        image: &GreyImage<'_>,
        is_page: bool,
        within: Duration,
    ) -> Result<Reading, OcrError> {
        let until = Instant::now() + within;
        let (looks, looks_name) = match is_page {
            true => (Looks::AtPage, "page"),
            false => (Looks::AtPicture, "picture"),
        };
        let mut found: Vec<(Engine, Reading)> = Vec::new();
        while let Some(engine) = self.readers.next(looks, &found) {
            let name = name_of(&self.readers.version(engine), looks_name, image);
            let reading = match self.readings.of(&name) {
                Some(mut known) => {
                    // Who read it was not kept when there was one reader.
                    known.reader = self.readers.name(engine).to_owned();
                    known
                }
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    match self.readers.read(engine, image, looks, left) {
                        Ok(reading) => {
                            self.readings.keep(name, &reading);
                            reading
                        }
                        Err(error) if found.is_empty() => return Err(error),
                        // There is one, if not the best.
                        Err(OcrError::TimedOut) => {
                            eprintln!(
                                "a picture was not read a second time: there was no time left for it"
                            );
                            break;
                        }
                        Err(error) => {
                            eprintln!("a picture was not read a second time: {error}");
                            break;
                        }
                    }
                }
            };
            found.push((engine, reading));
        }
        Ok(Readers::best(found))
    }

    /// What is said of a reading on a page of so many pixels a point.
    pub(super) fn account(&self, reading: &Reading, dpi: u32, scale: f32) -> OcrAccount {
        let word = |word: &pagemill_ocr::Word| {
            let [x0, y0, x1, y1] = word.bounds.map(|edge| edge / scale);
            OcrWord {
                text: word.text.clone(),
                bbox: placed(reading, Rect { x0, y0, x1, y1 }, scale),
                confidence: word.confidence,
            }
        };
        OcrAccount {
            reader: reading.reader.clone(),
            language: reading.language.clone(),
            confidence: reading.confidence,
            dpi,
            deskewed: reading.turn.degrees,
            words: reading.words.iter().map(word).collect(),
        }
    }
}

/// PP-OCR's models, where it can be used behind the walls: on this thread alone, and with memory to spare.
fn ppocr(settings: &OcrSettings, limits: &Limits) -> Result<PpOcrModels, String> {
    let models = PpOcrModels::open(&settings.ppocr).map_err(|error| error.to_string())?;
    let bitmaps = settings.max_pixels * BYTES_PER_PIXEL as u64 / (1 << 20);
    let needed = PPOCR_MIB + bitmaps;
    if limits.child_memory_mib < needed {
        return Err(format!(
            "PP-OCR is not used, for want of memory: limits.child_memory_mib is {}; raise it to {needed}",
            limits.child_memory_mib
        ));
    }
    guard::forbid_threads().map_err(|reason| {
        format!("PP-OCR is not used: threads can't be forbidden here ({reason}), and one would be outside the sandbox")
    })?;
    compute_on_this_thread().map_err(|error| error.to_string())?;
    Ok(models)
}

/// What is said of a reader.
fn told(reader: Present, settings: &OcrSettings) -> OcrReaderReport {
    let Present {
        engine,
        name,
        place,
        languages,
    } = reader;
    let (kind, models) = match engine {
        Engine::Tesseract => {
            let of = |language: &String| {
                let file = format!("{language}.traineddata");
                (language.clone(), settings.tesseract.join(file))
            };
            (OcrReaderKind::Tesseract, languages.iter().map(of).collect())
        }
        Engine::PpOcr => {
            let of = |file: &str| (file.to_owned(), settings.ppocr.join(file));
            let files = PpOcrModels::FILES.into_iter();
            (OcrReaderKind::PpOcr, files.map(of).collect())
        }
    };
    OcrReaderReport {
        kind,
        name,
        place,
        languages,
        models,
    }
}

/// A box on the level page, in points, on the page as it is; a point has so many pixels.
fn placed(reading: &Reading, level: Rect, scale: f32) -> Rect {
    let Rect { x0, y0, x1, y1 } = level;
    let bounds = [x0, y0, x1, y1].map(|edge| edge * scale);
    let [x0, y0, x1, y1] = reading.turn.back(bounds).map(|edge| edge / scale);
    Rect { x0, y0, x1, y1 }
}

/// Whether what was read is text and not the reader's idea of a picture.
fn is_believed(reading: &Reading) -> bool {
    let is_wordy = reading.confidence >= UNSURE && reading.wordiness() >= WORDY;
    !reading.words.is_empty() && (reading.confidence >= SURE || is_wordy)
}

/// The grey of pixels of blue, green, red and nothing, as ITU-R BT.601 weighs them.
pub(super) fn grey(bgrx: &[u8]) -> Vec<u8> {
    let weigh = |pixel: &[u8]| {
        let [blue, green, red] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        ((29 * blue + 150 * green + 77 * red) >> 8) as u8
    };
    bgrx.chunks_exact(BYTES_PER_PIXEL).map(weigh).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_not_believed_to_be_text() {
        let reading = |confidence, words: &[&str]| Reading {
            confidence,
            words: words
                .iter()
                .map(|text| pagemill_ocr::Word {
                    text: (*text).to_owned(),
                    bounds: [0.0, 0.0, 1.0, 1.0],
                    confidence,
                    size: 10.0,
                    begins_line: true,
                    begins_block: true,
                })
                .collect(),
            ..Reading::default()
        };
        assert!(is_believed(&reading(95.0, &["13"])));
        assert!(is_believed(&reading(50.0, &["TOP", "SECRET"])));
        assert!(!is_believed(&reading(50.0, &["y", "ti", "4,", "a", "o"])));
        assert!(!is_believed(&reading(40.0, &["cul", "kos"])));
        assert!(!is_believed(&reading(0.0, &[])));
    }

    #[test]
    fn white_stays_white_and_black_black() {
        let bgrx = [255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 255, 0];
        assert_eq!(grey(&bgrx), [255, 0, 76]);
    }
}
