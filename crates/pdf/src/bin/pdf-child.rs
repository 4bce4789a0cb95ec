//! The smallest program that can be an engine's child, for this crate's tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    pagemill_pdf::child_main()
}
