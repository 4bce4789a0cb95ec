//! The document's type by simple rules with points; none when no rule is clearly ahead.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pagemill_document::{Inspection, PageText};
use regex::Regex;

use crate::document::{DocumentType, IdentifierKind};
use crate::extractive::finding::{Evidence, FoundIdentifier, Sourced, ValueSource};
use crate::extractive::sample::{Sample, collapse, last_line_of, shorten};

/// Points that a type needs.
const LEAST_POINTS: f32 = 3.0;
/// How far it must be ahead of the next.
const LEAST_LEAD: f32 = 0.75;

/// Where a clue counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On a short line (at most eight words) of the first page with text: a heading or a form's title.
    ShortLine,
    /// Anywhere in the first three pages.
    Beginning,
    /// Anywhere in the sample, at the beginning of a line.
    LineAnywhere,
}

struct Clue {
    document_type: DocumentType,
    place: Place,
    points: f32,
    pattern: Regex,
}

static CLUES: LazyLock<Vec<Clue>> = LazyLock::new(|| {
    use DocumentType as T;
    use Place::{Beginning, LineAnywhere, ShortLine};
    let table: &[(T, Place, f32, &str)] = &[
        (
            T::Invoice,
            ShortLine,
            2.0,
            r"\b(tax invoice|invoice|rechnung|facture|factura|fattura|factuur|faktura|credit note|gutschrift)\b",
        ),
        (
            T::Invoice,
            Beginning,
            1.0,
            r"\b(amount due|balance due|total due|net à payer|gesamtbetrag|rechnungsbetrag|zahlbar|importe total|totale|subtotal|sub total|total ttc|te betalen)\b",
        ),
        (
            T::Invoice,
            Beginning,
            1.0,
            r"\b(vat|mwst|ust|umsatzsteuer|tva|iva|btw|gst)\b",
        ),
        (
            T::Receipt,
            ShortLine,
            3.0,
            r"\b(receipt|quittung|kassenbon|reçu|recibo|ricevuta)\b",
        ),
        (
            T::Order,
            ShortLine,
            3.0,
            r"\b(purchase order|delivery note|quotation|order confirmation|lieferschein|bestellung|auftragsbestätigung|bon de commande|bon de livraison)(\s+(no|nr|n°|number|#)?[.:]?\s*\S*\d\S*)?$",
        ),
        (
            T::Statement,
            ShortLine,
            4.0,
            r"\b(bank statement|account statement|statement of account|kontoauszug|relevé de compte)\b",
        ),
        (
            T::Contract,
            ShortLine,
            2.0,
            r"\b(agreement|contract|vertrag|contrat|contrato|terms and conditions|terms of service)\b",
        ),
        (
            T::Contract,
            ShortLine,
            1.5,
            r"\b((credit|loan|lease|purchase|service|services|employment|confidentiality|non-?disclosure|underwriting|merger|rental|security|master|supply|settlement|shareholders'?|partnership) agreement|mietvertrag|kaufvertrag|arbeitsvertrag|dienstvertrag|werkvertrag|contrat de|contrato de|contratto di)\b",
        ),
        (
            T::Contract,
            Beginning,
            1.0,
            r"\b(dated as of|as borrower|as administrative agent|the undersigned|zwischen den parteien|entre les parties|reunidos)\b",
        ),
        (
            T::Contract,
            Beginning,
            1.0,
            r"\b(hereinafter|hereby agree|whereas|the parties agree|by and between|in witness whereof)\b",
        ),
        (
            T::Contract,
            Beginning,
            1.0,
            r"\b(governing law|party of the|shall indemnify|termination of this agreement)\b",
        ),
        (
            T::Letter,
            LineAnywhere,
            2.0,
            r"(dear (sir|madam|mr|mrs|ms|dr|prof|friend|colleague|customer|[a-z]+ ?[a-z]*[,:])|sehr geehrte|cher |chère |madame, monsieur|estimad[oa])",
        ),
        (
            T::Letter,
            LineAnywhere,
            1.5,
            r"(yours (sincerely|truly|faithfully)|sincerely|kind regards|best regards|mit freundlichen grüßen|cordialement|atentamente|veuillez agréer)",
        ),
        (T::Memo, ShortLine, 3.0, r"^(memorandum|memo)\b"),
        (
            T::Minutes,
            ShortLine,
            3.0,
            r"\b(minutes of|meeting minutes|minutes|agenda|protokoll|sitzungsprotokoll|procès-verbal|compte rendu|acta de|verbale|notulen)\b",
        ),
        (
            T::Minutes,
            Beginning,
            1.0,
            r"\b(attendees|members present|adjourn(ed|ment)?|roll call|call to order|quorum)\b",
        ),
        (
            T::Form,
            ShortLine,
            1.5,
            r"\b(application form|form [a-z]?-?\d+|formular|antrag|formulaire|formulario|questionnaire|registration form)\b",
        ),
        (
            T::Form,
            Beginning,
            1.0,
            r"\b(please (print|complete|fill)|date of birth|signature of|first name|last name|check (one|all)|for office use)\b",
        ),
        (T::Paper, ShortLine, 1.5, r"^(abstract|summary)\b"),
        (T::Paper, Beginning, 0.75, r"(^|\n)\s*abstract\b"),
        (
            T::Paper,
            LineAnywhere,
            1.0,
            r"(references|bibliography|literature cited)\s*$",
        ),
        (
            T::Paper,
            LineAnywhere,
            0.75,
            r"([1i]\.?\s+)?introduction\s*$",
        ),
        (
            T::Paper,
            Beginning,
            0.75,
            r"\b(key ?words|index terms)\s*[:—-]",
        ),
        (
            T::Paper,
            Beginning,
            0.75,
            r"\b(et al\.|university|department of|institute of|corresponding author)",
        ),
        (
            T::Thesis,
            Beginning,
            2.0,
            r"\b(thesis|dissertation|diplomarbeit|masterarbeit|thèse)\b",
        ),
        (
            T::Thesis,
            Beginning,
            2.0,
            r"\b(submitted (in|to|for)|degree of|doctor of philosophy|master of)\b",
        ),
        (
            T::Report,
            ShortLine,
            3.0,
            r"\b(annual report|technical report|final report|progress report|white ?paper|fact ?sheet|jahresbericht|rapport annuel|report of|report on|statistical bulletin|working paper)\b",
        ),
        (
            T::Report,
            ShortLine,
            4.5,
            r"^(form )?(10-[kq]|8-k|20-f|6-k|s-1|def 14a)(/a)?$|\b((quarterly|annual|current|transition) report pursuant to)\b",
        ),
        (
            T::Report,
            ShortLine,
            1.5,
            r"\b(report|bericht|rapport|informe|study|survey|review|statistics)\b",
        ),
        (
            T::Report,
            LineAnywhere,
            1.5,
            r"(executive summary|key findings|list of (figures|tables)|table of contents|contents)\s*$",
        ),
        (
            T::Manual,
            ShortLine,
            3.0,
            r"\b(user'?s? guide|user manual|manual|handbook|tutorial|getting started|installation guide|bedienungsanleitung|quick ?start|reference guide|how to|guide)\b",
        ),
        (
            T::Specification,
            ShortLine,
            3.0,
            r"\b(specification|data ?sheet|request for comments|international standard|internet standard|draft standard)\b",
        ),
        (
            T::Specification,
            Beginning,
            1.0,
            r"\b(conformance|normative references|shall conform|electrical characteristics|absolute maximum ratings|standards track)\b",
        ),
        (
            T::Resume,
            ShortLine,
            3.0,
            r"\b(curriculum vitae|résumé|resume|lebenslauf)\b",
        ),
        (
            T::Resume,
            LineAnywhere,
            0.75,
            r"(work experience|professional experience|education|skills|employment history)\s*$",
        ),
        (
            T::Legal,
            Beginning,
            3.0,
            r"\b(official journal|regulation \((eu|ec)\)|supreme court|court of appeals?|federal register|public law \d|bundesgesetzblatt|be it enacted|plaintiff|appellant|statutory instrument)\b",
        ),
        (
            T::Certificate,
            ShortLine,
            3.0,
            r"\b(certificate of|certificate|zertifikat|certificat|public licen[cs]e|licen[cs]e agreement)\b",
        ),
        (
            T::Policy,
            ShortLine,
            3.0,
            r"\b(privacy policy|policy|richtlinie|code of conduct)\b",
        ),
        (
            T::Book,
            Beginning,
            1.5,
            r"\b(isbn|all rights reserved|first published|printed in)\b",
        ),
        (
            T::Book,
            LineAnywhere,
            1.0,
            r"(chapter (1|one|i)|kapitel 1|chapitre premier|preface|foreword)\b",
        ),
    ];
    table
        .iter()
        .map(|(document_type, place, points, pattern)| {
            let anchored = match place {
                LineAnywhere => format!(r"(?im)^\s*(?:{pattern})"),
                ShortLine | Beginning => format!(r"(?i)(?:{pattern})"),
            };
            Clue {
                document_type: *document_type,
                place: *place,
                points: *points,
                pattern: Regex::new(&anchored).expect("pattern is valid"),
            }
        })
        .collect()
});

