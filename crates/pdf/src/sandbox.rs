//! The layers of the wall around a renderer process, by name, and which of them are up.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use pagemill_reader::PdfError;

/// A layer of the wall. Each holds on its own; together they leave a child its channel, its memory and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerName {
    /// Address space, CPU time, open files, processes, and the death of the parent. A child without it does not start.
    Limits,
    /// No program that it starts could gain privileges (`PR_SET_NO_NEW_PRIVS`). A child without it does not start.
    NoNewPrivileges,
    /// No variables of the parent: no secrets, nothing that steers a loader.
    Environment,
    /// No open files but the channel and the standard streams.
    Descriptors,
    /// No process of the same user may read its memory, and it leaves no core (`PR_SET_DUMPABLE`).
    Undumpable,
    /// No capabilities of a superuser (capabilities(7)).
    Capabilities,
    /// No files, no TCP, no signals to others (landlock(7)).
    Landlock,
    /// No system calls but those that rendering needs (seccomp(2)).
    Seccomp,
}

impl LayerName {
    /// Every layer, from the outermost.
    pub const ALL: [Self; 8] = [
        Self::Limits,
        Self::NoNewPrivileges,
        Self::Environment,
        Self::Descriptors,
        Self::Undumpable,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// Its name in settings and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Environment => "environment",
            Self::Descriptors => "descriptors",
            Self::Undumpable => "undumpable",
            Self::Capabilities => "capabilities",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }

    /// What brings it back where it is missing.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Limits | Self::NoNewPrivileges => {
                "let the container's runtime allow setrlimit and prctl"
            }
            Self::Environment => {
                "start the renderer as the worker does, without a wrapper that sets variables"
            }
            Self::Descriptors => "run on Linux 5.9 or later, or with /proc mounted",
            Self::Undumpable => "let the container's runtime allow prctl",
            Self::Capabilities => {
                "run the container as an ordinary user with all capabilities dropped"
            }
            Self::Landlock => {
                "run on Linux 5.13 or later with landlock among its security modules, in a container whose own filter allows it"
            }
            Self::Seccomp => {
                "run on x86-64 or ARM64 with a kernel that has seccomp filters, in a container whose own filter allows them"
            }
        }
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for LayerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|layer| layer.as_str() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::as_str).join(", ");
                format!("{text:?} is no layer of the sandbox: give one of {names}")
            })
    }
}

/// A layer as a child found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name, as settings and reports have it.
    pub name: LayerName,
    /// Whether it is up.
    pub state: LayerState,
}

/// Whether a layer is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// It is up.
    Active {
        /// How far it goes here: sizes, versions.
        detail: String,
    },
    /// It is not, or not wholly.
    Missing {
        /// Why, from the system.
        reason: String,
    },
}

impl Layer {
    /// A layer that is up.
    pub(crate) fn active(name: LayerName, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: LayerState::Active {
                detail: detail.into(),
            },
        }
    }

    /// A layer that is up when there was no error.
    pub(crate) fn of(name: LayerName, outcome: Result<String, String>) -> Self {
        let state = match outcome {
            Ok(detail) => LayerState::Active { detail },
            Err(reason) => LayerState::Missing { reason },
        };
        Self { name, state }
    }

    /// Why it is missing; nothing when it is up.
    pub fn missing(&self) -> Option<&str> {
        match &self.state {
            LayerState::Active { .. } => None,
            LayerState::Missing { reason } => Some(reason),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            LayerState::Active { detail } if detail.is_empty() => {
                write!(formatter, "{}", self.name)
            }
            LayerState::Active { detail } => write!(formatter, "{} ({detail})", self.name),
            LayerState::Missing { reason } => write!(formatter, "no {}: {reason}", self.name),
        }
    }
}

/// Holds a child's report to the layers that it must have.
///
/// # Errors
/// [`PdfError::Engine`] with the first one that is missing, its reason and its remedy.
pub(crate) fn check(layers: &[Layer], required: &BTreeSet<LayerName>) -> Result<(), PdfError> {
    for name in required {
        let found = layers.iter().find(|layer| layer.name == *name);
        let reason = match found.map(|layer| &layer.state) {
            Some(LayerState::Active { .. }) => continue,
            Some(LayerState::Missing { reason }) => reason,
            None => "the child does not report it",
        };
        return Err(PdfError::Engine {
            reason: format!(
                "renderers must have the sandbox layer {name}, and it is missing ({reason}): {}, or do not require it",
                name.remedy()
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_read_back_by_its_name() {
        for layer in LayerName::ALL {
            assert_eq!(layer.as_str().parse(), Ok(layer));
            let json = serde_json::to_value(layer).expect("a name is JSON");
            assert_eq!(json, layer.as_str());
        }
        let refusal = "seccmp".parse::<LayerName>().expect_err("no such layer");
        assert!(
            refusal.contains("seccmp") && refusal.contains("landlock"),
            "{refusal}"
        );
    }

    #[test]
    fn ho_1_a_required_layer_that_is_missing_is_an_error_with_name_reason_and_remedy() {
        let layers = [
            Layer::active(LayerName::Seccomp, "x"),
            Layer::of(LayerName::Landlock, Err("the kernel is too old".to_owned())),
        ];
        assert_eq!(
            check(&layers, &BTreeSet::from([LayerName::Seccomp])),
            Ok(())
        );
        assert_eq!(check(&layers, &BTreeSet::new()), Ok(()));
        for (required, reason) in [
            (LayerName::Landlock, "the kernel is too old"),
            (LayerName::Capabilities, "does not report"),
        ] {
            let refusal = check(&layers, &BTreeSet::from(LayerName::ALL))
                .and(check(&layers, &BTreeSet::from([required])))
                .expect_err("a layer is missing");
            assert!(matches!(refusal, PdfError::Engine { .. }));
            let refusal = check(&layers, &BTreeSet::from([required]))
                .expect_err("a layer is missing")
                .to_string();
            for part in [required.as_str(), reason, required.remedy()] {
                assert!(refusal.contains(part), "{refusal}");
            }
        }
    }
}
