//! A panic as a value: where it began, and nothing of what it said.
//!
//! A panic is a fault of the program, met with one document; it must end the work on that document and nothing else.
//! [`catch`] and [`caught`] turn it into a [`Panicked`], which names the place in the source. What the panic said is
//! dropped, for it may quote the document ("byte index 9 is not a char boundary; it is inside ..."): while work is
//! guarded, not even standard error gets it.
//!
//! Work that goes to another thread takes its guard along: [`blocking`] catches there and hands the panic on to
//! whoever waits, so that the guard around all of it learns the place.
//!
//! ```
//! let letters = "Keywords—";
//! let cut = pagemill_panics::catch(|| letters[..9].to_owned());
//! let panicked = cut.expect_err("the ninth byte is inside the dash");
//! assert!(panicked.place().contains(".rs:"));
//! assert!(!panicked.to_string().contains("Keywords"));
//! ```

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

/// What a place is called that nobody noted: the panic began on a thread without a guard.
const UNKNOWN: &str = "a place that is not known";

/// The project's folders of Rust source.
const ROOMS: [&str; 3] = ["crates", "worker", "bulk-trigger"];

/// This file, whose frames are around all others.
const OWN_FILE: &str = "crates/panics/src/";

thread_local! {
    /// How many guards are around what this thread does.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic under a guard began.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a panic at {place}")]
pub struct Panicked {
    place: String,
}

impl Panicked {
    /// Where it began, as `crates/index/src/chunk.rs:217`. One that began in a library names the place of this project
    /// that led there too: `library/core/src/str/mod.rs:849, called at crates/index/src/chunk.rs:217`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Goes on as the panic that it was, for a guard further out. Says nothing again.
    pub fn resume(self) -> ! {
        panic::resume_unwind(Box::new(self))
    }
}

/// The runtime ended before the work began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program is ending, and the work was not begun")]
pub struct NotBegun;

/// Does the work; a panic in it is the answer. What the work had in its hands may be half done: use nothing of it that
/// being dropped in the middle would not leave in order.
///
/// # Errors
/// [`Panicked`], when the work did.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    note_places();
    let guard = Guard::new();
    let ended = panic::catch_unwind(AssertUnwindSafe(work));
    drop(guard);
    ended.map_err(|said| match said.downcast::<Panicked>() {
        Ok(handed_on) => *handed_on,
        Err(_) => {
            let place = LAST.with(RefCell::take);
            Panicked {
                place: place.unwrap_or_else(|| UNKNOWN.to_owned()),
            }
        }
    })
}

/// Does asynchronous work; a panic in it is the answer, as for [`catch`].
///
/// # Errors
/// [`Panicked`], when the work did.
pub async fn caught<Work: Future>(work: Work) -> Result<Work::Output, Panicked> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| match catch(|| work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// Runs work that blocks off the runtime's threads. A panic in it becomes one of the caller, with its place.
///
/// # Errors
/// [`NotBegun`] when the runtime is shutting down.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotBegun> {
    match tokio::task::spawn_blocking(|| catch(work)).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(panicked)) => panicked.resume(),
        Err(_cancelled) => Err(NotBegun),
    }
}

/// Counts this thread as guarded while it lives.
struct Guard;

impl Guard {
    fn new() -> Self {
        GUARDS.with(|guards| guards.set(guards.get() + 1));
        Self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        GUARDS.with(|guards| guards.set(guards.get() - 1));
    }
}

/// From now on, a panic under a guard leaves its place and says nothing; any other does what it did.
fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_noted(info) {
                before(info);
            }
        }));
    });
}

/// Notes the place of a panic under a guard; says whether it was one. A thread that is ending has none any more.
fn is_noted(info: &PanicHookInfo<'_>) -> bool {
    let is_guarded = GUARDS.try_with(Cell::get).is_ok_and(|guards| guards > 0);
    let place = info.location().map(described);
    is_guarded && LAST.try_with(|last| last.replace(place)).is_ok()
}

fn described(location: &Location<'_>) -> String {
    let place = format!("{}:{}", shown(location.file()), location.line());
    if !is_absolute(location.file()) {
        return place;
    }
    // Cutting a text, for one, panics in the standard library, whoever cuts it.
    let frames = Backtrace::force_capture().to_string();
    match caller(&frames) {
        Some(caller) => format!("{place}, called at {caller}"),
        None => place,
    }
}

