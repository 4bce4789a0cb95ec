//! Identifiers, by pattern and check digits.

use std::sync::LazyLock;

use pagemill_document::{Inspection, PageNumber};
use regex::Regex;

use crate::check_digits;
use crate::document::IdentifierKind;
use crate::extractive::finding::{Evidence, FoundIdentifier, ValueSource};
use crate::extractive::sample::{Sample, line_at};
use crate::orders::gives_orders;

/// Most identifiers of one document.
const MAX_IDENTIFIERS: usize = 40;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("pattern is valid")
}

static DOI: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\b10\.\d{4,9}/[^\s"<>,;]+"#));
static ARXIV: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\barxiv:\s?((?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?)")
});
static ISBN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\bISBN(?:[-\s]?1[03])?[:\s]*((?:97[89][-\s–]?)?\d[\d\s–-]{7,13}[\dX])\b")
});
static ISSN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\bISSN[^\d\n]{0,20}(\d{4}[-–]\d{3}[\dX])\b"));
static PMID: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bPMID:?\s*(\d{5,8})\b"));
static ORCID: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{4}-\d{4}-\d{4}-\d{3}[\dX])\b"));
static IBAN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b"));
static VAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b((?:AT ?U\d{8}|BE ?[01]?\d{3}[. ]?\d{3}[. ]?\d{3}|DE ?\d{3} ?\d{3} ?\d{3}|FR ?[A-Z0-9]{2} ?\d{3} ?\d{3} ?\d{3}|IT ?\d{11}|LU ?\d{8}|NL ?\d{9} ?B\d{2}|PL ?\d{10}|PT ?\d{9}|ES ?[A-Z0-9]\d{7}[A-Z0-9]|GB ?\d{3} ?\d{4} ?\d{2}|CHE-?\d{3}\.\d{3}\.\d{3}))\b",
    )
});
static VAT_LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(vat|ust-?id|ust\.?-?id|umsatzsteuer|tva|btw|iva|p\.? ?iva|tax id|nif|mwst|uid)",
    )
});
static STANDARD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^\s*((?:RFC|Request for Comments:)\s*\d{1,5}|(?:ISO|IEC|ISO/IEC|EN|DIN|IEEE|ECMA)[ -]\d[\d.-]*\d?)\b",
    )
});

static LABELLED: LazyLock<[(IdentifierKind, Regex); 4]> = LazyLock::new(|| {
    let number = r"\s*(?:no\.?|num(?:ber|éro|ero|mer)?|nr\.?|n°|nº|#|id|-?nummer|-?nr\.?|code)\s*[:.#]?\s*(?-i:([A-Z0-9][A-Za-z0-9._/-]{1,30}))";
    let labelled = |names: &str| pattern(&format!(r"(?i)\b(?:{names}){number}"));
    [
        (
            IdentifierKind::InvoiceNumber,
            labelled(
                "invoice|rechnungs?|facture|factura|fattura|factuur|credit note|gutschrifts?|bill",
            ),
        ),
        (
            IdentifierKind::OrderNumber,
            labelled("order|purchase order|p\\.?o\\.?|bestell|auftrags?|commande|pedido|ordine"),
        ),
        (
            IdentifierKind::ContractNumber,
            labelled("contract|vertrags?|contrat|contrato|agreement"),
        ),
        (
            IdentifierKind::CustomerNumber,
            labelled("customer|kunden|client|cliente|klant|account"),
        ),
    ]
});

/// What may be a number with a label.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[A-Za-z0-9][A-Za-z0-9._/-]{1,30}\b"));
static AMOUNT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\d{1,3}(?:[.,]\d{3})*(?:[.,]\d{1,2})$|^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$|^\d{4}-\d{2}-\d{2}$",
    )
});
/// How many of them are looked at on a page.
const MOST_TOKENS: usize = 2_000;

