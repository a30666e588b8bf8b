//! Signals on the way: rows of the signal table, lines of the file and records of the topic, and what is done about them between
//! events.

use std::time::{Duration, Instant};

use api::{FlatMap, Result, SourceRecord, Text, Value};

use super::{Ended, Follower};
use crate::mysql::filter::whole_name;
use crate::mysql::gtid::GtidSet;
use crate::mysql::incremental::Job;
use crate::mysql::notification::Note;
use crate::mysql::position::{Position, Skip};
use crate::mysql::reader::Reader;
use crate::mysql::reader::heartbeat::{offset_before_row, position_offset};
use crate::mysql::server;
use crate::mysql::shape::TableId;
use crate::mysql::signal::file::FileChannel;
use crate::mysql::signal::topic::TopicChannel;
use crate::mysql::signal::{Action, Place, Request, Signal};
use crate::mysql::snapshot::captured;

/// The signals that came and are not obeyed yet.
#[derive(Debug, Default)]
pub(super) struct Signals {
    file: Option<FileChannel>,
    topic: Option<TopicChannel>,
    arrived: Vec<Signal>,
    /// Why following has to end, between two transactions.
    ending: Option<Ended>,
    /// Signals that moved the position: a second reading of them must not move it again.
    moved: Vec<String>,
}

impl Signals {
    pub(super) fn new(reader: &Reader) -> Self {
        let config = &reader.settings.config;
        let every = config.signal_poll_interval;
        let file = reader.settings.listens_to("file");
        let file = file.then(|| FileChannel::new(&config.signal_file, every));
        let topic = reader.signal_topic.clone().map(|topic| TopicChannel::new(topic, every));
        Self { file, topic, ..Self::default() }
    }

    /// Goes on behind the signals that an offset says were obeyed.
    pub(super) fn resume(&mut self, committed: &FlatMap) {
        if let Some(topic) = &mut self.topic {
            topic.resume(committed);
        }
    }

    /// How long it may take until something must be looked at.
    pub(super) fn due_in(&self, at_most: Duration) -> Duration {
        let now = Instant::now();
        let file = self.file.as_ref().map_or(at_most, |file| file.due_in(now));
        let topic = self.topic.as_ref().map_or(at_most, |topic| topic.due_in(now));
        at_most.min(file).min(topic)
    }

    /// Why following has to end, if it has to: from now on that counts as obeyed.
    pub(super) fn take_ending(&mut self) -> Option<Ended> {
        let ending = self.ending.take()?;
        self.obeyed();
        Some(ending)
    }

    fn obeyed(&mut self) {
        if let Some(topic) = &mut self.topic {
            topic.obeyed();
        }
    }

    /// What an offset says of the signals.
    pub(super) fn entry(&self) -> Option<(Text, Value)> {
        self.topic.as_ref()?.entry()
    }
}

impl Follower {
    /// A row was added to the signal table.
    pub(super) fn signal_row(&mut self, reader: &Reader, row: &[Value]) {
        if reader.settings.listens_to("source")
            && let Some(signal) = Signal::of_row(row)
            && !signal.is_window()
        {
            self.signals.arrived.push(signal);
        }
    }

    /// Looks at the file and at the topic of signals, if it is time.
    pub(super) async fn look_for_signals(&mut self, reader: &mut Reader) -> Result<()> {
        let now = Instant::now();
        let from_file = self.signals.file.as_mut().map(|file| file.poll(now)).unwrap_or_default();
        let from_topic = match &mut self.signals.topic {
            Some(topic) => topic.poll(&*reader.topics, now)?,
            None => Vec::new(),
        };
        if from_file.is_empty() && from_topic.is_empty() {
            return Ok(());
        }
        self.signals.arrived.extend(from_file.into_iter().chain(from_topic));
        self.obey(reader, false).await
    }

    /// Obeys what arrived. `by_row` when the last record in the outbox is that of the signal: its offset must not claim a signal
    /// that was not obeyed, so it gets the one that says what was begun.
    pub(super) async fn obey(&mut self, reader: &mut Reader, by_row: bool) -> Result<()> {
        if self.signals.arrived.is_empty() {
            return Ok(());
        }
        let before = reader.outbox.records.len();
        for signal in std::mem::take(&mut self.signals.arrived) {
            match signal.action() {
                Ok(action) => self.act(reader, &signal, action).await?,
                Err(reason) => {
                    tracing::warn!(id = %signal.id, kind = %signal.kind, %reason, "a signal is passed over");
                }
            }
        }
        if self.signals.ending.is_none() {
            self.signals.obeyed();
        }
        self.refresh_extra();
        let last = reader.outbox.records.get_mut(before.saturating_sub(1)).filter(|_| by_row);
        if self.signals.ending.is_some() {
            // What was asked for begins between two transactions; until then a restart must read the signal again.
            if let Some(record) = last {
                record.source_offset = offset_before_row(&self.tracker, &self.offset_extra());
            }
            return Ok(());
        }
        let offset = position_offset(&self.tracker, &self.offset_extra());
        match last {
            Some(record) => record.source_offset = offset,
            None => {
                let partition = std::sync::Arc::clone(reader.envelopes.partition());
                reader.outbox.records.push(SourceRecord::progress(partition, offset));
            }
        }
        Ok(())
    }

