//! The standard input, read by one thread for the whole process.
//!
//! A read of the standard input cannot be interrupted, so it may not happen on a thread that anyone waits for. The thread
//! starts with the first task that asks for it and hands over chunks through a channel that outlives the tasks: a task
//! that is restarted finds what came meanwhile. Invariant: one task at a time reads it, and no chunk is dropped between
//! two of them.

use std::io::{self, Read as _};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use api::{Error, Result};
use tokio::sync::mpsc;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::tail::{Cut, Tail};

/// How much is read at once, and how many chunks wait.
const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_MAX: usize = 4;

type Chunk = io::Result<Vec<u8>>;
type Shared = Arc<AsyncMutex<Pipe>>;

static PIPE: LazyLock<Mutex<Option<Shared>>> = LazyLock::new(Mutex::default);

/// What outlives the tasks.
#[derive(Debug)]
struct Pipe {
    chunks: mpsc::Receiver<Chunk>,
    tail: Tail,
    /// Lines that a task gave back.
    returned: Option<Cut>,
}

/// The right to read the standard input.
#[derive(Debug)]
pub(super) struct StandardInput(OwnedMutexGuard<Pipe>);

impl StandardInput {
    /// Takes the right to read.
    ///
    /// # Errors
    /// `Retriable` while another task has it.
    pub(super) fn acquire() -> Result<Self> {
        let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match &*pipe {
            Some(pipe) => Arc::clone(pipe),
            None => Arc::clone(pipe.insert(start_reading()?)),
        };
        let busy = |error| {
            Error::retriable(
                "file: the standard input is being read by another connector; name a file, or stop that one",
            )
            .with_source(error)
        };
        shared.try_lock_owned().map(Self).map_err(busy)
    }

    /// The next whole lines, if there are some. After the end of the input it is never ready. May be dropped before it is.
    pub(super) async fn next(&mut self) -> Result<Option<Cut>> {
        let pipe = &mut *self.0;
        if let Some(returned) = pipe.returned.take() {
            return Ok(Some(returned));
        }
        match pipe.chunks.recv().await {
            None if pipe.tail.len() > 0 => Ok(pipe.tail.flush()),
            None => std::future::pending().await,
            Some(Ok(chunk)) => pipe.tail.extend(chunk.len(), |buffer| {
                buffer.extend_from_slice(&chunk);
                Ok(chunk.len())
            }),
            Some(Err(error)) => Err(Error::fatal("cannot read the standard input").with_source(error)),
        }
    }

    /// How long the unfinished line is, in bytes.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.0.tail.len()
    }

    /// Takes back what was not handed out, for the next task.
    pub(super) fn give_back(&mut self, lines: Option<Cut>) {
        self.0.returned = lines;
    }
}

fn start_reading() -> Result<Shared> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let thread = std::thread::Builder::new().name("standard-input".to_owned());
    thread.spawn(move || read_all(&sender)).map_err(|error| {
        Error::retriable("cannot start the thread that reads the standard input").with_source(error)
    })?;
    Ok(Arc::new(AsyncMutex::new(Pipe { chunks: receiver, tail: Tail::new(0, None), returned: None })))
}

/// Reads until the end, an error, or the end of the process.
fn read_all(sender: &mpsc::Sender<Chunk>) {
    let mut input = io::stdin().lock();
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let sent = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                sender.blocking_send(Ok(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => sender.blocking_send(Err(error)),
        };
        if sent.is_err() {
            return;
        }
    }
}
