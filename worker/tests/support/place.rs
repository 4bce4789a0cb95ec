//! A worker process with an environment of its own, and the folders that it reads and writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_index::{Collection, CollectionNames, EdgeStore, TargetStore, VectorStore};
use pagemill_storage::{Record, Stage};
use pagemill_testkit::runtime;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::process::Command;

/// Longest time that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How a worker process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Asserts the exit code, and shows everything when it is another.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts what standard output says.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "no {text:?} in:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts what standard error says.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in:\n{}\nstdout:\n{}",
            self.stderr,
            self.stdout
        );
        self
    }
}

/// The worker with nothing in its environment but what is needed and given.
pub(crate) fn worker(runtime: &Path, directory: &Path, environment: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command
        .env_clear()
        .env("PAGEMILL_RUNTIME", runtime)
        .env("PAGEMILL_CHILDREN", "2")
        .env("PAGEMILL_DOCUMENTS", "2")
        .env("PAGEMILL_STATUS_FILE", directory.join("status.json"))
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a worker to its end.
pub(crate) async fn to_its_end(command: Command) -> Ended {
    to_its_end_within(PATIENCE, command).await
}

/// Runs a worker to its end, which must come within a time.
pub(crate) async fn to_its_end_within(patience: Duration, mut command: Command) -> Ended {
    let child = command.spawn().expect("the worker starts");
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    let mut running = std::pin::pin!(child.wait_with_output());
    let in_time = tokio::time::timeout(patience, &mut running).await;
    let is_late = in_time.is_err();
    let output = match in_time {
        Ok(output) => output,
        Err(_) => {
            kill(pid, Signal::SIGKILL).expect("a child that was not waited for can be killed");
            running.await
        }
    };
    let output = output.expect("its output can be read");
    assert!(
        !is_late,
        "the worker did not end in {patience:?}: {output:#?}"
    );
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A place with an input folder and an output folder, gone when dropped.
pub(crate) struct Place {
    root: TempDir,
    runtime: PathBuf,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Place {
    /// An empty place; `None`, with a line that says so, when the engine's library is not there.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let runtime = runtime(test)?;
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(root.path().join("in")).expect("a folder");
        Some(Self {
            root,
            runtime,
            environment: Vec::new(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.root.path().join("in")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    /// Writes a PDF into the input folder.
    pub(crate) fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.input().join(name);
        fs::create_dir_all(path.parent().expect("below the input")).expect("a folder");
        fs::write(path, bytes).expect("a writable file");
    }

    /// Writes the tunables, where `local` looks for them.
    pub(crate) fn configure(&self, settings: &serde_json::Value) {
        let folder = self.out().join("config");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("app_config.json"), settings.to_string()).expect("a writable file");
    }

    /// A worker of this place.
    pub(crate) fn worker(&self) -> Command {
        worker(&self.runtime, self.root(), &self.environment)
    }

    /// `worker local in --out out` and more arguments, not started.
    pub(crate) fn local_command(&self, more: &[&str]) -> Command {
        let mut command = self.worker();
        command.args(["local", "in", "--out", "out"]).args(more);
        command
    }

    /// Runs `worker local in --out out` and more arguments.
    pub(crate) async fn local(&self, more: &[&str]) -> Ended {
        to_its_end(self.local_command(more)).await
    }

    /// Runs the worker with these arguments.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.worker();
        command.args(arguments);
        to_its_end(command).await
    }

    /// The record of a document.
    #[track_caller]
    pub(crate) fn record(&self, name: &str) -> Record {
        self.json(&format!("processing/records/{name}.json"))
    }

    /// A JSON file of the output.
    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self, key: &str) -> T {
        let bytes = fs::read(self.out().join(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    /// The page images of a document, in order.
    pub(crate) fn page_images(&self, name: &str) -> Vec<PathBuf> {
        let folder = self.out().join("pdf_page_images").join(name);
        let mut images: Vec<PathBuf> = files(&folder)
            .into_keys()
            .map(|key| folder.join(key))
            .collect();
        images.sort();
        images
    }

    /// All objects of the output with their time and content: everything but the embedded vector store and the
    /// folder store's own book-keeping.
    pub(crate) fn objects(&self) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
        let mut objects = files(&self.out());
        objects.retain(|key, _| !key.starts_with("vectors/") && !key.starts_with(".pagemill/"));
        objects
    }

    /// Points of a document by generation in the embedded store. No worker may be running.
    pub(crate) async fn points(&self, target: TargetStore, source: &str) -> BTreeMap<String, u64> {
        let mut opened = None;
        // A program that another test starts has the lock's file too, until it has become that program.
        until("the store opens", || {
            opened = EdgeStore::open(&self.out().join("vectors")).ok();
            opened.is_some()
        })
        .await;
        let store = opened.expect("it was waited for");
        let collection = Collection::of(target, &CollectionNames::default());
        let inventory = store
            .inventory(&collection)
            .await
            .expect("the store can be read");
        let of_source = inventory.into_iter().filter(|entry| entry.source == source);
        of_source
            .map(|entry| (entry.generation, entry.points))
            .collect()
    }
}

/// Every file below a folder by its relative path, with time and content.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let key = entry.path().strip_prefix(folder).expect("below the folder");
            let modified = entry
                .metadata()
                .expect("metadata")
                .modified()
                .expect("a time");
            let bytes = fs::read(entry.path()).expect("a readable file");
            (key.to_str().expect("Unicode").to_owned(), (modified, bytes))
        })
        .collect()
}

/// The stages whose entry differs between two records.
pub(crate) fn ran_again(before: &Record, after: &Record) -> Vec<Stage> {
    let stages = after.stages.iter();
    stages
        .filter(|(stage, entry)| before.stages.get(stage) != Some(entry))
        .map(|(stage, _)| *stage)
        .collect()
}
