//! One child in use: requests, answers with deadlines, and what becomes of it.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::process::{End, Renderer};
use super::slots::Slot;
use super::{Pool, Source};
use crate::protocol::{self, Answer, AttachedFile, FrameCaps, FrameLengths, PREFIX_BYTES, Request};
use crate::repair::{Purpose, Repair};
use pagemill_document::Inspection;
use pagemill_reader::{Limits, PdfError};

/// The part of its memory that a child may hold and still has room for anything that a fresh one has room for.
const NEXT_TO_NOTHING: u64 = 8;

/// A child in use. Dropped in the middle of an answer, it is killed; at rest, it goes back to the pool.
#[derive(Debug)]
pub(crate) struct BusyChild {
    pool: Arc<Pool>,
    renderer: Option<Renderer>,
    stream: UnixStream,
    at_rest: bool,
    slot: Option<Slot>,
}

/// What is wrong with a child, seen from its channel.
#[derive(Debug)]
pub(crate) enum ChildFault {
    /// It closed the channel.
    Gone(io::Error),
    /// It did not answer in time.
    Late,
    /// It answered what no child of this version answers.
    Violation(String),
}

/// How a child's work ended it.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    /// Its kind, for the one who decides.
    pub(crate) kind: DeathKind,
    /// In words.
    pub(crate) reason: String,
}

/// Kinds of death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeathKind {
    /// It crashed or broke the protocol.
    Crashed,
    /// Somebody else killed it.
    Killed,
    /// It took too long.
    TimedOut,
    /// It needed too much memory.
    OutOfMemory,
}

impl DeathKind {
    /// Whether the same work may well succeed in another child.
    pub(crate) fn may_be_chance(self) -> bool {
        matches!(self, Self::Crashed | Self::Killed)
    }
}

/// Why a request gave nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The child is dead and buried.
    Died(Death),
    /// The child lives and says no.
    Refused(PdfError),
}

impl BusyChild {
    /// Takes a child into use. Must be called in a runtime.
    ///
    /// # Errors
    /// [`PdfError::Engine`] when the runtime can't watch its channel.
    pub(super) fn new(
        pool: Arc<Pool>,
        slot: Slot,
        mut renderer: Renderer,
    ) -> Result<Self, PdfError> {
        let channel = renderer.channel.take();
        let stream = channel
            .ok_or_else(|| io::Error::other("it has no channel"))
            .and_then(UnixStream::from_std);
        match stream {
            Ok(stream) => Ok(Self {
                pool,
                renderer: Some(renderer),
                stream,
                at_rest: false,
                slot: Some(slot),
            }),
            Err(error) => {
                pool.spawner.end(renderer);
                Err(PdfError::Engine {
                    reason: format!(
                        "a child's channel can't be watched ({error}): raise the limit of open files"
                    ),
                })
            }
        }
    }

    /// Says that the last answer is complete.
    pub(crate) fn rest(&mut self) {
        self.at_rest = true;
    }

    /// Gives up the child, should there be one, and keeps its slot.
    pub(super) fn into_slot(mut self) -> Option<Slot> {
        self.slot.take()
    }

    /// Says that the child has read all objects of a file.
    pub(crate) fn has_read_objects(&mut self) {
        if let Some(renderer) = &mut self.renderer {
            renderer.has_read_objects = true;
        }
    }

    /// Whether the child held next to nothing when it was taken into use, of the memory it may have.
    pub(crate) fn has_room(&self) -> bool {
        let most = self.pool.settings.limits.child_memory_mib << 20;
        let renderer = self.renderer.as_ref();
        renderer.is_some_and(|renderer| renderer.own_bytes <= most / NEXT_TO_NOTHING)
    }

    /// Counts an answered page.
    pub(crate) fn count_page(&mut self) {
        if let Some(renderer) = &mut self.renderer {
            renderer.pages = renderer.pages.saturating_add(1);
        }
    }

