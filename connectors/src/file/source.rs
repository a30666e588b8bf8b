//! The file source: lines of a file, as records with the position after each.
//!
//! Reading and finding whole lines happens on a blocking thread, one block ahead; records are made here, on the task's
//! own thread, so that the reference counts of topic and schema never move between two cores. Invariants: a line counts
//! as handed out when `poll` returns it; the block being read and the rest of the block at hand survive a dropped
//! `poll`; an offset is the byte after its line, so a restart goes on with the next line, exactly.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::configs::{ConfigError, ConfigErrors};
use api::{
    Error, ExactlyOnceSupport, FlatMap, Gauges, Props, Record, Result, Schema, SchemaAndValue, SchemaType,
    SourceConnector, SourceContext, SourceOffset, SourceRecord, SourceTask, Text, Value, async_trait,
};
use tokio::task::JoinHandle;

use super::block::Block;
use super::config::FileSourceConfig;
use super::follow::{Follower, Reading, Resume, Step};
use super::place::Place;
use super::stdin::StandardInput;
use super::watch::Watch;

/// Connect's names in the offsets topic, and ours for what the file is known by.
const FILENAME: &str = "filename";
const POSITION: &str = "position";
const IDENTITY: &str = "identity";

/// After new lines the file is looked at again after this long, then ever more seldom.
const WAIT_MIN: Duration = Duration::from_millis(2);
/// How long a line is, when there is nothing better to go by than experience.
const LINE_BYTES_EXPECTED: usize = 64;
/// Files that are idle for longer than this between two looks are looked at together, or when the system tells of a change.
const TOGETHER: Duration = Duration::from_millis(20);
/// A file of whose changes the system tells is looked at nevertheless, in case that it does not tell of all.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
/// An idle `poll` returns after this long.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// See [`super::SOURCE`]. A file is read by one task: its lines have an order.
#[derive(Debug, Clone, Copy)]
pub struct FileSourceConnector;

