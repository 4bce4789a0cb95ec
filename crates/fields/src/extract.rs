//! From pages and XML to fields.

use pagemill_document::PageText;
use pagemill_metadata::document::Candidate;
use pagemill_metadata::{DocumentType, Source};

use crate::calibration::Calibration;
use crate::checks::{self, Check};
use crate::correction::Corrections;
use crate::custom;
use crate::document::{DocumentFields, SeedView, XmlUsed};
use crate::evaluation::{self, Reason};
use crate::field::{Field, Fields, Verified};
use crate::ids::{self, compact};
use crate::printed::{self, Manner, Printed, terms};
use crate::profile::Profile;
use crate::rows::Rows;
use crate::shown::Shown;
use crate::term::{self, Kind, Term};
use crate::xml::{self, Values, XmlInvoice};

/// An XML file that a document carries.
#[derive(Debug, Clone, Copy)]
pub struct XmlFile<'a> {
    /// Its name in the document.
    pub name: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// What fields are extracted from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// The key of its source.
    pub key: &'a str,
    /// Its pages, at least the first ones. More than 30 are not looked at.
    pub pages: &'a [PageText],
    /// The XML files that it carries.
    pub files: &'a [XmlFile<'a>],
    /// The names of all files that it carries.
    pub attachments: &'a [&'a str],
    /// What kind of document it is, as far as that is known.
    pub document_type: Option<DocumentType>,
    /// SHA-256 of the file, hex: which of the corrections were made of it.
    pub sha256: &'a str,
    /// What people decided, where they did.
    pub corrections: Option<&'a Corrections>,
    /// The profiles of users, in the order in which they are tried; those that every installation has come after them.
    pub profiles: &'a [Profile],
    /// By which values are given a probability, where there is one.
    pub calibration: Option<&'a Calibration>,
}

/// Lines whose values are looked for on the pages; those of longer invoices are told without `shown`.
const MAX_LINES_SHOWN: usize = 100;

/// Names of files by which the standards call the invoice of a PDF; they are tried first.
const KNOWN_NAMES: &[&str] = &["factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml"];

/// Extracts the fields of a document. Never fails: what can't be read is said in the warnings.
pub fn extract(input: &Input<'_>) -> DocumentFields {
    let mut extracted = uncalibrated(input);
    if let Some(calibration) = input.calibration {
        calibration.apply(&mut extracted);
    }
    extracted
}

fn uncalibrated(input: &Input<'_>) -> DocumentFields {
    let chosen = input.profiles.iter().find_map(|profile| {
        let by = profile.fits(input.key, input.attachments, input.document_type)?;
        Some((profile, by))
    });
    if let Some((profile, by)) = chosen {
        return of_profile(profile, by, input);
    }
    let mut warnings = Vec::new();
    let xml = invoice_of(input.files, &mut warnings);
    let rows = Rows::of(input.pages);
    let by_type = matches!(
        input.document_type,
        Some(DocumentType::Invoice | DocumentType::Receipt)
    );
    let printed = printed::read(&rows);
    let chosen_by = match (&xml, by_type) {
        (Some(_), _) => "attachment",
        (None, true) => "type",
        (None, false) if looks_like_an_invoice(&printed) => "content",
        (None, false) => return without_profile(input, warnings),
    };
    let (used, mut found) = match xml {
        None => (None, Found::printed(printed)),
        Some((name, invoice)) => {
            let used = XmlUsed {
                name: name.to_owned(),
                syntax: invoice.syntax.name().to_owned(),
            };
            (Some(used), Found::of_xml(&invoice, printed, &rows))
        }
    };
    terms::add(&rows, &mut found.fields);
    let is_known = |key: &str| Term::of(key).is_some();
    let again = corrected(input, &mut found.fields, is_known, &mut warnings);
    let mut all = checks::all(&found.fields, &found.lines, &found.vat);
    all.append(&mut found.checks);
    let required = evaluation::required_of_invoices();
    let evaluation = evaluation::evaluate(&required, &found.fields, &all, again);
    DocumentFields {
        profile: "invoice".to_owned(),
        chosen_by: chosen_by.to_owned(),
        xml: used,
        seed_view: Some(SeedView::of(&found.fields)),
        fields: found.fields,
        lines: found.lines,
        vat_breakdown: found.vat,
        evaluation: Some(evaluation),
        checks: all,
        warnings,
    }
}