    /// Opens a document in this child, unless it is open there already. Gives what PDFium knows of it when it was
    /// opened now.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) async fn open(&mut self, source: &Source) -> Result<Option<Inspection>, Trouble> {
        let already = self
            .renderer
            .as_ref()
            .is_some_and(|renderer| renderer.document == Some(source.id));
        if already {
            return Ok(None);
        }
        self.has_nothing_open();
        let request = Request::Open {
            bytes: source.file.bytes(),
            passwords: source.passwords.clone(),
        };
        match self.ask(&request, source, FrameCaps::without_body).await? {
            (Answer::Opened(inspection), _) => {
                if let Some(renderer) = &mut self.renderer {
                    renderer.document = Some(source.id);
                }
                Ok(Some(*inspection))
            }
            _ => Err(self
                .another_answer("another answer than to an opening")
                .await),
        }
    }

    /// Gives the child the copy of the document that it has open, in which fonts say what they mean, unless it has it.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) async fn attach(&mut self, copy: &Source) -> Result<(), Trouble> {
        let already = self
            .renderer
            .as_ref()
            .is_some_and(|renderer| renderer.copy == Some(copy.id));
        if already {
            return Ok(());
        }
        let request = Request::Attach {
            bytes: copy.file.bytes(),
        };
        match self.ask(&request, copy, FrameCaps::without_body).await? {
            (Answer::Attached, _) => {
                if let Some(renderer) = &mut self.renderer {
                    renderer.copy = Some(copy.id);
                }
                Ok(())
            }
            _ => Err(self.another_answer("another answer than to a copy").await),
        }
    }

    /// Has a document rewritten. The child has none open then.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) async fn repair(
        &mut self,
        source: &Source,
        purpose: Purpose,
    ) -> Result<(Repair, Vec<u8>), Trouble> {
        self.has_nothing_open();
        let request = Request::Repair {
            purpose,
            bytes: source.file.bytes(),
            passwords: source.passwords.clone(),
        };
        match self.ask(&request, source, FrameCaps::of_file).await? {
            (Answer::Repaired(repair), file) => {
                self.has_read_objects();
                Ok((repair, file))
            }
            _ => Err(self.another_answer("another answer than to a repair").await),
        }
    }

    /// Has words written into a document, by a request for that. The child has none open then.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) async fn searchable(
        &mut self,
        source: &Source,
        request: &Request,
    ) -> Result<Vec<u8>, Trouble> {
        self.has_nothing_open();
        match self.ask(request, source, FrameCaps::of_file).await? {
            (Answer::Searchable, file) => {
                self.has_read_objects();
                Ok(file)
            }
            _ => Err(self.another_answer("another answer than to words").await),
        }
    }

    /// Has the files read that a document carries, and gives each to `take` as it comes. The child has no document open then.
    ///
    /// # Errors
    /// [`Trouble`]; what came before it is taken.
    pub(crate) async fn attachments(
        &mut self,
        source: &Source,
        request: &Request,
        mut take: impl FnMut(AttachedFile, Vec<u8>) -> Result<(), String>,
    ) -> Result<(), Trouble> {
        self.has_nothing_open();
        let limits = &self.pool.settings.limits;
        let caps = FrameCaps::of_attachment(limits);
        let end = Instant::now() + Duration::from_secs(u64::from(limits.open_timeout_seconds));
        if let Err(fault) = self.send(request, Some(source.file.descriptor())).await {
            return Err(Trouble::Died(self.end_after(fault).await));
        }
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let fault = match self.receive(caps, left).await {
                Ok((Answer::Attachment(file), content)) => match take(file, content) {
                    Ok(()) => continue,
                    Err(what) => ChildFault::Violation(what),
                },
                Ok((Answer::AttachmentsEnd, _)) => {
                    self.rest();
                    self.has_read_objects();
                    return Ok(());
                }
                Ok((Answer::Refused(error), _)) => {
                    self.rest();
                    return Err(Trouble::Refused(error));
                }
                Ok(_) => ChildFault::Violation("another answer than attached files".to_owned()),
                Err(fault) => fault,
            };
            return Err(Trouble::Died(self.end_after(fault).await));
        }
    }

    fn has_nothing_open(&mut self) {
        if let Some(renderer) = &mut self.renderer {
            renderer.document = None;
            renderer.copy = None;
        }
    }

    /// Sends a request about a file with the file, and waits for the answer, after which the child is at rest.
    async fn ask(
        &mut self,
        request: &Request,
        source: &Source,
        caps: fn(&Limits) -> FrameCaps,
    ) -> Result<(Answer, Vec<u8>), Trouble> {
        let limits = &self.pool.settings.limits;
        let deadline = Duration::from_secs(u64::from(limits.open_timeout_seconds));
        let caps = caps(limits);
        let outcome = match self.send(request, Some(source.file.descriptor())).await {
            Ok(()) => self.receive(caps, deadline).await,
            Err(fault) => Err(fault),
        };
        match outcome {
            Ok((Answer::Refused(error), _)) => {
                self.rest();
                Err(Trouble::Refused(error))
            }
            Ok(answer) => {
                self.rest();
                Ok(answer)
            }
            Err(fault) => Err(Trouble::Died(self.end_after(fault).await)),
        }
    }

    /// Ends a child that answers something else than it was asked.
    async fn another_answer(&mut self, what: &str) -> Trouble {
        Trouble::Died(self.end_after(ChildFault::Violation(what.to_owned())).await)
    }

    /// Sends a request, with a descriptor when it needs one.
    ///
    /// # Errors
    /// [`ChildFault`].
    pub(crate) async fn send(
        &mut self,
        request: &Request,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), ChildFault> {
        self.at_rest = false;
        let frame = protocol::encode(request, 0).map_err(ChildFault::Gone)?;
        // A child that does not read is as late as one that does not answer.
        let limits = &self.pool.settings.limits;
        let deadline = Duration::from_secs(u64::from(limits.open_timeout_seconds));
        let write = async {
            let mut sent = 0;
            if let Some(descriptor) = descriptor {
                sent = self
                    .stream
                    .async_io(Interest::WRITABLE, || {
                        let descriptors = [descriptor.as_raw_fd()];
                        sendmsg::<()>(
                            self.stream.as_raw_fd(),
                            &[IoSlice::new(&frame)],
                            &[ControlMessage::ScmRights(&descriptors)],
                            MsgFlags::MSG_NOSIGNAL,
                            None,
                        )
                        .map_err(io::Error::from)
                    })
                    .await?;
            }
            self.stream.write_all(&frame[sent..]).await
        };
        match timeout(deadline, write).await {
            Ok(outcome) => outcome.map_err(ChildFault::Gone),
            Err(_) => Err(ChildFault::Late),
        }
    }

    /// Waits for one answer and its body.
    ///
    /// # Errors
    /// [`ChildFault`].
    pub(crate) async fn receive(
        &mut self,
        caps: FrameCaps,
        deadline: Duration,
    ) -> Result<(Answer, Vec<u8>), ChildFault> {
        let stream = &mut self.stream;
        let read = async {
            let mut prefix = [0; PREFIX_BYTES];
            stream
                .read_exact(&mut prefix)
                .await
                .map_err(ChildFault::Gone)?;
            let lengths = FrameLengths::parse(prefix, caps).map_err(ChildFault::Violation)?;
            let header = read_bytes(stream, lengths.header).await?;
            let answer = protocol::decode(&header).map_err(ChildFault::Violation)?;
            let body = read_bytes(stream, lengths.body).await?;
            Ok((answer, body))
        };
        timeout(deadline, read)
            .await
            .unwrap_or(Err(ChildFault::Late))
    }

    /// Ends the child and says why it died.
    pub(crate) async fn end_after(&mut self, fault: ChildFault) -> Death {
        let Some(renderer) = self.renderer.take() else {
            return Death {
                kind: DeathKind::Crashed,
                reason: "it was dead before".to_owned(),
            };
        };
        let end = self.pool.spawner.end_async(renderer).await;
        let death = judge(fault, &end);
        self.pool.count_death();
        tracing::debug!(reason = %death.reason, "a renderer process ended");
        death
    }
}

