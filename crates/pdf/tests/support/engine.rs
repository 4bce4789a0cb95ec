//! An engine with one child, for tests of what comes out of a file.

use std::collections::BTreeSet;

use pagemill_pdf::{Engine, EngineSettings, Limits};

/// The engine; `None` where the test is to be skipped.
pub(crate) fn engine() -> Option<Engine> {
    let runtime = pagemill_testkit::runtime("an engine")?;
    let settings = EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: runtime,
        children: 1,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: None,
    };
    Some(Engine::new(settings).expect("the engine starts"))
}
