//! Options of Debezium that do nothing here, and why: those that have no meaning in Millrace are accepted, those that
//! would change what comes out and are not built yet are accepted only with the value that says what happens anyway.
//!
//! So a configuration from Debezium's documents runs unchanged, and one that asks for more is told so instead of being
//! obeyed by half.

use api::configs::{ConfigDef, ConfigError, ConfigErrors, ConfigKey, Importance, Props, check, optional};

/// Whole families of options that are accepted, whatever follows.
pub const EXPLAINED_PREFIXES: [&str; 5] = [
    "schema.history.internal.",
    "signal.consumer.",
    "driver.",
    "database.jdbc.",
    "snapshot.select.statement.overrides.",
];

/// Options that are accepted and do nothing, each with the reason.
const ACCEPTED: &[(&str, &str)] = &[
    ("database.protocol", "Accepted and not needed: there is no JDBC here."),
    ("signal.kafka.poll.timeout.ms", "Accepted and not needed: the topic is read meanwhile."),
    (
        "database.query.timeout.ms",
        "Accepted: statements that are slow at the start of a snapshot are waited for.",
    ),
    ("database.server.id.offset", "Accepted and not needed: no further binlog connections are opened."),
    ("connect.keep.alive", "Accepted: a dead connection is always noticed and opened again."),
    ("use.nongraceful.disconnect", "Accepted and not needed: connections are closed without waiting."),
    ("min.row.count.to.stream.results", "Accepted and not needed: rows are always streamed."),
    (
        "legacy.snapshot.max.threads",
        "Accepted: rows come in the same order either way; see snapshot.max.threads.",
    ),
    (
        "signal.emit.failure.max.retries",
        "Accepted: what cannot be written to the signal table is tried again.",
    ),
    (
        "signal.emit.failure.backoff.ms",
        "Accepted: what cannot be written to the signal table is tried again.",
    ),
    (
        "incremental.snapshot.allow.schema.changes",
        "Accepted either way: a chunk whose table is altered meanwhile is read again.",
    ),
    (
        "snapshot.mode.configuration.based.snapshot.on.schema.error",
        "Accepted either way: a shape that is not remembered is read from the server.",
    ),
    ("query.fetch.size", "Accepted and not needed: rows are streamed in batches of about 1 MiB."),
    ("ddl.parser.type", "Accepted: there is one DDL reader."),
    ("connection.validation.timeout.ms", "Accepted: see connect.timeout.ms."),
    ("executor.shutdown.timeout.ms", "Accepted: the worker's own deadline counts."),
    ("topic.cache.size", "Accepted and not needed: names are made once per table."),
    ("statistics.metrics.enabled", "Accepted: metrics cost nothing until they are read."),
    ("advanced.metrics.enable", "Accepted: metrics cost nothing until they are read."),
    ("offset.activity.monitor.interval.ms", "Accepted: /metrics shows how far behind the source is."),
    (
        "retriable.restart.connector.wait.ms",
        "Accepted: errors.retry.* of the worker count, and lost connections are opened again.",
    ),
    (
        "errors.max.retries",
        "Accepted: lost connections are opened again without end, other errors fail the task.",
    ),
];

/// Options that are not built yet, each with the values that say what happens anyway, and what the others would do.
const REFUSED: &[(&str, &[&str], &str)] = &[
    ("binlog.buffer.size", &["0"], "Holding transactions back until they commit."),
    ("table.ignore.builtin", &["true"], "Capturing the server's own tables."),
    (
        "event.converting.failure.handling.mode",
        &["warn", "fail"],
        "Writing null for values that cannot be converted; here that always fails the task.",
    ),
    (
        "topic.naming.strategy",
        &["io.debezium.schema.DefaultTopicNamingStrategy", "io.debezium.schema.SchemaTopicNamingStrategy"],
        "Other names of topics.",
    ),
    ("converters", &[""], "Debezium's custom converters."),
    ("post.processors", &[""], "Debezium's post processors."),
    ("snapshot.mode.custom.name", &[""], "Snapshot modes written in Java."),
    ("snapshot.locking.mode.custom.name", &[""], "Locking modes written in Java."),
    ("snapshot.query.mode.custom.name", &[""], "Queries written in Java."),
    ("log.position.check.enable", &["true"], "Not checking that the server still has the binlog."),
    ("gtid.ignore.on.recovery", &["false"], "Going on by file and position where there are GTIDs."),
    ("custom.metric.tags", &[""], "Tags on metrics."),
];

/// The explained options as a definition.
#[must_use]
pub fn definition() -> ConfigDef {
    let group = |key: ConfigKey, group| key.importance(Importance::Low).group(group);
    let accepted = ACCEPTED.iter().map(|(name, why)| {
        group(optional(name).documentation(why), "Accepted for configurations written for Debezium")
    });
    let refused = REFUSED.iter().map(|(name, values, what)| {
        let key = optional(name).check(check::one_of(values)).documentation(what);
        group(key, "Not built yet: only the value that changes nothing is accepted")
    });
    ConfigDef::new(accepted.chain(refused).collect())
}

/// What asks for something that is not built yet.
#[must_use]
pub fn refused(props: &Props) -> ConfigErrors {
    let asked = REFUSED.iter().filter_map(|(name, values, what)| {
        let said = props.get(*name)?.trim();
        let reason =
            format!("not supported yet ({}); accepted: {}", what.trim_end_matches('.'), values.join(", "));
        (!values.iter().any(|value| value.eq_ignore_ascii_case(said)))
            .then(|| ConfigError::invalid(name, said, reason))
    });
    asked.collect()
}