#[async_trait]
impl SourceConnector for FileSourceConnector {
    async fn validate(&self, config: &Props) -> std::result::Result<(), ConfigErrors> {
        let parsed = FileSourceConfig::parse(config)?;
        let Some(file) = parsed.file else { return Ok(()) };
        let place = Place::new(&file, &parsed.allowed_directories);
        let invalid = |reason: String| ConfigErrors::from(ConfigError::invalid("file", &file, reason));
        place.check().map_err(|reason| invalid(format!("it {reason}")))?;
        match place.open(std::fs::OpenOptions::new().read(true)) {
            Ok(_file_or_none_yet) => Ok(()),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    fn task_configs(&self, config: &Props, _tasks_max: usize) -> Result<Vec<Props>> {
        parse(config)?;
        Ok(vec![config.clone()])
    }

    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(FileSourceTask::default())
    }

    fn exactly_once_support(&self, config: &Props) -> Option<ExactlyOnceSupport> {
        // What was read from the standard input cannot be read again.
        let reads_file = parse(config).is_ok_and(|config| config.file.is_some());
        Some(if reads_file { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported })
    }

    fn check_offsets(&self, config: &Props, offsets: &[(FlatMap, Option<FlatMap>)]) -> Result<()> {
        if parse(config)?.file.is_none() {
            return Err(Error::bad_config(
                "the connector reads the standard input (no \"file\"), which has no offsets to change",
            ));
        }
        offsets.iter().try_for_each(|(partition, offset)| check_offset(partition, offset.as_ref()))
    }
}

fn check_offset(partition: &FlatMap, offset: Option<&FlatMap>) -> Result<()> {
    if partition.get(FILENAME).and_then(Value::as_str).is_none() {
        return Err(Error::bad_config(format!(
            "the partition must name a file: {{\"{FILENAME}\": \"...\"}}"
        )));
    }
    offset.map_or(Ok(()), |offset| resume_of(offset).map(drop))
}

fn parse(config: &Props) -> Result<FileSourceConfig> {
    FileSourceConfig::parse(config).map_err(|errors| Error::bad_config(errors.to_string()))
}

/// Reads a stored offset.
fn resume_of(offset: &FlatMap) -> Result<Resume> {
    let position = offset.get(POSITION).and_then(Value::as_i64).and_then(|number| u64::try_from(number).ok());
    let Some(position) = position else {
        return Err(Error::bad_config(format!(
            "the offset must hold a byte position, as {{\"{POSITION}\": 0}}, but is {offset:?}"
        )));
    };
    let identity = match offset.get(IDENTITY).and_then(Value::as_str) {
        None => None,
        Some(text) => Some(text.parse().map_err(Error::bad_config)?),
    };
    Ok(Resume { position, identity })
}

/// See [`FileSourceConnector`].
#[derive(Debug, Default)]
pub struct FileSourceTask {
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    input: Input,
    topic: String,
    batch_lines_max: usize,
    line_bytes_max: usize,
    partition: FlatMap,
    gauges: Gauges,
    current: Option<Current>,
    malformed_lines: u64,
}

/// A block at hand, and what its records share.
#[derive(Debug)]
struct Current {
    block: Block,
    /// Without the counter, which is the position; the standard input has none.
    offset: Arc<FlatMap>,
    /// The position of every record, if it is not that of its line.
    fixed_position: Option<u64>,
    has_position: bool,
    malformed_lines: u64,
}

#[derive(Debug)]
enum Input {
    File(Box<Following>),
    StandardInput(StandardInput),
}

#[derive(Debug)]
struct Following {
    /// With the step that is under way, if one is.
    follower: Option<Follower>,
    reading: Option<JoinHandle<(Follower, Result<Step>)>>,
    missing: bool,
    wait: Duration,
    wait_max: Duration,
    watching: Watching,
}

/// Whether the system is to tell of changes.
#[derive(Debug)]
enum Watching {
    /// Not while there is much to read.
    No,
    /// Of these; the number is that of the file that was open.
    Of(Watch, u64),
    /// It does not for the file that was open.
    Refused(u64),
}

#[async_trait]
impl SourceTask for FileSourceTask {
    async fn start(&mut self, context: SourceContext) -> Result<()> {
        let config = parse(&context.config)?;
        let partition = FlatMap::new().with(FILENAME, config.file.clone());
        let input = match &config.file {
            None => Input::StandardInput(StandardInput::acquire()?),
            Some(file) => {
                let stored = context.offsets.offset(&partition).await?;
                let resume = stored.as_ref().map(resume_of).transpose()?;
                let place = Place::new(file, &config.allowed_directories);
                let follower = Follower::new(place, config.line_bytes_max, config.last_line_quiet, resume);
                Input::File(Box::new(Following::new(follower, config.poll_wait)))
            }
        };
        self.started = Some(Started {
            input,
            topic: config.topic,
            batch_lines_max: config.batch_lines_max,
            line_bytes_max: config.line_bytes_max,
            partition,
            gauges: context.gauges,
            current: None,
            malformed_lines: 0,
        });
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        let Some(started) = &mut self.started else { return Err(Error::fatal("the task was not started")) };
        let deadline = Instant::now() + IDLE_MAX;
        loop {
            let records = started.take_lines()?;
            if !records.is_empty() || Instant::now() >= deadline {
                return Ok(records);
            }
            started.current = started.next_block().await?;
        }
    }

