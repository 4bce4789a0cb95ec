//! Holds the table to the code and to the runbook.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Everything of the sources but their tests.
fn sources() -> Vec<(PathBuf, String)> {
    let crates = ["crates", "worker/src", "bulk-trigger/src"].map(|folder| project().join(folder));
    let files = crates.iter().flat_map(|folder| {
        walkdir::WalkDir::new(folder)
            .into_iter()
            .filter_map(Result::ok)
    });
    files
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "rs")
        })
        .filter(|entry| {
            let path = entry.path().to_string_lossy();
            path.contains("/src/")
                && !path.ends_with("src/reasons.rs")
                && !path.ends_with("/tests.rs")
        })
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            (entry.path().to_path_buf(), code.to_owned())
        })
        .collect()
}

/// The text literals in the bodies of `fn code(&self)`, and those that stand right after one of the marks.
fn codes_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let literals = |text: &str| -> Vec<String> {
        text.split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    for body in text.split("fn code(&self)").skip(1) {
        let end = body.find("\n    }\n").unwrap_or(body.len());
        found.extend(literals(&body[..end]));
    }
    let marks = [
        "reason: \"",
        "permanent(\"",
        "permanent(\n                \"",
        "const WORKER_DIED: &str = \"",
        "const INTERNAL_ERROR: &str = \"",
        "const KILLED_THE_WORKER: &str = \"",
    ];
    for mark in marks {
        // Other fields of that name hold sentences.
        let is_code = |text: &&str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        for after in text.split(mark).skip(1) {
            found.extend(after.split('"').next().filter(is_code).map(str::to_owned));
        }
    }
    found
}

#[test]
fn he_2_every_code_that_the_program_gives_is_in_the_table_and_no_other() {
    let mut given = BTreeSet::new();
    for (path, text) in sources() {
        // The queue in memory and other doubles script failures; none of them leaves a test.
        let is_double = path.ends_with("memory/calls.rs")
            || path.components().any(|part| part.as_os_str() == "doubles");
        if !is_double {
            given.extend(codes_in(&text));
        }
    }
    let known: BTreeSet<String> = REASONS
        .iter()
        .map(|reason| reason.code.to_owned())
        .collect();
    let unknown: Vec<_> = given.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "not in the table of reasons: {unknown:?}"
    );
    let gone: Vec<_> = known.difference(&given).collect();
    assert!(gone.is_empty(), "given by no code any more: {gone:?}");
}

#[test]
fn he_2_every_code_stands_in_the_runbook_and_every_code_of_the_runbook_is_one() {
    let runbook = std::fs::read_to_string(project().join("docs/RUNBOOK.md")).unwrap_or_default();
    let rows: Vec<&str> = runbook
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let in_runbook: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .collect();
    let known: BTreeSet<&str> = REASONS.iter().map(|reason| reason.code).collect();
    assert_eq!(
        known.difference(&in_runbook).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "codes that docs/RUNBOOK.md says nothing of"
    );
    assert_eq!(
        in_runbook.difference(&known).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "codes of docs/RUNBOOK.md that the program does not give"
    );
    for reason in REASONS {
        let row = format!(
            "| `{}` | {}. | {}. |",
            reason.code, reason.meaning, reason.remedy
        );
        assert!(
            rows.contains(&row.as_str()),
            "docs/RUNBOOK.md lacks the row\n{row}"
        );
    }
}
