//! The APIs this crate speaks, each with its key, its request and response, and its versions.

use std::fmt;
use std::ops::RangeInclusive;

use crate::error::DecodeFault;
use crate::message::{Message, Request};
use crate::messages;

macro_rules! apis {
    ([] $($name:ident = $key:literal, $module:ident :: $request:ident, $response:ident;)*) => {
        /// An API of Kafka's protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are Kafka's, explained in its protocol guide")]
        pub enum ApiKey { $($name = $key,)* }

        impl ApiKey {
            /// Every API, ascending by key.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Kafka's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The versions that can be read and written.
            pub fn versions(self) -> RangeInclusive<i16> {
                match self { $(Self::$name => messages::$module::$request::VERSIONS,)* }
            }

            /// Whether a version has compact lengths and tagged fields.
            pub fn is_flexible(self, version: i16) -> bool {
                match self { $(Self::$name => version >= messages::$module::$request::FLEXIBLE,)* }
            }
        }

        impl TryFrom<i16> for ApiKey {
            type Error = DecodeFault;

            fn try_from(key: i16) -> Result<Self, DecodeFault> {
                match key {
                    $($key => Ok(Self::$name),)*
                    key => Err(DecodeFault::UnknownApi { key }),
                }
            }
        }

        impl From<ApiKey> for i16 {
            fn from(api: ApiKey) -> Self {
                match api { $(ApiKey::$name => $key,)* }
            }
        }

        $(impl Request for messages::$module::$request {
            const KEY: ApiKey = ApiKey::$name;
            type Response = messages::$module::$response;
        })*
    };
}

impl fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The table: name, key, and types. It is handed to `$callback!`, behind `$argument`.
macro_rules! with_apis {
    ($callback:ident $argument:tt) => {
        $callback! { $argument
            Produce = 0, produce::ProduceRequest, ProduceResponse;
            Fetch = 1, fetch::FetchRequest, FetchResponse;
            ListOffsets = 2, list_offsets::ListOffsetsRequest, ListOffsetsResponse;
            Metadata = 3, metadata::MetadataRequest, MetadataResponse;
            OffsetCommit = 8, offset_commit::OffsetCommitRequest, OffsetCommitResponse;
            OffsetFetch = 9, offset_fetch::OffsetFetchRequest, OffsetFetchResponse;
            FindCoordinator = 10, find_coordinator::FindCoordinatorRequest, FindCoordinatorResponse;
            JoinGroup = 11, join_group::JoinGroupRequest, JoinGroupResponse;
            Heartbeat = 12, heartbeat::HeartbeatRequest, HeartbeatResponse;
            LeaveGroup = 13, leave_group::LeaveGroupRequest, LeaveGroupResponse;
            SyncGroup = 14, sync_group::SyncGroupRequest, SyncGroupResponse;
            DescribeGroups = 15, describe_groups::DescribeGroupsRequest, DescribeGroupsResponse;
            ListGroups = 16, list_groups::ListGroupsRequest, ListGroupsResponse;
            SaslHandshake = 17, sasl_handshake::SaslHandshakeRequest, SaslHandshakeResponse;
            ApiVersions = 18, api_versions::ApiVersionsRequest, ApiVersionsResponse;
            CreateTopics = 19, create_topics::CreateTopicsRequest, CreateTopicsResponse;
            DeleteTopics = 20, delete_topics::DeleteTopicsRequest, DeleteTopicsResponse;
            DeleteRecords = 21, delete_records::DeleteRecordsRequest, DeleteRecordsResponse;
            InitProducerId = 22, init_producer_id::InitProducerIdRequest, InitProducerIdResponse;
            OffsetForLeaderEpoch = 23, offset_for_leader_epoch::OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
            AddPartitionsToTxn = 24, add_partitions_to_txn::AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
            AddOffsetsToTxn = 25, add_offsets_to_txn::AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
            EndTxn = 26, end_txn::EndTxnRequest, EndTxnResponse;
            WriteTxnMarkers = 27, write_txn_markers::WriteTxnMarkersRequest, WriteTxnMarkersResponse;
            TxnOffsetCommit = 28, txn_offset_commit::TxnOffsetCommitRequest, TxnOffsetCommitResponse;
            DescribeAcls = 29, describe_acls::DescribeAclsRequest, DescribeAclsResponse;
            CreateAcls = 30, create_acls::CreateAclsRequest, CreateAclsResponse;
            DeleteAcls = 31, delete_acls::DeleteAclsRequest, DeleteAclsResponse;
            DescribeConfigs = 32, describe_configs::DescribeConfigsRequest, DescribeConfigsResponse;
            AlterConfigs = 33, alter_configs::AlterConfigsRequest, AlterConfigsResponse;
            DescribeLogDirs = 35, describe_log_dirs::DescribeLogDirsRequest, DescribeLogDirsResponse;
            SaslAuthenticate = 36, sasl_authenticate::SaslAuthenticateRequest, SaslAuthenticateResponse;
            CreatePartitions = 37, create_partitions::CreatePartitionsRequest, CreatePartitionsResponse;
            DeleteGroups = 42, delete_groups::DeleteGroupsRequest, DeleteGroupsResponse;
            ElectLeaders = 43, elect_leaders::ElectLeadersRequest, ElectLeadersResponse;
            IncrementalAlterConfigs = 44, incremental_alter_configs::IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
            AlterPartitionReassignments = 45, alter_partition_reassignments::AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
            ListPartitionReassignments = 46, list_partition_reassignments::ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
            OffsetDelete = 47, offset_delete::OffsetDeleteRequest, OffsetDeleteResponse;
            DescribeUserScramCredentials = 50, describe_user_scram_credentials::DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
            AlterUserScramCredentials = 51, alter_user_scram_credentials::AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse;
            DescribeCluster = 60, describe_cluster::DescribeClusterRequest, DescribeClusterResponse;
            DescribeProducers = 61, describe_producers::DescribeProducersRequest, DescribeProducersResponse;
            DescribeTransactions = 65, describe_transactions::DescribeTransactionsRequest, DescribeTransactionsResponse;
            ListTransactions = 66, list_transactions::ListTransactionsRequest, ListTransactionsResponse;
            ConsumerGroupHeartbeat = 68, consumer_group_heartbeat::ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
            ConsumerGroupDescribe = 69, consumer_group_describe::ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
            DescribeTopicPartitions = 75, describe_topic_partitions::DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
        }
    };
}

with_apis!(apis []);

/// How tests and fuzz targets reach every API: calls `check::<Request>(api, argument)` for each.
#[cfg(any(test, feature = "fuzzing"))]
macro_rules! for_each_api {
    ([$check:ident $argument:tt] $($name:ident = $key:literal, $module:ident :: $request:ident, $response:ident;)*) => {
        $($check::<$crate::messages::$module::$request>($crate::ApiKey::$name, $argument);)*
    };
}

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {for_each_api, with_apis};