    async fn stop(&mut self) {
        // A read that is under way ends by itself, and what it found is dropped: it was not handed out, and the file still
        // has it. The standard input does not.
        if let Some(mut started) = self.started.take()
            && let Input::StandardInput(input) = &mut started.input
        {
            input.give_back(started.current.and_then(|current| current.block.into_rest()));
        }
    }
}

impl Started {
    /// Records of the block at hand, as many as a batch may have.
    fn take_lines(&mut self) -> Result<Vec<SourceRecord>> {
        let Some(current) = &mut self.current else { return Ok(Vec::new()) };
        let batch = Batch::new(&self.topic, &self.partition);
        let expected = current.block.remaining_bytes() / LINE_BYTES_EXPECTED + 1;
        let mut records = Vec::with_capacity(expected.min(self.batch_lines_max));
        while records.len() < self.batch_lines_max {
            match current.block.next_line(self.line_bytes_max) {
                None => break,
                Some(Ok((line, position))) => records.push(batch.record(line, current.offset_at(position)?)),
                Some(Err(error)) if records.is_empty() => {
                    return Err(error.context(format!("reading {:?}", self.partition.entries())));
                }
                Some(Err(_said_again_by_the_next_poll)) => break,
            }
        }
        self.malformed_lines += current.block.malformed_lines() - current.malformed_lines;
        current.malformed_lines = current.block.malformed_lines();
        if self.malformed_lines > 0 {
            self.gauges.set("malformed_lines", i64::try_from(self.malformed_lines).unwrap_or(i64::MAX));
        }
        Ok(records)
    }

    async fn next_block(&mut self) -> Result<Option<Current>> {
        match &mut self.input {
            Input::StandardInput(input) => next_input(input, self.line_bytes_max).await,
            Input::File(following) => following.next_block(&self.gauges).await,
        }
    }
}

impl Current {
    fn offset_at(&self, position: u64) -> Result<SourceOffset> {
        let shared = Arc::clone(&self.offset);
        if !self.has_position {
            return Ok(SourceOffset::new(shared));
        }
        let position = i64::try_from(self.fixed_position.unwrap_or(position))
            .map_err(|error| Error::fatal("the position in the file has no INT64").with_source(error))?;
        Ok(SourceOffset::with_counter(shared, POSITION, position))
    }
}

/// What the records of a batch share. Made anew for each batch, so that no two threads count references in one place.
struct Batch {
    topic: Text,
    partition: Arc<FlatMap>,
    schema: api::SchemaRef,
    timestamp: Option<i64>,
}

impl Batch {
    fn new(topic: &str, partition: &FlatMap) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis());
        Self {
            topic: Text::from(topic.to_owned()),
            partition: Arc::new(partition.clone()),
            schema: Schema::plain(SchemaType::String),
            timestamp: now.ok().and_then(|millis| i64::try_from(millis).ok()),
        }
    }

    fn record(&self, line: Text, source_offset: SourceOffset) -> SourceRecord {
        let record = Record {
            topic: self.topic.clone(),
            partition: None,
            key: SchemaAndValue::NULL,
            value: SchemaAndValue::new(Arc::clone(&self.schema), Value::String(line)),
            timestamp: self.timestamp,
            headers: api::Headers::new(),
            kafka_offset: None,
        };
        SourceRecord { record, source_partition: Arc::clone(&self.partition), source_offset }
    }
}

/// The next moment at which files are looked at that have been idle for a while: all of them at once, so that a thousand cost a few
/// wakings of threads and not a thousand. Files that grow are looked at when it is their time.
fn together(due: Instant) -> Instant {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let first = *FIRST;
    if due.saturating_duration_since(Instant::now()) < TOGETHER {
        return due;
    }
    let behind = due.saturating_duration_since(first).as_nanos() % TOGETHER.as_nanos();
    due - Duration::from_nanos(u64::try_from(behind).unwrap_or(0))
}

impl Following {
    const fn new(follower: Follower, wait_max: Duration) -> Self {
        Self {
            follower: Some(follower),
            reading: None,
            missing: false,
            wait: WAIT_MIN,
            wait_max,
            watching: Watching::No,
        }
    }

    /// The next block, or `None` after having waited a little. May be dropped before it is ready.
    async fn next_block(&mut self, gauges: &Gauges) -> Result<Option<Current>> {
        let step = self.step().await?;
        self.tell_missing(matches!(step, Step::Missing), gauges);
        if let Step::Lines(reading) = step {
            (self.wait, self.watching) = (WAIT_MIN, Watching::No);
            self.start_reading()?;
            gauges.set("behind_source_bytes", i64::try_from(reading.behind_bytes).unwrap_or(i64::MAX));
            return Ok(Some(Current::of_file(reading)));
        }
        self.pause().await;
        Ok(None)
    }

