//! Making topics: one, or thousands by one request.
//!
//! A connector that captures a whole database asks for a topic per table at once. Each costs an fsync before it exists; they are
//! written by several threads, so that the file system merges what it commits, and share one fsync of the folder. Invariants:
//! each topic is made or refused for itself; what was made is durable when this returns.

use std::{collections::HashMap, path::Path, sync::Arc};

use uuid::Uuid;

use super::{
    Topic, TopicError, Topics, check_partitions,
    name::{check_name, metric_name},
    options::{TopicConfigs, check_configs},
    store::TopicRecord,
};
use crate::log::LogError;

/// A topic that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    /// What it shall have of its own.
    pub(crate) configs: TopicConfigs,
}

impl Topics {
    /// Says what would keep a topic from being created.
    pub(crate) fn check_new(&self, wanted: &NewTopic) -> Result<(), TopicError> {
        let NewTopic { name, partitions, configs } = wanted;
        check_name(name).map_err(TopicError::InvalidName)?;
        if self.topics.read().contains_key(&**name) {
            return Err(TopicError::Exists(name.clone()));
        }
        if let Some(other) = self.metric_names.read().get(&metric_name(name)) {
            return Err(collision(name, other));
        }
        check_partitions(*partitions)?;
        check_configs(configs).map_err(TopicError::InvalidConfig)
    }

    /// Creates a topic; it is durable when this returns. Blocks on the disk.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        configs: TopicConfigs,
    ) -> Result<Arc<Topic>, TopicError> {
        let wanted = NewTopic { name: name.to_owned(), partitions, configs };
        let unknown = || Err(TopicError::Unknown(name.to_owned()));
        self.create_all(vec![wanted]).pop().unwrap_or_else(unknown)
    }

    /// Creates topics, each of which is made or refused for itself, in the order in which they are wanted. What was made is durable when this
    /// returns. Blocks on the disk.
    pub(crate) fn create_all(&self, wanted: Vec<NewTopic>) -> Vec<Result<Arc<Topic>, TopicError>> {
        let store = self.store.lock();
        let mut names: HashMap<String, String> = HashMap::with_capacity(wanted.len());
        let mut admit = |wanted: NewTopic| -> Result<TopicRecord, TopicError> {
            self.check_new(&wanted)?;
            match names.entry(metric_name(&wanted.name)) {
                std::collections::hash_map::Entry::Occupied(other) if *other.get() == wanted.name => {
                    return Err(TopicError::Exists(wanted.name));
                }
                std::collections::hash_map::Entry::Occupied(other) => {
                    return Err(collision(&wanted.name, other.get()));
                }
                std::collections::hash_map::Entry::Vacant(free) => _ = free.insert(wanted.name.clone()),
            }
            let NewTopic { name, partitions, configs } = wanted;
            let record = TopicRecord { name, id: Uuid::new_v4(), partitions, configs };
            self.directory.check()?;
            check_folders_are_free(self.directory.path(), &record)?;
            Ok(record)
        };
        let admitted: Vec<_> = wanted.into_iter().map(&mut admit).collect();
        let records: Vec<&TopicRecord> = admitted.iter().filter_map(|record| record.as_ref().ok()).collect();
        let mut written = store.write_all(&records).into_iter();
        let make = |admitted: Result<TopicRecord, TopicError>| {
            let record = admitted?;
            written.next().unwrap_or(Ok(()))?;
            tracing::info!(topic = record.name, partitions = record.partitions, "created topic");
            let partitions = self.open_all_partitions(&record)?;
            Ok(self.add(record, partitions))
        };
        admitted.into_iter().map(make).collect()
    }

    /// The topic of that name, created if it is not there. Blocks on the disk.
    pub(crate) fn get_or_create(
        &self,
        name: &str,
        partitions: i32,
        configs: TopicConfigs,
    ) -> Result<Arc<Topic>, TopicError> {
        let wanted = NewTopic { name: name.to_owned(), partitions, configs };
        let unknown = || Err(TopicError::Unknown(name.to_owned()));
        self.get_or_create_all(vec![wanted]).pop().unwrap_or_else(unknown)
    }

    /// The topics of those names, in that order; those that are not there are created. Blocks on the disk.
    pub(crate) fn get_or_create_all(&self, wanted: Vec<NewTopic>) -> Vec<Result<Arc<Topic>, TopicError>> {
        let names: Vec<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        let missing = wanted.into_iter().filter(|wanted| self.get(&wanted.name).is_none()).collect();
        let mut refused: HashMap<String, TopicError> = HashMap::new();
        for (name, outcome) in self.create_named(missing) {
            match outcome {
                // Somebody else was faster.
                Ok(_) | Err(TopicError::Exists(_)) => {}
                Err(error) => _ = refused.insert(name, error),
            }
        }
        let found = |name: String| match (self.get(&name), refused.remove(&name)) {
            (Some(topic), _) => Ok(topic),
            (None, Some(error)) => Err(error),
            (None, None) => Err(TopicError::Unknown(name)),
        };
        names.into_iter().map(found).collect()
    }

    fn create_named(&self, wanted: Vec<NewTopic>) -> Vec<(String, Result<Arc<Topic>, TopicError>)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let names: Vec<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
        names.into_iter().zip(self.create_all(wanted)).collect()
    }
}

fn collision(name: &str, other: &str) -> TopicError {
    TopicError::InvalidName(format!("Topic '{name}' collides with existing topic: {other}"))
}

/// A folder without a topic is somebody's records: it is neither taken over nor removed.
fn check_folders_are_free(directory: &Path, record: &TopicRecord) -> Result<(), TopicError> {
    let folders =
        (0..record.partitions).map(|partition| directory.join(format!("{}-{partition}", record.name)));
    match folders.into_iter().find(|folder| folder.exists()) {
        None => Ok(()),
        Some(folder) => Err(TopicError::Log(LogError::Corrupt {
            path: folder,
            position: 0,
            reason: "a folder without a topic is in the way; move it elsewhere".to_owned(),
        })),
    }
}
