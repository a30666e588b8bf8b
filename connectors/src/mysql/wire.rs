//! A connection that hands out rows as they came: what snapshots read tables with.
//!
//! `mysql_async` gives each cell of a result a piece of memory of its own and each row an await; a snapshot is nothing but rows. So its
//! sessions speak the protocol themselves: this module has the socket, the buffer and the rows of text results; handshakes, packets of
//! the login and columns are read and written by `mysql_common`, the crate under `mysql_async`. Errors are that library's, so that they
//! are sorted by consequence in one place ([`super::server`]).
//!
//! Invariants: bytes go from the socket into one buffer and are not copied again, cells are places in it; no length is believed before it is
//! below its limit, and memory grows with what came, not with what was announced; a result that was not read to its end blocks the
//! connection instead of passing for the answer of the next statement.
//! Source: "Client/Server Protocol" of the MySQL Internals, and MariaDB's page of the same name.

mod auth;
mod dump;
mod frames;
mod rows;
mod socket;
mod tls;

use std::io;
use std::sync::Arc;

use api::Bytes;
use bytes::BytesMut;
use mysql_async::consts::{CapabilityFlags, Command, StatusFlags};
use mysql_async::{Column, DriverError, Error, Result, Row, ServerError};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    CommonOkPacket, ErrPacket, OkPacketDeserializer, OldEofPacket, ResultSetTerminator,
};
use mysql_common::proto::codec::packet_to_chunks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use dump::{AnnotatedDump, EventPackets};
pub use rows::TextRows;
pub(super) use socket::KEEPALIVE;

use self::frames::Frames;
use self::rows::Gathered;
use self::socket::Socket;
use super::config::MySqlConfig;
use super::server::{Encryption, Session};

/// What a packet may weigh at most: the protocol's own limit of a value.
const PACKET_BYTES_MAX: usize = 1 << 30;
/// Columns of a result at most; tables have at most 4096.
const COLUMNS_MAX: u64 = 4096;

/// See the module.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    frames: Frames,
    capabilities: CapabilityFlags,
    /// Whether the server still has to say something of the last statement.
    is_answering: bool,
}

/// What a server's answer begins with.
enum Answer {
    /// No rows; whether another result follows.
    Done(bool),
    /// Rows of these columns follow.
    Rows(Arc<[Column]>),
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Of the network, of encryption, and of the server that refuses the user.
    pub async fn open(config: &MySqlConfig, encryption: Encryption) -> Result<Self> {
        let socket = Socket::connect(&config.hostname, config.port).await?;
        let (frames, capabilities) = (Frames::new(auth::PACKET_BYTES_MAX), CapabilityFlags::empty());
        let mut connection = Self { socket, frames, capabilities, is_answering: false };
        auth::log_in(&mut connection, config, encryption).await?;
        connection.frames.allow(PACKET_BYTES_MAX);
        Ok(connection)
    }

    /// Asks for rows, as text.
    ///
    /// # Errors
    /// Of the network and of the server; also when the result before was not read to its end.
    pub async fn select(&mut self, statement: &str) -> Result<Selected<'_>> {
        self.ask(statement).await?;
        let columns = match self.answer().await? {
            Answer::Rows(columns) => columns,
            Answer::Done(more) => {
                self.is_answering = more;
                return Err(malformed("a statement that should have rows has no result").into());
            }
        };
        Ok(Selected { columns, connection: self, is_done: false, cells: 0 })
    }

    /// Tells the server that this is the end.
    ///
    /// # Errors
    /// Of the network.
    pub async fn close(mut self) -> Result<()> {
        self.frames.begin();
        self.send(&[Command::COM_QUIT as u8]).await?;
        Ok(self.socket.shutdown().await?)
    }

    async fn ask(&mut self, statement: &str) -> Result<()> {
        if self.is_answering {
            return Err(malformed("the result before was not read to its end").into());
        }
        self.is_answering = true;
        self.frames.begin();
        let mut packet = Vec::with_capacity(statement.len() + 1);
        packet.push(Command::COM_QUERY as u8);
        packet.extend_from_slice(statement.as_bytes());
        self.send(&packet).await
    }

    async fn send(&mut self, payload: &[u8]) -> Result<()> {
        let mut bytes = BytesMut::new();
        let sequence = packet_to_chunks(self.frames.sequence(), &mut &*payload, &mut bytes);
        self.frames.expect(sequence);
        self.socket.write_all(&bytes).await?;
        Ok(self.socket.flush().await?)
    }

    /// Reads what there is; waits until there is something.
    async fn fill(&mut self) -> Result<()> {
        if self.socket.read_buf(self.frames.room()).await? == 0 {
            return Err(
                io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection").into()
            );
        }
        Ok(())
    }

    /// The next packet, whatever it says.
    async fn packet(&mut self) -> Result<Bytes> {
        loop {
            if let Some(place) = self.frames.next()? {
                return Ok(self.frames.take().slice(place));
            }
            self.fill().await?;
        }
    }

    /// The next packet; an error of the server is one.
    async fn good_packet(&mut self) -> Result<Bytes> {
        let packet = self.packet().await?;
        if packet.first() == Some(&0xFF) {
            return Err(self.refusal(&packet));
        }
        Ok(packet)
    }

    /// The error that a packet says.
    fn refusal(&mut self, packet: &[u8]) -> Error {
        self.is_answering = false;
        let error = match ParseBuf(packet).parse::<ErrPacket<'_>>(self.capabilities) {
            Ok(ErrPacket::Error(error)) => error,
            Ok(ErrPacket::Progress(_)) => {
                return malformed("a report of progress that nobody asked for").into();
            }
            Err(error) => return error.into(),
        };
        Error::Server(ServerError {
            code: error.error_code(),
            message: error.message_str().into_owned(),
            state: error
                .sql_state_ref()
                .map_or_else(|| "HY000".to_owned(), |state| state.as_str().into_owned()),
        })
    }

    /// The head of an answer.
    async fn answer(&mut self) -> Result<Answer> {
        let packet = self.good_packet().await?;
        match packet.first() {
            Some(0x00) => {
                let ok =
                    ParseBuf(&packet).parse::<OkPacketDeserializer<'_, CommonOkPacket>>(self.capabilities)?;
                return Ok(Answer::Done(has_more(ok.into_inner().status_flags())));
            }
            Some(0xFB) => return Err(malformed("the server asks for a local file").into()),
            _ => {}
        }
        let (count, _) = rows::length(&packet)
            .filter(|(count, rest)| rest.is_empty() && (1..=COLUMNS_MAX).contains(count))
            .ok_or_else(|| {
                malformed(format!(
                    "an answer begins with {} bytes that are no number of columns",
                    packet.len()
                ))
            })?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let packet = self.good_packet().await?;
            columns.push(ParseBuf(&packet).parse::<Column>(())?);
        }
        if !self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
            self.good_packet().await?;
        }
        Ok(Answer::Rows(columns.into()))
    }

    /// Whether more results follow, if a packet ends the rows of one.
    fn end_of_rows(&self, packet: &[u8]) -> Result<Option<bool>> {
        let status = if self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
            if packet.first() != Some(&0xFE) || packet.len() >= frames::FRAME_BYTES_MAX {
                return Ok(None);
            }
            let end =
                ParseBuf(packet).parse::<OkPacketDeserializer<'_, ResultSetTerminator>>(self.capabilities)?;
            end.into_inner().status_flags()
        } else {
            if packet.first() != Some(&0xFE) || packet.len() >= 9 {
                return Ok(None);
            }
            let end = ParseBuf(packet).parse::<OkPacketDeserializer<'_, OldEofPacket>>(self.capabilities)?;
            end.into_inner().status_flags()
        };
        Ok(Some(has_more(status)))
    }
}

