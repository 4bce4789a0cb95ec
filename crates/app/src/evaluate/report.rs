//! The report: counts by field and by source, what is not right, and how well the extraction says which.

use std::collections::BTreeMap;

use pagemill_fields::Verdict;
use pagemill_fields::calibration::{Calibration, rounded};
use pagemill_fields::confidence::SCORE;
use pagemill_fields::statistics::{Interval, wilson};
use pagemill_storage::to_canonical_json;
use serde::{Deserialize, Serialize};

use super::{Confidence, Judged, Judgement, LeftOut, markdown, plot, probability};

/// The version of the format of [`Report`].
const FORMAT: u32 = 1;

/// How what was extracted compares with golden data. Equal input gives an equal report: there is no time in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the format.
    pub format: u32,
    /// Version of the score.
    pub score: u32,
    /// Documents that were compared.
    pub documents: u64,
    /// Those of which nothing was extracted: all their values are missing.
    pub not_extracted: Vec<String>,
    /// Golden data that was left out.
    pub left_out: Vec<LeftOut>,
    /// Of all fields.
    pub overall: Tally,
    /// Of each field, by its key.
    pub fields: BTreeMap<String, Tally>,
    /// Of each kind of source that gave values: `xml`, `rule`, `model`; and of `person`, which is in no other count.
    pub sources: BTreeMap<String, SourceTally>,
    /// What is not right, by document and field.
    pub findings: Vec<Finding>,
    /// How well the extraction says which values are right; none where no value was judged.
    pub confidence: Option<Confidence>,
    /// What one should know before one believes the numbers.
    pub notes: Vec<String>,
    /// All that was judged, so that a score can be explained.
    pub values: Vec<Judged>,
}

/// Counts, and the usual shares of them; a share of nothing is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Values that are right.
    pub right: u64,
    /// Other values than the right ones.
    pub wrong: u64,
    /// Values where the document has none.
    pub invented: u64,
    /// Values that were not found.
    pub missing: u64,
    /// Values that were left to people, since sources contradict each other.
    pub conflict: u64,
    /// Nothing found where there is nothing; in none of the shares.
    pub absent: u64,
    /// Of the values that were found, those that are right.
    pub precision: Option<f64>,
    /// Of the values that the documents have, those that were found and are right.
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    pub f1: Option<f64>,
}

impl Tally {
    fn of<'a>(values: impl Iterator<Item = &'a Judged>) -> Self {
        let mut tally = Self::default();
        for value in values {
            *match value.verdict {
                Verdict::Right => &mut tally.right,
                Verdict::Wrong => &mut tally.wrong,
                Verdict::Invented => &mut tally.invented,
                Verdict::Missing => &mut tally.missing,
                Verdict::Conflict => &mut tally.conflict,
                Verdict::Absent => &mut tally.absent,
            } += 1;
        }
        let right = tally.right;
        let (found, there) = (tally.found(), tally.there());
        tally.precision = share(right, found);
        tally.recall = share(right, there);
        tally.f1 = share(2 * right, found + there);
        tally
    }

    /// Values that were found.
    pub fn found(&self) -> u64 {
        self.right + self.wrong + self.invented
    }

    /// Values that the documents have.
    pub fn there(&self) -> u64 {
        self.right + self.wrong + self.missing + self.conflict
    }

    /// All that was asked for: what a person would have to look at without any of it being accepted.
    pub fn asked(&self) -> u64 {
        self.there() + self.invented
    }
}

/// What a kind of source gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceTally {
    /// Values that are right.
    pub right: u64,
    /// Other values than the right ones.
    pub wrong: u64,
    /// Values where the document has none.
    pub invented: u64,
    /// The share that is right; null of none.
    pub precision: Option<f64>,
    /// Its 95 % interval.
    pub interval: Interval,
}

/// What is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The document: its path below the sources.
    pub document: String,
    /// The page that shows what was found, from 1.
    pub page: Option<u32>,
    /// The field, by its key.
    pub field: String,
    /// What it is called.
    pub name: String,
    /// What is not right about it.
    pub verdict: Verdict,
    /// What was found.
    pub found: Option<String>,
    /// What is right.
    pub right: Option<String>,
    /// Who says so.
    pub source: Option<String>,
}

