//! The children as the parent sees them: a fixed number of slots, and warm children between uses.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::encode::JpegEncoder;
use crate::engine::{EngineSettings, OcrReport};
use crate::protocol::{Answer, FrameCaps, Request};
use crate::sandbox::{self, Layer, LayerName};
use pagemill_reader::{PdfError, SealedFile};

mod busy_child;
mod process;
mod slots;
mod spawner;

pub(crate) use busy_child::{BusyChild, ChildFault, Death, DeathKind, Trouble};
use process::Renderer;
use slots::{Slot, Slots};
pub(crate) use spawner::GIVEN_VARIABLES;
use spawner::Spawner;

/// Pages after which a child is replaced, whatever its size: libraries leak.
const PAGES_PER_CHILD: u32 = 500;

/// A child that holds more than this is replaced after [`PAGES_PER_GROWN_CHILD`]: PDFium keeps something of every page of
/// an open document, some 200 KiB. A child that has drawn a few ordinary pages holds 20 MiB.
const GROWN_BYTES: u64 = 40 << 20;

/// Pages that pay for the start of a child: it takes half of a page's time.
const PAGES_PER_GROWN_CHILD: u32 = 48;

/// Part of its memory limit that an idle child may hold.
const IDLE_SHARE: u64 = 2;

/// Longest time for a child to load the library and report, on a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Attempts to start a child that somebody else kills while it starts.
const START_ATTEMPTS: u32 = 5;

/// A document as children know it.
#[derive(Debug)]
pub(crate) struct Source {
    /// Tells it from every other document of this process.
    pub(crate) id: u64,
    /// Its bytes.
    pub(crate) file: SealedFile,
    /// What to try to open it.
    pub(crate) passwords: Vec<String>,
}

impl Source {
    /// A document with an id of its own.
    pub(crate) fn new(file: SealedFile, passwords: &[String]) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        // PDFium takes C strings: no password with a zero byte can open anything.
        let usable = passwords.iter().filter(|password| !password.contains('\0'));
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            file,
            passwords: usable.cloned().collect(),
        }
    }
}

/// What the first child reported.
#[derive(Debug, Clone)]
pub(crate) struct FirstReport {
    /// The file that the library was loaded from.
    pub(crate) libpdfium: PathBuf,
    /// What encodes JPEGs.
    pub(crate) jpeg_encoder: JpegEncoder,
    /// The layers of its sandbox.
    pub(crate) layers: Vec<Layer>,
    /// What reads pictures of pages.
    pub(crate) ocr: OcrReport,
}

/// The slots and the idle children.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: EngineSettings,
    slots: Arc<Slots>,
    idle: Mutex<Vec<Renderer>>,
    closed: AtomicBool,
    deaths: AtomicU64,
    spawner: Spawner,
}

