//! DescribeCluster (key 60): asks for the cluster id, the brokers and the controller.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 0;
    /// The request: asks for the cluster id, the brokers and the controller.
    pub struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool;
        endpoint_type: i8 = 1 => 1..;
        include_fenced_brokers: bool => 2..;
    }
}

message! { 0..=2, flexible 0;
    /// Answers [`DescribeClusterRequest`].
    pub struct DescribeClusterResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
        endpoint_type: i8 = 1 => 1..;
        cluster_id: Text;
        controller_id: i32 = -1;
        brokers: Vec<DescribeClusterBroker>;
        cluster_authorized_operations: i32 = i32::MIN;
    }
    /// One of `brokers` of [`DescribeClusterResponse`].
    pub struct DescribeClusterBroker {
        broker_id: i32;
        host: Text;
        port: i32;
        rack: Option<Text>;
        is_fenced: bool => 2..;
    }
}
