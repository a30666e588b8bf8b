//! What the administration tells of topics: partitions with their replicas, settings with their sources.
//!
//! Plain answers, as the broker gave them; nothing is kept.

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDetails {
    /// Its name.
    pub name: String,
    /// Its id, as Kafka writes it; empty if the broker is too old to have one.
    pub id: String,
    /// Whether the broker keeps it for itself.
    pub is_internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDetails>,
}

/// A partition and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDetails {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it, if there is one.
    pub leader: Option<i32>,
    /// All brokers that have it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are up to date.
    pub in_sync: Vec<i32>,
}

/// Who gave a setting its value (KIP-226).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// The topic's own setting.
    Topic,
    /// Set for one broker, while it ran.
    DynamicBroker,
    /// Set for all brokers, while they ran.
    DynamicDefaultBroker,
    /// The broker's file.
    StaticBroker,
    /// Nobody: the built-in default.
    Default,
    /// A source that this client does not know.
    Other(i8),
}

impl ConfigSource {
    pub(crate) fn from_wire(source: i8) -> Self {
        match source {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }

    /// Kafka's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::Other(_) => "UNKNOWN",
        }
    }
}

/// A change of one setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// It gets this value.
    Set {
        /// Its name.
        name: String,
        /// The value.
        value: String,
    },
    /// It goes back to the default.
    Delete {
        /// Its name.
        name: String,
    },
}
