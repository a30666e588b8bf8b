//! A heartbeat: a member joins, says what it wants and holds, and learns what it may hold.

use broker_protocol::ErrorCode;

use super::{
    answers::{Beat, BeatAnswer, JOIN_EPOCH, LEAVE_STATIC_EPOCH, Refused},
    leave::fenced,
    member::{Assigned, ConsumerMember, MemberState},
    state::{Change, ConsumerGroup, ConsumerLimits},
    subscription::compile,
    topics::TopicImage,
};
use crate::group::member::Millis;

/// Who a heartbeat comes from.
struct Sender {
    member: ConsumerMember,
    is_new: bool,
    /// The static member whose place it takes.
    replaces: Option<String>,
}

impl ConsumerGroup {
    /// Takes a heartbeat. Whatever is refused has changed nothing.
    pub(crate) fn heartbeat(
        &mut self,
        beat: &Beat,
        limits: &ConsumerLimits,
        image: &TopicImage,
        now: Millis,
    ) -> Result<BeatAnswer, Refused> {
        if beat.member_epoch < JOIN_EPOCH {
            return self.leave(beat);
        }
        let mut sender = self.identify(beat, limits)?;
        if let Some(regex) = beat.regex.as_deref().filter(|regex| !regex.is_empty()) {
            compile(regex)?;
        }
        let id = sender.member.id.clone();
        let had = sender.member.assigned.clone();
        let resubscribed = self.update(&mut sender, beat);
        sender.member.expires_at = now.saturating_add(limits.session_timeout_ms);
        self.settle(sender, resubscribed, image);
        if self.epoch > self.target_epoch {
            self.assign(limits, image);
        }
        let Some(member) = self.members.get(&id) else { return Err(unknown(&id)) };
        let (next, stepped) = self.next_step(member, beat.owned.as_ref(), image, now);
        if stepped {
            self.changes.insert(Change::Current(id.clone()));
        }
        let changed = beat.is_full() || next.assigned != had;
        let answer = BeatAnswer {
            member_id: id,
            member_epoch: next.epoch,
            heartbeat_interval_ms: limits.heartbeat_interval_ms,
            assignment: changed.then(|| next.assigned.clone()),
        };
        self.put(next);
        Ok(answer)
    }

    /// The member as it stands, or as it begins.
    fn identify(&self, beat: &Beat, limits: &ConsumerLimits) -> Result<Sender, Refused> {
        let joins = beat.member_epoch == JOIN_EPOCH;
        let instance = beat.instance_id.as_ref();
        let holder = instance.and_then(|instance| Some((instance, self.instances.get(instance)?)));
        if let Some((instance, holder)) = holder.filter(|(_, holder)| **holder != beat.member_id) {
            let former = self.members.get(holder).ok_or_else(|| unknown(holder))?;
            return if !joins {
                Err(fenced(&beat.member_id, instance, holder))
            } else if former.epoch != LEAVE_STATIC_EPOCH {
                Err(unreleased(&beat.member_id, instance, holder))
            } else {
                let member = ConsumerMember { id: beat.member_id.clone(), ..former.clone() };
                Ok(Sender { member, is_new: false, replaces: Some(holder.clone()) })
            };
        }
        match self.members.get(&beat.member_id) {
            Some(member) => {
                self.check_epoch(member, beat.member_epoch, beat.owned.as_ref())?;
                Ok(Sender { member: member.clone(), is_new: false, replaces: None })
            }
            None if !joins => Err(unknown(&beat.member_id)),
            None if self.members.len() >= limits.members_max => {
                let message = format!(
                    "The consumer group has reached its maximum capacity of {} members.",
                    limits.members_max
                );
                Err(Refused::new(ErrorCode::GROUP_MAX_SIZE_REACHED, message))
            }
            None => {
                let member = ConsumerMember::new(beat.member_id.clone());
                Ok(Sender { member, is_new: true, replaces: None })
            }
        }
    }

    /// Takes over what the member says of itself; whether it subscribes to something else now.
    fn update(&mut self, sender: &mut Sender, beat: &Beat) -> bool {
        let member = &mut sender.member;
        let mut changed = sender.is_new || sender.replaces.is_some();
        let mut resubscribed = sender.is_new;
        changed |= replace(&mut member.client_id, Some(beat.client_id.clone()));
        changed |= replace(&mut member.client_host, Some(beat.client_host.clone()));
        changed |= replace(&mut member.rebalance_timeout_ms, beat.rebalance_timeout_ms);
        changed |= replace(&mut member.rack_id, beat.rack_id.clone().map(Some));
        changed |= replace(&mut member.instance_id, beat.instance_id.clone().map(Some));
        changed |= replace(&mut member.assignor, beat.assignor.clone().map(Some));
        resubscribed |= replace(&mut member.topics, beat.topics.clone());
        let regex = beat.regex.clone().map(|regex| Some(regex).filter(|regex| !regex.is_empty()));
        resubscribed |= replace(&mut member.regex, regex);
        if changed || resubscribed {
            self.changes.insert(Change::Member(member.id.clone()));
        }
        resubscribed
    }

    /// Gives the member its place, and the group a new epoch if what it is about has changed.
    fn settle(&mut self, sender: Sender, resubscribed: bool, image: &TopicImage) {
        if let Some(former) = &sender.replaces {
            let target = self.target_of(former);
            self.take(former);
            let id = &sender.member.id;
            self.targets.insert(id.clone(), target);
            self.changes.extend([Change::TargetOf(id.clone()), Change::Current(id.clone())]);
        }
        if sender.is_new {
            self.changes.insert(Change::Current(sender.member.id.clone()));
        }
        self.put(sender.member);
        if !resubscribed && self.topics_version == image.version {
            return;
        }
        self.resolve_patterns(image);
        self.topics_version = image.version;
        let hash = self.hash_topics(image);
        if resubscribed || hash != self.topics_hash {
            self.topics_hash = hash;
            self.changes.insert(Change::Group);
            // An epoch that has no target yet serves for this change too.
            if self.epoch == self.target_epoch {
                self.bump();
            }
        }
    }

    /// The member after its next step towards the target, with its time to give back, and whether it took one.
    fn next_step(
        &self,
        member: &ConsumerMember,
        owned: Option<&Assigned>,
        image: &TopicImage,
        now: Millis,
    ) -> (ConsumerMember, bool) {
        let reads = self.shapes_of(member, image);
        let mut next = self.reconcile(member, owned, |topic| reads.contains_key(&topic));
        let place = |member: &ConsumerMember| {
            (member.state, member.epoch, member.assigned.clone(), member.revoking.clone())
        };
        let stepped = place(&next) != place(member);
        if stepped {
            let gives_back = next.state == MemberState::Unrevoked;
            next.revokes_until = gives_back.then(|| now.saturating_add(next.rebalance_timeout_ms));
        }
        (next, stepped)
    }
}

/// Whether there was something new.
fn replace<T: PartialEq>(field: &mut T, new: Option<T>) -> bool {
    match new {
        Some(new) if new != *field => {
            *field = new;
            true
        }
        _ => false,
    }
}

fn unknown(member_id: &str) -> Refused {
    let message = format!("Member {member_id} is not a member of the group.");
    Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, message)
}

fn unreleased(member_id: &str, instance: &str, holder: &str) -> Refused {
    let message = format!(
        "Static member {member_id} with instance id {instance} cannot join the group because the instance id is \
         owned by {holder} member."
    );
    Refused::new(ErrorCode::UNRELEASED_INSTANCE_ID, message)
}
