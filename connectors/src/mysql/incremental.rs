//! Incremental snapshots: tables read chunk by chunk while the binlog goes on ("DBLog"). The state and the decisions, pure.
//!
//! Why the outcome is right. A chunk is selected while the stream stands still at a place S, and only when every transaction that the
//! stream has handed out up to S is visible to the SELECT. A closing mark H is set after it: everything the SELECT saw lies
//! before H in the binlog. Then the stream goes on to H; a row of the chunk whose key it meets on the way is dropped, for
//! the stream has handed out what became of it. A row that it does not meet was not changed between S and H, so
//! it is handed out at H as it is there, and later changes follow it. It never stands before an older one: no row goes back.

pub mod stored;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use api::{Error, Result, Text, Value};

pub use self::stored::Stored;

use super::binlog::row::RowImage;
use super::position::Position;
use super::shape::{TableId, TableShape};
use super::snapshot::keys::KeyValues;

/// One table to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The table.
    pub table: TableId,
    /// What its rows must meet.
    pub condition: Option<String>,
    /// A column that stands in for the key.
    pub surrogate_key: Option<String>,
}

/// What closes a window.
#[derive(Debug, Clone, PartialEq)]
pub enum Close {
    /// A row of the signal table with this id (inserted, or deleted).
    Signal(String),
    /// A place in the binlog.
    Place(Position),
}

/// A chunk that waits for the end of its window.
#[derive(Debug)]
pub struct Window {
    /// The table's shape when it was read.
    pub shape: Arc<TableShape>,
    /// What closes it.
    pub close: Close,
    /// The rows that were read, in order; `None` for those that the stream met.
    pub rows: Vec<Option<Vec<Value>>>,
    /// The last row's chunk key.
    pub end: Option<KeyValues>,
    /// Whether no rows follow it.
    pub is_last: bool,
    by_key: HashMap<String, usize>,
}

impl Window {
    /// A window over rows.
    #[must_use]
    pub fn new(
        shape: Arc<TableShape>,
        close: Close,
        rows: Vec<Vec<Value>>,
        end: Option<KeyValues>,
        is_last: bool,
    ) -> Self {
        let keys =
            rows.iter().enumerate().map(|(place, row)| (identity(&shape, |column| row.get(column)), place));
        let by_key = keys.collect();
        let rows = rows.into_iter().map(Some).collect();
        Self { shape, close, rows, end, is_last, by_key }
    }

    /// The stream met a row of the table.
    ///
    /// # Errors
    /// `Fatal` when the row's image lacks a column that tells it from others.
    pub fn meet(&mut self, row: &RowImage) -> Result<()> {
        if let Some(column) = identifying(&self.shape).find(|column| !row.holds(*column)) {
            return Err(Error::fatal(format!(
                "a row of {} was changed while a chunk of it was read, and which row it is cannot be said: its image lacks column {}; set \
                 binlog_row_image=FULL on the server and in every session",
                self.shape.id, self.shape.columns[column].name
            )));
        }
        if let Some(place) = self.by_key.remove(&identity(&self.shape, |column| row.held(column))) {
            self.rows[place] = None;
        }
        Ok(())
    }

    /// The stream emptied the table.
    pub fn meet_all(&mut self) {
        self.rows.fill_with(|| None);
        self.by_key.clear();
    }
}

/// The columns that tell a row from others: its key's, or all of them.
fn identifying(shape: &TableShape) -> impl Iterator<Item = usize> {
    let key = shape.key_columns().iter().copied();
    let all = if shape.key_columns().is_empty() { 0..shape.columns.len() } else { 0..0 };
    key.chain(all)
}

/// What these columns hold, as one text.
fn identity<'a>(shape: &TableShape, value: impl Fn(usize) -> Option<&'a Value>) -> String {
    identifying(shape).map(|column| format!("{:?}\u{1f}", value(column))).collect()
}

/// The incremental snapshot of a connector.
#[derive(Debug, Default)]
pub struct Incremental {
    jobs: VecDeque<Job>,
    /// The last key that was handed out of the first table.
    pub last: Option<KeyValues>,
    /// Its greatest key.
    pub maximum: Option<KeyValues>,
    /// Rows of it that were read.
    pub rows: u64,
    /// The signal that asked for it.
    pub correlation: String,
    /// Whether it is held.
    pub paused: bool,
    /// The chunk at hand.
    pub window: Option<Window>,
}

