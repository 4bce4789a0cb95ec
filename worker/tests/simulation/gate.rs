//! The gate of one worker: every call that leaves it passes here, and here it is crashed and frozen.
//!
//! A call is a request on its way to a server, the effect there, and an answer on its way back. The request and the
//! effect belong to the world, not to the worker: when the worker dies, is frozen or drops the call, a request under
//! way may still arrive. Whether it does is thrown with the dice.

#[path = "gate/llm.rs"]
pub(crate) mod llm;
#[path = "gate/queue.rs"]
pub(crate) mod queue;
#[path = "gate/store.rs"]
pub(crate) mod store;
#[path = "gate/vectors.rs"]
pub(crate) mod vectors;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use pagemill_queue::capabilities::Receipts;
use pagemill_queue::{Clock, MemoryQueue, Moment, Queue};
use tokio::sync::{oneshot, watch};

use crate::schedule::Dependency;
use crate::world::World;

/// What a worker can do just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It runs.
    Running,
    /// It was stopped by SIGSTOP.
    Frozen,
    /// It is gone.
    Dead,
}

/// What happens to a request that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transit {
    Goes,
    /// It leaves the worker only when that is resumed.
    Held,
    Lost,
}

/// One process of a worker.
pub(crate) struct Gate {
    pub(crate) world: Arc<World>,
    /// Such as `w1.2`: worker 1, its second process.
    pub(crate) name: String,
    /// Which worker.
    pub(crate) worker: usize,
    /// The queue, through the one connection that this process has to it.
    pub(crate) connection: MemoryQueue,
    state: Mutex<State>,
}

struct State {
    mode: Mode,
    sleepers: Vec<Waker>,
    under_way: BTreeMap<u64, watch::Sender<Transit>>,
    next_call: u64,
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// How a call goes wrong without reaching its server, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No answer, or a server error.
    Unavailable,
    /// Too many calls.
    Throttled,
}

/// What the dice say of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Luck {
    Good,
    /// It fails without effect.
    Fails(Trouble),
    /// It has its effect, and the answer is lost.
    AnswerLost,
    /// It has its effect, the answer is lost, and the client sends it once more.
    SentTwice,
    /// The worker dies before it is sent.
    DiesBefore,
    /// The worker dies when the answer arrives.
    DiesAfter,
}

/// One call, described.
pub(crate) struct Call {
    pub(crate) dependency: Dependency,
    /// For the trace.
    pub(crate) what: String,
    /// The source that it changes something of; such a call needs a live lease.
    pub(crate) writes: Option<usize>,
}

