//! From values to data with the id of their schema: what is compiled for which schema and topic, and which schema of the subject it is.
//!
//! The hot path is a look at the last schema and topic. Invariant: data is written with the schema whose id stands before it.

use std::sync::Arc;
use std::time::Instant;

use api::{SchemaAndValue, SchemaRef, Text};

use super::config::AvroConverterConfig;
use super::encoder::{self, Encoder};
use super::registry::{Answer, Asked, Question, digest};
use super::schema::AvroRef;
use super::{Common, MAGIC, Obstacle, PREFIX_BYTES, anything, compatibility, from_connect, parse, text};
use crate::cache::SchemaCache;
use crate::json::fault::Fault;

/// For how many topics one schema is kept compiled.
const TOPICS_MAX: usize = 1_000;

/// Which schema data is written with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice {
    /// The value's own, registered if need be.
    Register { normalize: bool },
    /// The value's own, which the subject has.
    Find { normalize: bool },
    /// The one of this id.
    Id { id: u32, is_strict: bool },
    /// The subject's latest version.
    Latest { is_strict: bool },
}

impl Choice {
    /// As the options say, in Confluent's order of precedence.
    pub(super) fn of(config: &AvroConverterConfig) -> Self {
        let normalize = config.normalize;
        match u32::try_from(config.use_schema_id) {
            _ if config.auto_register => Self::Register { normalize },
            Ok(id) => Self::Id { id, is_strict: config.id_compatibility_strict },
            Err(_none) if config.use_latest => Self::Latest { is_strict: config.latest_compatibility_strict },
            Err(_none) => Self::Find { normalize },
        }
    }
}

/// Writes values.
#[derive(Debug)]
pub(super) struct Writing {
    common: Arc<Common>,
    choice: Choice,
    writers: SchemaCache<Writer>,
    schemaless: Writer,
}

/// What is known of one Connect schema.
#[derive(Debug)]
struct Writer {
    schema: Option<SchemaRef>,
    made: Result<Made, Fault>,
    targets: Vec<Target>,
    last: usize,
}

#[derive(Debug, Clone)]
struct Made {
    avro: AvroRef,
    text: Arc<str>,
}

/// How values of a schema are written for one topic.
#[derive(Debug)]
struct Target {
    topic: Text,
    prefix: [u8; PREFIX_BYTES],
    encoder: Encoder,
    /// When to ask again which schema is the latest.
    until: Option<Instant>,
}

impl Writing {
    pub(super) fn new(common: Arc<Common>, choice: Choice) -> Self {
        let schemaless = Writer::of(None, Ok(anything::schema()));
        Self { choice, writers: SchemaCache::new(common.cache_size), schemaless, common }
    }

    /// Appends a datum. `false` when it is null: then there is none.
    pub(super) fn write(
        &mut self,
        topic: &str,
        datum: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, Obstacle> {
        let writer = match &datum.schema {
            None if datum.value.is_null() => return Ok(false),
            None => &mut self.schemaless,
            Some(schema) if datum.value.is_null() && schema.is_optional() => return Ok(false),
            Some(schema) => {
                let options = self.common.options;
                self.writers.get_or_make(schema, |schema| {
                    Writer::of(Some(SchemaRef::clone(schema)), from_connect::avro_of(schema, options))
                })
            }
        };
        let target = writer.target(topic, &self.common, self.choice)?;
        out.extend_from_slice(&target.prefix);
        Ok(target.encoder.write(&datum.value, out)?)
    }
}

impl Writer {
    fn of(schema: Option<SchemaRef>, avro: Result<AvroRef, Fault>) -> Self {
        let made = avro.and_then(|avro| Ok(Made { text: text::text_of(&avro)?.into(), avro }));
        Self { schema, made, targets: Vec::new(), last: 0 }
    }

    fn target(&mut self, topic: &str, common: &Common, choice: Choice) -> Result<&mut Target, Obstacle> {
        let is_good = |target: &Target| {
            *target.topic == *topic && target.until.is_none_or(|until| Instant::now() < until)
        };
        if !self.targets.get(self.last).is_some_and(is_good) {
            self.last = match self.targets.iter().position(is_good) {
                Some(place) => place,
                None => self.add(topic, common, choice)?,
            };
        }
        Ok(&mut self.targets[self.last])
    }

    fn add(&mut self, topic: &str, common: &Common, choice: Choice) -> Result<usize, Obstacle> {
        let target = self.new_target(topic, common, choice)?;
        self.targets.retain(|other| *other.topic != *topic);
        if self.targets.len() >= TOPICS_MAX {
            self.targets.remove(0);
        }
        self.targets.push(target);
        Ok(self.targets.len() - 1)
    }

    fn new_target(&self, topic: &str, common: &Common, choice: Choice) -> Result<Target, Obstacle> {
        let Made { avro, text } = self.made.as_ref().map_err(Fault::clone)?;
        let subject = common.strategy.subject(topic, common.is_key, avro)?;
        let (question, is_strict) = match choice {
            Choice::Register { normalize } => {
                (Question::Register { subject, schema: digest(text), normalize }, None)
            }
            Choice::Find { normalize } => (Question::Find { subject, schema: digest(text), normalize }, None),
            Choice::Id { id, is_strict } => {
                (Question::Schema { id, subject: Some(subject) }, Some(is_strict))
            }
            Choice::Latest { is_strict } => (Question::Latest { subject }, Some(is_strict)),
        };
        let answer = match common.registry.ask(question, text)? {
            Asked::Known(answer) => answer,
            Asked::Asking(flight) => return Err(Obstacle::Asking(flight)),
        };
        let until = match choice {
            // A time that no clock reaches is for ever.
            Choice::Latest { .. } => common.latest_ttl.and_then(|ttl| Instant::now().checked_add(ttl)),
            _ => None,
        };
        let encoder = match is_strict {
            None => encoder::compile(self.schema.as_ref(), avro, common.options)?,
            Some(is_strict) => self.encoder_for(&answer, avro, text, is_strict, common)?,
        };
        let [a, b, c, d] = answer.id.to_be_bytes();
        Ok(Target { topic: topic.into(), prefix: [MAGIC, a, b, c, d], encoder, until })
    }

    /// What writes with a schema that is not the value's own.
    fn encoder_for(
        &self,
        answer: &Answer,
        own: &AvroRef,
        own_text: &str,
        is_strict: bool,
        common: &Common,
    ) -> Result<Encoder, Obstacle> {
        // Read first: what is too much to be walked is told here.
        let theirs = parse::parse(&answer.text, &answer.references)?;
        if is_strict {
            compatibility::check(own_text, answer)?;
        }
        let theirs = if *theirs == **own { AvroRef::clone(own) } else { theirs };
        Ok(encoder::compile(self.schema.as_ref(), &theirs, common.options)?)
    }
}
