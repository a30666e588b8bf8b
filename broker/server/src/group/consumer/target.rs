//! Who is to have what: the target assignment of a group, made by one of the broker's assignors.

use std::collections::BTreeMap;

use broker_protocol::Uuid;

use super::{
    member::Assigned,
    range,
    state::{Change, ConsumerGroup, ConsumerLimits},
    topics::TopicImage,
    uniform,
};

/// How partitions are dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assignor {
    /// As evenly as can be, and as before where that is as even.
    Uniform,
    /// Neighbouring partitions of each topic, so that equal numbers of different topics meet.
    Range,
}

impl Assignor {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Uniform, Self::Range].into_iter().find(|assignor| assignor.name() == name)
    }
}

/// A member, as assignors see it.
#[derive(Clone, Debug)]
pub(super) struct Seat<'a> {
    pub(super) member_id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    /// The topics it reads, with their partition counts.
    pub(super) reads: BTreeMap<Uuid, i32>,
    /// What it was to have until now.
    pub(super) had: Assigned,
}

impl ConsumerGroup {
    /// The assignor that most members ask for, of those that the broker has; the first if nobody does.
    pub(crate) fn assignor(&self, limits: &ConsumerLimits) -> Option<Assignor> {
        let votes = |assignor: &Assignor| {
            let asks = |name: &String| name == assignor.name();
            self.members.values().filter(|member| member.assignor.as_ref().is_some_and(asks)).count()
        };
        // Of several with as many votes, the last one that is looked at wins.
        limits.assignors.iter().rev().copied().max_by_key(votes)
    }

    /// Makes the target for the group's epoch.
    pub(super) fn assign(&mut self, limits: &ConsumerLimits, image: &TopicImage) {
        self.resolve_patterns(image);
        let seat =
            |member: &super::member::ConsumerMember| (member.id.clone(), self.shapes_of(member, image));
        let reads: BTreeMap<String, BTreeMap<Uuid, i32>> = self.members.values().map(seat).collect();
        let seats: Vec<Seat<'_>> = self
            .members
            .values()
            .map(|member| Seat {
                member_id: &member.id,
                instance_id: member.instance_id.as_deref(),
                reads: reads.get(&member.id).cloned().unwrap_or_default(),
                had: self.target_of(&member.id),
            })
            .collect();
        let dealt = match self.assignor(limits).unwrap_or(Assignor::Uniform) {
            Assignor::Uniform => uniform::deal(&seats),
            Assignor::Range => range::deal(&seats),
        };
        let targets: Vec<(String, Assigned)> =
            seats.iter().map(|seat| seat.member_id.to_owned()).zip(dealt).collect();
        for (id, target) in targets {
            if self.targets.get(&id) != Some(&target) {
                self.changes.insert(Change::TargetOf(id.clone()));
                self.targets.insert(id, target);
            }
        }
        self.target_epoch = self.epoch;
        self.changes.insert(Change::Target);
    }
}