/// The identifiers on the first pages and in what the file says of itself.
pub(crate) fn find(inspection: &Inspection, sample: &Sample) -> Vec<FoundIdentifier> {
    let mut found = Found::default();
    for (name, claim) in &inspection.info.xmp {
        let source = ValueSource::Xmp;
        if matches!(name.as_str(), "prism:doi" | "dc:identifier" | "pdfx:doi") {
            DOI.find_iter(claim).take(1).for_each(|doi| {
                found.add(IdentifierKind::Doi, clean_doi(doi.as_str()), source, None)
            });
        }
    }
    if let Some(title) = inspection.info.info.get("title")
        && let Some(doi) = DOI.find(title)
        && title.to_lowercase().starts_with("doi")
    {
        found.add(
            IdentifierKind::Doi,
            clean_doi(doi.as_str()),
            ValueSource::PdfInfo,
            None,
        );
    }
    for (index, passage) in sample.first(4).enumerate() {
        let text = passage.text.as_str();
        let page = passage.page;
        if index == 0 {
            // Further in, DOIs and arXiv numbers are those of cited works.
            for doi in DOI.find_iter(text).take(1) {
                found.in_text(
                    IdentifierKind::Doi,
                    clean_doi(doi.as_str()),
                    page,
                    text,
                    doi.start(),
                );
            }
            for captures in ARXIV.captures_iter(text).take(1) {
                found.captured(IdentifierKind::Arxiv, &captures, page, text, str::to_owned);
            }
            for captures in PMID.captures_iter(text).take(1) {
                found.captured(IdentifierKind::Pmid, &captures, page, text, str::to_owned);
            }
            for captures in STANDARD.captures_iter(text).take(1) {
                found.captured(
                    IdentifierKind::StandardNumber,
                    &captures,
                    page,
                    text,
                    |value| {
                        value
                            .replace("Request for Comments:", "RFC")
                            .split_whitespace()
                            .collect::<Vec<_>>()
                            .join(" ")
                    },
                );
            }
        }
        for captures in ISBN.captures_iter(text) {
            found.captured(IdentifierKind::Isbn, &captures, page, text, compact);
        }
        for captures in ISSN.captures_iter(text) {
            found.captured(IdentifierKind::Issn, &captures, page, text, |value| {
                value.replace('–', "-").to_uppercase()
            });
        }
        for captures in ORCID.captures_iter(text) {
            found.captured(IdentifierKind::Orcid, &captures, page, text, str::to_owned);
        }
        for captures in IBAN.captures_iter(text) {
            found.captured(IdentifierKind::Iban, &captures, page, text, compact);
        }
        for captures in VAT.captures_iter(text) {
            let start = captures.get(0).map_or(0, |whole| whole.start());
            let value = compact(&captures[1]);
            let is_labelled = VAT_LABEL.is_match(&line_at(text, start));
            if verified(IdentifierKind::VatId, &value) == Some(true) || is_labelled {
                found.in_text(IdentifierKind::VatId, value, page, text, start);
            }
        }
        if index < 2 {
            found.below_labels(page, text);
        }
        for (kind, labelled) in LABELLED.iter() {
            for captures in labelled.captures_iter(text).take(3) {
                let value = captures[1].trim_end_matches(['.', '-', '/', '_']);
                let digits = value.chars().filter(char::is_ascii_digit).count();
                let is_date =
                    !super::dates::find(value, super::dates::NumericOrder::DayFirst).is_empty();
                let (start, end) = captures
                    .get(1)
                    .map_or((0, 0), |value| (value.start(), value.end()));
                // In a table the number below a label is that of its column, and not the one that comes next (`below_labels`).
                let whole = captures.get(0).map_or(0, |whole| whole.start());
                let between = &text[whole..start.max(whole)];
                let is_below = between.contains('\n') && is_in_row(text, whole);
                if digits >= 2 && !is_date && !is_below && !gives_orders(text, start, end) {
                    found.captured(*kind, &captures, page, text, |value| {
                        value.trim_end_matches(['.', '-', '/', '_']).to_owned()
                    });
                }
            }
        }
    }
    found.identifiers
}

#[derive(Default)]
struct Found {
    identifiers: Vec<FoundIdentifier>,
}

impl Found {
    fn add(
        &mut self,
        kind: IdentifierKind,
        value: String,
        source: ValueSource,
        evidence: Option<Evidence>,
    ) {
        let check = verified(kind, &value);
        let is_known = self
            .identifiers
            .iter()
            .any(|known| known.kind == kind && known.value == value);
        if check == Some(false)
            || is_known
            || value.is_empty()
            || self.identifiers.len() >= MAX_IDENTIFIERS
        {
            return;
        }
        self.identifiers.push(FoundIdentifier {
            kind,
            value,
            checked: check == Some(true),
            source,
            evidence,
        });
    }

