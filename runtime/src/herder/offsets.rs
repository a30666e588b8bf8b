//! Offsets of connectors, read and changed by users (KIP-875).
//!
//! At the desk. A source's offsets stand in the offsets topic, a sink's with its consumer group. Invariant: offsets of a
//! connector that may still be running are never changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Error, FlatMap, PluginKind, Props, Text, Value};
use broker_client::{Client, ErrorCode, OffsetAndMetadata, TopicPartition};

use super::desk::{Command, Desk, failed};
use super::{ConnectorKind, ConnectorOffset, HerderError, HerderErrorKind, HerderResult, State, TargetState};
use crate::config::{ConsumerOptions, layered};
use crate::store::status_record::Status;
use crate::store::{ConnectorOffsets, broker_error};
use crate::worker::{CONNECTOR_KINDS, connector_offsets, sink_admin, sink_group, spawn_isolated};

/// How long a connector may take to check offsets.
const CHECK_MAX: Duration = Duration::from_secs(30);

/// How long the tasks of a connector that was stopped may take to be gone, and how often they are looked for: their end is told by
/// statuses of many workers, which nobody waits for elsewhere.
const GONE_MAX: Duration = Duration::from_secs(20);
const GONE_POLL: Duration = Duration::from_millis(25);

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
        let (client, group) = self.sink_group(name, config)?;
        let offsets = client.group_offsets(&group).await.map_err(|error| {
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

    /// A sink's group, and the way to the cluster that holds it: what the connector says for its consumers (or, for this only, with
    /// `admin.override.`) counts.
    fn sink_group(&self, name: &str, config: &Props) -> HerderResult<(Client, String)> {
        let config = self.context.checker.resolve(config).map_err(failed)?;
        let options = layered(&self.context.config.props, &config, "consumer.");
        let options = ConsumerOptions::parse(&options)
            .map_err(|errors| HerderError::bad_request(errors.to_string()))?;
        let client = sink_admin(&self.context.client, &self.context.config, &config, name).map_err(failed)?;
        Ok((client, options.group_id.unwrap_or_else(|| sink_group(name))))
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
        self.leading().await?;
        self.stopped(name).await?;
        self.tasks_gone("alter", name).await?;
        // Held, so that nobody deletes or changes the connector meanwhile.
        let _lead = self.lead().await?;
        let config = self.stopped(name).await?;
        if self.kind(&config) == ConnectorKind::Source {
            self.fence_tasks(name).await?;
        }
        self.write_offsets(name, &config, offsets).await?;
        Ok("The offsets for this connector have been altered successfully".to_owned())
    }

    /// Forgets all offsets of a stopped connector.
    pub(crate) async fn reset_offsets(&self, name: &str) -> HerderResult<String> {
        self.leading().await?;
        self.stopped(name).await?;
        self.tasks_gone("reset", name).await?;
        let _lead = self.lead().await?;
        let config = self.stopped(name).await?;
        match self.kind(&config) {
            ConnectorKind::Source => {
                // Before they are read, since an earlier task might commit others.
                self.fence_tasks(name).await?;
                let known = self.source_offsets(name, &config).await?.all().await.map_err(failed)?;
                let forget = |(partition, _)| ConnectorOffset { partition, offset: None };
                self.alter_source(name, &config, known.into_iter().map(forget).collect()).await?;
            }
            ConnectorKind::Sink => {
                let (client, group) = self.sink_group(name, &config)?;
                match client.delete_group(&group).await {
                    Err(error) if is_unknown_group(&error) => {}
                    outcome => outcome.map_err(|error| sink_refusal("reset", name, &group, error))?,
                }
            }
            ConnectorKind::Unknown => return Err(unknown(&config)),
        }
        Ok("The offsets for this connector have been reset successfully".to_owned())
    }

    /// Writes the offsets that a connector is to begin with, before it is there (KIP-995).
    pub(super) async fn write_initial_offsets(
        &self,
        name: &str,
        config: Props,
        offsets: Vec<ConnectorOffset>,
    ) -> HerderResult<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        self.write_offsets(name, &Arc::new(config), offsets).await
    }

    /// Refuses initial offsets that could not be written.
    pub(super) async fn check_initial_offsets(
        &self,
        name: &str,
        config: &Props,
        offsets: &[ConnectorOffset],
    ) -> HerderResult<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        match self.kind(config) {
            ConnectorKind::Sink => sink_changes(offsets).map(drop),
            ConnectorKind::Unknown => Err(unknown(config)),
            ConnectorKind::Source => {
                let pairs = offsets.iter().map(|offset| (offset.partition.clone(), offset.offset.clone()));
                let checked = self.check_source(name, &Arc::new(config.clone()), pairs.collect()).await;
                checked.map_err(|error| failed(error.context("the connector refuses these offsets")))
            }
        }
    }

    async fn write_offsets(
        &self,
        name: &str,
        config: &Arc<Props>,
        offsets: Vec<ConnectorOffset>,
    ) -> HerderResult<()> {
        match self.kind(config) {
            ConnectorKind::Source => self.alter_source(name, config, offsets).await,
            ConnectorKind::Sink => self.alter_sink(name, config, &offsets).await,
            ConnectorKind::Unknown => Err(unknown(config)),
        }
    }

    /// The configuration of a connector that is stopped.
    async fn stopped(&self, name: &str) -> HerderResult<Arc<Props>> {
        self.configs.read_to_end().await.map_err(failed)?;
        let connector = self.connector(name)?;
        if connector.target() != TargetState::Stopped || connector.tasks().next().is_some() {
            return Err(HerderError::bad_request(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                 specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            )));
        }
        Ok(connector.config())
    }

    /// Waits until the tasks of a stopped connector are gone. Those of this worker must be; those of others say so in their status,
    /// but a worker that died says nothing any more: a sink's group and a source's fencing tell then.
    async fn tasks_gone(&self, doing: &str, name: &str) -> HerderResult<()> {
        let deadline = Instant::now() + GONE_MAX.min(self.context.config.rest.request_timeout / 2);
        loop {
            let here = self.command(|reply| Command::HasTasks(name.to_owned(), reply)).await?;
            let elsewhere = self.context.statuses.tasks(name).iter().any(|(_, status)| is_at_work(status));
            if !here && !elsewhere {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return if here { Err(zombies(doing, name)) } else { Ok(()) };
            }
            tokio::time::sleep(GONE_POLL).await;
        }
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
    async fn fence_tasks(&self, name: &str) -> HerderResult<()> {
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
        let (client, group) = self.sink_group(name, config)?;
        let (changes, forgotten) = sink_changes(offsets)?;
        if !changes.is_empty() {
            let committed = client.commit_group_offsets(&group, &changes).await;
            committed.map_err(|error| sink_refusal("alter", name, &group, error))?;
        }
        if !forgotten.is_empty() {
            match client.delete_group_offsets(&group, &forgotten).await {
                Err(error) if is_unknown_group(&error) => {}
                outcome => outcome.map_err(|error| sink_refusal("alter", name, &group, error))?,
            }
        }
        Ok(())
    }
}

