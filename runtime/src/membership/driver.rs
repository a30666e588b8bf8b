//! A worker's talk with its group: rounds are joined, led if it falls to this worker, and the herder is told.
//!
//! Between the broker's group coordinator and [`super::Group`]. What may be held is [`Place`]'s decision, who gets what is the assignor's.
//! Invariant: the herder is told `Revoked` before anyone else can have been given its work (see `GroupMembership`), and no round is
//! joined again before it has stopped everything.

use std::sync::Arc;
use std::time::Duration;

use broker_client::{
    Client, Error, ErrorCode, GroupMembership, GroupProtocol, JoinedGroup, MembershipConfig, Standing,
};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::group::{GroupSettings, Told};
use super::leading::{Leading, Led, listed};
use super::place::Place;
use super::protocol::{self, CONFIG_MISMATCH, Claim, Protocol, Share};
use super::{Assignment, Member, MembershipEvent, Owners, Work};
use crate::metrics::Metrics;
use crate::store::ConfigStore;

/// What Apache Kafka's brokers demand at least, unless told otherwise (`group.min.session.timeout.ms`).
const KAFKA_SESSION_MIN: Duration = Duration::from_secs(6);

/// The pause after an answer that will not change by itself: a setting or permission must.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

fn open(client: &Client, settings: &GroupSettings) -> GroupMembership {
    let config = MembershipConfig {
        group: settings.group.clone(),
        protocol_type: "connect",
        session_timeout: settings.options.session_timeout,
        heartbeat_interval: settings.options.heartbeat_interval,
        rebalance_timeout: settings.options.rebalance_timeout,
    };
    GroupMembership::new(client, config)
}

/// Why a round did not end in a place, or a place ended.
enum Setback {
    /// What was held may be another's.
    Out(Standing),
    /// The coordinator, or the way to it.
    Broker(Error),
    /// What was read or is to be written is not what workers say to each other.
    Malformed(protocol::Malformed),
    /// The leader of this URL could not read the config topic.
    Mismatch(String),
}

/// What ended a stay in a generation.
enum End {
    Round,
    Out(Standing),
    /// The configurations could not be read.
    Behind,
}

/// Where the herder and the group meet.
pub(super) struct Lines {
    /// What the herder is told.
    pub(super) told: watch::Sender<Option<Told>>,
    /// The number of what it was told last when nothing else ran any more.
    pub(super) stopped: watch::Receiver<u64>,
    /// It wants a round.
    pub(super) rejoin: Arc<Notify>,
}

/// See the module.
pub(super) struct Driver {
    membership: GroupMembership,
    client: Client,
    configs: Arc<ConfigStore>,
    metrics: Metrics,
    settings: GroupSettings,
    leading: Leading,
    place: Place,
    /// What the leader said last.
    last: Share,
    agreed: Option<Protocol>,
    lines: Lines,
}

impl Driver {
    pub(super) fn new(
        client: &Client,
        configs: &Arc<ConfigStore>,
        metrics: &Metrics,
        settings: GroupSettings,
        lines: Lines,
    ) -> Self {
        Self {
            membership: open(client, &settings),
            client: client.clone(),
            configs: Arc::clone(configs),
            metrics: metrics.clone(),
            leading: Leading::default(),
            place: Place::default(),
            last: Share::default(),
            agreed: None,
            settings,
            lines,
        }
    }

    /// Stays a member until it is to leave.
    pub(super) async fn run(mut self, leave: CancellationToken) {
        let left = leave.clone();
        tokio::select! {
            () = left.cancelled() => {}
            () = self.stay() => {}
        }
        let group = &self.settings.group;
        match self.membership.leave().await {
            Ok(()) => tracing::info!(group, "left the group"),
            Err(error) => {
                tracing::warn!(group, %error, "could not say goodbye; others wait for the session to end");
            }
        }
    }

    /// One round after the other, for ever.
    async fn stay(&mut self) {
        loop {
            if self.agreed == Some(Protocol::Default) {
                self.place.give_up_all();
                self.tell(MembershipEvent::Revoked);
                self.wait_stopped().await;
            }
            while !self.place.may_join() {
                self.wait_stopped().await;
            }
            let began = Instant::now();
            if let Err(setback) = self.round(began).await {
                self.set_back(setback).await;
                continue;
            }
            match self.stable().await {
                End::Round => {}
                End::Out(standing) => self.out(standing).await,
                End::Behind => self.stay_away().await,
            }
        }
    }

    async fn wait_stopped(&mut self) {
        if self.lines.stopped.changed().await.is_err() {
            return std::future::pending().await;
        }
        let number = *self.lines.stopped.borrow_and_update();
        self.place.stopped(number);
    }

    fn tell(&mut self, event: MembershipEvent) {
        self.lines.told.send_replace(Some(Told { number: self.place.told(), event }));
    }

