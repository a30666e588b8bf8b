//! AlterConfigs (key 33): replaces the settings of topics and brokers.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 2;
    /// The request: replaces the settings of topics and brokers.
    pub struct AlterConfigsRequest {
        resources: Vec<AlterConfigsResource>;
        validate_only: bool;
    }
    /// One of `resources` of [`AlterConfigsRequest`].
    pub struct AlterConfigsResource {
        resource_type: i8;
        resource_name: Text;
        configs: Vec<AlterableConfig>;
    }
    /// One of `configs` of [`AlterConfigsResource`].
    pub struct AlterableConfig {
        name: Text;
        value: Option<Text>;
    }
}

message! { 0..=2, flexible 2;
    /// Answers [`AlterConfigsRequest`].
    pub struct AlterConfigsResponse {
        throttle_time_ms: i32;
        responses: Vec<AlterConfigsResourceResponse>;
    }
    /// One of `responses` of [`AlterConfigsResponse`].
    pub struct AlterConfigsResourceResponse {
        error_code: ErrorCode;
        error_message: Option<Text>;
        resource_type: i8;
        resource_name: Text;
    }
}
