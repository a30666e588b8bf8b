//! Sources and sinks: one folder a connector.
//!
//! At both ends of the data path. Every folder has the same rooms: `mod` (what it is, and its [`Plugin`]s), `config` (its
//! options), `source` or `sink` (the connector and its task), and one file for each further question. A connector knows
//! `api` and nothing of the runtime. Invariant: what is in [`ALL`] passes the laws of `api`.

use api::Plugin;

pub mod file;
pub mod http;

/// Every connector.
pub static ALL: &[&Plugin] = &[&file::SOURCE, &file::SINK, &http::SINK];
