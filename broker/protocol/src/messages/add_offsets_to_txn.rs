//! AddOffsetsToTxn (key 25): adds the offsets of a group to a transaction.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=4, flexible 3;
    /// The request: adds the offsets of a group to a transaction.
    pub struct AddOffsetsToTxnRequest {
        transactional_id: Text;
        producer_id: i64;
        producer_epoch: i16;
        group_id: Text;
    }
}

message! { 0..=4, flexible 3;
    /// Answers [`AddOffsetsToTxnRequest`].
    pub struct AddOffsetsToTxnResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
    }
}
