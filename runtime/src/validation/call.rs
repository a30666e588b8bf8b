//! Calls into plugin code that cannot hang their caller.
//!
//! A plugin may block its thread, never return, or panic. Each call runs on a blocking thread of its own and may be left
//! behind there: the caller gets an answer at the deadline in any case. Invariant: at most [`CALLS_MAX`] calls are under way,
//! those left behind included; further ones are refused instead of piling up.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Semaphore;

/// How many calls may be under way.
const CALLS_MAX: usize = 32;

/// What a plugin gets beyond the deadline to notice that its future was dropped.
const GRACE: Duration = Duration::from_millis(200);

/// Calls that were given up and have not returned yet, in this process.
static LEFT_BEHIND: AtomicU64 = AtomicU64::new(0);

/// How many calls were given up and still keep a thread.
pub(crate) fn left_behind() -> u64 {
    LEFT_BEHIND.load(SeqCst)
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// All slots are taken by calls that do not return.
    #[error(
        "{what} was not started: {CALLS_MAX} earlier calls into connectors have not returned; \
         delete the connectors that hang, or restart the worker"
    )]
    Busy {
        /// What was to be done.
        what: String,
    },
    /// It did not return in time.
    #[error("{what} did not end within {} ms", deadline.as_millis())]
    Timeout {
        /// What was done.
        what: String,
        /// How long it could have taken.
        deadline: Duration,
    },
    /// It panicked.
    #[error("{what} panicked: {cause}")]
    Panicked {
        /// What was done.
        what: String,
        /// The panic's own words.
        cause: String,
    },
}

/// Runs calls into plugin code.
#[derive(Debug, Clone)]
pub struct PluginCalls {
    slots: Arc<Semaphore>,
    deadline: Duration,
}

impl PluginCalls {
    /// Calls that may take this long each.
    #[must_use]
    pub fn new(deadline: Duration) -> Self {
        Self { slots: Arc::new(Semaphore::new(CALLS_MAX)), deadline }
    }

    /// Runs `call` to its end, or to the deadline.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn run<T, F>(&self, what: &str, call: F) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let what = what.to_owned();
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(CallError::Busy { what });
        };
        let (runtime, deadline) = (tokio::runtime::Handle::current(), self.deadline);
        // Whoever comes second, the thread or its caller who has given up, knows what the other did.
        let ended = Arc::new(AtomicBool::new(false));
        let returning = Returning(Arc::clone(&ended));
        let thread = tokio::task::spawn_blocking(move || {
            let _returning = returning;
            let answer = runtime.block_on(tokio::time::timeout(deadline, call));
            drop(slot);
            answer
        });
        let answer = tokio::time::timeout(deadline + GRACE, thread).await;
        if answer.is_err() {
            LEFT_BEHIND.fetch_add(1, SeqCst);
            if ended.swap(true, SeqCst) {
                LEFT_BEHIND.fetch_sub(1, SeqCst);
            }
        }
        match answer {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Err(failed)) => Err(CallError::Panicked { what, cause: panic_text(failed) }),
            Ok(Ok(Err(_))) | Err(_) => Err(CallError::Timeout { what, deadline }),
        }
    }
}

/// A call on its thread; dropped when the call returns or panics.
struct Returning(Arc<AtomicBool>);

impl Drop for Returning {
    fn drop(&mut self) {
        if self.0.swap(true, SeqCst) {
            LEFT_BEHIND.fetch_sub(1, SeqCst);
        }
    }
}

/// What a panic said.
fn panic_text(failed: tokio::task::JoinError) -> String {
    if !failed.is_panic() {
        return failed.to_string();
    }
    let payload = failed.into_panic();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blocked_thread_does_not_block_its_caller() {
        let calls = PluginCalls::new(Duration::from_millis(20));
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let call = async move { blocked.recv().is_ok() };
        let error = calls.run("validate", call).await.unwrap_err();
        assert!(error.to_string().starts_with("validate did not end within 20 ms"), "{error}");
        assert!(left_behind() >= 1, "its thread is counted until it returns");
        drop(release);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let calls = PluginCalls::new(Duration::from_secs(5));
        let call = async {
            if true {
                panic!("whoops")
            }
        };
        let error = calls.run("validate", call).await.unwrap_err();
        assert_eq!(error.to_string(), "validate panicked: whoops");
    }

    #[tokio::test]
    async fn calls_do_not_pile_up() {
        let calls = PluginCalls::new(Duration::from_millis(1));
        let mut releases = Vec::new();
        let stuck = (0..CALLS_MAX).map(|_| {
            let (release, blocked) = std::sync::mpsc::channel::<()>();
            releases.push(release);
            calls.run("validate", async move { blocked.recv().is_ok() })
        });
        for outcome in futures::future::join_all(stuck.collect::<Vec<_>>()).await {
            assert!(matches!(outcome, Err(CallError::Timeout { .. })));
        }
        assert!(matches!(calls.run("validate", async {}).await, Err(CallError::Busy { .. })));
    }
}
