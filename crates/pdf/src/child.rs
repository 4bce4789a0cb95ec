//! The child: one process, one PDFium, one document at a time.

use std::process::ExitCode;

/// Runs this process as a child of an [`Engine`](crate::engine::Engine) until the parent closes the channel.
///
/// The program's `main` calls it first thing when it is started as the engine's `child_command`. The engine appends
/// its own arguments to that command; they are read here.
pub fn child_main() -> ExitCode {
    ExitCode::FAILURE
}