    /// Numbers whose label stands before them in another cell, or above.
    fn below_labels(&mut self, page: PageNumber, text: &str) {
        for token in TOKEN.find_iter(text).take(MOST_TOKENS) {
            let value = token.as_str().trim_end_matches(['.', '-', '/', '_', ',']);
            let digits = value.chars().filter(char::is_ascii_digit).count();
            let is_other = digits < 2
                || AMOUNT.is_match(value)
                || !super::dates::find(value, super::dates::NumericOrder::DayFirst).is_empty();
            if is_other {
                continue;
            }
            let kind = crate::roles::IDENTIFIERS.role_at(text, token.start());
            let is_number =
                kind.is_some_and(|kind| LABELLED.iter().any(|(labelled, _)| *labelled == kind));
            let has_enough = |kind| {
                self.identifiers
                    .iter()
                    .filter(|known| known.kind == kind)
                    .count()
                    >= 3
            };
            if let Some(kind) = kind.filter(|kind| is_number && !has_enough(*kind))
                && !gives_orders(text, token.start(), token.end())
            {
                self.in_text(kind, value.to_owned(), page, text, token.start());
            }
        }
    }

    fn in_text(
        &mut self,
        kind: IdentifierKind,
        value: String,
        page: PageNumber,
        text: &str,
        position: usize,
    ) {
        let evidence = Evidence {
            page,
            quote: line_at(text, position),
        };
        self.add(kind, value, ValueSource::Text, Some(evidence));
    }

    fn captured(
        &mut self,
        kind: IdentifierKind,
        captures: &regex::Captures<'_>,
        page: PageNumber,
        text: &str,
        normalise: impl Fn(&str) -> String,
    ) {
        let Some(value) = captures.get(1) else {
            return;
        };
        self.in_text(kind, normalise(value.as_str()), page, text, value.start());
    }
}

