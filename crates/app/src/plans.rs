//! What would run on many documents, at what price; written down, and held against what is there when somebody applies it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::{Stream, TryStreamExt};
use jiff::Timestamp;
use pagemill_index::TargetStore;
use pagemill_pipeline::{
    Estimate, Options, Pipeline, PipelineError, Plan, PlannedStage, Settings, Source,
};
use pagemill_storage::{FolderStore, KeyLayout, ObjectStore, Overlay, Stage};
use serde::{Deserialize, Serialize};

use crate::adapters::{self, VECTORS, Vectors};
use crate::environment::Environment;

/// Documents that are looked at at the same time.
const AT_ONCE: usize = 16;

/// Where the documents are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The folder that `worker local` wrote; none: the bucket of the environment.
    pub out: Option<PathBuf>,
    /// The folder that it processed.
    pub input: Option<PathBuf>,
}

impl Place {
    /// The store of the place, and the tunables in it.
    ///
    /// # Errors
    /// When the options or the environment name none, or the tunables can't be used.
    pub async fn store(
        &self,
        environment: &Environment,
    ) -> anyhow::Result<(Arc<dyn ObjectStore>, Settings)> {
        let key = &environment.app_config_key;
        let Some(out) = &self.out else {
            let bucket = environment.bucket.clone().context(
                "neither --folder nor S3_BUCKET says where the documents are: give --folder OUT, or set S3_BUCKET",
            )?;
            let store: Arc<dyn ObjectStore> = Arc::new(adapters::bucket(&bucket).await);
            let settings = adapters::settings_from_store(&*store, key).await?;
            return Ok((store, settings));
        };
        if !out.is_dir() {
            bail!(
                "{} is no folder: give the one that `worker local` wrote",
                out.display()
            );
        }
        let settings = adapters::settings_from_file(&out.join(key), false)?;
        let derived: Arc<dyn ObjectStore> = Arc::new(FolderStore::new(out));
        let store: Arc<dyn ObjectStore> = match &self.input {
            None => derived,
            Some(input) => Arc::new(Overlay::new(
                Arc::new(FolderStore::read_only(input)),
                derived,
                settings.layout.source.clone(),
            )),
        };
        Ok((store, settings))
    }

    /// A pipeline over the documents of the place, and the vector stores to fill.
    ///
    /// # Errors
    /// As [`Place::store`], and when a part of the pipeline is missing.
    pub async fn pipeline(
        &self,
        environment: &Environment,
    ) -> anyhow::Result<(Pipeline, Vec<TargetStore>)> {
        if self.out.is_some() && self.input.is_none() {
            bail!("the documents of a folder are needed too: give it with --input");
        }
        let (store, settings) = self.store(environment).await?;
        let targets = settings.targets(None)?;
        let vectors = match (&environment.qdrant, &self.out) {
            (None, Some(out)) => Vectors::Embedded(out.join(VECTORS)),
            _ => Vectors::Environment,
        };
        let parts = adapters::parts(environment, settings, store, vectors)?;
        Ok((Pipeline::new(parts), targets))
    }
}

/// How the runs of a plan differ from those of events: a document that went without the model because a budget was reached
/// is asked about again.
pub fn options() -> Options {
    Options {
        after_budget: true,
        ..Options::default()
    }
}

/// A line of a file of plans: what it is, then a line for each document that has something to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Plan {
        /// Version of this format.
        format: u32,
        /// When the plan was made.
        at: Timestamp,
        /// What the keys of its documents begin with.
        prefix: String,
    },
    /// What would run on one document.
    Document(Planned),
}

impl Line {
    /// The format that this build writes.
    pub const FORMAT: u32 = 1;
}

/// What would run on one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Its key.
    pub source: String,
    /// The tag of its PDF.
    pub etag: String,
    /// What would run, in order.
    pub stages: Vec<PlannedStage>,
    /// The fingerprint that each of these stages would have; none where nobody has read the PDF yet.
    pub fingerprints: std::collections::BTreeMap<Stage, String>,
}

impl Planned {
    /// A plan as it is written down.
    pub fn new(source: &str, plan: &Plan) -> Self {
        let fingerprints = plan.stages.iter().filter_map(|planned| {
            let print = plan.expected.get(&planned.stage)?;
            Some((planned.stage, print.0.clone()))
        });
        Self {
            source: source.to_owned(),
            etag: plan.etag.clone(),
            stages: plan.stages.clone(),
            fingerprints: fingerprints.collect(),
        }
    }

    /// Why this is not what would run now; `None` where it is, or where a part of it is done.
    pub fn outdated_by(&self, now: &Self) -> Option<String> {
        if self.etag != now.etag {
            return Some("its PDF was uploaded again".to_owned());
        }
        for planned in &now.stages {
            let stage = planned.stage;
            if !self.stages.iter().any(|before| before.stage == stage) {
                return Some(format!("{stage} would run too ({})", planned.reason));
            }
            let (before, now) = (self.fingerprints.get(&stage), now.fingerprints.get(&stage));
            if before.is_some() && before != now {
                return Some(format!("the inputs or settings of {stage} changed"));
            }
        }
        None
    }
}

