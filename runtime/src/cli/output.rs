//! Standard output: tables for people, JSON for programs, records by the stream.
//!
//! Invariant: what was asked for is the only thing written there, and a reader that goes away ends the command quietly.

use std::io::{BufWriter, StdoutLock, Write};

use serde_json::Value;

use super::exit::Exit;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Buffered standard output.
#[derive(Debug)]
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn open() -> Self {
        Self(BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock()))
    }

    /// Where to write; errors become the end of the command in [`Output::check`].
    pub(super) fn writer(&mut self) -> &mut impl Write {
        &mut self.0
    }

    /// Writes out what was collected.
    pub(super) fn flush(&mut self) -> Result<(), Exit> {
        self.0.flush().map_err(|error| Exit::output(&error))
    }
}

/// Prints a text as it is.
pub(super) fn text(text: &str) -> Result<(), Exit> {
    let mut output = Output::open();
    output.writer().write_all(text.as_bytes()).map_err(|error| Exit::output(&error))?;
    output.flush()
}

/// Prints one JSON document, indented.
pub(super) fn json(document: &Value) -> Result<(), Exit> {
    let mut written = serde_json::to_string_pretty(document)
        .map_err(|error| Exit::runtime(format!("cannot write JSON: {error}")))?;
    written.push('\n');
    text(&written)
}
