//! Pictures that stand among the text of a page: what they show of letters and of lines becomes part of the page.
//!
//! A chart, a table that was pasted as a picture, a screenshot: their words are read as those of scans are, and laid out at
//! their places with the text around them. A picture with text over it, such as the ground that a table of a slide was
//! written on, is not read; its lines are the rules of that table. Photographs are left alone: most of what is made for
//! reading is even paper with sharp edges in it, and photographs are neither.

use std::time::{Duration, Instant};

use pagemill_document::{OcrAccount, Rect};
use pagemill_ocr::{GreyImage, OcrError, Reading, straight_lines};
use pdfium_render::prelude::PdfPage;

use super::ocr::{OcrReader, grey};
use crate::encode::{BYTES_PER_PIXEL, Pixels};
use crate::render::{Canvas, DrawError, image_size};
use crate::text::PageGlyphs;
use pagemill_reader::{ImageFormat, ImageSettings, Limits};

/// Pictures that are narrower or lower than this, in points, or of less area, are ornaments and logos.
const THINNEST: f32 = 36.0;
const SMALLEST_AREA: f32 = 10_000.0;

/// More pictures of a page are not read.
const MOST_PICTURES: usize = 24;

/// A picture with so many characters over it is their ground.
const GROUND: usize = 40;

/// A picture that takes more than this part of its page is a page of its own: a scan below a line of text.
const WHOLE_PAGE: f32 = 0.5;

/// Pixels an inch in which pictures are looked at, to see whether to read them.
const LOOK_DPI: u32 = 150;

/// Neighbouring pixels that differ by at most this are even, and by at least that an edge.
const EVEN: u8 = 2;
const EDGE: u8 = 48;

/// Of the pixels of what is made for reading, so many are even and so many at edges at least.
const EVEN_PART: f32 = 0.7;
const EDGE_PART: f32 = 0.002;

/// What was read of a picture is believed from this confidence and so many letters on: less is a pattern.
const SURE: f32 = 70.0;
const FEWEST_LETTERS: usize = 4;

/// Of what was read, this part is letters and digits: a hatching is read as rows of signs.
const LETTERS: f32 = 0.6;

/// Part of a page's time that reading its pictures may take.
const SHARE_OF_TIME: u32 = 2;

/// A picture of a page, and what is to be done with it.
#[derive(Debug, Clone, Copy)]
struct Picture {
    at: Rect,
    is_ground: bool,
    is_page: bool,
}

/// Adds what the pictures of a page show to its glyphs, whose unit is a point. Returns an account of what was read, if
/// anything was; none, and the glyphs as they were, where there is nothing in its pictures.
///
/// # Errors
/// [`DrawError`].
pub(super) fn take_in(
    page: &PdfPage<'_>,
    glyphs: &mut PageGlyphs,
    canvas: &mut Canvas,
    ocr: &mut OcrReader,
    limits: &Limits,
) -> Result<Option<Taken>, DrawError> {
    let mut pictures = worth_a_look(page, glyphs);
    if pictures.is_empty() {
        return Ok(None);
    }
    let within = Duration::from_secs(u64::from(limits.page_timeout_seconds)) / SHARE_OF_TIME;
    let until = Instant::now() + within;
    let look = Drawn::of(page, canvas, LOOK_DPI, ocr.max_pixels())?;
    let mut lines = Vec::new();
    pictures.retain(|picture| {
        let cut = look.cut(picture.at);
        let is_made = match picture.is_ground {
            // Its rules may be pale.
            true => cut.is_even(),
            false => picture.is_page || cut.is_made_for_reading(),
        };
        if is_made && picture.is_ground {
            let found = straight_lines(&cut.image());
            lines.extend(found.into_iter().map(|line| cut.placed_line(line)));
        }
        is_made && !picture.is_ground
    });
    let all = pictures.clone();
    pictures.retain(|picture| !all.iter().any(|outer| lies_in(picture.at, outer.at)));
    let has_lines = !lines.is_empty();
    glyphs.add_lines(&lines, look.points);
    let mut account: Option<OcrAccount> = None;
    if !pictures.is_empty() {
        let drawn = Drawn::of(page, canvas, ocr.dpi(), ocr.max_pixels())?;
        for picture in pictures {
            let left = until.saturating_duration_since(Instant::now());
            let mut cut = drawn.cut(picture.at);
            cut.paint_over(&glyphs.boxes_within(picture.at));
            let reading = match ocr.picture(&cut.image(), picture.is_page, left) {
                Ok(reading) => cut.placed(reading),
                Err(OcrError::TimedOut) => break,
                Err(error) => {
                    eprintln!("a picture was not read: {error}");
                    continue;
                }
            };
            let Some(reading) = believed(reading) else {
                continue;
            };
            glyphs.add_reading(&reading, drawn.points);
            let own = ocr.account(&reading, drawn.dpi, 1.0 / drawn.points);
            account = Some(match account {
                Some(others) => joined(others, own),
                None => own,
            });
        }
    }
    let is_changed = has_lines || account.is_some();
    Ok(is_changed.then_some(Taken { account }))
}

