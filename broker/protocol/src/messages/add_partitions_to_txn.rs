//! AddPartitionsToTxn (key 24): adds partitions to a transaction.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 3;
    /// The request: adds partitions to a transaction.
    pub struct AddPartitionsToTxnRequest {
        transactions: Vec<AddPartitionsToTxnTransaction> => 4..;
        v3_and_below_transactional_id: Text => ..=3;
        v3_and_below_producer_id: i64 => ..=3;
        v3_and_below_producer_epoch: i16 => ..=3;
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> => ..=3;
    }
    /// One of `transactions` of [`AddPartitionsToTxnRequest`].
    pub struct AddPartitionsToTxnTransaction {
        transactional_id: Text;
        producer_id: i64;
        producer_epoch: i16;
        verify_only: bool;
        topics: Vec<AddPartitionsToTxnTopic>;
    }
    /// One of `topics` of [`AddPartitionsToTxnTransaction`].
    pub struct AddPartitionsToTxnTopic {
        name: Text;
        partitions: Vec<i32>;
    }
}

message! { 0..=5, flexible 3;
    /// Answers [`AddPartitionsToTxnRequest`].
    pub struct AddPartitionsToTxnResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode => 4..;
        results_by_transaction: Vec<AddPartitionsToTxnResult> => 4..;
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> => ..=3;
    }
    /// One of `results_by_transaction` of [`AddPartitionsToTxnResponse`].
    pub struct AddPartitionsToTxnResult {
        transactional_id: Text;
        topic_results: Vec<AddPartitionsToTxnTopicResult>;
    }
    /// One of `topic_results` of [`AddPartitionsToTxnResult`].
    pub struct AddPartitionsToTxnTopicResult {
        name: Text;
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>;
    }
    /// One of `results_by_partition` of [`AddPartitionsToTxnTopicResult`].
    pub struct AddPartitionsToTxnPartitionResult {
        partition_index: i32;
        partition_error_code: ErrorCode;
    }
}
