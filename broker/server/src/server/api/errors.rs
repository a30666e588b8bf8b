//! Which protocol error code an error becomes, in one place.

use broker_protocol::ErrorCode;

use crate::{log::LogError, topics::TopicError};

/// The code for an error of a log.
pub(super) fn log_error_code(error: &LogError) -> ErrorCode {
    match error {
        LogError::DiskFull { .. } | LogError::Offline { .. } | LogError::Io { .. } => {
            ErrorCode::KAFKA_STORAGE_ERROR
        }
        LogError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        LogError::Corrupt { .. } => ErrorCode::CORRUPT_MESSAGE,
        LogError::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        LogError::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        LogError::InvalidTransactionState { .. } => ErrorCode::INVALID_TXN_STATE,
        LogError::CoordinatorFenced { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        LogError::Deleted { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        LogError::Closed { .. } => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}

/// The code for an error about a topic.
pub(super) fn topic_error_code(error: &TopicError) -> ErrorCode {
    match error {
        TopicError::InvalidName(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        TopicError::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
        TopicError::Unknown(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        TopicError::InvalidConfig(_) => ErrorCode::INVALID_CONFIG,
        TopicError::InvalidRequest(_) => ErrorCode::INVALID_REQUEST,
        TopicError::InvalidPartitions(_) => ErrorCode::INVALID_PARTITIONS,
        TopicError::Log(LogError::Corrupt { .. }) => ErrorCode::KAFKA_STORAGE_ERROR,
        TopicError::Log(error) => log_error_code(error),
    }
}

/// An error with its causes, for a message to the client.
pub(super) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
