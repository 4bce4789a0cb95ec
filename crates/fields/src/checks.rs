//! What the rules of EN 16931 and check digits say of an invoice's fields. They judge the values, whoever gave them.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::amounts::shown;
use crate::field::{Fields, value};
use crate::ids;
use crate::term::{self, Term};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// A value that it speaks of is missing.
    NotApplicable,
}

/// A rule, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its name: one of EN 16931 (`BR-CO-15`), or `IBAN`, `VAT-ID`, `DATES`, `PAGE`.
    pub rule: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The fields that it speaks of.
    pub fields: Vec<String>,
    /// What is wrong, with the values, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Check {
    pub(crate) fn failed(rule: &str, fields: &[Term], message: String) -> Self {
        Self::new(rule, fields, Outcome::Failed, Some(message))
    }

    fn new(rule: &str, fields: &[Term], outcome: Outcome, message: Option<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            outcome,
            fields: fields.iter().map(|term| term.number().to_owned()).collect(),
            message,
        }
    }

    /// Passed, or failed with a message; `None`: a value is missing.
    fn of(rule: &str, fields: &[Term], holds: Option<Result<(), String>>) -> Self {
        match holds {
            None => Self::new(rule, fields, Outcome::NotApplicable, None),
            Some(Ok(())) => Self::new(rule, fields, Outcome::Passed, None),
            Some(Err(message)) => Self::failed(rule, fields, message),
        }
    }
}

/// All checks, in the order of their names in the standard.
pub(crate) fn all(fields: &Fields, lines: &[Fields], vat: &[Fields]) -> Vec<Check> {
    let mut checks: Vec<Check> = [
        ("BR-02", term::NUMBER),
        ("BR-03", term::ISSUED),
        ("BR-04", term::TYPE),
        ("BR-05", term::CURRENCY),
        ("BR-06", term::SELLER),
        ("BR-07", term::BUYER),
    ]
    .into_iter()
    .map(|(rule, term)| {
        let there = value(fields, term).map(|_| ());
        let there = there.ok_or_else(|| format!("{} ({}) is missing", term.name(), term.number()));
        Check::of(rule, &[term], Some(there))
    })
    .collect();
    checks.extend(
        [
            (term::SELLER_VAT, term::SELLER_COUNTRY),
            (term::BUYER_VAT, term::BUYER_COUNTRY),
        ]
        .map(|(number, _)| {
            Check::of(
                "BR-CO-09",
                &[number],
                value(fields, number).map(has_country),
            )
        }),
    );
    checks.push(lines_make_their_total(fields, lines));
    checks.push(equation(
        "BR-CO-13",
        fields,
        term::NET,
        &[
            (term::LINES_NET, 1, true),
            (term::ALLOWANCES, -1, false),
            (term::CHARGES, 1, false),
        ],
    ));
    checks.push(rows_make_the_vat(fields, vat));
    checks.push(equation(
        "BR-CO-15",
        fields,
        term::GROSS,
        &[(term::NET, 1, true), (term::VAT, 1, true)],
    ));
    checks.push(equation(
        "BR-CO-16",
        fields,
        term::DUE_AMOUNT,
        &[
            (term::GROSS, 1, true),
            (term::PAID, -1, false),
            (term::ROUNDING, 1, false),
        ],
    ));
    checks.extend(vat.iter().map(base_and_rate_make_the_vat));
    let iban = value(fields, term::IBAN).map(|account| match ids::is_iban(account) {
        true => Ok(()),
        false => Err("the account's check digits or its length are wrong".to_owned()),
    });
    checks.push(Check::of("IBAN", &[term::IBAN], iban));
    for number in [term::SELLER_VAT, term::BUYER_VAT] {
        let holds =
            value(fields, number)
                .and_then(ids::is_vat_number)
                .map(|is_right| match is_right {
                    true => Ok(()),
                    false => Err(
                        "the number's form or its check digits are wrong for its country"
                            .to_owned(),
                    ),
                });
        checks.push(Check::of("VAT-ID", &[number], holds));
    }
    checks.push(dates_in_order(fields));
    checks
}

