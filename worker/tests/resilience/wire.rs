//! The wire between one worker and its services: a loopback HTTP proxy that names every call, keeps a log, and does
//! what its rules say before the service sees a call, or after the service has done it.
//!
//! HTTP/1 (S3, SQS, the LLM) and HTTP/2 (Qdrant's gRPC) come in on one port, so that a port is a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, combinators::WithTrailers};
use hyper::body::Incoming;
use hyper::http::{HeaderMap, HeaderValue, request::Parts};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::calls;

/// Whether every thread of a process stands still: `T` in the third field of its stat (proc(5)).
fn is_stopped(process: Pid) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the worker runs");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat"));
        // A thread that has ended meanwhile does nothing more.
        stat.map_or(true, |stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, fields)| fields.starts_with('T'))
        })
    })
}

/// On which side of the service's work a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// The worker has sent the call, and the service has not seen it.
    Before,
    /// The service has done it, and the worker has no answer yet.
    After,
}

/// What a rule does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Sends the worker a signal. After SIGKILL the call goes no further.
    Signal(Signal),
    /// Keeps the call, or its answer, until the gate opens.
    Hold(Arc<Gate>),
    /// Answers with this status and AWS error code, and the service sees nothing.
    Refuse(u16, &'static str),
    /// Cuts the connection.
    Cut,
}

/// Opens once, for all that wait before it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Notify,
}

impl Gate {
    /// Lets everything through, from now on.
    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_waiters();
    }

    async fn pass(&self) {
        let mut opened = std::pin::pin!(self.opened.notified());
        opened.as_mut().enable();
        if !*self.is_open.lock().unwrap_or_else(PoisonError::into_inner) {
            opened.await;
        }
    }
}

/// What to do at which call.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// How the call's name begins.
    pub(crate) name: String,
    /// Which of the calls whose name begins so, counted from 1; `None` for all of them.
    pub(crate) nth: Option<usize>,
    pub(crate) moment: Moment,
    pub(crate) actions: Vec<Action>,
}

/// One call in the log.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Which of the calls of this name, from 1.
    pub(crate) nth: usize,
    /// When the worker had sent it.
    pub(crate) sent: Instant,
    /// The status that the service answered with, and when; `None` when the service did not see it or has not
    /// answered.
    pub(crate) answered: Option<(Instant, u16)>,
}

#[derive(Debug, Default)]
struct Book {
    calls: Vec<Call>,
    rules: Vec<(Rule, usize)>,
    fired: usize,
    receipts: Vec<String>,
    poll_seconds: Option<u64>,
    longest_hiding: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    aws: String,
    qdrant: String,
    llm: String,
    book: Mutex<Book>,
    changed: Notify,
    worker: watch::Sender<Option<Pid>>,
}

type Body = Either<Full<Bytes>, WithTrailers<Full<Bytes>, std::future::Ready<Trailers>>>;
type Trailers = Option<Result<HeaderMap, std::convert::Infallible>>;

/// A proxy for one worker. Its port closes when it is dropped; its log stays with those who took it.
#[derive(Debug)]
pub(crate) struct Wire {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    /// Listens on a free port, for services at these addresses (URLs).
    pub(crate) async fn start(aws: &str, qdrant: &str, llm: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("an address");
        let authority = |url: &str| {
            let url = url::Url::parse(url).expect("a URL");
            format!("127.0.0.1:{}", url.port().expect("a port"))
        };
        let shared = Arc::new(Shared {
            aws: authority(aws),
            qdrant: authority(qdrant),
            llm: authority(llm),
            book: Mutex::default(),
            changed: Notify::new(),
            worker: watch::Sender::new(None),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            task,
        }
    }

    /// Its address, for all three services.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port: one a worker.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Says which process is on it. Signals wait for that.
    pub(crate) fn belongs_to(&self, worker: Pid) {
        self.shared.worker.send_replace(Some(worker));
    }

    /// Adds a rule.
    pub(crate) fn rule(&self, rule: Rule) {
        self.book().rules.push((rule, 0));
    }

    /// Takes all rules back.
    pub(crate) fn heal(&self) {
        self.book().rules.clear();
    }

    /// Lets an empty long poll end so soon, whatever the worker asks for: what a test waits for is shorter, and
    /// nothing else changes.
    pub(crate) fn shorten_polls(&self, seconds: u64) {
        self.book().poll_seconds = Some(seconds);
    }

    /// Takes [`Wire::shorten_polls`] back, from the next poll on.
    pub(crate) fn poll_as_asked(&self) {
        self.book().poll_seconds = None;
    }

    /// Lets a message that the worker puts off come back so soon: more deliveries in less time than it asked for.
    pub(crate) fn shorten_backoff(&self, seconds: u64) {
        self.book().longest_hiding = Some(seconds);
    }

    /// The log so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.book().calls.clone()
    }

