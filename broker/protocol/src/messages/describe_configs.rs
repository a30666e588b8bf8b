//! DescribeConfigs (key 32): asks for the settings of topics and brokers.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=4, flexible 4;
    /// The request: asks for the settings of topics and brokers.
    pub struct DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource>;
        include_synonyms: bool;
        include_documentation: bool => 3..;
    }
    /// One of `resources` of [`DescribeConfigsRequest`].
    pub struct DescribeConfigsResource {
        resource_type: i8;
        resource_name: Text;
        configuration_keys: Option<Vec<Text>>;
    }
}

message! { 1..=4, flexible 4;
    /// Answers [`DescribeConfigsRequest`].
    pub struct DescribeConfigsResponse {
        throttle_time_ms: i32;
        results: Vec<DescribeConfigsResult>;
    }
    /// One of `results` of [`DescribeConfigsResponse`].
    pub struct DescribeConfigsResult {
        error_code: ErrorCode;
        error_message: Option<Text>;
        resource_type: i8;
        resource_name: Text;
        configs: Vec<DescribeConfigsResourceResult>;
    }
    /// One of `configs` of [`DescribeConfigsResult`].
    pub struct DescribeConfigsResourceResult {
        name: Text;
        value: Option<Text>;
        read_only: bool;
        config_source: i8 = -1;
        is_sensitive: bool;
        synonyms: Vec<DescribeConfigsSynonym>;
        config_type: i8 => 3..;
        documentation: Option<Text> => 3..;
    }
    /// One of `synonyms` of [`DescribeConfigsResourceResult`].
    pub struct DescribeConfigsSynonym {
        name: Text;
        value: Option<Text>;
        source: i8;
    }
}
