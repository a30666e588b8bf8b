//! Ranges: the pieces into which a snapshot's tables are cut, and the sessions that read them ahead, side by side.
//!
//! Sessions take ranges in the plan's order, each range has its own bounded channel, and the channels are handed out in that order
//! too. So rows leave in one order whatever the number of sessions, a session that is ahead waits with a full channel,
//! and the session that reads the range at the front never waits for another one: nothing can lock up.

use std::collections::VecDeque;
use std::sync::Arc;

use api::{Bytes, Error, Result};
use mysql_async::{Row, Value as Cell};
use tokio::sync::{Mutex, mpsc};

use super::keys::{ChunkKey, KeyValues};
use super::plan::PlannedTable;
use crate::mysql::server::{self, quoted_table, sorted};
use crate::mysql::shape::TableShape;
use crate::mysql::text::{TextRowDecoder, select_list};
use crate::mysql::wire::{Connection, Selected, TextRows};

/// Bytes of rows between two checkpoints at most.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// Batches that wait of one range at most.
const BATCHES_AHEAD: usize = 8;
/// About what a range should weigh when several sessions read: as much as may wait of it.
const RANGE_BYTES: u64 = (BATCH_BYTES_MAX * BATCHES_AHEAD) as u64;

/// What is needed to read one table.
#[derive(Debug)]
pub struct TableReading {
    /// Where it stands in the plan.
    pub number: usize,
    /// What the plan says of it.
    pub planned: PlannedTable,
    /// Its shape in the view.
    pub shape: TableShape,
    /// Turns its rows into values.
    pub decoder: TextRowDecoder,
    /// By what it is cut; `None` when it is read in one go.
    pub key: Option<ChunkKey>,
    /// Where reading goes on.
    pub after: Option<KeyValues>,
    /// About how many bytes a row has.
    pub row_bytes: u64,
}

/// Some rows.
#[derive(Debug)]
pub struct Batch {
    /// The rows.
    pub rows: TextRows,
    /// Whether every cell was looked at and is a value: here, since the session's thread has the time.
    pub is_sure: bool,
    /// The last row's key.
    pub end: Option<KeyValues>,
}

/// A part of a table that is being read.
#[derive(Debug)]
pub struct Range {
    /// The table.
    pub table: Arc<TableReading>,
    /// Whether it is the table's last.
    pub is_last: bool,
    /// Its rows; ends with `Ok(None)`.
    pub batches: mpsc::Receiver<Result<Option<Batch>>>,
}

#[derive(Debug)]
struct Bounds {
    after: Option<KeyValues>,
    up_to: Option<KeyValues>,
}

/// The ranges that nobody reads yet.
struct Source {
    tables: VecDeque<Arc<TableReading>>,
    /// Of the first table: the end of the last range that was given out.
    reached: Option<KeyValues>,
    /// Of the first table, if its key is a whole number: the steps in which it is cut.
    steps: Option<VecDeque<String>>,
    rows_wanted: Option<usize>,
    handed: mpsc::Sender<Range>,
}

/// How ranges are cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Rows in a batch at most.
    pub batch_rows_max: usize,
    /// Ranges of a large table at least.
    pub ranges_min: usize,
}

/// Starts reading tables; the ranges come in order. Dropping the receiver and the set ends it.
pub fn read(
    sessions: Vec<Connection>,
    tables: VecDeque<Arc<TableReading>>,
    cut: Cut,
) -> (mpsc::Receiver<Range>, tokio::task::JoinSet<()>) {
    let (handed, ranges) = mpsc::channel(sessions.len());
    // One session has nobody to share with: a table is one range then.
    let rows_wanted = (sessions.len() > 1).then_some(cut.ranges_min);
    let source = Source { tables, reached: None, steps: None, rows_wanted, handed };
    let source = Arc::new(Mutex::new(source));
    let mut workers = tokio::task::JoinSet::new();
    for mut conn in sessions {
        let source = Arc::clone(&source);
        workers.spawn(async move {
            while let Some((table, bounds, batches)) = Source::next(&source, &mut conn).await {
                let read = read_range(&mut conn, &table, &bounds, cut.batch_rows_max, &batches).await;
                let end = read.map(|()| None);
                // Who does not listen any more needs no end.
                if batches.send(end).await.is_err() {
                    return;
                }
            }
            if let Err(error) = conn.close().await {
                tracing::debug!(%error, "closing a session of the snapshot");
            }
        });
    }
    (ranges, workers)
}

