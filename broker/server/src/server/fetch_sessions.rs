//! Fetch sessions (KIP-227): a consumer of many partitions names them once, and then only what changed, in both directions.
//!
//! The server remembers, per session, what the client wants and what it was told; a fetch goes through [`FetchSessions::begin`],
//! which says what to read, and [`FetchSessions::finish`], which leaves out of the answer what the client knows. Epochs count the
//! requests, so that one that was lost or came twice is noticed and the client begins anew. Pure: time and ids are passed in.
//!
//! Invariants: there are never more sessions than slots, nor more partitions in all of them than [`PARTITIONS_MAX`]; whom that
//! leaves out fetches without a session. An answer leaves out only what is as the client was last told.

mod session;

use std::collections::HashMap;

use broker_protocol::{
    ErrorCode,
    messages::fetch::{FetchRequest, FetchResponse, FetchTopic},
};
use parking_lot::Mutex;

use self::session::Session;

/// A session that was not used for so long makes room for any other (as in Kafka), ms.
const IDLE_MS: i64 = 120_000;
/// Partitions of all sessions together, each some hundred bytes.
const PARTITIONS_MAX: usize = if cfg!(test) { 1_000 } else { 500_000 };
/// The first request of a session, and the last.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// The first version in which topics have ids and no names.
const VERSION_WITH_IDS: i16 = 13;

/// What becomes of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// It stands for itself.
    Sessionless,
    /// It begins a session, if there is room.
    Full,
    /// It goes on with a session; the epoch is that of the next request.
    Incremental { session_id: i32, next_epoch: i32 },
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: Mutex<HashMap<i32, Session>>,
}

impl FetchSessions {
    /// Room for so many sessions; none at 0.
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, sessions: Mutex::default() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().len()
    }

    /// Takes in a request. In the request of a session, `topics` becomes everything that the session wants.
    pub(crate) fn begin(
        &self,
        request: &mut FetchRequest,
        version: i16,
        now_ms: i64,
    ) -> Result<Context, ErrorCode> {
        let (session_id, epoch) = (request.session_id, request.session_epoch);
        let mut sessions = self.sessions.lock();
        if matches!(epoch, INITIAL_EPOCH | FINAL_EPOCH) {
            sessions.remove(&session_id);
            return Ok(if epoch == INITIAL_EPOCH { Context::Full } else { Context::Sessionless });
        }
        let others: usize = sessions
            .iter()
            .filter(|(id, _)| **id != session_id)
            .map(|(_, session)| session.partition_count())
            .sum();
        let session = sessions.get_mut(&session_id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.has_ids != (version >= VERSION_WITH_IDS) {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.update(&request.topics, &request.forgotten_topics_data);
        if session.partition_count() == 0 {
            sessions.remove(&session_id);
            return Ok(Context::Sessionless);
        }
        if others + session.partition_count() > PARTITIONS_MAX {
            sessions.remove(&session_id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        session.epoch = next(epoch);
        session.used_ms = now_ms;
        request.topics = session.topics();
        Ok(Context::Incremental { session_id, next_epoch: session.epoch })
    }

    /// Makes the answer that of a session. `topics` is what was read for it, `new_id` a random id for a session to begin.
    pub(crate) fn finish(
        &self,
        context: Context,
        topics: &[FetchTopic],
        response: &mut FetchResponse,
        (version, now_ms, new_id): (i16, i64, i32),
    ) {
        let mut sessions = self.sessions.lock();
        match context {
            Context::Sessionless => {}
            Context::Full => {
                let mut session = Session::new(version >= VERSION_WITH_IDS, now_ms);
                session.update(topics, &[]);
                session.tell(response);
                if new_id > 0
                    && !sessions.contains_key(&new_id)
                    && make_room(&mut sessions, self.slots, session.partition_count(), now_ms)
                {
                    response.session_id = new_id;
                    sessions.insert(new_id, session);
                }
            }
            Context::Incremental { session_id, next_epoch } => match sessions.get_mut(&session_id) {
                Some(session) if session.epoch == next_epoch => {
                    session.tell(response);
                    response.session_id = session_id;
                }
                // Another request of the session came meanwhile, or it was closed.
                other => {
                    let known = other.is_some();
                    *response = FetchResponse {
                        error_code: if known {
                            ErrorCode::INVALID_FETCH_SESSION_EPOCH
                        } else {
                            ErrorCode::FETCH_SESSION_ID_NOT_FOUND
                        },
                        ..FetchResponse::default()
                    };
                }
            },
        }
    }
}

/// The epoch after this one; 0 and -1 mean something else.
fn next(epoch: i32) -> i32 {
    epoch.checked_add(1).filter(|next| *next > 0).unwrap_or(1)
}

/// Makes room for a session of so many partitions: there is some, or one that is idle goes, or the smallest that is smaller.
fn make_room(sessions: &mut HashMap<i32, Session>, slots: usize, partitions: usize, now_ms: i64) -> bool {
    let total: usize = sessions.values().map(Session::partition_count).sum();
    if slots == 0 || total + partitions > PARTITIONS_MAX {
        return false;
    }
    if sessions.len() < slots {
        return true;
    }
    let idle = sessions.iter().min_by_key(|(_, session)| session.used_ms);
    let idle = idle.filter(|(_, session)| now_ms.saturating_sub(session.used_ms) > IDLE_MS);
    let small = || {
        let smallest = sessions.iter().min_by_key(|(_, session)| session.partition_count());
        smallest.filter(|(_, session)| session.partition_count() < partitions)
    };
    match idle.or_else(small).map(|(id, _)| *id) {
        Some(id) => sessions.remove(&id).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
