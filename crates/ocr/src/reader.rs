//! From an image to words by Tesseract, with a second look where the first one saw little.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::enhance::{self, Turn};
use crate::image::{Canvas, GreyImage};
use crate::models::Models;
use crate::strokes::{self, StraightLine};
use crate::tesseract::{Library, Recogniser, Segmentation, Thresholds};
use crate::{OcrError, language};

/// A mean confidence below this asks for a second look.
const WEAK: f32 = 75.0;

/// Words of less confidence are noise: dust, edges, pictures.
const NOISE: f32 = 30.0;

/// What the lines of a drawing or a table are taken for.
const STROKES: &str = "|\\/_=~¦‖";

/// So many letters and digits in a row make a word; fewer may be parts of a picture.
const WORD_LETTERS: usize = 3;

/// A word that only the look for lone words has seen is taken at this confidence: that look sees words in anything.
const SURE_OF_LONE: f32 = 60.0;

/// A page of fewer letters is not read again in another language: it may have none.
const FEW_LETTERS: usize = 20;

/// A word as the recogniser gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawWord {
    pub(crate) text: String,
    pub(crate) bounds: [f32; 4],
    pub(crate) confidence: f32,
    pub(crate) size: f32,
    pub(crate) begins_block: bool,
    pub(crate) begins_line: bool,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Its letters.
    pub text: String,
    /// Left, top, right, bottom, in pixels from the upper left corner of the image as it was turned to be read
    /// ([`Reading::turn`]).
    pub bounds: [f32; 4],
    /// How sure the reader is, 0 to 100.
    pub confidence: f32,
    /// Size of the letters of its line, from their lowest to their highest, in points; 0 when it is not known.
    pub size: f32,
    /// Whether it is the first of its line.
    pub begins_line: bool,
    /// Whether it is the first of its block.
    pub begins_block: bool,
}

impl Word {
    fn is_wordlike(&self) -> bool {
        let mut run = 0;
        self.text.chars().any(|ch| {
            run = if ch.is_alphanumeric() { run + 1 } else { 0 };
            run >= WORD_LETTERS
        })
    }

    fn letters(&self) -> usize {
        self.text.chars().count()
    }
}

/// What was read of a page.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// In the reader's order.
    pub words: Vec<Word>,
    /// Mean of the words' confidences by their letters, 0 to 100.
    pub confidence: f32,
    /// The language that it was read in, such as `eng`; of a reader that needs not be told, the one that it seems to be in.
    pub language: String,
    /// Who read it, and from which model where the language does not say that. Empty in what earlier versions kept.
    #[serde(default)]
    pub reader: String,
    /// By how much the image was turned to be read.
    pub turn: Turn,
    /// The straight lines of the image as it was turned.
    #[serde(default)]
    pub lines: Vec<StraightLine>,
    /// Letters that the reader saw and was not sure of at all, which are in none of the words.
    #[serde(default)]
    pub unsure_letters: usize,
}

impl Reading {
    /// All words, a line on its own line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for word in &self.words {
            if !text.is_empty() {
                text.push(if word.begins_line { '\n' } else { ' ' });
            }
            text.push_str(&word.text);
        }
        text
    }

    /// The part of its letters that stand in words, 0 to 1: of what is made of a photograph or a drawing, it is small.
    pub fn wordiness(&self) -> f32 {
        let in_words = self.words.iter().filter(|word| word.is_wordlike());
        let letters: usize = in_words.map(Word::letters).sum();
        letters as f32 / self.letters().max(1) as f32
    }

    pub(crate) fn letters(&self) -> usize {
        self.words.iter().map(Word::letters).sum()
    }

    /// How much was read, and how surely: what the better one of two readings has more of.
    pub(crate) fn worth(&self) -> f32 {
        self.letters() as f32 * self.confidence
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.letters() == 0 || self.confidence < WEAK
    }

    /// Gives it the mean of its words' confidences.
    pub(crate) fn with_confidence(mut self) -> Self {
        let words = self.words.iter();
        let sum: f32 = words
            .map(|word| word.confidence * word.letters() as f32)
            .sum();
        self.confidence = sum / self.letters().max(1) as f32;
        self
    }
}

/// How an image is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// As a page, which may be crooked and noisy.
    AtPage,
    /// As a picture that was drawn, such as a chart, a table or a poster: it is neither crooked nor noisy, and its words
    /// stand anywhere, on grounds of any colour.
    AtPicture,
}

/// Reads pages with Tesseract, one after the other.
#[derive(Debug)]
pub struct TesseractReader {
    name: String,
    library: Library,
    models: Models,
    /// Those that were needed so far.
    started: BTreeMap<usize, Recogniser>,
}

impl TesseractReader {
    /// A reader. Models are started when a page first needs them.
    pub fn new(library: Library, models: Models) -> Self {
        Self {
            name: format!("tesseract {}", library.version()),
            library,
            models,
            started: BTreeMap::new(),
        }
    }

    /// Its name and version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The languages that it has models for.
    pub fn languages(&self) -> impl Iterator<Item = &str> + Clone {
        self.models.languages()
    }

    /// Where its library is.
    pub fn library(&self) -> &Path {
        self.library.path()
    }