type Work = (Arc<TableReading>, Bounds, mpsc::Sender<Result<Option<Batch>>>);

impl Source {
    /// Takes the next range; tells the reader about it before another session can take one.
    async fn next(source: &Mutex<Self>, conn: &mut Connection) -> Option<Work> {
        let mut source = source.lock().await;
        let table = Arc::clone(source.tables.front()?);
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let after = source.reached.take().or_else(|| table.after.clone());
        let up_to = match source.bound(conn, &table, after.as_deref()).await {
            Ok(up_to) => up_to,
            Err(error) => {
                source.tables.clear();
                let range = Range { table, is_last: true, batches };
                if source.handed.send(range).await.is_ok() {
                    // The reader takes the error out of the range.
                    drop(sender.send(Err(error)).await);
                }
                return None;
            }
        };
        let is_last = up_to.is_none();
        if is_last {
            source.tables.pop_front();
            source.steps = None;
        }
        source.reached.clone_from(&up_to);
        let range = Range { table: Arc::clone(&table), is_last, batches };
        source.handed.send(range).await.ok()?;
        Some((table, Bounds { after, up_to }, sender))
    }

    /// Where the range after a key ends; `None` when it takes the rest of the table.
    async fn bound(
        &mut self,
        conn: &mut Connection,
        table: &TableReading,
        after: Option<&[String]>,
    ) -> Result<Option<KeyValues>> {
        let (Some(ranges_min), Some(key)) = (self.rows_wanted, &table.key) else { return Ok(None) };
        if table.planned.statement.is_some() {
            return Ok(None);
        }
        let rows_max = (RANGE_BYTES / table.row_bytes.max(1)).max(1);
        let ranges = (table.planned.rows / rows_max).max(1);
        // A table that one session reads in no time is not cut.
        if ranges < 2 {
            return Ok(None);
        }
        let ranges = ranges.max(u64::try_from(ranges_min).unwrap_or(u64::MAX));
        if !key.is_whole_number() {
            let offset = table.planned.rows / ranges;
            return bound_by_count(conn, table, key, after, offset).await;
        }
        if self.steps.is_none() {
            self.steps = Some(steps(conn, table, key, after, ranges).await?);
        }
        let next = self.steps.as_mut().and_then(VecDeque::pop_front);
        Ok(next.map(|bound| vec![bound]))
    }
}

/// The key so many rows further on.
async fn bound_by_count(
    conn: &mut Connection,
    table: &TableReading,
    key: &ChunkKey,
    after: Option<&[String]>,
    offset: u64,
) -> Result<Option<KeyValues>> {
    let statement = format!(
        "SELECT {} FROM {}{}{} {} LIMIT 1 OFFSET {offset}",
        key.select_list(),
        quoted_table(&table.shape.id),
        key.force_index(),
        condition(table, after.map(|after| key.after(after))),
        key.order_by(false),
    );
    let rows = server::rows(conn, &statement).await?;
    Ok(rows.into_iter().next().and_then(|row| key.values_alone(&cells_of(row).0)))
}

/// Even steps from the smallest to the largest number.
async fn steps(
    conn: &mut Connection,
    table: &TableReading,
    key: &ChunkKey,
    after: Option<&[String]>,
    ranges: u64,
) -> Result<VecDeque<String>> {
    let column = key.select_list();
    let condition = condition(table, after.map(|after| key.after(after)));
    let id = quoted_table(&table.shape.id);
    let rows =
        server::rows(conn, &format!("SELECT MIN({column}), MAX({column}) FROM {id}{condition}")).await?;
    let number = |index| {
        let cell = rows.first().and_then(|row| server::cell(row, index))?;
        cell.parse::<i128>().ok()
    };
    let (Some(least), Some(most)) = (number(0), number(1)) else { return Ok(VecDeque::new()) };
    Ok(even_steps(least, most, ranges))
}

fn even_steps(least: i128, most: i128, ranges: u64) -> VecDeque<String> {
    let width = ((most - least) / i128::from(ranges)).max(1);
    let count = ((most - least) / width).min(i128::from(ranges) - 1).max(0);
    (1..=count).map(|step| (least + step * width).to_string()).collect()
}

/// `WHERE` what must hold of a table's rows.
fn condition(table: &TableReading, bound: Option<String>) -> String {
    let parts: Vec<String> =
        table.planned.condition.clone().into_iter().chain(bound).map(|part| format!("({part})")).collect();
    if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
}

