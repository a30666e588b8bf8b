//! The reader: the task behind `poll` that takes the snapshot and then follows the binlog, decoding ahead into the queue.
//!
//! It alone talks to the server. A lost connection is reported once and opened again, with growing pauses, from the
//! position that was reached in memory; nothing is read twice, and nothing that was handed out is lost. Invariant: what is
//! in the outbox is in the position, so that going on after an error neither repeats nor misses a row.

mod begin;
mod definitions;
mod follow;
mod former;
mod heartbeat;

use std::sync::Arc;
use std::time::Duration;

use api::{Error, FlatMap, Gauges, History, Result, SignalTopic, TopicReader};

use self::begin::{Begin, Found, decide};
use self::follow::{Ended, Follower};
use super::config::MySqlConfig;
use super::config::events::Events;
use super::config::history::FormerHistory;
use super::config::snapshot::{SnapshotMode, SnapshotSettings};
use super::envelope::{Envelopes, Flavour};
use super::filter::Filter;
use super::history::{Shapes, Since};
use super::incremental;
use super::notification::Notifier;
use super::outbox::Outbox;
use super::position::{Position, StoredOffset};
use super::resume::{self, Availability};
use super::server::{self, ServerInfo};
use super::shape::TableId;
use super::snapshot::plan::{Plan, Progress, offset_entries, progress_of};
use super::snapshot::{self, View};

/// What a reader is made of.
pub struct Reader {
    /// The options.
    pub config: MySqlConfig,
    /// The options of snapshots and signals.
    pub settings: Arc<SnapshotSettings>,
    /// Who is told of a snapshot's progress.
    pub notifier: Notifier,
    /// The options about events.
    pub events: Arc<Events>,
    /// What is captured.
    pub filter: Filter,
    /// Which connector this is.
    pub flavour: Flavour,
    /// The shapes' store.
    pub history: Arc<dyn History>,
    /// Where a Debezium that ran before kept its shapes.
    pub former: FormerHistory,
    /// The topic through which signals come, if they do.
    pub signal_topic: Option<SignalTopic>,
    /// Reads topics of others.
    pub topics: Arc<dyn TopicReader>,
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
    /// Take a snapshot from its start, of rows or of shapes only.
    Snapshot { with_rows: bool },
    /// Read what a snapshot lacks: from its view, or from a new one when that is gone.
    Rest(Box<Rest>, Option<Box<View>>),
    /// Follow the binlog.
    Follow(Box<Follower>),
    /// Nothing more: the binlog is not to be followed.
    Finished,
}