/// What was read of a picture without the signs that its bullets, hatchings and arrows are taken for; none where hardly
/// anything else was read, or nothing that is sure.
fn believed(mut reading: Reading) -> Option<Reading> {
    let characters = reading.words.iter().flat_map(|word| word.text.chars());
    let (mut all, mut letters) = (0, 0);
    for ch in characters {
        all += 1;
        letters += usize::from(ch.is_alphanumeric());
    }
    let is_believed = reading.confidence >= SURE
        && letters >= FEWEST_LETTERS
        && letters as f32 >= LETTERS * all as f32;
    if !is_believed {
        return None;
    }
    // What a sign that is left out began, the next word begins.
    let mut begins_line = false;
    reading.words.retain_mut(|word| {
        word.begins_line |= begins_line;
        let is_word = word.text.chars().any(char::is_alphanumeric);
        begins_line = word.begins_line && !is_word;
        is_word
    });
    Some(reading)
}

/// Whether a picture lies in another, which is read.
fn lies_in(inner: Rect, outer: Rect) -> bool {
    let is_within = outer.x0 <= inner.x0
        && outer.y0 <= inner.y0
        && inner.x1 <= outer.x1
        && inner.y1 <= outer.y1;
    is_within && outer != inner
}

/// What pictures gave to a page.
pub(super) struct Taken {
    /// Of the words that were read; none where there are only lines.
    pub(super) account: Option<OcrAccount>,
}

fn worth_a_look(page: &PdfPage<'_>, glyphs: &PageGlyphs) -> Vec<Picture> {
    let of_page = page.width().value * page.height().value;
    let sides = |at: &Rect| (at.x1 - at.x0, at.y1 - at.y0);
    let is_large = |at: &Rect| {
        let (width, height) = sides(at);
        width >= THINNEST && height >= THINNEST && width * height >= SMALLEST_AREA
    };
    let large = glyphs.pictures().into_iter().filter(is_large);
    large
        .take(MOST_PICTURES)
        .map(|at| Picture {
            at,
            is_ground: glyphs.boxes_within(at).len() >= GROUND,
            is_page: sides(&at).0 * sides(&at).1 > WHOLE_PAGE * of_page,
        })
        .collect()
}

/// Two accounts of one page as one.
fn joined(mut a: OcrAccount, b: OcrAccount) -> OcrAccount {
    let letters = |account: &OcrAccount| -> f32 {
        let words = account.words.iter();
        words.map(|word| word.text.chars().count() as f32).sum()
    };
    let (of_a, of_b) = (letters(&a), letters(&b));
    a.confidence = (a.confidence * of_a + b.confidence * of_b) / (of_a + of_b).max(1.0);
    if of_b > of_a {
        a.reader = b.reader;
        a.language = b.language;
        a.deskewed = b.deskewed;
    }
    a.words.extend(b.words);
    a
}

/// A page's picture in grey.
struct Drawn {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    dpi: u32,
    /// Of a pixel.
    points: f32,
}

impl Drawn {
    fn of(
        page: &PdfPage<'_>,
        canvas: &mut Canvas,
        dpi: u32,
        max_pixels: u64,
    ) -> Result<Self, DrawError> {
        let wanted = ImageSettings {
            dpi,
            max_pixels,
            format: ImageFormat::Png,
            ..ImageSettings::default()
        };
        let width = page.width().value;
        let size = image_size(width, page.height().value, &wanted);
        let Pixels { bgrx, .. } = canvas.draw(page, size)?;
        let points = width.max(1.0) / size.width as f32;
        debug_assert_eq!(
            bgrx.len(),
            size.width as usize * size.height as usize * BYTES_PER_PIXEL
        );
        Ok(Self {
            width: size.width as usize,
            height: size.height as usize,
            pixels: grey(bgrx),
            dpi: (72.0 / points).round().max(1.0) as u32,
            points,
        })
    }

    /// The part of it in a rectangle that lies on the page, in points.
    fn cut(&self, at: Rect) -> Cut {
        let pixel = |points: f32, most: usize| ((points / self.points).max(0.0) as usize).min(most);
        let (x0, y0) = (pixel(at.x0, self.width - 1), pixel(at.y0, self.height - 1));
        let x1 = pixel(at.x1, self.width).max(x0 + 1);
        let y1 = pixel(at.y1, self.height).max(y0 + 1);
        let rows = (y0..y1).map(|y| &self.pixels[y * self.width..][x0..x1]);
        Cut {
            left: x0,
            top: y0,
            width: x1 - x0,
            pixels: rows.flatten().copied().collect(),
            dpi: self.dpi,
            points: self.points,
        }
    }
}

/// A part of it.
struct Cut {
    left: usize,
    top: usize,
    width: usize,
    pixels: Vec<u8>,
    dpi: u32,
    points: f32,
}

