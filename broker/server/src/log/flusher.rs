//! Group commit: a few threads fsync logs that have something to sync, and everyone who waits for a log shares its fsync.
//!
//! A log stands in the queue at most once. A thread takes it out *before* it notes how far the log reaches, so an append
//! that comes later queues the log again: no append is ever left without an fsync to come. While one fsync runs,
//! appends go on, and the next fsync covers them all; so the disk's bandwidth is the limit, not the number of fsyncs.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// fsyncs under way at once: file systems merge the journal commits of concurrent ones.
const THREADS: usize = 4;

/// Something that can be flushed.
pub(crate) trait Flush: Debug + Send + Sync {
    /// Makes everything appended so far durable and tells who waits for it.
    fn flush(&self);
    /// The same, for what was deferred.
    fn flush_deferred(&self);
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
    /// By when each is due; logs that are due at the same instant stand together.
    deferred: BTreeMap<Instant, Vec<Arc<dyn Flush>>>,
    closed: bool,
}

impl FlushQueue {
    /// Puts a log at the end; the caller sees to it that it is there only once.
    pub(crate) fn push(&self, log: Arc<dyn Flush>) {
        self.state.lock().waiting.push_back(log);
        self.changed.notify_one();
    }

    /// Has a log flushed after a while; the caller sees to it that it is there only once. What is due when the queue closes is left to
    /// the end of the log itself.
    pub(crate) fn defer(&self, log: Arc<dyn Flush>, delay: Duration) {
        // A time too far away to be told is no time.
        let Some(due) = Instant::now().checked_add(delay) else { return };
        self.state.lock().deferred.entry(due).or_default().push(log);
        self.changed.notify_one();
    }

    /// Forgets what is queued, as the end of the process does.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        state.waiting.clear();
        state.deferred.clear();
    }

    fn take(&self) -> Option<Due> {
        let mut state = self.state.lock();
        loop {
            if let Some(log) = state.waiting.pop_front() {
                return Some(Due::Now(log));
            }
            if state.closed {
                return None;
            }
            match state.deferred.first_entry() {
                Some(mut first) if *first.key() <= Instant::now() => {
                    if let Some(log) = first.get_mut().pop() {
                        return Some(Due::Deferred(log));
                    }
                    first.remove();
                }
                Some(first) => {
                    let due = *first.key();
                    self.changed.wait_until(&mut state, due);
                }
                None => self.changed.wait(&mut state),
            }
        }
    }
}

/// A log whose turn it is.
enum Due {
    Now(Arc<dyn Flush>),
    Deferred(Arc<dyn Flush>),
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
                while let Some(due) = queue.take() {
                    match due {
                        Due::Now(log) => log.flush(),
                        Due::Deferred(log) => log.flush_deferred(),
                    }
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
