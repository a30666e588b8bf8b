//! Transactions: a producer needs WRITE on its transactional id, and on each topic that it writes to; the offsets of a group need
//! READ on the group and its topics.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
        add_partitions_to_txn::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
            AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
        },
        describe_transactions::{DescribeTransactionsRequest, DescribedTransaction},
        end_txn::{EndTxnRequest, EndTxnResponse},
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        list_transactions::ListTransactionsRequest,
        txn_offset_commit::{
            TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
            TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
        },
        write_txn_markers::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
            WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        },
    },
};

use super::{Authorize, Gate, Verdict, take_denied};
use crate::security::acl::{Operation, Resource, ResourceType};

const DENIED_ID: ErrorCode = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
const DENIED_TOPIC: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
const DENIED_CLUSTER: ErrorCode = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;

fn may_write(gate: &Gate, id: &Text) -> bool {
    gate.allows(Operation::Write, Resource::transactional_id(id))
}

impl Authorize for InitProducerIdRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let error_code = match &self.transactional_id {
            Some(id) if may_write(gate, id) => return Verdict::Pass,
            Some(_) => DENIED_ID,
            None if gate.may(Operation::IdempotentWrite, Resource::CLUSTER)
                || gate.allows_somewhere(Operation::Write, ResourceType::Topic) =>
            {
                return Verdict::Pass;
            }
            None => DENIED_CLUSTER,
        };
        Verdict::Refused(InitProducerIdResponse {
            error_code,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        })
    }
}

/// From this version on, brokers ask for several transactions at once.
const ADD_VERSION_BROKERS: i16 = 4;

impl Authorize for AddPartitionsToTxnRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        if gate.version >= ADD_VERSION_BROKERS {
            if gate.allows(Operation::ClusterAction, Resource::CLUSTER) {
                return Verdict::Pass;
            }
            let error_code = DENIED_CLUSTER;
            return Verdict::Refused(AddPartitionsToTxnResponse { error_code, ..Default::default() });
        }
        let refuse = |topics: &[AddPartitionsToTxnTopic], code: &dyn Fn(&Text) -> ErrorCode| {
            let results = topics.iter().map(|topic| add_result(topic, code(&topic.name))).collect();
            Verdict::Refused(AddPartitionsToTxnResponse {
                results_by_topic_v3_and_below: results,
                ..AddPartitionsToTxnResponse::default()
            })
        };
        let topics = &self.v3_and_below_topics;
        if !may_write(gate, &self.v3_and_below_transactional_id) {
            return refuse(topics, &|_| DENIED_ID);
        }
        let may = |name: &Text| gate.allows(Operation::Write, Resource::topic(name));
        if topics.iter().all(|topic| may(&topic.name)) {
            return Verdict::Pass;
        }
        // All or nothing, as for partitions that are not there.
        refuse(topics, &|name| if may(name) { ErrorCode::OPERATION_NOT_ATTEMPTED } else { DENIED_TOPIC })
    }
}

fn add_result(
    topic: &AddPartitionsToTxnTopic,
    partition_error_code: ErrorCode,
) -> AddPartitionsToTxnTopicResult {
    let partition = |partition_index: &i32| AddPartitionsToTxnPartitionResult {
        partition_index: *partition_index,
        partition_error_code,
    };
    AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic.partitions.iter().map(partition).collect(),
    }
}

impl Authorize for AddOffsetsToTxnRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        let error_code = if gate.is_open() {
            return Verdict::Pass;
        } else if !may_write(gate, &self.transactional_id) {
            DENIED_ID
        } else if !gate.allows(Operation::Read, Resource::group(&self.group_id)) {
            ErrorCode::GROUP_AUTHORIZATION_FAILED
        } else {
            return Verdict::Pass;
        };
        Verdict::Refused(AddOffsetsToTxnResponse { error_code, ..AddOffsetsToTxnResponse::default() })
    }
}

impl Authorize for EndTxnRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() || may_write(gate, &self.transactional_id) {
            return Verdict::Pass;
        }
        Verdict::Refused(EndTxnResponse { error_code: DENIED_ID, ..EndTxnResponse::default() })
    }
}

impl Authorize for TxnOffsetCommitRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let refused = if !may_write(gate, &self.transactional_id) {
            Some(DENIED_ID)
        } else if !gate.allows(Operation::Read, Resource::group(&self.group_id)) {
            Some(ErrorCode::GROUP_AUTHORIZATION_FAILED)
        } else {
            None
        };
        if let Some(code) = refused {
            let topics = std::mem::take(&mut self.topics).into_iter();
            let topics = topics.map(|topic| commit_denied(topic, code)).collect();
            return Verdict::Refused(TxnOffsetCommitResponse { topics, ..Default::default() });
        }
        let denied =
            take_denied(&mut self.topics, |topic| gate.allows(Operation::Read, Resource::topic(&topic.name)));
        let denied: Vec<_> = denied.into_iter().map(|topic| commit_denied(topic, DENIED_TOPIC)).collect();
        Self::amend(move |response| response.topics.extend(denied))
    }
}

fn commit_denied(topic: TxnOffsetCommitRequestTopic, error_code: ErrorCode) -> TxnOffsetCommitResponseTopic {
    let partition = |partition_index| TxnOffsetCommitResponsePartition { partition_index, error_code };
    TxnOffsetCommitResponseTopic {
        partitions: topic.partitions.iter().map(|wanted| partition(wanted.partition_index)).collect(),
        name: topic.name,
    }
}

impl Authorize for WriteTxnMarkersRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.may(Operation::Alter, Resource::CLUSTER)
            || gate.allows(Operation::ClusterAction, Resource::CLUSTER)
        {
            return Verdict::Pass;
        }
        let partition = |partition_index: &i32| WritableTxnMarkerPartitionResult {
            partition_index: *partition_index,
            error_code: DENIED_CLUSTER,
        };
        let markers = self.markers.iter().map(|marker| WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics: marker
                .topics
                .iter()
                .map(|topic| WritableTxnMarkerTopicResult {
                    name: topic.name.clone(),
                    partitions: topic.partition_indexes.iter().map(partition).collect(),
                })
                .collect(),
        });
        Verdict::Refused(WriteTxnMarkersResponse { markers: markers.collect() })
    }
}

impl Authorize for ListTransactionsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let gate = gate.clone();
        Self::amend(move |response| {
            response.transaction_states.retain(|transaction| {
                gate.may(Operation::Describe, Resource::transactional_id(&transaction.transactional_id))
            });
        })
    }
}

impl Authorize for DescribeTransactionsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.transactional_ids, |id| {
            gate.allows(Operation::Describe, Resource::transactional_id(id))
        });
        let denied: Vec<_> = denied
            .into_iter()
            .map(|transactional_id| DescribedTransaction {
                error_code: DENIED_ID,
                transactional_id,
                ..DescribedTransaction::default()
            })
            .collect();
        let gate = gate.clone();
        Self::amend(move |response| {
            for transaction in &mut response.transaction_states {
                let may = |name: &str| gate.may(Operation::Describe, Resource::topic(name));
                transaction.topics.retain(|topic| may(&topic.topic));
            }
            response.transaction_states.extend(denied);
        })
    }
}
