//! Producer ids: asked for once for all partitions, and once more for a partition whose numbering broke.

use std::sync::Arc;

use broker_protocol::ApiKey;
use broker_protocol::messages::init_producer_id::InitProducerIdRequest;
use tokio::time::Instant;

use super::{Event, Identity, Place, Sender};
use crate::admin::refused;
use crate::client::Client;
use crate::error::{Error, Result};

impl Sender {
    /// Asks for a producer id, the common one or a partition's own.
    pub(super) fn identify(&mut self, place: Option<Place>, now: Instant) {
        if self.identifying.contains(&place) || self.identify_after.is_some_and(|after| after > now) {
            return;
        }
        self.identifying.push(place);
        let client = self.client.clone();
        self.tasks.spawn(async move { Event::Identified { place, result: init_producer_id(&client).await } });
    }

    /// A producer id came, or did not.
    pub(super) fn identified(&mut self, place: Option<Place>, result: Result<(i64, i16)>, now: Instant) {
        self.identifying.retain(|other| *other != place);
        let (id, epoch) = match result {
            Ok(identity) => identity,
            Err(error) => {
                self.identify_after = Some(now + self.client.config().retry_backoff);
                if !error.is_retriable() {
                    self.fail_all(&error);
                }
                self.last_error = Some(error);
                return;
            }
        };
        if place.is_none() {
            self.identity = Identity::Known { id, epoch, next_sequence: 0 };
        }
        let wanting = self
            .lanes
            .iter_mut()
            .filter(|(other, lane)| lane.wants_identity() && place.is_none_or(|place| place == **other));
        let mut broken = None;
        for (_place, lane) in wanting {
            if let Err(error) = lane.renew(id, epoch) {
                broken = Some(error);
            }
        }
        if let Some(source) = broken {
            let source = Arc::new(source);
            self.fail_all(&Error::Batch { topic: String::new(), partition: -1, offset: -1, source });
        }
    }
}

async fn init_producer_id(client: &Client) -> Result<(i64, i16)> {
    let connection = client.any().await?;
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
    };
    let response = connection.call(&request, i16::MAX, None).await?;
    let code = response.error_code;
    code.check()
        .map_err(|code| refused(&connection, ApiKey::InitProducerId, "an idempotent producer", code, None))?;
    Ok((response.producer_id, response.producer_epoch))
}
