//! Identifiers with check digits: bank accounts and VAT numbers.

use std::sync::LazyLock;

use pagemill_metadata::check_digits;
use regex::Regex;

/// An identifier on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundId {
    /// Without spaces and dots.
    pub(crate) value: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

static IBAN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Z]{2}\d{2}(?:[ \u{a0}]?[A-Z0-9]){10,30}\b").expect("pattern is valid")
});

/// Lengths of bank account numbers by country (ISO 13616 registry).
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AT", 20),
    ("BE", 16),
    ("BG", 22),
    ("CH", 21),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FR", 27),
    ("GB", 22),
    ("GI", 23),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IS", 26),
    ("IT", 27),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("TR", 26),
];

/// The bank accounts of a text: those of a country's length, whether or not their check digits are right.
pub(crate) fn ibans(text: &str) -> Vec<FoundId> {
    let found = IBAN.find_iter(text).filter_map(|matched| {
        let country = matched.as_str().get(..2)?;
        let (_, length) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country)?;
        // What follows in capitals or digits may not be of it any more.
        let mut value = String::new();
        let mut end = matched.start();
        for (at, character) in matched.as_str().char_indices() {
            if value.len() == *length {
                break;
            }
            if character.is_ascii_alphanumeric() {
                value.push(character);
                end = matched.start() + at + 1;
            }
        }
        let is_whole =
            value.len() == *length && !text[end..].starts_with(|c: char| c.is_ascii_alphanumeric());
        is_whole.then(|| FoundId {
            value,
            start: matched.start(),
            end,
        })
    });
    found.collect()
}

/// Whether an account's number has the check digits that ISO 7064 (mod 97) asks for.
pub(crate) fn is_iban(value: &str) -> bool {
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let Some((head, tail)) = compact.split_at_checked(4) else {
        return false;
    };
    let length = IBAN_LENGTHS.iter().find(|(code, _)| head.starts_with(code));
    if length.is_none_or(|(_, length)| *length != compact.len()) {
        return false;
    }
    check_digits::mod_97_10(tail.chars().chain(head.chars()))
}

static VAT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)\b(?:
        ATU\ ?\d{8} | BE\ ?[01]?\d{3}[.\ ]?\d{3}[.\ ]?\d{3} | BG\d{9,10} | CHE[-\ ]?\d{3}[.\ ]?\d{3}[.\ ]?\d{3} | CY\d{8}[A-Z] | CZ\d{8,10}
      | DE\ ?\d{3}\ ?\d{3}\ ?\d{3}\d{0,2} | DE\ ?\d{8,11} | DK\ ?\d{2}\ ?\d{2}\ ?\d{2}\ ?\d{2} | EE\d{9} | EL\d{9} | ES\ ?[A-Z0-9]\d{7}[A-Z0-9]
      | FI\d{8} | FR\ ?[A-Z0-9]{2}\ ?\d{3}\ ?\d{3}\ ?\d{3} | GB\ ?\d{3}\ ?\d{4}\ ?\d{2} | HR\d{11} | HU\d{8} | IE\d[A-Z0-9]\d{5}[A-Z]{1,2}
      | IT\ ?\d{11} | LT\d{9,12} | LU\ ?\d{8} | LV\d{11} | MT\d{8} | NL\ ?\d{9}\ ?B\ ?\d{2} | PL\ ?\d{10} | PT\ ?\d{9} | RO\d{2,10}
      | SE\d{12} | SI\d{8} | SK\d{10}
        )\b",
    )
    .expect("pattern is valid")
});

/// What may be VAT numbers in a text, by their form.
pub(crate) fn vat_numbers(text: &str) -> Vec<FoundId> {
    let found = VAT.find_iter(text).map(|matched| FoundId {
        value: compact(matched.as_str()),
        start: matched.start(),
        end: matched.end(),
    });
    found.collect()
}

