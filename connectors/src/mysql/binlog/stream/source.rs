//! Where a dump's events come from: the library's stream, or packets of our own connection where it cannot ask for what is wanted.
//!
//! Invariant: an event is handed on once, or the source ends with an error; a frame that is cut off ends it too, and panics in nobody's task.

use std::panic::AssertUnwindSafe;

use api::{Error, Result};
use futures::{FutureExt, StreamExt};
use mysql_async::BinlogStream;
use mysql_async::binlog::BinlogVersion;
use mysql_async::binlog::events::Event;
use mysql_common::binlog::EventStreamReader;

use crate::mysql::server::sorted;
use crate::mysql::wire::EventPackets;

/// See the module.
pub(super) enum Source {
    Library(Box<BinlogStream>),
    Packets(EventPackets, Box<EventStreamReader>),
}

impl Source {
    pub(super) fn of_packets(packets: EventPackets) -> Self {
        Self::Packets(packets, Box::new(EventStreamReader::new(BinlogVersion::Version4)))
    }

    /// The next event; `None` when the server has ended the dump. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Event>> {
        // The library panics on a frame that ends too early.
        match AssertUnwindSafe(self.read()).catch_unwind().await {
            Err(_panic) => Err(Error::retriable("the server sent a binlog event that is cut off")),
            Ok(read) => read.map_err(|error| sorted(error).context("reading the binlog")),
        }
    }

    async fn read(&mut self) -> mysql_async::Result<Option<Event>> {
        match self {
            Self::Library(stream) => stream.next().await.transpose(),
            Self::Packets(packets, reader) => match packets.next().await? {
                None => Ok(None),
                Some(packet) => Ok(reader.read(&*packet)?),
            },
        }
    }

    pub(super) async fn close(self) {
        let closed = match self {
            Self::Library(stream) => stream.close().await,
            Self::Packets(packets, _) => packets.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "closing the binlog dump");
        }
    }
}
