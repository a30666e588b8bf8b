//! Group commit: a few threads fsync logs that have something to sync, and everyone who waits for a log shares its fsync.
//!
//! A log stands in the queue at most once. A thread takes it out *before* it notes how far the log reaches, so an append
//! that comes later queues the log again: no append is ever left without an fsync to come. While one fsync runs,
//! appends go on, and the next fsync covers them all; so the disk's bandwidth is the limit, not the number of fsyncs.

use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};

/// fsyncs under way at once: file systems merge the journal commits of concurrent ones.
const THREADS: usize = 4;

/// Something that can be flushed.
pub(crate) trait Flush: Debug + Send + Sync {
    /// Makes everything appended so far durable and tells who waits for it.
    fn flush(&self);
}

/// The queue of logs to sync.
#[derive(Debug, Default)]
pub(crate) struct FlushQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<Arc<dyn Flush>>,
    closed: bool,
}

impl FlushQueue {
    /// Puts a log at the end; the caller sees to it that it is there only once.
    pub(crate) fn push(&self, log: Arc<dyn Flush>) {
        self.state.lock().waiting.push_back(log);
        self.changed.notify_one();
    }

    /// Forgets what is queued, as the end of the process does.
    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.state.lock().waiting.clear();
    }

    fn take(&self) -> Option<Arc<dyn Flush>> {
        let mut state = self.state.lock();
        loop {
            if let Some(log) = state.waiting.pop_front() {
                return Some(log);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}

/// The threads that empty the queue.
#[derive(Debug)]
pub(crate) struct Flusher {
    queue: Arc<FlushQueue>,
    threads: Vec<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the threads.
    pub(crate) fn start(queue: Arc<FlushQueue>) -> io::Result<Self> {
        let thread = |number| {
            let queue = Arc::clone(&queue);
            let work = move || {
                while let Some(log) = queue.take() {
                    log.flush();
                }
            };
            thread::Builder::new().name(format!("log-flush-{number}")).stack_size(256 * 1024).spawn(work)
        };
        let threads = (0..THREADS).map(thread).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { queue, threads })
    }

    /// Flushes what is queued and ends the threads.
    pub(crate) fn stop(mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a flush thread panicked; records it was to flush were not acknowledged");
            }
        }
    }

    fn close(&self) {
        self.queue.state.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.close();
    }
}
