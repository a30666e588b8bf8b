//! ApiVersions (key 18): asks which APIs and versions a broker speaks. The response header is always version 0.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=4, flexible 3;
    /// The request: asks which APIs and versions a broker speaks.
    pub struct ApiVersionsRequest {
        client_software_name: Text => 3..;
        client_software_version: Text => 3..;
    }
}

message! { 0..=4, flexible 3;
    /// Answers [`ApiVersionsRequest`].
    pub struct ApiVersionsResponse {
        error_code: ErrorCode;
        api_keys: Vec<ApiVersion>;
        throttle_time_ms: i32 => 1..;
        supported_features: Vec<SupportedFeatureKey> => 3.., tag 0;
        finalized_features_epoch: i64 = -1 => 3.., tag 1;
        finalized_features: Vec<FinalizedFeatureKey> => 3.., tag 2;
        zk_migration_ready: bool => 3.., tag 3;
    }
    /// One of `api_keys` of [`ApiVersionsResponse`].
    pub struct ApiVersion {
        api_key: i16;
        min_version: i16;
        max_version: i16;
    }
    /// One of `supported_features` of [`ApiVersionsResponse`].
    pub struct SupportedFeatureKey {
        name: Text;
        min_version: i16;
        max_version: i16;
    }
    /// One of `finalized_features` of [`ApiVersionsResponse`].
    pub struct FinalizedFeatureKey {
        name: Text;
        max_version_level: i16;
        min_version_level: i16;
    }
}
