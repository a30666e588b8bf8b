//! FindCoordinator (key 10): asks which broker keeps a group or a transaction.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=6, flexible 3;
    /// The request: asks which broker keeps a group or a transaction.
    pub struct FindCoordinatorRequest {
        key: Text => ..=3;
        key_type: i8 => 1..;
        coordinator_keys: Vec<Text> => 4..;
    }
}

message! { 0..=6, flexible 3;
    /// Answers [`FindCoordinatorRequest`].
    pub struct FindCoordinatorResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => ..=3;
        error_message: Option<Text> => 1..=3;
        node_id: i32 => ..=3;
        host: Text => ..=3;
        port: i32 => ..=3;
        coordinators: Vec<Coordinator> => 4..;
    }
    /// One of `coordinators` of [`FindCoordinatorResponse`].
    pub struct Coordinator {
        key: Text;
        node_id: i32;
        host: Text;
        port: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
    }
}
