//! An engine with one child, for tests of what comes out of a file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pagemill_pdf::{Engine, EngineSettings, Limits};

/// The engine; nothing where there is no libpdfium, which it says.
pub(crate) fn engine() -> Option<Engine> {
    let Some(runtime) = std::env::var_os("PAGEMILL_RUNTIME") else {
        println!("SKIPPED: PAGEMILL_RUNTIME is not set, so there is no libpdfium");
        return None;
    };
    let settings = EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: PathBuf::from(runtime),
        children: 1,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
    };
    Some(Engine::new(settings).expect("the engine starts"))
}
