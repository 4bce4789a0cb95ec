//! Dates in running text, and which of them the document's own dates are.

use std::sync::LazyLock;

use regex::Regex;

use crate::extractive::finding::{Sourced, ValueSource};
use crate::extractive::sample::{Sample, line_at};
use crate::labels::Labels;
use crate::orders::gives_orders;

/// Month names and their short forms in English, German, French, Spanish, Italian, Dutch and Portuguese.
const MONTHS: [&[&str]; 12] = [
    &[
        "january", "januar", "janvier", "enero", "gennaio", "januari", "janeiro", "jan", "janv",
        "ene", "gen", "jänner",
    ],
    &[
        "february",
        "februar",
        "février",
        "febrero",
        "febbraio",
        "februari",
        "fevereiro",
        "feb",
        "févr",
        "fév",
        "fev",
    ],
    &[
        "march", "märz", "mars", "marzo", "maart", "março", "mar", "mrz", "mrt",
    ],
    &["april", "avril", "abril", "aprile", "apr", "avr", "abr"],
    &["may", "mai", "mayo", "maggio", "mei", "maio", "mag"],
    &[
        "june", "juni", "juin", "junio", "giugno", "junho", "jun", "giu",
    ],
    &[
        "july", "juli", "juillet", "julio", "luglio", "julho", "jul", "juil", "lug",
    ],
    &["august", "août", "agosto", "augustus", "aug", "ago"],
    &[
        "september",
        "septembre",
        "septiembre",
        "settembre",
        "setembro",
        "sept",
        "sep",
        "set",
    ],
    &[
        "october", "oktober", "octobre", "octubre", "ottobre", "outubro", "oct", "okt", "ott",
        "out",
    ],
    &["november", "novembre", "noviembre", "novembro", "nov"],
    &[
        "december",
        "dezember",
        "décembre",
        "diciembre",
        "dicembre",
        "dezembro",
        "dec",
        "dez",
        "déc",
        "dic",
    ],
];

static MONTH: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<&str> = MONTHS
        .iter()
        .flat_map(|names| names.iter().copied())
        .collect();
    names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
    names.join("|")
});
static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let month = MONTH.as_str();
    Regex::new(&format!(
        r"(?xi)
        \b (?P<iy>\d{{4}}) - (?P<im>\d{{2}}) - (?P<id>\d{{2}}) \b
        | \b (?P<dd>\d{{1,2}}) (?:st|nd|rd|th|er|\.|º)? [\ \n\t-]* (?:of\ |de\ |di\ )? (?P<dm>{month}) \b \.? ,? [\ \n\t-]* (?:de\ |del\ )? (?P<dy>\d{{4}}) \b
        | \b (?P<mm>{month}) \b \.? \ + (?P<md>\d{{1,2}}) (?:st|nd|rd|th)? ,? \ + (?P<my>\d{{4}}) \b
        | \b (?P<om>{month}) \b \.? ,? \ + (?:de\ )? (?P<oy>\d{{4}}) \b
        | (?P<cy>\d{{4}}) \s* [年년] \s* (?P<cm>\d{{1,2}}) \s* [月월] \s* (?P<cd>\d{{1,2}}) \s* [日일]
        | \b (?P<na>\d{{1,2}}) (?P<sep>[./-]) (?P<nb>\d{{1,2}}) [./-] (?P<ny>\d{{4}}) \b
        "
    ))
    .expect("pattern is valid")
});

/// A date in a text, by the byte positions that a match of [`PATTERN`] began and ended at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// ISO 8601; none when day and month can't be told apart.
    pub(crate) iso: Option<String>,
}

/// Whether day or month comes first in numeric dates with slashes or hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumericOrder {
    DayFirst,
    MonthFirst,
    Unknown,
}