/// The fields of a user's profile.
fn of_profile(profile: &Profile, chosen_by: &str, input: &Input<'_>) -> DocumentFields {
    let rows = Rows::of(input.pages);
    let mut fields = custom::find(profile, &rows);
    let mut warnings = Vec::new();
    let is_known = |key: &str| profile.schema.properties.contains_key(key);
    let again = corrected(input, &mut fields, is_known, &mut warnings);
    let checks = custom::checks(profile, &fields);
    let required = &profile.schema.required;
    DocumentFields {
        profile: profile.name.clone(),
        chosen_by: chosen_by.to_owned(),
        evaluation: Some(evaluation::evaluate(required, &fields, &checks, again)),
        checks,
        fields,
        ..nothing(warnings)
    }
}

/// What people decided, put in the place of what was extracted; returns what they must look at again.
fn corrected(
    input: &Input<'_>,
    fields: &mut Fields,
    is_known: impl Fn(&str) -> bool,
    warnings: &mut Vec<String>,
) -> Vec<Reason> {
    let corrections = input.corrections;
    corrections.map_or_else(Vec::new, |made| {
        made.apply(input.sha256, fields, is_known, warnings)
    })
}

/// A document that has no fields: what people decided of them is told, not lost without a word.
fn without_profile(input: &Input<'_>, mut warnings: Vec<String>) -> DocumentFields {
    corrected(input, &mut Fields::new(), |_| false, &mut warnings);
    nothing(warnings)
}

fn nothing(warnings: Vec<String>) -> DocumentFields {
    DocumentFields {
        profile: "document".to_owned(),
        chosen_by: "none".to_owned(),
        xml: None,
        fields: Fields::new(),
        lines: Vec::new(),
        vat_breakdown: Vec::new(),
        checks: Vec::new(),
        evaluation: None,
        seed_view: None,
        warnings,
    }
}

/// The first file that is an invoice, those with a standard's name first.
fn invoice_of<'a>(
    files: &[XmlFile<'a>],
    warnings: &mut Vec<String>,
) -> Option<(&'a str, XmlInvoice)> {
    let is_known = |file: &&XmlFile<'_>| KNOWN_NAMES.contains(&file.name.to_lowercase().as_str());
    let known = files.iter().filter(is_known);
    let others = files.iter().filter(|file| !is_known(file));
    for (file, is_known) in known
        .map(|file| (file, true))
        .chain(others.map(|file| (file, false)))
    {
        match xml::read(file.bytes) {
            Ok(invoice) => return Some((file.name, invoice)),
            // Other XML has other purposes.
            Err(xml::XmlError::NoInvoice { .. }) if !is_known => {}
            Err(error) => {
                warnings.push(format!("the attached {} was not read: {error}", file.name))
            }
        }
    }
    None
}

/// What is not known to be an invoice is one when it calls itself so, has what all invoices have, and its totals add up.
fn looks_like_an_invoice(printed: &Printed) -> bool {
    let has = |term: &Term| printed.fields.contains_key(term.0);
    let adds_up = printed
        .fields
        .get(term::GROSS.0)
        .is_some_and(|gross| !gross.derived_from.is_empty());
    let is_named = printed.fields.get(term::NUMBER.0).is_some_and(|number| {
        number
            .sources
            .iter()
            .any(|source| source.0 != "rule:number.alone")
    });
    let pays = [
        term::SELLER_VAT,
        term::SELLER_TAX,
        term::IBAN,
        term::DUE,
        term::DUE_AMOUNT,
    ];
    adds_up
        && is_named
        && [term::ISSUED, term::TYPE, term::CURRENCY].iter().all(has)
        && pays.iter().any(has)
}

/// The values of a document, from all sources.
struct Found {
    fields: Fields,
    lines: Vec<Fields>,
    vat: Vec<Fields>,
    checks: Vec<Check>,
}

impl Found {
    fn printed(printed: Printed) -> Self {
        Self {
            fields: printed.fields,
            lines: printed.lines,
            vat: printed.vat,
            checks: Vec::new(),
        }
    }

