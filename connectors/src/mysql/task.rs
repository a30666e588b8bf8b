//! The task: starts the reader, hands out what it decoded.
//!
//! `poll` only takes from the queue, so that it may be dropped at any time. Invariant: the reader lives exactly as long as the
//! task; when it ends by itself, `poll` says why, and says it again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::{Error, Result, SourceContext, SourceRecord, SourceTask, async_trait};
use tokio::task::JoinHandle;

use super::config::MySqlConfig;
use super::config::events::Events;
use super::config::history::FormerHistory;
use super::config::snapshot::SnapshotSettings;
use super::envelope::{Envelopes, Flavour, partition};
use super::notification::Notifier;
use super::outbox::Outbox;
use super::queue::{Receiver, queue};
use super::reader::Reader;

/// A task of either connector.
#[derive(Debug)]
pub struct MySqlTask {
    flavour: Flavour,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    receiver: Receiver,
    reader: Option<JoinHandle<()>>,
    poll_interval: Duration,
    /// Why the reader ended.
    ended: Option<String>,
}

impl MySqlTask {
    /// A task that does nothing yet.
    #[must_use]
    pub const fn new(flavour: Flavour) -> Self {
        Self { flavour, running: None }
    }
}

impl Running {
    async fn receive(&mut self) -> Result<Vec<SourceRecord>> {
        if let Some(why) = &self.ended {
            return Err(Error::fatal(why.clone()));
        }
        match tokio::time::timeout(self.poll_interval, self.receiver.receive()).await {
            // Nothing came in time.
            Err(_) => Ok(Vec::new()),
            Ok(Some(Ok(records))) => Ok(records),
            Ok(Some(Err(error))) => {
                if !error.is_retriable() {
                    self.ended = Some(error.report());
                }
                Err(error)
            }
            Ok(None) => self.end().await,
        }
    }

    /// The reader ended: all that was asked for is handed out (`initial_only`), or it panicked.
    async fn end(&mut self) -> Result<Vec<SourceRecord>> {
        let ended = match self.reader.take() {
            Some(reader) => reader.await.err(),
            None => None,
        };
        let Some(cause) = ended else {
            // There is nothing to wait for; ask again no more often than otherwise.
            tokio::time::sleep(self.poll_interval).await;
            return Ok(Vec::new());
        };
        let message = "the task that reads MySQL ended unexpectedly; please report it";
        self.ended = Some(message.to_owned());
        Err(Error::fatal(message).with_source(cause))
    }
}

#[async_trait]
impl SourceTask for MySqlTask {
    async fn start(&mut self, context: SourceContext) -> Result<()> {
        let loaded = MySqlConfig::load(&context.config);
        let (config, filter) = loaded.map_err(|errors| Error::bad_config(errors.to_string()))?;
        let settings = SnapshotSettings::load(&context.config);
        let settings = settings.map_err(|errors| Error::bad_config(errors.to_string()))?;
        let events = Events::load(&context.config);
        let events = Arc::new(events.map_err(|errors| Error::bad_config(errors.to_string()))?);
        let former = FormerHistory::load(&context.config);
        let former = former.map_err(|errors| Error::bad_config(errors.to_string()))?;
        let committed = context.offsets.offset(&partition(&config)).await?;
        let (sender, receiver) =
            queue(config.queue_bytes(), config.queue_records_max, config.batch_records_max);
        let poll_interval = config.poll_interval;
        let reader = Reader {
            outbox: Outbox::new(sender, config.batch_records_max),
            envelopes: Envelopes::new(&config, &events, self.flavour).in_context(context.task, &run_id()),
            events,
            notifier: Notifier::new(&settings, &config.topic_prefix),
            signal_topic: settings.signal_topic(&config.topic_prefix, &context.config),
            settings: Arc::new(settings),
            config,
            filter,
            flavour: self.flavour,
            history: context.history,
            former,
            topics: context.topics,
            gauges: context.gauges,
        };
        let reader = Some(tokio::spawn(reader.run(committed)));
        self.running = Some(Running { receiver, reader, poll_interval, ended: None });
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        match &mut self.running {
            Some(running) => running.receive().await,
            None => Err(Error::fatal("the task was not started")),
        }
    }

    async fn stop(&mut self) {
        let Some(reader) = self.running.take().and_then(|running| running.reader) else { return };
        reader.abort();
        if let Err(ended) = reader.await
            && ended.is_panic()
        {
            tracing::error!(%ended, "the task that reads MySQL had panicked");
        }
    }
}

/// A UUID of version 7: the time and chance.
fn run_id() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
    let mut bytes = [0; 16];
    if ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).is_err() {
        tracing::warn!("the system gives no random bytes: the run's id is made of the time alone");
    }
    bytes[..6].copy_from_slice(&milliseconds[2..]);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    super::gtid::uuid_text(&bytes)
}

impl Drop for MySqlTask {
    /// A task that is dropped without `stop` must not leave its reader behind.
    fn drop(&mut self) {
        if let Some(reader) = self.running.take().and_then(|running| running.reader) {
            reader.abort();
        }
    }
}
