//! A part: the pages in a row that a run has read, as an object that never changes.
//!
//! It holds what a page gave, but for its image, which is an object of its own. One JSON value a line: first what the part
//! is of, then a page each, last the SHA-256 of all lines before. So a part that was cut short, mixed up or changed by
//! other hands is known as such, and nobody needs more of it in memory than its bytes and a page.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use pagemill_document::{Link, PageNumber, PageText};
use pagemill_reader::{PageFailure, PageOutput};
use pagemill_storage::{Fingerprint, SourceKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of this format. Raise it when it changes; parts of another one are read anew.
pub(super) const FORMAT: u32 = 1;

/// What the pages of a part depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) format: u32,
    pub(super) source: SourceKey,
    pub(super) fingerprint: Fingerprint,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Opening<'a> {
    #[serde(flatten)]
    origin: Cow<'a, Origin>,
    first: u32,
    last: u32,
    /// How long the pages took.
    millis: u64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    sha256: String,
}

/// A page image that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadedImage {
    /// With its thumbnail.
    pub(super) bytes: u64,
    pub(super) scaled_down: bool,
}

/// How a page ended: with what it gave and its image in the store, or failed.
pub(super) type PageEnd = Result<(PageOutput, Option<UploadedImage>), PageFailure>;

/// The line of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptPage<'a> {
    pub(super) page: PageNumber,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<PageFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<UploadedImage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, PageText>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) links: Option<Cow<'a, [Link]>>,
    #[serde(default)]
    pub(super) links_dropped: u32,
    #[serde(default)]
    pub(super) annotations: u32,
}

impl KeptPage<'_> {
    /// How it ended, as if it had been read now.
    pub(super) fn into_end(self) -> PageEnd {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        let output = PageOutput {
            page: self.page,
            image: None,
            text: self.text.map(Cow::into_owned),
            links: Some(self.links.map(Cow::into_owned).unwrap_or_default()),
            links_dropped: self.links_dropped,
            annotations: self.annotations,
            readings: Vec::new(),
        };
        Ok((output, self.image))
    }
}

/// Why a part, or the rest of it, is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("its checksum is missing or another: it was cut short or changed")]
    Checksum,
    #[error("it is of another build, or of other pages, than its key says")]
    Foreign,
    #[error("a page in it can't be read")]
    Page,
}

/// The bytes of a part with these pages.
pub(super) fn write<'a>(
    origin: &Origin,
    pages: &RangeInclusive<u32>,
    time: Duration,
    kept: impl Iterator<Item = std::io::Result<KeptPage<'a>>>,
) -> std::io::Result<Vec<u8>> {
    let opening = Opening {
        origin: Cow::Borrowed(origin),
        first: *pages.start(),
        last: *pages.end(),
        millis: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    };
    let mut body = serde_json::to_vec(&opening)?;
    body.push(b'\n');
    for page in kept {
        serde_json::to_writer(&mut body, &page?)?;
        body.push(b'\n');
    }
    let seal = Seal {
        sha256: hex::encode(Sha256::digest(&body)),
    };
    serde_json::to_writer(&mut body, &seal)?;
    body.push(b'\n');
    Ok(body)
}

/// A part that is whole.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// How long its pages took.
    pub(super) time: Duration,
    pages: RangeInclusive<u32>,
    lines: &'a [u8],
}

/// Reads a part that must be of this origin and these pages.
pub(super) fn read<'a>(
    body: &'a [u8],
    origin: &Origin,
    pages: &RangeInclusive<u32>,
) -> Result<Part<'a>, Damage> {
    let unsealed = body.strip_suffix(b"\n").ok_or(Damage::Checksum)?;
    let end = unsealed.iter().rposition(|byte| *byte == b'\n');
    let (sealed, seal) = unsealed.split_at(end.ok_or(Damage::Checksum)? + 1);
    let seal: Seal = serde_json::from_slice(seal).map_err(|_| Damage::Checksum)?;
    if seal.sha256 != hex::encode(Sha256::digest(sealed)) {
        return Err(Damage::Checksum);
    }
    let (opening, lines) = split_line(sealed).ok_or(Damage::Foreign)?;
    let opening: Opening<'_> = serde_json::from_slice(opening).map_err(|_| Damage::Foreign)?;
    let is_of_these = (opening.first..=opening.last) == *pages;
    if *opening.origin != *origin || !is_of_these {
        return Err(Damage::Foreign);
    }
    Ok(Part {
        time: Duration::from_millis(opening.millis),
        pages: pages.clone(),
        lines,
    })
}

