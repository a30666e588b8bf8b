//! What may be said to the MySQL and MariaDB sources: Debezium's options, by its names and with its defaults.
//!
//! Read once when a task starts and when a configuration is checked; the data path sees the typed struct. Options that
//! Debezium's own documents carry and that have no meaning here, and those that are not built yet, stand in [`explained`].

pub mod events;
pub mod explained;
pub mod history;
pub mod snapshot;

use std::sync::LazyLock;
use std::time::Duration;

use api::Text;
use api::configs::{ConfigDef, ConfigError, ConfigErrors, Password, Props, config, config_enum};

use self::history::{FormerHistory, HistoryConfig};
use self::snapshot::{SnapshotConfig, SnapshotSettings};
use super::filter::{Filter, Lists};
use super::types::{BigintUnsignedHandling, BinaryHandling, DecimalHandling, TimePrecision, TypeOptions};

config_enum! {
    /// Whether and how the connection is encrypted. The second word of each pair is the MariaDB connector's.
    pub enum SslMode {
        /// Never.
        Disabled = "disabled",
        /// Never.
        Disable = "disable",
        /// If the server can; a loopback address without.
        Preferred = "preferred",
        /// Always, with any certificate.
        Required = "required",
        /// Always, with any certificate.
        Trust = "trust",
        /// Always, with a certificate of a trusted authority.
        VerifyCa = "verify_ca",
        /// Always, with a certificate of a trusted authority for this host.
        VerifyIdentity = "verify_identity",
    }
}