/// Whether the line of a position has cells.
fn is_in_row(text: &str, position: usize) -> bool {
    let begin = text[..position].rfind('\n').map_or(0, |at| at + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    line.contains('\t')
}

fn compact(value: &str) -> String {
    value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_uppercase()
}

fn clean_doi(doi: &str) -> String {
    let mut doi = doi
        .trim_end_matches(['.', ',', ';', ':', '\'', '"', ']', '}'])
        .to_lowercase();
    while doi.ends_with(')') && doi.matches(')').count() > doi.matches('(').count() {
        doi.pop();
    }
    doi
}

/// Whether the check digits hold; none for kinds without.
pub(crate) fn verified(kind: IdentifierKind, value: &str) -> Option<bool> {
    match kind {
        IdentifierKind::Isbn => Some(isbn_holds(value)),
        IdentifierKind::Issn => Some(issn_holds(value)),
        IdentifierKind::Orcid => Some(orcid_holds(value)),
        IdentifierKind::Iban => Some(iban_holds(value)),
        IdentifierKind::VatId => vat_holds(value),
        _ => None,
    }
}

fn digits(value: &str) -> Option<Vec<u32>> {
    value
        .chars()
        .map(|character| character.to_digit(10))
        .collect()
}

/// ISBN-10 (weights 10 to 1, modulo 11) and ISBN-13 (EAN, modulo 10): ISO 2108.
fn isbn_holds(value: &str) -> bool {
    match value.len() {
        10 => weighted_modulo_11(value),
        13 => digits(value).is_some_and(|digits| {
            let sum: u32 = digits
                .iter()
                .enumerate()
                .map(|(index, digit)| digit * if index % 2 == 0 { 1 } else { 3 })
                .sum();
            sum.is_multiple_of(10) && (value.starts_with("978") || value.starts_with("979"))
        }),
        _ => false,
    }
}

/// ISO 3297: weights 8 to 1, modulo 11.
fn issn_holds(value: &str) -> bool {
    let compacted = compact(value);
    compacted.len() == 8 && weighted_modulo_11(&compacted)
}

fn weighted_modulo_11(value: &str) -> bool {
    let length = value.len();
    let mut sum = 0;
    for (index, character) in value.chars().enumerate() {
        let digit = match (character, index + 1 == length) {
            ('X', true) => 10,
            _ => match character.to_digit(10) {
                Some(digit) => digit,
                None => return false,
            },
        };
        sum += digit * (length - index) as u32;
    }
    sum.is_multiple_of(11)
}

/// ISO 7064 MOD 11-2.
fn orcid_holds(value: &str) -> bool {
    let compacted = compact(value);
    if compacted.len() != 16 {
        return false;
    }
    let (body, check) = compacted.split_at(15);
    let Some(body) = digits(body) else {
        return false;
    };
    let total = body.iter().fold(0, |total, digit| (total + digit) * 2 % 11);
    let expected = (12 - total % 11) % 11;
    check
        == if expected == 10 {
            "X".to_owned()
        } else {
            expected.to_string()
        }
}

/// ISO 13616: MOD 97-10, and the length of the country's format where it is known here.
fn iban_holds(value: &str) -> bool {
    const LENGTHS: &[(&str, usize)] = &[
        ("AT", 20),
        ("BE", 16),
        ("CH", 21),
        ("CZ", 24),
        ("DE", 22),
        ("DK", 18),
        ("ES", 24),
        ("FI", 18),
        ("FR", 27),
        ("GB", 22),
        ("IE", 22),
        ("IT", 27),
        ("LU", 20),
        ("NL", 18),
        ("NO", 15),
        ("PL", 28),
        ("PT", 25),
        ("SE", 24),
    ];
    let Some((head, body)) = value.split_at_checked(4) else {
        return false;
    };
    if !(15..=34).contains(&value.len()) || !value.is_ascii() {
        return false;
    }
    let country = head.get(..2).unwrap_or_default();
    if LENGTHS
        .iter()
        .any(|(known, length)| *known == country && *length != value.len())
    {
        return false;
    }
    check_digits::mod_97_10(body.chars().chain(head.chars()))
}

/// Check digits of the countries whose algorithm is implemented (BE modulo 97, DE ISO 7064 MOD 11,10, FR key of the
/// SIREN, IT and LU); none for the others.
fn vat_holds(value: &str) -> Option<bool> {
    let body = value.get(2..)?;
    match value.get(..2)? {
        "BE" => {
            let padded = format!("{body:0>10}");
            let (number, check) = (
                padded.get(..8)?.parse::<u32>().ok()?,
                padded.get(8..)?.parse::<u32>().ok()?,
            );
            Some(97 - number % 97 == check)
        }
        "DE" => Some(check_digits::mod_11_10(&digits(body)?)),
        "FR" => {
            let key = body.get(..2)?.parse::<u64>().ok()?;
            let siren = body.get(2..)?.parse::<u64>().ok()?;
            Some(check_digits::siren_key(key, siren))
        }
        "IT" => {
            // Eleven of them: every second from the left is every second from the right.
            Some(check_digits::luhn(&digits(body)?))
        }
        "LU" => {
            let (number, check) = (
                body.get(..6)?.parse::<u32>().ok()?,
                body.get(6..)?.parse::<u32>().ok()?,
            );
            Some(number % 89 == check)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_tell_right_from_wrong() {
        let cases = [
            (IdentifierKind::Isbn, "9780306406157", "9780306406158"),
            (IdentifierKind::Isbn, "080442957X", "0804429571"),
            (IdentifierKind::Issn, "2049-3630", "2049-3631"),
            (
                IdentifierKind::Orcid,
                "0000-0002-1825-0097",
                "0000-0002-1825-0098",
            ),
            (
                IdentifierKind::Iban,
                "DE89370400440532013000",
                "DE89370400440532013001",
            ),
            (
                IdentifierKind::Iban,
                "GB82WEST12345698765432",
                "GB82WEST1234569876543",
            ),
            (IdentifierKind::VatId, "DE136695976", "DE136695978"),
            (IdentifierKind::VatId, "BE0428759497", "BE0431150351"),
            (IdentifierKind::VatId, "IT00743110157", "IT00743110158"),
            (IdentifierKind::VatId, "LU15027442", "LU15027443"),
            (IdentifierKind::VatId, "FR40303265045", "FR84323140391"),
        ];
        for (kind, right, wrong) in cases {
            assert_eq!(verified(kind, right), Some(true), "{right}");
            assert_eq!(verified(kind, wrong), Some(false), "{wrong}");
        }
    }

    #[test]
    fn a_doi_ends_where_its_sentence_does() {
        assert_eq!(
            clean_doi("10.1000/ABC(2020)12)."),
            "10.1000/abc(2020)12)".trim_end_matches(')')
        );
        assert_eq!(
            clean_doi("10.1000/s0022(05)00001-6"),
            "10.1000/s0022(05)00001-6"
        );
    }
}
