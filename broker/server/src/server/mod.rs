//! What may a client ask? Listeners, connections and the answers to requests.
//!
//! `listener` accepts, `connection` reads frames and writes answers in order, `dispatch` finds the handler, `served` says which
//! versions there are, `fetch_sessions` remembers what consumers know already, and `api` has one file per API or family of them.

mod api;
mod authorization;
mod connection;
mod dispatch;
mod fetch_sessions;
mod listener;
mod served;

pub(crate) use self::{
    fetch_sessions::FetchSessions,
    listener::{BoundListener, bind, serve},
};
