//! The dump: asking a server for its binlog from a position, and taking its events one by one.
//!
//! `mysql_async` connects and frames; this checks what it does not: every checksum, that a compressed transaction came out
//! whole, and that a broken frame ends the connection and not the task. Invariant: an event is handed on once, whole and in
//! order, or the stream ends with an error.

mod source;

use api::{Bytes, Error, Result, Text};
use flate2::Crc;
use futures::FutureExt;
use mysql_async::binlog::events::{Event as LibraryEvent, GtidEvent};
use mysql_async::{BinlogStreamRequest, Conn};

use self::source::Source;
use super::event::{Event, MySqlGtid, RawEvent};
use crate::mysql::config::MySqlConfig;
use crate::mysql::gtid::{GtidSet, MySqlGtids};
use crate::mysql::position::Position;
use crate::mysql::server::{self, ServerInfo, Session, sorted};
use crate::mysql::wire::AnnotatedDump;

const ROTATE: u8 = 4;
const FORMAT_DESCRIPTION: u8 = 15;
const HEADER_BYTES: usize = 19;

/// An event, read.
#[derive(Debug)]
pub struct Read {
    /// The frame.
    pub raw: RawEvent,
    /// What it says.
    pub event: Event,
}

/// A running dump.
pub struct Dump {
    source: Source,
    /// What is still to come of a compressed transaction, and the position after it.
    payload: Option<(u64, u32)>,
    /// Events that end here or before are left out: a file read from its start.
    start_at: u64,
}

impl std::fmt::Debug for Dump {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Dump({:?})", self.payload)
    }
}

impl Dump {
    /// Asks for everything from a position on. `annotated` when MariaDB's statements of rows are wanted, which it sends to who asks for them
    /// only.
    ///
    /// # Errors
    /// As [`server::connect`]; what the server has against the position comes with the first event.
    pub async fn open(
        config: &MySqlConfig,
        server: &ServerInfo,
        position: &Position,
        annotated: bool,
    ) -> Result<Self> {
        // The command has 32 bits for the position: beyond them the file is read from its start.
        let reachable = by_gtids(position) || u32::try_from(position.pos).is_ok();
        let start_at = if reachable { 0 } else { position.pos };
        let source = if annotated && server.mariadb {
            open_annotated(config, server, position).await?
        } else {
            open_by_library(config, server, position).await?
        };
        Ok(Self { source, payload: None, start_at })
    }

    /// The byte that the caller's position must begin with: the file's start when it is read from there.
    #[must_use]
    pub const fn reads_file_from_start(&self) -> bool {
        self.start_at > 0
    }

    /// Whether an event that ends at this byte lies before the start.
    #[must_use]
    pub const fn is_before_start(&self, end: u64) -> bool {
        end <= self.start_at
    }

    /// The start was reached: nothing is left out any more.
    pub const fn reached_start(&mut self) {
        self.start_at = 0;
    }

    /// The next event if it is here already.
    pub fn try_next(&mut self) -> Option<Result<Read>> {
        self.next().now_or_never()
    }

    /// The next event. Cancel-safe.
    ///
    /// # Errors
    /// `Retriable` when the connection ends or a frame is broken, `Fatal` when the server refuses the position or an event
    /// makes no sense.
    pub async fn next(&mut self) -> Result<Read> {
        match self.source.next().await? {
            None => Err(Error::retriable("the server ended the binlog dump")),
            Some(event) => self.take(&event),
        }
    }

    fn take(&mut self, event: &LibraryEvent) -> Result<Read> {
        let mut raw = frame(event);
        self.account(&mut raw)?;
        if !raw.inner && raw.kind != FORMAT_DESCRIPTION {
            verify_checksum(event, &mut raw)?;
        }
        if raw.is_tagged_gtid() {
            let event = Event::Gtid(tagged_gtid(event)?);
            return Ok(Read { raw, event });
        }
        let event = Event::parse(&raw)?;
        if let Event::TransactionPayload(bytes) = event {
            self.payload = (bytes > 0).then_some((bytes, raw.log_pos));
        }
        Ok(Read { raw, event })
    }