    /// How many calls have a name that begins so.
    pub(crate) fn count(&self, name: &str) -> usize {
        let book = self.book();
        let calls = book.calls.iter();
        calls.filter(|call| call.name.starts_with(name)).count()
    }

    /// Receipt handles that came over this wire, oldest first, also those whose answer the worker never saw.
    pub(crate) fn receipts(&self) -> Vec<String> {
        self.book().receipts.clone()
    }

    /// How often rules have acted.
    pub(crate) fn fired(&self) -> usize {
        self.book().fired
    }

    /// Waits until the log or the rules say so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(crate::support::PATIENCE, waiting).await;
        assert!(
            in_time.is_ok(),
            "waited in vain until {what}: {:#?}",
            self.calls()
        );
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        stream.set_nodelay(true).expect("a TCP socket");
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { shared.carry(request).await }
            });
            // A worker that dies, or a call that is cut, ends its connection with an error; that is the point.
            drop(
                hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Why a call gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("the call was cut off")]
struct CutOff;

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry(&self, request: Request<Incoming>) -> Result<Response<Body>, CutOff> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| CutOff)?.to_bytes();
        let name = calls::name(&parts, &body);
        let place = self.note(&name);
        if let Some(refused) = self.act(&name, Moment::Before).await? {
            return Ok(refused);
        }
        let body = self.hurried(&name, body);
        let (head, body, trailers) = self.forward(parts, body).await.map_err(|_| CutOff)?;
        self.note_answer(place, head.status, &body);
        if let Some(refused) = self.act(&name, Moment::After).await? {
            return Ok(refused);
        }
        let body = Full::new(body);
        let body = match trailers {
            Some(trailers) => {
                Either::Right(body.with_trailers(std::future::ready(Some(Ok(trailers)))))
            }
            None => Either::Left(body),
        };
        Ok(Response::from_parts(head, body))
    }

    fn note(&self, name: &str) -> usize {
        let mut book = self.book();
        let nth = 1 + book.calls.iter().filter(|call| call.name == name).count();
        book.calls.push(Call {
            name: name.to_owned(),
            nth,
            sent: Instant::now(),
            answered: None,
        });
        let place = book.calls.len() - 1;
        drop(book);
        self.changed.notify_waiters();
        place
    }

    fn note_answer(&self, place: usize, status: StatusCode, body: &Bytes) {
        let mut book = self.book();
        book.calls[place].answered = Some((Instant::now(), status.as_u16()));
        if book.calls[place].name == "SQS ReceiveMessage" {
            let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            let receipts = messages
                .iter()
                .filter_map(|message| message["ReceiptHandle"].as_str());
            book.receipts.extend(receipts.map(str::to_owned));
        }
        drop(book);
        self.changed.notify_waiters();
    }

    /// Does what the rules say. An answer instead of the service's, where one of them gives it.
    async fn act(&self, name: &str, moment: Moment) -> Result<Option<Response<Body>>, CutOff> {
        let actions: Vec<Action> = {
            let mut book = self.book();
            let mut actions = Vec::new();
            for (rule, seen) in &mut book.rules {
                if rule.moment == moment && name.starts_with(&rule.name) {
                    *seen += 1;
                    if rule.nth.is_none_or(|nth| nth == *seen) {
                        actions.extend(rule.actions.clone());
                    }
                }
            }
            actions
        };
        if actions.is_empty() {
            return Ok(None);
        }
        let mut answer = Ok(None);
        for action in actions {
            match action {
                Action::Signal(signal) => {
                    let worker = self.worker().await;
                    kill(worker, signal).expect("the worker runs, for it made this call");
                    if signal == Signal::SIGKILL {
                        answer = Err(CutOff);
                    }
                    // One thread takes the signal and stops the others; on a busy machine they go on meanwhile.
                    while signal == Signal::SIGSTOP && !is_stopped(worker) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    self.note_fired();
                }
                Action::Hold(gate) => {
                    self.note_fired();
                    gate.pass().await;
                }
                Action::Refuse(status, code) => {
                    self.note_fired();
                    answer = Ok(Some(refusal(name, status, code)));
                }
                Action::Cut => {
                    self.note_fired();
                    answer = Err(CutOff);
                }
            }
        }
        answer
    }

    fn note_fired(&self) {
        self.book().fired += 1;
        self.changed.notify_waiters();
    }

    async fn worker(&self) -> Pid {
        let mut worker = self.worker.subscribe();
        let named = worker.wait_for(Option::is_some).await;
        named
            .expect("the sender lives as long as this")
            .expect("waited for it")
    }

    /// A queue call with shorter times, where the test asked for that.
    fn hurried(&self, name: &str, body: Bytes) -> Bytes {
        let (field, most) = match name {
            "SQS ReceiveMessage" => ("WaitTimeSeconds", self.book().poll_seconds),
            "SQS ChangeMessageVisibility" => ("VisibilityTimeout", self.book().longest_hiding),
            _ => return body,
        };
        let Some(most) = most else {
            return body;
        };
        let mut call: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let asked = call[field].as_u64().unwrap_or_default();
        call[field] = asked.min(most).into();
        Bytes::from(call.to_string())
    }

    async fn forward(
        &self,
        parts: Parts,
        body: Bytes,
    ) -> Result<
        (hyper::http::response::Parts, Bytes, Option<HeaderMap>),
        Box<dyn std::error::Error + Send + Sync>,
    > {
        let is_grpc = parts.version == Version::HTTP_2;
        let path = parts.uri.path();
        let authority = match path {
            _ if path.starts_with("/qdrant.") => &self.qdrant,
            _ if path.starts_with("/v1/") => &self.llm,
            _ => &self.aws,
        };
        let mut request = Request::from_parts(parts, Full::new(body));
        for hop in [
            "content-length",
            "transfer-encoding",
            "connection",
            "expect",
        ] {
            request.headers_mut().remove(hop);
        }
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        let answer = if is_grpc {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
            let _running = AbortOnDrop(tokio::spawn(connection));
            whole(sender.send_request(request).await?).await?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            let _running = AbortOnDrop(tokio::spawn(connection));
            whole(sender.send_request(request).await?).await?
        };
        Ok(answer)
    }
}

