//! The 28 cases of Kafka Connect's own `ConnectorValidationIntegrationTest`, each by its name there, with the number of errors that it
//! expects.

use super::*;

/// The sink of most cases, or the source of the one that needs one.
#[derive(Clone, Copy)]
enum Base {
    Sink,
    Source,
}

/// A case: its name, what it starts from, what it changes, how many errors that makes.
type Case = (&'static str, Base, &'static [(&'static str, &'static str)], usize);

const CASES: [Case; 28] = [
    ("testSinkConnectorHasNeitherTopicsListNorTopicsRegex", Base::Sink, &[("topics", "(remove)")], 2),
    ("testSinkConnectorHasBothTopicsListAndTopicsRegex", Base::Sink, &[("topics.regex", "r.*")], 2),
    (
        "testSinkConnectorDeadLetterQueueTopicInTopicsList",
        Base::Sink,
        &[("errors.deadletterqueue.topic.name", "t1")],
        1,
    ),
    (
        "testSinkConnectorDeadLetterQueueTopicMatchesTopicsRegex",
        Base::Sink,
        &[("topics", "(remove)"), ("topics.regex", "r.*"), ("errors.deadletterqueue.topic.name", "ruh.roh")],
        1,
    ),
    (
        "testSinkConnectorDefaultGroupIdConflictsWithWorkerGroupId",
        Base::Sink,
        &[("name", "worker-group-id")],
        1,
    ),
    (
        "testSinkConnectorOverriddenGroupIdConflictsWithWorkerGroupId",
        Base::Sink,
        &[("consumer.override.group.id", "connect-worker-group-id")],
        1,
    ),
    (
        "testSourceConnectorHasDuplicateTopicCreationGroups",
        Base::Source,
        &[("topic.creation.groups", "g1, g2, g1")],
        1,
    ),
    (
        "testConnectorHasDuplicateTransformations",
        Base::Sink,
        &[("transforms", "t, t"), ("transforms.t.type", "test.Filter")],
        1,
    ),
    (
        "testConnectorHasMissingTransformClass",
        Base::Sink,
        &[("transforms", "t"), ("transforms.t.type", "WheresTheFruit")],
        1,
    ),
    (
        "testConnectorHasInvalidTransformClass",
        Base::Sink,
        &[("transforms", "t"), ("transforms.t.type", "test.FileSinkConnector")],
        1,
    ),
    (
        "testConnectorHasNegationForUndefinedPredicate",
        Base::Sink,
        &[("transforms", "t"), ("transforms.t.type", "test.Filter"), ("transforms.t.negate", "true")],
        1,
    ),
    (
        "testConnectorHasDuplicatePredicates",
        Base::Sink,
        &[("predicates", "p, p"), ("predicates.p.type", "test.RecordIsTombstone")],
        1,
    ),
    (
        "testConnectorHasMissingPredicateClass",
        Base::Sink,
        &[("predicates", "p"), ("predicates.p.type", "WheresTheFruit")],
        1,
    ),
    (
        "testConnectorHasInvalidPredicateClass",
        Base::Sink,
        &[("predicates", "p"), ("predicates.p.type", "test.FileSinkConnector")],
        1,
    ),
    ("testConnectorHasMissingConverterClass", Base::Sink, &[("key.converter", "WheresTheFruit")], 1),
    (
        "testConnectorHasInvalidConverterClassType",
        Base::Sink,
        &[("key.converter", "test.FileSinkConnector")],
        1,
    ),
    // Classes that Java finds but cannot make have no counterpart here, for plugins are built in: they are not found.
    ("testConnectorHasAbstractConverter", Base::Sink, &[("key.converter", "AbstractTestConverter")], 1),
    (
        "testConnectorHasConverterWithNoSuitableConstructor",
        Base::Sink,
        &[("key.converter", "TestConverterWithPrivateConstructor")],
        1,
    ),
    (
        "testConnectorHasConverterThatThrowsExceptionOnInstantiation",
        Base::Sink,
        &[("key.converter", "test.ThrowingConverter")],
        1,
    ),
    (
        "testConnectorHasMisconfiguredConverter",
        Base::Sink,
        &[("key.converter", "test.OptionConverter"), ("key.converter.prop", "notaboolean")],
        1,
    ),
    (
        "testConnectorHasConverterWithNoConfigDef",
        Base::Sink,
        &[("key.converter", "test.StringConverter"), ("key.converter.prop", "notaboolean")],
        0,
    ),
    ("testConnectorHasMissingHeaderConverterClass", Base::Sink, &[("header.converter", "WheresTheFruit")], 1),
    (
        "testConnectorHasInvalidHeaderConverterClassType",
        Base::Sink,
        &[("header.converter", "test.FileSinkConnector")],
        1,
    ),
    (
        "testConnectorHasAbstractHeaderConverter",
        Base::Sink,
        &[("header.converter", "AbstractTestConverter")],
        1,
    ),
    (
        "testConnectorHasHeaderConverterWithNoSuitableConstructor",
        Base::Sink,
        &[("header.converter", "TestConverterWithPrivateConstructor")],
        1,
    ),
    (
        "testConnectorHasHeaderConverterThatThrowsExceptionOnInstantiation",
        Base::Sink,
        &[("header.converter", "test.ThrowingHeaderConverter")],
        1,
    ),
    (
        "testConnectorHasMisconfiguredHeaderConverter",
        Base::Sink,
        &[("header.converter", "test.HeaderConverter"), ("header.converter.prop", "notaboolean")],
        1,
    ),
    (
        "testConnectorHasHeaderConverterWithNoConfigDef",
        Base::Sink,
        &[("header.converter", "test.PlainHeaderConverter"), ("header.converter.prop", "notaboolean")],
        0,
    ),
];

#[tokio::test]
async fn connects_own_cases_give_as_many_errors() {
    for (name, base, change, count) in CASES {
        let base: &[(&str, &str)] = match base {
            Base::Sink => &SINK,
            Base::Source => &SOURCE,
        };
        let infos = infos(&WORKER, &props(base, change)).await;
        let errors: Vec<&str> = infos.errors().collect();
        assert_eq!((errors.len(), infos.error_count()), (count, count), "{name}: {errors:?}");
    }
}