/// The innermost frame of this project: its file and line, or, in a build without lines, the function's name.
fn caller(frames: &str) -> Option<String> {
    // Before that, innermost, is what this crate and the standard library do about a panic.
    let (_, frames) = frames.split_once("rust_begin_unwind")?;
    let mut lines = frames.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let Some((_, function)) = line.split_once(": ") else {
            continue;
        };
        let at = lines.next_if(|next| next.starts_with("at "));
        let found = match at.and_then(|at| at.strip_prefix("at ")) {
            Some(place) => of_project(place),
            None => named(function),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// `crates/index/src/chunk.rs:217` of a frame's place, which is below the project's folder wherever that was.
fn of_project(place: &str) -> Option<String> {
    let (file_and_line, _column) = place.rsplit_once(':')?;
    let parts: Vec<&str> = file_and_line.split('/').collect();
    if parts.contains(&"rustc") || parts.contains(&"registry") {
        return None;
    }
    let room = parts.iter().rposition(|part| ROOMS.contains(part));
    // A program that is run in its own room's folder, as tests are, names the rest.
    let from = room.or((parts.first() == Some(&".")).then_some(1))?;
    let shown = parts.get(from..)?.join("/");
    (!shown.starts_with(OWN_FILE)).then_some(shown)
}

/// The function's name without the hash at its end.
fn named(function: &str) -> Option<String> {
    let name = match function.rsplit_once("::h") {
        Some((name, hash)) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => function,
    };
    let is_ours = name.contains("pagemill_") && !name.contains("pagemill_panics");
    is_ours.then(|| name.to_owned())
}

fn is_absolute(file: &str) -> bool {
    file.starts_with(['/', '\\']) || file.as_bytes().get(1) == Some(&b':')
}

/// The path as the project or its library names it, without the folders of the machine that compiled it.
fn shown(file: &str) -> String {
    let parts: Vec<&str> = file.split(['/', '\\']).collect();
    if !is_absolute(file) {
        return parts.join("/");
    }
    // Libraries lie in `registry/src/<index>/<library>/...`, the standard one in `rustc/<commit>/library/...`.
    let library = parts
        .windows(2)
        .position(|pair| pair == ["registry", "src"])
        .map(|place| place + 3)
        .or_else(|| parts.iter().position(|part| *part == "library"));
    let from = library.unwrap_or_else(|| parts.len().saturating_sub(3));
    parts.get(from..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "what the document says";

    fn fails() {
        panic!("{SECRET}");
    }

    #[track_caller]
    fn is_of_this_file(panicked: &Panicked) {
        let (file, line) = panicked.place().rsplit_once(':').expect("file:line");
        assert_eq!(file, "crates/panics/src/lib.rs");
        assert!(line.parse::<u32>().is_ok_and(|line| line > 0));
        assert!(!panicked.to_string().contains(SECRET));
    }

    #[test]
    fn a_panic_is_a_place_and_no_text() {
        is_of_this_file(&catch(fails).expect_err("it fails"));
        assert_eq!(catch(|| 7), Ok(7));
    }

    #[test]
    fn an_inner_guard_leaves_nothing_behind() {
        let outer = catch(|| {
            catch(fails).expect_err("it fails");
            "went on"
        });
        assert_eq!(outer, Ok("went on"));
        let handed_on = catch(|| match catch(fails) {
            Ok(()) => {}
            Err(panicked) => panicked.resume(),
        });
        is_of_this_file(&handed_on.expect_err("it is handed on"));
    }

    #[tokio::test]
    async fn a_panic_in_a_task_or_on_another_thread_has_its_place() {
        let between = async {
            tokio::task::yield_now().await;
            fails();
        };
        is_of_this_file(&caught(between).await.expect_err("it fails"));
        is_of_this_file(&caught(blocking(fails)).await.expect_err("it fails"));
        assert_eq!(blocking(|| 7).await, Ok(7));
    }

    #[test]
    fn a_panic_in_a_library_names_who_called_it() {
        let frames = "   0: std::backtrace::Backtrace::force_capture
             at /rustc/0123abc/library/std/src/backtrace.rs:312:9
   1: described
             at /home/me/project/crates/panics/src/lib.rs:150:18
   1: __rustc::rust_begin_unwind
             at /rustc/0123abc/library/std/src/panicking.rs:689:5
   2: core::str::slice_error_fail
             at /rustc/0123abc/library/core/src/str/mod.rs:775:5
   3: line_at
             at /home/me/project/crates/metadata/src/extractive/sample.rs:138:45
   4: find
             at ./crates/metadata/src/extractive/document_type.rs:300:28";
        let expected = "crates/metadata/src/extractive/sample.rs:138";
        assert_eq!(caller(frames).as_deref(), Some(expected));

        let without_lines = "   0: pagemill_other::described::h0123456789abcdef
   1: __rustc::rust_begin_unwind
   1: core::str::slice_error_fail
   2: pagemill_metadata::extractive::sample::line_at::h0123456789abcdef
   3: main";
        let expected = "pagemill_metadata::extractive::sample::line_at";
        assert_eq!(caller(without_lines).as_deref(), Some(expected));
        let unknown = "   0: rust_begin_unwind\n   1: main\n   2: <unknown>";
        assert_eq!(caller(unknown), None);
        assert_eq!(caller(""), None);
    }

    #[test]
    fn a_place_names_no_folder_of_the_machine() {
        for (file, expected) in [
            ("crates/index/src/chunk.rs", "crates/index/src/chunk.rs"),
            ("crates\\index\\src\\chunk.rs", "crates/index/src/chunk.rs"),
            (
                "/home/me/.cargo/registry/src/index.crates.io-1/regex-1.0.0/src/lib.rs",
                "regex-1.0.0/src/lib.rs",
            ),
            (
                "/rustc/0123abc/library/core/src/option.rs",
                "library/core/src/option.rs",
            ),
            ("/home/me/project/src/main.rs", "project/src/main.rs"),
        ] {
            assert_eq!(shown(file), expected);
        }
    }
}
