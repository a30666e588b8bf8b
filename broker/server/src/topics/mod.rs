//! Which topics are there? Their metadata on disk and their partitions' logs in memory.
//!
//! All changes go through one lock and block on the disk; lookups do not wait for them.

mod create;
mod defaults;
mod name;
pub(crate) mod options;
mod store;

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

pub(crate) use self::{
    create::NewTopic,
    defaults::{Defaults, Scope, option_of_broker},
    name::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC, check_name, is_internal},
};
use self::{
    name::metric_name,
    options::{TopicConfigs, check_configs, log_config},
    store::{TopicRecord, TopicStore},
};
use crate::{
    Error,
    log::{
        FlushQueue, LogConfig, LogDirectory, LogError, PartitionLog, PartitionPlace, belongs_to,
        is_half_removed, remove_folder,
    },
};

/// Most partitions of one topic; each costs memory even when it is idle.
const PARTITIONS_MAX: i32 = 10_000;

/// Why a topic could not be created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicError {
    #[error("{0}")]
    InvalidName(String),
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error("This server does not host this topic-partition: {0}")]
    Unknown(String),
    #[error("{0}")]
    InvalidConfig(String),
    #[error("{0}")]
    InvalidPartitions(String),
    #[error("{0}")]
    InvalidRequest(String),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    configs: RwLock<Arc<TopicConfigs>>,
    partitions: RwLock<Arc<[Arc<PartitionLog>]>>,
}

impl Topic {
    /// Its own configs.
    pub(crate) fn configs(&self) -> Arc<TopicConfigs> {
        Arc::clone(&self.configs.read())
    }

    /// Its partitions, by number.
    pub(crate) fn partitions(&self) -> Arc<[Arc<PartitionLog>]> {
        Arc::clone(&self.partitions.read())
    }

    /// One partition's log.
    pub(crate) fn partition(&self, partition: i32) -> Option<Arc<PartitionLog>> {
        let at = usize::try_from(partition).ok()?;
        self.partitions.read().get(at).map(Arc::clone)
    }

    /// Whether only the broker writes to it.
    pub(crate) fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }
}

/// All topics of the broker.
#[derive(Debug)]
pub(crate) struct Topics {
    directory: Arc<LogDirectory>,
    queue: Arc<FlushQueue>,
    defaults: RwLock<Arc<Defaults>>,
    store: Mutex<TopicStore>,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    ids: RwLock<HashMap<Uuid, Arc<Topic>>>,
    /// The names as metrics spell them: two topics of one such name collide.
    metric_names: RwLock<HashMap<String, Arc<str>>>,
    /// Grows whenever topics or partitions come or go.
    version: AtomicU64,
}

impl Topics {
    /// Reads all topics and opens their logs. Blocks on the disk.
    pub(crate) fn open(
        directory: Arc<LogDirectory>,
        queue: Arc<FlushQueue>,
        defaults: TopicConfigs,
    ) -> Result<Self, Error> {
        let defaults = Defaults::open(directory.path(), defaults)?;
        let (store, stored) = TopicStore::open(directory.path())?;
        let topics = Self {
            directory,
            queue,
            defaults: RwLock::new(Arc::new(defaults)),
            store: Mutex::new(store),
            topics: RwLock::default(),
            ids: RwLock::default(),
            metric_names: RwLock::default(),
            version: AtomicU64::new(1),
        };
        sweep(topics.directory.path(), &stored.topics)?;
        for record in &stored.deleted {
            topics.remove_folders(record)?;
            topics.store.lock().forget(&record.name)?;
        }
        // After a crash every log reads its tail: side by side, so that a start takes as long as the disk needs.
        let places: Vec<_> = stored.topics.iter().flat_map(|record| topics.places(record)).collect();
        let opened = side_by_side(&places, |(place, config)| {
            PartitionLog::open(place, &topics.directory, &topics.queue, Arc::clone(config))
        });
        let mut opened = opened.into_iter();
        for record in stored.topics {
            let count = usize::try_from(record.partitions).unwrap_or(0);
            let partitions: Result<_, _> = opened.by_ref().take(count).collect();
            topics.add(record, partitions?);
        }
        Ok(topics)
    }

