//! `worker cost`: the ledger, summed up.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use pagemill_app::Environment;
use pagemill_app::costs::{By, Costs, costs};
use pagemill_app::plans::{Place, below_sources};
use pagemill_pipeline::Usd;
use pagemill_storage::{Charged, shown};
use serde_json::{Map, Value, json};

use crate::cli::{self, CostArguments};

/// Runs the command.
pub(crate) async fn command(arguments: CostArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let place = Place {
        out: arguments.folder,
        input: None,
    };
    let (store, settings) = place.store(&environment).await?;
    let layout = &settings.layout;
    let prefix = match arguments.prefix.as_deref() {
        None | Some("") => String::new(),
        Some(given) => below_sources(layout, given),
    };
    let since = match arguments.since {
        Some(day) => Some(day.to_zoned(TimeZone::UTC)?.timestamp()),
        None => None,
    };
    let costs = costs(&store, layout, &prefix, since, &arguments.by).await?;
    let text = match arguments.json {
        true => lines(&costs, &arguments.by),
        false => table(&costs, &arguments.by),
    };
    print!("{text}");
    for row in &costs.unreadable {
        eprintln!("{}", shown(row));
    }
    Ok(ExitCode::from(match costs.unreadable.is_empty() {
        true => cli::EXIT_OK,
        false => cli::EXIT_FINDINGS,
    }))
}

/// A JSON object a group, and last the total.
fn lines(costs: &Costs, by: &[By]) -> String {
    let mut text = String::new();
    let mut push = |mut line: Map<String, Value>, charged: &Charged| {
        for (name, value) in [
            ("calls", json!(charged.calls)),
            ("failed_calls", json!(charged.failed_calls)),
            ("unpriced_calls", json!(charged.unpriced_calls)),
            ("in", json!(charged.units.input_tokens)),
            ("out", json!(charged.units.output_tokens)),
            ("micro_usd", json!(charged.micro_usd)),
        ] {
            line.insert(name.to_owned(), value);
        }
        text.push_str(&Value::Object(line).to_string());
        text.push('\n');
    };
    for (names, charged) in &costs.groups {
        let names = by
            .iter()
            .map(By::to_string)
            .zip(names.iter().map(|name| json!(name)));
        push(names.collect(), charged);
    }
    push(
        Map::from_iter([("total".to_owned(), json!(true))]),
        &costs.total,
    );
    text
}

fn table(costs: &Costs, by: &[By]) -> String {
    let mut rows: Vec<Vec<String>> = vec![by.iter().map(By::to_string).collect()];
    rows[0].extend(["calls", "failed", "in", "out", "cost"].map(str::to_owned));
    let numbers = |charged: &Charged| {
        let count =
            |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let cost = match (charged.micro_usd, charged.unpriced_calls) {
            (Some(cost), 0) => Usd(cost).to_string(),
            (Some(cost), unpriced) => format!("{} and {unpriced} of unknown price", Usd(cost)),
            (None, 0) => "0".to_owned(),
            (None, unpriced) => format!("{unpriced} of unknown price"),
        };
        [
            charged.calls.to_string(),
            charged.failed_calls.to_string(),
            count(charged.units.input_tokens),
            count(charged.units.output_tokens),
            cost,
        ]
    };
    for (names, charged) in &costs.groups {
        let names = names.iter().map(|name| shown(name).to_string());
        rows.push(names.chain(numbers(charged)).collect());
    }
    if !by.is_empty() {
        let mut total = vec![String::new(); by.len()];
        total[0] = "total".to_owned();
        rows.push(total.into_iter().chain(numbers(&costs.total)).collect());
    } else {
        rows.pop();
        rows.push(numbers(&costs.total).to_vec());
    }
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            match column < by.len() {
                true => line.push_str(&format!("{cell:<width$}  ", width = widths[column])),
                false => line.push_str(&format!("{cell:>width$}  ", width = widths[column])),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use pagemill_document::Units;

    use super::*;

    fn some() -> Costs {
        let charged = Charged {
            calls: 2,
            failed_calls: 1,
            units: Units {
                input_tokens: Some(7_000),
                output_tokens: Some(300),
                ..Units::default()
            },
            micro_usd: Some(1_500),
            unpriced_calls: 1,
        };
        let group = vec!["2026-01-01".to_owned(), "gpt".to_owned()];
        Costs {
            groups: [(group, charged)].into(),
            total: charged,
            unreadable: Vec::new(),
        }
    }

    #[test]
    fn a_table_says_what_is_not_known_beside_what_is() {
        let table = table(&some(), &[By::Day, By::Model]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].starts_with("day         model  calls  failed"),
            "{table}"
        );
        assert!(
            lines[1].contains("7000  300  0.001500 USD and 1 of unknown price"),
            "{table}"
        );
        assert!(lines[2].starts_with("total"), "{table}");
    }

    #[test]
    fn json_has_a_line_a_group_and_the_total_last() {
        let text = lines(&some(), &[By::Day, By::Model]);
        let read: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(
            (read[0]["day"].as_str(), read[0]["in"].as_u64()),
            (Some("2026-01-01"), Some(7_000))
        );
        assert_eq!(
            (read[1]["total"].as_bool(), read[1]["micro_usd"].as_u64()),
            (Some(true), Some(1_500))
        );
    }
}
