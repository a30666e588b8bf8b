//! ListTransactions (key 66): asks which transactional ids there are, and where each stands.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 0;
    /// The request: asks which transactional ids there are; empty filters let everything through.
    pub struct ListTransactionsRequest {
        state_filters: Vec<Text>;
        producer_id_filters: Vec<i64>;
        duration_filter: i64 = -1 => 1..;
        transactional_id_pattern: Option<Text> => 2..;
    }
}

message! { 0..=2, flexible 0;
    /// Answers [`ListTransactionsRequest`].
    pub struct ListTransactionsResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        unknown_state_filters: Vec<Text>;
        transaction_states: Vec<ListedTransaction>;
    }
    /// One of `transaction_states` of [`ListTransactionsResponse`].
    pub struct ListedTransaction {
        transactional_id: Text;
        producer_id: i64;
        transaction_state: Text;
    }
}
