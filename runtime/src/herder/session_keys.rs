//! The key with which workers sign their requests to each other: made by the leader, and made anew when it is old (KIP-507).
//!
//! Beside the herder's task, as long as the worker runs. Source: `DistributedHerder.checkForKeyRotation`. Invariant: a key of the
//! config topic is older than its time to live only while nobody leads.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::lead::led_generation;
use super::{HerderError, HerderResult};
use crate::config::SessionOptions;
use crate::store::config_record::{ConfigRecord, SessionKey};
use crate::worker::{Jitter, restart_delay};

/// The first and the longest pause after a key could not be written.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Makes keys whenever this worker leads and one is due, until told to stop.
pub(super) async fn keep_fresh(desk: Arc<Desk>, stop: CancellationToken) {
    let (mut group, mut state) = (desk.group.clone(), desk.configs.watch());
    let mut failures = 0;
    loop {
        let due = due_in(state.borrow_and_update().session_key(), &desk.context.config.session, now());
        let due = due.filter(|_| led_generation(&group.borrow_and_update()).is_some());
        let pause = restart_delay(failures, BACKOFF.0, BACKOFF.1, &mut Jitter::unique());
        let due = due.map(|due| if failures > 0 { due.max(pause) } else { due });
        tokio::select! {
            () = stop.cancelled() => return,
            changed = group.changed() => if changed.is_err() { return },
            changed = state.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                failures = match renew(&desk).await {
                    Ok(()) => 0,
                    Err(error) => {
                        tracing::warn!(%error, "cannot make a new session key; trying again");
                        failures + 1
                    }
                };
            }
        }
    }
}

async fn renew(desk: &Desk) -> HerderResult<()> {
    let options = &desk.context.config.session;
    let lead = desk.lead().await?;
    if due_in(desk.state().session_key(), options, now()).is_none_or(|due| !due.is_zero()) {
        return Ok(());
    }
    let mut key = vec![0; options.key_bytes()];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|ring::error::Unspecified| HerderError::internal("the system gives no random numbers"))?;
    let key = SessionKey {
        key: STANDARD.encode(key),
        algorithm: options.key_algorithm.clone(),
        creation_timestamp: now(),
    };
    lead.write(&[ConfigRecord::SessionKey(key)]).await?;
    tracing::info!("there is a new session key");
    Ok(())
}

/// How long the key may still be used; `None` is for ever.
fn due_in(key: Option<&SessionKey>, options: &SessionOptions, now: i64) -> Option<Duration> {
    let Some(key) = key else { return Some(Duration::ZERO) };
    if options.key_ttl.is_zero() {
        return None;
    }
    let age = u64::try_from(now.saturating_sub(key.creation_timestamp)).unwrap_or(0);
    Some(options.key_ttl.saturating_sub(Duration::from_millis(age)))
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_when_there_is_none_or_it_is_old() {
        let options = |ttl: &str| {
            let props = [("inter.worker.key.ttl.ms".to_owned(), ttl.to_owned())].into();
            SessionOptions::checked(&props).unwrap()
        };
        let key = SessionKey {
            key: "a2V5".to_owned(),
            algorithm: "HmacSHA256".to_owned(),
            creation_timestamp: 1_000,
        };
        assert_eq!(due_in(None, &options("0"), 5), Some(Duration::ZERO));
        assert_eq!(due_in(Some(&key), &options("0"), i64::MAX), None);
        assert_eq!(due_in(Some(&key), &options("500"), 1_100), Some(Duration::from_millis(400)));
        assert_eq!(due_in(Some(&key), &options("500"), 9_000), Some(Duration::ZERO));
        assert_eq!(
            due_in(Some(&key), &options("500"), 0),
            Some(Duration::from_millis(500)),
            "a clock set back"
        );
    }
}
