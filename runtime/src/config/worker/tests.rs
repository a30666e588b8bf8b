//! A worker without a file, with Kafka Connect's own files, and with mistakes.

use super::*;

fn props(said: &[(&str, &str)]) -> Props {
    said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn nothing_needs_to_be_said() {
    let config = WorkerConfig::parse(&Props::new()).unwrap();
    assert_eq!(config.listeners, [Listener::parse("http://127.0.0.1:8083").unwrap()]);
    assert_eq!(config.embedded_broker(), Some(Props::new()));
    let topics =
        [config.config_topic(), config.offset_topic(), config.status_topic(), config.history_topic()];
    let shapes: Vec<(&str, i32, i16)> = topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partitions, topic.replication_factor))
        .collect();
    let expected = [
        ("connect-configs", 1, 1),
        ("connect-offsets", 25, 1),
        ("connect-status", 5, 1),
        ("connect-history", 1, 1),
    ];
    assert_eq!(shapes, expected);
    let converter = config.converter("key.converter");
    assert_eq!(converter.class, "org.apache.kafka.connect.json.JsonConverter");
    assert_eq!(converter.props, props(&[("schemas.enable", "false")]));
    assert!(config.notices.is_empty(), "{:?}", config.notices);
}

#[test]
fn a_named_converter_has_its_own_defaults() {
    let said = props(&[("value.converter", "JsonConverter"), ("key.converter.schemas.enable", "true")]);
    let config = WorkerConfig::parse(&said).unwrap();
    assert_eq!(
        config.converter("value.converter").props,
        Props::new(),
        "Connect's default is schemas.enable=true"
    );
    assert_eq!(config.converter("key.converter").props, props(&[("schemas.enable", "true")]));
}

#[test]
fn another_broker_is_used_as_it_is() {
    let said =
        props(&[("bootstrap.servers", "k1:9092, k2:9092"), ("offset.storage.segment.bytes", "1000000")]);
    let config = WorkerConfig::parse(&said).unwrap();
    assert_eq!(config.options.bootstrap_servers, ["k1:9092", "k2:9092"]);
    assert_eq!((config.embedded_broker(), config.offset_topic().replication_factor), (None, -1));
    assert_eq!(config.offset_topic().configs, props(&[("segment.bytes", "1000000")]));
}

#[test]
fn all_errors_come_at_once_and_name_their_setting() {
    let said = props(&[
        ("listeners", "https://a:1,b"),
        ("exactly.once.source.support", "maybe"),
        ("offset.flush.interval.ms", "soon"),
        ("connector.client.config.override.policy", "Some"),
        ("config.storage.topic", "a b"),
    ]);
    let text = WorkerConfig::parse(&said).unwrap_err().to_string();
    for name in [
        "b for configuration listeners",
        "ssl.keystore.location: an https listener needs a certificate",
        "exactly.once",
        "offset.flush.interval.ms",
        "config.storage.topic",
    ] {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
}

#[test]
fn settings_without_effect_and_unknown_ones_are_reported() {
    let said =
        props(&[("plugin.path", "/opt"), ("offset.flush.intervall.ms", "1"), ("broker.log.dirs", "/d")]);
    let config = WorkerConfig::parse(&said).unwrap();
    let text = config.notices.join("\n");
    assert!(text.contains("plugin.path has no effect here"), "{text}");
    assert!(text.contains("did you mean \"offset.flush.interval.ms\"?"), "{text}");
    assert_eq!(config.notices.len(), 2, "{text}");
    assert_eq!(config.embedded_broker(), Some(props(&[("log.dirs", "/d")])));
}

#[test]
fn no_name_is_both_declared_and_without_effect() {
    let definition = WorkerConfig::definition();
    for name in accepted::names() {
        assert!(definition.get(name).is_none(), "{name}");
    }
}
