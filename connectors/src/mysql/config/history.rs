//! Where a Debezium that ran before kept its schema history: `schema.history.internal` and what follows it.
//!
//! Our own shapes lie in the worker's history; Debezium's is read once, when there is an offset of its but nothing of ours.
//! Options of Debezium's reader and writer that have no meaning here are accepted, as the whole family is.

use std::path::PathBuf;

use api::configs::{ConfigErrors, Password, Props, config, strip_prefix};

config! {
    /// The options of the schema history.
    pub struct HistoryConfig {
        /// Which store of Debezium's holds the schema history that is taken over: the class names of its Kafka and its file store
        /// are understood. Ours is kept by the worker, beside the offsets.
        class: String = default("schema.history.internal", "io.debezium.storage.kafka.history.KafkaSchemaHistory").importance(Low).group("History");
        /// The topic in which Debezium kept its schema history. It is read once, to go on from Debezium's offsets; nothing is written
        /// to it.
        topic: Option<String> = optional("schema.history.internal.kafka.topic").group("History");
        /// The brokers of that topic, as host:port, separated by commas; by default the worker's. How to log in there is said with
        /// `schema.history.internal.consumer.` before Kafka's names.
        bootstrap_servers: Option<String> = optional("schema.history.internal.kafka.bootstrap.servers").group("History");
        /// The file in which Debezium kept its schema history, for its file store.
        file: Option<String> = optional("schema.history.internal.file.filename").importance(Low).group("History");
        /// The login at that topic's brokers, as Kafka writes it.
        jaas: Option<Password> = optional("schema.history.internal.consumer.sasl.jaas.config").importance(Low).group("History");
    }
}

/// Where the history of a Debezium that ran before is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormerHistory {
    /// Nothing was said of one.
    Unsaid,
    /// In a topic, of a cluster that is reached with these settings.
    Topic(String, Props),
    /// In a file.
    File(PathBuf),
    /// Where we cannot look: the class that does.
    Elsewhere(String),
}

impl FormerHistory {
    /// Reads the options.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(props: &Props) -> Result<Self, ConfigErrors> {
        let config = HistoryConfig::parse(props)?;
        let class = config.class.rsplit('.').next().unwrap_or_default();
        Ok(match (class, config.topic, config.file) {
            ("KafkaSchemaHistory" | "KafkaDatabaseHistory", Some(topic), _) => {
                let mut client = strip_prefix(props, "schema.history.internal.consumer.");
                if let Some(brokers) = config.bootstrap_servers {
                    client.insert("bootstrap.servers".to_owned(), brokers);
                }
                if let Some(jaas) = config.jaas {
                    client.insert("sasl.jaas.config".to_owned(), jaas.reveal().to_owned());
                }
                Self::Topic(topic, client)
            }
            ("FileSchemaHistory" | "FileDatabaseHistory", _, Some(file)) => Self::File(PathBuf::from(file)),
            (
                "KafkaSchemaHistory" | "KafkaDatabaseHistory" | "FileSchemaHistory" | "FileDatabaseHistory",
                ..,
            ) => Self::Unsaid,
            ("MemorySchemaHistory" | "MemoryDatabaseHistory" | "", ..) => Self::Unsaid,
            _ => Self::Elsewhere(config.class),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(said: &[(&str, &str)]) -> FormerHistory {
        let said =
            said.iter().map(|(name, value)| (format!("schema.history.internal{name}"), (*value).to_owned()));
        FormerHistory::load(&said.collect()).unwrap()
    }

    #[test]
    fn the_stores_of_debezium_are_found() {
        assert_eq!(load(&[]), FormerHistory::Unsaid);
        let settings = [
            (".kafka.topic", "h"),
            (".kafka.bootstrap.servers", "b:1"),
            (".consumer.security.protocol", "SSL"),
            (".producer.security.protocol", "SSL"),
        ];
        let client = [("bootstrap.servers", "b:1"), ("security.protocol", "SSL")];
        let client = client.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(load(&settings), FormerHistory::Topic("h".to_owned(), client));
        let file = "io.debezium.storage.file.history.FileSchemaHistory";
        assert_eq!(load(&[("", file), (".file.filename", "/h.dat")]), FormerHistory::File("/h.dat".into()));
        let redis = "io.debezium.storage.redis.history.RedisSchemaHistory";
        assert_eq!(load(&[("", redis)]), FormerHistory::Elsewhere(redis.to_owned()));
    }
}
