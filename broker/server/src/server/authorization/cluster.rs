//! The cluster, who keeps groups and transactions, and where partitions rest: rights to the cluster as a whole.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        alter_partition_reassignments::{
            AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        },
        describe_cluster::DescribeClusterRequest,
        describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse},
        elect_leaders::{ElectLeadersRequest, ElectLeadersResponse},
        find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
        list_partition_reassignments::{
            ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        },
    },
};

use super::{Authorize, DENIED, Gate, Verdict, take_denied};
use crate::security::acl::{Operation, Resource};

impl Authorize for DescribeClusterRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if !self.include_cluster_authorized_operations {
            return Verdict::Pass;
        }
        let operations = gate.cluster_operations();
        Self::amend(move |response| response.cluster_authorized_operations = operations)
    }
}

/// Kinds of coordinators.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// From this version on, several are asked for at once.
const VERSION_BATCHED: i16 = 4;

impl Authorize for FindCoordinatorRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let kind = self.key_type;
        let allowed = |key: &Text| match kind {
            GROUP => gate.allows(Operation::Describe, Resource::group(key)),
            TRANSACTION => gate.allows(Operation::Describe, Resource::transactional_id(key)),
            _ => gate.allows(Operation::ClusterAction, Resource::CLUSTER),
        };
        let error_code = match kind {
            GROUP => ErrorCode::GROUP_AUTHORIZATION_FAILED,
            TRANSACTION => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            _ => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        };
        if gate.version < VERSION_BATCHED {
            if allowed(&self.key) {
                return Verdict::Pass;
            }
            return Verdict::Refused(FindCoordinatorResponse {
                error_code,
                error_message: Some(DENIED.into()),
                node_id: -1,
                port: -1,
                ..FindCoordinatorResponse::default()
            });
        }
        let denied = take_denied(&mut self.coordinator_keys, allowed).into_iter();
        let denied: Vec<_> = denied
            .map(|key| Coordinator {
                key,
                node_id: -1,
                port: -1,
                error_code,
                error_message: Some(DENIED.into()),
                ..Coordinator::default()
            })
            .collect();
        Self::amend(move |response| response.coordinators.extend(denied))
    }
}

/// Requests that need a right to the cluster, or an error code.
macro_rules! by_cluster {
    ($($request:ident: $operation:ident => $response:ident),+) => {$(
        impl Authorize for $request {
            fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
                if gate.is_open() || gate.allows(Operation::$operation, Resource::CLUSTER) {
                    return Verdict::Pass;
                }
                let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
                Verdict::Refused($response { error_code, ..$response::default() })
            }
        }
    )+};
}

by_cluster!(
    DescribeLogDirsRequest: Describe => DescribeLogDirsResponse,
    ElectLeadersRequest: Alter => ElectLeadersResponse,
    AlterPartitionReassignmentsRequest: Alter => AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest: Describe => ListPartitionReassignmentsResponse
);
