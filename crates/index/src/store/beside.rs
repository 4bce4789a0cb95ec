//! Reading an embedded store that another process holds, such as a search beside a worker that writes.
//!
//! The engine can't share its files, so the process that holds the folder answers the questions of the others, over a socket in
//! that folder which only its own user may open. Each question is a connection: a line of JSON there, a line back. Writes are not
//! among them: whoever wants to write waits for the folder's lock.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use async_trait::async_trait;
use pagemill_document::Dependency;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::error::IndexError;
use crate::points::Point;
use crate::store::{
    Collection, CollectionSpec, Hit, Inventory, QueryVector, SearchFilter, VectorStore,
};

/// Of the socket in the store's folder.
const SOCKET: &str = "search.sock";

/// The longest path of a socket that the kernel takes.
const MAX_SOCKET_PATH: usize = 107;

/// A question is a vector and a filter: no more than this is read of one.
const MAX_QUESTION_BYTES: u64 = 1 << 20;

/// How long an answer may take; an inventory reads the whole store.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    collection: Collection,
    about: About,
}

#[derive(Debug, Serialize, Deserialize)]
enum About {
    OtherGenerations {
        source: String,
        keep: Option<String>,
    },
    Count(SearchFilter),
    Nearest {
        vector: QueryVector,
        limit: usize,
        filter: SearchFilter,
    },
    Inventory,
    Dimensions,
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Inventory(Vec<Inventory>),
    Count(u64),
    Hits(Vec<Hit>),
    Dimensions(Option<u64>),
    Failed(String),
}

/// Where the socket is, by a path that the kernel takes; the folder is open as long as what is returned is held.
fn address(dir: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = dir.join(SOCKET);
    if path.as_os_str().as_bytes().len() <= MAX_SOCKET_PATH {
        return Ok((path, None));
    }
    let folder = File::open(dir)?;
    let short = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
    Ok((short.into(), Some(folder)))
}

/// Answers other processes until it is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    task: AbortHandle,
    socket: PathBuf,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays refuses connections, and the next holder of the lock takes it away.
        drop(fs::remove_file(&self.socket));
    }
}

/// Begins to answer for a store whose folder this process holds; `None` where there is no runtime to answer in, or no socket.
pub(super) fn answer(dir: &Path, store: Weak<dyn VectorStore>) -> Option<Answering> {
    let runtime = Handle::try_current().ok()?;
    let listening = listen(dir, &runtime);
    let listener = match listening {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(
                "no other process can search the vectors in {} while this one has them: {error}",
                dir.display()
            );
            return None;
        }
    };
    let task = runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let store = store.clone();
            // One after the other would let a slow reader hold up all others.
            tokio::spawn(async move {
                if let Err(error) = reply(stream, &store).await {
                    tracing::debug!("a search of another process got no answer: {error}");
                }
            });
        }
    });
    Some(Answering {
        task: task.abort_handle(),
        socket: dir.join(SOCKET),
    })
}

fn listen(dir: &Path, runtime: &Handle) -> io::Result<UnixListener> {
    let (path, _folder) = address(dir)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = StdListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let _inside = runtime.enter();
    UnixListener::from_std(listener)
}

