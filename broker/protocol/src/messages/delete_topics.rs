//! DeleteTopics (key 20): deletes topics.

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 1..=6, flexible 4;
    /// The request: deletes topics.
    pub struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> => 6..;
        topic_names: Vec<Text> => ..=5;
        timeout_ms: i32;
    }
    /// One of `topics` of [`DeleteTopicsRequest`].
    pub struct DeleteTopicState {
        name: Option<Text>;
        topic_id: Uuid;
    }
}

message! { 1..=6, flexible 4;
    /// Answers [`DeleteTopicsRequest`].
    pub struct DeleteTopicsResponse {
        throttle_time_ms: i32;
        responses: Vec<DeletableTopicResult>;
    }
    /// One of `responses` of [`DeleteTopicsResponse`].
    pub struct DeletableTopicResult {
        name: Option<Text> => 0.., nullable 6..;
        topic_id: Uuid => 6..;
        error_code: ErrorCode;
        error_message: Option<Text> => 5..;
    }
}
