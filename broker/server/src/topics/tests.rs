//! Topics over restarts, whole and interrupted.

use std::{fs, path::Path, sync::Arc};

use super::*;
use crate::log::SystemDisk;

fn open(folder: &Path) -> Topics {
    let directory = Arc::new(LogDirectory::open(folder, Arc::new(SystemDisk)).unwrap());
    Topics::open(directory, Arc::default(), TopicConfigs::new()).unwrap()
}

/// A topic with one partition on disk.
fn with_folder(folder: &Path, topics: &Topics, name: &str) -> Uuid {
    let topic = topics.create(name, 1, TopicConfigs::new()).unwrap();
    let partition = folder.join(format!("{name}-0"));
    fs::create_dir_all(&partition).unwrap();
    fs::write(partition.join("partition.metadata"), format!("version: 0\ntopic_id: {}\n", topic.id)).unwrap();
    topic.id
}

#[test]
fn a_deletion_that_was_interrupted_ends_at_the_next_start_and_takes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let topics = open(folder.path());
    with_folder(folder.path(), &topics, "gone");
    with_folder(folder.path(), &topics, "again");
    topics.store.lock().mark_deleted("gone").unwrap();
    // Deleted, and created again by the same name before the folder of the first was gone.
    topics.store.lock().mark_deleted("again").unwrap();
    drop(topics);
    let other = Uuid::new_v4();
    fs::write(folder.path().join("again-0/partition.metadata"), format!("topic_id: {other}\n")).unwrap();
    let half = folder.path().join(format!("x-0.{}-delete", Uuid::new_v4().simple()));
    fs::create_dir(&half).unwrap();
    fs::create_dir(folder.path().join("orphan-0")).unwrap();
    let topics = open(folder.path());
    assert!(topics.all().is_empty());
    assert!(!folder.path().join("gone-0").exists() && !half.exists());
    assert!(folder.path().join("again-0").exists() && folder.path().join("orphan-0").exists());
    let error = topics.create("orphan", 1, TopicConfigs::new()).unwrap_err();
    assert!(error.to_string().contains("orphan-0"), "{error}");
}

#[test]
fn topics_and_their_changes_survive() {
    let folder = tempfile::tempdir().unwrap();
    let topics = open(folder.path());
    let compact: TopicConfigs = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    let id = topics.create("t", 2, compact.clone()).unwrap().id;
    topics.create_partitions("t", 3, false).unwrap();
    assert!(matches!(topics.create_partitions("t", 3, false), Err(TopicError::InvalidPartitions(_))));
    topics
        .set_configs(
            "t",
            |old| Ok(old.iter().map(|(n, v)| (n.clone(), format!("{v},delete"))).collect()),
            false,
        )
        .unwrap();
    drop(topics);
    let topics = open(folder.path());
    let topic = topics.by_id(id).unwrap();
    assert_eq!((&*topic.name, topic.partitions().len()), ("t", 3));
    assert_eq!(topic.configs()["cleanup.policy"], "compact,delete");
    let policy = topic.partition(2).unwrap().config().cleanup_policy;
    assert!(policy.compact && policy.delete);
    assert!(matches!(topics.create("t", 1, compact), Err(TopicError::Exists(_))));
}

#[test]
fn a_folder_of_another_topic_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let topics = open(folder.path());
    with_folder(folder.path(), &topics, "t");
    drop(topics);
    fs::write(folder.path().join("t-0/partition.metadata"), format!("topic_id: {}\n", Uuid::new_v4()))
        .unwrap();
    let directory = Arc::new(LogDirectory::open(folder.path(), Arc::new(SystemDisk)).unwrap());
    let error = Topics::open(directory, Arc::default(), TopicConfigs::new()).unwrap_err().to_string();
    assert!(error.contains("partition.metadata") && error.contains("belongs to topic id"), "{error}");
}

#[test]
fn many_topics_are_made_at_once_and_each_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let topics = open(folder.path());
    topics.create("there", 1, TopicConfigs::new()).unwrap();
    fs::create_dir(folder.path().join("in.the.way-0")).unwrap();
    let new = |name: &str| NewTopic { name: name.to_owned(), partitions: 2, configs: TopicConfigs::new() };
    let many = (0..40).map(|number| new(&format!("t{number}")));
    let bad = ["there", "t0", "t_0", "t.0", "a b", "in.the.way"];
    let outcomes = topics.create_all(many.chain(bad.map(new)).collect());
    let refused = |outcome: &Result<Arc<Topic>, TopicError>| match outcome {
        Ok(topic) => format!("made {}", topic.name),
        Err(TopicError::Exists(name)) => format!("{name} exists"),
        Err(TopicError::InvalidName(reason)) => reason.clone(),
        Err(error) => error.to_string(),
    };
    let told: Vec<String> = outcomes[40..].iter().map(refused).collect();
    assert_eq!(told[..3], ["there exists", "t0 exists", "made t_0"]);
    assert_eq!(told[3], "Topic 't.0' collides with existing topic: t_0");
    assert!(told[4].contains("allowed are") && told[5].contains("in the way"), "{told:?}");
    let made = |outcome: Result<Arc<Topic>, TopicError>| {
        outcome.ok().map(|topic| (topic.name.to_string(), topic.id))
    };
    let made: Vec<_> = outcomes.into_iter().filter_map(made).collect();
    drop(topics);
    let topics = open(folder.path());
    assert_eq!((topics.all().len(), made.len()), (42, 41));
    for (number, (name, id)) in made.iter().enumerate().take(40) {
        assert_eq!((name, topics.get(name).unwrap().id), (&format!("t{number}"), *id));
    }
    // What is gone is in nobody's way.
    topics.delete("t_0").unwrap();
    assert!(topics.create("t.0", 1, TopicConfigs::new()).is_ok());
    let found = topics.get_or_create_all(["t1", "late", "a b", "t.0"].map(new).into());
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true]);
    assert_eq!(found[0].as_ref().unwrap().id, made[1].1);
}
