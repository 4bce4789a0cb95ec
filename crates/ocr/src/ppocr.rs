//! PP-OCR: a network that finds the lines of a page and one that reads a line, run by `rten`, without a library in C++.
//!
//! One model reads Chinese, Japanese, and languages in Latin and Greek letters, and need not be told which. It takes three times
//! as long as Tesseract. Who is asked is decided in `readers`.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::enhance::{self, Turn};
use crate::image::{Canvas, GreyImage};
use crate::models::map;
use crate::reader::{Looks, Reading, Word};
use crate::{OcrError, strokes};

mod detection;
mod geometry;
mod letters;
mod network;
mod recognition;
mod script;

use geometry::OrientedBox;
use network::Network;
use recognition::{Characters, Line};

/// The models' files: of the network that finds lines, and of the one that reads them.
const DETECTION: &str = "PP-OCRv6_det_small.onnx";
const RECOGNITION: &str = "PP-OCRv6_rec_small.onnx";

/// A word of less confidence, 0 to 100, is the network's idea of a picture.
const NOISE: f32 = 50.0;

/// Fewer letters and digits of a whole picture are a pattern in it.
const FEWEST_LETTERS: usize = 3;

/// Side of the empty picture by which it is found out how long finding lines takes here and now.
const TRIAL: usize = 320;
const TRIALS: usize = 3;

/// Finding lines may take so many times as long as at its fastest, on a machine that does other things too.
const MARGIN: f32 = 2.0;

/// Between parts of a row there are gaps of so many times its height; words that are nearer are of one line.
const GAP: f32 = 1.5;

/// Points in an inch.
const POINTS_PER_INCH: f32 = 72.0;

/// The models, mapped into memory and not looked at yet.
#[derive(Debug)]
pub struct PpOcrModels {
    folder: PathBuf,
    detection: Mmap,
    recognition: Mmap,
    name: OnceLock<String>,
}

impl PpOcrModels {
    /// What the models are called.
    pub const NAME: &str = "PP-OCRv6_small";

    /// Their files.
    pub const FILES: [&str; 2] = [DETECTION, RECOGNITION];

    /// Opens the models in a folder.
    ///
    /// # Errors
    /// [`OcrError::NoNetwork`].
    pub fn open(folder: &Path) -> Result<Self, OcrError> {
        let open = |name: &str| {
            let path = folder.join(name);
            let opened = File::open(&path).and_then(|file| map(&file));
            opened.map_err(|error| OcrError::NoNetwork {
                path,
                reason: error.to_string(),
            })
        };
        Ok(Self {
            folder: folder.to_owned(),
            detection: open(DETECTION)?,
            recognition: open(RECOGNITION)?,
            name: OnceLock::new(),
        })
    }

    /// The models' name and the beginning of a hash of their files (SHA-256), which takes some hundredths of a second the first
    /// time.
    fn name(&self) -> &str {
        self.name.get_or_init(|| {
            let mut hash = Sha256::new();
            for part in [&self.detection, &self.recognition] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            let digest = hash.finalize();
            let short = digest[..6].iter().map(|byte| format!("{byte:02x}"));
            format!("{} {}", Self::NAME, short.collect::<String>())
        })
    }
}

