//! One fetch session: what the client wants, in the order in which partitions get their turn, and what it was told of each.

use std::collections::{BTreeMap, HashMap};

use broker_protocol::{
    Text, Uuid,
    messages::fetch::{FetchPartition, FetchResponse, FetchTopic, ForgottenTopic, PartitionData},
};

/// A partition by its topic's name or id, whichever the session uses.
type Key = (Text, Uuid, i32);

/// A partition of a session.
#[derive(Debug)]
struct Wanted {
    topic: Text,
    topic_id: Uuid,
    partition: FetchPartition,
    /// What the client was last told; -1 after an error, so that it is told when that goes away.
    high_watermark: i64,
    log_start_offset: i64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    /// Epoch of the next request.
    pub(super) epoch: i32,
    /// Topics have ids and no names.
    pub(super) has_ids: bool,
    /// When the last request came, ms.
    pub(super) used_ms: i64,
    turns: HashMap<Key, u64>,
    wanted: BTreeMap<u64, Wanted>,
    next_turn: u64,
}

impl Session {
    pub(super) fn new(has_ids: bool, now_ms: i64) -> Self {
        let (turns, wanted) = (HashMap::new(), BTreeMap::new());
        Self { epoch: 1, has_ids, used_ms: now_ms, turns, wanted, next_turn: 0 }
    }

    pub(super) fn partition_count(&self) -> usize {
        self.turns.len()
    }

    /// Adds and changes partitions, and forgets others.
    pub(super) fn update(&mut self, topics: &[FetchTopic], forgotten: &[ForgottenTopic]) {
        for topic in topics {
            for partition in &topic.partitions {
                let key = (topic.topic.clone(), topic.topic_id, partition.partition);
                match self.turns.get(&key).and_then(|turn| self.wanted.get_mut(turn)) {
                    Some(wanted) => wanted.partition = partition.clone(),
                    None => self.add(key, partition.clone()),
                }
            }
        }
        for topic in forgotten {
            for partition in &topic.partitions {
                if let Some(turn) = self.turns.remove(&(topic.topic.clone(), topic.topic_id, *partition)) {
                    self.wanted.remove(&turn);
                }
            }
        }
    }

    fn add(&mut self, key: Key, partition: FetchPartition) {
        let (topic, topic_id) = (key.0.clone(), key.1);
        let wanted = Wanted { topic, topic_id, partition, high_watermark: -1, log_start_offset: -1 };
        self.turns.insert(key, self.next_turn);
        self.wanted.insert(self.next_turn, wanted);
        self.next_turn += 1;
    }

    /// All that the client wants, in turn; neighbours of one topic stand together.
    pub(super) fn topics(&self) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for wanted in self.wanted.values() {
            match topics.last_mut() {
                Some(last) if last.topic == wanted.topic && last.topic_id == wanted.topic_id => {
                    last.partitions.push(wanted.partition.clone());
                }
                _ => topics.push(FetchTopic {
                    topic: wanted.topic.clone(),
                    topic_id: wanted.topic_id,
                    partitions: vec![wanted.partition.clone()],
                }),
            }
        }
        topics
    }

    /// Takes out of an answer what the client knows already, and notes the rest as told. Who got records goes to the end of the
    /// line, so that a partition with much to say does not silence the others.
    pub(super) fn tell(&mut self, response: &mut FetchResponse) {
        for topic in &mut response.responses {
            let (name, id) = (&topic.topic, topic.topic_id);
            topic.partitions.retain(|data| self.is_news(&(name.clone(), id, data.partition_index), data));
        }
        response.responses.retain(|topic| !topic.partitions.is_empty());
    }

    fn is_news(&mut self, key: &Key, data: &PartitionData) -> bool {
        let Some(turn) = self.turns.get_mut(key) else { return true };
        let Some(mut wanted) = self.wanted.remove(turn) else { return true };
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let news = has_records
            || !data.error_code.is_ok()
            || wanted.high_watermark != data.high_watermark
            || wanted.log_start_offset != data.log_start_offset;
        wanted.high_watermark = if data.error_code.is_ok() { data.high_watermark } else { -1 };
        wanted.log_start_offset = data.log_start_offset;
        if has_records {
            *turn = self.next_turn;
            self.next_turn += 1;
        }
        self.wanted.insert(*turn, wanted);
        news
    }
}
