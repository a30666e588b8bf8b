//! Which APIs are served, in which versions: what ApiVersions advertises and what is answered are this one list.

use std::ops::RangeInclusive;

use broker_protocol::ApiKey;

use crate::BrokerConfig;

/// Every API that can be served; none is advertised that is not served.
const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::SaslHandshake,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::EndTxn,
    ApiKey::WriteTxnMarkers,
    ApiKey::TxnOffsetCommit,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::SaslAuthenticate,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTransactions,
    ApiKey::ListTransactions,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
    ApiKey::DescribeTopicPartitions,
];

/// Every served API.
pub(super) fn apis(config: &BrokerConfig) -> impl Iterator<Item = ApiKey> {
    SERVED.iter().copied().filter(|api| is_allowed(*api, config))
}

/// Whether an API is served.
pub(super) fn is_served(api: ApiKey, config: &BrokerConfig) -> bool {
    SERVED.contains(&api) && is_allowed(api, config)
}

fn is_allowed(api: ApiKey, config: &BrokerConfig) -> bool {
    let consumer = matches!(api, ApiKey::ConsumerGroupHeartbeat | ApiKey::ConsumerGroupDescribe);
    config.consumer_group_protocol || !consumer
}

/// The versions of a served API.
pub(super) fn versions(api: ApiKey) -> RangeInclusive<i16> {
    // Produce says 0 although 0 to 2 are refused: librdkafka before 2.11.1 takes it for the sign that the broker
    // knows the codecs, and sends uncompressed otherwise (KAFKA-18659). Kafka 4 does the same.
    api.versions()
}
