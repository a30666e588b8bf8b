//! The status store: what connectors and tasks are doing, and which topics they have used.
//!
//! The herder sets statuses, REST reads them. Setting never waits: what is to be written is kept by key, and one task writes the
//! newest of each, so nothing queues up however long the broker is away. Invariants: a reader on this worker sees what was set
//! here at once, and what was set here never gives way to an older word of ours that comes back from the topic late; another
//! worker's older word never replaces a newer one (KAFKA-12525).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::Result;
use broker_client::Client;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::internal_topic;
use super::status_record::{Status, StatusRecord, TopicStatus};
use super::topic_log::{LogRecord, TopicLog};
use crate::config::InternalTopic;
use crate::herder::TaskId;

/// The pause after a failed write.
const WRITE_BACKOFF: Duration = Duration::from_millis(500);

/// The status topic, and what it comes to.
#[derive(Debug)]
pub(crate) struct StatusStore {
    shared: Arc<Shared>,
    _writer: DropGuard,
}

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    changed: Notify,
    written: Notify,
}

#[derive(Debug, Default)]
struct Known {
    connectors: BTreeMap<String, Status>,
    tasks: BTreeMap<TaskId, Status>,
    /// By connector, then by topic.
    topics: BTreeMap<String, BTreeMap<String, TopicStatus>>,
    /// Keys that were set here and are not written yet, with what to write.
    unwritten: BTreeMap<String, StatusRecord>,
    /// What this worker is called in statuses, once it has set one.
    worker_id: Option<String>,
    /// What is being written by key, or was written and has not come back from the topic yet.
    writing: BTreeMap<String, StatusRecord>,
}

impl StatusStore {
    /// Makes or checks the topic, and reads it to its end.
    ///
    /// # Errors
    /// `BadConfig` when the topic cannot serve; else what the broker said.
    pub(crate) async fn open(client: &Client, topic: &InternalTopic) -> Result<Self> {
        let partitions = internal_topic::ensure(client, topic, "status.storage.topic").await?;
        let shared = Arc::new(Shared::default());
        let folded = Arc::clone(&shared);
        let fold = Box::new(move |records: Vec<LogRecord>| {
            let mut known = folded.known.lock();
            records.iter().for_each(|record| known.take_in(record));
            if !known.unwritten.is_empty() {
                folded.changed.notify_one();
            }
        });
        let log = TopicLog::open(client, &topic.name, partitions, fold).await?;
        let stop = CancellationToken::new();
        tokio::spawn(write_for_ever(log, Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, _writer: stop.drop_guard() })
    }

    /// Sets a status, or forgets it, and has it written.
    pub(crate) fn set(&self, record: StatusRecord) {
        {
            let mut known = self.shared.known.lock();
            known.note_worker(&record);
            known.apply(record.clone());
            known.unwritten.insert(record.key(), record);
        }
        self.shared.changed.notify_one();
    }

    /// What a connector is doing.
    pub(crate) fn connector(&self, name: &str) -> Option<Status> {
        self.shared.known.lock().connectors.get(name).cloned()
    }

    /// What a task is doing.
    pub(crate) fn task(&self, id: &TaskId) -> Option<Status> {
        self.shared.known.lock().tasks.get(id).cloned()
    }

    /// What the tasks of a connector are doing, by number; of those, too, that are no longer configured.
    pub(crate) fn tasks(&self, connector: &str) -> Vec<(u32, Status)> {
        let known = self.shared.known.lock();
        let from = known.tasks.range(TaskId::new(connector, 0)..);
        let ours = from.take_while(|(id, _)| id.connector == connector);
        ours.map(|(id, status)| (id.task, status.clone())).collect()
    }

    /// The topics that a connector has used, sorted.
    pub(crate) fn topics(&self, connector: &str) -> Vec<String> {
        let known = self.shared.known.lock();
        known.topics.get(connector).map(|topics| topics.keys().cloned().collect()).unwrap_or_default()
    }

    /// Notes that a task used a topic, if that is not known yet.
    pub(crate) fn note_topic(&self, id: &TaskId, topic: &str, now_ms: i64) {
        let known = self
            .shared
            .known
            .lock()
            .topics
            .get(&id.connector)
            .is_some_and(|topics| topics.contains_key(topic));
        if known {
            return;
        }
        let status = TopicStatus {
            topic: topic.to_owned(),
            connector: id.connector.clone(),
            task: id.task,
            discover_timestamp: now_ms,
        };
        self.set(StatusRecord::Topic(topic.to_owned(), id.connector.clone(), Some(status)));
    }

    /// Forgets which topics a connector has used.
    pub(crate) fn reset_topics(&self, connector: &str) {
        for topic in self.topics(connector) {
            self.set(StatusRecord::Topic(topic, connector.to_owned(), None));
        }
    }

    /// Waits until everything that was set is written, for at most this long. Whether it was.
    pub(crate) async fn flush(&self, timeout: Duration) -> bool {
        let written = async {
            loop {
                let waiting = self.shared.written.notified();
                if self.shared.known.lock().is_written() {
                    return;
                }
                waiting.await;
            }
        };
        tokio::time::timeout(timeout, written).await.is_ok()
    }
}

