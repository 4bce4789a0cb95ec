//! What is known of a page's pictures from before, and what was read of them now.

use std::collections::BTreeMap;

use pagemill_ocr::{GreyImage, Reading};
use pagemill_reader::PictureReading;
use sha2::{Digest, Sha256};

/// The readings of the page at hand. Empty, it keeps none.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// By their pictures; none where nobody keeps them.
    known: Option<BTreeMap<String, String>>,
    new: Vec<PictureReading>,
    /// Of all that are known or new.
    bytes: usize,
}

impl Readings {
    /// Begins a page of which so much was read before.
    pub(super) fn begin(&mut self, known: Option<Vec<PictureReading>>) {
        let known = known.map(|known| {
            let pairs = known.into_iter().map(|kept| (kept.picture, kept.reading));
            pairs.collect::<BTreeMap<_, _>>()
        });
        *self = Self {
            known,
            new: Vec::new(),
            bytes: 0,
        };
    }

    /// What was read of a picture before; also earlier on this page.
    pub(super) fn of(&self, picture: &str) -> Option<Reading> {
        let known = self.known.as_ref()?;
        // One that another version wrote, or that holds no number where one belongs, is read again.
        serde_json::from_str(known.get(picture)?).ok()
    }

    /// Keeps what was read of a picture, as far as there is room.
    pub(super) fn keep(&mut self, picture: String, reading: &Reading) {
        let Some(known) = &mut self.known else {
            return;
        };
        let Ok(reading) = serde_json::to_string(reading) else {
            return;
        };
        let bytes = picture.len() + reading.len();
        if self.bytes + bytes > PictureReading::MOST_BYTES_PER_PAGE {
            return;
        }
        self.bytes += bytes;
        known.insert(picture.clone(), reading.clone());
        self.new.push(PictureReading { picture, reading });
    }

    /// Those that were made on this page.
    pub(super) fn take_new(&mut self) -> Vec<PictureReading> {
        std::mem::take(&mut self.new)
    }
}

/// Tells a picture, and how it is read, from every other: by its pixels, by `reader`, which names the reader with all that
/// its readings depend on, and by `looks`, which says how it looks at the picture.
pub(super) fn name_of(reader: &str, looks: &str, image: &GreyImage<'_>) -> String {
    let mut hash = Sha256::new();
    for part in [reader, looks] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    for number in [image.width, image.height, image.dpi] {
        hash.update(number.to_le_bytes());
    }
    hash.update(image.pixels);
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Reading {
        Reading {
            language: text.to_owned(),
            confidence: 91.3,
            ..Reading::default()
        }
    }

    #[test]
    fn what_was_read_is_known_as_long_as_the_page_is_at_hand() {
        let mut readings = Readings::default();
        readings.begin(Some(Vec::new()));
        readings.keep("a".to_owned(), &reading("eng"));
        assert_eq!(readings.of("a"), Some(reading("eng")));
        let made = readings.take_new();
        assert_eq!((made.len(), readings.take_new().len()), (1, 0));
        readings.begin(Some(made));
        assert_eq!(readings.of("a"), Some(reading("eng")));
        assert_eq!(readings.of("b"), None);
        assert_eq!(readings.take_new(), []);
        readings.begin(None);
        readings.keep("a".to_owned(), &reading("eng"));
        assert_eq!((readings.of("a"), readings.take_new().len()), (None, 0));
    }

    #[test]
    fn what_another_version_kept_is_read_again() {
        let mut readings = Readings::default();
        readings.begin(Some(vec![PictureReading {
            picture: "a".to_owned(),
            reading: "{\"words\": 3}".to_owned(),
        }]));
        assert_eq!(readings.of("a"), None);
    }

    #[test]
    fn more_than_a_page_may_have_is_not_kept() {
        let mut readings = Readings::default();
        readings.begin(Some(Vec::new()));
        let long = "x".repeat(PictureReading::MOST_BYTES_PER_PAGE);
        readings.keep("a".to_owned(), &reading(&long));
        readings.keep("b".to_owned(), &reading("eng"));
        assert_eq!(readings.of("a"), None);
        assert_eq!(readings.take_new().len(), 1);
    }

    #[test]
    fn a_picture_has_another_name_with_other_pixels_size_reader_or_looks() {
        let name = |reader, looks, width, height, pixels: &[u8]| {
            let image = GreyImage {
                width,
                height,
                dpi: 300,
                pixels,
            };
            name_of(reader, looks, &image)
        };
        let one = name("a", "page", 2, 1, &[0, 255]);
        assert_eq!(one.len(), 64);
        for other in [
            name("b", "page", 2, 1, &[0, 255]),
            name("a", "picture", 2, 1, &[0, 255]),
            name("a", "page", 1, 2, &[0, 255]),
            name("a", "page", 2, 1, &[1, 255]),
            name("ap", "age", 2, 1, &[0, 255]),
        ] {
            assert_ne!(one, other);
        }
    }
}
