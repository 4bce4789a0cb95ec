//! What the program does when nobody reads what it prints.

use std::process::{Command, Stdio};

#[test]
fn a_reader_that_leaves_ends_the_program_without_a_word() {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_worker"))
        .args(["config", "--reference"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the worker starts");
    drop(worker.stdout.take());
    let ended = worker.wait_with_output().expect("the worker ends");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(141));
}
