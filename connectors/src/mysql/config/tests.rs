//! The options as Debezium's documents write them.

use api::configs::Props;

use super::snapshot::{SnapshotMode, SnapshotSettings};
use super::{MySqlConfig, definition};

/// The example of Debezium's MySQL documentation.
fn documented() -> Props {
    let said = [
        ("connector.class", "io.debezium.connector.mysql.MySqlConnector"),
        ("database.hostname", "192.168.99.100"),
        ("database.port", "3306"),
        ("database.user", "debezium-user"),
        ("database.password", "debezium-user-pw"),
        ("database.server.id", "184054"),
        ("topic.prefix", "fullfillment"),
        ("database.include.list", "inventory"),
        ("schema.history.internal.kafka.bootstrap.servers", "kafka:9092"),
        ("schema.history.internal.kafka.topic", "schemahistory.fullfillment"),
        ("include.schema.changes", "true"),
    ];
    said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_documented_example_runs_unchanged() {
    let props = documented();
    let (config, filter) = MySqlConfig::load(&props).unwrap();
    let snapshot = SnapshotSettings::load(&props).unwrap().config;
    assert_eq!((config.port, config.server_id, snapshot.mode), (3306, 184_054, SnapshotMode::Initial));
    assert!(filter.captures_database("inventory") && !filter.captures_database("other"));
    let unknown = api::configs::unknown_keys(definition(), &props);
    assert_eq!(unknown.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["connector.class"]);
    assert!(api::configs::validate(definition(), &props).iter().all(|value| value.errors.is_empty()));
}

#[test]
fn what_is_not_built_is_refused_with_every_other_error() {
    let mut props = documented();
    props.remove("database.hostname");
    for (name, value) in [
        ("converters", "isbn"),
        ("column.mask.with.x.chars", "a"),
        ("snapshot.mode", "custom"),
        ("database.exclude.list", "x"),
        ("include.query", "false"),
    ] {
        props.insert(name.to_owned(), value.to_owned());
    }
    let errors = MySqlConfig::load(&props).unwrap_err().to_string();
    assert!(errors.contains("converters: not supported yet"), "{errors}");
    assert!(errors.contains("snapshot.mode") && errors.contains("database.hostname"), "{errors}");
    assert!(!errors.contains("include.query"), "{errors}");
}

#[test]
fn java_key_stores_are_refused_with_what_to_do() {
    let mut props = documented();
    props.insert("database.ssl.truststore".to_owned(), "/etc/trust.jks".to_owned());
    let errors = MySqlConfig::load(&props).unwrap_err().to_string();
    assert!(errors.contains("PEM"), "{errors}");
}