config! {
    /// The options of the MySQL and MariaDB sources.
    pub struct MySqlConfig {
        /// The address of the server.
        hostname: String = required("database.hostname").importance(High).check(non_empty()).group("Connection");
        /// The port of the server.
        port: u16 = default("database.port", 3306).importance(High).group("Connection");
        /// The user to connect as.
        user: String = required("database.user").importance(High).check(non_empty()).group("Connection");
        /// The user's password.
        password: Option<Password> = optional("database.password").importance(High).group("Connection");
        /// A number that no other server, replica or connector has: the server sends the binlog to one reader a number.
        server_id: u32 = required("database.server.id").importance(High).check(range(1, 4_294_967_295)).group("Connection");
        /// Encryption: `disabled`, `preferred` (if the server can; not for a loopback address), `required`, `verify_ca`,
        /// `verify_identity`; MariaDB's `disable` and `trust` are understood too.
        ssl_mode: SslMode = default("database.ssl.mode", SslMode::Preferred).group("Connection");
        /// A PEM file with the certificates of trusted authorities, for `verify_ca` and `verify_identity`.
        truststore: Option<String> = optional("database.ssl.truststore").group("Connection");
        /// A PEM file with the client's certificate and its private key, for servers that ask for one.
        keystore: Option<String> = optional("database.ssl.keystore").group("Connection");
        /// Statements that run first in each session, with `;` between them; `;;` stands for a semicolon.
        initial_statements: Option<String> = optional("database.initial.statements").importance(Low).group("Connection");
        /// How long connecting may take.
        connect_timeout: Duration = default("connect.timeout.ms", 30_000).group("Connection");
        /// A connection from which nothing came for so long is taken for dead; the server is asked for a sign of life four
        /// times in it.
        keep_alive_interval: Duration = default("connect.keep.alive.interval.ms", 60_000).check(at_least(1000)).group("Connection");
        /// Comes first in the names of all topics; must be its own for each connector.
        topic_prefix: String = required("topic.prefix").importance(High).check(matches(r"[a-zA-Z0-9._\-]+")).group("Topics");
        /// What stands between the parts of a topic's name.
        topic_delimiter: String = default("topic.delimiter", ".").importance(Low).check(matches(r"[a-zA-Z0-9._\-]+")).group("Topics");
        /// Databases to capture: regular expressions for whole names. Empty means all.
        databases: Vec<String> = default("database.include.list", "").importance(High).group("Captured");
        /// Databases not to capture; not together with `database.include.list`.
        databases_excluded: Vec<String> = default("database.exclude.list", "").group("Captured");
        /// Tables to capture: regular expressions for `database.table`. Empty means all.
        tables: Vec<String> = default("table.include.list", "").importance(High).group("Captured");
        /// Tables not to capture; not together with `table.include.list`.
        tables_excluded: Vec<String> = default("table.exclude.list", "").group("Captured");
        /// Columns to capture: regular expressions for `database.table.column`. Empty means all.
        columns: Vec<String> = default("column.include.list", "").group("Captured");
        /// Columns not to capture; not together with `column.include.list`.
        columns_excluded: Vec<String> = default("column.exclude.list", "").group("Captured");
        /// Operations to leave out: `c`, `u`, `d`, `t` (truncate), or `none`.
        skipped_operations: Vec<String> = default("skipped.operations", "t").check(one_of(&["c", "u", "d", "t", "none"])).group("Captured");
        /// Columns that make the record key instead of the primary key: `table-expression:column,column;...`.
        message_key_columns: Option<String> = optional("message.key.columns").group("Events");
        /// Whether a tombstone follows each delete.
        tombstones: bool = default("tombstones.on.delete", true).group("Events");
        /// How DECIMAL is written.
        decimal: String = default("decimal.handling.mode", "precise").check(one_of_ignoring_case(&["precise", "double", "string"])).group("Events");
        /// How dates and times are written.
        time_precision: String = default("time.precision.mode", "adaptive_time_microseconds")
            .check(one_of_ignoring_case(&["adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"])).group("Events");
        /// How BINARY, VARBINARY and BLOB are written.
        binary: String = default("binary.handling.mode", "bytes").check(one_of_ignoring_case(&["bytes", "base64", "base64-url-safe", "hex"])).group("Events");
        /// How BIGINT UNSIGNED is written: `long` wraps from 2^63 on, `precise` is Connect's Decimal.
        bigint_unsigned: String = default("bigint.unsigned.handling.mode", "long").check(one_of_ignoring_case(&["long", "precise"])).group("Events");
        /// Whether years of two digits in default values mean 1970 to 2069.
        time_adjuster: bool = default("enable.time.adjuster", true).importance(Low).group("Events");
        /// Stands for a text, blob or JSON document that the server left out of a row (`binlog_row_image`); see
        /// `unavailable.column.handling.mode` for other columns.
        unavailable_value: String = default("unavailable.value.placeholder", "__debezium_unavailable_value").importance(Low).group("Events");
        /// Records that a batch holds at most; a batch also ends at about 1 MiB.
        batch_records_max: usize = default("max.batch.size", 2048).check(at_least(1)).group("Flow");
        /// Records that wait at most between reading and writing.
        queue_records_max: usize = default("max.queue.size", 8192).check(at_least(1)).group("Flow");
        /// Bytes that wait at most between reading and writing; 0 means 32 MiB.
        queue_bytes_max: usize = default("max.queue.size.in.bytes", 0).group("Flow");
        /// How long to wait for records before an empty answer.
        poll_interval: Duration = default("poll.interval.ms", 500).check(at_least(1)).group("Flow");
        /// How often a record in the heartbeat topic carries the position on while nothing captured changes; 0 is never.
        heartbeat_interval: Duration = default("heartbeat.interval.ms", 0).group("Flow");
        /// Comes first in the name of the heartbeat topic.
        heartbeat_prefix: String = default("topic.heartbeat.prefix", "__debezium-heartbeat").alias("heartbeat.topics.prefix").importance(Low).group("Flow");
    }
}

/// Everything that the plugin says of its options: those that do something and the [`explained`] ones.
#[must_use]
pub fn definition() -> &'static ConfigDef {
    static DEFINITION: LazyLock<ConfigDef> = LazyLock::new(|| {
        explained::EXPLAINED_PREFIXES.iter().fold(
            MySqlConfig::definition()
                .clone()
                .merge(SnapshotConfig::definition())
                .merge(&events::definition())
                .merge(HistoryConfig::definition())
                .merge(&explained::definition()),
            |definition, prefix| definition.open(*prefix),
        )
    });
    &DEFINITION
}