impl Pool {
    /// A pool with one warm child. Blocks while that child starts.
    ///
    /// # Errors
    /// [`PdfError::Engine`].
    pub(crate) fn start(settings: EngineSettings) -> Result<(Self, FirstReport), PdfError> {
        let spawner = Spawner::start(&settings.child_command)?;
        let mut renderer = spawner.spawn()?;
        let report = renderer
            .set_up_blocking(&setup_of(&settings), START_TIMEOUT)
            .map_err(|reason| PdfError::Engine { reason })
            .and_then(|answer| report_of(answer, &settings.required_layers));
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                let end = spawner.end_blocking(renderer);
                return Err(with_end(error, &end.in_words()));
            }
        };
        let pool = Self {
            slots: Slots::new(NonZero::new(settings.children).unwrap_or(NonZero::<usize>::MIN)),
            idle: Mutex::new(vec![renderer]),
            closed: AtomicBool::new(false),
            deaths: AtomicU64::new(0),
            settings,
            spawner,
        };
        Ok((pool, report))
    }

    /// The settings of this pool.
    pub(crate) fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// Children that died at work.
    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Relaxed)
    }

    fn count_death(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether new documents are refused.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Refuses new documents and ends the idle children.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for renderer in self.take_idle() {
            self.spawner.end_async(renderer).await;
        }
    }

    fn take_idle(&self) -> Vec<Renderer> {
        std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A child to work with, preferably one that has this document open. Waits for a slot.
    ///
    /// # Errors
    /// [`PdfError::Engine`] when no child can be started.
    pub(crate) async fn child(self: &Arc<Self>, document: u64) -> Result<BusyChild, PdfError> {
        let slot = self.slots.one(document).await;
        let warm = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let same = idle
                .iter()
                .position(|renderer| renderer.document == Some(document));
            match same {
                Some(index) => Some(idle.swap_remove(index)),
                None => idle.pop(),
            }
        };
        match warm {
            Some(renderer) => BusyChild::new(Arc::clone(self), slot, renderer),
            None => self.start_child(slot).await,
        }
    }

    /// A child that has not seen any document.
    ///
    /// # Errors
    /// As [`Pool::child`].
    pub(crate) async fn fresh_child(
        self: &Arc<Self>,
        document: u64,
    ) -> Result<BusyChild, PdfError> {
        let slot = self.slots.one(document).await;
        let replaced = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(renderer) = replaced {
            self.spawner.end(renderer);
        }
        self.start_child(slot).await
    }

    /// A child that has not seen any document, when no other is at work, and no warm one is kept. Waits, in order of
    /// arrival, for all slots.
    ///
    /// # Errors
    /// As [`Pool::child`].
    pub(crate) async fn lone_child(self: &Arc<Self>) -> Result<BusyChild, PdfError> {
        let all = self.slots.all().await;
        for renderer in self.take_idle() {
            self.spawner.end_async(renderer).await;
        }
        self.start_child(all).await
    }

    async fn start_child(self: &Arc<Self>, mut slot: Slot) -> Result<BusyChild, PdfError> {
        for _ in 0..START_ATTEMPTS {
            match self.try_start(slot).await? {
                Ok(child) => return Ok(child),
                Err(returned) => slot = returned,
            }
        }
        Err(PdfError::Engine {
            reason: "children are killed from outside while they start: look for what kills them, such as the system's out-of-memory killer".to_owned(),
        })
    }

    /// One attempt to start a child. The slot comes back when somebody else killed it meanwhile.
    async fn try_start(self: &Arc<Self>, slot: Slot) -> Result<Result<BusyChild, Slot>, PdfError> {
        let renderer = self.spawner.spawn_async().await?;
        let mut child = BusyChild::new(Arc::clone(self), slot, renderer)?;
        let caps = FrameCaps::without_body(&self.settings.limits);
        let outcome = async {
            child.send(&setup_of(&self.settings), None).await?;
            child.receive(caps, START_TIMEOUT).await
        }
        .await;
        match outcome {
            Ok((answer, _)) => {
                report_of(answer, &self.settings.required_layers)?;
                child.rest();
                Ok(Ok(child))
            }
            Err(fault) => {
                let death = child.end_after(fault).await;
                if death.kind == DeathKind::Killed
                    && let Some(slot) = child.into_slot()
                {
                    return Ok(Err(slot));
                }
                Err(PdfError::Engine {
                    reason: format!("a child ended while it started: {}", death.reason),
                })
            }
        }
    }

    /// Takes a child back, or ends it when it has done enough.
    fn give_back(&self, mut renderer: Renderer) {
        let most = self
            .settings
            .limits
            .child_memory_mib
            .saturating_mul(1 << 20)
            / IDLE_SHARE;
        let memory = renderer.memory();
        renderer.own_bytes = memory.own;
        // What the objects took stays with a child to its end, so one that has read them need not have paid for itself.
        let has_read_objects = std::mem::take(&mut renderer.has_read_objects);
        let may_be_replaced = has_read_objects || renderer.pages >= PAGES_PER_GROWN_CHILD;
        let worn_out = renderer.pages >= PAGES_PER_CHILD
            || (may_be_replaced && memory.own > GROWN_BYTES)
            || memory.resident > most;
        if worn_out || self.is_closed() {
            self.spawner.end(renderer);
            return;
        }
        renderer.drain_stderr();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(renderer);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for renderer in self.take_idle() {
            self.spawner.end(renderer);
        }
    }
}

fn setup_of(settings: &EngineSettings) -> Request {
    Request::Setup {
        libpdfium: settings.libpdfium.clone(),
        limits: settings.limits.clone(),
        ocr: settings.ocr.clone(),
    }
}

fn report_of(answer: Answer, required: &BTreeSet<LayerName>) -> Result<FirstReport, PdfError> {
    match answer {
        Answer::Ready {
            libpdfium,
            jpeg_encoder,
            layers,
            ocr,
        } => {
            sandbox::check(&layers, required)?;
            Ok(FirstReport {
                libpdfium,
                jpeg_encoder,
                layers,
                ocr,
            })
        }
        Answer::Refused(error) => Err(error),
        _ => Err(PdfError::Engine {
            reason: "a child answered a setup with something else: the child command is not this version's".to_owned(),
        }),
    }
}

fn with_end(error: PdfError, end: &str) -> PdfError {
    match error {
        PdfError::Engine { reason } if !end.is_empty() => PdfError::Engine {
            reason: format!("{reason}; the child {end}"),
        },
        other => other,
    }
}
