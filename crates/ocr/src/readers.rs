//! Which of the readers that there are on a machine reads a picture.
//!
//! Tesseract reads what is in a language that it has a model of: in a third of the time, and with fewer blanks lost. PP-OCR
//! reads what is wanted in Chinese or Japanese, between whose letters Tesseract puts blanks, what is wanted in another language
//! without a model of Tesseract's, and all of it where there is no Tesseract. A page that nobody expected is told by what comes
//! of it: where Tesseract saw little of a picture, or much that it was not sure of, or a text in a language that it has no model
//! of, PP-OCR reads it too, and the reading counts that has more letters, more surely read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::image::GreyImage;
use crate::language;
use crate::models::{Models, has_model};
use crate::ppocr::{PpOcrModels, PpOcrReader};
use crate::reader::{Looks, Reading, TesseractReader};
use crate::tesseract::Library;
use crate::{OcrError, VERSION};

/// Languages that PP-OCR's model was trained in and whose letters it knows, as Tesseract calls them. Of Greek and Vietnamese it
/// lacks most letters with accents.
const LATIN: [&str; 43] = [
    "afr", "aze", "bos", "cat", "ces", "cym", "dan", "deu", "eng", "est", "eus", "fin", "fra",
    "gle", "glg", "hrv", "hun", "ind", "isl", "ita", "lat", "lav", "lit", "ltz", "mlt", "mri",
    "msa", "nld", "nor", "oci", "pol", "por", "que", "ron", "slk", "slv", "spa", "sqi", "srp_latn",
    "swa", "swe", "tgl", "tur",
];

/// And those that it reads better than Tesseract, in lines from the left to the right or from the top to the bottom.
const CJK: [&str; 6] = [
    "chi_sim",
    "chi_sim_vert",
    "chi_tra",
    "chi_tra_vert",
    "jpn",
    "jpn_vert",
];

/// Of the letters that Tesseract saw, so many that it was not sure of ask for another look.
const UNSURE_PART: f32 = 0.25;

/// What reads a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Tesseract 5.
    Tesseract,
    /// PP-OCR.
    PpOcr,
}

/// A reader that is there, for a doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Which one it is.
    pub engine: Engine,
    /// Its name and version; of PP-OCR, the name of its models.
    pub name: String,
    /// Its library, or the folder of its models.
    pub place: PathBuf,
    /// The wanted languages that it reads.
    pub languages: Vec<String>,
}

/// The readers of a machine.
#[derive(Debug)]
pub struct Readers {
    tesseract: Option<TesseractReader>,
    ppocr: Option<PpOcrReader>,
    /// Who reads a picture first.
    first: Engine,
    /// The wanted languages that only PP-OCR reads here.
    of_ppocr: Vec<String>,
    tesseract_version: String,
}

impl Readers {
    /// The readers that there are for `languages`, the first of which a picture is read in first; `tesseract` is the folder of
    /// Tesseract's models.
    ///
    /// # Errors
    /// [`OcrError::NoReader`] when neither is there; [`OcrError::NoModel`] for a language that neither reads.
    pub fn new(
        library: Result<Library, OcrError>,
        tesseract: &Path,
        ppocr: Result<PpOcrModels, OcrError>,
        languages: &[String],
    ) -> Result<Self, OcrError> {
        let is_for_ppocr = |language: &&String| match (&library, &ppocr) {
            (_, Err(_)) => false,
            (Err(_), Ok(_)) => is_read_by_ppocr(language),
            (Ok(_), Ok(_)) => {
                is_cjk(language) || is_read_by_ppocr(language) && !has_model(tesseract, language)
            }
        };
        let (of_ppocr, of_tesseract): (Vec<&String>, Vec<&String>) =
            languages.iter().partition(is_for_ppocr);
        let of_ppocr: Vec<String> = of_ppocr.into_iter().cloned().collect();
        let of_tesseract: Vec<String> = of_tesseract.into_iter().cloned().collect();
        let (library, ppocr) = match (library, ppocr) {
            (Err(no_library), Err(no_models)) => {
                return Err(OcrError::NoReader {
                    tesseract: no_library.to_string(),
                    ppocr: no_models.to_string(),
                });
            }
            (library, ppocr) => (library.ok(), ppocr.ok()),
        };
        // Without a library, a model does not help; which one is missing is said all the same.
        let models = Models::open(tesseract, &of_tesseract)?;
        let tesseract = match library {
            Some(library) if !of_tesseract.is_empty() => {
                Some(TesseractReader::new(library, models))
            }
            _ => None,
        };
        let ppocr = ppocr.map(PpOcrReader::new);
        let begins_with_ppocr = languages
            .first()
            .is_some_and(|first| of_ppocr.contains(first));
        let first = match (&tesseract, begins_with_ppocr) {
            (Some(_), false) => Engine::Tesseract,
            _ => Engine::PpOcr,
        };
        let tesseract_version = tesseract.as_ref().map_or_else(String::new, |reader| {
            let languages: Vec<&str> = reader.languages().collect();
            format!("{VERSION} {} {}", reader.name(), languages.join("+"))
        });
        Ok(Self {
            tesseract,
            ppocr,
            first,
            of_ppocr,
            tesseract_version,
        })
    }

