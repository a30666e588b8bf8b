//! One step of a member on its way to its target.
//!
//! Why no partition ever has two owners: a member gets a partition only when no other holds it, and it holds one until it has said that
//! it does not (by a heartbeat without it), has joined again with empty hands, or was removed. Until it has given back
//! what it has to, it stays in its epoch and gets nothing new.

use broker_protocol::Uuid;

use super::{
    member::{Assigned, ConsumerMember, MemberState, each, gather, has},
    state::ConsumerGroup,
};

impl ConsumerGroup {
    /// The member after its next step; `owned` is what it says it holds, if it says so.
    /// `subscribed` tells whether it still reads a topic.
    pub(super) fn reconcile(
        &self,
        member: &ConsumerMember,
        owned: Option<&Assigned>,
        subscribed: impl Fn(Uuid) -> bool,
    ) -> ConsumerMember {
        match member.state {
            MemberState::Stable if member.epoch == self.target_epoch => member.clone(),
            MemberState::Unrevoked if holds_any(owned, &member.revoking) => member.clone(),
            MemberState::Stable | MemberState::Unrevoked | MemberState::Unreleased => {
                self.advance(member, owned, subscribed)
            }
        }
    }

    fn advance(
        &self,
        member: &ConsumerMember,
        owned: Option<&Assigned>,
        subscribed: impl Fn(Uuid) -> bool,
    ) -> ConsumerMember {
        let target = self.target_of(&member.id);
        let target = gather(each(&target).filter(|(topic, _)| subscribed(*topic)));
        let (keeps, gives): (Vec<_>, Vec<_>) =
            each(&member.assigned).partition(|(topic, partition)| has(&target, *topic, *partition));
        let (assigned, revoking) = (gather(keeps), gather(gives));
        let mut next = member.clone();
        if !revoking.is_empty() && holds_any(owned, &revoking) {
            next.go_to(member.epoch);
            (next.state, next.assigned, next.revoking) = (MemberState::Unrevoked, assigned, revoking);
            return next;
        }
        let free = |(topic, partition): &(Uuid, i32)| {
            self.holders.get(&(*topic, *partition)).is_none_or(|holder| *holder == member.id)
        };
        let wanted = each(&target).filter(|(topic, partition)| !has(&assigned, *topic, *partition));
        let (gets, waits): (Vec<_>, Vec<_>) = wanted.partition(free);
        next.go_to(self.target_epoch);
        next.state = if waits.is_empty() { MemberState::Stable } else { MemberState::Unreleased };
        next.assigned = gather(each(&assigned).chain(gets));
        next.revoking = Assigned::new();
        next
    }
}

/// Whether the member holds any of these; if it does not say what it holds, it does.
fn holds_any(owned: Option<&Assigned>, partitions: &Assigned) -> bool {
    owned.is_none_or(|owned| each(partitions).any(|(topic, partition)| has(owned, topic, partition)))
}
