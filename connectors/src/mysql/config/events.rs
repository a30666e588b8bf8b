//! The options about events themselves: which records come beside the rows', what their schemas and headers say, which
//! values are masked, and what happens to an event that cannot be read.
//!
//! Read with [`super::MySqlConfig`] and from the same properties; the parts that are patterns are compiled here once.
//! Invariant: what parses acts.

use api::Error;
use api::configs::{ConfigDef, ConfigError, ConfigErrors, Props, config, config_enum};
use fancy_regex::Regex;

use crate::mysql::envelope::masks::Masks;
use crate::mysql::filter::whole_name;

config_enum! {
    /// What happens to an event that cannot be carried out.
    pub enum FailureHandling {
        /// The task fails and names the event.
        Fail = "fail",
        /// The event is left out and named in the log as a warning.
        Warn = "warn",
        /// The event is left out; the log names it at the level of debugging.
        Skip = "skip",
        /// The older name of `skip`.
        Ignore = "ignore",
    }
}

config_enum! {
    /// What records say of columns that the server left out of a row.
    pub enum UnavailableHandling {
        /// A placeholder stands for texts, blobs and JSON; another column ends the task.
        Fail = "fail",
        /// They are null, or the placeholder, and headers name them.
        Header = "header",
    }
}

config_enum! {
    /// How names are changed for Avro, which allows letters, digits and underscores only.
    pub enum NameAdjustment {
        /// Names stay as they are.
        None = "none",
        /// Other characters become `_`.
        Avro = "avro",
        /// Other characters, and `_` itself, become `_u` and four digits.
        AvroUnicode = "avro_unicode",
    }
}

config! {
    /// The options of the MySQL and MariaDB sources about events.
    pub struct EventConfig {
        /// Whether each change of a table's definition is a record in the topic `topic.prefix`.
        schema_changes: bool = default("include.schema.changes", true).group("Events");
        /// Whether schema changes of captured tables only are recorded; else those of all tables are.
        only_captured_tables: bool = default("schema.history.internal.store.only.captured.tables.ddl", false).importance(Low).group("Events");
        /// Whether schema changes of captured databases only are recorded.
        only_captured_databases: bool = default("schema.history.internal.store.only.captured.databases.ddl", false).importance(Low).group("Events");
        /// Whether comments of tables and columns stand in schemas and in schema changes.
        schema_comments: bool = default("include.schema.comments", false).group("Events");
        /// Whether records say their place in their transaction, and the transaction topic says where each begins and ends.
        transactions: bool = default("provide.transaction.metadata", false).group("Events");
        /// The last part of the name of the transaction topic; the prefix comes before it.
        transaction_topic: String = default("topic.transaction", "transaction").importance(Low).check(matches(r"[a-zA-Z0-9._\-]+")).group("Events");
        /// Whether the source block holds the statement that made the change; needs `binlog_rows_query_log_events=ON` on the
        /// server (MariaDB: `binlog_annotate_row_events`, its default).
        query: bool = default("include.query", false).group("Events");
        /// Whether an update that changes no captured column is left out.
        skip_unchanged: bool = default("skip.messages.without.change", false).group("Events");
        /// What records say of columns that the server left out of a row (`binlog_row_image`): `fail` puts
        /// `unavailable.value.placeholder` into texts, blobs and JSON and ends the task at any other column; `header` makes every column
        /// but the key's optional, without a default, has null in them (the placeholder in texts, blobs and JSON), and the headers
        /// `__debezium.unavailable.before` and `.after` list the fields concerned. A server with `binlog_row_image=MINIMAL` needs it.
        unavailable: UnavailableHandling = default("unavailable.column.handling.mode", UnavailableHandling::Fail).group("Events");
        /// Whether records carry the headers `__debezium.context.connectorLogicalName`, `.taskId`, `.connectorName` and `.runId`.
        context_headers: bool = default("extended.headers.enabled", true).importance(Low).group("Events");
        /// How names of schemas are changed for Avro.
        schema_names: NameAdjustment = default("schema.name.adjustment.mode", NameAdjustment::None).group("Events");
        /// How names of fields are changed for Avro.
        field_names: NameAdjustment = default("field.name.adjustment.mode", NameAdjustment::None).group("Events");
        /// Columns whose SQL types stand in their schemas' parameters: regular expressions for `database.table.column`.
        propagated_columns: Vec<String> = default("column.propagate.source.type", "").group("Events");
        /// SQL types that stand in the parameters of their columns' schemas: regular expressions for `database.table.TYPE`.
        propagated_types: Vec<String> = default("datatype.propagate.source.type", "").group("Events");
        /// Runs with each heartbeat, such as an insert into a captured table.
        heartbeat_query: Option<String> = optional("heartbeat.action.query").group("Flow");
        /// The whole name of the heartbeat topic, in place of its prefix and `topic.prefix`.
        heartbeat_topic: Option<String> = optional("topic.heartbeat.name").importance(Low).check(matches(r"[a-zA-Z0-9._\-]+")).group("Flow");
        /// Only changes that these servers made are captured: regular expressions for their UUIDs (MariaDB: numbers of domains).
        gtid_includes: Vec<String> = default("gtid.source.includes", "").group("Captured");
        /// Changes that these servers made are left out; not together with `gtid.source.includes`.
        gtid_excludes: Vec<String> = default("gtid.source.excludes", "").group("Captured");
        /// Whether `gtid.source.*` leaves row changes out; if not, it decides nothing here, since a position covers every server.
        gtid_filters_rows: bool = default("gtid.source.filter.dml.events", true).importance(Low).group("Captured");
        /// What happens to an event that cannot be read: `fail`, `warn` or `skip`.
        failures: FailureHandling = default("event.processing.failure.handling.mode", FailureHandling::Fail)
            .alias("event.deserialization.failure.handling.mode").group("Errors");
        /// What happens to rows that do not fit their table's definition: `fail`, `warn` or `skip`.
        inconsistent_schemas: FailureHandling = default("inconsistent.schema.handling.mode", FailureHandling::Fail).group("Errors");
        /// How many tables may be captured; 0 is no limit.
        tables_max: usize = default("guardrail.collections.max", 0).importance(Low).group("Errors");
        /// What happens when more are: `warn` or `fail`.
        tables_max_action: FailureHandling = default("guardrail.collections.limit.action", FailureHandling::Warn).importance(Low).group("Errors");
    }
}

