//! Where evidence stands on its page.

use pagemill_document::{PageNumber, PageText};

use crate::document::{Candidate, Claim, DocumentMetadata, Evidence};
use crate::grounding::boxes_of;

impl DocumentMetadata {
    /// Gives the evidence on a page the boxes of its lines. Metadata are made of pages without lines, which take most of a page's
    /// memory; this is for whoever has them one by one.
    pub fn show_lines(&mut self, page: &PageText) {
        for evidence in self.evidence_mut() {
            if evidence.page == page.page {
                evidence.boxes = boxes_of(page, evidence.start as usize, evidence.end as usize);
            }
        }
    }

    /// The last page that has evidence.
    pub fn last_page_shown(&mut self) -> Option<PageNumber> {
        let pages = self.evidence_mut().into_iter();
        pages.map(|evidence| evidence.page).max()
    }

    fn evidence_mut(&mut self) -> Vec<&mut Evidence> {
        let dates = &mut self.dates;
        let mut all = Vec::new();
        let single = [
            &mut self.title,
            &mut self.summary,
            &mut dates.created,
            &mut dates.modified,
            &mut dates.issued,
            &mut dates.effective,
            &mut dates.expires,
            &mut dates.due,
        ];
        single
            .into_iter()
            .flatten()
            .for_each(|claim| of(claim, &mut all));
        if let Some(claim) = &mut self.document_type {
            of(claim, &mut all);
        }
        for claim in [&mut self.has_tables, &mut self.has_figures]
            .into_iter()
            .flatten()
        {
            of(claim, &mut all);
        }
        let organisations = self.organisations.iter_mut().map(|found| &mut found.claim);
        let identifiers = self.identifiers.iter_mut().map(|found| &mut found.claim);
        let entities = self.entities.iter_mut().map(|found| &mut found.claim);
        self.authors
            .iter_mut()
            .chain(organisations)
            .chain(identifiers)
            .chain(entities)
            .chain(&mut self.keywords)
            .chain(&mut self.topics)
            .chain(&mut self.questions_answered)
            .for_each(|claim| of(claim, &mut all));
        let unconfirmed = self.unconfirmed.iter_mut();
        all.extend(unconfirmed.filter_map(|said| said.candidate.evidence.as_mut()));
        all
    }
}

fn of<'a, T>(claim: &'a mut Claim<T>, all: &mut Vec<&'a mut Evidence>) {
    all.extend(&mut claim.evidence);
    let candidates = claim.candidates.iter_mut();
    all.extend(candidates.filter_map(|candidate: &mut Candidate| candidate.evidence.as_mut()));
}
