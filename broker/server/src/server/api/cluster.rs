//! ApiVersions, DescribeCluster and FindCoordinator: what this broker can do, who it is, and that it coordinates everything.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        api_versions::{
            ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
        },
        describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse},
        find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
    },
};

use crate::{
    broker::State,
    server::{connection::Session, served},
};

const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;
/// What this broker does by agreement of a whole Kafka cluster, and at which level: clients look for it before they use transactions whose epoch goes up
/// with each end (KIP-890).
const FEATURES: &[(&str, i16)] = &[("transaction.version", 2)];
/// Nothing is ever agreed upon anew.
const FEATURES_EPOCH: i64 = 1;
/// From this version on ApiVersions may say that a feature may be off.
const VERSION_FEATURES_FROM_ZERO: i16 = 4;
const ENDPOINT_TYPE_BROKER: i8 = 1;

/// Answers ApiVersions. Features go into tagged fields, and librdkafka before 2.2.0 skips one byte too few of each: whether it gets through depends on the bytes
/// (2.0.2 happens to survive these, and fails with "Read underflow" on others). No librdkafka makes use of them, so clients that say to be
/// one, or built upon one, are not told.
pub(in crate::server) fn api_versions(
    state: &State,
    request: &ApiVersionsRequest,
    version: i16,
) -> ApiVersionsResponse {
    let api_keys = served::apis(&state.config).map(|api| {
        let versions = served::versions(api);
        ApiVersion { api_key: api.into(), min_version: *versions.start(), max_version: *versions.end() }
    });
    let response = ApiVersionsResponse { api_keys: api_keys.collect(), ..ApiVersionsResponse::default() };
    if is_librdkafka(&request.client_software_name) {
        return response;
    }
    let min_version = if version >= VERSION_FEATURES_FROM_ZERO { 0 } else { 1 };
    let supported = |(name, level): &(&'static str, i16)| SupportedFeatureKey {
        name: Text::from_static(name),
        min_version,
        max_version: *level,
    };
    let finalized = |(name, level): &(&'static str, i16)| FinalizedFeatureKey {
        name: Text::from_static(name),
        max_version_level: *level,
        min_version_level: *level,
    };
    ApiVersionsResponse {
        supported_features: FEATURES.iter().map(supported).collect(),
        finalized_features_epoch: FEATURES_EPOCH,
        finalized_features: FEATURES.iter().map(finalized).collect(),
        ..response
    }
}

/// Confluent's clients of Python, Go, .NET and JavaScript are librdkafka under names of their own.
fn is_librdkafka(software_name: &str) -> bool {
    software_name.contains("rdkafka") || software_name.starts_with("confluent-kafka")
}

/// Answers DescribeCluster.
pub(in crate::server) fn describe_cluster(
    state: &State,
    session: &Session,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != ENDPOINT_TYPE_BROKER {
        return DescribeClusterResponse {
            error_code: ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            error_message: Some("this is a broker, ask for endpoint type 1".into()),
            ..DescribeClusterResponse::default()
        };
    }
    let broker = DescribeClusterBroker {
        broker_id: state.config.node_id,
        host: session.advertised.host.as_str().into(),
        port: i32::from(session.advertised.port),
        ..DescribeClusterBroker::default()
    };
    DescribeClusterResponse {
        cluster_id: state.cluster_id.as_str().into(),
        controller_id: state.config.node_id,
        brokers: vec![broker],
        ..DescribeClusterResponse::default()
    }
}

/// Answers FindCoordinator: always this broker.
pub(in crate::server) fn find_coordinator(
    state: &State,
    session: &Session,
    request: &FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let (host, port) = (Text::from(session.advertised.host.as_str()), i32::from(session.advertised.port));
    let node_id = state.config.node_id;
    let failure = match request.key_type {
        KEY_TYPE_GROUP => state.groups.failure(),
        _ => state.transactions.failure(),
    };
    let (error_code, error_message) = match failure {
        _ if !matches!(request.key_type, KEY_TYPE_GROUP | KEY_TYPE_TRANSACTION) => {
            (ErrorCode::INVALID_REQUEST, Some(Text::from("only groups and transactions have coordinators")))
        }
        Some(reason) => (ErrorCode::COORDINATOR_NOT_AVAILABLE, Some(reason.into())),
        None => (ErrorCode::NONE, None),
    };
    if version < 4 {
        return FindCoordinatorResponse {
            error_code,
            error_message,
            node_id,
            host,
            port,
            ..FindCoordinatorResponse::default()
        };
    }
    let coordinator = |key: &Text| Coordinator {
        key: key.clone(),
        node_id,
        host: host.clone(),
        port,
        error_code,
        error_message: error_message.clone(),
    };
    let coordinators = request.coordinator_keys.iter().map(coordinator).collect();
    FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
}