impl MySqlConfig {
    /// The typed options with what the declaration alone cannot check.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(props: &Props) -> Result<(Self, Filter), ConfigErrors> {
        let mut errors = explained::refused(props);
        let config = match Self::parse(props) {
            Ok(config) => config,
            Err(more) => {
                errors.extend(more);
                if let Err(more) = SnapshotSettings::load(props) {
                    errors.extend(more);
                }
                return Err(errors);
            }
        };
        if let Err(more) = super::envelope::KeyColumns::parse(config.message_key_columns.as_deref()) {
            errors.push(more);
        }
        if let Err(more) = events::Events::load(props) {
            errors.extend(more);
        }
        if let Err(more) = FormerHistory::load(props) {
            errors.extend(more);
        }
        config.check_trust(&mut errors);
        let signal_table = match SnapshotSettings::load(props) {
            Ok(settings) => settings.signal_table,
            Err(more) => {
                errors.extend(more);
                None
            }
        };
        match Filter::new(config.lists()) {
            Ok(filter) => errors.into_result((config, filter.with_signal_table(signal_table))),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }

    fn lists(&self) -> Lists<'_> {
        Lists {
            databases: (&self.databases, &self.databases_excluded),
            tables: (&self.tables, &self.tables_excluded),
            columns: (&self.columns, &self.columns_excluded),
        }
    }

    fn check_trust(&self, errors: &mut ConfigErrors) {
        let stores = [
            ("database.ssl.truststore", &self.truststore, "the authorities' certificates"),
            ("database.ssl.keystore", &self.keystore, "the client's certificate and its private key"),
        ];
        for (option, path, content) in stores {
            let Some(path) = path else { continue };
            if [".jks", ".p12", ".pfx"].iter().any(|end| path.to_lowercase().ends_with(end)) {
                let reason = format!("Java key stores cannot be read; give a PEM file with {content}");
                errors.push(ConfigError::invalid(option, path, reason));
            }
        }
    }

    /// How values are written.
    #[must_use]
    pub fn type_options(&self) -> TypeOptions {
        let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
        TypeOptions {
            decimal: match &*self.decimal {
                text if is(text, "double") => DecimalHandling::Double,
                text if is(text, "string") => DecimalHandling::String,
                _ => DecimalHandling::Precise,
            },
            bigint_unsigned: if is(&self.bigint_unsigned, "precise") {
                BigintUnsignedHandling::Precise
            } else {
                BigintUnsignedHandling::Long
            },
            time_precision: match &*self.time_precision {
                text if is(text, "connect") => TimePrecision::Connect,
                text if is(text, "isostring") => TimePrecision::IsoString,
                text if is(text, "microseconds") => TimePrecision::Microseconds,
                text if is(text, "nanoseconds") => TimePrecision::Nanoseconds,
                _ => TimePrecision::AdaptiveTimeMicroseconds,
            },
            binary: match &*self.binary {
                text if is(text, "base64") => BinaryHandling::Base64,
                text if is(text, "base64-url-safe") => BinaryHandling::Base64UrlSafe,
                text if is(text, "hex") => BinaryHandling::Hex,
                _ => BinaryHandling::Bytes,
            },
            time_adjuster: self.time_adjuster,
            unavailable_value: Text::from(self.unavailable_value.as_str()),
        }
    }

    /// Whether operations of this letter are left out.
    #[must_use]
    pub fn skips(&self, operation: &str) -> bool {
        self.skipped_operations.iter().any(|skipped| skipped == operation)
    }

    /// The bound of the queue in bytes.
    #[must_use]
    pub const fn queue_bytes(&self) -> usize {
        const QUEUE_BYTES: usize = 32 << 20;
        if self.queue_bytes_max == 0 { QUEUE_BYTES } else { self.queue_bytes_max }
    }

    /// `host:port`, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.hostname, self.port)
    }
}

#[cfg(test)]
mod tests;
