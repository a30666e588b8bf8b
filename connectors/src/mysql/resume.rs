//! Whether a server can go on from a position: that it is the same server's, or by GTIDs any of the group, and still there.
//!
//! Asked before every dump. Invariant: a dump never starts from a position where changes in between are missing, and the
//! answer names what is missing.

use api::{Error, Result};
use mysql_async::Conn;

use super::binlog::stream::by_gtids;
use super::gtid::{GtidSet, MySqlGtids};
use super::position::Position;
use super::server::{self, ServerInfo, cell, rows};

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// The dump can start.
    Available,
    /// It cannot; why, and what to do.
    Lost(String),
}

const REMEDY: &str = "take a new snapshot: snapshot.mode=when_needed, or reset the connector's offsets";

/// Asks the server.
///
/// # Errors
/// As [`server::rows`].
pub async fn check(conn: &mut Conn, server: &ServerInfo, position: &Position) -> Result<Availability> {
    match &position.gtids {
        Some(GtidSet::MySql(ours)) if by_gtids(position) || is_elsewhere(server, position) => {
            check_gtids(conn, server, ours).await
        }
        // MariaDB itself refuses a GTID position that it cannot go on from, and says why.
        Some(GtidSet::MariaDb(_)) => Ok(Availability::Available),
        _ => check_file(conn, server, position).await,
    }
}

/// Whether a position with tagged GTIDs is to be found on another server than its file's. The dump command of the library
/// takes no tags, so there the place is looked for.
fn is_elsewhere(server: &ServerInfo, position: &Position) -> bool {
    matches!(&position.gtids, Some(GtidSet::MySql(set)) if set.has_tags())
        && (position.server_uuid.is_none() || position.server_uuid != server.uuid)
}

/// Where to read from in this server's own files for a position whose GTIDs the dump command does not take: the newest file
/// that begins with nothing that is not in the position. What comes there of the position's transactions is to be passed over.
/// `None` when the position itself can be asked for.
///
/// # Errors
/// As [`server::rows`], and `Fatal` when no file reaches back far enough.
pub async fn place_by_gtids(
    conn: &mut Conn,
    server: &ServerInfo,
    position: &Position,
) -> Result<Option<Position>> {
    let Some(GtidSet::MySql(ours)) = position.gtids.as_ref().filter(|_| is_elsewhere(server, position))
    else {
        return Ok(None);
    };
    let logs = rows(conn, "SHOW BINARY LOGS").await?;
    for file in logs.iter().rev().filter_map(|row| cell(row, 0)) {
        let events = rows(conn, &format!("SHOW BINLOG EVENTS IN '{file}' LIMIT 3")).await?;
        let is_previous = |row: &&mysql_async::Row| cell(row, 2).as_deref() == Some("Previous_gtids");
        let before = events.iter().find(is_previous).and_then(|row| cell(row, 5)).unwrap_or_default();
        let before = MySqlGtids::parse(&before.replace(['\n', ' '], ""))?;
        if before.minus(ours).is_empty() {
            return Ok(Some(Position { file: file.into(), pos: 4, ..position.clone() }));
        }
    }
    let first = logs.first().and_then(|row| cell(row, 0)).unwrap_or_default();
    Err(Error::fatal(format!(
        "no binlog file of the server begins before the connector's GTIDs ({ours}); its first is {first}: {REMEDY}"
    )))
}

async fn check_gtids(conn: &mut Conn, server: &ServerInfo, ours: &MySqlGtids) -> Result<Availability> {
    if !server.gtids {
        return Ok(Availability::Lost(format!(
            "the connector's offset has GTIDs but the server has gtid_mode=OFF now: switch it on, or {REMEDY}"
        )));
    }
    let executed = MySqlGtids::parse(&server::variable(conn, "gtid_executed").await?)?;
    let purged = MySqlGtids::parse(&server::variable(conn, "gtid_purged").await?)?;
    Ok(compare_gtids(ours, &executed, &purged))
}

fn compare_gtids(ours: &MySqlGtids, executed: &MySqlGtids, purged: &MySqlGtids) -> Availability {
    let unknown = ours.minus(executed);
    if !unknown.is_empty() {
        return Availability::Lost(format!(
            "the connector has read transactions that this server does not have ({unknown}): it was reset, restored or \
             replaced by one that lags behind; wait until it has them, or {REMEDY}"
        ));
    }
    let missing = purged.minus(ours);
    if !missing.is_empty() {
        return Availability::Lost(format!(
            "the server has purged transactions from its binlog that the connector has not read ({missing}): {REMEDY}"
        ));
    }
    Availability::Available
}

async fn check_file(conn: &mut Conn, server: &ServerInfo, position: &Position) -> Result<Availability> {
    if let (Some(ours), Some(found)) = (&position.server_uuid, &server.uuid)
        && ours != found
    {
        return Ok(Availability::Lost(format!(
            "the connector's offset (file {}, position {}) is one of server {ours}, but this is server {found}: connect to \
                 that server, or {REMEDY}",
            position.file, position.pos
        )));
    }
    let logs = rows(conn, "SHOW BINARY LOGS").await?;
    let sizes: Vec<(String, u64)> = logs
        .iter()
        .filter_map(|row| Some((cell(row, 0)?, row.get_opt::<u64, _>(1).and_then(std::result::Result::ok)?)))
        .collect();
    Ok(compare_files(position, &sizes))
}

fn compare_files(position: &Position, logs: &[(String, u64)]) -> Availability {
    let (file, pos) = (&*position.file, position.pos);
    match logs.iter().find(|(name, _)| name == file) {
        Some((_, size)) if pos <= *size => Availability::Available,
        Some((_, size)) => Availability::Lost(format!(
            "the connector has read {file} up to position {pos} but the server's file ends at {size}: the server lost its last \
             changes or was restored; {REMEDY}"
        )),
        None => {
            let first = logs.first().map_or("none", |(name, _)| name);
            Availability::Lost(format!(
                "the server no longer has the binlog file {file} of the connector's offset (its first is {first}): {REMEDY}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(intervals: &str) -> MySqlGtids {
        MySqlGtids::parse(&if intervals.is_empty() { String::new() } else { format!("{A}:{intervals}") })
            .unwrap()
    }

    fn lost(availability: Availability) -> String {
        match availability {
            Availability::Lost(reason) => reason,
            Availability::Available => "available".to_owned(),
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(compare_gtids(&set("1-5"), &set("1-9"), &set("1-5")), Availability::Available);
        assert!(lost(compare_gtids(&set("1-5"), &set("1-9"), &set("1-7"))).contains(&format!("{A}:6-7")));
        assert!(lost(compare_gtids(&set("1-5"), &set("1-3"), &set(""))).contains(&format!("{A}:4-5")));
    }

    #[test]
    fn a_position_must_lie_in_a_file_that_is_there() {
        let logs = [("b.000002".to_owned(), 500)];
        let at = |file: &'static str, pos| Position { file: file.into(), pos, ..Position::default() };
        assert_eq!(compare_files(&at("b.000002", 500), &logs), Availability::Available);
        assert!(lost(compare_files(&at("b.000002", 501), &logs)).contains("ends at 500"));
        assert!(lost(compare_files(&at("b.000001", 4), &logs)).contains("its first is b.000002"));
    }
}
