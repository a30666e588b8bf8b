//! DescribeGroups (key 15): asks for the state and the members of groups.

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=6, flexible 5;
    /// The request: asks for the state and the members of groups.
    pub struct DescribeGroupsRequest {
        groups: Vec<Text>;
        include_authorized_operations: bool => 3..;
    }
}

message! { 0..=6, flexible 5;
    /// Answers [`DescribeGroupsRequest`].
    pub struct DescribeGroupsResponse {
        throttle_time_ms: i32 => 1..;
        groups: Vec<DescribedGroup>;
    }
    /// One of `groups` of [`DescribeGroupsResponse`].
    pub struct DescribedGroup {
        error_code: ErrorCode;
        error_message: Option<Text> => 6..;
        group_id: Text;
        group_state: Text;
        protocol_type: Text;
        protocol_data: Text;
        members: Vec<DescribedGroupMember>;
        authorized_operations: i32 = i32::MIN => 3..;
    }
    /// One of `members` of [`DescribedGroup`].
    pub struct DescribedGroupMember {
        member_id: Text;
        group_instance_id: Option<Text> => 4..;
        client_id: Text;
        client_host: Text;
        member_metadata: Bytes;
        member_assignment: Bytes;
    }
}
