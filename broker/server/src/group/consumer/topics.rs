//! The topics that there are, as groups see them at one moment.

use std::collections::{BTreeMap, HashMap};

use broker_protocol::Uuid;

/// A topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicShape {
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// All topics; a newer one has a higher version.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicImage {
    pub(crate) version: u64,
    by_name: BTreeMap<String, TopicShape>,
    names: HashMap<Uuid, String>,
}

impl TopicImage {
    pub(crate) fn new(version: u64, topics: impl IntoIterator<Item = (String, Uuid, i32)>) -> Self {
        let mut image = Self { version, ..Self::default() };
        for (name, id, partitions) in topics {
            image.names.insert(id, name.clone());
            image.by_name.insert(name, TopicShape { id, partitions });
        }
        image
    }

    pub(super) fn get(&self, name: &str) -> Option<TopicShape> {
        self.by_name.get(name).copied()
    }

    /// The name of a topic; empty if it is gone.
    pub(crate) fn name(&self, id: Uuid) -> &str {
        self.names.get(&id).map_or("", String::as_str)
    }

    /// All names that a member may subscribe to by a pattern: internal topics are for those who name them.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys().filter(|name| !name.starts_with("__"))
    }
}
