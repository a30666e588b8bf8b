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

/// How much is read at once, and how many chunks wait.
const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_MAX: usize = 4;

/// A chunk; an empty one is the end of the input.
type Chunk = io::Result<Vec<u8>>;
type Chunks = Arc<AsyncMutex<mpsc::Receiver<Chunk>>>;

static CHUNKS: LazyLock<Mutex<Option<Chunks>>> = LazyLock::new(Mutex::default);

/// The right to read the standard input.
#[derive(Debug)]
pub(super) struct StandardInput(OwnedMutexGuard<mpsc::Receiver<Chunk>>);

impl StandardInput {
    /// Takes the right to read.
    ///
    /// # Errors
    /// `Retriable` while another task has it.
    pub(super) fn acquire() -> Result<Self> {
        let mut chunks = CHUNKS.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match &*chunks {
            Some(chunks) => Arc::clone(chunks),
            None => Arc::clone(chunks.insert(start_reading()?)),
        };
        let busy = |error| {
            Error::retriable(
                "file: the standard input is being read by another connector; name a file, or stop that one",
            )
            .with_source(error)
        };
        shared.try_lock_owned().map(Self).map_err(busy)
    }

    /// The next chunk; `None` at the end of the input. May be dropped before it is ready.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self.0.recv().await {
            None => Ok(None),
            Some(Ok(chunk)) => Ok(Some(chunk)),
            Some(Err(error)) => Err(Error::fatal("cannot read the standard input").with_source(error)),
        }
    }
}

fn start_reading() -> Result<Chunks> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let thread = std::thread::Builder::new().name("standard-input".to_owned());
    thread.spawn(move || read_all(&sender)).map_err(|error| {
        Error::retriable("cannot start the thread that reads the standard input").with_source(error)
    })?;
    Ok(Arc::new(AsyncMutex::new(receiver)))
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
