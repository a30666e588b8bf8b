//! Opening a view of the data that belongs to a position of the binlog. The argument stands in the module above.
//!
//! Under the lock nothing is done but reading the position and opening the view, in all sessions at once: how long writers wait does
//! not depend on how many tables there are. The tables' definitions are read before and, unless the binlog has not grown since, after;
//! if they differ, it is done over, and the last time under the lock.

use std::time::Instant;

use api::{Error, ErrorKind, Result};
use futures::future::{join_all, try_join_all};
use mysql_async::Conn;

use super::Setting;
use super::definitions::{Definitions, Readers, limit_waiting, same};
use super::locks::{Lock, release, take_lock};
use crate::mysql::gtid::GtidSet;
use crate::mysql::history::Shapes;
use crate::mysql::position::Position;
use crate::mysql::server::{self, ServerInfo, Session, binlog_end, execute};
use crate::mysql::shape::{TableId, TableShape};
use crate::mysql::wire::Connection;

/// A view: sessions whose transactions see the data as of a position.
#[derive(Debug)]
pub struct View {
    /// The sessions, at least one.
    pub sessions: Vec<Connection>,
    /// The position.
    pub position: Position,
    /// The captured tables.
    pub shapes: Vec<TableShape>,
    /// Their definitions, as the server prints them, in the same order.
    pub definitions: Vec<String>,
    /// When the view was opened, by the server's clock, in seconds.
    pub timestamp_s: i64,
    /// The session that holds the lock while the snapshot is read (`extended`).
    pub lock: Option<Conn>,
}

/// How often the definitions may differ before they are read under the lock.
const TRIES: usize = 3;
/// How often views are opened until all lie at one position, where there is no lock.
const OPENINGS: usize = 50;

