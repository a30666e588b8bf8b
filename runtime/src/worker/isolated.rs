//! A thread of its own for code that we did not write.
//!
//! Connectors may block, loop or panic; each task, and each call of a connector, runs as a future on a thread of its own, whose
//! timers and sockets are the shared runtime's. So one that blocks takes nobody else's time, REST's least of all, and one that
//! panics is an error for whoever waits for it. Invariant: awaiting an [`Isolated`] never blocks and never panics.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use api::{Error, Result};
use tokio::sync::oneshot;

/// What a future on a thread of its own will come to.
pub(crate) struct Isolated<T>(oneshot::Receiver<Result<T>>);

thread_local! {
    /// Where this thread panicked, for the error that its panic becomes.
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a future on a new thread. Must be called within the runtime whose timers and sockets the future is to use.
///
/// # Errors
/// `Retriable` when the system gives no thread.
pub(crate) fn spawn_isolated<T: Send + 'static>(
    name: &str,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<Isolated<T>> {
    let (sender, receiver) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
        let outcome = outcome.unwrap_or_else(|payload| Err(panic_error(&*payload)));
        // Whoever waited may have given up: then nobody wants to know.
        drop(sender.send(outcome));
    };
    let spawned = std::thread::Builder::new().name(thread_name(name)).spawn(run);
    spawned
        .map_err(|error| Error::retriable(format!("cannot start a thread for {name}")).with_source(error))?;
    Ok(Isolated(receiver))
}

impl<T> Future for Isolated<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|received| {
            received.unwrap_or_else(|error| {
                Err(Error::fatal("the thread ended without an answer").with_source(error))
            })
        })
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

/// Linux shows 15 bytes of a thread's name; a NUL would be refused.
fn thread_name(name: &str) -> String {
    name.replace('\0', " ")
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