/// The order by any unambiguous date of the texts, else by language; English alone does not tell.
pub(crate) fn numeric_order<'a>(
    texts: impl Iterator<Item = &'a str>,
    language: Option<&str>,
) -> NumericOrder {
    let (mut day_first, mut month_first) = (0, 0);
    for text in texts {
        for captures in PATTERN.captures_iter(text) {
            let (Some(a), Some(b)) = (number(&captures, "na"), number(&captures, "nb")) else {
                continue;
            };
            if &captures["sep"] == "." {
                continue;
            }
            if a > 12 && b <= 12 {
                day_first += 1;
            } else if b > 12 && a <= 12 {
                month_first += 1;
            }
        }
    }
    match (day_first, month_first) {
        (0, 0) => match language {
            None | Some("en") => NumericOrder::Unknown,
            Some(_) => NumericOrder::DayFirst,
        },
        (_, 0) => NumericOrder::DayFirst,
        (0, _) => NumericOrder::MonthFirst,
        _ => NumericOrder::Unknown,
    }
}

fn number(captures: &regex::Captures<'_>, name: &str) -> Option<u32> {
    captures.name(name)?.as_str().parse().ok()
}

fn month_number(name: &str) -> Option<u32> {
    let lower = name.to_lowercase();
    let index = MONTHS
        .iter()
        .position(|names| names.contains(&lower.as_str()))?;
    u32::try_from(index + 1).ok()
}

/// All dates in a text.
pub(crate) fn find(text: &str, order: NumericOrder) -> Vec<Found> {
    PATTERN
        .captures_iter(text)
        .filter_map(|captures| {
            let whole = captures.get(0)?;
            let full = |year: &str, month: Option<u32>, day: &str| {
                let (year, month, day) =
                    (number(&captures, year)?, month?, number(&captures, day)?);
                iso_day(year, month, day)
            };
            let iso = if captures.name("iy").is_some() {
                full("iy", number(&captures, "im"), "id")
            } else if let Some(month) = captures.name("dm") {
                full("dy", month_number(month.as_str()), "dd")
            } else if let Some(month) = captures.name("mm") {
                full("my", month_number(month.as_str()), "md")
            } else if let Some(month) = captures.name("om") {
                let (year, month) = (number(&captures, "oy")?, month_number(month.as_str())?);
                (1900..=2100)
                    .contains(&year)
                    .then(|| format!("{year:04}-{month:02}"))
            } else if captures.name("cy").is_some() {
                full("cy", number(&captures, "cm"), "cd")
            } else {
                let (a, b) = (number(&captures, "na")?, number(&captures, "nb")?);
                let day_first =
                    &captures["sep"] == "." || order == NumericOrder::DayFirst || a > 12 || a == b;
                let month_first = order == NumericOrder::MonthFirst || b > 12;
                if day_first && b <= 12 {
                    full("ny", Some(b), "na")
                } else if month_first {
                    full("ny", Some(a), "nb")
                } else {
                    None
                }
            };
            Some(Found {
                start: whole.start(),
                end: whole.end(),
                iso,
            })
        })
        .collect()
}

fn iso_day(year: u32, month: u32, day: u32) -> Option<String> {
    if !(1900..=2100).contains(&year) {
        return None;
    }
    let date = jiff::civil::Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()?;
    Some(date.to_string())
}

/// Whether a string is a date this crate writes: `2024`, `2024-05`, `2024-05-31`.
pub(crate) fn is_iso(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str| {
        let is_plain = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| is_plain)
    };
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| number(part)).collect();
    match (parts.as_slice(), numbers.as_deref()) {
        ([year], Some([_])) => year.len() == 4,
        ([year, month], Some([_, number])) => {
            year.len() == 4 && month.len() == 2 && (1..=12).contains(number)
        }
        ([year, month, day], Some([y, m, d])) => {
            year.len() == 4 && month.len() == 2 && day.len() == 2 && iso_day(*y, *m, *d).is_some()
        }
        _ => false,
    }
}

/// What a date is to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Issued,
    Effective,
    Expires,
    Due,
    /// Something else that has a date: an order, a delivery, a birth.
    Other,
}

impl Role {
    /// By the name that the schema has for it.
    #[cfg(feature = "llm")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "issued" => Some(Self::Issued),
            "effective" => Some(Self::Effective),
            "expires" => Some(Self::Expires),
            "due" => Some(Self::Due),
            _ => None,
        }
    }
}