    fn places(&self, record: &TopicRecord) -> impl Iterator<Item = (PartitionPlace, Arc<LogConfig>)> + use<> {
        let (topic, topic_id) = (Arc::<str>::from(&*record.name), record.id);
        let config = Arc::new(log_config(&record.configs, self.defaults().merged()));
        (0..record.partitions).map(move |partition| {
            (PartitionPlace { topic: Arc::clone(&topic), topic_id, partition }, Arc::clone(&config))
        })
    }

    fn open_all_partitions(&self, record: &TopicRecord) -> Result<Vec<Arc<PartitionLog>>, LogError> {
        self.open_partitions(&Arc::from(&*record.name), record.id, &record.configs, 0..record.partitions)
    }

    fn add(&self, record: TopicRecord, partitions: Vec<Arc<PartitionLog>>) -> Arc<Topic> {
        let name: Arc<str> = record.name.into();
        let topic = Arc::new(Topic {
            name: Arc::clone(&name),
            id: record.id,
            configs: RwLock::new(Arc::new(record.configs)),
            partitions: RwLock::new(partitions.into()),
        });
        self.metric_names.write().insert(metric_name(&name), Arc::clone(&name));
        self.topics.write().insert(name, Arc::clone(&topic));
        self.ids.write().insert(record.id, Arc::clone(&topic));
        self.version.fetch_add(1, Ordering::Release);
        topic
    }

    /// Another one whenever topics or partitions have come or gone.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn open_partitions(
        &self,
        name: &Arc<str>,
        topic_id: Uuid,
        configs: &TopicConfigs,
        partitions: std::ops::Range<i32>,
    ) -> Result<Vec<Arc<PartitionLog>>, LogError> {
        let config = Arc::new(log_config(configs, self.defaults().merged()));
        let open = |partition| {
            let place = PartitionPlace { topic: Arc::clone(name), topic_id, partition };
            PartitionLog::open(&place, &self.directory, &self.queue, Arc::clone(&config))
        };
        partitions.map(open).collect()
    }

    /// Where the records are.
    pub(crate) fn directory(&self) -> &LogDirectory {
        &self.directory
    }

    /// The topic of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().get(name).map(Arc::clone)
    }

    /// The topic with that id.
    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.ids.read().get(&id).map(Arc::clone)
    }

    /// One partition's log.
    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<Arc<PartitionLog>> {
        self.get(topic)?.partition(partition)
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<Arc<Topic>> = self.topics.read().values().map(Arc::clone).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        topics
    }

    /// Deletes a topic and its records. Blocks on the disk.
    pub(crate) fn delete(&self, name: &str) -> Result<(), TopicError> {
        let store = self.store.lock();
        let topic = self.get(name).ok_or_else(|| TopicError::Unknown(name.to_owned()))?;
        store.mark_deleted(name)?;
        self.topics.write().remove(name);
        self.metric_names.write().remove(&metric_name(name));
        self.ids.write().remove(&topic.id);
        self.version.fetch_add(1, Ordering::Release);
        for log in topic.partitions().iter() {
            log.delete()?;
        }
        store.forget(name)?;
        tracing::info!(topic = name, "deleted topic");
        Ok(())
    }

    /// Adds partitions up to `count`. Blocks on the disk.
    pub(crate) fn create_partitions(
        &self,
        name: &str,
        count: i32,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let store = self.store.lock();
        let topic = self.get(name).ok_or_else(|| TopicError::Unknown(name.to_owned()))?;
        let old = topic.partitions();
        let old_count = i32::try_from(old.len()).unwrap_or(i32::MAX);
        if count <= old_count {
            let reason = format!(
                "Topic currently has {old_count} partitions, which is not fewer than the requested {count}."
            );
            return Err(TopicError::InvalidPartitions(reason));
        }
        check_partitions(count)?;
        if validate_only {
            return Ok(());
        }
        let configs = (*topic.configs()).clone();
        let new = self.open_partitions(&topic.name, topic.id, &configs, old_count..count)?;
        store.write(&TopicRecord { name: name.to_owned(), id: topic.id, partitions: count, configs })?;
        *topic.partitions.write() = old.iter().map(Arc::clone).chain(new).collect();
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Replaces a topic's configs; its logs act on them from now on. Blocks on the disk.
    pub(crate) fn set_configs(
        &self,
        name: &str,
        change: impl FnOnce(&TopicConfigs) -> Result<TopicConfigs, TopicError>,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let store = self.store.lock();
        let topic = self.get(name).ok_or_else(|| TopicError::Unknown(name.to_owned()))?;
        let configs = change(&topic.configs())?;
        check_configs(&configs).map_err(TopicError::InvalidConfig)?;
        if validate_only {
            return Ok(());
        }
        let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        store.write(&TopicRecord {
            name: name.to_owned(),
            id: topic.id,
            partitions,
            configs: configs.clone(),
        })?;
        let config = Arc::new(log_config(&configs, self.defaults().merged()));
        *topic.configs.write() = Arc::new(configs);
        for log in topic.partitions().iter() {
            log.set_config(Arc::clone(&config));
        }
        Ok(())
    }

    /// Closes every log and marks the directory clean. Blocks on the disk.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        let logs: Vec<_> = self.all().iter().flat_map(|topic| topic.partitions().to_vec()).collect();
        side_by_side(&logs, |log| log.close()).into_iter().collect::<Result<(), _>>()?;
        self.directory.close()
    }

    fn remove_folders(&self, record: &TopicRecord) -> Result<(), LogError> {
        for partition in 0..record.partitions {
            let folder = self.directory.path().join(format!("{}-{partition}", record.name));
            // A topic of the same name may have been created since; its folders bear another id.
            if belongs_to(&folder, record.id)? {
                remove_folder(&folder)?;
            }
        }
        Ok(())
    }
}

