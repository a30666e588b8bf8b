//! Bad configurations: what each error says. (Kafka Connect's own cases, by name and number of errors: `connect`.)

use std::time::Duration;

use api::Registry;
use configs::{HIDDEN, Props};

use super::*;
use crate::config::WorkerConfig;
use crate::herder::ConfigChecker;

mod connect;
mod plugins;

pub(crate) use plugins::PLUGINS;

fn validator(worker: &[(&str, &str)]) -> Validator {
    let worker = worker.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let worker = WorkerConfig::parse(&worker).unwrap();
    let registry = Registry::new().with(&PLUGINS);
    Validator::new(registry, &worker, PluginCalls::new(Duration::from_millis(200))).unwrap()
}

fn props(base: &[(&str, &str)], change: &[(&str, &str)]) -> Props {
    let said = base.iter().chain(change).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let mut props: Props = said.collect();
    props.retain(|_, text| text != "(remove)");
    props
}

const SINK: [(&str, &str); 6] = [
    ("name", "sink-connector"),
    ("connector.class", "FileSinkConnector"),
    ("topics", "t1"),
    ("file", "/f"),
    ("key.converter", "test.StringConverter"),
    ("value.converter", "test.StringConverter"),
];
const SOURCE: [(&str, &str); 3] = [("name", "s"), ("connector.class", "FileSource"), ("file", "/f")];
const WORKER: [(&str, &str); 1] = [("group.id", "connect-worker-group-id")];

async fn infos(worker: &[(&str, &str)], props: &Props) -> ConfigInfos {
    let said = props.iter().map(|(name, text)| (name.clone(), Some(text.clone()))).collect();
    validator(worker).validate(said).await.unwrap()
}

/// The errors of the sink with a change.
async fn errors(change: &[(&str, &str)]) -> Vec<String> {
    infos(&WORKER, &props(&SINK, change)).await.errors().map(str::to_owned).collect()
}

/// A change, a count, the beginning of an error.
type Case = (&'static [(&'static str, &'static str)], usize, &'static str);