/// Where a short line names a type, as its heading does: bytes of the line. A line that names another type too says nothing.
pub(crate) fn named_in(line: &str, document_type: DocumentType) -> Option<(usize, usize)> {
    if line.split_whitespace().count() > 8 {
        return None;
    }
    let names = |clue: &&Clue| clue.place == Place::ShortLine && clue.pattern.is_match(line);
    let mut named = CLUES.iter().filter(names);
    if named.any(|clue| clue.document_type != document_type) {
        return None;
    }
    let clues = CLUES
        .iter()
        .filter(|clue| clue.place == Place::ShortLine && clue.document_type == document_type);
    let found = clues.filter_map(|clue| clue.pattern.find(line)).next()?;
    Some((found.start(), found.end()))
}

/// The type, with the line that spoke for it most.
pub(crate) fn find(
    inspection: &Inspection,
    pages: &[PageText],
    sample: &Sample,
    identifiers: &[FoundIdentifier],
) -> Option<Sourced<DocumentType>> {
    let mut points: BTreeMap<DocumentType, (f32, f32, Option<Evidence>)> = BTreeMap::new();
    let mut give = |document_type: DocumentType, given: f32, evidence: Option<Evidence>| {
        let entry = points.entry(document_type).or_insert((0.0, 0.0, None));
        entry.0 += given;
        if given > entry.1 && evidence.is_some() {
            entry.1 = given;
            entry.2 = evidence;
        }
    };
    for clue in CLUES.iter() {
        let hit = match clue.place {
            Place::ShortLine => sample.first(1).find_map(|passage| {
                let line = passage
                    .text
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty())
                    .take(40)
                    .find(|line| {
                        line.split_whitespace().count() <= 8 && clue.pattern.is_match(line)
                    })?;
                Some(Evidence {
                    page: passage.page,
                    quote: shorten(&collapse(line), 200),
                })
            }),
            Place::Beginning => sample.first(3).find_map(|passage| {
                let found = clue.pattern.find(&passage.text)?;
                Some(Evidence {
                    page: passage.page,
                    quote: last_line_of(&passage.text, found),
                })
            }),
            Place::LineAnywhere => sample.passages.iter().find_map(|passage| {
                let found = clue.pattern.find(&passage.text)?;
                Some(Evidence {
                    page: passage.page,
                    quote: last_line_of(&passage.text, found),
                })
            }),
        };
        if hit.is_some() {
            give(clue.document_type, clue.points, hit);
        }
    }
    let sections = resume_sections(sample);
    if sections >= 3 {
        give(DocumentType::Resume, sections.min(5) as f32, None);
    }
    for identifier in identifiers {
        match identifier.kind {
            IdentifierKind::InvoiceNumber => {
                give(DocumentType::Invoice, 1.5, identifier.evidence.clone())
            }
            IdentifierKind::Iban => give(DocumentType::Invoice, 0.5, None),
            IdentifierKind::Doi | IdentifierKind::Arxiv => {
                give(DocumentType::Paper, 1.25, identifier.evidence.clone())
            }
            IdentifierKind::StandardNumber => give(
                DocumentType::Specification,
                2.5,
                identifier.evidence.clone(),
            ),
            IdentifierKind::Isbn => give(DocumentType::Book, 1.5, identifier.evidence.clone()),
            _ => {}
        }
    }
    if inspection.has_form {
        give(DocumentType::Form, 2.0, None);
    }
    if inspection.pages > 120 {
        give(DocumentType::Book, 0.75, None);
    }
    if looks_like_slides(inspection, pages) {
        give(DocumentType::Slides, 4.0, None);
    }
    // These are short by nature.
    for (document_type, most_pages) in [
        (DocumentType::Invoice, 12),
        (DocumentType::Receipt, 6),
        (DocumentType::Letter, 6),
        (DocumentType::Resume, 12),
        (DocumentType::Memo, 20),
        (DocumentType::Certificate, 25),
    ] {
        if inspection.pages > most_pages
            && let Some(entry) = points.get_mut(&document_type)
        {
            entry.0 -= 2.0;
        }
    }
    let mut ranking: Vec<(DocumentType, f32)> = points
        .iter()
        .map(|(document_type, entry)| (*document_type, entry.0))
        .collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let (best, best_points) = *ranking.first()?;
    let next_points = ranking.get(1).map_or(0.0, |(_, points)| *points);
    if best_points < LEAST_POINTS || best_points - next_points < LEAST_LEAD {
        return None;
    }
    let evidence = points.remove(&best).and_then(|entry| entry.2);
    Some(Sourced {
        value: best,
        source: ValueSource::Rule,
        evidence,
    })
}

