//! From data with the id of its schema to values: what is compiled for which id and topic.
//!
//! The hot path is a look at the last id and topic. Untrusted: the id and the data are whatever somebody wrote into the topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use api::{Bytes, SchemaAndValue, SchemaRef, Text};

use super::decoder::{self, Decoder};
use super::registry::{Answer, Asked, Question, digest};
use super::schema::AvroRef;
use super::to_connect::ToConnect;
use super::{Common, MAGIC, Obstacle, PREFIX_BYTES, parse};
use crate::json::fault::Fault;

/// Reads data.
#[derive(Debug)]
pub(super) struct Reading {
    common: Arc<Common>,
    /// By id; a reader for each topic that has it.
    readers: HashMap<u32, Vec<Reader>>,
    count: usize,
}

#[derive(Debug)]
struct Reader {
    topic: Text,
    schema: Option<SchemaRef>,
    decoder: Decoder,
    /// When to ask again which schema is the latest.
    until: Option<Instant>,
}

impl Reading {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self { common, readers: HashMap::new(), count: 0 }
    }

    /// Reads a datum.
    pub(super) fn read(&mut self, topic: &str, bytes: &Bytes) -> Result<SchemaAndValue, Obstacle> {
        let id = id_of(bytes)?;
        let is_good = |reader: &Reader| {
            *reader.topic == *topic && reader.until.is_none_or(|until| Instant::now() < until)
        };
        let of_topic = |readers: &Vec<Reader>| readers.iter().position(is_good);
        let place = match self.readers.get(&id).and_then(of_topic) {
            Some(place) => place,
            None => self.add(topic, id)?,
        };
        let unknown = || Fault::new("the reader is gone");
        let reader = self.readers.get(&id).and_then(|readers| readers.get(place)).ok_or_else(unknown)?;
        let value = reader.decoder.read(bytes, PREFIX_BYTES).map_err(|fault| within(id, fault))?;
        Ok(SchemaAndValue { schema: reader.schema.clone(), value })
    }

    fn add(&mut self, topic: &str, id: u32) -> Result<usize, Obstacle> {
        let reader = self.new_reader(topic, id)?;
        // Full: everything is compiled anew as it is needed; the registry's answers are still known.
        if self.count >= self.common.cache_size {
            self.readers.clear();
            self.count = 0;
        }
        let readers = self.readers.entry(id).or_default();
        let before = readers.len();
        readers.retain(|other| *other.topic != *topic);
        self.count = self.count + 1 - (before - readers.len());
        readers.push(reader);
        Ok(readers.len() - 1)
    }

    fn new_reader(&self, topic: &str, id: u32) -> Result<Reader, Obstacle> {
        let Common { options, is_key, strategy, use_latest, latest_ttl, .. } = *self.common;
        let subject = match strategy {
            super::Strategy::Topic => Some(format!("{topic}-{}", if is_key { "key" } else { "value" })),
            _ => None,
        };
        let answer = self.ask(Question::Schema { id, subject }, "")?;
        let writer = parse::parse(&answer.text, &answer.references).map_err(|fault| within(id, fault))?;
        let (reader, version) = if use_latest {
            let latest =
                self.ask(Question::Latest { subject: strategy.subject(topic, is_key, &writer)? }, "")?;
            (parse::parse(&latest.text, &latest.references)?, latest.version)
        } else {
            let version = self.version(topic, &writer, &answer)?;
            (AvroRef::clone(&writer), version)
        };
        let schema = ToConnect::new(options).schema(&reader, version).map_err(|fault| within(id, fault))?;
        let decoder = decoder::compile(&writer, &reader, schema.as_ref(), options)
            .map_err(|fault| within(id, fault))?;
        // A time that no clock reaches is for ever.
        let until = latest_ttl.filter(|_| use_latest).and_then(|ttl| Instant::now().checked_add(ttl));
        Ok(Reader { topic: topic.into(), schema, decoder, until })
    }

    /// The version of the Connect schema, unless it says its own: that of the subject.
    fn version(&self, topic: &str, avro: &AvroRef, answer: &Answer) -> Result<Option<i32>, Obstacle> {
        if avro.prop("connect.version").is_some() || avro.is_anything() {
            return Ok(None);
        }
        let Ok(subject) = self.common.strategy.subject(topic, self.common.is_key, avro) else {
            return Ok(None);
        };
        Ok(self.ask(Question::Version { subject, schema: digest(&answer.text) }, &answer.text)?.version)
    }

    fn ask(&self, question: Question, text: &str) -> Result<Arc<Answer>, Obstacle> {
        match self.common.registry.ask(question, text)? {
            Asked::Known(answer) => Ok(answer),
            Asked::Asking(flight) => Err(Obstacle::Asking(flight)),
        }
    }
}

fn id_of(bytes: &Bytes) -> Result<u32, Fault> {
    match bytes.first_chunk::<PREFIX_BYTES>() {
        Some([MAGIC, a, b, c, d]) => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        Some([magic, ..]) => Err(Fault::new(format!(
            "Unknown magic byte! The first byte is {magic}, not 0: the record was not written by an AvroConverter"
        ))),
        None => Err(Fault::new(format!(
            "{} bytes are too few: Avro stands behind a zero byte and a schema id of four bytes",
            bytes.len()
        ))),
    }
}

fn within(id: u32, fault: Fault) -> Fault {
    fault.reason(|reason| format!("schema id {id}: {reason}"))
}
