//! DescribeTransactions (key 65): asks all that is known of some transactional ids.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=0, flexible 0;
    /// The request: asks all that is known of some transactional ids.
    pub struct DescribeTransactionsRequest {
        transactional_ids: Vec<Text>;
    }
}

message! { 0..=0, flexible 0;
    /// Answers [`DescribeTransactionsRequest`].
    pub struct DescribeTransactionsResponse {
        throttle_time_ms: i32;
        transaction_states: Vec<DescribedTransaction>;
    }
    /// One of `transaction_states` of [`DescribeTransactionsResponse`].
    pub struct DescribedTransaction {
        error_code: ErrorCode;
        transactional_id: Text;
        transaction_state: Text;
        transaction_timeout_ms: i32;
        transaction_start_time_ms: i64;
        producer_id: i64;
        producer_epoch: i16;
        topics: Vec<DescribedTransactionTopic>;
    }
    /// One of `topics` of [`DescribedTransaction`].
    pub struct DescribedTransactionTopic {
        topic: Text;
        partitions: Vec<i32>;
    }
}