/// Has everything that PP-OCR computes be computed on the thread that asks for it, and starts none: for a process that may
/// start none, or in which another one would have other rights. It is for the whole process, and for good.
///
/// The process must have made it impossible to start a thread before: `rten` tries to when it first looks at its threads,
/// which happens here, and does without where it can't.
///
/// # Errors
/// [`OcrError::Threads`] when there are threads already.
pub fn compute_on_this_thread() -> Result<(), OcrError> {
    let this = thread::current().id();
    if rten::thread_pool().run(|| thread::current().id()) != this {
        return Err(OcrError::Threads {
            reason: "one could be started".to_owned(),
        });
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build_global()
        .map_err(|error| OcrError::Threads {
            reason: error.to_string(),
        })
}

/// Reads pages with PP-OCR, one after the other.
pub struct PpOcrReader {
    models: PpOcrModels,
    /// Once a page needed them.
    networks: Option<Networks>,
}

impl fmt::Debug for PpOcrReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PpOcrReader")
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

impl PpOcrReader {
    /// A reader. The networks are started when a page first needs them.
    pub fn new(models: PpOcrModels) -> Self {
        Self {
            models,
            networks: None,
        }
    }

    /// The name of its models and the beginning of a hash of them.
    pub fn name(&self) -> &str {
        self.models.name()
    }

    /// Where its models are.
    pub fn folder(&self) -> &Path {
        &self.models.folder
    }

    /// Reads an image. A page is turned so that its lines are level; light and noise are left as they are, since the networks
    /// were trained on photographs.
    ///
    /// # Errors
    /// [`OcrError::TimedOut`] when it took longer than `within`, for which it looks between two lines, or would take longer;
    /// [`OcrError::BadImage`], [`OcrError::BadNetwork`].
    pub fn read(
        &mut self,
        image: &GreyImage<'_>,
        looks: Looks,
        within: Duration,
    ) -> Result<Reading, OcrError> {
        image.validate()?;
        let until = Instant::now() + within;
        let canvas = Canvas::of(image);
        let (mut canvas, turn) = match looks {
            Looks::AtPage => enhance::levelled(canvas),
            Looks::AtPicture => (canvas, Turn::NONE),
        };
        let networks = match &mut self.networks {
            Some(networks) => networks,
            none => none.insert(Networks::start(&self.models)?),
        };
        let lines = strokes::lines(&canvas, image.dpi);
        strokes::erase(&mut canvas, &lines);
        let mut reading = Reading {
            turn,
            lines,
            reader: self.models.name().to_owned(),
            ..Reading::default()
        };
        let mut before: Option<OrientedBox> = None;
        for place in networks.find(&canvas, until)? {
            let line = networks.read(&canvas, &place, until)?;
            let goes_on = before.is_some_and(|before| is_near(&before, &place));
            if add(&mut reading, line, !goes_on, image.dpi) {
                before = Some(place);
            }
        }
        leave_out_patterns(&mut reading);
        letters::even_sizes(&mut reading.words);
        reading.language = script::language_of(&reading.text()).to_owned();
        Ok(reading.with_confidence())
    }
}

/// Of a picture without text, its edges and shapes are read as a sign or two, and surely.
fn leave_out_patterns(reading: &mut Reading) {
    let signs = reading.words.iter().flat_map(|word| word.text.chars());
    if signs.filter(|sign| sign.is_alphanumeric()).count() < FEWEST_LETTERS {
        reading.unsure_letters += reading.letters();
        reading.words.clear();
    }
}

/// Adds the words of a line, and says whether there were any.
fn add(reading: &mut Reading, line: Line, mut begins_line: bool, dpi: u32) -> bool {
    let size = letters::size(&line.words) * POINTS_PER_INCH / dpi as f32;
    let count = reading.words.len();
    for word in line.words {
        let confidence = word.confidence * 100.0;
        if confidence < NOISE {
            reading.unsure_letters += word.text.chars().count();
            continue;
        }
        reading.words.push(Word {
            text: word.text,
            bounds: word.bounds,
            confidence,
            size,
            begins_line,
            begins_block: reading.words.is_empty(),
        });
        begins_line = false;
    }
    reading.words.len() > count
}

/// Whether a box goes on where the one before it ends.
fn is_near(before: &OrientedBox, next: &OrientedBox) -> bool {
    let end = before.centre[0] + before.length / 2.0;
    let begin = next.centre[0] - next.length / 2.0;
    let gap = begin - end;
    let is_level = |place: &OrientedBox| place.length >= place.height;
    let are_level = is_level(before) && is_level(next);
    are_level && is_beside(before, next) && gap > -before.height && gap < GAP * before.height
}

/// Whether two boxes stand in one row.
fn is_beside(a: &OrientedBox, b: &OrientedBox) -> bool {
    (a.centre[1] - b.centre[1]).abs() < a.height.min(b.height) / 2.0
}

/// The networks, started.
struct Networks {
    detection: Network,
    recognition: Network,
    characters: Characters,
    /// What finding lines took when it was fastest, for a pixel.
    seconds_a_pixel: f32,
}

impl Networks {
    /// Takes some tenths of a second, and no file.
    fn start(models: &PpOcrModels) -> Result<Self, OcrError> {
        let detection = Network::of(DETECTION, &models.detection)?;
        let recognition = Network::of(RECOGNITION, &models.recognition)?;
        let characters = Characters::of(&recognition)?;
        let mut networks = Self {
            detection,
            recognition,
            characters,
            seconds_a_pixel: f32::INFINITY,
        };
        // The first time, memory is asked for; and either time, others may be at work.
        for _ in 0..TRIALS {
            networks.find_in(&Canvas::white(TRIAL, TRIAL))?;
        }
        Ok(networks)
    }

    /// Where the lines of an image are, by rows. A network can't be stopped: one that would take too long is not begun.
    fn find(&mut self, image: &Canvas, until: Instant) -> Result<Vec<OrientedBox>, OcrError> {
        let expected = self.seconds_a_pixel * detection::seen_pixels(image) as f32 * MARGIN;
        let left = until.saturating_duration_since(Instant::now());
        match expected > left.as_secs_f32() {
            true => Err(OcrError::TimedOut),
            false => self.find_in(image),
        }
    }

    fn find_in(&mut self, image: &Canvas) -> Result<Vec<OrientedBox>, OcrError> {
        let begun = Instant::now();
        let mut lines = detection::lines(&self.detection, image)?;
        let pixels = detection::seen_pixels(image) as f32;
        let seconds_a_pixel = begun.elapsed().as_secs_f32() / pixels;
        self.seconds_a_pixel = self.seconds_a_pixel.min(seconds_a_pixel);
        in_order(&mut lines);
        Ok(lines)
    }

    fn read(&self, image: &Canvas, place: &OrientedBox, until: Instant) -> Result<Line, OcrError> {
        match Instant::now() >= until {
            true => Err(OcrError::TimedOut),
            false => recognition::read(&self.recognition, &self.characters, image, place),
        }
    }
}

/// Sorts boxes by rows from the top to the bottom, each from the left to the right: what stands beside each other is a row.
fn in_order(lines: &mut [OrientedBox]) {
    lines.sort_by(|a, b| a.centre[1].total_cmp(&b.centre[1]));
    let mut from = 0;
    while from < lines.len() {
        let first = lines[from];
        let row = lines[from..].iter();
        let count = row.take_while(|line| is_beside(&first, line)).count();
        let row = &mut lines[from..from + count.max(1)];
        row.sort_by(|a, b| a.centre[0].total_cmp(&b.centre[0]));
        from += count.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, y: f32, length: f32) -> OrientedBox {
        OrientedBox {
            centre: [x, y],
            length,
            height: 20.0,
            angle: 0.0,
        }
    }

    #[test]
    fn what_stands_beside_each_other_is_a_row_from_the_left_to_the_right() {
        let mut lines = [
            at(300.0, 52.0, 80.0),
            at(60.0, 80.0, 80.0),
            at(60.0, 49.0, 80.0),
            at(180.0, 55.0, 80.0),
        ];
        in_order(&mut lines);
        let places = lines.map(|line| line.centre);
        assert_eq!(
            places,
            [[60.0, 49.0], [180.0, 55.0], [300.0, 52.0], [60.0, 80.0]]
        );
    }

    #[test]
    fn a_box_goes_on_with_a_line_where_the_gap_is_no_wider_than_one_between_words() {
        assert!(is_near(&at(50.0, 50.0, 80.0), &at(150.0, 52.0, 80.0)));
        assert!(!is_near(&at(50.0, 50.0, 80.0), &at(250.0, 52.0, 80.0)));
        assert!(!is_near(&at(50.0, 50.0, 80.0), &at(150.0, 75.0, 80.0)));
        // Columns of text from top to bottom are a line each.
        assert!(!is_near(&at(50.0, 50.0, 15.0), &at(75.0, 50.0, 15.0)));
    }

    #[test]
    fn words_that_the_network_is_not_sure_of_are_counted_and_left_out() {
        let word = |text: &str, confidence| recognition::LineWord {
            text: text.to_owned(),
            bounds: [0.0, 0.0, 100.0, 34.0],
            confidence,
        };
        let line = Line {
            words: vec![word("mumble", 0.3), word("half", 0.9)],
        };
        let mut reading = Reading::default();
        assert!(add(&mut reading, line, true, 300));
        let words: Vec<_> = reading
            .words
            .iter()
            .map(|word| (word.text.as_str(), word.begins_line, word.confidence))
            .collect();
        assert_eq!(words, [("half", true, 90.0)]);
        assert_eq!(reading.unsure_letters, 6);
    }

    #[test]
    fn a_sign_or_two_in_a_whole_picture_are_a_pattern_in_it() {
        let read = |texts: &[&str]| {
            let words = texts.iter().map(|text| Word {
                text: (*text).to_owned(),
                bounds: [0.0; 4],
                confidence: 90.0,
                size: 10.0,
                begins_line: true,
                begins_block: false,
            });
            let mut reading = Reading {
                words: words.collect(),
                ..Reading::default()
            };
            leave_out_patterns(&mut reading);
            (reading.words.len(), reading.unsure_letters)
        };
        assert_eq!(read(&["■"]), (0, 1));
        assert_eq!(read(&["一", "O", "—"]), (0, 3));
        assert_eq!(read(&["■", "No. 1"]), (2, 0));
        assert_eq!(read(&[]), (0, 0));
    }

    #[test]
    fn a_folder_without_models_is_told_with_the_file_and_the_remedy() {
        let missing = PpOcrModels::open(Path::new("/nowhere")).unwrap_err();
        let told = missing.to_string();
        assert!(
            told.contains("/nowhere/PP-OCRv6_det_small.onnx") && told.contains("scripts/setup"),
            "{told}"
        );
    }
}
