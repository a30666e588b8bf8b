//! InitProducerId: an id for an idempotent producer, or id and epoch for a transactional one.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode,
    messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::{
    errors::{explain, log_error_code},
    transactions::{blocking, fenced_for},
};
use crate::{
    broker::State,
    transactions::{Initialize, ProducerIdentity, Transactions},
};

/// Before this version PRODUCER_FENCED is not known.
const VERSION_FENCED: i16 = 4;

/// Answers InitProducerId. An idempotent producer that asks to go on with its id (KIP-360) gets a fresh one, which serves as well.
pub(in crate::server) async fn init_producer_id(
    state: Arc<State>,
    request: InitProducerIdRequest,
    version: i16,
) -> InitProducerIdResponse {
    let initialized = blocking(move || match &request.transactional_id {
        Some(id) => Transactions::initialize(&state, id, transactional(&request)?),
        None => idempotent(&state),
    });
    match initialized.await {
        Ok(ProducerIdentity { id: producer_id, epoch: producer_epoch }) => {
            InitProducerIdResponse { producer_id, producer_epoch, ..Default::default() }
        }
        Err(error) => InitProducerIdResponse {
            error_code: fenced_for(version, VERSION_FENCED, error),
            producer_epoch: -1,
            ..Default::default()
        },
    }
}

fn transactional(request: &InitProducerIdRequest) -> Result<Initialize, ErrorCode> {
    let expected = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (id, epoch) if id >= 0 && epoch >= 0 => Some(ProducerIdentity { id, epoch }),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    Ok(Initialize { timeout_ms: request.transaction_timeout_ms, expected })
}

fn idempotent(state: &State) -> Result<ProducerIdentity, ErrorCode> {
    match state.producer_ids.next() {
        Ok(id) => Ok(ProducerIdentity { id, epoch: 0 }),
        Err(error) => {
            tracing::error!("cannot give out a producer id: {}", explain(&error));
            Err(log_error_code(&error))
        }
    }
}
