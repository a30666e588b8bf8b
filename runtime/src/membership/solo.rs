//! A group of one: it leads, owns everything, and nothing ever changes.

use async_trait::async_trait;

use super::{Member, Membership, MembershipEvent, Work};

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
        MembershipEvent::Assigned(Member { generation: 1, is_leader: true, work: Work::Everything })
    }
}
