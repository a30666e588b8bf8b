//! SyncGroup (key 14): hands out (leader) and receives (everyone) the assignment.

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 4;
    /// The request: hands out (leader) and receives (everyone) the assignment.
    pub struct SyncGroupRequest {
        group_id: Text;
        generation_id: i32;
        member_id: Text;
        group_instance_id: Option<Text> => 3..;
        protocol_type: Option<Text> => 5..;
        protocol_name: Option<Text> => 5..;
        assignments: Vec<SyncGroupRequestAssignment>;
    }
    /// One of `assignments` of [`SyncGroupRequest`].
    pub struct SyncGroupRequestAssignment {
        member_id: Text;
        assignment: Bytes;
    }
}

message! { 0..=5, flexible 4;
    /// Answers [`SyncGroupRequest`].
    pub struct SyncGroupResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode;
        protocol_type: Option<Text> => 5..;
        protocol_name: Option<Text> => 5..;
        assignment: Bytes;
    }
}
