//! Documents that were made to be slow: what takes the time of all pairs of something is bounded.

use std::time::{Duration, Instant};

use pagemill_document::testing::page_of;
use pagemill_document::{PageNumber, PageText};
use pagemill_fields::{Input, extract};
use pagemill_metadata::DocumentType;

/// Far beyond what any of them takes, and far below what they took without bounds, also without optimisation.
const LONGEST: Duration = Duration::from_secs(60);

#[test]
fn ho_2_pages_of_dates_amounts_rates_and_towns_end_soon() {
    let line = |part: &str| part.repeat(400_000 / part.len());
    let lines = |part: &str| format!("{part}\n").repeat(20_000);
    for text in [
        line("05.03.2018 "),
        line("VAT 19% 1,00 "),
        line("DE136695976 "),
        lines("Total 19 % 1,00 2,00 3,00"),
        lines("12345 Musterstadt"),
        lines("Rechnung Nr. 1 vom 05.03.2018"),
        lines("capital social GmbH"),
        "1,00\t".repeat(100_000),
    ] {
        let pages: Vec<PageText> = (1..=3)
            .map(|page| page_of(PageNumber(page), &text))
            .collect();
        let begun = Instant::now();
        extract(&Input {
            pages: &pages,
            document_type: Some(DocumentType::Invoice),
            ..Input::default()
        });
        let taken = begun.elapsed();
        let beginning: String = text.chars().take(20).collect();
        assert!(taken < LONGEST, "{beginning}: {taken:?}");
    }
}
