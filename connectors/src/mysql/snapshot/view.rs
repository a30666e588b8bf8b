//! Opening a view of the data that belongs to a position of the binlog. The argument stands in the module above.

use api::{Error, ErrorKind, Result};
use mysql_async::Conn;

use crate::mysql::config::{LockingMode, MySqlConfig};
use crate::mysql::filter::Filter;
use crate::mysql::history::Shapes;
use crate::mysql::position::Position;
use crate::mysql::server::{self, ServerInfo, binlog_end, execute, quoted_table};
use crate::mysql::shape::{TableId, TableShape};

/// A view: a session whose transaction sees the data as of a position.
#[derive(Debug)]
pub struct View {
    /// The session.
    pub conn: Conn,
    /// The position.
    pub position: Position,
    /// The captured tables.
    pub shapes: Vec<TableShape>,
    /// When the view was opened, by the server's clock, in seconds.
    pub timestamp_s: i64,
}

/// How writers are held off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    Global,
    Tables,
    None,
}

/// Opens a view of the captured tables.
///
/// # Errors
/// `Retriable` when tables changed while it opened or the lock was not got in time, `BadConfig` that names the GRANT.
pub async fn open(
    config: &MySqlConfig,
    filter: &Filter,
    server: &ServerInfo,
    shapes: &Shapes,
) -> Result<View> {
    let mut locker = server::connect(config).await?;
    let mut conn = server::connect(config).await?;
    let seconds = config.lock_timeout.as_secs().max(1);
    execute(&mut locker, &format!("SET SESSION lock_wait_timeout = {seconds}")).await?;
    execute(&mut conn, &format!("SET SESSION lock_wait_timeout = {seconds}")).await?;
    let before = captured(&mut conn, filter).await?;
    let lock = take_lock(config, server, &mut locker, &before).await?;
    let shapes_before =
        if lock == Lock::Global { Vec::new() } else { read_shapes(&mut conn, shapes, &before).await? };
    let opened = open_under(lock, server, &mut conn).await;
    let tables = captured(&mut conn, filter).await;
    let result = match (opened, tables) {
        (Ok((position, timestamp_s)), Ok(tables)) => {
            let shapes = read_shapes(&mut conn, shapes, &tables).await;
            shapes.map(|shapes| (position, timestamp_s, shapes))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    // Writers go on as soon as the position and the shapes are known.
    let unlocked = if lock == Lock::None { Ok(()) } else { execute(&mut locker, "UNLOCK TABLES").await };
    let (position, timestamp_s, shapes) = result?;
    unlocked?;
    if lock != Lock::Global && shapes != shapes_before {
        return Err(Error::retriable("tables were created or altered while the snapshot opened its view"));
    }
    if let Err(error) = locker.disconnect().await {
        tracing::debug!(%error, "closing the session that held the lock");
    }
    Ok(View { conn, position, shapes, timestamp_s })
}

async fn take_lock(
    config: &MySqlConfig,
    server: &ServerInfo,
    locker: &mut Conn,
    tables: &[TableId],
) -> Result<Lock> {
    if config.locking_mode == LockingMode::None {
        return Ok(Lock::None);
    }
    let Err(refused) = execute(locker, "FLUSH TABLES WITH READ LOCK").await else { return Ok(Lock::Global) };
    if refused.kind() != ErrorKind::BadConfig {
        return Err(refused.context("locking all tables for the snapshot"));
    }
    if server.mariadb || tables.is_empty() {
        tracing::info!(%refused, "the snapshot goes without a lock: the server tells the position of a view");
        return Ok(Lock::None);
    }
    let list: Vec<_> = tables.iter().map(|id| format!("{} READ", quoted_table(id))).collect();
    match execute(locker, &format!("LOCK TABLES {}", list.join(", "))).await {
        Ok(()) => Ok(Lock::Tables),
        Err(error) if error.kind() == ErrorKind::BadConfig => Err(Error::bad_config(format!(
            "snapshot.locking.mode={} needs GRANT RELOAD ON *.* or GRANT LOCK TABLES ON the captured databases for {}; \
             with snapshot.locking.mode=none no lock is taken",
            config.locking_mode, config.user
        ))
        .with_source(error)),
        Err(error) => Err(error.context("locking the captured tables for the snapshot")),
    }
}

/// Opens the view and tells its position and time.
async fn open_under(lock: Lock, server: &ServerInfo, conn: &mut Conn) -> Result<(Position, i64)> {
    execute(conn, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let before = binlog_end(conn, server).await?;
    execute(conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let position = match lock {
        Lock::None if server.mariadb => view_position(conn, server).await?,
        _ => before,
    };
    let now = server::maybe(conn, "SELECT UNIX_TIMESTAMP()").await;
    Ok((position, now.and_then(|now| now.parse().ok()).unwrap_or(0)))
}

/// Where MariaDB says that this session's view lies in the binlog.
async fn view_position(conn: &mut Conn, server: &ServerInfo) -> Result<Position> {
    let mut position = Position { server_uuid: server.uuid.clone(), ..Position::default() };
    for row in server::rows(conn, "SHOW STATUS LIKE 'binlog_snapshot_%'").await? {
        let (name, value) =
            (server::cell(&row, 0).unwrap_or_default(), server::cell(&row, 1).unwrap_or_default());
        match name.to_lowercase().as_str() {
            "binlog_snapshot_file" => position.file = value.into(),
            "binlog_snapshot_position" => position.pos = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    if position.file.is_empty() || position.pos == 0 {
        let grant = "GRANT RELOAD ON *.* TO the user, so that the snapshot can lock";
        return Err(Error::bad_config(format!(
            "the server does not tell where in its binlog a view lies: {grant}"
        )));
    }
    let gtids = format!("SELECT BINLOG_GTID_POS('{}', {})", position.file, position.pos);
    let gtids = server::maybe(conn, &gtids).await.filter(|gtids| !gtids.is_empty());
    position.gtids = gtids.map(|gtids| crate::mysql::gtid::GtidSet::parse(&gtids, true)).transpose()?;
    Ok(position)
}

/// The captured tables of the server, in the order of their names.
///
/// # Errors
/// As [`server::tables`].
pub async fn captured(conn: &mut Conn, filter: &Filter) -> Result<Vec<TableId>> {
    Ok(server::tables(conn).await?.into_iter().filter(|id| filter.captures(id)).collect())
}

async fn read_shapes(conn: &mut Conn, shapes: &Shapes, tables: &[TableId]) -> Result<Vec<TableShape>> {
    let mut found = Vec::with_capacity(tables.len());
    for id in tables {
        // A table that was dropped in between has nothing to read.
        if let Some(sql) = server::create_table_text(conn, id).await? {
            found.push(shapes.read_create_table(id, &sql)?);
        }
    }
    Ok(found)
}