/// Ends deletions that a crash interrupted, and names folders that belong to no topic; those are left alone.
fn sweep(directory: &Path, topics: &[TopicRecord]) -> Result<(), LogError> {
    let known: HashMap<&str, i32> = topics.iter().map(|topic| (&*topic.name, topic.partitions)).collect();
    let list_error = |error| LogError::io("list", directory, error);
    for entry in fs::read_dir(directory).map_err(list_error)? {
        let path = entry.map_err(list_error)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) else {
            continue;
        };
        let Some((topic, partition)) = name.rsplit_once('-') else { continue };
        if is_half_removed(&path) {
            fs::remove_dir_all(&path).map_err(|error| LogError::io("remove", &path, error))?;
        } else if let Ok(partition) = partition.parse::<i32>()
            && known.get(topic).is_none_or(|partitions| partition >= *partitions)
        {
            tracing::warn!(folder = %path.display(), "belongs to no topic; it is neither served nor removed");
        }
    }
    Ok(())
}

/// Does something that waits for the disk for every item, on several threads; the results are in the order of the items.
pub(crate) fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    /// File systems and disks merge what several threads have them write at once.
    const THREADS: usize = 16;
    let mut chunks: Vec<Vec<R>> = Vec::new();
    std::thread::scope(|scope| {
        let work = &work;
        let chunks_of_items = items.chunks(items.len().div_ceil(THREADS).max(1));
        let threads: Vec<_> = chunks_of_items
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()))
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(results) => chunks.push(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    chunks.into_iter().flatten().collect()
}

fn check_partitions(partitions: i32) -> Result<(), TopicError> {
    if (1..=PARTITIONS_MAX).contains(&partitions) {
        return Ok(());
    }
    let reason = format!("Number of partitions must be between 1 and {PARTITIONS_MAX}, found {partitions}");
    Err(TopicError::InvalidPartitions(reason))
}

#[cfg(test)]
mod tests;