/// What each case changes, how many errors that makes, and what the first says.
const TABLE: &[Case] = &[
    (&[], 0, ""),
    (&[("topics", "(remove)")], 2, "Must configure one of topics or topics.regex"),
    (
        &[("topics.regex", "r.*")],
        2,
        "topics and topics.regex are mutually exclusive options, but both are set.",
    ),
    (
        &[("errors.deadletterqueue.topic.name", "t1")],
        1,
        "The DLQ topic 't1' may not be included in the list of topics",
    ),
    (
        &[("topics.regex", "r.*"), ("errors.deadletterqueue.topic.name", "ruh.roh"), ("topics", "(remove)")],
        1,
        "The DLQ topic 'ruh.roh' may not be included in the regex matching the topics",
    ),
    (
        &[("name", "worker-group-id")],
        1,
        "Consumer group for sink connector named worker-group-id conflicts with Connect worker group",
    ),
    (
        &[("consumer.override.group.id", "connect-worker-group-id")],
        1,
        "Consumer group connect-worker-group-id conflicts with",
    ),
    (&[("transforms", "t, t"), ("transforms.t.type", "test.Filter")], 1, "Duplicate alias provided."),
    (
        &[("transforms", "t")],
        1,
        "Missing required configuration \"transforms.t.type\" which has no default value.",
    ),
    (
        &[("transforms", "t"), ("transforms.t.type", "WheresTheFruit")],
        1,
        "Class WheresTheFruit could not be found.",
    ),
    (
        &[("transforms", "t"), ("transforms.t.type", "test.FileSinkConnector")],
        1,
        "Class test.FileSinkConnector does not implement the Transformation interface",
    ),
    (
        &[("transforms", "t"), ("transforms.t.type", "InsertField")],
        1,
        "This class is abstract and cannot be created. Did you mean test.InsertField$Key, test.InsertField$Value?",
    ),
    (
        &[("transforms", "t"), ("transforms.t.type", "test.Filter"), ("transforms.t.negate", "true")],
        1,
        "Config 'transforms.t.negate' was provided but there is no config 'transforms.t.predicate' defining a predicate",
    ),
    (
        &[("transforms", "t"), ("transforms.t.type", "Filter"), ("transforms.t.predicate", "p")],
        1,
        "no predicate has this alias",
    ),
    (
        &[("transforms", "t"), ("transforms.t.type", "InsertField$Value")],
        1,
        "Missing required configuration \"transforms.t.file\"",
    ),
    (
        &[("predicates", "p, p"), ("predicates.p.type", "test.RecordIsTombstone")],
        1,
        "Duplicate alias provided.",
    ),
    (
        &[("predicates", "p"), ("predicates.p.type", "WheresTheFruit")],
        1,
        "Class WheresTheFruit could not be found.",
    ),
    (
        &[("predicates", "p"), ("predicates.p.type", "test.FileSinkConnector")],
        1,
        "Class test.FileSinkConnector does not implement the Predicate interface",
    ),
    (
        &[("key.converter", "WheresTheFruit")],
        1,
        "Invalid value WheresTheFruit for configuration key.converter: Class WheresTheFruit could not be found.",
    ),
    (&[("key.converter", "test.FileSinkConnector")], 1, "does not implement the Converter interface"),
    (&[("key.converter", "AbstractTestConverter")], 1, "could not be found"),
    (&[("value.converter", "PrivateConstructor")], 1, "could not be found"),
    (&[("key.converter", "test.ThrowingConverter")], 1, "for configuration key.converter: whoops"),
    (
        &[("value.converter", "test.OptionConverter"), ("value.converter.prop", "notaboolean")],
        1,
        "Invalid value notaboolean for configuration value.converter.prop: Expected value to be either true or false",
    ),
    (&[("value.converter", "test.OptionConverter")], 0, ""),
    (&[("header.converter", "WheresTheFruit")], 1, "Class WheresTheFruit could not be found."),
    (&[("header.converter", "test.StringConverter")], 1, "does not implement the HeaderConverter interface"),
    (&[("header.converter", "test.ThrowingHeaderConverter")], 1, "whoops"),
    (
        &[("header.converter", "test.HeaderConverter"), ("header.converter.prop", "notaboolean")],
        1,
        "header.converter.prop: Expected value to be either true or false",
    ),
    (&[("header.converter", "test.HeaderConverter")], 0, ""),
    (&[("tasks.max", "0")], 1, "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
    (&[("tasks.max", "-1")], 1, "Invalid value -1 for configuration tasks.max: Value must be at least 1"),
    (&[("tasks.max", "2147483648")], 1, "Not a number of type INT"),
    (&[("name", "")], 1, "Invalid value  for configuration name: String may not be empty"),
    (
        &[("file", "(remove)"), ("tasks.max", "x"), ("errors.tolerance", "some")],
        3,
        "Not a number of type INT",
    ),
    (&[("topics.regex", "("), ("topics", "(remove)")], 1, "topics.regex"),
    (&[("consumer.override.max.poll.records", "0")], 1, "Value must be at least 1"),
];

#[tokio::test]
async fn every_mistake_is_counted_and_named() {
    for (change, count, first) in TABLE {
        let errors = errors(change).await;
        assert_eq!(errors.len(), *count, "{change:?}: {errors:?}");
        assert!(errors.iter().take(1).all(|error| error.contains(first)), "{change:?}: {errors:?}");
    }
}

#[tokio::test]
async fn a_source_may_not_repeat_topic_creation_groups_or_require_what_is_not_there() {
    let found = |change: &'static [(&str, &str)]| async move {
        let infos = infos(&WORKER, &props(&SOURCE, change)).await;
        infos.errors().map(str::to_owned).collect::<Vec<_>>()
    };
    let twice = found(&[("topic.creation.groups", "g1, g2, g1")]).await;
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(
        twice[0].ends_with("for configuration topic.creation.groups: Duplicate alias provided."),
        "{twice:?}"
    );
    assert_eq!(
        found(&[("topic.creation.groups", "g1")]).await.len(),
        2,
        "the default group must say its counts"
    );
    assert_eq!(
        found(&[("exactly.once.support", "required")]).await,
        [
            "The connector does not implement the API required for preflight validation of exactly-once source support. Please \
          consult the documentation for the connector to determine whether it supports exactly-once semantics, and then \
          consider reconfiguring the connector to use the value \"requested\" for this property (which will disable this \
          preflight check and allow the connector to be created)."
        ]
    );
    let found = found(&[("transaction.boundary", "connector")]).await;
    assert!(found[0].starts_with("The connector does not support connector-defined transaction boundaries"));
}

#[tokio::test]
async fn no_class_and_unknown_classes_are_refused_without_values() {
    let refused = |said: Props| async move {
        let said = said.into_iter().map(|(name, text)| (name, Some(text))).collect();
        validator(&WORKER).validate(said).await.unwrap_err().to_string()
    };
    let text = refused(props(&[("name", "a"), ("password", "CANARY-7")], &[])).await;
    assert_eq!(text, "Connector config {name, password} contains no connector type: set connector.class");
    let text = refused(props(&[("connector.class", "Nope")], &[])).await;
    let ambiguous = refused(props(&[("connector.class", "both")], &[])).await;
    assert!(
        ambiguous.contains("stands for both FileSourceConnector and FileSinkConnector: say which"),
        "{ambiguous}"
    );
    assert!(text.contains("Failed to find any class") && text.contains("FileSourceConnector"), "{text}");
}

