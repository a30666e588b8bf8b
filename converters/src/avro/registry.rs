//! A schema registry: asked once for each schema, by whoever needs it first.
//!
//! Beside the data path: a converter asks when it meets a schema or an id for the first time. Converters are called on the threads of their
//! tasks and must not wait there, so a question is answered at once if the answer is known, and else by a [`Flight`] to wait for:
//! the request runs by itself, and all that ask the same meanwhile wait for the same. Converters with the same settings share one
//! registry, so a thousand tasks ask once. Invariants: one request for a question at a time; what is kept is bounded in number
//! and bytes; only answers are kept, never failures.

mod failure;
mod http;
mod settings;
mod unanswered;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use api::Error;
use parking_lot::Mutex;
use tokio::sync::watch;

pub(super) use failure::Failure;
use http::Http;
pub(super) use settings::Settings;

/// How many answers are kept.
const ANSWERS_MAX: usize = 10_000;
/// How many bytes of schemas the answers have together.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The SHA-256 of a schema's text.
type Digest = [u8; 32];

/// What a registry can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The schema of an id; the subject helps registries with contexts.
    Schema { id: u32, subject: Option<String> },
    /// The id of a schema under a subject, registered if it is not yet.
    Register { subject: String, schema: Digest, normalize: bool },
    /// The id of a schema under a subject, which has it.
    Find { subject: String, schema: Digest, normalize: bool },
    /// Which version of a subject a schema is; none, if the registry does not say.
    Version { subject: String, schema: Digest },
    /// The latest version of a subject.
    Latest { subject: String },
}

/// What it answered; what the question is not about is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u32,
    pub(super) version: Option<i32>,
    pub(super) text: String,
    /// The texts of the schemas that this one refers to, each behind those that it refers to itself.
    pub(super) references: Vec<String>,
}

/// An answer, or what to wait for before asking again.
#[derive(Debug)]
pub(super) enum Asked {
    Known(Arc<Answer>),
    Asking(Flight),
}

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Flight(watch::Receiver<Option<Result<(), Arc<Failure>>>>);

impl Flight {
    /// Waits until it landed: then the same question is answered at once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn landed(mut self) -> Result<(), Error> {
        let gone =
            |cause| Error::retriable("the request to the schema registry was dropped").with_source(cause);
        let outcome = self.0.wait_for(Option::is_some).await.map_err(gone)?;
        match &*outcome {
            Some(Err(failure)) => Err(failure.to_error()),
            _ => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

/// A registry and what is known of it.
#[derive(Debug)]
pub(super) struct Registry {
    http: Http,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<Question, Entry>,
    bytes: usize,
    clock: u64,
    flights: HashMap<Question, Flight>,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Answer>,
    bytes: usize,
    used: u64,
    since: Instant,
}

/// The registries in use.
static SHARED: Mutex<Vec<Weak<Registry>>> = Mutex::new(Vec::new());

/// The digest of a schema's text.
pub(super) fn digest(text: &str) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    // SHA-256 has this many bytes.
    digest.as_ref().try_into().unwrap_or_default()
}

impl Registry {
    /// The registry of these settings: the same for all who ask for it.
    ///
    /// # Errors
    /// When its certificates cannot be used.
    pub(super) fn shared(settings: Settings) -> Result<Arc<Self>, Error> {
        let mut shared = SHARED.lock();
        shared.retain(|registry| registry.strong_count() > 0);
        let same =
            shared.iter().filter_map(Weak::upgrade).find(|registry| *registry.http.settings() == settings);
        if let Some(registry) = same {
            return Ok(registry);
        }
        let registry = Arc::new(Self { http: Http::new(settings)?, known: Mutex::default() });
        shared.push(Arc::downgrade(&registry));
        Ok(registry)
    }

    /// Asks; `text` is the schema that the question is about.
    ///
    /// # Errors
    /// When there is no runtime to ask on.
    pub(super) fn ask(self: &Arc<Self>, question: Question, text: &str) -> Result<Asked, Error> {
        let mut known = self.known.lock();
        if let Some(answer) = known.get(&question, self.http.settings().latest_ttl) {
            return Ok(Asked::Known(answer));
        }
        if let Some(flight) = known.flights.get(&question).filter(|flight| !flight.is_over()) {
            return Ok(Asked::Asking(flight.clone()));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|cause| {
            Error::fatal("a schema registry can be asked in a worker only").with_source(cause)
        })?;
        let (sender, receiver) = watch::channel(None);
        let flight = Flight(receiver);
        known.flights.insert(question.clone(), flight.clone());
        let (registry, text) = (Arc::clone(self), text.to_owned());
        runtime.spawn(async move {
            let outcome = registry.http.ask(&question, &text).await;
            let landed = registry.known.lock().land(question, outcome);
            sender.send_replace(Some(landed));
        });
        Ok(Asked::Asking(flight))
    }
}

impl Known {
    fn get(&mut self, question: &Question, latest_ttl: Option<Duration>) -> Option<Arc<Answer>> {
        self.clock += 1;
        let entry = self.answers.get_mut(question)?;
        let is_latest = matches!(question, Question::Latest { .. });
        if is_latest && latest_ttl.is_some_and(|ttl| entry.since.elapsed() > ttl) {
            return None;
        }
        entry.used = self.clock;
        Some(Arc::clone(&entry.answer))
    }

    fn land(&mut self, question: Question, outcome: Result<Answer, Failure>) -> Result<(), Arc<Failure>> {
        self.flights.remove(&question);
        let answer = outcome.map_err(Arc::new)?;
        let bytes = answer.text.len() + answer.references.iter().map(String::len).sum::<usize>();
        self.forget(&question);
        while self.answers.len() >= ANSWERS_MAX
            || (self.bytes + bytes > ANSWER_BYTES_MAX && !self.answers.is_empty())
        {
            let oldest =
                self.answers.iter().min_by_key(|(_, entry)| entry.used).map(|(question, _)| question.clone());
            oldest.iter().for_each(|question| self.forget(question));
        }
        self.bytes += bytes;
        self.clock += 1;
        let entry = Entry { answer: Arc::new(answer), bytes, used: self.clock, since: Instant::now() };
        self.answers.insert(question, entry);
        Ok(())
    }

    fn forget(&mut self, question: &Question) {
        if let Some(entry) = self.answers.remove(question) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests;