    /// The XML's values, looked for on the pages; and what only the pages have.
    fn of_xml(invoice: &XmlInvoice, printed: Printed, rows: &Rows<'_>) -> Self {
        let shown = Shown::of(rows, Manner::of(rows));
        let source = Source(format!("xml:{}", invoice.syntax.name()));
        let of_values = |values: &Values, shown: Option<&Shown<'_>>| -> Fields {
            let fields = values
                .iter()
                .map(|(term, value)| (term.0.to_owned(), xml_field(*term, value, &source, shown)));
            fields.collect()
        };
        let of_rows = |rows: &[Values]| -> Vec<Fields> {
            let rows = rows.iter().enumerate();
            rows.map(|(at, row)| of_values(row, (at < MAX_LINES_SHOWN).then_some(&shown)))
                .collect()
        };
        let mut found = Self {
            fields: of_values(&invoice.values, Some(&shown)),
            lines: of_rows(&invoice.lines),
            vat: of_rows(&invoice.vat),
            checks: Vec::new(),
        };
        found.hold_against(&printed);
        for (key, field) in printed.fields {
            found.fields.entry(key).or_insert(field);
        }
        if found.lines.is_empty() {
            found.lines = printed.lines;
        }
        if found.vat.is_empty() {
            found.vat = printed.vat;
        }
        found
    }

    /// Where the pages say otherwise of what is paid, and to whom, that is for people to decide: the XML is read by machines, the
    /// page by who pays.
    fn hold_against(&mut self, printed: &Printed) {
        for term in [
            term::NUMBER,
            term::ISSUED,
            term::DUE,
            term::CURRENCY,
            term::SELLER_VAT,
            term::NET,
            term::GROSS,
            term::IBAN,
        ] {
            let (Some(field), Some(page)) =
                (self.fields.get_mut(term.0), printed.fields.get(term.0))
            else {
                continue;
            };
            let (Some(said), Some(shows)) = (field.value.clone(), page.value.clone()) else {
                continue;
            };
            if field.shown != Some(false) || same(term, &said, &shows) {
                continue;
            }
            let message = format!("the XML says {said}, and the page shows {shows}");
            self.checks.push(Check::failed("PAGE", &[term], message));
            let is_sure = match term {
                term::IBAN => ids::is_iban(&shows),
                term::GROSS => !page.derived_from.is_empty(),
                _ => false,
            };
            let of_page = candidate(page, shows, "the XML says otherwise");
            if is_sure {
                let of_xml = candidate(field, said, "no page shows it");
                *field = Field::conflict(term.name(), vec![of_xml, of_page]);
            } else {
                field.candidates.push(of_page);
            }
        }
    }
}

fn candidate(field: &Field, value: String, reason: &str) -> Candidate {
    Candidate {
        value,
        source: field
            .sources
            .first()
            .cloned()
            .unwrap_or_else(|| Source::rule("printed")),
        reason: reason.to_owned(),
        evidence: field.evidence.first().cloned(),
    }
}

fn same(term: Term, left: &str, right: &str) -> bool {
    match term.kind() {
        Kind::Identifier => compact(left).eq_ignore_ascii_case(&compact(right)),
        Kind::Amount => {
            let amount = |raw: &str| {
                raw.parse::<rust_decimal::Decimal>()
                    .ok()
                    .map(|amount| amount.abs())
            };
            amount(left) == amount(right)
        }
        Kind::Text | Kind::Date => left.eq_ignore_ascii_case(right),
    }
}

fn xml_field(term: Term, raw: &str, source: &Source, shown: Option<&Shown<'_>>) -> Field {
    let value = match term.kind() {
        // Accounts and VAT numbers are written with spaces by some; other numbers are left as they are.
        Kind::Identifier
            if matches!(
                term,
                term::IBAN | term::BIC | term::SELLER_VAT | term::BUYER_VAT
            ) =>
        {
            compact(raw)
        }
        Kind::Text => raw.split_whitespace().collect::<Vec<_>>().join(" "),
        Kind::Date | Kind::Amount | Kind::Identifier => raw.to_owned(),
    };
    let found = shown.and_then(|shown| shown.find(term, &value));
    let mut field = Field::new(term.name(), value.clone(), Verified::Xml, source.clone());
    field.raw = (raw != value).then(|| raw.to_owned());
    field.shown = found.as_ref().map(Result::is_ok);
    field.evidence.extend(found.and_then(Result::ok));
    field
}
