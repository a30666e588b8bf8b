//! The channel `kafka`: signals as records of a topic (`signal.kafka.topic`), keyed by the connector's `topic.prefix`, as Debezium's.
//!
//! How far the topic was read stands in the connector's own offsets, under `signal_kafka_offset`, beside what the signals began: so each
//! signal is obeyed once, whatever ends the task. Where the offsets do not say it, the consumer group's place counts
//! (`signal.kafka.groupId`), which is where a Debezium that ran before stopped reading.

use std::time::{Duration, Instant};

use api::{FlatMap, Result, SignalTopic, Text, TopicFollower, TopicReader, TopicRecord, Value};

use super::Signal;

/// Where an offset names the last record of the signal topic that was obeyed.
const OFFSET: &str = "signal_kafka_offset";

/// A topic that is looked at now and then.
pub struct TopicChannel {
    source: SignalTopic,
    every: Duration,
    next: Instant,
    follower: Option<Box<dyn TopicFollower>>,
    /// The last record that was taken.
    taken: Option<i64>,
    /// The last one that was obeyed, with all before it.
    obeyed: Option<i64>,
}

impl std::fmt::Debug for TopicChannel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TopicChannel({} behind {:?})", self.source.topic, self.taken)
    }
}

impl TopicChannel {
    /// Looks at a topic this often.
    #[must_use]
    pub fn new(source: SignalTopic, every: Duration) -> Self {
        Self { source, every, next: Instant::now(), follower: None, taken: None, obeyed: None }
    }

    /// Goes on behind the signals that an offset says were obeyed.
    pub fn resume(&mut self, committed: &FlatMap) {
        self.obeyed = committed.get(OFFSET).and_then(Value::as_i64);
        self.taken = self.obeyed;
        self.follower = None;
    }

    /// How long until the topic is to be looked at.
    #[must_use]
    pub fn due_in(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// The signals that came, if the topic is to be looked at now.
    ///
    /// # Errors
    /// `BadConfig` when the settings of the client make no sense.
    pub fn poll(&mut self, topics: &dyn TopicReader, now: Instant) -> Result<Vec<Signal>> {
        if now < self.next {
            return Ok(Vec::new());
        }
        self.next = now + self.every;
        let follower = match &mut self.follower {
            Some(follower) => follower,
            none => {
                let from = self.taken.map(|offset| offset.saturating_add(1));
                none.insert(topics.follow(&self.source.topic, from, &self.source.client)?)
            }
        };
        let records = follower.take().unwrap_or_else(|error| {
            tracing::warn!(topic = self.source.topic, error = %error.report(), "no signals can be read for now");
            Vec::new()
        });
        self.taken = records.last().map(|record| record.offset).or(self.taken);
        Ok(records.iter().filter_map(|record| self.signal(record)).collect())
    }

    fn signal(&self, record: &TopicRecord) -> Option<Signal> {
        let TopicRecord { offset, key, value } = record;
        let topic = &self.source.topic;
        if key.as_deref() != Some(self.source.key.as_bytes()) {
            tracing::debug!(topic, offset, ?key, "a signal is for another connector");
            return None;
        }
        let text = std::str::from_utf8(value.as_deref()?).map_err(|error| error.to_string());
        match text.and_then(Signal::of_json) {
            Ok(signal) => Some(signal),
            Err(reason) => {
                tracing::warn!(topic, offset, reason, "a record is no signal and is passed over");
                None
            }
        }
    }

    /// Takes note that all signals handed out so far were obeyed.
    pub const fn obeyed(&mut self) {
        self.obeyed = self.taken;
    }

    /// What an offset says of it.
    #[must_use]
    pub fn entry(&self) -> Option<(Text, Value)> {
        Some((Text::from_static(OFFSET), Value::Int64(self.obeyed?)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use api::{Props, async_trait};

    use super::*;

    /// A topic that grows; each reading of it begins behind the records before `from`.
    #[derive(Clone, Default)]
    struct Growing(Arc<Mutex<Vec<TopicRecord>>>);

    struct Reading(Growing, usize);

    #[async_trait]
    impl TopicReader for Growing {
        async fn read(
            &self,
            _topic: &str,
            _client: &Props,
            _each: &mut (dyn for<'a> FnMut(&'a [u8]) -> Result<()> + Send),
        ) -> Result<bool> {
            Ok(false)
        }

        fn follow(&self, topic: &str, from: Option<i64>, _: &Props) -> Result<Box<dyn TopicFollower>> {
            assert_eq!(topic, "signals");
            Ok(Box::new(Reading(self.clone(), usize::try_from(from.unwrap_or(0)).unwrap())))
        }
    }

    impl TopicFollower for Reading {
        fn take(&mut self) -> Result<Vec<TopicRecord>> {
            let records = self.0.0.lock().unwrap()[self.1..].to_vec();
            self.1 += records.len();
            Ok(records)
        }
    }

    fn put(topic: &Growing, key: &'static str, value: &'static str) {
        let mut records = topic.0.lock().unwrap();
        let offset = i64::try_from(records.len()).unwrap();
        records.push(TopicRecord { offset, key: Some(key.into()), value: Some(value.into()) });
    }

    fn channel() -> TopicChannel {
        let source = SignalTopic { topic: "signals".into(), key: "shop".into(), client: Props::new() };
        TopicChannel::new(source, Duration::from_secs(5))
    }

    #[test]
    fn each_signal_of_ours_comes_once_also_after_a_restart() {
        let topic = Growing::default();
        put(&topic, "shop", r#"{"id":"1","type":"log","data":{"message":"m"}}"#);
        put(&topic, "other", r#"{"id":"2","type":"log","data":""}"#);
        put(&topic, "shop", "nonsense");
        let (mut first, mut now) = (channel(), Instant::now() + Duration::from_secs(1));
        let ids = |signals: Vec<Signal>| signals.into_iter().map(|signal| signal.id).collect::<Vec<_>>();
        assert_eq!(ids(first.poll(&topic, now).unwrap()), ["1"]);
        assert_eq!(first.entry(), None, "what is not obeyed is not claimed");
        first.obeyed();
        put(&topic, "shop", r#"{"id":"3","type":"pause-snapshot"}"#);
        assert_eq!(ids(first.poll(&topic, now).unwrap()), [""; 0], "it is not time yet");
        let (name, value) = first.entry().unwrap();
        let mut second = channel();
        second.resume(&FlatMap::new().with(name, value));
        now += Duration::from_secs(9);
        assert_eq!(ids(second.poll(&topic, now).unwrap()), ["3"]);
    }
}
