//! What may be said of snapshots, signals and notifications: Debezium's options, by its names and with its defaults.
//!
//! Apart from the other options because they concern another part of the reader. What Debezium has and we do not is
//! refused with what to do instead, so that nothing that was asked for is quietly left out.

use std::collections::HashMap;
use std::time::Duration;

use api::SignalTopic;
use api::configs::{ConfigError, ConfigErrors, Password, Props, config, config_enum, strip_prefix};
use fancy_regex::Regex;

use crate::mysql::filter::whole_name;
use crate::mysql::shape::TableId;

config_enum! {
    /// When a snapshot is taken.
    pub enum SnapshotMode {
        /// At every start.
        Always = "always",
        /// When there is no offset, or only that of an unfinished snapshot.
        Initial = "initial",
        /// As `initial`, and then nothing more.
        InitialOnly = "initial_only",
        /// The tables' shapes only: changes from now on.
        NoData = "no_data",
        /// The older name of `no_data`.
        SchemaOnly = "schema_only",
        /// The tables' shapes are read again; reading goes on from the offset.
        Recovery = "recovery",
        /// The older name of `recovery`.
        SchemaOnlyRecovery = "schema_only_recovery",
        /// As `initial`, and also when the server no longer has the binlog at the offset.
        WhenNeeded = "when_needed",
        /// As `snapshot.mode.configuration.based.*` say.
        ConfigurationBased = "configuration_based",
    }
}

config_enum! {
    /// How the snapshot keeps the binlog still while it opens its view.
    pub enum LockingMode {
        /// A lock for some milliseconds.
        Minimal = "minimal",
        /// Percona Server's backup lock; the server itself tells the position of the view.
        MinimalPercona = "minimal_percona",
        /// The same, and never a lock on single tables.
        MinimalPerconaNoTableLocks = "minimal_percona_no_table_locks",
        /// A lock for some milliseconds; rows are then read as they are at that time, and changes since the lock come again.
        MinimalAtLeastOnce = "minimal_at_least_once",
        /// A lock for as long as the snapshot takes.
        Extended = "extended",
        /// No lock.
        None = "none",
    }
}

config_enum! {
    /// In which order a snapshot reads its tables.
    pub enum RowCountOrder {
        /// By name.
        Disabled = "disabled",
        /// Small tables first, by the server's estimate.
        Ascending = "ascending",
        /// Large tables first, by the server's estimate.
        Descending = "descending",
    }
}

config_enum! {
    /// How the end of a chunk's window is marked in the signal table.
    pub enum Watermarking {
        /// By a second row.
        InsertInsert = "insert_insert",
        /// By deleting the first row, so that the table does not grow.
        InsertDelete = "insert_delete",
    }
}

