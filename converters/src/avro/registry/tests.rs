//! The client of registries against peers with real sockets: who is asked, in which order, with which credentials, and over TLS.

mod fail_over;
mod peer;
mod tls;

use api::Props;

use super::*;
use crate::avro::config::AvroConverterConfig;
use peer::{Manner, Peer};

const KNOWN: Manner = Manner::Answer(200, r#"{"id":7}"#);
const SCHEMA: &str = "\"string\"";

/// The registry of these options, which tries once and does not wait for long.
fn registry(said: &[(&str, &str)]) -> Result<Arc<Registry>, Error> {
    let usual = [("max.retries", "0"), ("retries.wait.ms", "1"), ("http.connect.timeout.ms", "5000")];
    let props: Props =
        usual.iter().chain(said).map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let wrong = |errors: api::configs::ConfigErrors| Error::bad_config(errors.to_string());
    let config = AvroConverterConfig::parse(&props).map_err(wrong)?;
    Registry::shared(Settings::new(&config, &props).map_err(wrong)?)
}

fn register(subject: &str) -> Question {
    Question::Register { subject: subject.to_owned(), schema: digest(SCHEMA), normalize: false }
}

/// The answer, however long it takes.
async fn answer(registry: &Arc<Registry>, question: Question) -> Result<Arc<Answer>, Error> {
    loop {
        match registry.ask(question.clone(), SCHEMA)? {
            Asked::Known(answer) => return Ok(answer),
            Asked::Asking(flight) => flight.landed().await?,
        }
    }
}

/// What is wrong, with its causes.
fn told(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn refused(said: &[(&str, &str)]) -> String {
    let error = registry(said).map(drop).unwrap_err();
    assert_eq!(error.kind(), api::ErrorKind::BadConfig, "{error}");
    told(&error)
}
