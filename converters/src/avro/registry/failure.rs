//! Why a registry gave no answer, and what is to be done about it.
//!
//! Pure. Invariant: the message names the registry, what it was asked and what it said, and never a credential.

use std::time::Duration;

use api::{Error, ErrorKind};

use super::Question;

/// A failure that several who wait can be told.
#[derive(Debug, Clone)]
pub(in crate::avro) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    /// What was behind it, if there was something.
    pub(super) cause: Option<String>,
}

impl Failure {
    /// The registry cannot be reached, or does not answer.
    pub(super) fn away(message: String, cause: Option<String>) -> Self {
        Self { kind: ErrorKind::Retriable { after: None }, message, cause }
    }

    /// What the registry said cannot be understood.
    pub(super) const fn nonsense(message: String) -> Self {
        Self { kind: ErrorKind::BadRecord, message, cause: None }
    }

    /// As an error of whoever waited.
    pub(super) fn to_error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone());
        match &self.cause {
            Some(cause) => error.with_source(cause.clone()),
            None => error,
        }
    }
}

/// What an answer with an error status means.
pub(super) fn refusal(asked: &str, question: &Question, status: u16, code: i64, said: &str) -> Failure {
    let (kind, advice) = consequence(question, status, code);
    let said = if said.is_empty() { "no message" } else { said };
    let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
    Failure {
        kind,
        message: format!("{asked} answered {status} (error_code {code}): {said}{advice}"),
        cause: None,
    }
}

/// Whether the same may be asked again: the registry is busy, starts, or elects.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || status >= 500
}

fn consequence(question: &Question, status: u16, code: i64) -> (ErrorKind, &'static str) {
    match (status, code) {
        (401 | 403, _) => (
            ErrorKind::BadConfig,
            "check basic.auth.user.info or bearer.auth.token, and what the registry lets that user do",
        ),
        _ if is_passing(status) => (ErrorKind::Retriable { after: None::<Duration> }, ""),
        (300..=399, _) => (
            ErrorKind::BadConfig,
            "redirects are not followed; say in schema.registry.url where the registry is",
        ),
        (404, 40401..=40403) => match question {
            Question::Schema { .. } => (
                ErrorKind::BadRecord,
                "the record was written with another registry, or its bytes are no Avro of this form",
            ),
            _ => (
                ErrorKind::BadRecord,
                "register the schema under the subject, or set auto.register.schemas=true",
            ),
        },
        (404, _) => (ErrorKind::BadConfig, "no schema registry seems to be there; check schema.registry.url"),
        (409, _) => (
            ErrorKind::BadRecord,
            "the schema is not compatible with the subject's versions: change the table or record back, or the subject's compatibility",
        ),
        (422, _) => (ErrorKind::BadRecord, "the registry does not take the schema"),
        _ => (ErrorKind::BadRecord, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do_and_what_follows() {
        let find = Question::Latest { subject: "t-value".into() };
        let by_id = Question::Schema { id: 7, subject: None };
        for (question, status, code, kind, word) in [
            (&find, 404, 40401, ErrorKind::BadRecord, "auto.register.schemas"),
            (&by_id, 404, 40403, ErrorKind::BadRecord, "another registry"),
            (&by_id, 404, 404, ErrorKind::BadConfig, "schema.registry.url"),
            (&find, 409, 409, ErrorKind::BadRecord, "not compatible"),
            (&find, 422, 42201, ErrorKind::BadRecord, "does not take"),
            (&find, 401, 401, ErrorKind::BadConfig, "basic.auth.user.info"),
            (&find, 302, 0, ErrorKind::BadConfig, "redirects"),
            (&find, 503, 50003, ErrorKind::Retriable { after: None }, "error_code 50003"),
        ] {
            let error = refusal("POST http://r/x", question, status, code, "said").to_error();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(
                error.to_string().contains(word) && error.to_string().contains("POST http://r/x"),
                "{error}"
            );
        }
    }
}