    /// Those that are there, the one first that reads a picture first.
    pub fn present(&self) -> Vec<Present> {
        let tesseract = self.tesseract.as_ref().map(|reader| Present {
            engine: Engine::Tesseract,
            name: reader.name().to_owned(),
            place: reader.library().to_owned(),
            languages: reader.languages().map(str::to_owned).collect(),
        });
        let ppocr = self.ppocr.as_ref().map(|reader| Present {
            engine: Engine::PpOcr,
            name: PpOcrModels::NAME.to_owned(),
            place: reader.folder().to_owned(),
            languages: self.of_ppocr.clone(),
        });
        let mut present: Vec<Present> = tesseract.into_iter().chain(ppocr).collect();
        present.sort_by_key(|reader| reader.engine != self.first);
        present
    }

    /// The name of a reader, as a reading has it. Empty for one that is not there.
    pub fn name(&self, engine: Engine) -> &str {
        let tesseract = self.tesseract.as_ref().map(TesseractReader::name);
        let ppocr = || self.ppocr.as_ref().map(PpOcrReader::name);
        match engine {
            Engine::Tesseract => tesseract.unwrap_or_default(),
            Engine::PpOcr => ppocr().unwrap_or_default(),
        }
    }

    /// The name of a reader and all that its readings depend on, but for the picture: with another one, what was read is of no
    /// use.
    pub fn version(&self, engine: Engine) -> String {
        match engine {
            Engine::Tesseract => self.tesseract_version.clone(),
            Engine::PpOcr => format!("{VERSION} {}", self.name(engine)),
        }
    }

    /// Who is to read a picture next that was read so by others; nobody once the best of these readings will do.
    pub fn next(&self, looks: Looks, so_far: &[(Engine, Reading)]) -> Option<Engine> {
        match so_far {
            [] => Some(self.first),
            [(Engine::Tesseract, reading)] => {
                let is_wanted = match looks {
                    // In a picture that says nothing, there are mostly no letters.
                    Looks::AtPicture if reading.letters() + reading.unsure_letters == 0 => false,
                    _ => is_doubtful(reading) || self.is_of_ppocr(reading),
                };
                (is_wanted && self.ppocr.is_some()).then_some(Engine::PpOcr)
            }
            [(Engine::PpOcr, reading)] => {
                let is_wanted = self.tesseract.is_some() && is_doubtful(reading);
                is_wanted.then_some(Engine::Tesseract)
            }
            _ => None,
        }
    }

    /// Reads an image with one of them.
    ///
    /// # Errors
    /// [`OcrError::TimedOut`] when it took longer than `within`; [`OcrError::BadImage`], and those of a model that is broken.
    ///
    /// # Panics
    /// When that one is not there; [`Readers::next`] names none such.
    pub fn read(
        &mut self,
        engine: Engine,
        image: &GreyImage<'_>,
        looks: Looks,
        within: Duration,
    ) -> Result<Reading, OcrError> {
        match engine {
            Engine::Tesseract => {
                let reader = self.tesseract.as_mut();
                let reader = reader.expect("the reader is one of those that are there");
                reader.read(image, looks, within)
            }
            Engine::PpOcr => {
                let reader = self.ppocr.as_mut();
                let reader = reader.expect("the reader is one of those that are there");
                reader.read(image, looks, within)
            }
        }
    }

