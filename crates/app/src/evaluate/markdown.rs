//! The report for people.

use pagemill_fields::calibration::rounded;
use pagemill_fields::correction::name_of;
use pagemill_fields::statistics::Interval;
use pagemill_storage::shown;

use super::{Confidence, Finding, Quality, Report, Tally};

/// Characters of a value that are printed, at most.
const MAX_VALUE: usize = 60;

pub(super) fn of(report: &Report) -> String {
    let mut text = String::from("# Evaluation of extracted fields\n\n");
    let overall = &report.overall;
    text.push_str(&format!(
        "{}, {}: precision {}, recall {}, F1 {}.\n\n",
        counted(report.documents, "document"),
        counted(overall.there(), "value"),
        share(overall.precision),
        share(overall.recall),
        share(overall.f1)
    ));
    for note in &report.notes {
        text.push_str(&format!("- {note}\n"));
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    text.push_str("## By field\n\n");
    text.push_str(&fields(report));
    text.push_str("\n## By source\n\n");
    text.push_str(&sources(report));
    text.push_str("\n## What is not right\n\n");
    text.push_str(&findings(&report.findings));
    if let Some(confidence) = &report.confidence {
        text.push_str("\n## How well it says which values are right\n\n");
        text.push_str(&certainty(confidence));
    }
    if !report.left_out.is_empty() {
        text.push_str("\n## Golden data that was left out\n\n");
        let rows = report.left_out.iter();
        let rows = rows.map(|left| vec![cell(&left.file), cell(&left.reason)]);
        text.push_str(&table(&["file", "why"], 2, rows.collect()));
    }
    text
}

fn fields(report: &Report) -> String {
    let row = |key: &str, name: &str, tally: &Tally| {
        vec![
            cell(key),
            cell(name),
            tally.right.to_string(),
            tally.wrong.to_string(),
            tally.invented.to_string(),
            tally.missing.to_string(),
            tally.conflict.to_string(),
            share(tally.precision),
            share(tally.recall),
            share(tally.f1),
        ]
    };
    let mut by_key: Vec<(&String, &Tally)> = report.fields.iter().collect();
    by_key.sort_by_key(|(key, _)| in_order(key));
    let rows = by_key.into_iter();
    let mut rows: Vec<_> = rows
        .map(|(key, tally)| row(key, name_of(key), tally))
        .collect();
    rows.push(row("all", "", &report.overall));
    let heads = [
        "field",
        "name",
        "right",
        "wrong",
        "invented",
        "missing",
        "conflict",
        "precision",
        "recall",
        "F1",
    ];
    table(&heads, 2, rows)
}

/// `BT-9` before `BT-10`.
fn in_order(key: &str) -> (String, u32) {
    let digits = key.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    (key[..digits].to_owned(), key[digits..].parse().unwrap_or(0))
}

fn sources(report: &Report) -> String {
    let rows = report.sources.iter().map(|(source, tally)| {
        vec![
            cell(source),
            tally.right.to_string(),
            tally.wrong.to_string(),
            tally.invented.to_string(),
            share(tally.precision),
            interval(tally.interval),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return "None gave a value.\n".to_owned();
    }
    let heads = [
        "source",
        "right",
        "wrong",
        "invented",
        "precision",
        "95 % interval",
    ];
    table(&heads, 1, rows)
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "Nothing.\n".to_owned();
    }
    let rows = findings.iter().map(|finding| {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        vec![
            cell(&finding.document),
            or_dash(finding.page.map(|page| page.to_string())),
            cell(&finding.field),
            cell(&finding.name),
            finding.verdict.name().to_owned(),
            or_dash(finding.found.as_deref().map(cell)),
            or_dash(finding.right.as_deref().map(cell)),
            or_dash(finding.source.as_deref().map(cell)),
        ]
    });
    let heads = [
        "document", "page", "field", "name", "what", "found", "right", "source",
    ];
    table(&heads, heads.len(), rows.collect())
}

fn certainty(confidence: &Confidence) -> String {
    let mut text = format!(
        "{} of {}, {} of them wrong. ",
        counted(confidence.values, "value"),
        counted(confidence.documents, "document"),
        confidence.wrong,
    );
    text.push_str(&match confidence.auroc {
        Some(auroc) => {
            format!("The score, which knows no golden data, has an AUROC of {auroc:.3}.\n\n")
        }
        None => "How well the score tells right from wrong is not known.\n\n".to_owned(),
    });
    let row = |name: &str, quality: &Quality| {
        vec![
            name.to_owned(),
            quality.values.to_string(),
            share(quality.brier),
            share(quality.ece),
            quality.bins.len().to_string(),
        ]
    };
    let mut rows = vec![row("of documents held out", &confidence.held_out)];
    rows.extend(
        confidence
            .in_force
            .as_ref()
            .map(|made| row("as written", made)),
    );
    let heads = ["probabilities", "values", "Brier", "ECE", "bins"];
    text.push_str(&table(&heads, 1, rows));
    let wanted = &confidence.wanted;
    if let Some(point) = &wanted.point {
        text.push_str(&format!(
            "\nWith at most {} % wrong, {:.1} % are accepted without a person: those with a probability of {} and more.\n",
            rounded(wanted.max_error * 100.0),
            point.accepted.share * 100.0,
            point.probability
        ));
    }
    if let Some(held_out) = &wanted.held_out {
        text.push_str(&format!(
            "Where the threshold is chosen on other documents ({} parts): {:.1} %, and of these {} accepted values {} wrong.\n",
            confidence.folds,
            held_out.share * 100.0,
            held_out.accepted,
            held_out.wrong
        ));
    }
    text.push_str("\n### What is accepted from a score on\n\n");
    let rows = confidence.curve.iter().map(|point| {
        let accepted = &point.accepted;
        vec![
            point.score.to_string(),
            share(Some(point.probability)),
            accepted.accepted.to_string(),
            share(Some(accepted.share)),
            accepted.wrong.to_string(),
            share(Some(accepted.error)),
            interval(accepted.interval),
        ]
    });
    let heads = [
        "score",
        "probability",
        "accepted",
        "share",
        "wrong",
        "error",
        "95 % interval",
    ];
    text.push_str(&table(&heads, 0, rows.collect()));
    text.push_str("\n### Reliability\n\n");
    let rows = confidence.held_out.bins.iter().map(|bin| {
        vec![
            bin.values.to_string(),
            share(Some(bin.predicted)),
            share(Some(bin.observed)),
            interval(bin.interval),
        ]
    });
    let heads = ["values", "probability", "right", "95 % interval"];
    text.push_str(&table(&heads, 0, rows.collect()));
    text.push_str("\n### Calibration by all values\n\n");
    let rows = confidence.calibration.steps.iter().map(|step| {
        vec![
            step.from.to_string(),
            step.values.to_string(),
            step.right.to_string(),
            share(Some(step.probability)),
            interval(step.interval),
        ]
    });
    let heads = [
        "score from",
        "values",
        "right",
        "probability",
        "95 % interval",
    ];
    text.push_str(&table(&heads, 0, rows.collect()));
    text
}

pub(super) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"))
}

fn interval(interval: Interval) -> String {
    format!("{:.3} to {:.3}", interval.low, interval.high)
}

/// Text of documents as a cell can hold it.
fn cell(text: &str) -> String {
    let short: String = match text.chars().count() > MAX_VALUE {
        true => text.chars().take(MAX_VALUE - 1).chain(['…']).collect(),
        false => text.to_owned(),
    };
    let line = short.split_whitespace().collect::<Vec<_>>().join(" ");
    let escaped: String = line
        .chars()
        .flat_map(|c| match c {
            '|' | '\\' | '`' | '<' | '*' | '[' => vec!['\\', c],
            other => vec![other],
        })
        .collect();
    shown(&escaped).to_string()
}

/// A table whose columns stand below each other as plain text too; the first `words` columns are words, the others numbers.
fn table(heads: &[&str], words: usize, rows: Vec<Vec<String>>) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&heads).chain(&rows);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate();
        let padded = padded.map(|(column, (cell, width))| match column < words {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column < words {
            true => "-".repeat(width + 2),
            false => format!("{}:", "-".repeat(width + 1)),
        });
    let mut text = line(&heads);
    text.push_str(&format!("|{}|\n", rule.collect::<Vec<_>>().join("|")));
    for row in &rows {
        text.push_str(&line(row));
    }
    text
}