impl Gate {
    pub(crate) fn new(world: Arc<World>, worker: usize, process: u32) -> Arc<Self> {
        let connection = world.queue.connect();
        Arc::new(Self {
            world,
            connection,
            name: format!("w{worker}.{process}"),
            worker,
            state: Mutex::new(State {
                mode: Mode::Running,
                sleepers: Vec::new(),
                under_way: BTreeMap::new(),
                next_call: 0,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it can do just now.
    pub(crate) fn mode(&self) -> Mode {
        self.state().mode
    }

    /// Notes something in the trace.
    pub(crate) fn note(&self, what: &str) {
        self.world.note(&self.name, what);
    }

    /// Stops it by SIGSTOP. Requests that have left go on, those still in its buffers stay there.
    pub(crate) fn freeze(&self) {
        let mut state = self.state();
        if state.mode != Mode::Running {
            return;
        }
        state.mode = Mode::Frozen;
        for transit in state.under_way.values() {
            if self.world.dice.coin() {
                transit.send_replace(Transit::Held);
            }
        }
        drop(state);
        self.connection.fall_silent();
        self.note("FROZEN");
    }

    /// Resumes it by SIGCONT.
    pub(crate) fn thaw(&self) {
        let mut state = self.state();
        if state.mode != Mode::Frozen {
            return;
        }
        state.mode = Mode::Running;
        for transit in state.under_way.values() {
            transit.send_replace(Transit::Goes);
        }
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        self.connection.speak_again();
        self.note("RESUMED");
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Ends it at once. Requests under way arrive or not.
    pub(crate) fn die(&self, why: &str) {
        if self.leave() {
            self.note(&format!("DIED {why}"));
            self.world.died(self.worker);
        }
    }

    /// Whether it was still there.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.state();
        if state.mode == Mode::Dead {
            return false;
        }
        state.mode = Mode::Dead;
        for transit in state.under_way.values() {
            let fate = if self.world.dice.coin() {
                Transit::Goes
            } else {
                Transit::Lost
            };
            transit.send_replace(fate);
        }
        drop(state);
        self.hang_up();
        true
    }

    /// The kernel closes the connection, behind what was sent on it.
    fn hang_up(&self) {
        if self.connection.capabilities().receipts == Receipts::Connection {
            let behind = self.world.dice.millis(10, 10_000);
            let connection = self.connection.clone();
            tokio::spawn(async move {
                tokio::time::sleep(behind).await;
                connection.hang_up();
            });
        }
    }

    /// Waits until it runs. For ever, when it is dead.
    pub(crate) async fn running(&self) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.mode == Mode::Running {
                return Poll::Ready(());
            }
            state.sleepers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Takes a while of its own work, such as rendering a page.
    pub(crate) async fn works(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.running().await;
    }

    /// Makes a call. `effect` is what the server does; it may be asked for twice.
    pub(crate) async fn call<Answer, Refusal, Effect, Doing>(
        self: &Arc<Self>,
        call: Call,
        fails: impl Fn(Trouble) -> Refusal + Send + Sync + 'static,
        effect: Effect,
    ) -> Result<Answer, Refusal>
    where
        Answer: Send + 'static,
        Refusal: fmt::Display + Send + 'static,
        Effect: Fn() -> Doing + Send + Sync + 'static,
        Doing: Future<Output = Result<Answer, Refusal>> + Send,
    {
        self.running().await;
        let Call {
            dependency,
            what,
            writes,
        } = call;
        self.note(&what);
        self.world.count_call(dependency);
        if let Some(source) = writes {
            self.world.oracle().written(self, source, &what);
        }
        let luck = self.world.luck(dependency);
        let travel = self.world.travel(dependency);
        if luck == Luck::DiesBefore {
            self.die(&format!("before {what}"));
            return pending().await;
        }
        let (answered, answer) = oneshot::channel();
        let (transit, mut fate) = watch::channel(Transit::Goes);
        let number = {
            let mut state = self.state();
            state.next_call += 1;
            let number = state.next_call;
            state.under_way.insert(number, transit);
            number
        };
        let under_way = UnderWay {
            gate: Arc::clone(self),
            number,
            is_over: false,
        };
        let world = Arc::clone(&self.world);
        let who = format!("({})", self.name);
        let server = async move {
            tokio::time::sleep(travel.there).await;
            let was_held = *fate.borrow() == Transit::Held;
            // An error says that the call was let go of, with the fate that was last.
            drop(fate.wait_for(|fate| *fate != Transit::Held).await);
            if *fate.borrow() == Transit::Lost {
                return;
            }
            let served = async {
                match luck {
                    Luck::Fails(trouble) => Err(fails(trouble)),
                    Luck::SentTwice => {
                        let first = effect().await;
                        world.note_result(&who, &what, &first);
                        effect().await
                    }
                    _ => effect().await,
                }
            };
            // A long poll ends when its connection does, or goes on without anybody at the other end.
            let lost = async {
                if fate.wait_for(|fate| *fate == Transit::Lost).await.is_err() {
                    pending::<()>().await;
                }
            };
            let result = tokio::select! {
                biased;
                result = served => result,
                () = lost => return,
            };
            world.note_result(&who, &what, &result);
            if result.is_ok() && (was_held || answered.is_closed()) {
                world.oracle().came_late(&what);
            }
            let result = match (luck, result) {
                (Luck::AnswerLost, Ok(_)) => Err(fails(Trouble::Unavailable)),
                (_, result) => result,
            };
            tokio::time::sleep(travel.back).await;
            // Nobody may be there any more to hear it.
            drop(answered.send(result));
        };
        tokio::spawn(server);
        let Ok(result) = answer.await else {
            // The request was lost with this process.
            return pending().await;
        };
        self.running().await;
        under_way.end();
        if luck == Luck::DiesAfter {
            self.die("with an answer in hand");
            return pending().await;
        }
        result
    }
}

/// A call that waits for its answer. Dropping it closes the connection: the request arrives, or it does not.
struct UnderWay {
    gate: Arc<Gate>,
    number: u64,
    is_over: bool,
}

impl UnderWay {
    fn end(mut self) {
        self.is_over = true;
        self.gate.state().under_way.remove(&self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.gate.state();
        let Some(transit) = state.under_way.remove(&self.number) else {
            return;
        };
        // Of a dead one it was thrown before.
        if state.mode != Mode::Dead && self.gate.world.dice.coin() {
            transit.send_replace(Transit::Lost);
        }
    }
}

/// A task of a worker: it does not run while the worker is frozen, and never again when that is dead.
pub(crate) struct Gated<Work> {
    gate: Arc<Gate>,
    work: Pin<Box<Work>>,
}

impl<Work> Gated<Work> {
    pub(crate) fn new(gate: &Arc<Gate>, work: Work) -> Self {
        Self {
            gate: Arc::clone(gate),
            work: Box::pin(work),
        }
    }
}

impl<Work: Future> Future for Gated<Work> {
    type Output = Work::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        {
            let mut state = self.gate.state();
            if state.mode != Mode::Running {
                state.sleepers.push(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.work.as_mut().poll(context)
    }
}

/// A worker's clock: it goes on while the worker is frozen, but nobody wakes up.
#[derive(Debug)]
pub(crate) struct GatedClock {
    pub(crate) gate: Arc<Gate>,
}

impl Clock for GatedClock {
    fn now(&self) -> Moment {
        self.gate.world.clock.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let gate = Arc::clone(&self.gate);
        let slept = self.gate.world.clock.sleep(duration);
        async move {
            slept.await;
            gate.running().await;
        }
        .boxed()
    }
}