impl Incremental {
    /// Goes on from what an offset says.
    #[must_use]
    pub fn new(stored: Stored) -> Self {
        Self {
            jobs: stored.jobs.into(),
            last: stored.last,
            maximum: stored.maximum,
            rows: 0,
            correlation: stored.correlation,
            paused: stored.paused,
            window: None,
        }
    }

    /// Whether tables are left.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The table at hand.
    #[must_use]
    pub fn current(&self) -> Option<&Job> {
        self.jobs.front()
    }

    /// Adds tables; those that wait already are not read twice.
    pub fn add(&mut self, signal: &str, jobs: Vec<Job>) {
        signal.clone_into(&mut self.correlation);
        for job in jobs {
            if !self.jobs.contains(&job) {
                self.jobs.push_back(job);
            }
        }
    }

    /// Gives up the tables for which `wanted` holds; tells whether there were any.
    pub fn stop(&mut self, wanted: impl Fn(&TableId) -> bool) -> bool {
        let before = self.jobs.len();
        let first_goes = self.jobs.front().is_some_and(|job| wanted(&job.table));
        self.jobs.retain(|job| !wanted(&job.table));
        if first_goes {
            self.begin_table();
        }
        self.jobs.len() < before
    }

    /// The table at hand is done with.
    pub fn finish_table(&mut self) {
        self.jobs.pop_front();
        self.begin_table();
    }

    fn begin_table(&mut self) {
        (self.last, self.maximum, self.rows, self.window) = (None, None, 0, None);
    }

    /// The tables that are left, as notifications name them.
    #[must_use]
    pub fn names(&self) -> String {
        self.jobs.iter().map(|job| job.table.to_string()).collect::<Vec<_>>().join(",")
    }

    /// What an offset says of it.
    #[must_use]
    pub fn entries(&self) -> Vec<(Text, Value)> {
        stored::entries(&Stored {
            jobs: self.jobs.iter().cloned().collect(),
            last: self.last.clone(),
            maximum: self.maximum.clone(),
            correlation: self.correlation.clone(),
            paused: self.paused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::shape::{ColumnShape, SqlType};

    #[test]
    fn rows_that_the_stream_meets_are_dropped() {
        let mut shape = TableShape::new(TableId::new("shop", "t"), "utf8mb4");
        shape.columns = vec![ColumnShape::new("id", SqlType::Int), ColumnShape::new("v", SqlType::Int)];
        shape.primary_key = vec![0];
        let row = |id, v| vec![Value::Int32(id), Value::Int32(v)];
        let close = Close::Signal("x".to_owned());
        let rows = vec![row(1, 1), row(2, 1), row(3, 1)];
        let mut window = Window::new(Arc::new(shape), close, rows, None, true);
        window.meet(&row(2, 9).into()).unwrap();
        window.meet(&row(7, 9).into()).unwrap();
        assert_eq!(window.rows, [Some(row(1, 1)), None, Some(row(3, 1))]);
        let minimal = |absent| RowImage { values: row(1, 9), absent: vec![absent] };
        let error = window.meet(&minimal(0)).unwrap_err().to_string();
        assert!(error.contains("shop.t") && error.contains("column id"), "{error}");
        window.meet(&minimal(1)).unwrap();
        assert_eq!(window.rows, [None, None, Some(row(3, 1))]);
        window.meet_all();
        assert!(window.rows.iter().all(Option::is_none));
    }

    #[test]
    fn stopping_the_table_at_hand_forgets_how_far_it_got() {
        let job = |name: &'static str| Job {
            table: TableId::new("shop", name),
            condition: None,
            surrogate_key: None,
        };
        let mut incremental = Incremental::default();
        incremental.add("s", vec![job("a"), job("b"), job("a")]);
        incremental.last = Some(vec!["5".to_owned()]);
        assert_eq!(incremental.names(), "shop.a,shop.b");
        assert!(incremental.stop(|table| &*table.table == "a"));
        assert_eq!((incremental.names(), incremental.last.clone()), ("shop.b".to_owned(), None));
        assert!(!incremental.stop(|table| &*table.table == "a"));
    }
}
