//! One call of a connector: checks the settings that are left to check, splits the work into tasks.
//!
//! Between the herder, which asks, and the connector, which runs on a thread of its own with a deadline. What comes back is
//! written to the config topic by the leader. Invariant: a connector that blocks, panics or answers too much is an error of
//! that connector, and no secret is in what comes back.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, Plugin, PluginKind, Props, Result};
use tracing::Instrument as _;

use super::isolated::spawn_isolated;
use super::secrets::restore_references;
use super::settings::parse;
use super::{WorkerContext, settings};
use crate::config::ConnectorConfig;
use crate::herder::RestartPolicy;

/// How long a connector may take to split its work.
const CONNECTOR_CALL_MAX: Duration = Duration::from_secs(60);

/// The kinds of plugins that are connectors, as the registry names them.
pub(crate) const CONNECTOR_KINDS: [&str; 2] = ["source", "sink"];

/// Asks a connector for the configurations of its tasks, references in place of secrets.
pub(crate) async fn task_configs(
    context: Arc<WorkerContext>,
    name: &str,
    raw: Arc<Props>,
) -> Result<Vec<Props>> {
    let work = async move { split(&context, &raw) };
    let span = tracing::error_span!("connector", connector = %name);
    let answer = spawn_isolated(&format!("connector {name}"), work.instrument(span))?;
    let answer = tokio::time::timeout(CONNECTOR_CALL_MAX, answer).await.unwrap_or_else(|elapsed| {
        Err(Error::retriable(format!(
            "the connector did not answer within {} s when asked for its tasks",
            CONNECTOR_CALL_MAX.as_secs()
        ))
        .with_source(elapsed))
    });
    answer.map_err(|error| error.context(format!("starting connector {name}")))
}

fn split(context: &WorkerContext, raw: &Props) -> Result<Vec<Props>> {
    let resolved = context.checker.resolve(raw)?;
    let name = resolved.get("name").cloned().unwrap_or_default();
    let config = parse(&name, ConnectorConfig::parse(&resolved))?;
    let plugin = find(context, &config)?;
    let tasks_max = usize::try_from(config.tasks_max).unwrap_or(usize::MAX);
    let tasks = match plugin.kind {
        PluginKind::Source(make) => make().task_configs(&resolved, tasks_max)?,
        PluginKind::Sink(make) => make().task_configs(&resolved, tasks_max)?,
        _ => return Err(not_a_connector(plugin)),
    };
    if tasks.len() > tasks_max && config.tasks_max_enforce {
        return Err(Error::bad_config(format!(
            "the connector made {} tasks, but tasks.max is {tasks_max}",
            tasks.len()
        )));
    }
    let is_sink = matches!(plugin.kind, PluginKind::Sink(_));
    let stored = |task: Props| {
        let mut task = restore_references(raw, &resolved, task);
        task.insert("task.class".to_owned(), task_class(plugin.class));
        if is_sink {
            for option in ["topics", "topics.regex"] {
                task.extend(raw.get_key_value(option).map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        task
    };
    Ok(tasks.into_iter().map(stored).collect())
}

/// The plugin that a connector's configuration names.
pub(crate) fn find(context: &WorkerContext, config: &ConnectorConfig) -> Result<&'static Plugin> {
    context.registry.find(&CONNECTOR_KINDS, config.connector_class.trim())
}

pub(crate) fn not_a_connector(plugin: &Plugin) -> Error {
    Error::bad_config(format!("connector.class: {} is not a connector", plugin.class))
}

/// The class that Connect's users see as `task.class`: `...FileStreamSourceConnector` has tasks of `...FileStreamSourceTask`, and
/// Debezium's `...MySqlConnector` of `...MySqlConnectorTask`. A Kafka Connect to which a connector is given back loads it by this name.
fn task_class(connector: &str) -> String {
    let stem = match connector.starts_with("io.debezium.") {
        true => connector,
        false => connector.strip_suffix("Connector").unwrap_or(connector),
    };
    format!("{stem}Task")
}

/// How a connector and its tasks are restarted: from its settings as they are said.
pub(crate) fn restart_policy(raw: &Props) -> RestartPolicy {
    settings::restart_policy(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_classes_are_connects() {
        assert_eq!(
            task_class("org.apache.kafka.connect.file.FileStreamSourceConnector"),
            "org.apache.kafka.connect.file.FileStreamSourceTask"
        );
        assert_eq!(task_class("x.Datagen"), "x.DatagenTask");
        let debezium = "io.debezium.connector.mysql.MySqlConnector";
        assert_eq!(task_class(debezium), "io.debezium.connector.mysql.MySqlConnectorTask");
    }
}