async fn reply(mut stream: UnixStream, store: &Weak<dyn VectorStore>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(MAX_QUESTION_BYTES));
    reader.read_line(&mut line).await?;
    let answer = match (serde_json::from_str(&line), store.upgrade()) {
        (Ok(question), Some(store)) => ask(&*store, question).await,
        (Err(error), _) => Answer::Failed(format!("the question can't be read: {error}")),
        (_, None) => Answer::Failed("the store was closed".to_owned()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.shutdown().await
}

async fn ask(store: &dyn VectorStore, question: Question) -> Answer {
    let Question { collection, about } = question;
    let answered = match about {
        About::OtherGenerations { source, keep } => store
            .other_generations(&collection, &source, keep.as_deref())
            .await
            .map(Answer::Inventory),
        About::Count(filter) => store.count(&collection, &filter).await.map(Answer::Count),
        About::Nearest {
            vector,
            limit,
            filter,
        } => store
            .nearest(&collection, vector, limit, &filter)
            .await
            .map(Answer::Hits),
        About::Inventory => store.inventory(&collection).await.map(Answer::Inventory),
        About::Dimensions => store.dimensions(&collection).await.map(Answer::Dimensions),
    };
    answered.unwrap_or_else(|error| Answer::Failed(error.to_string()))
}

/// A store that another process holds. Writes are refused as [`IndexError::Locked`].
#[derive(Debug)]
pub(super) struct HeldElsewhere {
    dir: PathBuf,
}

impl HeldElsewhere {
    /// The store in a folder; `None` where its holder answers nobody.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let dir = dir.to_owned();
        dir.join(SOCKET).exists().then_some(Self { dir })
    }

    fn locked(&self) -> IndexError {
        IndexError::Locked {
            dir: self.dir.display().to_string(),
        }
    }

    async fn connect(&self) -> Result<UnixStream, IndexError> {
        let connected = match address(&self.dir) {
            Ok((path, _folder)) => UnixStream::connect(&path).await,
            Err(error) => Err(error),
        };
        // It was left behind by one that is gone; whoever holds the folder now answers nobody.
        connected.map_err(|_| self.locked())
    }

    async fn put(&self, collection: &Collection, about: About) -> Result<Answer, IndexError> {
        let unavailable = |reason: String| IndexError::Unavailable {
            dependency: Dependency::Vectors,
            reason: format!("the process that holds {} {reason}", self.dir.display()),
        };
        let stream = self.connect().await?;
        let question = Question {
            collection: collection.clone(),
            about,
        };
        let answered = tokio::time::timeout(PATIENCE, converse(stream, &question)).await;
        match answered {
            Ok(Ok(Answer::Failed(reason))) => Err(unavailable(format!("says: {reason}"))),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unavailable(format!("gave no answer: {error}"))),
            Err(_) => Err(unavailable(format!(
                "gave no answer in {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    fn other(&self, answer: &Answer) -> IndexError {
        IndexError::Engine {
            reason: format!(
                "the process that holds {} answers another question: {answer:?}",
                self.dir.display()
            ),
        }
    }
}

async fn converse(mut stream: UnixStream, question: &Question) -> io::Result<Answer> {
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}

#[async_trait]
impl VectorStore for HeldElsewhere {
    async fn ensure(&self, _: &Collection, _: &CollectionSpec) -> Result<(), IndexError> {
        Err(self.locked())
    }

    async fn upsert(&self, _: &Collection, _: Vec<Point>) -> Result<(), IndexError> {
        Err(self.locked())
    }

    async fn delete_generation(&self, _: &Collection, _: &str, _: &str) -> Result<u64, IndexError> {
        Err(self.locked())
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let about = About::OtherGenerations {
            source: source.to_owned(),
            keep: keep.map(str::to_owned),
        };
        match self.put(collection, about).await? {
            Answer::Inventory(found) => Ok(found),
            answer => Err(self.other(&answer)),
        }
    }

    async fn count(
        &self,
        collection: &Collection,
        filter: &SearchFilter,
    ) -> Result<u64, IndexError> {
        match self.put(collection, About::Count(filter.clone())).await? {
            Answer::Count(points) => Ok(points),
            answer => Err(self.other(&answer)),
        }
    }

    async fn nearest(
        &self,
        collection: &Collection,
        vector: QueryVector,
        limit: usize,
        filter: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        let about = About::Nearest {
            vector,
            limit,
            filter: filter.clone(),
        };
        match self.put(collection, about).await? {
            Answer::Hits(hits) => Ok(hits),
            answer => Err(self.other(&answer)),
        }
    }

    async fn inventory(&self, collection: &Collection) -> Result<Vec<Inventory>, IndexError> {
        match self.put(collection, About::Inventory).await? {
            Answer::Inventory(found) => Ok(found),
            answer => Err(self.other(&answer)),
        }
    }

    async fn ping(&self) -> Result<(), IndexError> {
        self.connect().await.map(drop)
    }

    async fn dimensions(&self, collection: &Collection) -> Result<Option<u64>, IndexError> {
        match self.put(collection, About::Dimensions).await? {
            Answer::Dimensions(dimensions) => Ok(dimensions),
            answer => Err(self.other(&answer)),
        }
    }
}