async fn read_bytes(stream: &mut UnixStream, length: u32) -> Result<Vec<u8>, ChildFault> {
    let length = length as usize;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| {
        ChildFault::Violation(format!("{length} bytes, for which there is no memory"))
    })?;
    let count = stream
        .take(length as u64)
        .read_to_end(&mut bytes)
        .await
        .map_err(ChildFault::Gone)?;
    if count < length {
        return Err(ChildFault::Gone(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

fn judge(fault: ChildFault, end: &End) -> Death {
    match fault {
        ChildFault::Late => Death {
            kind: DeathKind::TimedOut,
            reason: "it did not answer in time".to_owned(),
        },
        ChildFault::Violation(what) => Death {
            kind: DeathKind::Crashed,
            reason: format!("it broke the protocol with {what}"),
        },
        ChildFault::Gone(_) if end.signal() == Some(nix::sys::signal::Signal::SIGXCPU) => Death {
            kind: DeathKind::TimedOut,
            reason: "it used up its CPU time".to_owned(),
        },
        ChildFault::Gone(_) if end.signal() == Some(nix::sys::signal::Signal::SIGSYS) => Death {
            kind: DeathKind::Crashed,
            reason: "its sandbox ended it: it tried a system call that no renderer needs"
                .to_owned(),
        },
        ChildFault::Gone(_) if end.is_out_of_memory() => Death {
            kind: DeathKind::OutOfMemory,
            reason: "it ran out of memory".to_owned(),
        },
        // A child that the pool kills is late or violates the protocol; one that closes its channel is killed by others.
        ChildFault::Gone(error) => Death {
            kind: match end.signal() {
                Some(nix::sys::signal::Signal::SIGKILL) => DeathKind::Killed,
                _ => DeathKind::Crashed,
            },
            reason: format!("it {} ({error})", end.in_words()),
        },
    }
}

impl Drop for BusyChild {
    fn drop(&mut self) {
        let Some(mut renderer) = self.renderer.take() else {
            return;
        };
        if !self.at_rest {
            self.pool.spawner.end(renderer);
            return;
        }
        // The stream belongs to a runtime; the pool keeps a plain descriptor, which is the same channel.
        match std::os::fd::AsFd::as_fd(&self.stream).try_clone_to_owned() {
            Ok(descriptor) => {
                renderer.channel = Some(descriptor.into());
                self.pool.give_back(renderer);
            }
            Err(_) => self.pool.spawner.end(renderer),
        }
    }
}