config! {
    /// The options of snapshots, signals and notifications.
    pub struct SnapshotConfig {
        /// When a snapshot is taken: `initial`, `initial_only`, `always`, `when_needed`, `no_data`, `recovery`,
        /// `configuration_based`.
        mode: SnapshotMode = default("snapshot.mode", SnapshotMode::Initial).importance(High).group("Snapshot");
        /// With `configuration_based`: whether rows are read, at every start.
        based_on_data: bool = default("snapshot.mode.configuration.based.snapshot.data", false).importance(Low).group("Snapshot");
        /// With `configuration_based`: whether the tables' shapes are read, at every start.
        based_on_schema: bool = default("snapshot.mode.configuration.based.snapshot.schema", false).importance(Low).group("Snapshot");
        /// With `configuration_based`: whether the binlog is followed.
        based_on_stream: bool = default("snapshot.mode.configuration.based.start.stream", false).importance(Low).group("Snapshot");
        /// With `configuration_based`: whether a new snapshot is taken when the server no longer has the binlog at the offset.
        based_on_data_error: bool =
            default("snapshot.mode.configuration.based.snapshot.on.data.error", false).importance(Low).group("Snapshot");
        /// Whether a lock holds writers off for the milliseconds in which the snapshot opens its view. `none` never misses a
        /// change where the server has GTIDs, but may repeat some; no table may be altered meanwhile.
        locking_mode: LockingMode = default("snapshot.locking.mode", LockingMode::Minimal).group("Snapshot");
        /// How long to wait for that lock.
        lock_timeout: Duration = default("snapshot.lock.timeout.ms", 10_000).group("Snapshot");
        /// Captured tables whose rows the snapshot reads: regular expressions for `database.table`. Empty means all.
        include_tables: Vec<String> = default("snapshot.include.collection.list", "").group("Snapshot");
        /// Tables for which the snapshot runs another statement: `snapshot.select.statement.overrides.<database>.<table>` says which.
        overrides: Vec<String> = default("snapshot.select.statement.overrides", "").group("Snapshot");
        /// How the snapshot reads tables: `select_all`, and what `snapshot.select.statement.overrides` says.
        query_mode: String = default("snapshot.query.mode", "select_all").check(one_of_ignoring_case(&["select_all"])).importance(Low).group("Snapshot");
        /// Rows between two checkpoints of a snapshot at most; a checkpoint also comes after about 256 KiB.
        fetch_rows: usize = default("snapshot.fetch.size", 2000).check(range(1, 1_000_000)).group("Snapshot");
        /// How long to wait before a snapshot.
        delay: Duration = default("snapshot.delay.ms", 0).importance(Low).group("Snapshot");
        /// How long to wait between the snapshot and the binlog.
        streaming_delay: Duration = default("streaming.delay.ms", 0).importance(Low).group("Snapshot");
        /// Whether the snapshot reads small or large tables first.
        order: RowCountOrder = default("snapshot.tables.order.by.row.count", RowCountOrder::Disabled).group("Snapshot");
        /// Sessions that read the snapshot's one view at once; each reads ranges of the tables' keys. Rows keep their order.
        threads: usize = default("snapshot.max.threads", 1).check(range(1, 64)).group("Snapshot");
        /// How many ranges a session reads of a large table at least.
        threads_multiplier: usize = default("snapshot.max.threads.multiplier", 1).check(range(1, 1024)).importance(Low).group("Snapshot");
        /// The table through which signals come, as `database.table`: columns `id`, `type` and `data`.
        signal_table: Option<String> = optional("signal.data.collection").group("Signals");
        /// How signals come: `source` (rows of `signal.data.collection`), `kafka` (records of `signal.kafka.topic`), `file` (lines of
        /// `signal.file`).
        signal_channels: Vec<String> = default("signal.enabled.channels", "source").group("Signals");
        /// The file of the channel `file`: a JSON object a line, with `id`, `type` and `data`. It is emptied when it was read.
        signal_file: String = default("signal.file", "file-signals.txt").group("Signals");
        /// The topic of the channel `kafka`; by default `<topic.prefix>-signal`. Its first partition is read. A signal's key is the
        /// `topic.prefix`, its value a JSON object with `id`, `type` and `data`. Each is obeyed once.
        signal_topic: Option<String> = optional("signal.kafka.topic").group("Signals");
        /// The brokers of that topic, as host:port, separated by commas; by default the worker's. How to log in there is said with
        /// `signal.consumer.` before Kafka's names.
        signal_bootstrap_servers: Option<String> = optional("signal.kafka.bootstrap.servers").group("Signals");
        /// The consumer group whose place in that topic counts until the connector's own offsets say one.
        signal_group: String = default("signal.kafka.groupId", "kafka-signal").importance(Low).group("Signals");
        /// The login at that topic's brokers, as Kafka writes it.
        signal_jaas: Option<Password> = optional("signal.consumer.sasl.jaas.config").importance(Low).group("Signals");
        /// How often the file and the topic of signals are looked at.
        signal_poll_interval: Duration = default("signal.poll.interval.ms", 5000).check(at_least(1)).group("Signals");
        /// Rows that an incremental snapshot reads at once.
        chunk_rows: usize = default("incremental.snapshot.chunk.size", 1024).check(range(1, 1_000_000)).group("Signals");
        /// How an incremental snapshot marks the end of a chunk in the signal table.
        watermarking: Watermarking =
            default("incremental.snapshot.watermarking.strategy", Watermarking::InsertInsert).importance(Low).group("Signals");
        /// Whether incremental snapshots find their chunks' place by GTIDs, and never write to the signal table.
        read_only: bool = default("read.only", false).group("Signals");
        /// Where the progress of snapshots is told: `log`, `sink` (records in `notification.sink.topic.name`).
        notification_channels: Vec<String> = default("notification.enabled.channels", "").group("Signals");
        /// The topic of the channel `sink`.
        notification_topic: Option<String> = optional("notification.sink.topic.name").group("Signals");
    }
}

/// The options with what is made of them.
#[derive(Debug, Clone)]
pub struct SnapshotSettings {
    /// The options.
    pub config: SnapshotConfig,
    /// `snapshot.include.collection.list`.
    pub include: Vec<Regex>,
    /// The statements that read tables instead of ours, by the table's name in small letters.
    pub overrides: HashMap<String, String>,
    /// `signal.data.collection`.
    pub signal_table: Option<TableId>,
}

const OVERRIDES: &str = "snapshot.select.statement.overrides";