    /// Waits until there may be something new. May be dropped before it is ready.
    async fn pause(&mut self) {
        let Some(follower) = &self.follower else { return };
        let now = Instant::now();
        if self.wait < TOGETHER {
            tokio::time::sleep(self.wait.min(self.wait_max)).await;
            self.wait *= 2;
            return;
        }
        let file = follower.files_opened();
        let (watch, wait) = match &self.watching {
            Watching::Of(watch, of) if *of == file => (Some(watch), self.wait_max.max(LOOK_ANYWAY)),
            Watching::Refused(of) if *of == file => (None, self.wait.min(self.wait_max)),
            _ => {
                // What happened before it was watched is found by one more look.
                self.watching =
                    follower.watch().map_or(Watching::Refused(file), |watch| Watching::Of(watch, file));
                return;
            }
        };
        let due = follower.due().map_or(now + wait, |due| due.clamp(now, now + wait));
        let timer = tokio::time::sleep_until(together(due).into());
        match watch {
            None => {
                timer.await;
                self.wait = (self.wait * 2).min(self.wait_max.max(TOGETHER));
            }
            Some(watch) => tokio::select! {
                // What is watched may not be what is to be watched from now on.
                () = watch.changed() => self.watching = Watching::No,
                () = timer => {}
            },
        }
    }

    /// The outcome of the step that is under way; one is begun if none is.
    async fn step(&mut self) -> Result<Step> {
        // A file in which nothing happened is only looked at, which takes less time than another thread would to hear of it.
        if self.reading.is_none()
            && self.wait > WAIT_MIN
            && let Some(follower) = &mut self.follower
        {
            return follower.step(Instant::now());
        }
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => self.start_reading()?,
        };
        let outcome = reading.await;
        self.reading = None;
        let (follower, step) =
            outcome.map_err(|error| Error::fatal("reading the file failed").with_source(error))?;
        self.follower = Some(follower);
        step
    }

    fn start_reading(&mut self) -> Result<&mut JoinHandle<(Follower, Result<Step>)>> {
        let Some(mut follower) = self.follower.take() else {
            return Err(Error::fatal("the file's reader is gone after a failure"));
        };
        Ok(self.reading.insert(tokio::task::spawn_blocking(move || {
            let step = follower.step(Instant::now());
            (follower, step)
        })))
    }

    fn tell_missing(&mut self, missing: bool, gauges: &Gauges) {
        if missing != self.missing
            && let Some(follower) = &self.follower
        {
            let file = follower.path().display();
            if missing {
                tracing::warn!(%file, "There is no such file. Waiting for it.");
            } else {
                tracing::info!(%file, "The file is there now.");
            }
        }
        self.missing = missing;
        gauges.set("file_missing", i64::from(missing));
    }
}

impl Current {
    fn of_file(reading: Reading) -> Self {
        let offset = FlatMap::new().with(POSITION, 0_i64).with(IDENTITY, reading.identity.to_string());
        Self {
            block: Block::new(reading.cut),
            offset: Arc::new(offset),
            fixed_position: reading.position,
            has_position: true,
            malformed_lines: 0,
        }
    }
}

/// The next lines of the standard input, or `None` after a while.
async fn next_input(input: &mut StandardInput, line_bytes_max: usize) -> Result<Option<Current>> {
    let Ok(cut) = tokio::time::timeout(IDLE_MAX, input.next()).await else { return Ok(None) };
    let cut = cut?;
    if cut.is_none() && input.unfinished_bytes() > line_bytes_max {
        return Err(Error::fatal(format!(
            "a line of the standard input is longer than line.bytes.max ({line_bytes_max} bytes)"
        )));
    }
    Ok(cut.map(|cut| Current {
        block: Block::new(cut),
        offset: Arc::new(FlatMap::new().with(POSITION, Value::Null)),
        fixed_position: None,
        has_position: false,
        malformed_lines: 0,
    }))
}