/// The plan of each document whose key begins with this, in the order of the keys. Holds some of them at a time.
pub fn plans<'a>(
    pipeline: &'a Pipeline,
    prefix: &str,
    targets: &'a [TargetStore],
) -> impl Stream<Item = Result<(String, Plan), PipelineError>> + 'a {
    let layout = pipeline.layout().clone();
    let listing = pipeline.parts().store.list(prefix);
    listing
        .map_err(|error| PipelineError::Transient {
            dependency: pagemill_pipeline::Dependency::Store,
            stage: Stage::Inspect,
            message: error.to_string(),
            retry_after: None,
        })
        .try_filter(move |object| std::future::ready(layout.is_source(&object.key)))
        .map_ok(move |object| async move {
            let source = Source::newest(object.key.as_str());
            let plan = pipeline.plan(&source, targets, &options()).await?;
            Ok((object.key, plan))
        })
        .try_buffered(AT_ONCE)
}

/// The key or prefix that a person means: what does not begin with the prefix of sources is below it.
pub fn below_sources(layout: &KeyLayout, given: &str) -> String {
    let sources = &layout.source;
    match given.starts_with(sources.as_str()) {
        true => given.to_owned(),
        false => format!("{sources}{given}"),
    }
}

/// What the plans of many documents may cost.
#[derive(Debug, Default)]
pub struct Cost {
    /// In millionths of a US dollar, of what is known.
    pub micro_usd: Option<u64>,
    /// Whether that is a limit; else it is what it took the last time.
    pub is_limit: bool,
    /// Stages whose cost nobody knows.
    pub unknown: u64,
}

impl Cost {
    /// Adds what one document may cost.
    pub fn add(&mut self, stages: &[PlannedStage]) {
        for planned in stages {
            let known = match &planned.estimate {
                Estimate::Free => continue,
                Estimate::AsBefore(spent) => spent.micro_usd.filter(|_| spent.unpriced_calls == 0),
                Estimate::AtMost { micro_usd, .. } => {
                    self.is_limit |= micro_usd.is_some();
                    *micro_usd
                }
                Estimate::Unknown { .. } => None,
            };
            match known {
                Some(cost) => {
                    self.micro_usd = Some(self.micro_usd.unwrap_or(0).saturating_add(cost));
                }
                None => self.unknown += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pagemill_pipeline::Reason;

    use super::*;

    fn planned(etag: &str, stages: &[(Stage, &str)]) -> Planned {
        Planned {
            source: "source-pdfs/a.pdf".to_owned(),
            etag: etag.to_owned(),
            stages: stages
                .iter()
                .map(|(stage, _)| PlannedStage {
                    stage: *stage,
                    reason: Reason::Changed,
                    estimate: Estimate::Free,
                })
                .collect(),
            fingerprints: stages
                .iter()
                .filter(|(_, print)| !print.is_empty())
                .map(|(stage, print)| (*stage, (*print).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_plan_is_outdated_by_another_pdf_another_stage_or_other_inputs_and_by_nothing_else() {
        let plan = planned("a", &[(Stage::Predict, "1"), (Stage::Metadata, "2")]);
        assert_eq!(plan.outdated_by(&plan), None);
        assert_eq!(
            plan.outdated_by(&planned("a", &[(Stage::Metadata, "2")])),
            None
        );
        assert_eq!(plan.outdated_by(&planned("a", &[])), None, "it is done");
        let why = |now: &Planned| plan.outdated_by(now).expect("outdated");
        assert!(why(&planned("b", &[])).contains("uploaded again"));
        assert!(why(&planned("a", &[(Stage::Index, "3")])).contains("index would run too"));
        assert!(why(&planned("a", &[(Stage::Predict, "9")])).contains("predict changed"));
        let unread = planned("a", &[(Stage::Text, "")]);
        assert_eq!(
            unread.outdated_by(&planned("a", &[(Stage::Text, "5")])),
            None
        );
    }

    #[test]
    fn a_line_comes_back_as_it_was() {
        let mut document = planned("a", &[(Stage::Predict, "1")]);
        document.stages[0].estimate = Estimate::AtMost {
            model: "m".to_owned(),
            units: pagemill_document::Units::default(),
            micro_usd: Some(7),
        };
        let line = Line::Document(document);
        let json = serde_json::to_string(&line).expect("JSON");
        assert!(json.contains(r#""kind":"document""#), "{json}");
        assert_eq!(serde_json::from_str::<Line>(&json).expect("a line"), line);
        let mut cost = Cost::default();
        let Line::Document(document) = line else {
            panic!("a document");
        };
        cost.add(&document.stages);
        assert_eq!(
            (cost.micro_usd, cost.is_limit, cost.unknown),
            (Some(7), true, 0)
        );
        assert_eq!(
            document.fingerprints,
            BTreeMap::from([(Stage::Predict, "1".to_owned())])
        );
    }
}
