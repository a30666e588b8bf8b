//! What topics take that do not say otherwise: the settings file's values, and over them those that were changed while the
//! broker ran (KIP-226), which are kept beside the topics and outlive a restart.
//!
//! Invariant: a change is on disk before it acts. A file that cannot be read stops the start: other defaults could delete records.

use std::{fs, io, path::Path, sync::Arc};

use super::{
    TopicError, Topics,
    options::{TOPIC_OPTIONS, TopicConfigs, TopicOption, check_option, log_config},
    store::{signed, unsigned},
};
use crate::{
    Error,
    log::{LogError, replace_file},
};

const FILE: &str = ".broker-configs";
const FIRST_LINE: &str = "millrace broker configs, version 1";

/// For whom a default was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All brokers of the cluster.
    Cluster,
    /// This broker alone, which counts more.
    Broker,
}

/// The defaults, by the broker's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// From the settings file.
    pub(crate) file: TopicConfigs,
    /// Changed for all brokers.
    pub(crate) cluster: TopicConfigs,
    /// Changed for this one.
    pub(crate) broker: TopicConfigs,
    merged: TopicConfigs,
}

impl Defaults {
    fn new(file: TopicConfigs, cluster: TopicConfigs, broker: TopicConfigs) -> Self {
        let mut merged = file.clone();
        merged.extend(cluster.clone());
        merged.extend(broker.clone());
        Self { file, cluster, broker, merged }
    }

    /// Reads what was changed, over what the settings file says.
    pub(super) fn open(directory: &Path, file: TopicConfigs) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::new(file, TopicConfigs::new(), TopicConfigs::new()));
            }
            Err(error) => return Err(LogError::io("read", path, error).into()),
        };
        let changed = decode(&text);
        let (cluster, broker) = changed.map_err(|reason| Error::DamagedMetadata { path, reason })?;
        Ok(Self::new(file, cluster, broker))
    }

    /// The values that count.
    pub(crate) fn merged(&self) -> &TopicConfigs {
        &self.merged
    }

    /// What was changed in a scope.
    pub(crate) fn changed(&self, scope: Scope) -> &TopicConfigs {
        match scope {
            Scope::Cluster => &self.cluster,
            Scope::Broker => &self.broker,
        }
    }
}

/// The option whose default the broker's option gives.
pub(crate) fn option_of_broker(broker_name: &str) -> Option<&'static TopicOption> {
    TOPIC_OPTIONS.iter().find(|option| option.broker_name == broker_name)
}

fn check(configs: &TopicConfigs) -> Result<(), TopicError> {
    for (name, value) in configs {
        let option = option_of_broker(name).ok_or_else(|| {
            TopicError::InvalidRequest(format!("Cannot update these configs dynamically: Set({name})"))
        })?;
        check_option(option, value).map_err(|reason| {
            TopicError::InvalidRequest(format!("Invalid value {value} for configuration {name}: {reason}"))
        })?;
    }
    Ok(())
}

impl Topics {
    /// The values that topics take their defaults from.
    pub(crate) fn defaults(&self) -> Arc<Defaults> {
        Arc::clone(&self.defaults.read())
    }

    /// Changes defaults of a scope; every log acts on them from now on. Blocks on the disk.
    pub(crate) fn set_defaults(
        &self,
        scope: Scope,
        change: impl FnOnce(&TopicConfigs) -> Result<TopicConfigs, TopicError>,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let _store = self.store.lock();
        let old = self.defaults();
        let changed = change(old.changed(scope))?;
        check(&changed)?;
        if validate_only {
            return Ok(());
        }
        let (cluster, broker) = match scope {
            Scope::Cluster => (changed, old.broker.clone()),
            Scope::Broker => (old.cluster.clone(), changed),
        };
        let new = Arc::new(Defaults::new(old.file.clone(), cluster, broker));
        let path = self.directory.path().join(FILE);
        let written = replace_file(&path, encode(&new).as_bytes());
        written.map_err(|error| LogError::io("write", path, error))?;
        *self.defaults.write() = Arc::clone(&new);
        for topic in self.all() {
            let config = Arc::new(log_config(&topic.configs(), new.merged()));
            topic.partitions().iter().for_each(|log| log.set_config(Arc::clone(&config)));
        }
        Ok(())
    }
}