impl SnapshotSettings {
    /// Reads the options.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(props: &Props) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let mut props = props.clone();
        refuse_gone(&mut props, &mut errors);
        let config = match SnapshotConfig::parse(&props) {
            Ok(config) => config,
            Err(more) => {
                errors.extend(more);
                return Err(errors);
            }
        };
        check_channels(&config, &mut errors);
        let mut include = Vec::new();
        for pattern in &config.include_tables {
            match whole_name(pattern) {
                Ok(pattern) => include.push(pattern),
                Err(reason) => {
                    errors.push(ConfigError::invalid("snapshot.include.collection.list", pattern, reason));
                }
            }
        }
        let mut overrides = HashMap::new();
        for table in &config.overrides {
            let option = format!("{OVERRIDES}.{table}");
            match props.get(&option).filter(|statement| !statement.trim().is_empty()) {
                Some(statement) => {
                    overrides.insert(table.to_lowercase(), statement.trim().trim_end_matches(';').to_owned());
                }
                None => errors.push(ConfigError::other(
                    &option,
                    format!(
                        "{option}: {OVERRIDES} names the table {table}; give the statement that reads it"
                    ),
                )),
            }
        }
        let signal_table = config.signal_table.as_deref().filter(|name| !name.is_empty());
        let signal_table = signal_table.and_then(|name| {
            let parts = name.split_once('.').map(|(database, table)| TableId::new(database, table));
            if parts.is_none() {
                errors.push(ConfigError::invalid("signal.data.collection", name, "expected database.table"));
            }
            parts
        });
        errors.into_result(Self { config, include, overrides, signal_table })
    }

    /// Whether the snapshot reads the rows of a captured table.
    #[must_use]
    pub fn reads(&self, table: &TableId) -> bool {
        let name = table.to_string();
        let included =
            self.include.is_empty() || self.include.iter().any(|one| one.is_match(&name).unwrap_or(false));
        included && self.signal_table.as_ref() != Some(table)
    }

    /// The statement that reads a table instead of ours.
    #[must_use]
    pub fn override_of(&self, table: &TableId) -> Option<&str> {
        self.overrides.get(&table.to_string().to_lowercase()).map(String::as_str)
    }

    /// Whether signals come through a channel.
    #[must_use]
    pub fn listens_to(&self, channel: &str) -> bool {
        self.config.signal_channels.iter().any(|name| name.trim().eq_ignore_ascii_case(channel))
    }

    /// The topic of the channel `kafka`, if signals come through it.
    #[must_use]
    pub fn signal_topic(&self, prefix: &str, props: &Props) -> Option<SignalTopic> {
        if !self.listens_to("kafka") {
            return None;
        }
        let config = &self.config;
        let mut client = strip_prefix(props, "signal.consumer.");
        client.entry("group.id".to_owned()).or_insert_with(|| config.signal_group.clone());
        if let Some(brokers) = &config.signal_bootstrap_servers {
            client.insert("bootstrap.servers".to_owned(), brokers.clone());
        }
        let topic = config.signal_topic.clone().filter(|topic| !topic.is_empty());
        let topic = topic.unwrap_or_else(|| format!("{prefix}-signal"));
        Some(SignalTopic { topic, key: prefix.to_owned(), client })
    }

    /// Whether notifications go to a channel.
    #[must_use]
    pub fn notifies(&self, channel: &str) -> bool {
        self.config.notification_channels.iter().any(|name| name.trim().eq_ignore_ascii_case(channel))
    }
}

/// Values that Debezium has, or had, and we do not, each with what to do.
fn refuse_gone(props: &mut Props, errors: &mut ConfigErrors) {
    const GONE: [(&str, &str, &str); 4] = [
        (
            "snapshot.mode",
            "never",
            "it was removed from Debezium (3.6): no_data reads the tables' shapes and follows the binlog from now on, recovery \
             goes on from an offset",
        ),
        (
            "snapshot.mode",
            "custom",
            "modes written in Java cannot be run; configuration_based says by snapshot.mode.configuration.based.* what to do",
        ),
        (
            "snapshot.locking.mode",
            "custom",
            "locks written in Java cannot be taken; minimal locks for some milliseconds, none does not lock",
        ),
        (
            "snapshot.query.mode",
            "custom",
            "queries written in Java cannot be run; snapshot.select.statement.overrides gives statements per table",
        ),
    ];
    for (option, value, reason) in GONE {
        if props.get(option).is_some_and(|said| said.trim().eq_ignore_ascii_case(value)) {
            errors.push(ConfigError::invalid(option, value, reason));
            props.remove(option);
        }
    }
}

fn check_channels(config: &SnapshotConfig, errors: &mut ConfigErrors) {
    for channel in config.signal_channels.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let reason = match channel.to_lowercase().as_str() {
            "source" | "kafka" | "file" => continue,
            "jmx" => {
                "there is no JVM here; send the same signal through source (a table), kafka (a topic) or file"
            }
            _ => "expected source, kafka or file",
        };
        errors.push(ConfigError::invalid("signal.enabled.channels", channel, reason));
    }
    let mut sink = false;
    for channel in config.notification_channels.iter().map(|name| name.trim()).filter(|name| !name.is_empty())
    {
        match channel.to_lowercase().as_str() {
            "sink" => sink = true,
            "log" => {}
            _ => errors.push(ConfigError::invalid(
                "notification.enabled.channels",
                channel,
                "expected sink or log; there is no JMX here",
            )),
        }
    }
    if sink && config.notification_topic.as_deref().unwrap_or_default().is_empty() {
        errors.push(ConfigError::other(
            "notification.sink.topic.name",
            "notification.sink.topic.name: the channel sink of notification.enabled.channels needs a topic",
        ));
    }
}
