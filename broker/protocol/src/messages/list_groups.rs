//! ListGroups (key 16): asks for the groups that a broker coordinates.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 3;
    /// The request: asks for the groups that a broker coordinates.
    pub struct ListGroupsRequest {
        states_filter: Vec<Text> => 4..;
        types_filter: Vec<Text> => 5..;
    }
}

message! { 0..=5, flexible 3;
    /// Answers [`ListGroupsRequest`].
    pub struct ListGroupsResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode;
        groups: Vec<ListedGroup>;
    }
    /// One of `groups` of [`ListGroupsResponse`].
    pub struct ListedGroup {
        group_id: Text;
        protocol_type: Text;
        group_state: Text => 4..;
        group_type: Text => 5..;
    }
}
