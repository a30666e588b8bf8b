//! One member of a group of the consumer protocol, as the coordinator sees it.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::Uuid;

use crate::group::member::Millis;

/// Partitions by topic; no topic without partitions.
pub(crate) type Assigned = BTreeMap<Uuid, BTreeSet<i32>>;

/// Where a member stands on its way to the target; the numbers are Kafka's in its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has what it may have in its epoch.
    Stable,
    /// It has to give partitions back first.
    Unrevoked,
    /// It waits for partitions that others still hold.
    Unreleased,
}

impl MemberState {
    pub(super) fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::Unrevoked => 1,
            Self::Unreleased => 2,
        }
    }

    pub(super) fn of_number(number: i8) -> Option<Self> {
        [Self::Stable, Self::Unrevoked, Self::Unreleased].into_iter().find(|state| state.number() == number)
    }
}

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerMember {
    pub(crate) id: String,
    /// `group.instance.id` of a static member.
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topics: BTreeSet<String>,
    /// Subscribes to the topics whose whole name it matches.
    pub(crate) regex: Option<String>,
    pub(crate) assignor: Option<String>,
    /// How long it may take to give partitions back.
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) epoch: i32,
    /// The answer with `epoch` may have been lost: then it still says this one.
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    /// What it may hold.
    pub(crate) assigned: Assigned,
    /// What it has to give back, and may still hold.
    pub(crate) revoking: Assigned,
    /// When it is taken for dead.
    pub(crate) expires_at: Millis,
    /// When it must have given back.
    pub(crate) revokes_until: Option<Millis>,
}

impl ConsumerMember {
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            topics: BTreeSet::new(),
            regex: None,
            assignor: None,
            rebalance_timeout_ms: 0,
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            assigned: Assigned::new(),
            revoking: Assigned::new(),
            expires_at: 0,
            revokes_until: None,
        }
    }

    /// Goes to another epoch, or stays in its own for another step.
    pub(super) fn go_to(&mut self, epoch: i32) {
        if epoch != self.epoch {
            self.previous_epoch = self.epoch;
            self.epoch = epoch;
        }
    }

    /// All that may be in its hands.
    pub(super) fn in_hands(&self) -> impl Iterator<Item = (Uuid, i32)> {
        each(&self.assigned).chain(each(&self.revoking))
    }
}

/// Every partition by itself.
pub(super) fn each(assigned: &Assigned) -> impl Iterator<Item = (Uuid, i32)> {
    assigned.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
}

/// Partitions by topic.
pub(super) fn gather(partitions: impl IntoIterator<Item = (Uuid, i32)>) -> Assigned {
    let mut assigned = Assigned::new();
    for (topic, partition) in partitions {
        assigned.entry(topic).or_default().insert(partition);
    }
    assigned
}

/// Whether a partition is among these.
pub(super) fn has(assigned: &Assigned, topic: Uuid, partition: i32) -> bool {
    assigned.get(&topic).is_some_and(|partitions| partitions.contains(&partition))
}