    /// Counts the events of a compressed transaction: a payload that could not be inflated would give none, in silence.
    fn account(&mut self, raw: &mut RawEvent) -> Result<()> {
        let Some((left, log_pos)) = self.payload else { return Ok(()) };
        let size = u64::from(raw.size);
        if raw.log_pos != 0 || matches!(raw.kind, ROTATE | FORMAT_DESCRIPTION) || size > left {
            let message = format!(
                "the compressed transaction that ends at byte {log_pos} of the binlog was not read whole: {left} bytes are missing"
            );
            return Err(Error::fatal(message));
        }
        (raw.inner, raw.log_pos) = (true, log_pos);
        self.payload = (left > size).then_some((left - size, log_pos));
        Ok(())
    }

    /// Ends the dump.
    pub async fn close(self) {
        self.source.close().await;
    }
}

async fn open_by_library(config: &MySqlConfig, server: &ServerInfo, position: &Position) -> Result<Source> {
    let mut conn: Conn = server::connect(config).await?;
    introduce(&mut conn, config, server, position).await?;
    let hostname = host_name(config);
    let mut request = BinlogStreamRequest::new(config.server_id).with_hostname(hostname.as_bytes());
    match &position.gtids {
        Some(GtidSet::MySql(set)) if by_gtids(position) => {
            request = request.with_gtid().with_gtid_set(set.to_sids());
        }
        Some(GtidSet::MariaDb(_)) => {}
        _ => {
            request =
                request.with_filename(position.file.as_bytes()).with_pos(u64::from(first_byte(position)));
        }
    }
    let stream = conn.get_binlog_stream(request).await;
    Ok(Source::Library(Box::new(stream.map_err(|error| sorted(error).context("asking for the binlog"))?)))
}

async fn open_annotated(config: &MySqlConfig, server: &ServerInfo, position: &Position) -> Result<Source> {
    let mut connection = server::connect_to_read(config).await?;
    introduce(&mut connection, config, server, position).await?;
    let dump = AnnotatedDump {
        server_id: config.server_id,
        host_name: &host_name(config),
        file: if by_gtids(position) { "" } else { &position.file },
        pos: if by_gtids(position) { FILE_START } else { first_byte(position) },
    };
    let packets = connection.dump_annotated(&dump).await;
    Ok(Source::of_packets(packets.map_err(|error| sorted(error).context("asking for the binlog"))?))
}

/// Tells the server who asks, and on MariaDB from which GTIDs on.
async fn introduce<S: Session>(
    session: &mut S,
    config: &MySqlConfig,
    server: &ServerInfo,
    position: &Position,
) -> Result<()> {
    let heartbeat_ns = config.keep_alive_interval.as_nanos() / 4;
    server::execute(session, &format!("SET @master_heartbeat_period = {heartbeat_ns}")).await?;
    let own_uuid = replica_uuid(config);
    server::execute(session, &format!("SET @slave_uuid = '{own_uuid}', @replica_uuid = '{own_uuid}'"))
        .await?;
    if server.mariadb {
        server::execute(session, "SET @mariadb_slave_capability = 4").await?;
    }
    if let Some(GtidSet::MariaDb(set)) = &position.gtids {
        let statement = format!("SET @slave_connect_state = '{set}', @slave_gtid_strict_mode = 1");
        server::execute(session, &statement).await?;
    }
    Ok(())
}

/// Where a file begins.
const FILE_START: u32 = 4;

/// The first byte to ask for: that of the position, or the file's when the command has no room for it.
fn first_byte(position: &Position) -> u32 {
    u32::try_from(position.pos).unwrap_or(FILE_START)
}

/// Whether a dump from this position is asked for by GTIDs. The library's request cannot carry tags.
#[must_use]
pub fn by_gtids(position: &Position) -> bool {
    match &position.gtids {
        Some(GtidSet::MySql(set)) => !set.is_empty() && !MySqlGtids::has_tags(set),
        Some(GtidSet::MariaDb(_)) => true,
        None => false,
    }
}

