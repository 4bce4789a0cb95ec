//! Tesseract's models, one a language.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::OcrError;

/// How a model's file ends.
const ENDING: &str = "traineddata";

/// Longest name of a language, such as `chi_sim_vert`.
const LANGUAGE_BYTES: usize = 32;

/// The models of some languages, mapped into memory and not looked at yet.
#[derive(Debug)]
pub struct Models {
    pub(crate) models: Vec<Model>,
}

/// One model.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) language: String,
    pub(crate) bytes: Mmap,
}

impl Models {
    /// Opens the models of `languages`, the first of which a page is read in first: `FOLDER/LANGUAGE.traineddata`.
    ///
    /// # Errors
    /// [`OcrError::NoModel`], also for a language that is no name of one.
    pub fn open(folder: &Path, languages: &[String]) -> Result<Self, OcrError> {
        let open = |language: &String| {
            let path = folder.join(format!("{language}.{ENDING}"));
            let no_model = |reason: String| OcrError::NoModel {
                language: language.clone(),
                path: path.clone(),
                reason,
            };
            if !is_language(language) {
                return Err(no_model("this is no name of a language".to_owned()));
            }
            let file = File::open(&path).map_err(|error| no_model(error.to_string()))?;
            let bytes = map(&file).map_err(|error| no_model(error.to_string()))?;
            Ok(Model {
                language: language.clone(),
                bytes,
            })
        };
        let models = languages.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { models })
    }

    /// The languages, in their order.
    pub fn languages(&self) -> impl Iterator<Item = &str> + Clone {
        self.models.iter().map(|model| model.language.as_str())
    }
}

/// Whether there is a model of a language.
pub(crate) fn has_model(folder: &Path, language: &str) -> bool {
    is_language(language) && folder.join(format!("{language}.{ENDING}")).is_file()
}

/// Whether a text may be the name of a language, as Tesseract has them: `eng`, `deu_latf`, `chi_sim`.
fn is_language(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.len() <= LANGUAGE_BYTES && text.bytes().all(is_plain)
}

#[allow(unsafe_code)]
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the file belongs to the installation, as the library does, and is not written to while programs run.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_name_and_no_path() {
        for name in ["eng", "chi_sim_vert", "deu_latf"] {
            assert!(is_language(name), "{name}");
        }
        for name in ["", "../eng", "eng+deu", "eng.traineddata", &"a".repeat(33)] {
            assert!(!is_language(name), "{name}");
        }
        let missing = Models::open(Path::new("/nowhere"), &["eng".into()]).unwrap_err();
        assert!(
            missing.to_string().contains("/nowhere/eng.traineddata"),
            "{missing}"
        );
    }
}