    /// Reads an image: a page in blocks, and as one block where that gave little; a picture in blocks, and then for words
    /// that stand alone.
    ///
    /// # Errors
    /// [`OcrError::TimedOut`] when it took longer than `within`; [`OcrError::BadImage`], [`OcrError::BadModel`].
    pub fn read(
        &mut self,
        image: &GreyImage<'_>,
        looks: Looks,
        within: Duration,
    ) -> Result<Reading, OcrError> {
        image.validate()?;
        let canvas = Canvas::of(image);
        let (canvas, turn) = match looks {
            Looks::AtPage => enhance::enhanced(canvas),
            Looks::AtPicture => (canvas, Turn::NONE),
        };
        self.read_as(looks, canvas, turn, image.dpi, within)
    }

    fn read_as(
        &mut self,
        looks: Looks,
        mut canvas: Canvas,
        turn: Turn,
        dpi: u32,
        within: Duration,
    ) -> Result<Reading, OcrError> {
        let until = Instant::now() + within;
        let lines = strokes::lines(&canvas, dpi);
        strokes::erase(&mut canvas, &lines);
        let mut best = Reading::default();
        let languages = self.models.models.len();
        let mut asked = vec![false; languages];
        let mut next = (languages > 0).then_some(0);
        while let Some(at) = next {
            asked[at] = true;
            let reading = self.read_in(at, looks, &canvas, turn, dpi, until)?;
            if best.words.is_empty() || reading.worth() > best.worth() {
                best = reading;
            }
            next = self.another(&best, &asked);
        }
        best.lines = lines;
        best.reader = self.name.clone();
        Ok(best)
    }

    /// The language that is to be tried next: what the text seems to be in, or any other where nothing much was read.
    fn another(&self, best: &Reading, asked: &[bool]) -> Option<usize> {
        let mut left = self
            .models
            .languages()
            .enumerate()
            .filter(|(at, _)| !asked[*at]);
        let spoken = language::of(&best.text());
        if let Some(spoken) = spoken
            && !language::is(&best.language, spoken)
            && let Some((at, _)) = left.clone().find(|(_, name)| language::is(name, spoken))
        {
            return Some(at);
        }
        match best.is_weak() && best.letters() >= FEW_LETTERS {
            true => left.next().map(|(at, _)| at),
            false => None,
        }
    }

    fn read_in(
        &mut self,
        at: usize,
        looks: Looks,
        canvas: &Canvas,
        turn: Turn,
        dpi: u32,
        until: Instant,
    ) -> Result<Reading, OcrError> {
        if !self.started.contains_key(&at) {
            let model = &self.models.models[at];
            let recogniser = Recogniser::start(&self.library, &model.language, &model.bytes)?;
            self.started.insert(at, recogniser);
        }
        let language = self.models.models[at].language.clone();
        let recogniser = self.started.get_mut(&at).expect("it was started above");
        let mut see = |segmentation, thresholds| {
            recogniser.recognise(canvas, dpi, segmentation, thresholds, until)
        };
        let mut words = see(Segmentation::Page, Thresholds::OfImage)?;
        if looks == Looks::AtPicture {
            let lone = see(Segmentation::LoneWords, Thresholds::OfTiles)?;
            add_lone_words(&mut words, lone);
            return Ok(reading(words, turn, &language));
        }
        let whole = reading(words, turn, &language);
        if !whole.is_weak() {
            return Ok(whole);
        }
        let block = reading(
            see(Segmentation::OneBlock, Thresholds::OfImage)?,
            turn,
            &language,
        );
        Ok(match block.worth() > whole.worth() {
            true => block,
            false => whole,
        })
    }
}

/// Adds words that only a second look has seen: those that lie over none of the first one's.
fn add_lone_words(words: &mut Vec<RawWord>, seen: Vec<RawWord>) {
    let first = words.len();
    // What is left out began a line, and the next one begins it.
    let mut begins_line = false;
    for word in seen {
        begins_line |= word.begins_line;
        let is_known = words[..first]
            .iter()
            .any(|known| known.confidence >= NOISE && overlap(known.bounds, word.bounds));
        if is_known || word.confidence < SURE_OF_LONE {
            continue;
        }
        words.push(RawWord {
            begins_line,
            ..word
        });
        begins_line = false;
    }
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Leaves out noise.
fn reading(words: Vec<RawWord>, turn: Turn, language: &str) -> Reading {
    let mut reading = Reading {
        language: language.to_owned(),
        turn,
        ..Reading::default()
    };
    // What a word that is left out began, the next one begins.
    let (mut begins_line, mut begins_block) = (false, false);
    for word in words {
        begins_line |= word.begins_line;
        begins_block |= word.begins_block;
        if word.text.chars().all(|ch| STROKES.contains(ch)) {
            continue;
        }
        if word.confidence < NOISE {
            reading.unsure_letters += word.text.chars().count();
            continue;
        }
        reading.words.push(Word {
            text: word.text,
            bounds: word.bounds,
            confidence: word.confidence,
            size: word.size,
            begins_line,
            begins_block,
        });
        (begins_line, begins_block) = (false, false);
    }
    reading.with_confidence()
}
