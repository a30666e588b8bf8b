//! A dump of the binlog as its packets: for flags that the library's request cannot carry.
//!
//! Beside `mysql_async`'s stream, which serves all other dumps. Invariant: an event is handed out whole and in the order in which it came.
//! Source: `COM_BINLOG_DUMP` of MariaDB's documents.

use api::Bytes;
use mysql_async::Result;
use mysql_async::consts::Command;
use mysql_common::packets::ComRegisterSlave;
use mysql_common::proto::MySerialize;

use super::{Connection, malformed};
use crate::mysql::server::Session;

/// Asks MariaDB for the statements that made the rows (`BINLOG_SEND_ANNOTATE_ROWS_EVENT`).
const SEND_ANNOTATIONS: u16 = 2;

/// Where a dump begins, and for whom it is.
#[derive(Debug)]
pub struct AnnotatedDump<'a> {
    /// The number that nobody else has.
    pub server_id: u32,
    /// What the server's list of its replicas shows.
    pub host_name: &'a str,
    /// The file; empty where the session's variables say the place.
    pub file: &'a str,
    /// The first byte.
    pub pos: u32,
}

/// A running dump.
#[derive(Debug)]
pub struct EventPackets(Connection);

impl Connection {
    /// Asks for the binlog, with the statements that made the rows.
    ///
    /// # Errors
    /// Of the network and of the server; what it has against the place comes with the first event.
    pub async fn dump_annotated(mut self, dump: &AnnotatedDump<'_>) -> Result<EventPackets> {
        self.results("SET @master_binlog_checksum = @@global.binlog_checksum").await?;
        let mut register = Vec::new();
        ComRegisterSlave::new(dump.server_id)
            .with_hostname(dump.host_name.as_bytes())
            .serialize(&mut register);
        self.frames.begin();
        self.send(&register).await?;
        self.good_packet().await?;
        let mut request = vec![Command::COM_BINLOG_DUMP as u8];
        request.extend(dump.pos.to_le_bytes());
        request.extend(SEND_ANNOTATIONS.to_le_bytes());
        request.extend(dump.server_id.to_le_bytes());
        request.extend(dump.file.as_bytes());
        self.frames.begin();
        self.send(&request).await?;
        Ok(EventPackets(self))
    }
}

impl EventPackets {
    /// The next event with its header; `None` when the server has ended the dump. Cancel-safe.
    ///
    /// # Errors
    /// Of the network and of the server.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let packet = self.0.good_packet().await?;
        match packet.first() {
            Some(0x00) => Ok(Some(packet.slice(1..))),
            Some(0xFE) if packet.len() < 9 => Ok(None),
            _ => Err(malformed(format!("a packet of {} bytes is no event", packet.len())).into()),
        }
    }

    /// Ends the dump with its connection, which nothing else can be asked of.
    ///
    /// # Errors
    /// Of the network.
    pub async fn close(mut self) -> Result<()> {
        Ok(self.0.socket.shutdown().await?)
    }
}
