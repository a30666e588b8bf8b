//! WriteTxnMarkers (key 27): asks the leaders of a transaction's partitions to end it there. Between brokers, and for tools that end a hanging one.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=2, flexible 1;
    /// The request: ends transactions in partitions.
    pub struct WriteTxnMarkersRequest {
        markers: Vec<WritableTxnMarker>;
    }
    /// One of `markers` of [`WriteTxnMarkersRequest`].
    pub struct WritableTxnMarker {
        producer_id: i64;
        producer_epoch: i16;
        transaction_result: bool;
        topics: Vec<WritableTxnMarkerTopic>;
        coordinator_epoch: i32;
        transaction_version: i8 => 2..;
    }
    /// One of `topics` of [`WritableTxnMarker`].
    pub struct WritableTxnMarkerTopic {
        name: Text;
        partition_indexes: Vec<i32>;
    }
}

message! { 1..=2, flexible 1;
    /// Answers [`WriteTxnMarkersRequest`].
    pub struct WriteTxnMarkersResponse {
        markers: Vec<WritableTxnMarkerResult>;
    }
    /// One of `markers` of [`WriteTxnMarkersResponse`].
    pub struct WritableTxnMarkerResult {
        producer_id: i64;
        topics: Vec<WritableTxnMarkerTopicResult>;
    }
    /// One of `topics` of [`WritableTxnMarkerResult`].
    pub struct WritableTxnMarkerTopicResult {
        name: Text;
        partitions: Vec<WritableTxnMarkerPartitionResult>;
    }
    /// One of `partitions` of [`WritableTxnMarkerTopicResult`].
    pub struct WritableTxnMarkerPartitionResult {
        partition_index: i32;
        error_code: ErrorCode;
    }
}
