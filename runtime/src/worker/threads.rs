//! The threads that connectors run on: few while all is well, one more whenever code of a connector keeps one to itself.
//!
//! Below `isolated`, which says what runs. A future that waits holds no thread, so a thousand idle tasks cost no stacks; one
//! that blocks or computes for long holds its own, and whoever stands behind it in the queue gets another thread within
//! [`PATIENCE`]. Invariants: a job is polled by one thread at a time; a job that was woken is polled again; at most [`THREADS_MAX`]
//! threads exist, and a job that was given up while a thread was in it is counted until the thread comes back.
//!
//! Why no wake is lost: a job's phase changes under its lock only. A wake finds it idle (and queues it), queued (it will be polled
//! anyway) or running (and marks it woken); who polled it looks at that mark under the same lock before it lets it be idle.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::runtime::Handle;

/// How many threads there may be. Each that a connector blocks is one less for all others.
const THREADS_MAX: usize = 512;

/// How many threads may be lost to connectors that were given up; then nothing new is started.
pub(crate) const LEFT_BEHIND_MAX: u64 = 256;

/// How long a job may stand first in the queue before there is one more thread.
const PATIENCE: Duration = Duration::from_millis(5);

/// How long a thread without work stays.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The threads of this process.
static POOL: LazyLock<Arc<Pool>> = LazyLock::new(Arc::default);

/// What a job does: it never panics and gives its answer to whoever waits by itself.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A job that was started; giving it up drops its future as soon as no thread is in it.
#[derive(Debug)]
pub(super) struct Started(Arc<Job>);

/// Puts a job into the queue. The runtime is the one whose timers and sockets it uses.
pub(super) fn start(work: Work, runtime: Handle) -> Started {
    let state = State { phase: Phase::Queued, given_up: false, left_behind: false, busy_since: None };
    let job = Arc::new(Job { work: Mutex::new(Some(work)), state: Mutex::new(state), runtime });
    POOL.push(Arc::clone(&job));
    Started(job)
}

/// How many threads are in the code of connectors that were given up.
pub(crate) fn left_behind() -> u64 {
    POOL.left_behind.load(Relaxed)
}

/// How many threads there are.
pub(crate) fn thread_count() -> usize {
    POOL.queue.lock().threads
}

impl Started {
    /// Nobody waits for the answer any more.
    pub(super) fn give_up(&self) {
        self.0.give_up();
    }

    /// Since when its code keeps a thread without a pause, if it does.
    pub(super) fn busy_since(&self) -> Option<Instant> {
        self.0.state.lock().busy_since
    }
}

struct Job {
    work: Mutex<Option<Work>>,
    state: Mutex<State>,
    runtime: Handle,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    given_up: bool,
    /// It is among those that are counted.
    left_behind: bool,
    /// Since when a thread is in it.
    busy_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Queued,
    Running,
    /// Running, and woken meanwhile.
    Woken,
    Done,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Job({:?})", self.state.lock())
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Idle => {
                state.phase = Phase::Queued;
                drop(state);
                POOL.push(self);
            }
            Phase::Running => state.phase = Phase::Woken,
            Phase::Queued | Phase::Woken | Phase::Done => {}
        }
    }
}

impl Job {
    fn give_up(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.given_up = true;
        match state.phase {
            Phase::Running | Phase::Woken if !state.left_behind => {
                state.left_behind = true;
                POOL.left_behind.fetch_add(1, Relaxed);
            }
            // A thread drops the future: what that does is the connector's code too.
            Phase::Idle => {
                state.phase = Phase::Queued;
                drop(state);
                POOL.push(Arc::clone(self));
            }
            _ => {}
        }
    }

    /// Polls once.
    fn run(self: Arc<Self>) {
        let given_up = {
            let mut state = self.state.lock();
            state.phase = Phase::Running;
            state.busy_since = Some(Instant::now());
            state.given_up
        };
        let waker = Waker::from(Arc::clone(&self));
        let done = {
            let _entered = self.runtime.enter();
            let mut work = self.work.lock();
            let done = given_up || poll(&mut work, &mut Context::from_waker(&waker));
            if done {
                discard(&mut work);
            }
            done
        };
        let mut state = self.state.lock();
        state.busy_since = None;
        if std::mem::take(&mut state.left_behind) {
            POOL.left_behind.fetch_sub(1, Relaxed);
        }
        // What was given up while it was polled is polled no more, but dropped in the next turn.
        let again = state.phase == Phase::Woken || state.given_up;
        state.phase = match (done, again) {
            (true, _) => Phase::Done,
            (false, true) => Phase::Queued,
            (false, false) => Phase::Idle,
        };
        if state.phase == Phase::Queued {
            drop(state);
            POOL.push(self);
        }
    }
}

