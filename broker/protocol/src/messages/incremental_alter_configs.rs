//! IncrementalAlterConfigs (key 44): changes single settings of topics and brokers.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=1, flexible 1;
    /// The request: changes single settings of topics and brokers.
    pub struct IncrementalAlterConfigsRequest {
        resources: Vec<AlterConfigsResource>;
        validate_only: bool;
    }
    /// One of `resources` of [`IncrementalAlterConfigsRequest`].
    pub struct AlterConfigsResource {
        resource_type: i8;
        resource_name: Text;
        configs: Vec<AlterableConfig>;
    }
    /// One of `configs` of [`AlterConfigsResource`].
    pub struct AlterableConfig {
        name: Text;
        config_operation: i8;
        value: Option<Text>;
    }
}

message! { 0..=1, flexible 1;
    /// Answers [`IncrementalAlterConfigsRequest`].
    pub struct IncrementalAlterConfigsResponse {
        throttle_time_ms: i32;
        responses: Vec<AlterConfigsResourceResponse>;
    }
    /// One of `responses` of [`IncrementalAlterConfigsResponse`].
    pub struct AlterConfigsResourceResponse {
        error_code: ErrorCode;
        error_message: Option<Text>;
        resource_type: i8;
        resource_name: Text;
    }
}
