//! Positions: how far the binlog is read, as the offsets topic holds it, in Debezium's own form.
//!
//! A stored position is the start of a transaction (file and byte, or the GTIDs before it) and how much of it was handed
//! out: `event` events, and `row` rows of the next. A restart reads the transaction again from its start and leaves those
//! out, so that no position in the middle needs the table maps before it. We add `server_uuid` and `gtid` (the transaction
//! that the skips belong to), which Debezium ignores. Invariant: a stored position never names a row that was not handed out.

use std::sync::Arc;

use api::{FlatMap, Result, Text, Value};

use super::gtid::GtidSet;

/// A place in the binlog from which reading can start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Position {
    /// The binlog file.
    pub file: Text,
    /// The byte in it.
    pub pos: u64,
    /// The transactions before it, where the server has GTIDs.
    pub gtids: Option<GtidSet>,
    /// The server that the file belongs to.
    pub server_uuid: Option<Text>,
    /// How much of the transaction that starts here was handed out.
    pub skip: Skip,
}

impl Position {
    /// Whether reading that got here, between transactions, has everything before another place of the same server.
    #[must_use]
    pub fn has_reached(&self, other: &Self) -> bool {
        if let (Some(ours), Some(theirs)) = (&self.gtids, &other.gtids)
            && ours.covers(theirs)
        {
            return true;
        }
        let order = compare_places((&self.file, self.pos), (&other.file, other.pos));
        order.is_some_and(|order| order != std::cmp::Ordering::Less)
    }
}

/// The part of a transaction that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skip {
    /// Events of it, counted from its BEGIN.
    pub events: u64,
    /// Rows of the event after those.
    pub rows: u64,
    /// The transaction, where it has a GTID and we wrote the offset.
    pub gtid: Option<Text>,
}

impl Skip {
    /// Whether there is nothing to leave out.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.events == 0 && self.rows == 0
    }
}

/// What an offset says.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredOffset {
    /// The position.
    pub position: Position,
    /// Whether it was written in a snapshot that had not ended yet.
    pub in_snapshot: bool,
}

impl StoredOffset {
    /// Reads what we or Debezium wrote.
    ///
    /// # Errors
    /// `Fatal` when the GTIDs in it cannot be read.
    pub fn parse(offset: &FlatMap, mariadb: bool) -> Result<Self> {
        let text = |key| offset.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let number =
            |key| offset.get(key).and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let gtids = text("gtids").map(|gtids| GtidSet::parse(gtids, mariadb));
        let gtids =
            gtids.transpose().map_err(|error| error.context("reading \"gtids\" of the committed offset"))?;
        let skip = Skip { events: number("event"), rows: number("row"), gtid: text("gtid").map(Text::from) };
        let position = Position {
            file: text("file").map(Text::from).unwrap_or_default(),
            pos: number("pos").max(4),
            gtids,
            server_uuid: text("server_uuid").map(Text::from),
            skip,
        };
        // Older Debezium writes true, newer ones the type of the snapshot.
        let in_snapshot = match offset.get("snapshot") {
            Some(Value::Boolean(running)) => *running,
            Some(Value::String(kind)) => !kind.eq_ignore_ascii_case("false"),
            _ => false,
        };
        Ok(Self { position, in_snapshot })
    }
}

/// What else stands in an offset beside the position.
#[derive(Debug, Clone, Copy, Default)]
pub struct OffsetDetails {
    /// When the source committed, in seconds.
    pub timestamp_s: Option<i64>,
    /// The server that made the change; 0 is left out.
    pub server_id: u32,
    /// Whether a snapshot is running.
    pub in_snapshot: bool,
}

/// The offset of a position, without its counters `row` and `event`.
#[must_use]
pub fn offset(position: &Position, details: OffsetDetails) -> Arc<FlatMap> {
    let mut map = FlatMap::new();
    if let Some(seconds) = details.timestamp_s {
        map.set("ts_sec", seconds);
    }
    map.set("file", position.file.clone());
    map.set("pos", signed(position.pos));
    if let Some(gtids) = &position.gtids {
        map.set("gtids", gtids.to_string());
    }
    if details.server_id != 0 {
        map.set("server_id", i64::from(details.server_id));
    }
    if details.in_snapshot {
        map.set("snapshot", "INITIAL");
    }
    if let Some(uuid) = &position.server_uuid {
        map.set("server_uuid", uuid.clone());
    }
    if let Some(gtid) = &position.skip.gtid {
        map.set("gtid", gtid.clone());
    }
    Arc::new(map)
}

/// A count as Connect's INT64 holds it.
#[must_use]
pub fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Orders places within one server's binlog: by the number that a file's name ends with, then by byte. `None` when the
/// names do not belong together.
#[must_use]
pub fn compare_places(left: (&str, u64), right: (&str, u64)) -> Option<std::cmp::Ordering> {
    let (left_base, left_number) = split_file(left.0)?;
    let (right_base, right_number) = split_file(right.0)?;
    (left_base == right_base).then(|| (left_number, left.1).cmp(&(right_number, right.1)))
}

fn split_file(file: &str) -> Option<(&str, u64)> {
    let (base, number) = file.rsplit_once('.')?;
    Some((base, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use api::SourceOffset;

    use super::*;

    #[test]
    fn an_offset_reads_back_as_it_was_written() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let position = Position {
            file: Text::from_static("mysql-bin.000003"),
            pos: 1234,
            gtids: Some(GtidSet::parse(&format!("{uuid}:1-99"), false).unwrap()),
            server_uuid: Some(Text::from(uuid)),
            skip: Skip { events: 2, rows: 1, gtid: Some(Text::from(format!("{uuid}:100"))) },
        };
        let details = OffsetDetails { timestamp_s: Some(1_700_000_000), server_id: 7, in_snapshot: false };
        let stored =
            SourceOffset::with_counters(offset(&position, details), [("row", 1), ("event", 2)]).to_map();
        let names: Vec<_> = stored.entries().iter().map(|(name, _)| name.to_string()).collect();
        let expected = ["ts_sec", "file", "pos", "gtids", "server_id", "server_uuid", "gtid", "row", "event"];
        assert_eq!(names, expected);
        assert_eq!(
            StoredOffset::parse(&stored, false).unwrap(),
            StoredOffset { position, in_snapshot: false }
        );
    }

    #[test]
    fn both_forms_of_a_running_snapshot_are_understood() {
        for (value, running) in
            [(Value::Boolean(true), true), (Value::from("INITIAL"), true), (Value::Boolean(false), false)]
        {
            let map = FlatMap::new().with("file", "b.1").with("pos", 4_i64).with("snapshot", value);
            assert_eq!(StoredOffset::parse(&map, true).unwrap().in_snapshot, running);
        }
    }

    #[test]
    fn places_are_ordered_by_number_not_by_text() {
        let order = compare_places(("b.999999", 900), ("b.1000000", 4));
        assert_eq!(order, Some(Ordering::Less));
        assert_eq!(compare_places(("b.000001", 4), ("c.000001", 4)), None);
        assert_eq!(compare_places(("b.1", 5), ("b.000001", 5)), Some(Ordering::Equal));
    }
}
