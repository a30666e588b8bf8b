//! Groups of the consumer protocol (KIP-848): members need READ on the group and DESCRIBE on the topics they name, lookers DESCRIBE on the group.

use broker_protocol::{
    ErrorCode,
    messages::{
        consumer_group_describe::{ConsumerGroupDescribeRequest, DescribedConsumerGroup},
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
    },
};

use super::{Authorize, Gate, Verdict, take_denied};
use crate::security::acl::{Operation, Resource};

impl Authorize for ConsumerGroupHeartbeatRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let refused = |error_code| {
            Verdict::Refused(ConsumerGroupHeartbeatResponse {
                error_code,
                ..ConsumerGroupHeartbeatResponse::default()
            })
        };
        if !gate.allows(Operation::Read, Resource::group(&self.group_id)) {
            return refused(ErrorCode::GROUP_AUTHORIZATION_FAILED);
        }
        let mut topics = self.subscribed_topic_names.iter().flatten();
        if topics.all(|topic| gate.allows(Operation::Describe, Resource::topic(topic))) {
            Verdict::Pass
        } else {
            refused(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        }
    }
}

impl Authorize for ConsumerGroupDescribeRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        let operations = self.include_authorized_operations;
        if gate.is_open() && !operations {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.group_ids, |group| {
            gate.allows(Operation::Describe, Resource::group(group))
        });
        let denied: Vec<_> = denied
            .into_iter()
            .map(|group_id| DescribedConsumerGroup {
                group_id,
                error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
                ..DescribedConsumerGroup::default()
            })
            .collect();
        let gate = gate.clone();
        Self::amend(move |response| {
            for group in &mut response.groups {
                if operations && group.error_code == ErrorCode::NONE {
                    group.authorized_operations = gate.operations(Resource::group(&group.group_id));
                }
            }
            response.groups.extend(denied);
        })
    }
}
