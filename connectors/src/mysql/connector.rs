//! The connectors: MySQL's and MariaDB's, the same but for the words in their records. Always one task: a binlog is one
//! sequence.

use api::configs::ConfigErrors;
use api::{
    Error, ExactlyOnceSupport, FlatMap, Plugin, PluginKind, Props, Result, SignalTopic, SourceConnector,
    SourceTask, Value, async_trait,
};

use super::checks;
use super::config::events::Events;
use super::config::snapshot::SnapshotSettings;
use super::config::{self, MySqlConfig};
use super::envelope::Flavour;
use super::position::StoredOffset;
use super::task::MySqlTask;

/// The MySQL connector under Debezium's class name.
pub const MYSQL: Plugin = Plugin {
    class: "io.debezium.connector.mysql.MySqlConnector",
    aliases: &["mysql"],
    version: env!("CARGO_PKG_VERSION"),
    documentation: "Captures the rows of MySQL tables: a snapshot, then every change from the binlog, in Debezium's form.",
    config: config::definition,
    kind: PluginKind::Source(|| Box::new(MySqlConnector(Flavour::MySql))),
};

/// The MariaDB connector under Debezium's class name.
pub const MARIADB: Plugin = Plugin {
    class: "io.debezium.connector.mariadb.MariaDbConnector",
    aliases: &["mariadb"],
    version: env!("CARGO_PKG_VERSION"),
    documentation: "Captures the rows of MariaDB tables: a snapshot, then every change from the binlog, in Debezium's form.",
    config: config::definition,
    kind: PluginKind::Source(|| Box::new(MySqlConnector(Flavour::MariaDb))),
};

/// Either connector.
#[derive(Debug, Clone, Copy)]
pub struct MySqlConnector(Flavour);

#[async_trait]
impl SourceConnector for MySqlConnector {
    async fn validate(&self, config: &Props) -> std::result::Result<(), ConfigErrors> {
        let (loaded, filter) = MySqlConfig::load(config)?;
        let (settings, events) = (SnapshotSettings::load(config)?, Events::load(config)?);
        checks::preflight(&loaded, (&settings, &events), &filter).await
    }

    fn task_configs(&self, config: &Props, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![config.clone()])
    }

    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(MySqlTask::new(self.0))
    }

    fn exactly_once_support(&self, _config: &Props) -> Option<ExactlyOnceSupport> {
        Some(ExactlyOnceSupport::Supported)
    }

    fn signal_topic(&self, config: &Props) -> Option<SignalTopic> {
        // What does not pass the checks does not run, and so listens to nothing.
        let Ok(settings) = SnapshotSettings::load(config) else { return None };
        settings.signal_topic(config.get("topic.prefix")?, config)
    }

    fn check_offsets(&self, config: &Props, offsets: &[(FlatMap, Option<FlatMap>)]) -> Result<()> {
        for (partition, offset) in offsets {
            let prefix = config.get("topic.prefix").map(String::as_str);
            let server = partition.get("server").and_then(Value::as_str);
            if server.is_none() || (prefix.is_some() && server != prefix) {
                return Err(Error::bad_config(format!(
                    "the partition of this connector's offset is {{\"server\": \"{}\"}}",
                    prefix.unwrap_or("<topic.prefix>")
                )));
            }
            let Some(offset) = offset else { continue };
            let stored = StoredOffset::parse(offset, self.0 == Flavour::MariaDb)
                .map_err(|error| Error::bad_config("the offset cannot be read").with_source(error))?;
            if stored.position.file.is_empty() {
                return Err(Error::bad_config(
                    "the offset needs \"file\" and \"pos\", or \"gtids\" beside them",
                ));
            }
        }
        Ok(())
    }
}