    /// One round, from the claim to what the herder is told.
    async fn round(&mut self, began: Instant) -> Result<(), Setback> {
        let mut standing = self.membership.standing();
        let holds = self.place.claimed() != Assignment::default();
        let out = heard(&mut standing, |standing| holds && standing.is_out());
        let (joined, share, owners) = tokio::select! {
            round = self.talk() => round?,
            standing = out => return Err(Setback::Out(standing)),
        };
        let protocol = Protocol::of_name(&joined.protocol);
        self.agreed = protocol;
        if share.error == CONFIG_MISMATCH {
            return Err(Setback::Mismatch(share.leader_url));
        }
        match protocol {
            Some(Protocol::Default) => self.place.replace(&share.assigned),
            _ => self.place.take(&share.assigned, &share.revoked, &share.handed),
        }
        self.log(&joined, &share);
        self.last = share;
        self.metrics.group().rebalanced(joined.generation, joined.is_leader(), began.elapsed());
        self.tell(MembershipEvent::Assigned(Member {
            generation: joined.generation,
            is_leader: joined.is_leader(),
            leader_url: Some(self.last.leader_url.clone()),
            config_offset: self.last.config_offset,
            owners: Arc::new(owners),
            work: Work::Share(self.place.share().clone()),
        }));
        Ok(())
    }

    /// The talk of a round: claims, waits for everyone, shares out if it leads, and hears what it gets.
    async fn talk(&mut self) -> Result<(JoinedGroup, Share, Owners), Setback> {
        let current = Share { assigned: self.place.claimed(), ..self.last.clone() };
        let current =
            Share { revoked: Assignment::default(), handed: Assignment::default(), delay_ms: 0, ..current };
        let config_offset = self.configs.state().offset();
        let fences = self.settings.exactly_once.is_enabled();
        let claim = Claim { url: self.settings.url.clone(), config_offset, current, fences };
        let mut offers = Vec::new();
        for protocol in self.best_protocol().offers() {
            let metadata = protocol::encode_claim(protocol, &claim).map_err(Setback::Malformed)?;
            offers.push(GroupProtocol { name: protocol.name().into(), metadata });
        }
        let joined = self.membership.join(&offers).await.map_err(Setback::Broker)?;
        let mut led = Led::default();
        if joined.is_leader() {
            let options = &self.settings.options;
            let leading = self.leading.share_out(&joined, &self.configs, &self.settings.url, options).await;
            led = leading.map_err(Setback::Malformed)?;
        } else {
            self.leading = Leading::default();
        }
        let share = self.membership.sync(&joined, led.shares).await.map_err(Setback::Broker)?;
        let share = match share.is_empty() {
            // The leader left this worker out.
            true => Share { config_offset, ..Share::default() },
            false => protocol::decode_share(share).map_err(Setback::Malformed)?,
        };
        Ok((joined, share, led.owners))
    }

    fn best_protocol(&self) -> Protocol {
        match self.settings.options.connect_protocol.to_ascii_lowercase().as_str() {
            "eager" => Protocol::Default,
            "compatible" => Protocol::Compatible,
            _ => Protocol::Sessioned,
        }
    }

