//! What stands around a text and says what it is about.
//!
//! A paragraph of an annual report names neither the company nor the year, and the middle of a table not even the statement
//! that it belongs to. So each chunk and page is found by these as well: the name of its file, the title of its document, and
//! the first words of its page, where forms, statements and slides say what they are.

use std::collections::BTreeMap;

use pagemill_document::{BlockKind, PageNumber, PageText};

use crate::chunk::Chunk;
use crate::sparse::{Beside, name_terms, terms};

/// Words of a page's beginning that count for all of its chunks.
const LEAD_WORDS: usize = 25;

/// How often the terms of a file's name and of a title count in each text of the document: often enough to lift it over the
/// same page of another one.
const NAME_WEIGHT: f32 = 4.0;
const TITLE_WEIGHT: f32 = 1.0;
const LEAD_WEIGHT: f32 = 2.0;

/// The context of one document's texts.
#[derive(Debug)]
pub(crate) struct Context {
    name: Vec<String>,
    title: Vec<String>,
    /// Of each page that has one: its first words.
    leads: BTreeMap<PageNumber, Lead>,
}

#[derive(Debug)]
struct Lead {
    text: String,
    terms: Vec<String>,
}

impl Context {
    /// Of a source key and a title.
    pub(crate) fn of(source: &str, title: Option<&str>) -> Self {
        let name = source.strip_suffix(".pdf").unwrap_or(source);
        Self {
            name: name_terms(name),
            title: title.map(terms).unwrap_or_default(),
            leads: BTreeMap::new(),
        }
    }

    /// Adds the first words of each page, for chunks.
    pub(crate) fn add_leads(&mut self, pages: &[PageText]) {
        self.leads.extend(pages.iter().filter_map(|page| {
            let text = lead(page);
            let terms = terms(&text);
            (!terms.is_empty()).then_some((page.page, Lead { text, terms }))
        }));
    }

    /// Forgets the first words of pages before this one, of all where there is none.
    pub(crate) fn forget_leads_before(&mut self, page: Option<PageNumber>) {
        self.leads = match page {
            Some(page) => self.leads.split_off(&page),
            None => BTreeMap::new(),
        };
    }

    /// What is embedded of a chunk: the first words of its page, the headings above it, its text.
    pub(crate) fn embedded_text(&self, chunk: &Chunk) -> String {
        let lead = self.leads.get(&chunk.first_page);
        match lead.filter(|lead| !chunk.text.starts_with(&lead.text)) {
            Some(lead) => format!("{}\n\n{}", lead.text, chunk.embedded_text()),
            None => chunk.embedded_text(),
        }
    }

    /// What counts beside the words of a chunk.
    pub(crate) fn beside_chunk(&self, chunk: &Chunk) -> Vec<Beside<'_>> {
        let mut found = self.beside_page();
        found.extend(self.leads.get(&chunk.first_page).map(|lead| Beside {
            terms: &lead.terms,
            weight: LEAD_WEIGHT,
        }));
        found
    }

    /// What counts beside the words of a page.
    pub(crate) fn beside_page(&self) -> Vec<Beside<'_>> {
        vec![
            Beside {
                terms: &self.name,
                weight: NAME_WEIGHT,
            },
            Beside {
                terms: &self.title,
                weight: TITLE_WEIGHT,
            },
        ]
    }
}

/// The first words of a page but furniture.
fn lead(page: &PageText) -> String {
    let blocks = page.blocks.iter();
    let texts = blocks
        .filter(|block| block.kind != BlockKind::Furniture)
        .filter_map(|block| page.text.get(block.start as usize..block.end as usize));
    let words: Vec<&str> = match page.blocks.is_empty() {
        true => page.text.split_whitespace().take(LEAD_WORDS).collect(),
        false => texts
            .flat_map(str::split_whitespace)
            .take(LEAD_WORDS)
            .collect(),
    };
    words.join(" ")
}
