//! What tests need of the machine: libpdfium and models, a corpus, an AWS emulator.
//!
//! [`runtime`] and [`emulator`] are had by `scripts/setup` and by `scripts/test`. A test that misses them **fails**: a run that
//! checks less than it seems to is worse than a red one. Under `PAGEMILL_ALLOW_SKIPS=1` it says `SKIPPED:` and why instead,
//! and `scripts/test`, which sets that, counts the lines. A [`corpus`] is nobody's duty, nor a [`japanese_font`], nor what
//! `scripts/setup` may fail to bring ([`ppocr`]): without one, its tests say so.
//!
//! It knows none of the project's crates, so that each of them can use it in its tests.

pub mod emulator;

use std::path::PathBuf;

pub use emulator::Emulator;

/// Under which a test that misses something says so and passes.
const ALLOW_SKIPS: &str = "PAGEMILL_ALLOW_SKIPS";

/// Where Debian's packages fonts-ipafont-gothic, fonts-noto-cjk and fonts-droid-fallback keep a font with Japanese letters.
const JAPANESE_FONTS: [&str; 3] = [
    "/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
];

/// The folder with `libpdfium.so` and `models/`; `None` where the test is to be skipped.
///
/// # Panics
/// When there is none and skips are not allowed.
pub fn runtime(test: &str) -> Option<PathBuf> {
    needed(
        test,
        "PAGEMILL_RUNTIME",
        "the folder with libpdfium and models, which scripts/setup makes",
    )
    .map(PathBuf::from)
}

/// The folder with `documents/` and `truth/`; `None` where the test is to be skipped.
pub fn corpus(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PAGEMILL_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        skip(test, "PAGEMILL_CORPUS does not name a corpus");
    }
    folder
}

/// The folder with PP-OCR's models; `None` where the test is to be skipped, as `scripts/setup` goes on without them.
pub fn ppocr(test: &str) -> Option<PathBuf> {
    let folder = runtime(test)?.join("ppocr");
    if !folder.is_dir() {
        let why = format!("{} is missing: run scripts/setup", folder.display());
        skip(test, &why);
        return None;
    }
    Some(folder)
}

/// A font with the letters of Japanese; `None` where the test is to be skipped. Nobody need have one.
pub fn japanese_font(test: &str) -> Option<Vec<u8>> {
    let font = JAPANESE_FONTS
        .iter()
        .find_map(|path| std::fs::read(path).ok());
    if font.is_none() {
        skip(
            test,
            "there is no Japanese font: install fonts-ipafont-gothic (Debian, Ubuntu)",
        );
    }
    font
}

/// Says that a test is skipped, so that it is counted.
pub fn skip(test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
}

/// The value of a variable that a test can't do without.
fn needed(test: &str, variable: &str, what: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        let why = format!("{variable} does not name {what}");
        let is_allowed = std::env::var_os(ALLOW_SKIPS).is_some_and(|value| value == "1");
        assert!(
            is_allowed,
            "{test} can't be run: {why}; scripts/test brings it, and {ALLOW_SKIPS}=1 skips such tests"
        );
        skip(test, &why);
    }
    value
}
