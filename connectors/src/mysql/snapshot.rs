//! The snapshot: every row of the captured tables as of one position of the binlog, and taking it up again where it broke off.
//!
//! Why the rows and the position belong together. A transaction is written to the binlog first and committed in the storage
//! engine after; between the two it is before the position but not in a view that opens. So writers are held off for the
//! milliseconds in which `view` opens its view, in all its sessions, and reads the position:
//! * `FLUSH TABLES WITH READ LOCK` waits for running commits and stops new ones, for all tables;
//! * where the user may not do that, MySQL takes `LOCK TABLES ... READ` on a second session: it waits for every transaction that
//!   wrote to the captured tables, since those hold metadata locks until their commit is through; transactions on
//!   other tables do not matter;
//! * MariaDB needs no lock: `binlog_snapshot_file` and `binlog_snapshot_position` tell the position of the view itself;
//! * without a lock on MySQL the position is read before the view opens. With GTIDs, what is in `gtid_executed` is committed in
//!   the engine: nothing is missed, what commits in between comes twice.
//!
//! Why a snapshot that broke off can go on, though its view is gone. Every offset says how far the plan was read, and the position P
//! to which all that was handed out belongs. To go on, a new view is opened at a later position Q; the binlog is read from P up to
//! exactly Q, every change of it handed out; then the rest of the plan is read from the new view; then the binlog goes on
//! from Q. Rows that were read before have their changes up to Q; rows of the rest come as of Q, after their changes up to Q; so at
//! Q every row is right, and no change between P and Q is left out, a delete as little as a row that came and went. What
//! breaks off on the way, again has such an offset: the position reached, and the rest of the plan.
//!
//! Rows are streamed: memory does not grow with the table.

mod definitions;
mod emit;
pub mod keys;
mod locks;
mod packed;
pub mod plan;
mod progress;
pub mod ranges;
mod row_batch;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use api::{History, Result, Text};

pub use definitions::captured;
pub use progress::Meter;
pub use row_batch::RowBatch;
pub use view::{View, open, view_position};

use self::emit::Emitter;
use self::keys::ChunkKey;
use self::plan::{Kind, Plan, PlannedTable, Progress};
use self::ranges::{Cut, TableReading};
use super::config::MySqlConfig;
use super::config::snapshot::{RowCountOrder, SnapshotSettings};
use super::envelope::{Envelopes, Flavour};
use super::filter::Filter;
use super::notification::Notifier;
use super::outbox::Outbox;
use super::server::{self, Session, cell};
use super::shape::{TableId, TableShape};
use super::text::TextRowDecoder;

/// What a snapshot needs beside its view.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The options.
    pub config: &'a MySqlConfig,
    /// The options of snapshots.
    pub settings: &'a SnapshotSettings,
    /// What is captured.
    pub filter: &'a Filter,
    /// How records are made.
    pub envelopes: &'a Envelopes,
    /// Which connector writes them.
    pub flavour: Flavour,
    /// Where progress is shown.
    pub gauges: &'a api::Gauges,
    /// Who is told of progress.
    pub notifier: &'a Notifier,
}

/// About how large a table is.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    rows: u64,
    row_bytes: u64,
}

async fn sizes(conn: &mut impl Session) -> Result<HashMap<TableId, Size>> {
    // MySQL remembers these figures for a day; MariaDB has no such variable.
    drop(server::execute(conn, "SET SESSION information_schema_stats_expiry = 0").await);
    let statement = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, AVG_ROW_LENGTH FROM information_schema.TABLES \
        WHERE TABLE_TYPE = 'BASE TABLE'";
    let rows = server::rows(conn, statement).await?;
    let size = |row: &mysql_async::Row| {
        let number = |index| cell(row, index).and_then(|text| text.parse().ok()).unwrap_or(0);
        let id = TableId::new(cell(row, 0)?, cell(row, 1)?);
        Some((id, Size { rows: number(2), row_bytes: number(3) }))
    };
    Ok(rows.iter().filter_map(size).collect())
}

/// What names a plan: never the same twice.
fn new_id() -> Text {
    Text::from(super::notification::random_uuid())
}

/// Makes the plan of an initial snapshot and stores it.
///
/// # Errors
/// `Retriable` when the history or the server cannot be reached.
pub async fn plan_initial(
    setting: Setting<'_>,
    view: &mut View,
    with_rows: bool,
    history: &dyn History,
) -> Result<Plan> {
    let wanted = |id: &TableId| with_rows && setting.settings.reads(id);
    let ids: Vec<_> = view.shapes.iter().map(|shape| shape.id.clone()).filter(wanted).collect();
    let tables = ids.into_iter().map(|id| (id, None)).collect();
    let conn = view.sessions.first_mut().ok_or_else(|| api::Error::fatal("a view has no session"))?;
    make_plan(setting, conn, Kind::Initial, tables, history).await
}