fn decimal(fields: &Fields, term: Term) -> Option<Decimal> {
    value(fields, term)?.parse().ok()
}

/// The prefix of a VAT number is a country's code; Greece's is EL.
fn has_country(number: &str) -> Result<(), String> {
    let prefix: String = number.chars().take(2).collect();
    let is_code = prefix.len() == 2 && prefix.chars().all(|c| c.is_ascii_uppercase());
    match is_code {
        true => Ok(()),
        false => Err("the number does not begin with the code of a country".to_owned()),
    }
}

/// Compares after rounding to two decimals, as the standard does.
fn compared(left: Decimal, right: Decimal) -> Result<(), String> {
    let rounded = |amount: Decimal| {
        amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
    };
    match rounded(left) == rounded(right) {
        true => Ok(()),
        false => Err(format!(
            "{} where {} is expected",
            shown(left),
            shown(right)
        )),
    }
}

/// A term that others make; those that need not be there count as nothing.
fn equation(rule: &str, fields: &Fields, term: Term, parts: &[(Term, i64, bool)]) -> Check {
    let mut named = vec![term];
    named.extend(parts.iter().map(|(part, ..)| *part));
    let sum = parts
        .iter()
        .try_fold(
            Decimal::ZERO,
            |sum, (part, sign, is_needed)| match decimal(fields, *part) {
                Some(amount) => Some(sum + amount * Decimal::from(*sign)),
                None => (!is_needed).then_some(sum),
            },
        );
    let holds = decimal(fields, term)
        .zip(sum)
        .map(|(left, right)| compared(left, right));
    Check::of(rule, &named, holds)
}

fn sum_of(rows: &[Fields], term: Term) -> Option<Decimal> {
    let amounts = rows.iter().map(|row| decimal(row, term));
    let sum = amounts
        .into_iter()
        .try_fold(Decimal::ZERO, |sum, amount| Some(sum + amount?));
    sum.filter(|_| !rows.is_empty())
}

fn lines_make_their_total(fields: &Fields, lines: &[Fields]) -> Check {
    let total = decimal(fields, term::LINES_NET);
    let holds = total
        .zip(sum_of(lines, term::LINE_NET))
        .map(|(total, sum)| compared(total, sum));
    Check::of("BR-CO-10", &[term::LINES_NET, term::LINE_NET], holds)
}

fn rows_make_the_vat(fields: &Fields, vat: &[Fields]) -> Check {
    let total = decimal(fields, term::VAT);
    let holds = total
        .zip(sum_of(vat, term::VAT_AMOUNT))
        .map(|(total, sum)| compared(total, sum));
    Check::of("BR-CO-14", &[term::VAT, term::VAT_AMOUNT], holds)
}

/// The published rule allows less than one unit of the currency.
fn base_and_rate_make_the_vat(row: &Fields) -> Check {
    let terms = [term::VAT_AMOUNT, term::VAT_BASE, term::VAT_RATE];
    let amounts = decimal(row, term::VAT_BASE)
        .zip(decimal(row, term::VAT_RATE))
        .zip(decimal(row, term::VAT_AMOUNT));
    let holds = amounts.map(|((base, rate), vat)| {
        let expected = base * rate / Decimal::ONE_HUNDRED;
        match (expected - vat).abs() < Decimal::ONE {
            true => Ok(()),
            false => Err(format!(
                "{} where {} is expected",
                shown(vat),
                shown(expected.round_dp(2))
            )),
        }
    });
    Check::of("BR-CO-17", &terms, holds)
}

fn dates_in_order(fields: &Fields) -> Check {
    let date = |term: Term| value(fields, term)?.parse::<jiff::civil::Date>().ok();
    let holds = date(term::ISSUED)
        .zip(date(term::DUE))
        .map(|(issued, due)| match issued <= due {
            true => Ok(()),
            false => Err(format!("due on {due}, before it was issued on {issued}")),
        });
    Check::of("DATES", &[term::ISSUED, term::DUE], holds)
}