/// What `SHOW REPLICAS` shows as our host, so that a check can tell our own dump from another's.
#[must_use]
pub fn host_name(config: &MySqlConfig) -> String {
    let mut name = format!("millrace:{}", config.topic_prefix);
    name.truncate(60);
    name
}

/// A UUID that stays the same for a connector: a server then ends the dump of our dead connection when the new one comes.
fn replica_uuid(config: &MySqlConfig) -> String {
    let mut bytes = [0; 16];
    let seed = format!("{}:{}", config.topic_prefix, config.server_id);
    for (half, salt) in bytes.chunks_exact_mut(8).zip([0xcbf2_9ce4_8422_2325_u64, 0x6c62_272e_07bb_0142]) {
        let hash =
            seed.bytes().fold(salt, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        half.copy_from_slice(&hash.to_be_bytes());
    }
    crate::mysql::gtid::uuid_text(&bytes)
}

fn frame(event: &LibraryEvent) -> RawEvent {
    let header = event.header();
    RawEvent {
        kind: header.event_type_raw(),
        timestamp: header.timestamp(),
        server_id: header.server_id(),
        size: header.event_size(),
        log_pos: header.log_pos(),
        flags: header.flags_raw(),
        inner: false,
        body: Bytes::copy_from_slice(event.data()),
    }
}

/// Compares the checksum. The rotation before the first format description is framed before the library knows that there
/// are checksums: there it stands behind the file's name.
fn verify_checksum(event: &LibraryEvent, raw: &mut RawEvent) -> Result<()> {
    if let Some(found) = event.checksum().filter(|_| HEADER_BYTES + raw.body.len() < size_of_event(raw)) {
        let (expected, found) = (checksum(raw, &raw.body), u32::from_le_bytes(found));
        if expected != found {
            return Err(Error::retriable(format!(
                "the event of type {} that ends at byte {} of the binlog has checksum {found:08x}, expected {expected:08x}",
                raw.kind, raw.log_pos
            )));
        }
    } else if raw.kind == ROTATE
        && let Some((body, tail)) = raw.body.split_last_chunk::<4>()
        && checksum(raw, body) == u32::from_le_bytes(*tail)
    {
        raw.body = raw.body.slice(..raw.body.len() - 4);
    }
    Ok(())
}

fn size_of_event(raw: &RawEvent) -> usize {
    usize::try_from(raw.size).unwrap_or(usize::MAX)
}

/// CRC-32 over the header and the body.
fn checksum(raw: &RawEvent, body: &[u8]) -> u32 {
    let mut header = [0; HEADER_BYTES];
    header[0..4].copy_from_slice(&raw.timestamp.to_le_bytes());
    header[4] = raw.kind;
    header[5..9].copy_from_slice(&raw.server_id.to_le_bytes());
    header[9..13].copy_from_slice(&raw.size.to_le_bytes());
    header[13..17].copy_from_slice(&raw.log_pos.to_le_bytes());
    header[17..19].copy_from_slice(&raw.flags.to_le_bytes());
    let mut crc = Crc::new();
    crc.update(&header);
    crc.update(body);
    crc.sum()
}

fn tagged_gtid(event: &LibraryEvent) -> Result<MySqlGtid> {
    let gtid: GtidEvent =
        event.read_event().map_err(|error| Error::fatal("cannot read a tagged GTID").with_source(error))?;
    let tag = gtid.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
    let commit = match gtid.original_commit_timestamp() {
        0 => gtid.immediate_commit_timestamp(),
        original => original,
    };
    Ok(MySqlGtid { gtid: Some((gtid.sid(), tag, gtid.gno())), original_commit_us: commit })
}

/// A file's name as it stands in a rotation.
#[must_use]
pub fn file_name(bytes: &[u8]) -> Text {
    Text::from(String::from_utf8_lossy(bytes).into_owned())
}
