//! Holds what came out of a document against an independent count of what is in its file.
//!
//! The renderer (PDFium) gives pages, images and links; the second reader (lopdf) walks the objects and counts. What
//! one of them has and the other one has not, and what was left out by a limit or with a failed page, is in the record.

use std::collections::BTreeMap;

use pagemill_reader::{Counted, PageOutput};
use pagemill_storage::{Missing, Unaccounted};

/// Pages that are named of each kind.
const NAMED_PAGES: usize = 100;

/// What is missing so far.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    missing: BTreeMap<Missing, Unaccounted>,
}

impl Accounts {
    /// The renderer shows so many pages, and the page tree has so many.
    pub(super) fn document(&mut self, shown: u32, in_tree: Option<u32>) {
        let in_tree = in_tree.unwrap_or(shown);
        self.note(Missing::PagesNotShown, in_tree.saturating_sub(shown), None);
        self.note(Missing::PagesNotInTree, shown.saturating_sub(in_tree), None);
    }

    /// A page came, with the image that was wanted or without.
    pub(super) fn page(
        &mut self,
        output: &PageOutput,
        is_without_image: bool,
        counted: Option<Counted>,
    ) {
        let page = Some(output.page.0);
        self.note(Missing::Images, u32::from(is_without_image), page);
        self.note(Missing::LinksOverLimit, output.links_dropped, page);
        if let Some(text) = &output.text {
            let characters = &text.characters;
            for (what, count) in [
                (
                    Missing::CharactersWithoutUnicode,
                    characters.no_unicode.saturating_add(characters.private_use),
                ),
                (Missing::TextNotRead, characters.not_read),
                (Missing::CharactersOverLimit, characters.over_limit),
                (Missing::LettersLost, characters.lost),
            ] {
                self.note(what, count, page);
            }
        }
        let Some(counted) = counted else { return };
        let links = output.links.as_ref().map_or(0, Vec::len);
        let links = u32::try_from(links).unwrap_or(u32::MAX);
        self.note(Missing::Links, counted.links.saturating_sub(links), page);
        let difference = counted.annotations.abs_diff(output.annotations);
        self.note(Missing::Annotations, difference, page);
        self.note(Missing::AnnotationsNotDrawn, counted.undrawn, page);
    }

    /// A page failed.
    pub(super) fn failed(&mut self, page: u32, counted: Option<Counted>) {
        let links = counted.map_or(0, |counted| counted.links);
        self.note(Missing::LinksOfFailedPages, links, Some(page));
    }

    /// All that is missing, by its kind.
    pub(super) fn finish(self) -> Vec<Unaccounted> {
        self.missing.into_values().collect()
    }

    fn note(&mut self, what: Missing, count: u32, page: Option<u32>) {
        if count == 0 {
            return;
        }
        let entry = self.missing.entry(what).or_insert_with(|| Unaccounted {
            what,
            count: 0,
            pages: Vec::new(),
        });
        entry.count += u64::from(count);
        if entry.pages.len() < NAMED_PAGES {
            entry.pages.extend(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use pagemill_document::PageNumber;

    use super::*;

    fn output(page: u32, annotations: u32) -> PageOutput {
        PageOutput {
            page: PageNumber(page),
            image: None,
            text: None,
            links: Some(Vec::new()),
            links_dropped: 0,
            annotations,
            readings: Vec::new(),
        }
    }

    fn counted(annotations: u32, links: u32) -> Option<Counted> {
        Some(Counted {
            annotations,
            undrawn: 0,
            links,
        })
    }

    #[test]
    fn out_3_a_document_that_is_all_there_has_nothing_unaccounted() {
        let mut accounts = Accounts::default();
        accounts.document(2, Some(2));
        accounts.page(&output(1, 3), false, counted(3, 0));
        accounts.page(&output(2, 7), false, None);
        assert_eq!(accounts.finish(), []);
    }

    #[test]
    fn out_3_what_is_missing_is_named_with_its_pages() {
        let mut accounts = Accounts::default();
        accounts.document(4, Some(6));
        accounts.page(&output(1, 2), true, counted(5, 0));
        accounts.page(&output(2, 0), false, counted(0, 4));
        let flood = PageOutput {
            links_dropped: 9,
            ..output(3, 0)
        };
        accounts.page(&flood, false, counted(0, 0));
        let stamped = Counted {
            annotations: 2,
            undrawn: 2,
            links: 0,
        };
        accounts.page(&output(5, 2), false, Some(stamped));
        accounts.failed(4, counted(8, 8));
        let missing: Vec<(Missing, u64, Vec<u32>)> = accounts
            .finish()
            .into_iter()
            .map(|entry| (entry.what, entry.count, entry.pages))
            .collect();
        assert_eq!(
            missing,
            [
                (Missing::PagesNotShown, 2, vec![]),
                (Missing::Images, 1, vec![1]),
                (Missing::LinksOverLimit, 9, vec![3]),
                (Missing::LinksOfFailedPages, 8, vec![4]),
                (Missing::Links, 4, vec![2]),
                (Missing::Annotations, 3, vec![1]),
                (Missing::AnnotationsNotDrawn, 2, vec![5]),
            ]
        );
    }
}
