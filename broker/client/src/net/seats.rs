//! Connections that many users take turns at: a thousand idle producers and group members need few.
//!
//! For requests that keep a broker from taking the next one of their connection (it works them off one after the other), but are
//! seldom: joins, heartbeats, commits of offsets, ends of transactions. Beside [`Pool`], of which each seat has one.
//! Invariants: a seat has one user at a time, and none while an answer to somebody who gave up is due, so nobody's request waits behind
//! another's; there are as many as are needed at once, up to the limit, and a few more.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection::Connection;
use super::pool::Pool;
use crate::config::ClientConfig;
use crate::error::{Error, Result};

/// So many free seats at a broker are kept for good.
const KEPT: usize = 8;

/// One more than that is given up once nobody has needed it for this long.
const SURPLUS_TIME: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Seats {
    config: Arc<ClientConfig>,
    /// Users of one broker at a time; whoever comes next waits.
    limit: usize,
    /// By the broker's address: one that hangs holds up nobody who speaks with another.
    brokers: Mutex<HashMap<String, Arc<Row>>>,
}

/// The seats at one broker.
#[derive(Debug)]
struct Row {
    places: Arc<Semaphore>,
    /// The one that was left last stands last, so that the others are seen not to be needed.
    free: Mutex<Vec<Free>>,
}

#[derive(Debug)]
struct Free {
    since: Instant,
    pool: Arc<Pool>,
}

/// A connection that nobody else uses until this is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    connection: Arc<Connection>,
    _taken: Taken,
}

#[derive(Debug)]
struct Taken {
    row: Arc<Row>,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl Deref for Seated {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Seats {
    /// Seats for at most so many users of a broker at a time.
    pub(crate) fn new(config: Arc<ClientConfig>, limit: usize) -> Self {
        Self { config, limit, brokers: Mutex::default() }
    }

    /// A connection to `address` for one user.
    pub(crate) async fn connection(&self, address: &str) -> Result<Seated> {
        let row = self.row(address);
        let place = Arc::clone(&row.places).acquire_owned().await;
        let _place = place.map_err(|_never_closed| Error::Closed { what: "list of connections" })?;
        let pool = row.take().unwrap_or_else(|| Arc::new(Pool::new(Arc::clone(&self.config))));
        let taken = Taken { row, pool, _place };
        let connection = taken.pool.connection(address).await?;
        Ok(Seated { connection, _taken: taken })
    }

    fn row(&self, address: &str) -> Arc<Row> {
        let mut brokers = self.brokers.lock();
        if let Some(row) = brokers.get(address) {
            return Arc::clone(row);
        }
        let row = Arc::new(Row { places: Arc::new(Semaphore::new(self.limit)), free: Mutex::default() });
        brokers.insert(address.to_owned(), Arc::clone(&row));
        row
    }
}

impl Row {
    fn take(&self) -> Option<Arc<Pool>> {
        let mut free = self.free.lock();
        let quiet = free.iter().rposition(|free| free.pool.is_quiet())?;
        Some(free.remove(quiet).pool)
    }

    /// Takes a seat back; the answer is one that is not needed any more.
    fn leave(&self, pool: Arc<Pool>, now: Instant) -> Option<Free> {
        let mut free = self.free.lock();
        free.push(Free { since: now, pool });
        let longest = free.first().map_or(Duration::ZERO, |first| now - first.since);
        (free.len() > KEPT && longest > SURPLUS_TIME).then(|| free.remove(0))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // What is given up is closed here, outside of the lock.
        drop(self.row.leave(Arc::clone(&self.pool), Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use broker_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

    use super::*;
    use crate::scripted::{Manners, ScriptedBroker};

    #[tokio::test]
    async fn a_seat_is_taken_again_and_never_by_two() {
        let broker = ScriptedBroker::start(Manners::default()).await;
        let seats = Seats::new(Arc::new(ClientConfig::default()), 2);
        let first = seats.connection(&broker.address).await.unwrap();
        let second = seats.connection(&broker.address).await.unwrap();
        assert!(!Arc::ptr_eq(&first.connection, &second.connection));
        let known = Arc::clone(&first.connection);
        let third = seats.connection(&broker.address);
        tokio::pin!(third);
        tokio::select! {
            biased;
            _ = &mut third => panic!("both are taken"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        assert!(Arc::ptr_eq(&third.await.unwrap().connection, &known));
    }

    #[tokio::test]
    async fn nobody_is_seated_behind_a_request_that_was_given_up() {
        let mut broker = ScriptedBroker::start(Manners::default()).await;
        let seats = Seats::new(Arc::new(ClientConfig::default()), 2);
        let first = seats.connection(&broker.address).await.unwrap();
        let known = Arc::clone(&first.connection);
        let request = ListGroupsRequest::default();
        let (_, answer) = {
            let asked = first.call(&request, i16::MAX, None);
            tokio::pin!(asked);
            tokio::select! {
                _ = &mut asked => panic!("nobody answered"),
                received = broker.expect::<ListGroupsRequest>() => received,
            }
        };
        drop(first);
        let second = seats.connection(&broker.address).await.unwrap();
        assert!(!Arc::ptr_eq(&second.connection, &known));
        answer.send(&ListGroupsResponse::default());
    }
}