/// Whether the future is at its end; one that panicked is.
fn poll(work: &mut Option<Work>, context: &mut Context<'_>) -> bool {
    let Some(future) = work else { return true };
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context).is_ready())).unwrap_or(true)
}

/// Drops a future, whatever its code does then: a panic was logged by the hook, and the thread goes on.
fn discard(work: &mut Option<Work>) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(work.take()))));
}

#[derive(Debug, Default)]
struct Pool {
    queue: Mutex<Queue>,
    /// There is a job.
    work: Condvar,
    /// There is a job and no thread waits for one.
    pressure: Condvar,
    left_behind: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Arc<Job>>,
    /// Jobs that were ever taken: it stands still while nobody comes for the first.
    taken: u64,
    threads: usize,
    idle: usize,
    watched: bool,
}

impl Pool {
    fn push(&self, job: Arc<Job>) {
        let mut queue = self.queue.lock();
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() {
            self.work.notify_one();
        } else if queue.threads < threads_min() {
            self.add_thread(&mut queue);
        } else {
            self.work.notify_one();
            self.watch(&mut queue);
        }
    }

    fn add_thread(&self, queue: &mut MutexGuard<'_, Queue>) {
        let number = queue.threads;
        let spawned = std::thread::Builder::new().name(format!("connector-{number}")).spawn(|| POOL.serve());
        match spawned {
            Ok(_detached) => queue.threads += 1,
            // Those that are there go on with the queue, and the watch tries again.
            Err(error) => tracing::error!(%error, threads = number, "the system gives no further thread"),
        }
    }

    /// Sees to it that somebody watches over the queue.
    fn watch(&self, queue: &mut MutexGuard<'_, Queue>) {
        self.pressure.notify_one();
        if queue.watched {
            return;
        }
        let spawned = std::thread::Builder::new().name("connector-watch".to_owned()).spawn(|| POOL.guard());
        match spawned {
            Ok(_detached) => queue.watched = true,
            Err(error) => tracing::error!(%error, "the system gives no further thread"),
        }
    }

    /// A thread: takes jobs until there are none for a while.
    fn serve(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                queue.taken += 1;
                drop(queue);
                job.run();
                queue = self.queue.lock();
                continue;
            }
            // A few wait for work; more than that were needed for a burst that is over.
            if queue.idle >= threads_min() {
                queue.threads -= 1;
                return;
            }
            queue.idle += 1;
            let waited = self.work.wait_for(&mut queue, IDLE_MAX);
            queue.idle -= 1;
            if waited.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }

    /// Adds a thread whenever the first job in the queue is not taken for too long.
    fn guard(&self) {
        let mut queue = self.queue.lock();
        loop {
            if queue.jobs.is_empty() {
                self.pressure.wait(&mut queue);
                continue;
            }
            let taken = queue.taken;
            MutexGuard::unlocked(&mut queue, || std::thread::sleep(PATIENCE));
            if queue.taken == taken && !queue.jobs.is_empty() && queue.threads < THREADS_MAX {
                self.add_thread(&mut queue);
            }
        }
    }
}

/// So many threads are started without waiting.
fn threads_min() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(2, usize::from));
    (*CORES).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn idle_jobs_hold_no_threads_and_none_is_lost() {
        let (sender, mut answers) = tokio::sync::mpsc::channel(2_000);
        let (go, wait) = tokio::sync::watch::channel(false);
        let started: Vec<_> = (0..1_000)
            .map(|number| {
                let (mut wait, sender) = (wait.clone(), sender.clone());
                let work = async move {
                    if wait.wait_for(|go| *go).await.is_ok() {
                        sender.send(number).await.unwrap();
                    }
                };
                start(Box::pin(work), Handle::current())
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(thread_count() < 200, "{} threads for idle jobs", thread_count());
        go.send_replace(true);
        let mut seen = Vec::new();
        while seen.len() < started.len() {
            seen.push(answers.recv().await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_job_that_is_given_up_is_dropped_and_one_that_blocks_is_counted() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let waits = start(
            Box::pin(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }),
            Handle::current(),
        );
        waits.give_up();
        assert!(dropped.await.is_err(), "its future is dropped");
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let (entered, is_in) = tokio::sync::oneshot::channel();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let blocks = start(
            Box::pin(async move {
                let _held = held;
                entered.send(()).unwrap();
                let _gone = blocked.recv();
                std::future::pending::<()>().await;
            }),
            Handle::current(),
        );
        is_in.await.unwrap();
        blocks.give_up();
        assert!(left_behind() >= 1);
        drop(release);
        assert!(dropped.await.is_err(), "its future is dropped when the thread is back");
    }
}