impl FailureHandling {
    /// Fails, or says what is passed over and goes on.
    ///
    /// # Errors
    /// The error itself, if it is to fail.
    pub fn decide(self, error: Error) -> Result<(), Error> {
        match self {
            Self::Fail => return Err(error),
            Self::Warn => tracing::warn!(error = %error.report(), "an event is left out"),
            Self::Skip | Self::Ignore => tracing::debug!(error = %error.report(), "an event is left out"),
        }
        Ok(())
    }
}

/// Prefixes of the options whose names hold numbers, salts and methods.
pub const OPEN_PREFIXES: [&str; 2] = ["column.mask.", "column.truncate."];

/// The options with what is compiled of them.
#[derive(Debug, Clone)]
pub struct Events {
    /// The options as they are said.
    pub config: EventConfig,
    /// `column.mask.*` and `column.truncate.*`.
    pub masks: Masks,
    /// Columns and types whose source types are propagated.
    pub propagated: Propagated,
    /// Whose transactions are captured.
    pub origins: Origins,
}

/// `column.propagate.source.type` and `datatype.propagate.source.type`.
#[derive(Debug, Clone, Default)]
pub struct Propagated {
    columns: Vec<Regex>,
    types: Vec<Regex>,
}

impl Propagated {
    /// Whether a column's type is propagated: by `database.table.column` or by `database.table.TYPE`.
    #[must_use]
    pub fn matches(&self, column: &str, type_name: &str) -> bool {
        let any = |patterns: &[Regex], name: &str| {
            patterns.iter().any(|pattern| pattern.is_match(name).unwrap_or(false))
        };
        any(&self.columns, column) || any(&self.types, type_name)
    }
}

/// `gtid.source.includes` and `gtid.source.excludes`.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    includes: Vec<Regex>,
    excludes: Vec<Regex>,
}

impl Origins {
    /// Whether all transactions are captured, so that there is nothing to ask.
    #[must_use]
    pub const fn allow_all(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }

    /// Whether transactions of this source (a UUID; MariaDB: a domain) are captured.
    #[must_use]
    pub fn allow(&self, source: &str) -> bool {
        let any =
            |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(source).unwrap_or(false));
        (self.includes.is_empty() || any(&self.includes)) && !any(&self.excludes)
    }
}

impl Events {
    /// Reads and compiles the options.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(props: &Props) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let config = EventConfig::parse(props);
        let masks = Masks::parse(props);
        let (config, masks) = match (config, masks) {
            (Ok(config), Ok(masks)) => (config, masks),
            (config, masks) => {
                config.err().into_iter().for_each(|more| errors.extend(more));
                masks.err().into_iter().for_each(|more| errors.extend(more));
                return Err(errors);
            }
        };
        if !config.gtid_includes.is_empty() && !config.gtid_excludes.is_empty() {
            let sentence = "Only one of \"gtid.source.includes\" and \"gtid.source.excludes\" may be given";
            errors.push(ConfigError::other("gtid.source.excludes", sentence));
        }
        let mut compiled = |option: &str, patterns: &[String]| {
            let compile = |pattern: &String| match whole_name(pattern) {
                Ok(pattern) => Some(pattern),
                Err(reason) => {
                    errors.push(ConfigError::invalid(option, pattern, reason));
                    None
                }
            };
            patterns.iter().filter_map(compile).collect::<Vec<_>>()
        };
        let propagated = Propagated {
            columns: compiled("column.propagate.source.type", &config.propagated_columns),
            types: compiled("datatype.propagate.source.type", &config.propagated_types),
        };
        let origins = Origins {
            includes: compiled("gtid.source.includes", &config.gtid_includes),
            excludes: compiled("gtid.source.excludes", &config.gtid_excludes),
        };
        errors.into_result(Self { config, masks, propagated, origins })
    }
}

/// The options as a definition.
#[must_use]
pub fn definition() -> ConfigDef {
    OPEN_PREFIXES
        .iter()
        .fold(EventConfig::definition().clone(), |definition, prefix| definition.open(*prefix))
}

/// The statements of `database.initial.statements`.
#[must_use]
pub fn statements(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, all.last_mut()) {
            (';', _) if chars.peek() != Some(&';') => all.push(String::new()),
            (c, Some(last)) => {
                if c == ';' {
                    chars.next();
                }
                last.push(c);
            }
            (_, None) => {}
        }
    }
    all.into_iter().map(|statement| statement.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}
