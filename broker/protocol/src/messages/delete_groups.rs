//! DeleteGroups (key 42): deletes empty groups.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 2;
    /// The request: deletes empty groups.
    pub struct DeleteGroupsRequest {
        groups_names: Vec<Text>;
    }
}

message! { 0..=2, flexible 2;
    /// Answers [`DeleteGroupsRequest`].
    pub struct DeleteGroupsResponse {
        throttle_time_ms: i32;
        results: Vec<DeletableGroupResult>;
    }
    /// One of `results` of [`DeleteGroupsResponse`].
    pub struct DeletableGroupResult {
        group_id: Text;
        error_code: ErrorCode;
    }
}
