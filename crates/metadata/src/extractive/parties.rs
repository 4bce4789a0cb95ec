//! Authors and organisations, from the file and clear patterns only.

use std::sync::LazyLock;

use pagemill_document::Inspection;
use regex::Regex;

use crate::extractive::finding::{Sourced, ValueSource};
use crate::extractive::sample::{Sample, collapse, line_at};

/// Most organisations.
const MAX_ORGANISATIONS: usize = 10;

/// What stands in the author field when nobody filled it in.
const NO_AUTHORS: &[&str] = &[
    "user",
    "admin",
    "administrator",
    "unknown",
    "owner",
    "root",
    "author",
    "default",
    "windows user",
    "anonymous",
    "microsoft office user",
    "preinstalled",
    "none",
    "test",
    "guest",
    "office",
    "me",
    "pc",
    "home",
    "latex",
    "word",
    "acrobat",
    "adobe",
    "writer",
    "apache fop",
    "tcpdf",
    "wkhtmltopdf",
    "edgar online",
    "n/a",
    "na",
    "utente",
    "benutzer",
    "usuario",
];

/// Authors by the file's own account; user names, programs and addresses are left out.
pub(crate) fn authors(inspection: &Inspection) -> Vec<Sourced<String>> {
    let claims = [
        (inspection.info.xmp.get("dc:creator"), ValueSource::Xmp),
        (inspection.info.info.get("author"), ValueSource::PdfInfo),
    ];
    for (claim, source) in claims {
        let Some(claim) = claim else {
            continue;
        };
        let authors: Vec<Sourced<String>> = split_names(claim)
            .into_iter()
            .filter(|name| is_name(name) && is_persons(name))
            .map(|name| Sourced::new(name, source))
            .take(50)
            .collect();
        if !authors.is_empty() {
            return authors;
        }
    }
    Vec::new()
}

/// Whether an author's name can be a person's: not a company's, a code of departments, an abbreviation or a description.
fn is_persons(name: &str) -> bool {
    let is_code = name.contains(':') || (!name.contains(' ') && name.contains('.'));
    let is_abbreviation = !name.contains(' ')
        && name.chars().count() > 1
        && name
            .chars()
            .all(|letter| letter.is_uppercase() || !letter.is_alphabetic())
        && !name.chars().any(|letter| letter as u32 >= 0x2E80);
    let words = name.split_whitespace().count();
    let is_description = words > 3 && name.starts_with(char::is_lowercase);
    !is_code && !is_abbreviation && !is_description && !is_organisation(name)
}

fn split_names(claim: &str) -> Vec<String> {
    let by_semicolon: Vec<&str> = claim.split([';', '\n']).collect();
    let mut names = Vec::new();
    for part in by_semicolon {
        // "Example & Co." is one.
        if is_organisation(part.trim()) || part.trim().ends_with("& Co.") {
            names.push(collapse(part));
            continue;
        }
        for piece in part.split(" and ").flat_map(|piece| piece.split(" & ")) {
            let commas: Vec<&str> = piece
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .collect();
            // `Lane, Patrick` is one name; `P. Lane, A. Best` are two.
            let are_full_names = commas.len() > 1 && commas.iter().all(|name| name.contains(' '));
            if are_full_names {
                names.extend(commas.into_iter().map(collapse));
            } else {
                names.push(collapse(piece));
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| !name.is_empty() && seen.insert(name.to_lowercase()));
    names
}

fn is_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let length = name.chars().count();
    let is_login = !name.contains(' ') && name == lower && name.is_ascii();
    let letters = name
        .chars()
        .filter(|character| character.is_alphabetic())
        .count();
    (2..=100).contains(&length)
        && letters * 2 > length
        && !NO_AUTHORS.contains(&lower.as_str())
        && !is_login
        && !name.contains(['@', '\\', '/', '\u{fffd}'])
        && !name.chars().any(|character| character.is_ascii_digit())
}

static LEGAL_FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?x)
        (?:^|[\s(,;:|–-])
        ( \p{Lu}[\p{L}\p{N}&.'’-]* (?:\x20(?:\p{Lu}[\p{L}\p{N}&.'’-]*|&|und|and|et|of|für|du|de|des|der|di|del|della|van|von|the)){0,6}
          ,?\x20(?:GmbH(?:\x20&\x20Co\.?(?:\x20KG)?)?|AG|KG|e\.V\.|Inc\.?|Incorporated|Ltd\.?|Limited|LLC|LLP|PLC|plc|Corp\.?|Corporation|S\.A\.|SA|SARL|S\.à\x20r\.l\.|SAS|S\.L\.|S\.p\.A\.|S\.r\.l\.|B\.V\.|BV|N\.V\.|Oy|AB|A/S|ApS|AS|s\.r\.o\.|Sp\.\x20z\x20o\.o\.|GbR|OHG|UG|eG)
        )
        (?:$|[\s),;:.|–-])")
    .expect("pattern is valid")
});
static UNIVERSITY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b((?:\p{Lu}[\p{L}.-]+ ){1,3}University(?: of \p{Lu}[\p{L}-]+(?: \p{Lu}[\p{L}-]+)?)?|University of \p{Lu}[\p{L}-]+(?: \p{Lu}[\p{L}-]+)?|(?:Technische )?Universität \p{Lu}[\p{L}-]+|Université (?:de |d['’])?\p{Lu}[\p{L}-]+|Universidad de \p{Lu}[\p{L}-]+)")
        .expect("pattern is valid")
});

/// Words in the names of organisations that have no legal form in it.
static INSTITUTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:university|universit[äéà]t?|université|universidad|institut|ministry|minist[eè]r|ministerium|department|bundesamt|landesamt|finanzamt|agency|agentur|commission|kommission|council|committee|foundation|asociaci[oó]n|associazione|vereniging|stiftung|fondation|association|verein|verband|society|gesellschaft|\bbank\b|sparkasse|hospital|klinik|hôpital|school|hochschule|college|academy|akademie|verlag|press\b|publishers?|museum|library|bibliothek|laborator|observatory|corporation|company|\bcompanies|group\b|holding|werke\b|stadtwerke|court\b|parliament|bureau\b|centre\b|center\b)")
        .expect("pattern is valid")
});