/// Makes a plan of some tables, each perhaps with a condition, and stores it.
///
/// # Errors
/// As [`plan_initial`].
pub async fn make_plan(
    setting: Setting<'_>,
    conn: &mut impl Session,
    kind: Kind,
    tables: Vec<(TableId, Option<String>)>,
    history: &dyn History,
) -> Result<Plan> {
    let sizes = if tables.is_empty() { HashMap::new() } else { sizes(conn).await? };
    let planned = |(id, condition): (TableId, Option<String>)| {
        let statement = setting.settings.override_of(&id).map(str::to_owned);
        let rows = sizes.get(&id).map_or(0, |size| size.rows);
        PlannedTable { id, statement, condition, rows }
    };
    let mut tables: Vec<_> = tables.into_iter().map(planned).collect();
    match setting.settings.config.order {
        RowCountOrder::Disabled => tables.sort_by(|one, other| one.id.cmp(&other.id)),
        RowCountOrder::Ascending => tables.sort_by_key(|table| table.rows),
        RowCountOrder::Descending => tables.sort_by_key(|table| std::cmp::Reverse(table.rows)),
    }
    let plan = Plan { id: new_id(), kind, tables };
    plan.store(history).await.map_err(|error| error.context("storing the snapshot's plan"))?;
    Ok(plan)
}

/// Reads what the plan still lacks out of a view, and sends it. `progress` says how far the outbox got, even when this fails; `others`
/// stand in every offset beside it.
///
/// # Errors
/// `Retriable` when a connection ends or a table was altered meanwhile, `Fatal` when a row cannot be read.
pub async fn read(
    setting: Setting<'_>,
    view: View,
    plan: &Plan,
    progress: &mut Progress,
    others: Vec<(Text, api::Value)>,
    outbox: &mut Outbox,
) -> Result<()> {
    let View { mut sessions, position, shapes, timestamp_s, lock, .. } = view;
    let sizes = match sessions.first_mut() {
        Some(conn) if sessions_matter(setting) => sizes(conn).await?,
        _ => HashMap::new(),
    };
    let total = plan.tables.iter().map(|table| table.rows).sum();
    let meter = Meter::new(setting.gauges.clone(), progress.rows, total, Instant::now());
    let readings = readings(setting, plan, progress, &shapes, &sizes);
    let threads = setting.settings.config.threads;
    let cut = Cut {
        batch_rows_max: setting.settings.config.fetch_rows.min(setting.config.batch_records_max.max(1)),
        ranges_min: threads.saturating_mul(setting.settings.config.threads_multiplier),
    };
    let (mut ranges, mut workers) = ranges::read(sessions, readings, cut);
    let mut emitter =
        Emitter::new(setting, plan, (&position, timestamp_s), (progress, others), outbox, meter);
    emitter.begin();
    while let Some(mut range) = ranges.recv().await {
        emitter.enter(&range);
        loop {
            let next = range.batches.recv().await;
            let next = next.unwrap_or_else(|| {
                Err(api::Error::retriable("a session of the snapshot ended unexpectedly"))
            });
            match next? {
                Some(batch) => emitter.take(&range.table, batch).await?,
                None => break,
            }
        }
        if range.is_last {
            emitter.leave(&range.table);
        }
    }
    emitter.finish().await?;
    while workers.join_next().await.is_some() {}
    if let Some(lock) = lock
        && let Err(error) = lock.disconnect().await
    {
        tracing::debug!(%error, "closing the session that held the lock");
    }
    Ok(())
}

/// One session reads tables whole, whatever their size.
const fn sessions_matter(setting: Setting<'_>) -> bool {
    setting.settings.config.threads > 1
}

/// How the tables that are left are to be read.
fn readings(
    setting: Setting<'_>,
    plan: &Plan,
    progress: &Progress,
    shapes: &[TableShape],
    sizes: &HashMap<TableId, Size>,
) -> VecDeque<Arc<TableReading>> {
    let shapes: HashMap<&TableId, &TableShape> = shapes.iter().map(|shape| (&shape.id, shape)).collect();
    let options = setting.config.type_options();
    let reading = |(number, planned): (usize, &PlannedTable)| {
        // A table that was dropped since has no rows any more; the binlog has told of it.
        let shape = (*shapes.get(&planned.id)?).clone();
        let key = if planned.statement.is_some() { None } else { ChunkKey::of_rows(&shape) };
        let stored = progress.key.as_deref().filter(|_| number == progress.table);
        let after = stored.and_then(|stored| key.as_ref()?.from_json(stored));
        if stored.is_some() && after.is_none() {
            tracing::warn!(table = %planned.id, "the table's key was altered since the snapshot broke off; it is read again");
        }
        let decoder = TextRowDecoder::prepare(&shape, &options)
            .with_schemas(|index| setting.envelopes.column_schema(&shape, index));
        let row_bytes = sizes.get(&planned.id).map_or(0, |size| size.row_bytes);
        Some(Arc::new(TableReading {
            number,
            planned: planned.clone(),
            shape,
            decoder,
            key,
            after,
            row_bytes,
        }))
    };
    plan.tables.iter().enumerate().skip(progress.table).filter_map(reading).collect()
}