impl Cut {
    fn image(&self) -> GreyImage<'_> {
        GreyImage {
            width: self.width as u32,
            height: (self.pixels.len() / self.width) as u32,
            dpi: self.dpi,
            pixels: &self.pixels,
        }
    }

    /// Whether it is mostly even, with sharp edges in it.
    fn is_made_for_reading(&self) -> bool {
        self.is_even() && self.part_of_pairs(|differs| differs >= EDGE) >= EDGE_PART
    }

    fn is_even(&self) -> bool {
        self.part_of_pairs(|differs| differs <= EVEN) >= EVEN_PART
    }

    /// The part of neighbouring pixels in rows that differ so.
    fn part_of_pairs(&self, is: impl Fn(u8) -> bool) -> f32 {
        let rows = self.pixels.chunks_exact(self.width);
        let pairs = rows.flat_map(|row| row.windows(2));
        let found = pairs.filter(|pair| is(pair[0].abs_diff(pair[1])));
        found.count() as f32 / self.pixels.len() as f32
    }

    /// Hides what is text of the page, so that it is not read a second time.
    fn paint_over(&mut self, boxes: &[Rect]) {
        let height = self.pixels.len() / self.width;
        for of in boxes {
            let pixel = |points: f32, from: usize, most: usize| {
                ((points / self.points - from as f32).max(0.0) as usize).min(most)
            };
            let (x0, x1) = (
                pixel(of.x0, self.left, self.width),
                pixel(of.x1, self.left, self.width),
            );
            for y in pixel(of.y0, self.top, height)..pixel(of.y1, self.top, height) {
                self.pixels[y * self.width..][x0..x1].fill(255);
            }
        }
    }

    /// A reading of it at its place in the page's picture.
    fn placed(&self, mut reading: Reading) -> Reading {
        let (left, top) = (self.left as f32, self.top as f32);
        let turn = reading.turn;
        for word in &mut reading.words {
            let [x0, y0, x1, y1] = turn.back(word.bounds);
            word.bounds = [x0 + left, y0 + top, x1 + left, y1 + top];
        }
        // The lines of what stood askew are level only where it was read.
        match turn.degrees == 0.0 {
            true => {
                let lines = std::mem::take(&mut reading.lines).into_iter();
                reading.lines = lines.map(|line| self.placed_line(line)).collect();
            }
            false => reading.lines.clear(),
        }
        reading.turn = pagemill_ocr::Turn::default();
        reading
    }

    fn placed_line(&self, line: pagemill_ocr::StraightLine) -> pagemill_ocr::StraightLine {
        let (left, top) = (self.left as f32, self.top as f32);
        let (across, along) = match line.is_level {
            true => (top, left),
            false => (left, top),
        };
        pagemill_ocr::StraightLine {
            at: line.at + across,
            from: line.from + along,
            to: line.to + along,
            ..line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pixel: impl Fn(usize, usize) -> u8) -> Cut {
        let (width, height) = (200, 100);
        let pixels = (0..width * height).map(|at| pixel(at % width, at / width));
        Cut {
            left: 10,
            top: 20,
            width,
            pixels: pixels.collect(),
            dpi: 72,
            points: 1.0,
        }
    }

    #[test]
    fn what_is_made_for_reading_is_even_with_sharp_edges() {
        let letters = cut(|x, y| if y % 10 < 5 && x % 12 == 0 { 0 } else { 255 });
        assert!(letters.is_made_for_reading());
        let photograph = cut(|x, y| ((x * 37 + y * 91) % 251) as u8);
        assert!(!photograph.is_made_for_reading());
        let sky = cut(|_, y| 100 + y as u8);
        assert!(!sky.is_made_for_reading());
    }

    fn read(texts: &[&str]) -> Reading {
        let word = |text: &&str| pagemill_ocr::Word {
            text: (*text).to_owned(),
            bounds: [0.0, 0.0, 1.0, 1.0],
            confidence: 90.0,
            size: 10.0,
            begins_line: *text == "+",
            begins_block: false,
        };
        Reading {
            confidence: 90.0,
            words: texts.iter().map(word).collect(),
            ..Reading::default()
        }
    }

    #[test]
    fn a_hatching_is_not_believed_and_a_bullet_is_no_word() {
        assert_eq!(believed(read(&["++,", "++", "Hl", "+,", "++++"])), None);
        let legend = believed(read(&["+", "Primary", "schools"])).expect("it is believed");
        let words = legend.words.iter();
        let words: Vec<_> = words
            .map(|word| (word.text.as_str(), word.begins_line))
            .collect();
        assert_eq!(words, [("Primary", true), ("schools", false)]);
    }

    #[test]
    fn text_of_the_page_is_hidden_and_lines_come_to_their_place() {
        let mut black = cut(|_, _| 0);
        let of = Rect {
            x0: 12.0,
            y0: 21.0,
            x1: 14.0,
            y1: 22.0,
        };
        black.paint_over(&[of]);
        let white: Vec<usize> = (0..black.pixels.len())
            .filter(|&at| black.pixels[at] == 255)
            .collect();
        assert_eq!(white, [202, 203]);
        let line = pagemill_ocr::StraightLine {
            is_level: false,
            at: 5.0,
            from: 1.0,
            to: 90.0,
            thickness: 1.0,
        };
        let placed = black.placed_line(line);
        assert_eq!((placed.at, placed.from, placed.to), (15.0, 21.0, 110.0));
    }
}
