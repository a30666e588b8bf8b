//! WriteTxnMarkers: ends a producer's transaction in some partitions, without its coordinator. This broker needs no request for its own markers; tools send
//! it to end a transaction that hangs (`kafka-transactions.sh abort`).

use std::sync::Arc;

use broker_protocol::{
    ErrorCode, Text,
    messages::write_txn_markers::{
        WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
        WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
    },
};

use super::errors::log_error_code;
use crate::{
    broker::{State, now_ms},
    log::{LogError, Marker, PartitionLog},
    topics::OFFSETS_TOPIC,
};

/// Answers WriteTxnMarkers, once the markers are on disk.
pub(in crate::server) async fn write(
    state: Arc<State>,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let mut markers = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        let mut topics = Vec::with_capacity(marker.topics.len());
        for topic in &marker.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for partition_index in &topic.partition_indexes {
                let error_code = write_one(&state, &marker, &topic.name, *partition_index).await;
                partitions
                    .push(WritableTxnMarkerPartitionResult { partition_index: *partition_index, error_code });
            }
            topics.push(WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions });
        }
        markers.push(WritableTxnMarkerResult { producer_id: marker.producer_id, topics });
    }
    WriteTxnMarkersResponse { markers }
}

async fn write_one(
    state: &Arc<State>,
    request: &WritableTxnMarker,
    topic: &Text,
    partition: i32,
) -> ErrorCode {
    let Some(log) = state.topics.partition(topic, partition) else {
        return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    };
    let marker = Marker {
        producer_id: request.producer_id,
        producer_epoch: request.producer_epoch,
        coordinator_epoch: request.coordinator_epoch,
        commit: request.transaction_result,
    };
    match append(log, marker).await {
        Ok(()) => {
            if **topic == *OFFSETS_TOPIC {
                state.groups.end_transaction(marker.producer_id, marker.commit);
            }
            ErrorCode::NONE
        }
        Err(error) => log_error_code(&error),
    }
}

async fn append(log: Arc<PartitionLog>, marker: Marker) -> Result<(), LogError> {
    let shared = Arc::clone(&log);
    let appended = tokio::task::spawn_blocking(move || shared.append_marker(marker, now_ms())).await;
    let appended =
        appended.map_err(|error| LogError::io("append a marker to", log.name(), error.into()))??;
    log.durable(appended.last_offset + 1).await
}
