//! The sender task: takes due batches, seals them, and keeps up to five requests per broker under way.
//!
//! The loop alone owns lanes and links; whatever waits (connecting, answers, metadata, producer ids) is a task that comes back as
//! an [`Event`]. So nothing here waits but `select!`, and one slow broker does not hold up the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::messages::produce::ProduceResponse;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::accumulator::Place;
use super::lane::{Identity, Lane, SealedBatch, Verdict};
use super::produce::{self, Outcomes, Sending};
use super::transactional::CONCURRENT_PAUSE;
use crate::client::Client;
use crate::config::{Acks, ProducerConfig};
use crate::error::{Error, Result};
use crate::net::connection::Connection;
use crate::net::pool::Pool;

mod identity;
mod seal;
mod transactions;

/// While anything is under way the sender looks at least this often for what has run out of time.
const TICK: Duration = Duration::from_millis(500);

/// One broker, as the sender sees it.
#[derive(Debug, Default)]
struct Link {
    connection: Option<Arc<Connection>>,
    connecting: bool,
    in_flight: usize,
}

/// What comes back from a task.
#[derive(Debug)]
enum Event {
    Connected {
        broker: i32,
        result: Result<Arc<Connection>>,
    },
    Produced {
        broker: i32,
        connection: Arc<Connection>,
        sent: Vec<Sending>,
        result: Result<Option<ProduceResponse>>,
    },
    Identified {
        place: Option<Place>,
        result: Result<(i64, i16)>,
    },
    /// Partitions are in the transaction, or are not yet; an error is retriable.
    Added(std::result::Result<(), Duration>),
    Refreshed(Result<()>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sender {
    client: Client,
    pool: Arc<Pool>,
    config: Arc<ProducerConfig>,
    shared: Arc<Shared>,
    lanes: HashMap<Place, Lane>,
    links: HashMap<i32, Link>,
    /// The producer id that partitions start with.
    identity: Identity,
    /// Partitions whose own new producer id is asked for; `None` stands for the common one.
    identifying: Vec<Option<Place>>,
    identify_after: Option<Instant>,
    refreshing: bool,
    refresh_after: Option<Instant>,
    /// Partitions with due batches that are not in the transaction yet.
    unadded: Vec<Place>,
    adding: bool,
    add_after: Option<Instant>,
    tasks: JoinSet<Event>,
    last_error: Option<Error>,
    turn: usize,
}

impl Sender {
    pub(crate) fn new(client: Client, config: Arc<ProducerConfig>, shared: Arc<Shared>) -> Self {
        let identity = if config.is_idempotent() { Identity::Wanted } else { Identity::Anonymous };
        Self {
            pool: Arc::new(client.new_pool()),
            client,
            config,
            shared,
            lanes: HashMap::new(),
            links: HashMap::new(),
            identity,
            identifying: Vec::new(),
            identify_after: None,
            refreshing: false,
            refresh_after: None,
            unadded: Vec::new(),
            adding: false,
            add_after: None,
            tasks: JoinSet::new(),
            last_error: None,
            turn: 0,
        }
    }

    /// Runs until told to stop; then everything that is not settled fails.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let wake_at = self.send_due().await;
            tokio::select! {
                () = self.shared.wake.notified() => {}
                Some(event) = self.tasks.join_next() => match event {
                    Ok(event) => self.handle(event),
                    Err(panic) => tracing::error!(%panic, "a task of the producer failed"),
                },
                // One that has nothing to send sleeps until it has: a thousand of them cost no processor.
                () = tokio::time::sleep_until(wake_at), if self.has_work() => {}
                () = stop.cancelled() => break,
            }
            while let Some(Ok(event)) = self.tasks.try_join_next() {
                self.handle(event);
            }
            self.expire();
        }
        self.fail_all(&Error::Closed { what: "producer" });
    }

    /// Whether anything is not settled, or waited for.
    fn has_work(&self) -> bool {
        !self.tasks.is_empty() || !self.shared.accumulator.lock().is_settled_before(u64::MAX)
    }

