//! LeaveGroup (key 13): leaves a group at once.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 4;
    /// The request: leaves a group at once.
    pub struct LeaveGroupRequest {
        group_id: Text;
        member_id: Text => ..=2;
        members: Vec<MemberIdentity> => 3..;
    }
    /// One of `members` of [`LeaveGroupRequest`].
    pub struct MemberIdentity {
        member_id: Text;
        group_instance_id: Option<Text>;
        reason: Option<Text> => 5..;
    }
}

message! { 0..=5, flexible 4;
    /// Answers [`LeaveGroupRequest`].
    pub struct LeaveGroupResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode;
        members: Vec<MemberResponse> => 3..;
    }
    /// One of `members` of [`LeaveGroupResponse`].
    pub struct MemberResponse {
        member_id: Text;
        group_instance_id: Option<Text>;
        error_code: ErrorCode;
    }
}
