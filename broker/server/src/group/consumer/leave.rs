//! Leaving: for good, or for as long as a restart takes.

use broker_protocol::ErrorCode;

use super::{
    answers::{Beat, BeatAnswer, LEAVE_STATIC_EPOCH, Refused},
    member::{Assigned, MemberState},
    state::{Change, ConsumerGroup},
};

impl ConsumerGroup {
    /// A member leaves. A static one that means to come back keeps its partitions until its session ends.
    pub(super) fn leave(&mut self, beat: &Beat) -> Result<BeatAnswer, Refused> {
        let id = self.who_leaves(beat)?;
        if beat.member_epoch == LEAVE_STATIC_EPOCH {
            if let Some(mut member) = self.members.get(&id).cloned() {
                member.go_to(LEAVE_STATIC_EPOCH);
                (member.state, member.revoking, member.revokes_until) =
                    (MemberState::Stable, Assigned::new(), None);
                self.changes.insert(Change::Current(id.clone()));
                self.put(member);
            }
        } else {
            self.take(&id);
            self.bump();
        }
        Ok(BeatAnswer { member_id: id, member_epoch: beat.member_epoch, ..BeatAnswer::default() })
    }

    fn who_leaves(&self, beat: &Beat) -> Result<String, Refused> {
        let Some(instance) = &beat.instance_id else {
            let unknown = || {
                let message = format!("Member {} is not a member of the group.", beat.member_id);
                Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, message)
            };
            return self.members.get(&beat.member_id).map(|member| member.id.clone()).ok_or_else(unknown);
        };
        match self.instances.get(instance) {
            None => {
                let message = format!("Instance id {instance} is unknown.");
                Err(Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, message))
            }
            Some(id) if *id != beat.member_id => Err(fenced(&beat.member_id, instance, id)),
            Some(id) => Ok(id.clone()),
        }
    }
}

/// Another member has the instance id now.
pub(super) fn fenced(member_id: &str, instance: &str, holder: &str) -> Refused {
    let message =
        format!("Static member {member_id} with instance id {instance} was fenced by member {holder}.");
    Refused::new(ErrorCode::FENCED_INSTANCE_ID, message)
}
