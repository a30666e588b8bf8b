//! Code that we did not write, kept to itself.
//!
//! Connectors may block, loop or panic; each task, and each call of a connector, runs as a future on the threads for connectors
//! (`threads`), whose timers and sockets are the shared runtime's. So one that blocks takes nobody else's time, REST's least of
//! all, and one that panics is an error for whoever waits for it. Invariant: awaiting an [`Isolated`] never blocks and never panics.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Instant;

use api::{Error, Result};
use futures::FutureExt;
use tokio::sync::oneshot;

use super::threads::{self, LEFT_BEHIND_MAX, Started};

/// What an isolated future will come to. Dropped before, it gives the future up.
pub(crate) struct Isolated<T> {
    answer: oneshot::Receiver<Result<T>>,
    job: Started,
}

thread_local! {
    /// Where this thread panicked, for the error that its panic becomes.
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a future on the threads for connectors. Must be called within the runtime whose timers and sockets the future is to use.
///
/// # Errors
/// `Retriable` when too many threads were lost to connectors that block.
pub(crate) fn spawn_isolated<T: Send + 'static>(
    name: &str,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<Isolated<T>> {
    let left_behind = threads::left_behind();
    if left_behind >= LEFT_BEHIND_MAX {
        return Err(Error::retriable(format!(
            "cannot run {name}: connectors that block have kept {left_behind} threads; restart the worker"
        )));
    }
    let (sender, answer) = oneshot::channel();
    // Boxed before it is awaited: an async block keeps room for what it captured beside room for what it awaits.
    let guarded = AssertUnwindSafe(Box::pin(future)).catch_unwind();
    let work = async move {
        let outcome = guarded.await;
        let outcome = outcome.unwrap_or_else(|payload| Err(panic_error(&*payload)));
        // Whoever waited may have given up: then nobody wants to know.
        drop(sender.send(outcome));
    };
    Ok(Isolated { answer, job: threads::start(Box::pin(work), tokio::runtime::Handle::current()) })
}

impl<T> Future for Isolated<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|received| {
            received.unwrap_or_else(|error| {
                Err(Error::fatal("the connector's code ended without an answer").with_source(error))
            })
        })
    }
}

impl<T> Isolated<T> {
    /// Since when its code keeps a thread without a pause, if it does.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        self.job.busy_since()
    }
}

impl<T> Drop for Isolated<T> {
    fn drop(&mut self) {
        self.job.give_up();
    }
}

/// Has panics logged with their place, and remembered for the task that they end. Only the first call of a process counts.
pub(crate) fn note_panics() {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            // Without a log, as in tests, whoever was told before is told.
            if tracing::dispatcher::has_been_set() {
                let thread = std::thread::current();
                let name = thread.name().unwrap_or("unnamed").to_owned();
                tracing::error!(thread = name, at = place, "panic: {}", text_of(info.payload()));
            } else {
                previous(info);
            }
            PANIC_PLACE.with(|slot| *slot.borrow_mut() = Some(place));
        }));
    });
}

fn panic_error(payload: &(dyn Any + Send)) -> Error {
    let place = PANIC_PLACE.with(|slot| slot.borrow_mut().take());
    let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
    Error::fatal(format!("panicked{at}: {}", text_of(payload)))
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_panic_is_an_error_and_blocking_blocks_nobody() {
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let blocking = spawn_isolated("blocks", async move { Ok(blocked.recv().is_ok()) }).unwrap();
        let panicking = spawn_isolated::<()>("panics", async { panic!("no {}", "way") }).unwrap();
        let error = panicking.await.unwrap_err();
        assert!(error.to_string().contains("panicked") && error.to_string().contains("no way"), "{error}");
        let timed = spawn_isolated("sleeps", async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(7)
        });
        assert_eq!(timed.unwrap().await.unwrap(), 7, "timers work while another thread is blocked");
        release.send(()).unwrap();
        assert!(blocking.await.unwrap());
    }
}
