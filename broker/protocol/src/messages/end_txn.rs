//! EndTxn (key 26): commits or aborts a transaction.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 3;
    /// The request: commits or aborts a transaction.
    pub struct EndTxnRequest {
        transactional_id: Text;
        producer_id: i64;
        producer_epoch: i16;
        committed: bool;
    }
}

message! { 0..=5, flexible 3;
    /// Answers [`EndTxnRequest`].
    pub struct EndTxnResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        producer_id: i64 = -1 => 5..;
        producer_epoch: i16 = -1 => 5..;
    }
}
