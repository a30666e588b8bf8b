//! Offsets of connectors, read and changed by users (KIP-875).
//!
//! At the desk. A source's offsets stand in the offsets topic, a sink's with its consumer group. Invariant: offsets of a
//! connector that may still be running are never changed.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, FlatMap, PluginKind, Props, Text, Value};
use broker_client::{OffsetAndMetadata, TopicPartition};

use super::desk::{Command, Desk, failed};
use super::{ConnectorKind, ConnectorOffset, HerderError, HerderErrorKind, HerderResult, TargetState};
use crate::config::{ConsumerOptions, layered};
use crate::store::{ConnectorOffsets, broker_error};
use crate::worker::{CONNECTOR_KINDS, connector_offsets, sink_group, spawn_isolated};

/// How long a connector may take to check offsets.
const CHECK_MAX: Duration = Duration::from_secs(30);

impl Desk {
    /// How far a connector got.
    pub(crate) async fn offsets(&self, name: &str) -> HerderResult<Vec<ConnectorOffset>> {
        let config = self.connector(name)?.config();
        match self.kind(&config) {
            ConnectorKind::Sink => self.sink_offsets(name, &config).await,
            ConnectorKind::Source | ConnectorKind::Unknown => {
                let offsets = self.source_offsets(name, &config).await?.all().await.map_err(failed)?;
                let plain = |(partition, offset)| ConnectorOffset { partition, offset: Some(offset) };
                Ok(offsets.into_iter().map(plain).collect())
            }
        }
    }

    async fn sink_offsets(&self, name: &str, config: &Props) -> HerderResult<Vec<ConnectorOffset>> {
        let group = self.group_of(name, config)?;
        let offsets = self.context.client.group_offsets(&group).await.map_err(|error| {
            failed(broker_error(format!("cannot read the offsets of consumer group {group}"), error))
        })?;
        let mut plain: Vec<_> = offsets
            .into_iter()
            .map(|(partition, offset)| ConnectorOffset {
                partition: FlatMap::new()
                    .with("kafka_topic", partition.topic)
                    .with("kafka_partition", i64::from(partition.partition)),
                offset: Some(FlatMap::new().with("kafka_offset", offset.offset)),
            })
            .collect();
        plain.sort_by_key(|offset| sink_partition(&offset.partition).ok());
        Ok(plain)
    }

    fn group_of(&self, name: &str, config: &Props) -> HerderResult<String> {
        let options = layered(&self.context.config.props, config, "consumer.");
        let options = ConsumerOptions::parse(&options)
            .map_err(|errors| HerderError::bad_request(errors.to_string()))?;
        Ok(options.group_id.unwrap_or_else(|| sink_group(name)))
    }

    /// Sets or forgets offsets of a stopped connector.
    pub(crate) async fn alter_offsets(
        &self,
        name: &str,
        offsets: Vec<ConnectorOffset>,
    ) -> HerderResult<String> {
        if offsets.is_empty() {
            return Err(HerderError::bad_request(
                "Partitions / offsets need to be provided for an alter offsets request",
            ));
        }
        let _one_at_a_time = self.writes.lock().await;
        let config = self.stopped(name).await?;
        match self.kind(&config) {
            ConnectorKind::Source => self.alter_source(name, &config, offsets).await?,
            ConnectorKind::Sink => self.alter_sink(name, &config, &offsets).await?,
            ConnectorKind::Unknown => return Err(unknown(&config)),
        }
        Ok("The offsets for this connector have been altered successfully".to_owned())
    }

    /// Forgets all offsets of a stopped connector.
    pub(crate) async fn reset_offsets(&self, name: &str) -> HerderResult<String> {
        let _one_at_a_time = self.writes.lock().await;
        let config = self.stopped(name).await?;
        match self.kind(&config) {
            ConnectorKind::Source => {
                // Before they are read, since an earlier task might commit others.
                self.fence_earlier_tasks(name).await?;
                let known = self.source_offsets(name, &config).await?.all().await.map_err(failed)?;
                let forget = |(partition, _)| ConnectorOffset { partition, offset: None };
                self.alter_source(name, &config, known.into_iter().map(forget).collect()).await?;
            }
            ConnectorKind::Sink => {
                let group = self.group_of(name, &config)?;
                let deleted = self.context.client.delete_group(&group).await;
                deleted.or_else(|error| if is_unknown_group(&error) { Ok(()) } else { Err(error) }).map_err(
                    |error| {
                        failed(broker_error(
                            format!("cannot reset the offsets of consumer group {group}"),
                            error,
                        ))
                    },
                )?;
            }
            ConnectorKind::Unknown => return Err(unknown(&config)),
        }
        Ok("The offsets for this connector have been reset successfully".to_owned())
    }