#[tokio::test]
async fn null_values_are_errors_of_their_option() {
    let mut said: SaidConfig = props(&SINK, &[]).into_iter().map(|(name, text)| (name, Some(text))).collect();
    said.insert("tasks.max".to_owned(), None);
    said.insert("odd".to_owned(), None);
    let infos = validator(&WORKER).validate(said).await.unwrap();
    let names: Vec<&str> = infos
        .configs
        .iter()
        .filter(|info| !info.value.errors.is_empty())
        .map(|info| &*info.value.name)
        .collect();
    assert_eq!(names, ["tasks.max", "odd"]);
}

#[tokio::test]
async fn the_policy_refuses_overrides() {
    let worker = [("connector.client.config.override.policy", "None")];
    let change = props(&SINK, &[("consumer.override.max.poll.records", "5")]);
    let infos = infos(&worker, &change).await;
    let expected = "The 'None' policy does not allow 'max.poll.records' to be overridden in the connector configuration.";
    assert_eq!(infos.errors().collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn a_connector_that_hangs_or_panics_fails_its_own_validation_only() {
    let validator = validator(&WORKER);
    let outcome = |mood: &'static str| {
        let validator = validator.clone();
        async move { validator.check(&props(&SINK, &[("mood", mood)])).await }
    };
    let (hanging, panicking, good) = tokio::join!(outcome("hang"), outcome("panic"), outcome("good"));
    assert!(hanging.unwrap_err().message.contains("sink-connector did not end within 200 ms"));
    assert!(panicking.unwrap_err().message.ends_with("panicked: whoops"));
    assert_eq!(good, Ok(()));
}

#[tokio::test]
async fn references_are_resolved_for_the_connector_and_shown_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets.properties");
    std::fs::write(&file, "password=CANARY-8\nport=CANARY-9\n").unwrap();
    let allowed = directory.path().to_str().unwrap();
    let worker = [
        ("config.providers", "file"),
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
        ("config.providers.file.param.allowed.paths", allowed),
    ];
    let reference = |key: &str| format!("${{file:{}:{key}}}", file.display());
    let (password, port) = (reference("password"), reference("port"));
    let said = props(&SINK, &[("mood", "unreachable"), ("password", &password)]);
    let answer = infos(&worker, &said).await;
    assert_eq!(
        answer.errors().collect::<Vec<_>>(),
        ["cannot log in with [hidden]"],
        "the connector got the secret"
    );
    assert!(!format!("{answer:?}").contains("CANARY"));
    let answer = infos(&worker, &props(&SINK, &[("tasks.max", &port)])).await;
    assert_eq!(answer.error_count(), 1);
    assert!(!format!("{answer:?}").contains("CANARY"), "{answer:?}");
}

#[tokio::test]
async fn unknown_names_are_warnings_with_a_suggestion() {
    let answer =
        infos(&WORKER, &props(&SINK, &[("task.max", "2"), ("connector.plugin.version", "3.6")])).await;
    assert_eq!(answer.error_count(), 0);
    assert!(answer.warnings[0].contains("did you mean \"tasks.max\"?"), "{:?}", answer.warnings);
    assert!(
        answer.warnings[1].starts_with("connector.plugin.version=3.6 has no effect"),
        "{:?}",
        answer.warnings
    );
}

#[tokio::test]
async fn the_refusal_lists_every_error() {
    let config = props(&SINK, &[("tasks.max", "0"), ("file", "(remove)")]);
    let error = validator(&WORKER).check(&config).await.unwrap_err();
    let expected = "Connector configuration is invalid and contains the following 2 error(s):\n\
        Invalid value 0 for configuration tasks.max: Value must be at least 1\n\
        Missing required configuration \"file\" which has no default value.\n\
        You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`";
    assert_eq!(error.message, expected);
}

#[test]
fn declared_passwords_are_hidden() {
    let mask = Mask::new(Registry::new().with(&PLUGINS));
    let shown = mask.hide(&props(&SINK, &[("password", "CANARY-4"), ("file", "/secret/token")]));
    assert_eq!((shown["password"].as_str(), shown["file"].as_str()), (HIDDEN, "/secret/token"));
}