/// What is made of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// The report as JSON.
    pub json: bytes::Bytes,
    /// The same for people.
    pub markdown: String,
    /// Acceptance curve and reliability, as an SVG picture; none where no value was judged.
    pub plot: Option<String>,
    /// The calibration, as it is put beside the tunables; none where there is too little to make it of.
    pub calibration: Option<bytes::Bytes>,
}

impl Report {
    /// Of a comparison. `max_error` is the share of the accepted values that may be wrong.
    pub fn new(judgement: &Judgement, max_error: f64) -> Self {
        let values = &judgement.values;
        let overall = Tally::of(values.iter());
        let confidence = Confidence::of(judgement, overall.asked(), max_error);
        let mut report = Self {
            format: FORMAT,
            score: SCORE,
            documents: judgement.documents.len() as u64,
            not_extracted: judgement.not_extracted.clone(),
            left_out: judgement.left_out.clone(),
            fields: by_field(values),
            sources: by_source(judgement),
            findings: findings(judgement),
            notes: Vec::new(),
            values: values.clone(),
            overall,
            confidence,
        };
        report.notes = notes(&report);
        report
    }

    /// Its files. Equal reports give equal bytes.
    ///
    /// # Errors
    /// Never, as reports are plain data; `serde_json` can't know.
    pub fn files(&self) -> Result<Files, serde_json::Error> {
        let calibration = self.calibration();
        let calibration = calibration.as_ref().map(to_canonical_json);
        Ok(Files {
            json: to_canonical_json(self)?,
            markdown: markdown::of(self),
            plot: self.confidence.as_ref().map(plot::of),
            calibration: calibration.transpose()?,
        })
    }

    /// The calibration of the values that were judged; none where these are too few.
    pub fn calibration(&self) -> Option<Calibration> {
        let confidence = self.confidence.as_ref()?;
        confidence
            .is_enough()
            .then(|| confidence.calibration.clone())
    }
}

fn by_field(values: &[Judged]) -> BTreeMap<String, Tally> {
    let mut groups: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for value in values {
        groups.entry(&value.field).or_default().push(value);
    }
    let groups = groups.into_iter();
    let tallies = groups.map(|(field, values)| (field.to_owned(), Tally::of(values.into_iter())));
    tallies.collect()
}

fn by_source(judgement: &Judgement) -> BTreeMap<String, SourceTally> {
    let mut groups: BTreeMap<String, Vec<&Judged>> = BTreeMap::new();
    for value in judgement.values.iter().chain(&judgement.of_people) {
        if let (Some(source), Some(_)) = (&value.source, &value.found) {
            groups.entry(source.clone()).or_default().push(value);
        }
    }
    let groups = groups.into_iter();
    let tallies = groups.map(|(source, values)| {
        let tally = Tally::of(values.into_iter());
        let tally = SourceTally {
            right: tally.right,
            wrong: tally.wrong,
            invented: tally.invented,
            precision: tally.precision,
            interval: rounded_interval(wilson(tally.right, tally.found())),
        };
        (source, tally)
    });
    tallies.collect()
}

fn findings(judgement: &Judgement) -> Vec<Finding> {
    let all = judgement.values.iter().chain(&judgement.of_people);
    let wrong = all.filter(|value| !matches!(value.verdict, Verdict::Right | Verdict::Absent));
    let mut findings: Vec<Finding> = wrong
        .map(|value| Finding {
            document: value.document.clone(),
            page: value.page,
            field: value.field.clone(),
            name: value.name().to_owned(),
            verdict: value.verdict,
            found: value.found.clone(),
            right: value.right.clone(),
            source: value.source.clone(),
        })
        .collect();
    findings
        .sort_by(|left, right| (&left.document, &left.field).cmp(&(&right.document, &right.field)));
    findings
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if !report.not_extracted.is_empty() {
        notes.push(format!(
            "Documents of which nothing was extracted: {}. All that golden data names of them counts as missing.",
            report.not_extracted.len()
        ));
    }
    if !report.left_out.is_empty() {
        notes.push(format!(
            "Files of golden data that were left out: {}.",
            report.left_out.len()
        ));
    }
    match &report.confidence {
        None => notes.push("No value was judged: nothing can be said of probabilities.".to_owned()),
        Some(confidence) => notes.extend(probability::notes(confidence)),
    }
    notes
}

/// A share in four decimals; `None` of nothing.
fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| rounded(part as f64 / of as f64))
}

pub(super) fn rounded_interval(interval: Interval) -> Interval {
    Interval {
        low: rounded(interval.low),
        high: rounded(interval.high),
    }
}