impl Known {
    fn take_unwritten(&mut self) -> BTreeMap<String, StatusRecord> {
        let mut batch = std::mem::take(&mut self.unwritten);
        // What another worker has said since is newer, and is to stay the last word in the topic, too.
        batch.retain(|_, record| !self.is_stale(record));
        self.writing = batch.clone();
        batch
    }

    /// Ends a write: what it did not write is to be written again, unless it was set anew.
    fn written(&mut self, outcome: Result<()>, batch: BTreeMap<String, StatusRecord>) -> Result<()> {
        self.writing.clear();
        if outcome.is_err() {
            for (key, record) in batch {
                self.unwritten.entry(key).or_insert(record);
            }
        }
        outcome
    }

    fn is_written(&self) -> bool {
        self.unwritten.is_empty() && self.writing.is_empty()
    }

    /// Takes in a record of the topic, unless this worker has a newer word on its way.
    fn take_in(&mut self, record: &LogRecord) {
        match StatusRecord::parse(&record.key, record.value.as_deref()) {
            Ok(Some(parsed)) => {
                if self.is_stale(&parsed) {
                    self.say_again(&parsed);
                } else if !self.is_echo(&parsed) {
                    self.apply(parsed);
                }
            }
            Ok(None) => {}
            Err(problem) => {
                tracing::error!(
                    offset = record.offset,
                    "passing over a record of the status topic: {problem}"
                );
            }
        }
    }

    fn note_worker(&mut self, record: &StatusRecord) {
        if let StatusRecord::Connector(_, Some(status)) | StatusRecord::Task(_, Some(status)) = record
            && self.worker_id.as_ref() != Some(&status.worker_id)
        {
            self.worker_id = Some(status.worker_id.clone());
        }
    }

    /// Another's older word came after our newer one: ours must be the last in the topic, for those who read it later.
    fn say_again(&mut self, stale: &StatusRecord) {
        let ours = match stale {
            StatusRecord::Connector(name, _) => {
                let known = self.connectors.get(name).cloned();
                known.map(|known| StatusRecord::Connector(name.clone(), Some(known)))
            }
            StatusRecord::Task(id, _) => {
                let known = self.tasks.get(id).cloned();
                known.map(|known| StatusRecord::Task(id.clone(), Some(known)))
            }
            StatusRecord::Topic(..) => None,
        };
        if let Some(StatusRecord::Connector(_, Some(known)) | StatusRecord::Task(_, Some(known))) = &ours
            && self.worker_id.as_ref() == Some(&known.worker_id)
            && let Some(ours) = ours
        {
            self.unwritten.entry(ours.key()).or_insert(ours);
        }
    }

    /// A word of ours from before the one that is on its way.
    fn is_echo(&self, record: &StatusRecord) -> bool {
        let key = record.key();
        let Some(ours) = self.unwritten.get(&key).or_else(|| self.writing.get(&key)) else { return false };
        match (ours, record) {
            (StatusRecord::Connector(_, Some(ours)), StatusRecord::Connector(_, Some(new)))
            | (StatusRecord::Task(_, Some(ours)), StatusRecord::Task(_, Some(new))) => {
                ours.worker_id == new.worker_id
            }
            _ => true,
        }
    }

    /// A word from an older generation, by another worker than the one that spoke last.
    fn is_stale(&self, record: &StatusRecord) -> bool {
        let (known, new) = match record {
            StatusRecord::Connector(name, Some(new)) => (self.connectors.get(name), new),
            StatusRecord::Task(id, Some(new)) => (self.tasks.get(id), new),
            _ => return false,
        };
        known.is_some_and(|known| known.worker_id != new.worker_id && known.generation > new.generation)
    }

    fn apply(&mut self, record: StatusRecord) {
        match record {
            StatusRecord::Connector(name, Some(status)) => {
                self.connectors.insert(name, status);
            }
            StatusRecord::Connector(name, None) => {
                self.connectors.remove(&name);
            }
            StatusRecord::Task(id, Some(status)) => {
                self.tasks.insert(id, status);
            }
            StatusRecord::Task(id, None) => {
                self.tasks.remove(&id);
            }
            StatusRecord::Topic(topic, connector, Some(status)) => {
                self.topics.entry(connector).or_default().insert(topic, status);
            }
            StatusRecord::Topic(topic, connector, None) => {
                if let Some(topics) = self.topics.get_mut(&connector) {
                    topics.remove(&topic);
                }
            }
        }
    }
}

