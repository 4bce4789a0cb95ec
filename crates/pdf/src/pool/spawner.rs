//! The thread that starts and ends children.
//!
//! A child asks the kernel to be killed when the *thread* that started it ends (`PR_SET_PDEATHSIG`, prctl(2)). Threads
//! of a runtime come and go; this one lives as long as the engine.

use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use futures::executor::block_on;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::oneshot;

use super::process::{End, Renderer};
use crate::encode::ROWS_STAND_ALONE;
use pagemill_reader::PdfError;

enum Order {
    Spawn(oneshot::Sender<io::Result<Renderer>>),
    End(Renderer, Option<oneshot::Sender<End>>),
}

/// The way to that thread.
#[derive(Debug)]
pub(super) struct Spawner {
    orders: mpsc::Sender<Order>,
    program: String,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`PdfError::Engine`] when there is no command or no thread.
    pub(super) fn start(command: &[String]) -> Result<Self, PdfError> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(PdfError::Engine {
                reason: "the child command is empty: name the program that calls child_main"
                    .to_owned(),
            });
        };
        let (orders, inbox) = mpsc::channel();
        let program = program.clone();
        let child_program = program.clone();
        let child_arguments = arguments.to_vec();
        thread::Builder::new()
            .name("pdf-spawner".to_owned())
            .spawn(move || {
                for order in inbox {
                    carry_out(order, &child_program, &child_arguments);
                }
            })
            .map_err(|error| PdfError::Engine {
                reason: format!(
                    "no thread could be started ({error}): raise the limit of processes"
                ),
            })?;
        Ok(Self { orders, program })
    }

    /// Starts a child and waits for it.
    ///
    /// # Errors
    /// [`PdfError::Engine`].
    pub(super) fn spawn(&self) -> Result<Renderer, PdfError> {
        let (sender, answer) = oneshot::channel();
        self.order(Order::Spawn(sender));
        self.spawned(block_on(answer))
    }

    /// Starts a child.
    ///
    /// # Errors
    /// [`PdfError::Engine`].
    pub(super) async fn spawn_async(&self) -> Result<Renderer, PdfError> {
        let (sender, answer) = oneshot::channel();
        self.order(Order::Spawn(sender));
        self.spawned(answer.await)
    }

    fn spawned(
        &self,
        answer: Result<io::Result<Renderer>, oneshot::error::RecvError>,
    ) -> Result<Renderer, PdfError> {
        let outcome = answer.unwrap_or_else(|_| Err(io::Error::other("the spawner has ended")));
        outcome.map_err(|error| PdfError::Engine {
            reason: format!(
                "the child program {} could not be started ({error}): check the path and the limit of processes",
                self.program
            ),
        })
    }

    /// Ends a child, some time soon.
    pub(super) fn end(&self, renderer: Renderer) {
        self.order(Order::End(renderer, None));
    }

    /// Ends a child and tells how it ended.
    pub(super) async fn end_async(&self, renderer: Renderer) -> End {
        let (sender, answer) = oneshot::channel();
        self.order(Order::End(renderer, Some(sender)));
        answer.await.unwrap_or_else(|_| unknown_end())
    }

    /// Ends a child, waits, and tells how it ended.
    pub(super) fn end_blocking(&self, renderer: Renderer) -> End {
        let (sender, answer) = oneshot::channel();
        self.order(Order::End(renderer, Some(sender)));
        block_on(answer).unwrap_or_else(|_| unknown_end())
    }

    /// The thread only ends when this sender is gone; were it to panic, the caller's answer channel closes.
    fn order(&self, order: Order) {
        if let Err(mpsc::SendError(Order::End(renderer, _))) = self.orders.send(order) {
            renderer.end();
        }
    }
}

fn unknown_end() -> End {
    End {
        status: None,
        complaint: String::new(),
    }
}

fn carry_out(order: Order, program: &str, arguments: &[String]) {
    match order {
        Order::Spawn(answer) => {
            if let Err(Ok(unwanted)) = answer.send(spawn(program, arguments)) {
                unwanted.end();
            }
        }
        Order::End(renderer, answer) => {
            let end = renderer.end();
            if let Some(answer) = answer {
                // Nobody waits any more: the child is ended all the same.
                drop(answer.send(end));
            }
        }
    }
}

/// Bytes of answers that wait in the channel. The system gives as much of it as it gives anybody.
const ANSWER_BUFFER_BYTES: usize = 1 << 20;

/// All variables that a child is given.
pub(crate) const GIVEN_VARIABLES: [(&str, &str); 2] = [
    // One heap: a second arena reserves 64 MiB of the address space that the child is limited to.
    ("MALLOC_ARENA_MAX", "1"),
    ROWS_STAND_ALONE,
];

fn spawn(program: &str, arguments: &[String]) -> io::Result<Renderer> {
    let (parent_end, child_end) = UnixStream::pair()?;
    // A page's image fits in more often, and the child goes on without waiting for the parent.
    if let Err(error) = setsockopt(&child_end, sockopt::SndBuf, &ANSWER_BUFFER_BYTES) {
        tracing::debug!(%error, "a child keeps the system's own buffer for answers");
    }
    parent_end.set_nonblocking(true)?;
    let (stderr, child_stderr) = io::pipe()?;
    // A child that complains without end must not block on it, and reading must not block the parent.
    fcntl(&stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    fcntl(&child_stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let process = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(GIVEN_VARIABLES)
        // A terminal's Ctrl-C is for the parent, which ends its children in order.
        .process_group(0)
        .current_dir("/")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(child_end)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(child_stderr))
        .spawn()?;
    Ok(Renderer::new(process, parent_end, stderr))
}