/// Ends the connection with the call.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn whole(
    answer: Response<Incoming>,
) -> Result<(hyper::http::response::Parts, Bytes, Option<HeaderMap>), hyper::Error> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    for hop in ["transfer-encoding", "connection"] {
        head.headers.remove(hop);
    }
    Ok((head, body.to_bytes(), trailers))
}

/// An error as the service would write it.
fn refusal(name: &str, status: u16, code: &str) -> Response<Body> {
    let (content_type, body) = match name.split(' ').next() {
        Some("S3") => (
            "application/xml",
            format!("<Error><Code>{code}</Code><Message>the wire refuses</Message></Error>"),
        ),
        Some("SQS") => (
            "application/x-amz-json-1.0",
            format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"the wire refuses"}}"#),
        ),
        Some("Qdrant") => {
            let mut answer = Response::new(Either::Left(Full::default()));
            let headers = answer.headers_mut();
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            // 14 is UNAVAILABLE.
            headers.insert("grpc-status", HeaderValue::from_static("14"));
            headers.insert("grpc-message", HeaderValue::from_static("the wire refuses"));
            return answer;
        }
        _ => (
            "application/json",
            format!(
                r#"{{"error":{{"message":"the wire refuses","type":"{code}","param":null,"code":"{code}"}}}}"#
            ),
        ),
    };
    let body = Either::Left(Full::new(Bytes::from(body)));
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(body)
        .expect("valid parts")
}

/// How many calls of each name a log has.
pub(crate) fn tally(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for call in calls {
        *tally.entry(call.name.clone()).or_default() += 1;
    }
    tally
}

/// Half of all times are at most this, and the longest.
pub(crate) fn p50_and_max(times: &[Duration]) -> (Duration, Duration) {
    let mut times = times.to_vec();
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}