static RESUME_SECTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^\s*(?:(?:work|professional|relevant|teaching|research)? ?experience|employment(?: history)?|education(?: and training)?|(?:technical |key |core )?skills|certifications?|(?:personal )?projects|languages|interests|references|objective|profile|awards(?: and honou?rs)?|publications|volunteer(?:ing| work| experience)?|berufserfahrung|ausbildung|kenntnisse|sprachen|sprachkenntnisse|bildungsweg|expérience professionnelle|formation|compétences|langues|experiencia|formación|idiomas)\s*:?\s*$")
        .expect("pattern is valid")
});

/// How many different sections of a résumé a short document has as headings.
fn resume_sections(sample: &Sample) -> usize {
    if sample.passages.len() > 5 {
        return 0;
    }
    let mut sections = std::collections::BTreeSet::new();
    for passage in &sample.passages {
        let found = RESUME_SECTION.find_iter(&passage.text);
        sections.extend(found.map(|found| found.as_str().trim().to_lowercase()));
    }
    sections.len()
}

/// Landscape pages with little text each, or the mark of a program for slides.
fn looks_like_slides(inspection: &Inspection, pages: &[PageText]) -> bool {
    if pages.is_empty() {
        return false;
    }
    let looked_at = pages.len().min(50);
    let landscape = pages
        .iter()
        .take(looked_at)
        .filter(|page| page.width > page.height * 1.2)
        .count();
    let mut lengths: Vec<usize> = pages
        .iter()
        .take(looked_at)
        .map(|page| page.text.chars().count())
        .collect();
    lengths.sort_unstable();
    let little_text = lengths[lengths.len() / 2] < 900;
    let program = ["creator", "producer"].iter().any(|key| {
        let value = inspection
            .info
            .info
            .get(*key)
            .map(|value| value.to_lowercase())
            .unwrap_or_default();
        ["powerpoint", "impress", "keynote", "beamer"]
            .iter()
            .any(|name| value.contains(name))
    });
    landscape * 10 >= looked_at * 9 && little_text && (program || looked_at >= 3)
}