/// The statement that reads a range.
fn statement(table: &TableReading, bounds: &Bounds) -> String {
    if let Some(statement) = &table.planned.statement {
        return statement.clone();
    }
    let (columns, id) = (select_list(&table.shape), quoted_table(&table.shape.id));
    let Some(key) = &table.key else {
        return format!("SELECT {columns} FROM {id}{}", condition(table, None));
    };
    let after = bounds.after.as_deref().map(|after| key.after(after));
    let up_to = bounds.up_to.as_deref().map(|up_to| key.up_to(up_to));
    let bound = match (after, up_to) {
        (Some(after), Some(up_to)) => Some(format!("({after}) AND ({up_to})")),
        (after, up_to) => after.or(up_to),
    };
    format!(
        "SELECT {columns} FROM {id}{}{} {}",
        key.force_index(),
        condition(table, bound),
        key.order_by(false)
    )
}

async fn read_range(
    conn: &mut Connection,
    table: &TableReading,
    bounds: &Bounds,
    batch_rows_max: usize,
    batches: &mpsc::Sender<Result<Option<Batch>>>,
) -> Result<()> {
    let statement = statement(table, bounds);
    let reading = |error: Error| error.context(reading(table, &statement));
    let mut selected = conn.select(&statement).await.map_err(|error| reading(sorted(error)))?;
    let places = places(table, &selected)?;
    loop {
        let rows =
            selected.rows(batch_rows_max, BATCH_BYTES_MAX).await.map_err(|error| reading(sorted(error)))?;
        let Some(rows) = rows else { return Ok(()) };
        let rows = match &places {
            Some(places) => rows.arranged(places),
            None => rows,
        };
        let mut batch = batch(table, rows);
        if selected.is_done() && bounds.up_to.is_some() {
            // Behind the last row lies the range's end.
            batch.end.clone_from(&bounds.up_to);
        }
        if batches.send(Ok(Some(batch))).await.is_err() {
            return Ok(());
        }
    }
}

/// What is being done, for errors: which part of which table, and how it was asked for.
fn reading(table: &TableReading, statement: &str) -> String {
    format!("reading table {} for the snapshot with \"{statement}\"", table.shape.id)
}

/// A batch of what was read, which ends at its last row.
fn batch(table: &TableReading, rows: TextRows) -> Batch {
    let end = table.key.as_ref().and_then(|key| key.values(&rows.last()));
    let is_sure = table.decoder.is_sure_of(&rows);
    Batch { rows, is_sure, end }
}

/// Where a foreign statement's result has the table's columns, by name; `None` when it is our own.
fn places(table: &TableReading, selected: &Selected<'_>) -> Result<Option<Vec<Option<usize>>>> {
    if table.planned.statement.is_none() {
        return match selected.columns().len() {
            found if found == table.shape.columns.len() => Ok(None),
            found => {
                let expected = table.shape.columns.len();
                Err(Error::fatal(format!(
                    "table {}: {found} columns came instead of {expected}",
                    table.shape.id
                )))
            }
        };
    }
    let place = |name: &str| selected.columns().position(|column| column.eq_ignore_ascii_case(name));
    let places: Vec<_> = table.shape.columns.iter().map(|column| place(&column.name)).collect();
    if places.iter().all(Option::is_none) {
        return Err(Error::bad_config(format!(
            "snapshot.select.statement.overrides.{}: the statement's result has no column of the table",
            table.shape.id
        )));
    }
    Ok(Some(places))
}

/// A row's cells as text, and their bytes.
pub fn cells_of(row: Row) -> (Vec<Option<Bytes>>, usize) {
    let mut bytes = 0;
    let cells = row.unwrap_raw().into_iter().map(|cell| match cell {
        None | Some(Cell::NULL) => None,
        Some(Cell::Bytes(cell)) => {
            bytes += cell.len();
            Some(Bytes::from(cell))
        }
        Some(other) => Some(Bytes::from(other.as_sql(true).into_bytes())),
    });
    let cells = cells.collect();
    (cells, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lie_within_the_numbers_and_leave_the_last_range_open() {
        assert_eq!(even_steps(1, 100, 4), ["25", "49", "73"]);
        assert_eq!(even_steps(5, 5, 4), VecDeque::<String>::new());
        assert_eq!(even_steps(1, 3, 10), ["2", "3"]);
        let wide = even_steps(i128::from(i64::MIN), i128::from(u64::MAX), 3);
        assert_eq!(wide.len(), 2);
    }
}
