//! How a test says what a connector of this binary shall do, and learns what it did: files in a folder that both know.
//!
//! `<name>.block.<place>` exists: a call at that place keeps its thread until the file is gone; `<name>.hang.<place>`: it waits
//! without a thread; `<name>.fail.<place>`: it fails as the file's first word says (`fatal`, `retriable`, `config`, `panic`).
//! `<name>.calls` has a line for each call, in order.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use api::{Error, Props, Result};

/// How often a call that blocks looks whether it still shall.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The way to a connector's files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    folder: PathBuf,
    name: String,
}

impl Control {
    /// The files of the connector with these settings.
    pub(crate) fn of(config: &Props) -> Self {
        let said = |key: &str| config.get(key).cloned().unwrap_or_default();
        Self { folder: said("control").into(), name: said("name") }
    }

    fn file(&self, rest: &str) -> PathBuf {
        self.folder.join(format!("{}.{rest}", self.name))
    }

    fn is_told(&self, what: &str, place: &str) -> bool {
        !self.name.is_empty() && self.file(&format!("{what}.{place}")).exists()
    }

    /// Notes a line.
    pub(crate) fn note(&self, kind: &str, line: &str) {
        let opened = fs::OpenOptions::new().create(true).append(true).open(self.file(kind));
        let written = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            tracing::error!(%error, "cannot note {line}");
        }
    }

    /// A call at a place: noted, then what the files say.
    pub(crate) fn enter(&self, place: &str, what: &str) -> Result<()> {
        self.note("calls", &format!("{place} {what}").trim_end().replace('\n', " "));
        while self.is_told("block", place) {
            std::thread::sleep(LOOK_AGAIN);
        }
        self.fail(place)
    }

    /// As [`Control::enter`], for a call that may also wait.
    pub(crate) async fn enter_waiting(&self, place: &str, what: &str) -> Result<()> {
        self.enter(place, what)?;
        while self.is_told("hang", place) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn fail(&self, place: &str) -> Result<()> {
        let Ok(kind) = fs::read_to_string(self.file(&format!("fail.{place}"))) else { return Ok(()) };
        let message = format!("made to fail in {place}");
        Err(match kind.trim() {
            "retriable" => Error::retriable_after(Duration::from_millis(20), message),
            "config" => Error::bad_config(message),
            "panic" => return panics(&message),
            _ => Error::fatal(message),
        })
    }
}

#[allow(clippy::panic, reason = "what connectors do")]
fn panics(message: &str) -> Result<()> {
    panic!("{message}")
}
