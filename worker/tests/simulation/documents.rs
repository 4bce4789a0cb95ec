//! The documents of the simulation: few sources, few contents, and what is wrong with some of them.

use pagemill_storage::SourceKey;

/// The sources. One lies in a folder whose name looks like a document, one has characters that events escape.
pub(crate) const KEYS: [&str; 4] = [
    "source-pdfs/a.pdf",
    "source-pdfs/a.pdf/b c.pdf",
    "source-pdfs/ü+1.pdf",
    "source-pdfs/d.pdf",
];

/// What a source can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Content {
    /// Three pages.
    Three,
    /// One page.
    One,
    /// So many pages that what was read of them is kept meanwhile.
    Long,
    /// Two pages, of which the second can't be read.
    HalfReadable,
    /// It can't be opened, by nobody.
    Corrupt,
    /// Every worker that opens it dies.
    Killer,
}

impl Content {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Three,
        Self::One,
        Self::Long,
        Self::HalfReadable,
        Self::Corrupt,
        Self::Killer,
    ];

    /// The bytes of the file.
    pub(crate) fn bytes(self) -> Vec<u8> {
        format!("%PDF-1.7\nsimulated {self:?}\n%%EOF\n").into_bytes()
    }

    /// What a file holds.
    pub(crate) fn of_length(bytes: u64) -> Self {
        *Self::ALL
            .iter()
            .find(|content| content.bytes().len() as u64 == bytes)
            .expect("every content has a length of its own")
    }

    /// Its pages: the text, or `None` for one that can't be read.
    pub(crate) fn pages(self) -> Vec<Option<String>> {
        let text = |page: u32| {
            Some(format!(
                "Page {page} of the document {self:?}. It says something."
            ))
        };
        match self {
            Self::Three => vec![text(1), text(2), text(3)],
            Self::One | Self::Corrupt | Self::Killer => vec![text(1)],
            Self::Long => (1..=12).map(text).collect(),
            Self::HalfReadable => vec![text(1), None],
        }
    }

    /// Whether it can be processed.
    pub(crate) fn is_good(self) -> bool {
        !matches!(self, Self::Corrupt | Self::Killer)
    }
}

/// The source of this number.
pub(crate) fn source(key: usize) -> SourceKey {
    SourceKey(KEYS[key].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_content_is_known_by_its_length() {
        for content in Content::ALL {
            assert_eq!(Content::of_length(content.bytes().len() as u64), content);
        }
    }
}