/// An identifier without spaces and punctuation.
pub(crate) fn compact(value: &str) -> String {
    value.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether a VAT number has the form and the check digits of its country; `None` for countries whose rule is not known here.
pub(crate) fn is_vat_number(value: &str) -> Option<bool> {
    let value = compact(value);
    let country = value.get(..2)?;
    let rest = value.get(2..)?;
    let digits: Vec<u32> = rest.chars().filter_map(|c| c.to_digit(10)).collect();
    let all_digits = digits.len() == rest.len();
    Some(match country {
        "DE" => all_digits && digits.len() == 9 && check_digits::mod_11_10(&digits),
        "BE" => {
            all_digits && matches!(digits.len(), 9 | 10) && {
                let number = number(&digits);
                97 - (number / 100) % 97 == number % 100
            }
        }
        "AT" => {
            rest.len() == 9 && digits.len() == 8 && {
                let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
                let sum: u32 = digits[..7]
                    .iter()
                    .zip(0..)
                    .map(|(digit, at)| if at % 2 == 1 { doubled(*digit) } else { *digit })
                    .sum();
                (10 - (sum + 4) % 10) % 10 == digits[7]
            }
        }
        "FR" => {
            rest.len() == 11 && {
                let (key, siren) = rest.split_at(2);
                match (key.parse::<u64>(), siren.parse::<u64>()) {
                    // Newer keys have letters; their rule is not published.
                    (Err(_), Ok(_)) => return None,
                    (Ok(key), Ok(siren)) => check_digits::siren_key(key, siren),
                    _ => false,
                }
            }
        }
        "IT" => all_digits && digits.len() == 11 && check_digits::luhn(&digits),
        "LU" => {
            all_digits && digits.len() == 8 && number(&digits[..6]) % 89 == number(&digits[6..])
        }
        "PL" => {
            all_digits && digits.len() == 10 && {
                let weights = [6, 5, 7, 2, 3, 4, 5, 6, 7];
                let sum: u32 = digits
                    .iter()
                    .zip(weights)
                    .map(|(digit, weight)| digit * weight)
                    .sum();
                sum % 11 == digits[9]
            }
        }
        "NL" => {
            rest.len() == 12 && {
                let old = digits.get(..9).is_some_and(|digits| {
                    let sum: u32 = digits[..8]
                        .iter()
                        .zip((2..=9).rev())
                        .map(|(digit, weight)| digit * weight)
                        .sum();
                    sum % 11 == digits[8]
                });
                // Since 2020 the numbers of sole traders are checked as account numbers are.
                old || check_digits::mod_97_10(value.chars())
            }
        }
        _ => return None,
    })
}

fn number(digits: &[u32]) -> u64 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_with_their_length_and_checked() {
        let text = "IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX";
        let found = ibans(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value, "DE89370400440532013000");
        assert_eq!(
            &text[found[0].start..found[0].end],
            "DE89 3704 0044 0532 0130 00"
        );
        assert!(is_iban("DE89370400440532013000"));
        assert!(!is_iban("DE89370400440532013001"));
        assert!(is_iban("GB82 WEST 1234 5698 7654 32"));
        assert!(ibans("DE89 3704 0044").is_empty());
    }

    #[test]
    fn vat_numbers_are_checked_by_the_rule_of_their_country() {
        for valid in [
            "DE136695976",
            "ATU13585627",
            "BE0428759497",
            "FR83404833048",
            "IT00743110157",
            "LU15027442",
            "NL004495445B01",
            "PL8567346215",
        ] {
            assert_eq!(is_vat_number(valid), Some(true), "{valid}");
            let mut wrong = valid.to_owned();
            let last = wrong
                .rfind(|c: char| c.is_ascii_digit())
                .expect("it has digits");
            let last = if valid.starts_with("NL") { 5 } else { last };
            let digit = wrong[last..=last].parse::<u32>().expect("a digit");
            wrong.replace_range(last..=last, &((digit + 1) % 10).to_string());
            assert_eq!(is_vat_number(&wrong), Some(false), "{wrong}");
        }
        assert_eq!(is_vat_number("ES12345674A"), None);
    }

    #[test]
    fn vat_numbers_are_found_without_their_spaces() {
        let found = vat_numbers("UStId DE 232 446 240, TVA : FR11 999 999 998");
        let values: Vec<&str> = found.iter().map(|found| found.value.as_str()).collect();
        assert_eq!(values, ["DE232446240", "FR11999999998"]);
    }
}
