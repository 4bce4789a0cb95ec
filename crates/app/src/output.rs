//! What is printed, when nobody reads it any more.

use std::panic::{self, PanicHookInfo};

/// How a program ends whose output nobody reads, as shells tell it: 128 and the number of SIGPIPE.
pub const NOBODY_READS: u8 = 141;

/// From now on the program ends without a word where the reader of its output has left, as `head` does after ten lines.
/// Rust ignores SIGPIPE, so that `println!` would panic.
pub fn end_when_nobody_reads() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if is_of_closed_output(info) {
            std::process::exit(NOBODY_READS.into());
        }
        before(info);
    }));
}

/// Whether an error is that of a write to such an output, and of nothing else that was tried.
pub fn nobody_reads(error: &anyhow::Error) -> bool {
    let of_a_write = error.downcast_ref::<std::io::Error>();
    error.chain().count() == 1
        && of_a_write.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn is_of_closed_output(info: &PanicHookInfo<'_>) -> bool {
    info.payload_as_str().is_some_and(|said| {
        said.starts_with("failed printing to stdout") && said.contains("Broken pipe")
    })
}
