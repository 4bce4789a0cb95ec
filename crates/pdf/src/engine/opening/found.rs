//! What the second parser finds on pages, held to the limits, until the pages come that it stands on.

use std::collections::HashMap;
use std::io;

use pagemill_document::PageNumber;

use crate::annotation_text;
use crate::drawing;
use crate::inspect::page_tree::is_user_unit;
use crate::protocol::{FoundPage, Look, PageLinks};
use pagemill_reader::{Counted, Limits, Spill};

/// Most bytes of links of one document, as they come over the channel.
const MAX_LINK_BYTES: u64 = 256 << 20;

/// What a link takes besides its text, about.
const LINK_BYTES: usize = 240;

/// What a text of an annotation takes besides its letters, about.
const TEXT_BYTES: usize = 80;

/// What a point of a shape takes.
const POINT_BYTES: usize = 8;

/// What each of its boxes takes, about.
const QUAD_BYTES: usize = 60;

/// The links that the second parser found, until the pages come that they stand on.
#[derive(Default)]
pub(in crate::engine) struct FoundLinks {
    /// Pages that have annotations, in ascending order, and how many they have.
    pages: Vec<(PageNumber, Counted)>,
    /// Their links, in the same order.
    links: Spill<PageLinks>,
}

impl FoundLinks {
    pub(super) fn get(&self, page: PageNumber) -> io::Result<PageLinks> {
        match self.place(page) {
            Some(place) => Ok(self.links.get(place)?.into_owned()),
            None => Ok(PageLinks::default()),
        }
    }

    pub(super) fn counted(&self, page: PageNumber) -> Counted {
        self.place(page)
            .map_or(Counted::default(), |place| self.pages[place].1)
    }

    /// The pages that have annotations.
    #[cfg(test)]
    pub(in crate::engine) fn pages(&self) -> impl Iterator<Item = PageNumber> {
        self.pages.iter().map(|(page, _)| *page)
    }

    fn place(&self, page: PageNumber) -> Option<usize> {
        let found = self.pages.binary_search_by_key(&page, |(known, _)| *known);
        found.ok()
    }

    fn push(
        &mut self,
        page: PageNumber,
        counted: Counted,
        links: PageLinks,
        bytes: usize,
    ) -> io::Result<()> {
        self.links.push(links, bytes)?;
        self.pages.push((page, counted));
        Ok(())
    }
}

/// Takes links as they come, and holds them to the limits.
pub(in crate::engine) struct LinkCollector {
    pub(super) found: FoundLinks,
    pub(super) looks: HashMap<PageNumber, Look>,
    bytes: u64,
    last: PageNumber,
    pages: u32,
    max_per_page: u32,
}

impl LinkCollector {
    /// For a document of so many pages.
    pub(in crate::engine) fn new(pages: u32, limits: &Limits) -> Self {
        Self {
            found: FoundLinks::default(),
            looks: HashMap::new(),
            bytes: 0,
            last: PageNumber(0),
            pages,
            max_per_page: limits.max_links_per_page,
        }
    }

    /// What was taken.
    #[cfg(test)]
    pub(in crate::engine) fn found(&self) -> &FoundLinks {
        &self.found
    }

    /// Takes what was found on a page.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(in crate::engine) fn take(&mut self, found: FoundPage) -> Result<(), String> {
        let FoundPage {
            page,
            annotations,
            undrawn,
            links,
            look,
        } = found;
        if page <= self.last {
            return Err("links out of order".to_owned());
        }
        self.last = page;
        if links.links.len() > self.max_per_page as usize {
            return Err("more links than a page may have".to_owned());
        }
        if links.links.iter().any(|link| link.page != page) {
            return Err("a link of another page".to_owned());
        }
        if !is_user_unit(look.user_unit) {
            return Err("a unit that no page has".to_owned());
        }
        let bytes = links
            .links
            .iter()
            .map(|link| LINK_BYTES + link.target.text_bytes() + QUAD_BYTES * link.quads.len());
        if links.texts.len() > annotation_text::MAX_TEXTS {
            return Err("more texts of annotations than a page may have".to_owned());
        }
        let texts = links.texts.iter().map(|text| {
            let name = text.name.as_ref().map_or(0, String::len);
            TEXT_BYTES + text.text.len() + name
        });
        let bytes: usize = bytes.chain(texts).sum();
        self.bytes += bytes as u64;
        if self.bytes > MAX_LINK_BYTES {
            return Err("more bytes of links than a document may have".to_owned());
        }
        let points = look.shapes.iter().map(|shape| shape.points.len());
        let points: usize = points.sum();
        if points > drawing::MAX_POINTS {
            return Err("more points of shapes than a page may have".to_owned());
        }
        self.bytes += (points * POINT_BYTES) as u64;
        // The second parser may see pages that PDFium does not.
        if page.0 > self.pages {
            return Ok(());
        }
        if look != Look::default() {
            self.looks.insert(page, look);
        }
        let has_texts = !links.texts.is_empty();
        if annotations > 0 || !links.links.is_empty() || links.dropped > 0 || has_texts {
            let counted = Counted {
                annotations,
                undrawn,
                links: u32::try_from(links.links.len()).unwrap_or(u32::MAX),
            };
            self.found
                .push(page, counted, links, bytes)
                .map_err(|error| format!("links for which there is no room ({error})"))?;
        }
        Ok(())
    }
}
