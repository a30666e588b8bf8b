//! The history store: what connectors must remember beside their offsets, such as table shapes.
//!
//! A compacted topic of Millrace's own; key `["<connector>","<key>"]`, value the text. Invariant: what `put` returned for is
//! acknowledged, and every `load` after it contains it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Bytes, History, Result};
use async_trait::async_trait;
use broker_client::Client;
use parking_lot::RwLock;
use serde_json::Value as Json;

use super::internal_topic;
use super::topic_log::{LogRecord, TopicLog};
use crate::config::InternalTopic;

/// Text by connector and key.
type Texts = Arc<RwLock<BTreeMap<(String, String), String>>>;

/// The history topic, and what it comes to.
#[derive(Debug)]
pub(crate) struct HistoryStore {
    log: TopicLog,
    texts: Texts,
}

impl HistoryStore {
    /// Makes or checks the topic, and reads it to its end.
    ///
    /// # Errors
    /// `BadConfig` when the topic cannot serve; else what the broker said.
    pub(crate) async fn open(client: &Client, topic: &InternalTopic) -> Result<Self> {
        let partitions = internal_topic::ensure(client, topic, "history.storage.topic").await?;
        let texts = Texts::default();
        let folded = Arc::clone(&texts);
        let fold = Box::new(move |records: Vec<LogRecord>| {
            let mut texts = folded.write();
            records.iter().for_each(|record| take_in(&mut texts, record));
        });
        let log = TopicLog::open(client, &topic.name, partitions, fold).await?;
        Ok(Self { log, texts })
    }

    /// The history of one connector.
    pub(crate) fn of_connector(self: &Arc<Self>, connector: &str) -> Arc<dyn History> {
        Arc::new(ConnectorHistory { store: Arc::clone(self), connector: connector.to_owned() })
    }
}

fn history_key(connector: &str, key: &str) -> Bytes {
    Json::from(vec![connector, key]).to_string().into()
}

fn take_in(texts: &mut BTreeMap<(String, String), String>, record: &LogRecord) {
    let key = match serde_json::from_slice::<(String, String)>(&record.key) {
        Ok(key) => key,
        Err(error) => {
            tracing::error!(offset = record.offset, %error, "passing over a record of the history topic: its key is not ours");
            return;
        }
    };
    match record.value.as_deref().map(std::str::from_utf8) {
        Some(Ok(text)) => {
            texts.insert(key, text.to_owned());
        }
        Some(Err(error)) => {
            tracing::error!(offset = record.offset, %error, "passing over a record of the history topic: not UTF-8");
        }
        None => {
            texts.remove(&key);
        }
    }
}

struct ConnectorHistory {
    store: Arc<HistoryStore>,
    connector: String,
}

#[async_trait]
impl History for ConnectorHistory {
    async fn load(&self) -> Result<Vec<(String, String)>> {
        self.store.log.read_to_end().await?;
        let texts = self.store.texts.read();
        let ours = texts.iter().filter(|((connector, _), _)| *connector == self.connector);
        Ok(ours.map(|((_, key), text)| (key.clone(), text.clone())).collect())
    }

    async fn put(&self, key: &str, value: Option<&str>) -> Result<()> {
        let value = value.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        self.store.log.write(&[(history_key(&self.connector, key), value)]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_texts_are_folded_and_strangers_passed_over() {
        let mut texts = BTreeMap::new();
        let record = |key: Bytes, value: Option<&'static [u8]>| LogRecord {
            offset: 0,
            key,
            value: value.map(Bytes::from_static),
        };
        take_in(&mut texts, &record(history_key("c\"", "t"), Some(b"shape")));
        take_in(&mut texts, &record(Bytes::from_static(b"?"), Some(b"x")));
        take_in(&mut texts, &record(history_key("c", "u"), Some(b"\xff")));
        assert_eq!(texts, BTreeMap::from([(("c\"".to_owned(), "t".to_owned()), "shape".to_owned())]));
        take_in(&mut texts, &record(history_key("c\"", "t"), None));
        assert!(texts.is_empty());
    }
}
