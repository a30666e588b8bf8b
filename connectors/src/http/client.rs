//! Sends one request and reads as much of the answer as is needed. The I/O of the HTTP sink.
//!
//! Invariants: no redirect is followed, no proxy of the environment used, no more than [`ANSWER_BYTES_MAX`] of an answer
//! read; messages have neither the query of the URL nor a secret header.

use std::time::Duration;

use api::{Error, Result};
use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode};

use super::answer::{Verdict, retry_after, verdict};
use super::config::Method;
use super::hosts::GuardedResolver;
use super::settings::Settings;

/// How much of an answer is read, so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long is waited for the rest of a good answer, whose text does not matter.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// How much of a bad answer stands in the message.
const EXCERPT_BYTES: usize = 200;

/// A client for one endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    client: Client,
    settings: Settings,
}

/// An answer, or why there is none.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// How long the endpoint asked to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What happened, for messages.
    pub(super) message: String,
    pub(super) cause: Option<reqwest::Error>,
}

impl Endpoint {
    /// A client with these settings.
    ///
    /// # Errors
    /// `Fatal` when TLS cannot be set up.
    pub(super) fn new(settings: Settings) -> Result<Self> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // The binary installs it; a program that only uses this crate may not have. A race with another is no harm.
            let installed = rustls::crypto::ring::default_provider().install_default();
            tracing::debug!(installed = installed.is_ok(), "Installed the default provider of cryptography.");
        }
        let client = Client::builder()
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(settings.config.request_timeout)
            .connect_timeout(settings.config.connect_timeout)
            .dns_resolver(GuardedResolver { is_listed: settings.host_is_listed })
            .build()
            .map_err(|error| Error::fatal("cannot set up the HTTP client").with_source(error))?;
        Ok(Self { client, settings })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a body and says what the answer means. A failure to get one means to try again.
    pub(super) async fn send(&self, body: Vec<u8>, idempotency_key: &str) -> Answer {
        let settings = &self.settings;
        let method = match settings.config.method {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let mut request = self.client.request(method, settings.url.clone()).headers(settings.headers.clone());
        if let Some(name) = &settings.idempotency_header {
            request = request.header(name, idempotency_key);
        }
        match request.body(body).send().await {
            Ok(response) => self.read(response).await,
            Err(error) => self.unanswered(error),
        }
    }

    async fn read(&self, response: Response) -> Answer {
        let status = response.status();
        let verdict = verdict(status.as_u16(), &self.settings.retry_codes);
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = retry_after(header(reqwest::header::RETRY_AFTER), Timestamp::now());
        let location = header(reqwest::header::LOCATION).map(|to| format!(" to {to}")).unwrap_or_default();
        let text = match verdict {
            Verdict::Delivered => {
                // An answer that does not end costs its connection, but not the success that its status says.
                let drained = tokio::time::timeout(DRAIN_MAX, excerpt(response)).await;
                drained.unwrap_or_default()
            }
            _ => excerpt(response).await,
        };
        Answer { verdict, retry_after, message: self.describe(status, &location, &text), cause: None }
    }

    fn describe(&self, status: StatusCode, location: &str, text: &str) -> String {
        let what = if text.is_empty() { String::new() } else { format!(": {text}") };
        format!("{} answered {status}{location}{what}", self.settings.shown_url)
    }

    fn unanswered(&self, error: reqwest::Error) -> Answer {
        let config = &self.settings.config;
        let reason = if error.is_timeout() && !error.is_connect() {
            format!(
                "did not answer within http.request.timeout.ms ({} ms)",
                config.request_timeout.as_millis()
            )
        } else if error.is_connect() {
            "cannot be reached".to_owned()
        } else {
            "did not answer".to_owned()
        };
        let verdict = if error.is_builder() {
            Verdict::Hopeless("the request cannot be made from the settings")
        } else {
            Verdict::Retry
        };
        let message = format!("{} {reason}", self.settings.shown_url);
        Answer { verdict, retry_after: None, message, cause: Some(error.without_url()) }
    }
}

/// The first bytes of an answer as text on one line. Reads on a while, so that the connection can be used again.
async fn excerpt(mut response: Response) -> String {
    let (mut first, mut read) = (Vec::new(), 0);
    while let Ok(Some(chunk)) = response.chunk().await {
        let wanted = EXCERPT_BYTES - first.len();
        first.extend(chunk.iter().take(wanted));
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            break;
        }
    }
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    String::from_utf8_lossy(&first).chars().map(printable).collect::<String>().trim().to_owned()
}