impl Iterator for Part<'_> {
    type Item = Result<KeptPage<'static>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.pages.next()?;
        let page = split_line(self.lines).and_then(|(line, rest)| {
            self.lines = rest;
            serde_json::from_slice::<KeptPage<'static>>(line).ok()
        });
        let is_it = |page: &KeptPage<'_>| {
            let text = page.text.as_ref();
            page.page.0 == number && text.is_none_or(|text| text.page == page.page)
        };
        Some(page.filter(is_it).ok_or(Damage::Page))
    }
}

fn split_line(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = lines.iter().position(|byte| *byte == b'\n')?;
    Some((&lines[..end], &lines[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(fingerprint: &str) -> Origin {
        Origin {
            format: FORMAT,
            source: SourceKey("source-pdfs/a.pdf".into()),
            fingerprint: Fingerprint(fingerprint.into()),
        }
    }

    fn kept(page: u32) -> KeptPage<'static> {
        KeptPage {
            page: PageNumber(page),
            failed: None,
            image: Some(UploadedImage {
                bytes: 7,
                scaled_down: false,
            }),
            text: None,
            links: None,
            links_dropped: page,
            annotations: 0,
        }
    }

    fn body(pages: &RangeInclusive<u32>) -> Vec<u8> {
        let kept = pages.clone().map(|page| Ok(kept(page)));
        let time = Duration::from_millis(1_500);
        write(&origin("f"), pages, time, kept).expect("memory takes it")
    }

    fn damage(body: &[u8], pages: RangeInclusive<u32>) -> Damage {
        read(body, &origin("f"), &pages).expect_err("it is damaged")
    }

    #[test]
    fn pages_come_back_as_they_were_kept() {
        let body = body(&(3..=5));
        let part = read(&body, &origin("f"), &(3..=5)).expect("it is whole");
        assert_eq!(part.time, Duration::from_millis(1_500));
        let pages: Vec<_> = part
            .map(|page| page.expect("it can be read").into_end())
            .map(|end| end.expect("it did not fail"))
            .map(|(output, image)| (output.page.0, output.links_dropped, image))
            .collect();
        let image = kept(1).image;
        assert_eq!(pages, [(3, 3, image), (4, 4, image), (5, 5, image)]);
    }

    #[test]
    fn a_part_that_is_cut_or_changed_anywhere_is_not_used() {
        let whole = body(&(1..=2));
        for length in 0..whole.len() {
            assert_eq!(
                damage(&whole[..length], 1..=2),
                Damage::Checksum,
                "{length}"
            );
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert!(read(&changed, &origin("f"), &(1..=2)).is_err(), "{place}");
        }
    }

    #[test]
    fn a_part_of_another_build_or_of_other_pages_is_not_used() {
        let whole = body(&(1..=2));
        assert_eq!(damage(&whole, 1..=3), Damage::Foreign);
        let of_another = read(&whole, &origin("g"), &(1..=2));
        assert_eq!(of_another.expect_err("it is of f"), Damage::Foreign);
    }

    #[test]
    fn pages_that_are_missing_or_out_of_order_end_a_part() {
        let kept = [Ok(kept(1)), Ok(kept(3))];
        let body = write(&origin("f"), &(1..=3), Duration::ZERO, kept.into_iter());
        let body = body.expect("memory takes it");
        let part = read(&body, &origin("f"), &(1..=3)).expect("it is sealed");
        let pages: Vec<bool> = part.map(|page| page.is_ok()).collect();
        assert_eq!(pages, [true, false, false]);
    }
}