/// Opens a view of the captured tables with as many sessions.
///
/// # Errors
/// `Retriable` when tables changed while it opened or the lock was not got in time, `BadConfig` that names the GRANT.
pub async fn open(
    setting: Setting<'_>,
    server: &ServerInfo,
    shapes: &Shapes,
    sessions: usize,
) -> Result<View> {
    let mut locker = server::connect(setting.config).await?;
    let opening = (0..sessions.max(1)).map(|_| server::connect_to_read(setting.config));
    let mut sessions = try_join_all(opening).await?;
    let timeout = setting.settings.config.lock_timeout;
    limit_waiting(&mut locker, timeout).await?;
    for conn in &mut sessions {
        execute(conn, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        limit_waiting(conn, timeout).await?;
    }
    let mut readers = Readers::new(timeout);
    let began = binlog_end(&mut sessions[0], server).await?;
    let mut before = readers.read(setting.config, setting.filter, &mut sessions).await?;
    for attempt in 1..=TRIES {
        let tables: Vec<TableId> = before.iter().map(|(id, _)| id.clone()).collect();
        let lock = take_lock(setting, server, &mut locker, &tables).await?;
        let locked = Instant::now();
        let opened = open_all(setting, lock, server, &mut sessions).await;
        let under_lock = attempt == TRIES && lock != Lock::None;
        let mut after = None;
        if under_lock && opened.is_ok() {
            after = Some(readers.read(setting.config, setting.filter, &mut sessions).await);
        }
        // Writers go on as soon as the position is known.
        let released = release(setting, lock, &mut locker).await;
        let held = locked.elapsed();
        let (position, timestamp_s) = opened?;
        released?;
        setting.gauges.set("snapshot_lock_microseconds", i64::try_from(held.as_micros()).unwrap_or(i64::MAX));
        // Where the binlog did not grow until the lock, nobody altered a table. Without a lock a table may be altered, and seen by the view so,
        // before the binlog tells of it.
        let is_idle = attempt == 1 && lock != Lock::None && position == began;
        let after = match after {
            Some(after) => after?,
            None if is_idle => std::mem::take(&mut before),
            None => readers.read(setting.config, setting.filter, &mut sessions).await?,
        };
        if under_lock || is_idle || same(&before, &after) {
            readers.close().await;
            tracing::info!(file = %position.file, pos = position.pos, lock = ?lock, held_us = held.as_micros(),
                sessions = sessions.len(), "opened the snapshot's view");
            let shapes = parse(shapes, &after)?;
            let keep = lock != Lock::None && setting.settings.holds_lock();
            let definitions = after.into_iter().map(|(_, sql)| sql).collect();
            let lock = keep.then_some(locker);
            return Ok(View { sessions, position, shapes, definitions, timestamp_s, lock });
        }
        before = after;
        for conn in &mut sessions {
            execute(conn, "ROLLBACK").await?;
        }
        if setting.settings.holds_lock() {
            execute(&mut locker, "UNLOCK TABLES").await?;
        }
    }
    Err(Error::retriable("tables were created or altered while the snapshot opened its view"))
}

/// Opens the view in all sessions and tells its position and time.
async fn open_all(
    setting: Setting<'_>,
    lock: Lock,
    server: &ServerInfo,
    sessions: &mut Vec<Connection>,
) -> Result<(Position, i64)> {
    if !setting.settings.has_view() {
        return end_and_time(server, sessions).await;
    }
    if lock.holds_writers() {
        let found = end_and_time(server, sessions).await?;
        begin_all(sessions).await?;
        return Ok(found);
    }
    for _ in 0..OPENINGS {
        if let Some(found) = open_unlocked(server, sessions).await? {
            return Ok(found);
        }
        for conn in sessions.iter_mut() {
            execute(conn, "ROLLBACK").await?;
        }
    }
    // Writers never pause long enough: one session has one view, wherever it lies.
    if server.mariadb || lock == Lock::Backup {
        tracing::warn!(
            "snapshot.max.threads: no moment was found at which several sessions see the same data; one reads"
        );
        sessions.truncate(1);
        let found = open_unlocked(server, sessions).await?;
        return found.ok_or_else(|| Error::retriable("one session disagrees with itself about its view"));
    }
    // By GTIDs, everything before this position is in the views; what came since is read again from the binlog.
    let found = end_and_time(server, sessions).await?;
    begin_all(sessions).await?;
    Ok(found)
}

async fn begin_all(sessions: &mut [Connection]) -> Result<()> {
    let begin = |conn| execute(conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT");
    join_all(sessions.iter_mut().map(begin)).await.into_iter().collect()
}

async fn end_and_time(server: &ServerInfo, sessions: &mut [Connection]) -> Result<(Position, i64)> {
    let conn = sessions.first_mut().ok_or_else(|| Error::fatal("a view has no session"))?;
    let position = binlog_end(conn, server).await?;
    Ok((position, time(conn).await))
}

async fn time(conn: &mut impl Session) -> i64 {
    let now = server::maybe(conn, "SELECT UNIX_TIMESTAMP()").await;
    now.and_then(|now| now.parse().ok()).unwrap_or(0)
}

/// Opens views without a lock; `None` when they may differ. Where the server tells a view's place itself (MariaDB, Percona), they must all
/// say the same; else nothing may have been committed meanwhile.
async fn open_unlocked(server: &ServerInfo, sessions: &mut [Connection]) -> Result<Option<(Position, i64)>> {
    let (before, now) = end_and_time(server, sessions).await?;
    begin_all(sessions).await?;
    let mut places = Vec::with_capacity(sessions.len());
    for conn in sessions.iter_mut() {
        places.push(view_position(conn, server).await?);
    }
    if places.iter().all(Option::is_some) {
        let first = places.first().cloned().flatten();
        return Ok(first
            .filter(|_| places.iter().all(|place| *place == places[0]))
            .map(|place| (place, now)));
    }
    if server.mariadb {
        let grant = "GRANT RELOAD ON *.* TO the user, so that the snapshot can lock";
        return Err(Error::bad_config(format!(
            "the server does not tell where in its binlog a view lies: {grant}"
        )));
    }
    let (after, _) = end_and_time(server, sessions).await?;
    Ok((after == before).then_some((before, now)))
}

/// Where the server says that this session's view lies in the binlog; `None` for servers that do not tell.
///
/// # Errors
/// As [`server::rows`].
pub async fn view_position(conn: &mut impl Session, server: &ServerInfo) -> Result<Option<Position>> {
    let mut position = Position { server_uuid: server.uuid.clone(), ..Position::default() };
    let mut gtids = None;
    for row in server::rows(conn, "SHOW STATUS LIKE 'binlog_snapshot_%'").await? {
        let (name, value) =
            (server::cell(&row, 0).unwrap_or_default(), server::cell(&row, 1).unwrap_or_default());
        match name.to_lowercase().as_str() {
            "binlog_snapshot_file" => position.file = value.into(),
            "binlog_snapshot_position" => position.pos = value.parse().unwrap_or(0),
            "binlog_snapshot_gtid_executed" => gtids = Some(value.replace(['\n', ' '], "")),
            _ => {}
        }
    }
    if position.file.is_empty() || position.pos == 0 {
        return Ok(None);
    }
    if server.mariadb {
        let ask = format!("SELECT BINLOG_GTID_POS('{}', {})", position.file, position.pos);
        gtids = server::maybe(conn, &ask).await.filter(|gtids| !gtids.is_empty());
    } else if !server.gtids {
        gtids = None;
    }
    position.gtids = gtids.map(|gtids| GtidSet::parse(&gtids, server.mariadb)).transpose()?;
    Ok(Some(position))
}

fn parse(shapes: &Shapes, definitions: &Definitions) -> Result<Vec<TableShape>> {
    definitions.iter().map(|(id, sql)| shapes.read_create_table(id, sql)).collect()
}

/// Whether an error says that a privilege is missing.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::BadConfig
}
