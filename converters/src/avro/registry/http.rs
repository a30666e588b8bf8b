//! The registry's REST API, as Confluent's clients speak it. The I/O.
//!
//! Source: docs.confluent.io, "Schema Registry API Reference". Invariants: no redirect is followed, no proxy of the environment used; an answer
//! has at most [`ANSWER_BYTES_MAX`]; a request ends within its timeouts; what may pass is asked again, of the next URL first.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use api::Error;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::{Certificate, Client, Identity, Method, Proxy, Response, Url};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::failure::refusal;
use super::settings::Endpoint;
use super::unanswered::unanswered;
use super::{Answer, Failure, Question, Settings};
use crate::avro::parse::TEXT_BYTES_MAX;

/// How long an answer may be: a schema in JSON in JSON.
const ANSWER_BYTES_MAX: usize = TEXT_BYTES_MAX * 2;
/// How many schemas one may refer to.
const REFERENCES_MAX: usize = 200;
/// The registry's media type.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// How much of a message is repeated.
const EXCERPT_CHARS: usize = 500;

/// A client for the URLs of one registry.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    settings: Settings,
    /// Which URL answered last.
    preferred: AtomicUsize,
}

#[derive(Debug, Deserialize)]
struct Body {
    id: Option<u32>,
    version: Option<i32>,
    schema: Option<String>,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    references: Option<Vec<Reference>>,
    #[serde(rename = "ruleSet")]
    rules: Option<Map<String, Json>>,
}

/// The name of a rule that is to be applied to data of the schema, if there is one.
fn rule(body: &Body) -> Option<String> {
    let lists = body.rules.iter().flat_map(Map::values).filter_map(Json::as_array);
    let rule = lists.flatten().find(|rule| rule["disabled"] != true)?;
    Some(rule["name"].as_str().map(printable).unwrap_or_default())
}

#[derive(Debug, Clone, Deserialize)]
struct Reference {
    subject: String,
    version: i32,
}

#[derive(Debug, Default, Deserialize)]
struct Refused {
    error_code: Option<i64>,
    message: Option<String>,
}

