//! Check digits of identifiers, by the standards that define them. What is no digit (or, for [`mod_97_10`], no letter either) has
//! none that hold.

/// ISO 7064, MOD 97-10, letters counting from 10: of an account's number with its first four characters behind the others.
pub fn mod_97_10(characters: impl IntoIterator<Item = char>) -> bool {
    let rest = characters.into_iter().try_fold(0_u32, |rest, character| {
        let digit = character.to_digit(36)?;
        Some((rest * if digit > 9 { 100 } else { 10 } + digit) % 97)
    });
    rest == Some(1)
}

/// ISO 7064, MOD 11,10, the check digit last; VAT numbers of Germany.
pub fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, digits)) = digits.split_last() else {
        return false;
    };
    let product = digits.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        2 * (if sum == 0 { 10 } else { sum }) % 11
    });
    (11 - product) % 10 == *check
}

/// Luhn, every second digit from the right doubled but the last; VAT numbers of Italy.
pub fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip(0..)
        .map(|(digit, at)| match at % 2 {
            0 => *digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The key of a French company's number (SIREN).
pub fn siren_key(key: u64, siren: u64) -> bool {
    (12 + 3 * (siren % 97)) % 97 == key
}