/// Whether a label says the role in so many words ("invoice date"), or only that there is a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said {
    role: Role,
    is_clear: bool,
}

static LABELS: LazyLock<Labels<Said>> = LazyLock::new(|| {
    let clear = |role| Said {
        role,
        is_clear: true,
    };
    let by_the_way = Said {
        role: Role::Issued,
        is_clear: false,
    };
    Labels::new(&[
        (
            clear(Role::Other),
            r"(?:order|purchase|po|delivery|shipping|shipment|ship|service|supply|birth|print(?:ed|ing)?|start|begin(?:ning)?|end|arrival|departure|check-?(?:in|out)|contract|payment|received|receipt|submission|revision|meeting|event|hire|booking|travel|signature|purchase|sent|paid|delivered|ordered|born|signed|accessed|retrieved) (?:date|on)|date of (?:birth|order|delivery|supply|service|purchase|payment|shipment|receipt|signature|departure|arrival|hire|meeting|travel)|bestelldatum|bestellt am|bestellung vom|auftragsdatum|auftrag vom|lieferdatum|liefertermin|lieferung (?:am|vom)|leistungsdatum|leistungszeitraum|leistung vom|geliefert am|versanddatum|druckdatum|geburtsdatum|geboren am|geb|buchungsdatum|zahlungsdatum|bezahlt am|vertragsdatum|eingangsdatum|anreise|abreise|date de (?:commande|livraison|naissance|paiement|réception)|née? le|fecha de (?:pedido|entrega|nacimiento|pago)|data (?:ordine|di consegna|di nascita|consegna)|besteldatum|leverdatum|geboortedatum|accessed|retrieved|received|accepted",
        ),
        (
            clear(Role::Due),
            r"due date|payment due(?: date| by)?|(?:is |are )?due(?: on| by)?|pay(?:able|ment)? by|to be paid by|fällig(?: am| bis| zum)?|fälligkeit(?:sdatum)?|zahlbar bis(?: zum)?|zu zahlen bis(?: zum)?|zahlungsziel|date d['’]échéance|échéance|à payer avant le|vervaldatum|te betalen voor|vencimiento|fecha de vencimiento|data scadenza|scadenza",
        ),
        (
            clear(Role::Expires),
            r"expir(?:y|es|ation)(?: date| on)?|valid (?:until|through|thru|to)|gültig bis(?: zum)?|terminates on|ends on|endet am|valable jusqu['’]au|expire le|válido hasta|geldig tot",
        ),
        (
            clear(Role::Effective),
            r"effective(?: date)?(?: as of| from| on)?|in force(?: from| since)?|entry into force|enters into force(?: on)?|commencement date|gültig ab|in kraft (?:seit|ab)|tritt am|en vigueur(?: le| depuis le)?|entre en vigueur le|entra en vigor el",
        ),
        (
            clear(Role::Issued),
            r"invoice date|date of (?:issue|invoice|publication)|issue date|date issued|issued(?: on)?|rechnungsdatum|rechnung vom|belegdatum|ausstellungsdatum|ausgestellt am|date de (?:la )?(?:facture|facturation|publication)|date d['’]émission|fecha de (?:emisión|(?:la )?factura|publicación)|fecha factura|data (?:fattura|documento|di emissione|emissione)|factuurdatum|publication date|published(?: on)?|report date|statement date|letter date",
        ),
        (
            by_the_way,
            r"dated|date|datum|fecha|data|revised|last updated|updated",
        ),
    ])
});

/// What the date that begins at `start` is, by the label beside it or above.
#[cfg(feature = "llm")]
pub(crate) fn role_at(text: &str, start: usize) -> Option<Role> {
    LABELS.role_at(text, start).map(|said| said.role)
}

