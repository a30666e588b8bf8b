//! Waiting for what must come: asks again until it is there or a deadline passes, and then says what was seen last.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take that comes soon where things go well. Generous: test machines are slow and shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often [`until`] asks.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`, at most for `limit`. `what` says what is awaited.
///
/// # Errors
/// The last answer, once the limit has passed.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => {
                bail!("{what}: not within {limit:?}; last seen: {error:#}")
            }
            Err(_not_yet) => tokio::time::sleep(ASK_AGAIN).await,
        }
    }
}