    /// The reading that says most, most surely; an empty one of none.
    pub fn best(readings: Vec<(Engine, Reading)>) -> Reading {
        let mut best = Reading::default();
        for (_, reading) in readings {
            // Of two that say nothing, the first one stays, with its lines.
            if best.reader.is_empty() || reading.worth() > best.worth() {
                best = reading;
            }
        }
        best
    }

    /// Whether a text that Tesseract read is in a language that it has no model of here, and that PP-OCR reads.
    fn is_of_ppocr(&self, reading: &Reading) -> bool {
        let Some(spoken) = language::of(&reading.text()) else {
            return false;
        };
        let is_spoken = |name: &str| language::is(name, spoken);
        let has_model = |reader: &TesseractReader| reader.languages().any(is_spoken);
        let is_known = LATIN.iter().chain(&CJK).any(|name| is_spoken(name));
        is_known && !self.tesseract.as_ref().is_some_and(has_model)
    }
}

/// Whether a reading leaves doubt that it is what the picture says.
fn is_doubtful(reading: &Reading) -> bool {
    let seen = (reading.letters() + reading.unsure_letters) as f32;
    reading.is_weak() || reading.unsure_letters as f32 > seen * UNSURE_PART
}

fn is_read_by_ppocr(language: &str) -> bool {
    is_cjk(language) || LATIN.contains(&language)
}

fn is_cjk(language: &str) -> bool {
    CJK.contains(&language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Word;

    fn reading(text: &str, confidence: f32, unsure_letters: usize) -> Reading {
        let word = |text: &str| Word {
            text: text.to_owned(),
            bounds: [0.0; 4],
            confidence,
            size: 10.0,
            begins_line: false,
            begins_block: false,
        };
        Reading {
            words: text.split_whitespace().map(word).collect(),
            confidence,
            reader: "somebody".to_owned(),
            unsure_letters,
            ..Reading::default()
        }
    }

    #[test]
    fn the_reading_counts_that_says_more_more_surely() {
        let best = |one: Reading, other: Reading| {
            let readings = vec![(Engine::Tesseract, one), (Engine::PpOcr, other)];
            Readers::best(readings).text()
        };
        let garbage = reading("KE TF, TKAFNEST", 56.0, 0);
        assert_eq!(
            best(garbage, reading("水車小屋の修理に関する報告書", 98.0, 0)),
            "水車小屋の修理に関する報告書"
        );
        assert_eq!(
            best(
                reading("Delivery note", 95.0, 0),
                reading("Delivery", 97.0, 0)
            ),
            "Delivery note"
        );
        assert_eq!(best(reading("", 0.0, 0), reading("", 0.0, 0)), "");
        assert_eq!(Readers::best(Vec::new()), Reading::default());
    }

    #[test]
    fn a_reading_is_doubted_where_it_is_weak_or_leaves_much_out() {
        assert!(!is_doubtful(&reading("Delivery note", 95.0, 2)));
        assert!(is_doubtful(&reading("Delivery note", 60.0, 0)));
        assert!(is_doubtful(&reading("2,025,000 785,000", 95.0, 20)));
        assert!(is_doubtful(&reading("", 0.0, 0)));
    }

    #[test]
    fn languages_that_are_read_are_named_as_tesseract_names_them() {
        assert!(LATIN.is_sorted() && CJK.is_sorted());
        for language in ["eng", "fra", "jpn", "chi_tra"] {
            assert!(is_read_by_ppocr(language), "{language}");
        }
        for language in ["rus", "ell", "kor", "vie", "deu_latf", "xyz", ""] {
            assert!(!is_read_by_ppocr(language), "{language}");
        }
    }

    #[test]
    fn where_there_is_neither_reader_both_are_told_with_their_remedies() {
        let library = Err(OcrError::NoLibrary {
            path: "/nowhere/libtesseract.so.5".into(),
            reason: "no such file".to_owned(),
        });
        let models = PpOcrModels::open(Path::new("/nowhere"));
        let languages = ["eng".to_owned()];
        let none = Readers::new(library, Path::new("/nowhere"), models, &languages).unwrap_err();
        let told = none.to_string();
        assert!(
            told.contains("libtesseract.so.5") && told.contains("scripts/setup"),
            "{told}"
        );
    }
}
