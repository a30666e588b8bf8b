//! The reader: the task behind `poll` that takes the snapshot and then follows the binlog, decoding ahead into the queue.
//!
//! It alone talks to the server. A lost connection is reported once and opened again, with growing pauses, from the
//! position that was reached in memory; nothing is read twice, and nothing that was handed out is lost. Invariant: what is
//! in the outbox is in the position, so that going on after an error neither repeats nor misses a row.

mod definitions;
mod follow;
mod heartbeat;

use std::sync::Arc;
use std::time::Duration;

use api::{Error, FlatMap, Gauges, History, Result};

use super::config::events::Events;
use super::config::{MySqlConfig, SnapshotMode};
use super::envelope::{Envelopes, Flavour};
use super::filter::Filter;
use super::history::{Shapes, Since};
use super::outbox::Outbox;
use super::position::{Position, StoredOffset};
use super::resume::{self, Availability};
use super::server::{self, ServerInfo};
use super::snapshot;

/// What a reader is made of.
pub struct Reader {
    /// The options.
    pub config: MySqlConfig,
    /// The options about events.
    pub events: Arc<Events>,
    /// What is captured.
    pub filter: Filter,
    /// Which connector this is.
    pub flavour: Flavour,
    /// The shapes' store.
    pub history: Arc<dyn History>,
    /// Where numbers are shown.
    pub gauges: Gauges,
    /// Where records go.
    pub outbox: Outbox,
    /// How records are made.
    pub envelopes: Envelopes,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Reader({})", self.config.address())
    }
}

/// What to do next.
enum Stage {
    /// Find out from the committed offset.
    Begin(Option<FlatMap>),
    /// Take a snapshot, whatever was before.
    Snapshot,
    /// Follow the binlog.
    Follow(Box<follow::Follower>),
    /// Nothing more (`initial_only`).
    Idle,
}

/// How long to wait before the next try.
struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);

    async fn wait(&mut self) {
        // Half of it is random, so that many connectors do not come back at once.
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .subsec_nanos();
        let half = self.0 / 2;
        tokio::time::sleep(half + half.mul_f64(f64::from(nanos % 1000) / 1000.0)).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}

impl Reader {
    /// Reads until an error that no further try mends; sends it then. Returns when nobody listens any more, too.
    pub async fn run(mut self, committed: Option<FlatMap>) {
        let mut stage = Stage::Begin(committed);
        let mut backoff = Backoff(Backoff::FIRST);
        let mut reported = false;
        loop {
            let failed = match self.advance(&mut stage, &mut backoff, &mut reported).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            self.gauges.set("connected", 0);
            if self.outbox.flush().await.is_err() {
                return;
            }
            let retriable = failed.is_retriable();
            if retriable {
                tracing::warn!(error = %failed.report(), "reading MySQL was interrupted; trying again");
            }
            if (!reported || !retriable) && self.outbox.send_error(failed).await.is_err() {
                return;
            }
            reported = true;
            if !retriable {
                return;
            }
            backoff.wait().await;
        }
    }

    /// Carries the stage on to the next one, or on until an error.
    async fn advance(&mut self, stage: &mut Stage, backoff: &mut Backoff, reported: &mut bool) -> Result<()> {
        match stage {
            Stage::Begin(committed) => *stage = self.begin(committed.as_ref()).await?,
            Stage::Snapshot => *stage = self.snapshot().await?,
            Stage::Follow(follower) => {
                let mut dump = follower.connect(self).await?;
                (*backoff, *reported) = (Backoff(Backoff::FIRST), false);
                self.gauges.set("connected", 1);
                follower.follow(self, &mut dump).await?;
            }
            Stage::Idle => std::future::pending::<()>().await,
        }
        Ok(())
    }

    async fn begin(&mut self, committed: Option<&FlatMap>) -> Result<Stage> {
        let mut conn = server::connect(&self.config).await?;
        let server = server::info(&mut conn).await?;
        let stored = committed.map(|offset| StoredOffset::parse(offset, server.mariadb)).transpose()?;
        let mode = self.config.snapshot_mode;
        let finished = stored.filter(|stored| !stored.in_snapshot).map(|stored| stored.position);
        let Some(position) = finished.filter(|_| mode != SnapshotMode::Always) else {
            return Ok(Stage::Snapshot);
        };
        if mode == SnapshotMode::InitialOnly {
            return Ok(Stage::Idle);
        }
        if let Availability::Lost(reason) = resume::check(&mut conn, &server, &position).await? {
            if mode != SnapshotMode::WhenNeeded {
                return Err(Error::fatal(reason));
            }
            tracing::warn!(%reason, "taking a new snapshot");
            return Ok(Stage::Snapshot);
        }
        let shapes = match mode {
            SnapshotMode::Recovery | SnapshotMode::SchemaOnlyRecovery => {
                Shapes::load(Arc::clone(&self.history), &server, &mut conn, None).await?
            }
            _ => Shapes::load(Arc::clone(&self.history), &server, &mut conn, Some(&position)).await?,
        };
        Ok(self.follow_from(server, shapes, position, committed))
    }

    /// A snapshot of rows, or of shapes only.
    async fn snapshot(&mut self) -> Result<Stage> {
        let mut conn = server::connect(&self.config).await?;
        let server = server::info(&mut conn).await?;
        let mut shapes = Shapes::load(Arc::clone(&self.history), &server, &mut conn, None).await?;
        let mut view = snapshot::open(&self.config, &self.filter, &server, &shapes).await?;
        self.gauges.set("connected", 1);
        shapes.begin(view.shapes.clone(), &Since::position(&view.position)).await?;
        let with_rows = !matches!(
            self.config.snapshot_mode,
            SnapshotMode::NoData
                | SnapshotMode::SchemaOnly
                | SnapshotMode::Recovery
                | SnapshotMode::SchemaOnlyRecovery
        );
        self.check_table_count(view.shapes.len())?;
        self.say_definitions(&view.shapes, &view.position, with_rows).await?;
        if with_rows {
            let setting = snapshot::Setting {
                config: &self.config,
                filter: &self.filter,
                envelopes: &self.envelopes,
                flavour: self.flavour,
                gauges: &self.gauges,
            };
            snapshot::read(setting, &mut view, &mut self.outbox).await?;
        }
        let position = view.position.clone();
        if let Err(error) = view.conn.disconnect().await {
            tracing::debug!(%error, "closing the snapshot's session");
        }
        if self.config.snapshot_mode == SnapshotMode::InitialOnly {
            return Ok(Stage::Idle);
        }
        Ok(self.follow_from(server, shapes, position, None))
    }

    /// More tables than `guardrail.collections.max` are said, or refused.
    fn check_table_count(&self, count: usize) -> Result<()> {
        let limit = self.events.config.tables_max;
        if limit == 0 || count <= limit {
            return Ok(());
        }
        let message = format!(
            "{count} tables are captured, but guardrail.collections.max={limit}: capture fewer with table.include.list"
        );
        self.events.config.tables_max_action.decide(Error::bad_config(message))
    }

    fn follow_from(
        &self,
        server: ServerInfo,
        shapes: Shapes,
        position: Position,
        committed: Option<&FlatMap>,
    ) -> Stage {
        tracing::info!(file = %position.file, pos = position.pos, "following the binlog");
        let follower = follow::Follower::new(self, server, shapes, position);
        Stage::Follow(Box::new(match committed {
            Some(committed) => follower.resuming(self, committed),
            None => follower,
        }))
    }
}
