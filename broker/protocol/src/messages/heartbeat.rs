//! Heartbeat (key 12): says that a member lives, and learns of a rebalance.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=4, flexible 4;
    /// The request: says that a member lives, and learns of a rebalance.
    pub struct HeartbeatRequest {
        group_id: Text;
        generation_id: i32;
        member_id: Text;
        group_instance_id: Option<Text> => 3..;
    }
}

message! { 0..=4, flexible 4;
    /// Answers [`HeartbeatRequest`].
    pub struct HeartbeatResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode;
    }
}