    async fn act(&mut self, reader: &mut Reader, signal: &Signal, action: Action) -> Result<()> {
        tracing::info!(id = %signal.id, kind = %signal.kind, data = %signal.data, "obeying a signal");
        match action {
            Action::Log(message) => {
                let place = format!("{}:{}", self.tracker.file(), self.tracker.start());
                tracing::info!("{}", message.replace("{}", &place));
            }
            Action::Incremental(request) => self.begin_incremental(reader, &request).await?,
            Action::Blocking(request) => {
                let tables = self.expand(reader, &request).await?;
                self.signals.ending = Some(Ended::Blocking(tables));
            }
            Action::Pause => {
                self.incremental.paused = true;
                self.incremental.window = None;
                self.note_of(reader, "PAUSED", true);
            }
            Action::Resume => {
                self.incremental.paused = false;
                self.note_of(reader, "RESUMED", true);
            }
            Action::Stop(patterns) => self.stop_incremental(reader, &patterns),
            Action::SetPosition(place) => self.request_move(signal, place)?,
        }
        Ok(())
    }

    fn note_of(&mut self, reader: &mut Reader, kind: &'static str, names: bool) {
        let mut note = Note::incremental(kind, &self.incremental.correlation);
        if names {
            note = note.with("data_collections", self.incremental.names());
        }
        self.note(reader, note);
    }

    /// Tells a note with the offset of where we are.
    pub(super) fn note(&mut self, reader: &mut Reader, note: Note) {
        let offset = position_offset(&self.tracker, &self.offset_extra());
        let partition = std::sync::Arc::clone(reader.envelopes.partition());
        reader.notifier.notify(note, &partition, offset, &mut reader.outbox);
    }

    async fn begin_incremental(&mut self, reader: &mut Reader, request: &Request) -> Result<()> {
        let tables = self.expand(reader, request).await?;
        if tables.is_empty() {
            tracing::warn!(id = %request.id, tables = ?request.tables, "the signal names no captured table");
            return Ok(());
        }
        let job = |(table, condition): (TableId, Option<String>)| Job {
            table,
            condition,
            surrogate_key: request.surrogate_key.clone(),
        };
        self.incremental.add(&request.id, tables.into_iter().map(job).collect());
        self.refresh_extra();
        self.note_of(reader, "STARTED", true);
        Ok(())
    }

    fn stop_incremental(&mut self, reader: &mut Reader, patterns: &[String]) {
        let patterns: Vec<_> = patterns.iter().filter_map(|pattern| whole_name(pattern).ok()).collect();
        let named = |table: &TableId| {
            let name = table.to_string();
            patterns.is_empty() || patterns.iter().any(|one| one.is_match(&name).unwrap_or(false))
        };
        let names = self.incremental.names();
        if self.incremental.stop(named) {
            let mut note = Note::incremental("ABORTED", &self.incremental.correlation);
            if !patterns.is_empty() {
                note = note.with("data_collections", names);
            }
            self.refresh_extra();
            self.note(reader, note);
        }
    }

    /// The captured tables that a request names, in its order, with their conditions.
    async fn expand(&self, reader: &Reader, request: &Request) -> Result<Vec<(TableId, Option<String>)>> {
        let mut conn = server::connect(&reader.config).await?;
        let known = captured(&mut conn, &reader.filter).await?;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that listed the tables");
        }
        let mut found: Vec<(TableId, Option<String>)> = Vec::new();
        for pattern in request.tables.iter().filter_map(|pattern| whole_name(pattern).ok()) {
            for id in known.iter().filter(|id| !reader.filter.is_signal_table(id)) {
                let name = id.to_string();
                let is_new = found.iter().all(|(other, _)| other != id);
                if is_new && pattern.is_match(&name).unwrap_or(false) {
                    found.push((id.clone(), request.condition(&name)));
                }
            }
        }
        Ok(found)
    }

    /// Goes on from another place, once. What is read again because of it does not move it again.
    fn request_move(&mut self, signal: &Signal, place: Place) -> Result<()> {
        if self.signals.moved.contains(&signal.id) {
            tracing::info!(id = %signal.id, "the signal has moved the position already");
            return Ok(());
        }
        self.signals.moved.push(signal.id.clone());
        let here = self.tracker.restart().clone();
        let position = match place {
            Place::File(file, pos) => {
                Position { file: file.into(), pos, gtids: None, skip: Skip::default(), ..here }
            }
            Place::Gtids(gtids) => {
                let gtids = Some(GtidSet::parse(&gtids, self.server.mariadb)?);
                Position { gtids, skip: Skip::default(), ..here }
            }
        };
        self.signals.ending = Some(Ended::Moved(position));
        Ok(())
    }
}
