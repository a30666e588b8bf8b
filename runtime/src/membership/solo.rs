//! A group of one: it leads, owns everything, and nothing ever changes.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Member, Membership, MembershipEvent, Owners, Work};

/// The membership of a worker that is alone.
#[derive(Debug, Default)]
pub(crate) struct Solo {
    told: bool,
}

#[async_trait]
impl Membership for Solo {
    async fn next(&mut self) -> MembershipEvent {
        if self.told {
            return std::future::pending().await;
        }
        self.told = true;
        MembershipEvent::Assigned(Member {
            generation: 1,
            is_leader: true,
            leader_url: None,
            config_offset: 0,
            owners: Arc::new(Owners::default()),
            work: Work::Everything,
        })
    }

    fn rejoin(&mut self) {}

    fn revoked(&mut self) {}

    async fn leave(&mut self) {}
}