    /// Stays in a generation until there is to be another round.
    async fn stable(&mut self) -> End {
        let mut standing = self.membership.standing();
        let delay = u64::try_from(self.last.delay_ms).ok().filter(|delay_ms| *delay_ms > 0);
        let due = delay.map(|delay_ms| Instant::now() + Duration::from_millis(delay_ms));
        let (configs, offset) = (Arc::clone(&self.configs), self.last.config_offset);
        let reading = read_up_to(configs, offset, self.settings.options.worker_sync_timeout);
        tokio::pin!(reading);
        let mut is_behind = true;
        loop {
            tokio::select! {
                standing = heard(&mut standing, |standing| standing != Standing::Stable) => {
                    return if standing.is_out() { End::Out(standing) } else { End::Round };
                }
                () = self.lines.rejoin.notified() => return End::Round,
                changed = self.lines.stopped.changed() => {
                    if changed.is_err() {
                        // The herder is gone; so will this task be in a moment.
                        return End::Round;
                    }
                    let number = *self.lines.stopped.borrow_and_update();
                    if self.place.stopped(number) {
                        return End::Round;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return End::Round,
                is_there = &mut reading, if is_behind => {
                    if !is_there {
                        return End::Behind;
                    }
                    is_behind = false;
                }
            }
        }
    }

    /// The group may have gone on without this worker: everything stops, and it comes back with nothing.
    async fn out(&mut self, standing: Standing) {
        let group = &self.settings.group;
        match standing {
            Standing::Lost(code) => {
                tracing::warn!(group, %code, "the group went on without this worker; it stops its tasks and joins again");
                self.membership.forget(code).await;
            }
            _ => {
                tracing::warn!(
                    group,
                    "nothing was heard of the group's coordinator for most of session.timeout.ms: the work may be given to others soon; this worker stops its tasks and joins again"
                );
                self.membership.forget(ErrorCode::NONE).await;
            }
        }
        self.place.lose();
        self.metrics.group().out();
        self.tell(MembershipEvent::Revoked);
    }

    async fn set_back(&mut self, setback: Setback) {
        let group = &self.settings.group;
        let pause = self.client.config().retry_backoff;
        let error = match setback {
            Setback::Out(standing) => return self.out(standing).await,
            Setback::Malformed(error) => {
                tracing::error!(group, %error, "workers of the group do not understand each other; trying again");
                return sleep(REFUSED_PAUSE).await;
            }
            Setback::Mismatch(leader) => {
                tracing::warn!(
                    group,
                    "the leader {leader} could not read the config topic as far as others have; trying again"
                );
                return sleep(pause).await;
            }
            Setback::Broker(error) => error,
        };
        match error.code() {
            Some(code @ ErrorCode::UNKNOWN_MEMBER_ID) => {
                if self.place.claimed() != Assignment::default() {
                    return self.out(Standing::Lost(code)).await;
                }
                self.membership.forget(code).await;
            }
            Some(ErrorCode::INVALID_SESSION_TIMEOUT) => return self.other_session(&error).await,
            Some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) => {
                tracing::error!(
                    group,
                    %error,
                    "the group has members of another kind, or workers with another connect.protocol; another group.id helps"
                );
                return sleep(REFUSED_PAUSE).await;
            }
            Some(ErrorCode::ILLEGAL_GENERATION | ErrorCode::REBALANCE_IN_PROGRESS) => {}
            _ if error.is_retriable() => tracing::warn!(group, %error, "cannot join the group; trying again"),
            _ => {
                tracing::error!(group, %error, "the group does not take this worker; trying again");
                return sleep(REFUSED_PAUSE).await;
            }
        }
        sleep(pause).await;
    }

    /// The broker wants a longer session than the default: it gets one, if nobody has set another.
    async fn other_session(&mut self, error: &Error) {
        let options = &mut self.settings.options;
        if self.settings.session_is_said || options.session_timeout >= KAFKA_SESSION_MIN {
            tracing::error!(
                %error,
                "the broker does not allow session.timeout.ms={}; set it between group.min.session.timeout.ms and group.max.session.timeout.ms of the broker",
                options.session_timeout.as_millis()
            );
            return sleep(REFUSED_PAUSE).await;
        }
        tracing::warn!(
            "the broker does not allow sessions of {:?} (group.min.session.timeout.ms): a dead worker will be missed after {:?}",
            options.session_timeout,
            KAFKA_SESSION_MIN
        );
        options.session_timeout = KAFKA_SESSION_MIN;
        self.membership = open(&self.client, &self.settings);
    }

    /// The configurations could not be read in time: others get the work, and this worker stays away for a while.
    async fn stay_away(&mut self) {
        let (group, options) = (&self.settings.group, &self.settings.options);
        tracing::warn!(
            group,
            "the config topic could not be read within worker.sync.timeout.ms ({:?}); this worker leaves the group for worker.unsync.backoff.ms ({:?})",
            options.worker_sync_timeout,
            options.worker_unsync_backoff
        );
        let backoff = options.worker_unsync_backoff;
        self.place.lose();
        self.tell(MembershipEvent::Revoked);
        while !self.place.may_join() {
            self.wait_stopped().await;
        }
        if let Err(error) = self.membership.leave().await {
            tracing::warn!(%error, "could not say goodbye; others wait for the session to end");
        }
        sleep(backoff).await;
    }

    fn log(&self, joined: &JoinedGroup, share: &Share) {
        let held = self.place.share();
        let leader = if joined.is_leader() { "this worker" } else { &share.leader_url };
        tracing::info!(
            group = self.settings.group,
            generation = joined.generation,
            "led by {leader}, this worker runs {} connectors and {} tasks: new are {}; given up are {}",
            held.connectors.len(),
            held.tasks.len(),
            listed(&share.assigned),
            listed(&share.revoked),
        );
    }
}

/// Waits for a standing of some sort.
async fn heard(standing: &mut watch::Receiver<Standing>, is: impl Fn(Standing) -> bool) -> Standing {
    // The membership, which tells, outlives whoever listens.
    standing.wait_for(|standing| is(*standing)).await.map_or(Standing::Unproven, |standing| *standing)
}

/// Whether the config topic could be read up to an offset in time.
async fn read_up_to(configs: Arc<ConfigStore>, offset: i64, limit: Duration) -> bool {
    let mut state = configs.watch();
    let there = async {
        if state.borrow().offset() >= offset {
            return true;
        }
        if let Err(error) = configs.read_to_end().await {
            tracing::warn!(%error, "cannot read the config topic");
        }
        state.wait_for(|state| state.offset() >= offset).await.is_ok()
    };
    timeout(limit, there).await.unwrap_or(false)
}