fn has_more(status: StatusFlags) -> bool {
    status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS)
}

impl Session for Connection {
    async fn results(&mut self, statement: &str) -> Result<Vec<Vec<Row>>> {
        self.ask(statement).await?;
        let mut results = Vec::new();
        while self.is_answering {
            match self.answer().await? {
                Answer::Done(more) => self.is_answering = more,
                Answer::Rows(columns) => {
                    let mut selected = Selected { columns, connection: self, is_done: false, cells: 0 };
                    let mut rows = Vec::new();
                    while let Some(some) = selected.rows(usize::MAX, PACKET_BYTES_MAX).await? {
                        rows.extend(some.to_rows(&selected.columns));
                    }
                    results.push(rows);
                }
            }
        }
        Ok(results)
    }
}

/// Rows that are being read.
#[derive(Debug)]
pub struct Selected<'a> {
    columns: Arc<[Column]>,
    connection: &'a mut Connection,
    is_done: bool,
    /// How many cells the last rows had: what the next ones may need room for.
    cells: usize,
}

impl Selected<'_> {
    /// The names of the result's columns.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = std::borrow::Cow<'_, str>> {
        self.columns.iter().map(Column::name_str)
    }

    /// Whether the last row was handed out.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// The next rows: as many as asked for, or of as many bytes, or all that are left; `None` behind the last.
    ///
    /// # Errors
    /// Of the network and of the server.
    pub async fn rows(&mut self, rows_max: usize, bytes_max: usize) -> Result<Option<TextRows>> {
        let mut gathered = Gathered::new(self.columns.len(), self.cells);
        while !self.is_done {
            let connection = &mut *self.connection;
            while let Some(place) = connection.frames.next()? {
                let packet = connection.frames.payload(&place);
                match packet.first() {
                    Some(0xFF) => {
                        let packet = Bytes::copy_from_slice(packet);
                        return Err(connection.refusal(&packet));
                    }
                    Some(0xFE) => {
                        if let Some(more) = connection.end_of_rows(packet)? {
                            connection.is_answering = more;
                            self.is_done = true;
                            break;
                        }
                    }
                    _ => {}
                }
                gathered.push(packet, place.start)?;
                if gathered.rows() >= rows_max || gathered.bytes() >= bytes_max {
                    self.cells = gathered.cells();
                    return Ok(Some(gathered.finish(connection.frames.take())));
                }
            }
            if !self.is_done {
                connection.fill().await?;
            }
        }
        let bytes = self.connection.frames.take();
        Ok((gathered.rows() > 0).then(|| gathered.finish(bytes)))
    }
}

/// What no server says.
fn malformed(what: impl Into<String>) -> io::Error {
    let what: String = what.into();
    io::Error::new(io::ErrorKind::InvalidData, format!("MySQL's protocol is broken: {what}"))
}

/// A packet beyond its limit.
fn too_large() -> Error {
    Error::Driver(DriverError::PacketTooLarge)
}

#[cfg(test)]
mod tests;