    /// Sends what is due; the answer is when to look again.
    async fn send_due(&mut self) -> Instant {
        let now = Instant::now();
        self.follow_transaction();
        let (mut due, next) = self.shared.accumulator.lock().due(now, self.config.linger);
        due.extend(self.lanes.iter().filter(|(_place, lane)| lane.has_queued()).map(|(place, _lane)| *place));
        due.sort_unstable();
        due.dedup();
        if !due.is_empty() {
            // Who comes first in a full request takes turns.
            self.turn = (self.turn + 1) % due.len();
            due.rotate_left(self.turn);
        }
        let mut wake_at = next.unwrap_or(now + TICK).min(now + TICK);
        let mut drafts: HashMap<i32, (usize, Vec<Sending>)> = HashMap::new();
        for place in due {
            let Some(broker) = self.open_broker(place, now) else {
                wake_at = wake_at.min(now + self.client.config().retry_backoff);
                continue;
            };
            let (bytes, draft) = drafts.entry(broker).or_default();
            if *bytes >= self.config.request_bytes_max {
                // The answer to the request that is full wakes the sender for the rest, and so does the tick.
                self.shared.wake.notify_one();
                continue;
            }
            if let Some(sending) = self.next_batch(place) {
                *bytes += sending.batch.bytes.len();
                draft.push(sending);
            }
            // Sealing is work for the processor; others of this thread get their turn in between.
            tokio::task::yield_now().await;
        }
        for (broker, (_bytes, draft)) in drafts {
            self.start_request(broker, draft);
        }
        self.add_partitions(now);
        self.add_after.map_or(wake_at, |after| wake_at.min(after.max(now)))
    }

    /// The leader of a partition, if a batch may be sent there right now; else sees to it that it may be later.
    fn open_broker(&mut self, place: Place, now: Instant) -> Option<i32> {
        if !self.is_admitted(place) {
            return None;
        }
        let (identity, transactional) = (self.identity, self.shared.transactional.is_some());
        let lane = self.lanes.entry(place).or_insert_with(|| Lane::new(identity, transactional));
        if lane.wants_identity() && transactional {
            return None;
        }
        if lane.wants_identity() {
            let shared = matches!(identity, Identity::Wanted);
            self.identify(if shared { None } else { Some(place) }, now);
            return None;
        }
        if !lane.is_open(now) {
            return None;
        }
        let topic = self.shared.accumulator.lock().topic_name(place.0);
        let partition = i32::try_from(place.1).unwrap_or(i32::MAX);
        let (broker, address) = match self.client.metadata().leader(&topic, partition) {
            Ok(leader) => leader,
            Err(error) => {
                self.last_error = Some(error);
                self.refresh(now);
                return None;
            }
        };
        if !self.lanes.get(&place).is_some_and(|lane| lane.may_go_to(broker)) {
            return None;
        }
        let limit = self.config.in_flight_max();
        let link = self.links.entry(broker).or_default();
        let open = link.connection.as_ref().is_some_and(|it| it.is_open() && **it.broker() == *address);
        if open {
            return (link.in_flight < limit).then_some(broker);
        }
        // Requests of a broken connection come back first: only then order is known.
        if !link.connecting && link.in_flight == 0 {
            link.connecting = true;
            let pool = Arc::clone(&self.pool);
            self.tasks
                .spawn(async move { Event::Connected { broker, result: pool.connection(&address).await } });
        }
        None
    }