/// What is to be committed for a sink's group, and what is to be forgotten.
type SinkChanges = (Vec<(TopicPartition, OffsetAndMetadata)>, Vec<TopicPartition>);

fn sink_changes(offsets: &[ConnectorOffset]) -> HerderResult<SinkChanges> {
    let (mut changes, mut forgotten) = (Vec::new(), Vec::new());
    for ConnectorOffset { partition, offset } in offsets {
        let partition = sink_partition(partition).map_err(HerderError::bad_request)?;
        match offset {
            Some(offset) => {
                changes.push((partition, sink_offset(offset).map_err(HerderError::bad_request)?));
            }
            None => forgotten.push(partition),
        }
    }
    Ok((changes, forgotten))
}

/// What a sink's group refused. One that still has members belongs to tasks that should be gone.
fn sink_refusal(doing: &str, name: &str, group: &str, error: broker_client::Error) -> HerderError {
    let members =
        [ErrorCode::NON_EMPTY_GROUP, ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC];
    if error.code().is_some_and(|code| members.contains(&code)) {
        return zombies(doing, name);
    }
    failed(broker_error(format!("cannot {doing} the offsets of consumer group {group}"), error))
}

/// Connect's words (`Worker.alterSinkConnectorOffsets`).
fn zombies(doing: &str, name: &str) -> HerderError {
    HerderError::new(
        HerderErrorKind::ZombieTasks,
        format!(
            "Failed to {doing} consumer group offsets for connector {name} either because its tasks haven't stopped completely \
             yet or the connector was resumed before the request to {doing} its offsets could be successfully completed. If the \
             connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the \
             Connect cluster may need to be restarted to get rid of the zombie sink tasks."
        ),
    )
}

/// Whether a task's status says that it may still write.
const fn is_at_work(status: &Status) -> bool {
    matches!(status.state, State::Running | State::Paused | State::Restarting)
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

/// Reads `{"kafka_topic": "t", "kafka_partition": 3}`; numbers may be texts. Words and cases are Connect's
/// (`SinkUtils.parseSinkConnectorOffsets`).
fn sink_partition(map: &FlatMap) -> Result<TopicPartition, String> {
    if map.entries().is_empty() {
        return Err("The partition for a sink connector offset cannot be null or missing".to_owned());
    }
    let (Some(topic), Some(partition)) = (map.get("kafka_topic"), map.get("kafka_partition")) else {
        return Err("The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'"
            .to_owned());
    };
    let Some(topic) = topic.as_str().filter(|topic| !topic.is_empty()) else {
        return Err("Kafka topic names must be valid strings and may not be null".to_owned());
    };
    let number = whole(partition).and_then(|number| i32::try_from(number).ok()).filter(|number| *number >= 0);
    let Some(number) = number else {
        return Err(format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{}'. Partition values for sink \
             connectors need to be integers.",
            said(partition)
        ));
    };
    Ok(TopicPartition::new(Text::from(topic), number))
}

fn sink_offset(map: &FlatMap) -> Result<OffsetAndMetadata, String> {
    let Some(offset) = map.get("kafka_offset") else {
        return Err(
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'"
                .to_owned(),
        );
    };
    let Some(number) = whole(offset) else {
        return Err(format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{}'. Offset values for sink \
             connectors need to be integers.",
            said(offset)
        ));
    };
    if number < 0 {
        return Err(format!("The offset of a sink connector must not be negative, but is {number}"));
    }
    Ok(OffsetAndMetadata::new(number))
}

/// A value as the user wrote it.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Float64(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        _ => "null".to_owned(),
    }
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
        let both = sink_partition(&FlatMap::new().with("kafka_topic", "t")).unwrap_err();
        assert!(both.ends_with("must contain the keys 'kafka_topic' and 'kafka_partition'"), "{both}");
        let named =
            sink_partition(&FlatMap::new().with("kafka_topic", Value::Null).with("kafka_partition", 1_i64));
        assert!(named.unwrap_err().contains("valid strings"));
        let counted = sink_partition(&FlatMap::new().with("kafka_topic", "t").with("kafka_partition", "x"));
        assert!(counted.unwrap_err().contains("'x'"));
        assert!(sink_partition(&FlatMap::new()).unwrap_err().ends_with("cannot be null or missing"));
        assert!(sink_offset(&FlatMap::new().with("kafka_offset", 1.5)).unwrap_err().contains("'1.5'"));
    }
}
