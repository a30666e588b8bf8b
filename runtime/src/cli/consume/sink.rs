//! Where consumed records go: standard output, in one of the forms, as many as were asked for.

use std::io::{self, Write};

use broker_client::{ConsumerRecord, FetchedRecords};

use super::super::exit::Exit;
use super::super::output::Output;
use super::format::Format;
use super::json::JsonRecord;
use super::plain::Plain;

/// A record and where it came from.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Shown<'a> {
    pub(in super::super) topic: &'a str,
    pub(in super::super) partition: i32,
    pub(in super::super) record: &'a ConsumerRecord,
}

/// How a record is printed.
#[derive(Debug)]
pub(in super::super) enum Form {
    /// As Kafka's console consumer does.
    Plain(Plain),
    /// As kcat's -f does.
    Format(Format),
    /// One object a line.
    Json,
    /// For people.
    Other(fn(&Shown<'_>, &mut dyn Write) -> io::Result<()>),
}

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Sink {
    output: Output,
    form: Form,
    /// How many records are still wanted; all, if `None`.
    left: Option<u64>,
}

impl Sink {
    pub(in super::super) fn new(form: Form, records_max: Option<u64>) -> Self {
        Self { output: Output::open(), form, left: records_max }
    }

    /// Whether no more records are wanted.
    pub(super) fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Prints the records in front of `end`, as long as any are wanted. The answer is the offset behind what was printed.
    pub(super) fn take(&mut self, fetched: &FetchedRecords, end: Option<i64>) -> Result<i64, Exit> {
        let mut next = fetched.next_offset;
        for record in &fetched.records {
            if self.is_full() || end.is_some_and(|end| record.offset >= end) {
                next = record.offset;
                break;
            }
            let shown = Shown { topic: &fetched.topic, partition: fetched.partition, record };
            self.write(&shown).map_err(|error| Exit::output(&error))?;
            self.left = self.left.map(|left| left - 1);
        }
        Ok(next)
    }

    fn write(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        let writer = self.output.writer();
        match &self.form {
            Form::Plain(plain) => plain.write(shown, writer),
            Form::Format(format) => format.write(shown, writer),
            Form::Json => JsonRecord::of(shown).write(writer),
            Form::Other(write) => write(shown, writer),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Exit> {
        self.output.flush()
    }
}