    /// The configuration of a connector that is stopped, tasks and all.
    async fn stopped(&self, name: &str) -> HerderResult<Arc<Props>> {
        self.configs.read_to_end().await.map_err(failed)?;
        let connector = self.connector(name)?;
        let gone = connector.target() == TargetState::Stopped && connector.tasks().next().is_none();
        if gone && !self.command(|reply| Command::HasTasks(name.to_owned(), reply)).await? {
            return Ok(connector.config());
        }
        Err(HerderError::bad_request(format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
             specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
        )))
    }

    async fn alter_source(
        &self,
        name: &str,
        config: &Arc<Props>,
        offsets: Vec<ConnectorOffset>,
    ) -> HerderResult<()> {
        let pairs: Vec<_> = offsets.into_iter().map(|offset| (offset.partition, offset.offset)).collect();
        let checked = self.check_source(name, config, pairs.clone()).await;
        checked.map_err(|error| failed(error.context("the connector refuses these offsets")))?;
        self.fence_earlier_tasks(name).await?;
        let store = self.source_offsets(name, config).await?;
        let changes = store.changes(pairs.iter().map(|(partition, offset)| (partition, offset.clone())));
        store.write(&changes.map_err(failed)?).await.map_err(failed)
    }

    /// The offsets of a source, wherever they lie.
    async fn source_offsets(&self, name: &str, config: &Props) -> HerderResult<ConnectorOffsets> {
        let resolved = self.context.checker.resolve(config).map_err(failed)?;
        connector_offsets(&self.context, &resolved, name).await.map_err(failed)
    }

    /// Sees to it that no task from before can commit offsets any more.
    async fn fence_earlier_tasks(&self, name: &str) -> HerderResult<()> {
        if !self.context.config.exactly_once.is_enabled() {
            return Ok(());
        }
        self.context.fencing.fence(name).await.map_err(failed)
    }

    async fn check_source(
        &self,
        name: &str,
        config: &Arc<Props>,
        offsets: Vec<(FlatMap, Option<FlatMap>)>,
    ) -> api::Result<()> {
        let (context, config) = (Arc::clone(&self.context), Arc::clone(config));
        let check = async move {
            let resolved = context.checker.resolve(&config)?;
            let class = resolved.get("connector.class").map_or("", |class| class.trim());
            match context.registry.find(&CONNECTOR_KINDS, class)?.kind {
                PluginKind::Source(make) => make().check_offsets(&resolved, &offsets),
                _ => Err(Error::bad_config(format!("{class} is not a source connector"))),
            }
        };
        let checked = spawn_isolated(&format!("offsets of {name}"), check)?;
        tokio::time::timeout(CHECK_MAX, checked).await.unwrap_or_else(|elapsed| {
            Err(Error::retriable(format!("the connector did not answer within {} s", CHECK_MAX.as_secs()))
                .with_source(elapsed))
        })
    }

    async fn alter_sink(&self, name: &str, config: &Props, offsets: &[ConnectorOffset]) -> HerderResult<()> {
        let group = self.group_of(name, config)?;
        let mut changes = Vec::new();
        let mut forgotten = Vec::new();
        for ConnectorOffset { partition, offset } in offsets {
            let partition = sink_partition(partition).map_err(HerderError::bad_request)?;
            match offset {
                Some(offset) => {
                    changes.push((partition, sink_offset(offset).map_err(HerderError::bad_request)?));
                }
                None => forgotten.push(partition),
            }
        }
        let doing = || format!("cannot change the offsets of consumer group {group}");
        let client = &self.context.client;
        if !changes.is_empty() {
            let committed = client.commit_group_offsets(&group, &changes).await;
            committed.map_err(|error| failed(broker_error(doing(), error)))?;
        }
        if !forgotten.is_empty() {
            let deleted = client.delete_group_offsets(&group, &forgotten).await;
            deleted.map_err(|error| failed(broker_error(doing(), error)))?;
        }
        Ok(())
    }
}

fn is_unknown_group(error: &broker_client::Error) -> bool {
    error.code() == Some(broker_client::ErrorCode::GROUP_ID_NOT_FOUND)
}

fn unknown(config: &Props) -> HerderError {
    let class = config.get("connector.class").map_or("", String::as_str);
    HerderError::new(
        HerderErrorKind::BadRequest,
        format!("connector.class {class} is unknown to this worker, so its offsets cannot be changed"),
    )
}

/// Reads `{"kafka_topic": "t", "kafka_partition": 3}`; Connect takes numbers as text, too.
fn sink_partition(map: &FlatMap) -> Result<TopicPartition, String> {
    let topic = map.get("kafka_topic").and_then(Value::as_str).filter(|topic| !topic.is_empty());
    let partition = map.get("kafka_partition").and_then(whole).and_then(|number| i32::try_from(number).ok());
    match (topic, partition.filter(|partition| *partition >= 0)) {
        (Some(topic), Some(partition)) => Ok(TopicPartition::new(Text::from(topic), partition)),
        _ => Err("The partition for a sink connector offset must have the keys 'kafka_topic' (a topic's name) and \
                  'kafka_partition' (a partition's number)"
            .to_owned()),
    }
}

fn sink_offset(map: &FlatMap) -> Result<OffsetAndMetadata, String> {
    let offset = map.get("kafka_offset").and_then(whole).filter(|offset| *offset >= 0);
    let offset = offset
        .ok_or("The offset for a sink connector must have the key 'kafka_offset' (a number, not below 0)")?;
    Ok(OffsetAndMetadata::new(offset))
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sink_offsets_take_numbers_as_numbers_and_as_text() {
        let partition = FlatMap::new().with("kafka_topic", "t").with("kafka_partition", "3");
        assert_eq!(sink_partition(&partition), Ok(TopicPartition::new("t", 3)));
        assert_eq!(sink_offset(&FlatMap::new().with("kafka_offset", 10_i64)).unwrap().offset, 10);
        assert!(sink_offset(&FlatMap::new().with("kafka_offset", -1_i64)).is_err());
        assert!(sink_partition(&FlatMap::new().with("kafka_topic", "t")).is_err());
    }
}