/// Whether a name shows by itself that it is an organisation's: by a legal form, or by what it calls itself.
pub(crate) fn is_organisation(name: &str) -> bool {
    LEGAL_FORM
        .captures(name)
        .and_then(|captures| captures.get(1))
        .is_some_and(|found| found.len() * 2 >= name.len())
        || INSTITUTION.is_match(name)
}

/// Whether something is written as the names of persons are: a few words with capitals, and what joins them.
#[cfg(feature = "llm")]
pub(crate) fn looks_like_names(name: &str) -> bool {
    const BETWEEN: &[&str] = &[
        "van", "von", "de", "der", "den", "di", "da", "del", "della", "la", "le", "bin", "al",
        "and", "und", "et", "y", "e", "&", "zu", "ter", "ten", "dos", "du",
    ];
    let words: Vec<&str> = name
        .split([' ', ',', ';', '\u{a0}'])
        .filter(|word| !word.is_empty())
        .collect();
    let is_dense = name.chars().any(|letter| letter as u32 >= 0x2E80);
    is_dense
        || (!words.is_empty()
            && words.len() <= 40
            && words.iter().all(|word| {
                let is_name = word.starts_with(char::is_uppercase)
                    && !word
                        .contains(|letter: char| letter.is_ascii_digit() || ":/@".contains(letter));
                is_name || BETWEEN.contains(word)
            }))
}

/// Organisations: the publisher by the file's account, and names with a legal form or of universities on the first
/// two pages.
pub(crate) fn organisations(inspection: &Inspection, sample: &Sample) -> Vec<Sourced<String>> {
    let mut organisations: Vec<Sourced<String>> = Vec::new();
    let claims = [
        (inspection.info.xmp.get("dc:publisher"), ValueSource::Xmp),
        (inspection.info.info.get("company"), ValueSource::PdfInfo),
    ];
    for (claim, source) in claims {
        if let Some(name) = claim
            .map(|claim| collapse(claim))
            .filter(|name| is_name(name))
        {
            organisations.push(Sourced::new(name, source));
        }
    }
    // Where a company wrote it, the author's field has its name.
    let written_by = [
        (inspection.info.xmp.get("dc:creator"), ValueSource::Xmp),
        (inspection.info.info.get("author"), ValueSource::PdfInfo),
    ];
    let companies = written_by.into_iter().find_map(|(claim, source)| {
        let names = split_names(claim?).into_iter();
        let mut companies = names
            .filter(|name| is_organisation(name) && is_name(name))
            .peekable();
        companies.peek()?;
        let found = companies.map(|name| Sourced::new(name, source));
        Some(found.collect::<Vec<_>>())
    });
    organisations.extend(companies.unwrap_or_default());
    for passage in sample.first(2) {
        for line in passage.text.lines() {
            for pattern in [&LEGAL_FORM, &UNIVERSITY] {
                for captures in pattern.captures_iter(line) {
                    let Some(name) = captures.get(1) else {
                        continue;
                    };
                    let value = collapse(name.as_str().trim_end_matches(','));
                    let position = passage.text.find(line).unwrap_or_default();
                    if value.chars().count() <= 90 {
                        let quote = line_at(&passage.text, position);
                        organisations.push(Sourced::shown(
                            value,
                            ValueSource::Text,
                            passage.page,
                            quote,
                        ));
                    }
                }
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    organisations.retain(|organisation| seen.insert(organisation.value.to_lowercase()));
    organisations.truncate(MAX_ORGANISATIONS);
    organisations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_are_names_with_a_legal_form() {
        let sample = Sample {
            passages: vec![crate::extractive::sample::Passage {
                page: pagemill_document::PageNumber(1),
                text: "Muster & Söhne GmbH, Hauptstraße 1\nUniversity of Example Town\nthe limited of AG".to_owned(),
            }],
            cut: false,
        };
        let names: Vec<String> = organisations(&Inspection::default(), &sample)
            .into_iter()
            .map(|organisation| organisation.value)
            .collect();
        assert_eq!(names, ["Muster & Söhne GmbH", "University of Example Town"]);
    }

    #[test]
    fn author_fields_are_split_and_cleaned() {
        assert_eq!(
            split_names("Lane, Patrick; Best, Alice"),
            ["Lane, Patrick", "Best, Alice"]
        );
        assert_eq!(
            split_names("P. Lane, A. Best and C. Hickel"),
            ["P. Lane", "A. Best", "C. Hickel"]
        );
        for junk in ["jdoe", "Windows User", "admin", "x@example.org", "PC-1234"] {
            assert!(!is_name(junk), "{junk}");
        }
        assert!(is_name("Patrick Lane"));
    }
}