/// A request, but for the registry's URL.
struct Request<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'static str, &'a str)>,
    body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    fn get(path: &[&'a str]) -> Self {
        Self { method: Method::GET, path: path.to_vec(), query: Vec::new(), body: None }
    }

    fn post(path: &[&'a str], text: &str, normalize: bool) -> Self {
        let query = if normalize { vec![("normalize", "true")] } else { Vec::new() };
        let body = Some(json!({ "schema": text }).to_string().into_bytes());
        Self { method: Method::POST, path: path.to_vec(), query, body }
    }

    fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

impl Http {
    /// A client with these settings.
    ///
    /// # Errors
    /// `BadConfig` when the certificates or the key cannot be used.
    pub(super) fn new(settings: Settings) -> Result<Self, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // The binary installs it; a program that only uses this crate may not have. A race with another is no harm.
            let installed = rustls::crypto::ring::default_provider().install_default();
            tracing::debug!(installed = installed.is_ok(), "Installed the default provider of cryptography.");
        }
        let mut builder = Client::builder()
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_hostnames(settings.takes_any_name)
            .referer(false)
            .default_headers(settings.headers.clone())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.connect_timeout + settings.read_timeout);
        if let Some(url) = &settings.proxy {
            let proxy = Proxy::all(url.clone()).map_err(|cause| {
                Error::bad_config("proxy.host: cannot be used as a proxy").with_source(cause)
            })?;
            builder = builder.proxy(proxy);
        }
        let unusable = |option: &str, cause: reqwest::Error| {
            Error::bad_config(format!("{option}: cannot be used as PEM certificates")).with_source(cause)
        };
        if let Some(pem) = &settings.trusted {
            let option = "schema.registry.ssl.truststore";
            let trusted =
                Certificate::from_pem_bundle(pem.as_bytes()).map_err(|cause| unusable(option, cause))?;
            if trusted.is_empty() {
                return Err(Error::bad_config(format!("{option}: there is no certificate in it")));
            }
            builder = builder.tls_certs_only(trusted);
        }
        if let Some(pem) = &settings.identity {
            let identity = Identity::from_pem(pem.0.as_bytes());
            builder =
                builder.identity(identity.map_err(|cause| unusable("schema.registry.ssl.keystore", cause))?);
        }
        let client = builder.build();
        let client = client.map_err(|cause| {
            Error::bad_config("cannot set up the client of the schema registry").with_source(cause)
        })?;
        Ok(Self { client, settings, preferred: AtomicUsize::new(0) })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks, again and again where that may help.
    pub(super) async fn ask(&self, question: &Question, text: &str) -> Result<Answer, Failure> {
        let body = match question {
            Question::Schema { id, subject } => {
                let id = id.to_string();
                let mut request = Request::get(&["schemas", "ids", &id]);
                request.query.push(("fetchMaxId", "false"));
                request.query.extend(subject.as_deref().map(|subject| ("subject", subject)));
                self.tried(&request, question).await?
            }
            Question::Register { subject, normalize, .. } => {
                self.tried(&Request::post(&["subjects", subject, "versions"], text, *normalize), question)
                    .await?
            }
            Question::Find { subject, normalize, .. } => {
                self.tried(&Request::post(&["subjects", subject], text, *normalize), question).await?
            }
            Question::Version { subject, .. } => {
                return self.version(&Request::post(&["subjects", subject], text, false), question).await;
            }
            Question::Latest { subject } => {
                self.tried(&Request::get(&["subjects", subject, "versions", "latest"]), question).await?
            }
        };
        self.answer(question, body).await
    }

    /// A version is good to know; a registry that has none, or keeps it to itself, is no obstacle.
    async fn version(&self, request: &Request<'_>, question: &Question) -> Result<Answer, Failure> {
        match self.tried(request, question).await {
            Ok(body) => Ok(Answer { version: body.version, ..Answer::default() }),
            Err(failure) if matches!(failure.kind, api::ErrorKind::Retriable { .. }) => Err(failure),
            Err(failure) => {
                tracing::debug!(
                    reason = failure.message,
                    "the registry does not say which version a schema is"
                );
                Ok(Answer::default())
            }
        }
    }

    async fn answer(&self, question: &Question, body: Body) -> Result<Answer, Failure> {
        let nonsense = |what: String| Failure::nonsense(format!("the answer of the schema registry {what}"));
        if let Some(other) = body.schema_type.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("AVRO")) {
            return Err(nonsense(format!("is a schema of type {other}; the Avro converter reads AVRO")));
        }
        let missing = |name: &str| nonsense(format!("has no {name}"));
        if let Some(rule) = rule(&body) {
            return Err(nonsense(format!(
                "is a schema with the rule {rule:?}; rules are not applied here: disable it, or use another schema"
            )));
        }
        let id = match question {
            Question::Schema { id, .. } => *id,
            _ => body.id.ok_or_else(|| missing("id"))?,
        };
        let has_schema = matches!(question, Question::Schema { .. } | Question::Latest { .. });
        let text = if has_schema { body.schema.ok_or_else(|| missing("schema"))? } else { String::new() };
        let references = match body.references {
            Some(references) if has_schema => self.references(references, question).await?,
            _ => Vec::new(),
        };
        Ok(Answer { id, version: body.version, text, references })
    }

    /// The texts of what a schema refers to, each behind those that it refers to itself.
    async fn references(
        &self,
        references: Vec<Reference>,
        question: &Question,
    ) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        let mut seen: Vec<(String, i32)> = Vec::new();
        // What is done last stands on top: a text is put out when all that it refers to is.
        enum Todo {
            Ask(Reference),
            PutOut(String),
        }
        let mut todo: Vec<_> = references.into_iter().rev().map(Todo::Ask).collect();
        while let Some(next) = todo.pop() {
            let Reference { subject, version } = match next {
                Todo::PutOut(text) => {
                    texts.push(text);
                    continue;
                }
                Todo::Ask(reference) => reference,
            };
            let key = (subject, version);
            if seen.contains(&key) {
                continue;
            }
            if seen.len() == REFERENCES_MAX {
                return Err(Failure::nonsense(format!(
                    "a schema refers to more than {REFERENCES_MAX} others"
                )));
            }
            let version = version.to_string();
            let body =
                self.tried(&Request::get(&["subjects", &key.0, "versions", &version]), question).await?;
            let text = body.schema.ok_or_else(|| {
                Failure::nonsense(format!("version {version} of subject {} has no schema", key.0))
            })?;
            seen.push(key);
            todo.push(Todo::PutOut(text));
            todo.extend(body.references.unwrap_or_default().into_iter().rev().map(Todo::Ask));
        }
        Ok(texts)
    }

    /// Tries all URLs, and after a pause again, as often as the settings say.
    async fn tried(&self, request: &Request<'_>, question: &Question) -> Result<Body, Failure> {
        let mut wait = self.settings.retries_wait;
        let mut tries = 0;
        loop {
            let failure = match self.round(request, question).await {
                Err(failure) if matches!(failure.kind, api::ErrorKind::Retriable { .. }) => failure,
                settled => return settled,
            };
            if tries >= self.settings.retries_max {
                return Err(failure);
            }
            tries += 1;
            let wait_now = wait.min(self.settings.retries_wait_max);
            tracing::warn!(error = %failure.to_error(), ?wait_now, "the schema registry gave no answer; asking again");
            tokio::time::sleep(wait_now).await;
            wait = wait.saturating_mul(2);
        }
    }

    /// Asks each URL, from the one that answered last, until one does.
    async fn round(&self, request: &Request<'_>, question: &Question) -> Result<Body, Failure> {
        let (endpoints, first) = (&self.settings.endpoints, self.preferred.load(Relaxed));
        let mut failure = Failure::away("no URL of a schema registry is said".to_owned(), None);
        for step in 0..endpoints.len() {
            let place = (first + step) % endpoints.len();
            match self.send(request, &endpoints[place], question).await {
                Err(passing) if matches!(passing.kind, api::ErrorKind::Retriable { .. }) => failure = passing,
                settled => {
                    self.preferred.store(place, Relaxed);
                    return settled;
                }
            }
        }
        Err(failure)
    }

    async fn send(
        &self,
        request: &Request<'_>,
        endpoint: &Endpoint,
        question: &Question,
    ) -> Result<Body, Failure> {
        let url = request.url(&endpoint.url);
        let asked = &*format!("the schema registry, asked {} {url},", request.method);
        let mut builder = self.client.request(request.method.clone(), url).header(ACCEPT, MEDIA_TYPE);
        if let Some(authorization) = &endpoint.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, MEDIA_TYPE).body(body.clone());
        }
        let response = builder.send().await.map_err(|error| unanswered(asked, error, &self.settings))?;
        let status = response.status();
        let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
        let bytes = self.read(response, asked).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|cause| {
                Failure::nonsense(format!("{asked} gave an answer that is not the API's: {cause}"))
            });
        }
        let refused: Refused = serde_json::from_slice(&bytes).unwrap_or_default();
        let said = match (&refused.message, location) {
            (Some(message), _) => printable(message),
            (None, Some(location)) => format!("go to {}", printable(&location)),
            (None, None) => String::new(),
        };
        Err(refusal(asked, question, status.as_u16(), refused.error_code.unwrap_or_default(), &said))
    }

    async fn read(&self, mut response: Response, asked: &str) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| unanswered(asked, error, &self.settings))?
        {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::nonsense(format!(
                    "{asked} gave an answer of more than {ANSWER_BYTES_MAX} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn printable(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(EXCERPT_CHARS).map(shown).collect()
}