/// Writes the newest of each key that was set, and again what could not be written, unless it was set anew.
async fn write_for_ever(log: TopicLog, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.changed.notified() => {}
        }
        loop {
            let batch = shared.known.lock().take_unwritten();
            if batch.is_empty() {
                shared.written.notify_waiters();
                break;
            }
            let change = |record: &StatusRecord| (record.key().into(), record.value().map(Into::into));
            let outcome = log.write(&batch.values().map(change).collect::<Vec<_>>()).await;
            // Until what was written has come back, older words of ours may still come.
            if outcome.is_ok()
                && let Err(error) = log.read_to_end().await
            {
                tracing::warn!(%error, "cannot read statuses back; what is shown of this worker may be old for a while");
            }
            let Err(error) = shared.known.lock().written(outcome, batch) else { continue };
            tracing::warn!(%error, "cannot write statuses; trying again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WRITE_BACKOFF) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herder::State;

    fn status(worker: &str, generation: i32, state: State) -> Option<Status> {
        let care = crate::herder::Care::default();
        Some(Status { state, trace: None, worker_id: worker.to_owned(), generation, version: None, care })
    }

    fn logged(record: &StatusRecord) -> LogRecord {
        LogRecord { offset: 0, key: record.key().into(), value: record.value().map(Into::into) }
    }

    #[test]
    fn an_older_word_of_another_worker_does_not_count() {
        let mut known = Known::default();
        let id = TaskId::new("c", 0);
        let say = |known: &mut Known, status| known.take_in(&logged(&StatusRecord::Task(id.clone(), status)));
        say(&mut known, status("b", 5, State::Running));
        say(&mut known, status("a", 4, State::Unassigned));
        assert_eq!(known.tasks[&id].state, State::Running);
        say(&mut known, status("b", 4, State::Paused));
        assert_eq!(known.tasks[&id].state, State::Paused, "a worker may take back its own word");
        say(&mut known, status("a", 6, State::Failed));
        assert_eq!(known.tasks[&id].state, State::Failed);
    }

    #[test]
    fn what_is_on_its_way_is_newer_than_what_comes_back() {
        let mut known = Known::default();
        let record = StatusRecord::Connector("c".to_owned(), status("a", 1, State::Running));
        known.apply(record.clone());
        known.unwritten.insert(record.key(), record);
        let old = StatusRecord::Connector("c".to_owned(), status("a", 1, State::Failed));
        known.take_in(&logged(&old));
        assert_eq!(known.connectors["c"].state, State::Running);
    }

    /// A task failed, somebody asked for the failed ones to be restarted, and its older RUNNING came back just then.
    #[test]
    fn an_older_word_of_ours_does_not_come_back_while_the_newer_is_written() {
        let mut known = Known::default();
        let id = TaskId::new("c", 0);
        let say =
            |worker, generation, state| StatusRecord::Task(id.clone(), status(worker, generation, state));
        let failed = say("a", 1, State::Failed);
        known.apply(failed.clone());
        known.unwritten.insert(failed.key(), failed);
        let batch = known.take_unwritten();
        known.take_in(&logged(&say("a", 1, State::Running)));
        known.take_in(&logged(&StatusRecord::Task(id.clone(), None)));
        assert_eq!(known.tasks[&id].state, State::Failed);
        known.take_in(&logged(&say("b", 2, State::Running)));
        assert_eq!(known.tasks[&id].state, State::Running, "another worker's newer word counts");
        known.written(Ok(()), batch).unwrap();
        known.take_in(&logged(&say("a", 3, State::Paused)));
        assert_eq!(known.tasks[&id].state, State::Paused);
    }

    /// The worker that a task was taken from says that nobody runs it, after its successor said that it does.
    #[test]
    fn the_last_word_in_the_topic_is_the_newest() {
        let mut known = Known::default();
        let id = TaskId::new("c", 0);
        let ours = StatusRecord::Task(id.clone(), status("b", 2, State::Running));
        known.note_worker(&ours);
        known.apply(ours.clone());
        known.take_in(&logged(&StatusRecord::Task(id.clone(), status("a", 1, State::Unassigned))));
        assert_eq!(known.tasks[&id].state, State::Running);
        let batch = known.take_unwritten();
        assert_eq!(batch.values().next().map(StatusRecord::value), Some(ours.value()));
        let theirs = StatusRecord::Task(TaskId::new("d", 0), status("c", 3, State::Running));
        known.take_in(&logged(&theirs));
        known.take_in(&logged(&StatusRecord::Task(TaskId::new("d", 0), status("a", 1, State::Unassigned))));
        assert!(known.take_unwritten().is_empty(), "that is the other's to say");
    }

    /// A worker that is cut off says what it stopped, and cannot write it. Meanwhile another one says more than once what it does.
    #[test]
    fn all_words_of_a_successor_count_while_ours_cannot_be_written() {
        let mut known = Known::default();
        let id = TaskId::new("c", 0);
        let say =
            |worker, generation, state| StatusRecord::Task(id.clone(), status(worker, generation, state));
        let ours = say("a", 1, State::Unassigned);
        known.apply(ours.clone());
        known.unwritten.insert(ours.key(), ours);
        let batch = known.take_unwritten();
        for state in [State::Failed, State::Running] {
            known.take_in(&logged(&say("b", 2, state)));
            assert_eq!(known.tasks[&id].state, state);
        }
        known.written(Err(api::Error::retriable("cut off")), batch).unwrap_err();
        assert!(known.take_unwritten().is_empty(), "the last word in the topic must be the successor's");
    }
}