/// The dates that the first pages give the document: those with a label; and, where no label tells the date of issue, a date
/// alone on a line of the upper half of the first page, when it is the only one.
pub(crate) fn of_document(sample: &Sample, language: Option<&str>) -> Printed {
    let order = numeric_order(
        sample.first(10).map(|passage| passage.text.as_str()),
        language,
    );
    let mut dates = Printed::default();
    let mut by_the_way: Option<Sourced<String>> = None;
    let mut alone: Vec<Sourced<String>> = Vec::new();
    for (index, passage) in sample.first(3).enumerate() {
        let text = passage.text.as_str();
        for found in find(text, order) {
            let Some(iso) = found.iso else {
                continue;
            };
            if gives_orders(text, found.start, found.end) {
                continue;
            }
            let value = || {
                Sourced::shown(
                    iso.clone(),
                    ValueSource::Text,
                    passage.page,
                    line_at(text, found.start),
                )
            };
            let slot = match LABELS.role_at(text, found.start) {
                Some(said) => match said.role {
                    Role::Issued if said.is_clear => &mut dates.issued,
                    Role::Issued => &mut by_the_way,
                    Role::Effective => &mut dates.effective,
                    Role::Expires => &mut dates.expires,
                    Role::Due => &mut dates.due,
                    Role::Other => continue,
                },
                None => {
                    let (before, after) = (&text[..found.start], &text[found.end..]);
                    let line_before = before.rsplit('\n').next().unwrap_or_default();
                    let line_after = after.split('\n').next().unwrap_or_default();
                    let around = line_before.trim().len() + line_after.trim().len();
                    if index == 0 && around <= 2 && found.start * 2 <= text.len() {
                        alone.push(value());
                    }
                    continue;
                }
            };
            slot.get_or_insert_with(value);
        }
    }
    let all_one = alone.windows(2).all(|two| two[0].value == two[1].value);
    let alone = alone.into_iter().next().filter(|_| all_one);
    dates.issued = dates.issued.or(by_the_way).or(alone);
    // A due date before the date of issue is a misreading.
    if let (Some(issued), Some(due)) = (&dates.issued, &dates.due)
        && due.value < issued.value
    {
        dates.due = None;
    }
    dates.order = Some(order);
    dates
}

/// The dates that were found.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) issued: Option<Sourced<String>>,
    pub(crate) effective: Option<Sourced<String>>,
    pub(crate) expires: Option<Sourced<String>>,
    pub(crate) due: Option<Sourced<String>>,
    /// In which order day and month were read.
    pub(crate) order: Option<NumericOrder>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, order: NumericOrder) -> Vec<Option<String>> {
        find(text, order)
            .into_iter()
            .map(|found| found.iso)
            .collect()
    }

    #[test]
    fn dates_are_read_in_several_languages() {
        let cases = [
            ("on 31 May 2024.", "2024-05-31"),
            ("May 31, 2024", "2024-05-31"),
            ("den 3. März 2021", "2021-03-03"),
            ("le 1er août 1999", "1999-08-01"),
            ("15 de octubre de 2010", "2010-10-15"),
            ("2020-02-29", "2020-02-29"),
            ("平成 2020年2月9日", "2020-02-09"),
            ("31.12.2019", "2019-12-31"),
            ("June 2018", "2018-06"),
            ("25/12/2019", "2019-12-25"),
            ("12/25/2019", "2019-12-25"),
        ];
        for (text, iso) in cases {
            assert_eq!(
                values(text, NumericOrder::Unknown),
                [Some(iso.to_owned())],
                "{text}"
            );
        }
    }

    #[test]
    fn ambiguous_and_impossible_dates_are_no_dates() {
        assert_eq!(values("03/04/2019", NumericOrder::Unknown), [None]);
        assert_eq!(
            values("03/04/2019", NumericOrder::DayFirst),
            [Some("2019-04-03".to_owned())]
        );
        assert_eq!(values("2021-02-30", NumericOrder::Unknown), [None]);
    }

    #[test]
    fn an_unambiguous_date_decides_the_others() {
        let order = numeric_order(["03/04/2019 and 25/04/2019"].into_iter(), Some("en"));
        assert_eq!(order, NumericOrder::DayFirst);
    }
}