fn encode(defaults: &Defaults) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (scope, configs) in [("cluster", &defaults.cluster), ("broker", &defaults.broker)] {
        for (name, value) in configs {
            text.push_str(&format!("{scope} {name}={value}\n"));
        }
    }
    signed(text)
}

fn decode(bytes: &[u8]) -> Result<(TopicConfigs, TopicConfigs), String> {
    let body = unsigned(bytes)?;
    let mut lines = body.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(format!("its first line is not {FIRST_LINE:?}; a newer version may have written it"));
    }
    let (mut cluster, mut broker) = (TopicConfigs::new(), TopicConfigs::new());
    for line in lines {
        let parts = line.split_once(' ').and_then(|(scope, rest)| Some((scope, rest.split_once('=')?)));
        let (scope, (name, value)) = parts.ok_or_else(|| format!("unknown line {line:?}"))?;
        let configs = match scope {
            "cluster" => &mut cluster,
            "broker" => &mut broker,
            _ => return Err(format!("unknown line {line:?}")),
        };
        configs.insert(name.to_owned(), value.to_owned());
    }
    Ok((cluster, broker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogDirectory, SystemDisk};

    fn open(folder: &Path) -> Topics {
        let directory = Arc::new(LogDirectory::open(folder, Arc::new(SystemDisk)).unwrap());
        let file = TopicConfigs::from([("log.retention.ms".to_owned(), "5".to_owned())]);
        Topics::open(directory, Arc::default(), file).unwrap()
    }

    fn set(topics: &Topics, scope: Scope, name: &str, value: &str) -> Result<(), TopicError> {
        let change = |old: &TopicConfigs| {
            let mut new = old.clone();
            new.insert(name.to_owned(), value.to_owned());
            Ok(new)
        };
        topics.set_defaults(scope, change, false)
    }

    #[test]
    fn changes_act_at_once_and_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let topics = open(folder.path());
        let own = TopicConfigs::from([("segment.bytes".to_owned(), "77777".to_owned())]);
        let topic = topics.create("t", 1, own).unwrap();
        let config = |topic: &super::super::Topic| topic.partition(0).unwrap().config();
        assert_eq!(config(&topic).retention_ms, Some(5));
        set(&topics, Scope::Cluster, "log.retention.ms", "6").unwrap();
        set(&topics, Scope::Cluster, "log.segment.bytes", "88888").unwrap();
        assert_eq!((config(&topic).retention_ms, config(&topic).segment_bytes), (Some(6), 77_777));
        set(&topics, Scope::Broker, "log.retention.ms", "7").unwrap();
        assert_eq!(config(&topic).retention_ms, Some(7));
        drop((topic, topics));
        let topics = open(folder.path());
        assert_eq!(config(&topics.get("t").unwrap()).retention_ms, Some(7));
        topics.set_defaults(Scope::Broker, |_| Ok(TopicConfigs::new()), false).unwrap();
        assert_eq!(config(&topics.get("t").unwrap()).retention_ms, Some(6));
    }

    #[test]
    fn what_cannot_be_changed_or_is_wrong_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let topics = open(folder.path());
        for (name, value) in [("listeners", "PLAINTEXT://:1"), ("log.retention.ms", "soon")] {
            let error = set(&topics, Scope::Broker, name, value).unwrap_err();
            assert!(matches!(&error, TopicError::InvalidRequest(reason) if reason.contains(name)), "{error}");
        }
        assert_eq!(topics.defaults().merged()["log.retention.ms"], "5");
    }

    #[test]
    fn a_damaged_file_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        set(&open(folder.path()), Scope::Broker, "log.retention.ms", "7").unwrap();
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap().replace("=7", "=8");
        fs::write(&path, text).unwrap();
        let error = Defaults::open(folder.path(), TopicConfigs::new()).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("checksum"), "{error}");
    }
}