    fn start_request(&mut self, broker: i32, sent: Vec<Sending>) {
        let Some(link) = self.links.get_mut(&broker) else { return };
        let Some(connection) = link.connection.clone().filter(|_| !sent.is_empty()) else { return };
        for sending in &sent {
            if let Some(lane) = self.lanes.get_mut(&sending.batch.place) {
                lane.sent(broker);
            }
        }
        link.in_flight += 1;
        let (acks, timeout) = (self.config.acks, self.client.config().request_timeout);
        let started = produce::start(&connection, &sent, &self.terms());
        self.tasks.spawn(async move {
            let result = match started {
                Err(error) => Err(error),
                Ok(pending) if acks == Acks::None => pending.wait_written(timeout).await.map(|_empty| None),
                Ok(pending) => pending.wait(timeout).await.map(Some),
            };
            Event::Produced { broker, connection, sent, result }
        });
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Connected { broker, result } => self.connected(broker, result, now),
            Event::Produced { broker, connection, sent, result } => {
                if let Some(link) = self.links.get_mut(&broker) {
                    link.in_flight = link.in_flight.saturating_sub(1);
                }
                self.produced(&connection, sent, result, now);
            }
            Event::Identified { place, result } => self.identified(place, result, now),
            Event::Added(result) => {
                self.adding = false;
                self.add_after = result.err().map(|pause| now + pause);
            }
            Event::Refreshed(result) => {
                self.refreshing = false;
                self.refresh_after = Some(now + self.client.config().retry_backoff);
                match result {
                    Ok(()) => self.learn_partitions(),
                    Err(error) => self.last_error = Some(error),
                }
            }
        }
    }

    fn connected(&mut self, broker: i32, result: Result<Arc<Connection>>, now: Instant) {
        let link = self.links.entry(broker).or_default();
        link.connecting = false;
        match result {
            Ok(connection) => link.connection = Some(connection),
            Err(error) => {
                tracing::debug!(%error, "the producer cannot connect");
                self.last_error = Some(error);
                // Perhaps the partitions have a new leader by now.
                self.refresh(now);
            }
        }
    }

    fn produced(
        &mut self,
        connection: &Connection,
        sent: Vec<Sending>,
        result: Result<Option<ProduceResponse>>,
        now: Instant,
    ) {
        let outcomes = result.map(|response| response.map(Outcomes::new));
        for sending in sent {
            let outcome = match &outcomes {
                Err(error) => Err(error.clone()),
                Ok(None) => Ok(()),
                Ok(Some(outcomes)) => outcomes.of(connection, &sending),
            };
            if let Err(error) = &outcome {
                self.note_failure(error, now);
            }
            let outcome_code = outcome.as_ref().err().and_then(Error::code);
            let Some(lane) = self.lanes.get_mut(&sending.batch.place) else { continue };
            match lane.returned(sending.batch, outcome) {
                Verdict::Delivered(batch) => self.settle(batch, None),
                Verdict::Failed(batch, error) => self.settle(batch, Some(&error)),
                Verdict::Retried => {
                    let pause = self.client.config().retry_backoff;
                    let concurrent = outcome_code == Some(ErrorCode::CONCURRENT_TRANSACTIONS);
                    let pause = if concurrent { pause.min(CONCURRENT_PAUSE) } else { pause };
                    lane.muted_until = Some(now + pause);
                }
            }
        }
        self.shared.progress.notify_waiters();
    }

    fn note_failure(&mut self, error: &Error, now: Instant) {
        tracing::debug!(%error, "a batch came back");
        let leader_moved = !matches!(
            error.code(),
            Some(
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                    | ErrorCode::NOT_ENOUGH_REPLICAS
                    | ErrorCode::MESSAGE_TOO_LARGE
                    | ErrorCode::CONCURRENT_TRANSACTIONS
            )
        );
        if leader_moved && error.is_retriable() {
            self.refresh(now);
        }
        self.last_error = Some(error.clone());
    }

    fn settle(&self, batch: SealedBatch, error: Option<&Error>) {
        if let Some(error) = error {
            self.note_lost(error);
        }
        self.shared.accumulator.lock().settle(batch.ordinal, batch.bytes.len(), error);
        batch.deliveries.settle(error);
    }

    /// Asks for the topics' leaders, unless that was just done.
    fn refresh(&mut self, now: Instant) {
        if self.refreshing || self.refresh_after.is_some_and(|after| after > now) {
            return;
        }
        self.refreshing = true;
        let client = self.client.clone();
        let topics = self.shared.accumulator.lock().topic_names();
        self.tasks.spawn(async move {
            let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
            Event::Refreshed(client.refresh(Some(&names), false).await.map(|_response| ()))
        });
    }

    /// Topics may have got more partitions.
    fn learn_partitions(&self) {
        let metadata = self.client.metadata();
        let mut accumulator = self.shared.accumulator.lock();
        for name in accumulator.topic_names() {
            let count = metadata.partition_count(&name).and_then(|count| usize::try_from(count).ok());
            accumulator.prepare(&name, count.unwrap_or_default());
        }
    }
}