/// A snapshot that is not complete.
struct Rest {
    plan: Plan,
    progress: Progress,
    /// Where the binlog goes on, and with which shapes.
    follower: Box<Follower>,
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
            if matches!(stage, Stage::Finished) {
                // All is handed out; the queue's end tells the task.
                self.gauges.set("connected", 0);
                drop(self.outbox.flush().await);
                return;
            }
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
            Stage::Snapshot { with_rows } => {
                let (rest, view) = self.begin_snapshot(*with_rows).await?;
                *stage = Stage::Rest(Box::new(rest), Some(Box::new(view)));
            }
            Stage::Rest(rest, view) => {
                let view = match view.take() {
                    Some(view) => *view,
                    None => self.view_of_rest(rest).await?,
                };
                (*backoff, *reported) = (Backoff(Backoff::FIRST), false);
                self.gauges.set("connected", 1);
                self.read_rest(rest, view).await?;
                if let Stage::Rest(rest, _) = std::mem::replace(stage, Stage::Finished) {
                    *stage = self.after_snapshot(*rest).await;
                }
            }
            Stage::Follow(follower) => {
                let mut dump = follower.connect(self).await?;
                (*backoff, *reported) = (Backoff(Backoff::FIRST), false);
                self.gauges.set("connected", 1);
                let ended = follower.follow(self, &mut dump).await?;
                drop(dump);
                match ended {
                    Ended::Reached => {}
                    Ended::Moved(position) => self.move_to(follower, position).await?,
                    Ended::Blocking(tables) => {
                        let plan = self.plan_blocking(tables).await?;
                        if let Stage::Follow(follower) = std::mem::replace(stage, Stage::Finished) {
                            let rest = Rest { plan, progress: Progress::default(), follower };
                            *stage = Stage::Rest(Box::new(rest), None);
                        }
                    }
                }
            }
            Stage::Finished => {}
        }
        Ok(())
    }

    async fn begin(&mut self, committed: Option<&FlatMap>) -> Result<Stage> {
        let mut conn = server::connect(&self.config).await?;
        let server = server::info(&mut conn).await?;
        let stored = committed.map(|offset| StoredOffset::parse(offset, server.mariadb)).transpose()?;
        let found = match &stored {
            None => Found::Nothing,
            Some(stored) if stored.in_snapshot => Found::Unfinished,
            Some(_) => Found::Finished,
        };
        let plan = decide(&self.settings.config, found);
        tracing::debug!(?plan, ?found, "what to do at the start");
        let (Some(stored), Some(offset)) = (stored, committed) else {
            return Ok(self.start_snapshot(plan));
        };
        if let Begin::Snapshot { with_rows } = plan
            && (!with_rows || found == Found::Finished || self.settings.config.mode == SnapshotMode::Always)
        {
            return Ok(self.start_snapshot(plan));
        }
        if plan == Begin::Nothing {
            return Ok(Stage::Finished);
        }
        let unfinished = match found {
            Found::Unfinished => self.unfinished(offset).await?,
            Found::Nothing | Found::Finished => None,
        };
        if found == Found::Unfinished && unfinished.is_none() {
            return Ok(self.start_snapshot(plan));
        }
        let position = stored.position;
        if let Availability::Lost(reason) = resume::check(&mut conn, &server, &position).await? {
            // What was read so far of an unfinished snapshot cannot be brought up to date.
            if found != Found::Unfinished && !self.settings.config.retakes_lost() {
                return Err(Error::fatal(reason));
            }
            tracing::warn!(%reason, "taking a new snapshot");
            return Ok(Stage::Snapshot { with_rows: true });
        }
        match plan {
            Begin::Recover => Shapes::claim(&*self.history).await?,
            _ => self.take_over_history(&mut conn, &server, &position).await?,
        }
        let since = (plan != Begin::Recover).then_some(&position);
        let shapes = Shapes::load(Arc::clone(&self.history), &server, &mut conn, since).await?;
        let incremental = incremental::stored::parse(offset);
        let Some((plan, progress)) = unfinished else {
            return Ok(self.follow_from(server, shapes, position, (incremental, offset)));
        };
        tracing::info!(
            table = progress.table,
            of = plan.tables.len(),
            rows = progress.rows,
            "an unfinished snapshot goes on where it broke off"
        );
        let mut follower = Box::new(Follower::new(self, server, shapes, position).resuming(self, offset));
        follower.set_incremental(incremental);
        Ok(Stage::Rest(Box::new(Rest { plan, progress, follower }), None))
    }

    fn start_snapshot(&self, begin: Begin) -> Stage {
        match begin {
            Begin::Nothing => Stage::Finished,
            Begin::Snapshot { with_rows } => Stage::Snapshot { with_rows },
            // Without an offset there is nothing to go on from.
            Begin::GoOn | Begin::Recover => Stage::Snapshot { with_rows: false },
        }
    }

    /// What an offset of an unfinished snapshot names, if it is still known.
    async fn unfinished(&self, offset: &FlatMap) -> Result<Option<(Plan, Progress)>> {
        let Some((id, progress)) = progress_of(offset) else {
            tracing::info!("the unfinished snapshot of the offset is Debezium's; it is taken anew");
            return Ok(None);
        };
        let plan = Plan::load(&*self.history, &id).await?;
        if plan.is_none() {
            tracing::warn!(plan = %id, "the plan of the unfinished snapshot is not remembered; it is taken anew");
        }
        Ok(plan.map(|plan| (plan, progress)))
    }

    /// Plans a snapshot that a signal asked for.
    async fn plan_blocking(&self, tables: Vec<(TableId, Option<String>)>) -> Result<Plan> {
        let mut conn = server::connect(&self.config).await?;
        let kind = snapshot::plan::Kind::Blocking;
        snapshot::make_plan(self.setting(), &mut conn, kind, tables, &*self.history).await
    }

    /// Goes on from a place that a signal named, if the server has it.
    async fn move_to(&mut self, follower: &mut Follower, position: Position) -> Result<()> {
        let mut conn = server::connect(&self.config).await?;
        let server = server::info(&mut conn).await?;
        if let Availability::Lost(reason) = resume::check(&mut conn, &server, &position).await? {
            tracing::error!(%reason, "the place that the signal names cannot be gone on from; it is passed over");
            return Ok(());
        }
        tracing::warn!(file = %position.file, pos = position.pos, gtids = ?position.gtids, "a signal moves the position");
        let shapes = Shapes::load(Arc::clone(&self.history), &server, &mut conn, Some(&position)).await?;
        follower.move_to(shapes, position);
        Ok(())
    }

    fn setting(&self) -> snapshot::Setting<'_> {
        snapshot::Setting {
            config: &self.config,
            settings: &self.settings,
            filter: &self.filter,
            envelopes: &self.envelopes,
            flavour: self.flavour,
            gauges: &self.gauges,
            notifier: &self.notifier,
        }
    }

    /// Opens the view of a new snapshot, and plans it.
    async fn begin_snapshot(&mut self, with_rows: bool) -> Result<(Rest, View)> {
        if with_rows {
            tokio::time::sleep(self.settings.config.delay).await;
        }
        let mut conn = server::connect(&self.config).await?;
        let server = server::info(&mut conn).await?;
        let mut shapes = Shapes::load(Arc::clone(&self.history), &server, &mut conn, None).await?;
        let sessions = if with_rows { self.settings.config.threads } else { 1 };
        let mut view = snapshot::open(self.setting(), &server, &shapes, sessions).await?;
        shapes.begin(view.shapes.clone(), &Since::position(&view.position)).await?;
        self.check_table_count(view.shapes.len())?;
        self.say_definitions(&view, with_rows).await?;
        view.definitions.clear();
        let plan = snapshot::plan_initial(self.setting(), &mut view, with_rows, &*self.history).await?;
        let follower = Box::new(Follower::new(self, server, shapes, view.position.clone()));
        Ok((Rest { plan, progress: Progress::default(), follower }, view))
    }

    /// Opens a new view for the rest of a snapshot, and brings everything up to its position.
    async fn view_of_rest(&mut self, rest: &mut Rest) -> Result<View> {
        let mut dump = rest.follower.connect(self).await?;
        let threads = self.settings.config.threads;
        let view =
            snapshot::open(self.setting(), rest.follower.server(), rest.follower.shapes(), threads).await?;
        rest.follower.set_snapshot(offset_entries(&rest.plan, &rest.progress));
        rest.follower.stop_at(Some(view.position.clone()));
        let followed = rest.follower.follow(self, &mut dump).await;
        rest.follower.stop_at(None);
        followed?;
        Ok(view)
    }

    async fn read_rest(&mut self, rest: &mut Rest, view: View) -> Result<()> {
        let setting = snapshot::Setting {
            config: &self.config,
            settings: &self.settings,
            filter: &self.filter,
            envelopes: &self.envelopes,
            flavour: self.flavour,
            gauges: &self.gauges,
            notifier: &self.notifier,
        };
        let others = rest.follower.incremental_entries();
        snapshot::read(setting, view, &rest.plan, &mut rest.progress, others, &mut self.outbox).await
    }

    async fn after_snapshot(&self, rest: Rest) -> Stage {
        let mut follower = rest.follower;
        follower.set_snapshot(Vec::new());
        if !self.settings.config.follows() {
            tracing::info!(
                "the snapshot was all that was asked for (snapshot.mode); the binlog is not followed"
            );
            return Stage::Finished;
        }
        tokio::time::sleep(self.settings.config.streaming_delay).await;
        tracing::info!("following the binlog");
        Stage::Follow(follower)
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
        (incremental, committed): (incremental::Stored, &FlatMap),
    ) -> Stage {
        tracing::info!(file = %position.file, pos = position.pos, "following the binlog");
        let mut follower = Box::new(Follower::new(self, server, shapes, position).resuming(self, committed));
        follower.set_incremental(incremental);
        Stage::Follow(follower)
    }
}
