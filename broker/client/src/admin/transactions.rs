//! Transactional ids, as an administrator sees them: shutting out producers that must write no more.

use broker_protocol::ApiKey;
use broker_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnRequest;
use broker_protocol::messages::end_txn::EndTxnRequest;
use broker_protocol::messages::init_producer_id::InitProducerIdRequest;
use tokio::task::JoinSet;

use super::refused;
use super::topics::millis;
use crate::client::{Client, Kept};
use crate::error::{Error, Result};

/// Coordinators are asked for this many transactional ids at once.
const TOGETHER: usize = 64;

impl Client {
    /// Whether the cluster has transactions, and whether this one may be ours: the error says why not. A coordinator that cannot be had
    /// at the moment is no reason. Nothing is changed by asking.
    pub async fn check_transactions(&self, transactional_id: &str) -> Result<()> {
        self.retrying(|| async move {
            let connection = self.any().await?;
            connection.version::<InitProducerIdRequest>(i16::MAX)?;
            connection.version::<AddPartitionsToTxnRequest>(i16::MAX)?;
            connection.version::<EndTxnRequest>(i16::MAX).map(drop)
        })
        .await?;
        match self.coordinator_of(&Kept::Transactions(transactional_id.to_owned())).await {
            Err(error) if !error.is_retriable() => Err(error),
            _ => Ok(()),
        }
    }

    /// Fences every producer of these transactional ids that is there now (Kafka Admin's `fenceProducers`): their epochs go up, and
    /// their open transactions are aborted. Returns once that is so for all of them; after an error it may be so for some.
    pub async fn fence_producers(&self, transactional_ids: &[String]) -> Result<()> {
        for together in transactional_ids.chunks(TOGETHER) {
            let mut tasks = JoinSet::new();
            for id in together {
                let (client, id) = (self.clone(), id.clone());
                tasks.spawn(async move { client.retrying(|| client.fence_producer(&id)).await });
            }
            while let Some(fenced) = tasks.join_next().await {
                fenced.unwrap_or_else(|panic| {
                    tracing::error!(%panic, "a task of the client failed");
                    Err(Error::Closed { what: "client's request to fence producers (its task failed)" })
                })?;
            }
        }
        Ok(())
    }

    async fn fence_producer(&self, id: &str) -> Result<()> {
        let kept = Kept::Transactions(id.to_owned());
        let connection = self.at(&self.coordinator_of(&kept).await?).await?;
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            // It only bounds how long the coordinator works on this.
            transaction_timeout_ms: millis(self.config().operation_timeout),
            producer_id: -1,
            producer_epoch: -1,
        };
        let code = connection.call(&request, i16::MAX, None).await?.error_code;
        code.check()
            .map_err(|code| refused(&connection, ApiKey::InitProducerId, kept.to_string(), code, None))
    }
}
