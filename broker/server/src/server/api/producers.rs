//! InitProducerId: a fresh id for an idempotent producer.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode,
    messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::errors::{explain, log_error_code};
use crate::broker::State;

/// Answers InitProducerId. A producer that asks to go on with its id (KIP-360) gets a fresh one, which serves as well.
pub(in crate::server) async fn init_producer_id(
    state: Arc<State>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let failed = |error_code| InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() };
    if request.transactional_id.is_some() {
        tracing::warn!(transactional_id = ?request.transactional_id, "refused: transactions are not supported");
        return failed(ErrorCode::INVALID_REQUEST);
    }
    match tokio::task::spawn_blocking(move || state.producer_ids.next()).await {
        Ok(Ok(producer_id)) => InitProducerIdResponse { producer_id, ..Default::default() },
        Ok(Err(error)) => {
            tracing::error!("cannot give out a producer id: {}", explain(&error));
            failed(log_error_code(&error))
        }
        Err(error) => {
            tracing::error!(%error, "giving out a producer id panicked");
            failed(ErrorCode::UNKNOWN_SERVER_ERROR)
        }
    }
}
