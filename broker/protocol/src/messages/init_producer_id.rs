//! InitProducerId (key 22): asks for the id and epoch of an idempotent or transactional producer.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 2;
    /// The request: asks for the id and epoch of an idempotent or transactional producer.
    pub struct InitProducerIdRequest {
        transactional_id: Option<Text>;
        transaction_timeout_ms: i32;
        producer_id: i64 = -1 => 3..;
        producer_epoch: i16 = -1 => 3..;
    }
}

message! { 0..=5, flexible 2;
    /// Answers [`InitProducerIdRequest`].
    pub struct InitProducerIdResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        producer_id: i64 = -1;
        producer_epoch: i16;
    }
}
