//! JoinGroup (key 11): enters a group, and waits until all members have.

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=9, flexible 6;
    /// The request: enters a group, and waits until all members have.
    pub struct JoinGroupRequest {
        group_id: Text;
        session_timeout_ms: i32;
        rebalance_timeout_ms: i32 = -1 => 1..;
        member_id: Text;
        group_instance_id: Option<Text> => 5..;
        protocol_type: Text;
        protocols: Vec<JoinGroupRequestProtocol>;
        reason: Option<Text> => 8..;
    }
    /// One of `protocols` of [`JoinGroupRequest`].
    pub struct JoinGroupRequestProtocol {
        name: Text;
        metadata: Bytes;
    }
}

message! { 0..=9, flexible 6;
    /// Answers [`JoinGroupRequest`].
    pub struct JoinGroupResponse {
        throttle_time_ms: i32 => 2..;
        error_code: ErrorCode;
        generation_id: i32 = -1;
        protocol_type: Option<Text> => 7..;
        protocol_name: Option<Text> => 0.., nullable 7..;
        leader: Text;
        skip_assignment: bool => 9..;
        member_id: Text;
        members: Vec<JoinGroupResponseMember>;
    }
    /// One of `members` of [`JoinGroupResponse`].
    pub struct JoinGroupResponseMember {
        member_id: Text;
        group_instance_id: Option<Text> => 5..;
        metadata: Bytes;
    }
}
