//! ApiVersions, DescribeCluster and FindCoordinator: what this broker can do, who it is, and that it coordinates everything.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        api_versions::{ApiVersion, ApiVersionsResponse},
        describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse},
        find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
    },
};

use crate::{
    broker::State,
    server::{connection::Session, served},
};

const KEY_TYPE_GROUP: i8 = 0;
const ENDPOINT_TYPE_BROKER: i8 = 1;

/// Answers ApiVersions.
pub(in crate::server) fn api_versions(state: &State) -> ApiVersionsResponse {
    let api_keys = served::apis(&state.config).map(|api| {
        let versions = served::versions(api);
        ApiVersion { api_key: api.into(), min_version: *versions.start(), max_version: *versions.end() }
    });
    ApiVersionsResponse { api_keys: api_keys.collect(), ..ApiVersionsResponse::default() }
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
    let (error_code, error_message) = match state.groups.failure() {
        _ if request.key_type != KEY_TYPE_GROUP => {
            (ErrorCode::INVALID_REQUEST, Some(Text::from("transactions are not supported")))
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
