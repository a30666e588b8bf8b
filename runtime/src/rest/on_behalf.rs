//! Whom a request is from that one worker hands on to another: said by the worker, and signed with the session key of the group.
//!
//! A caller who is known by a client certificate, or is not known at all, cannot be found out by the worker that a request is handed
//! on to: what it sees is the certificate of the worker that hands it on. Passwords and tokens go along instead, and are checked
//! anew. Beside `forward`, which says it, and `rights`, which believes it. Invariants: what is said counts for one request alone
//! (its method, path, query and body) to one worker, once, and for a minute; a header that is not signed so is refused, whoever the connection is
//! from, and never passed over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::error::Failure;
use crate::herder::{Herder, HerderError, HerderErrorKind, HerderResult, Signature};

/// What is said, in base64.
pub(super) const CALLER: HeaderName = HeaderName::from_static("x-millrace-caller");
const SIGNATURE: HeaderName = HeaderName::from_static("x-millrace-caller-signature");
const ALGORITHM: HeaderName = HeaderName::from_static("x-millrace-caller-algorithm");
/// On an answer: the request was refused for its signature alone, and nothing was done.
pub(super) const REFUSED: HeaderName = HeaderName::from_static("x-millrace-caller-refused");

/// How far the clocks of workers may be apart, and how long a request may take to arrive.
const VALID_FOR: Duration = Duration::from_secs(60);

/// How many signatures are remembered, so that none counts twice.
const SEEN_MAX: usize = 100_000;

/// What stands before what is signed, so that no other signature of the session key can be taken for one of these.
const DOMAIN: &[u8] = b"millrace-caller\n";

/// What is said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assertion {
    /// `None` for somebody without a name.
    name: Option<String>,
    /// `host:port` of the worker that is asked.
    to: String,
    method: String,
    /// Path and query.
    target: String,
    /// SHA-256 of the body, in base64.
    body: String,
    /// Milliseconds since 1970.
    time: i64,
    /// So that the same request, said twice, has two signatures.
    nonce: String,
}

/// A caller that another worker vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asserted {
    /// `None` for somebody without a name.
    pub(super) name: Option<String>,
    /// What the request's body must come to; whoever reads it checks that.
    pub(super) body: BodyDigest,
}

/// SHA-256 of a body that was vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BodyDigest(String);

impl BodyDigest {
    fn of(body: &[u8]) -> Self {
        Self(BASE64.encode(digest(&SHA256, body)))
    }

    /// Refuses another body.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), Failure> {
        if Self::of(body) == *self { Ok(()) } else { Err(refused("its body is another")) }
    }
}

/// The headers that say whom a request is from.
///
/// # Errors
/// `Unavailable` as long as there is no session key.
pub(super) async fn headers(
    herder: &Herder,
    name: Option<&str>,
    (to, target): (&str, &str),
    method: &Method,
    body: &[u8],
) -> HerderResult<Vec<(HeaderName, HeaderValue)>> {
    let assertion = Assertion {
        name: name.map(str::to_owned),
        to: to.to_owned(),
        method: method.to_string(),
        target: target.to_owned(),
        body: BodyDigest::of(body).0,
        time: Timestamp::now().as_millisecond(),
        nonce: nonce()?,
    };
    let text = serde_json::to_vec(&assertion).map_err(|error| HerderError::internal(error.to_string()))?;
    let text = BASE64.encode(text);
    let signature = herder.sign(&signed(&text)).await?;
    let value =
        |text: &str| HeaderValue::try_from(text).map_err(|error| HerderError::internal(error.to_string()));
    Ok(vec![
        (CALLER, value(&text)?),
        (SIGNATURE, value(&signature.authorization)?),
        (ALGORITHM, value(&signature.algorithm)?),
    ])
}

fn nonce() -> HerderResult<String> {
    let mut bytes = [0_u8; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|ring::error::Unspecified| HerderError::internal("the system has no random numbers"))?;
    Ok(BASE64.encode(bytes))
}

fn signed(text: &str) -> Vec<u8> {
    [DOMAIN, text.as_bytes()].concat()
}

fn refused(why: &str) -> Failure {
    let message = format!("Another worker said whom this request is from, but cannot be believed: {why}");
    Failure::new(StatusCode::FORBIDDEN, message)
}

/// The signatures that were good, until they are too old to be believed anyway. Clones share them: all listeners of a worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assertions {
    seen: Arc<Mutex<HashMap<String, Instant>>>,
}

/// Why somebody was not believed.
#[derive(Debug)]
pub(super) struct Disbelief {
    pub(super) failure: Failure,
    /// Whether only the signature is wrong: the session key may be a new one that the other worker has not read yet.
    pub(super) may_be_renewed: bool,
}

impl From<Failure> for Disbelief {
    fn from(failure: Failure) -> Self {
        Self { failure, may_be_renewed: false }
    }
}

impl Assertions {
    /// Whom a request is from, if another worker says so.
    pub(super) async fn check(
        &self,
        herder: &Herder,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Option<Asserted>, Disbelief> {
        if !headers.contains_key(&CALLER) {
            return Ok(None);
        }
        let one = |name: &HeaderName| {
            let mut all = headers.get_all(name).iter();
            match (all.next().and_then(|value| value.to_str().ok()), all.next()) {
                (Some(text), None) => Ok(text.to_owned()),
                _ => Err(refused(&format!("there must be one header {name}"))),
            }
        };
        let text = one(&CALLER)?;
        let signature = Signature { authorization: one(&SIGNATURE)?, algorithm: one(&ALGORITHM)? };
        if let Err(error) = herder.verify(Some(&signature), &signed(&text)).await {
            let may_be_renewed = error.kind == HerderErrorKind::Forbidden;
            let failure = if may_be_renewed { refused("the signature is wrong") } else { error.into() };
            return Err(Disbelief { failure, may_be_renewed });
        }
        let worker = herder.worker_id().await.map_err(Failure::from)?;
        let assertion = read(&text, &worker, method, uri, Timestamp::now())?;
        self.first(signature.authorization, Instant::now())?;
        Ok(Some(Asserted { name: assertion.name, body: BodyDigest(assertion.body) }))
    }

    /// Refuses a signature that has counted already.
    fn first(&self, signature: String, now: Instant) -> Result<(), Failure> {
        let mut seen = self.seen.lock();
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, until| *until > now);
        }
        if seen.len() >= SEEN_MAX {
            let message = "Too many requests are handed on by other workers: try again later";
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, message).passing(VALID_FOR));
        }
        // A clock may be ahead by as much as the other is behind.
        match seen.insert(signature, now + 2 * VALID_FOR) {
            None => Ok(()),
            Some(_) => Err(refused("it was said before")),
        }
    }
}

/// What is said, if it is said of this request, and now.
fn read(text: &str, worker: &str, method: &Method, uri: &Uri, now: Timestamp) -> Result<Assertion, Failure> {
    let json = BASE64.decode(text).map_err(|error| refused(&format!("no base64: {error}")))?;
    let assertion: Assertion =
        serde_json::from_slice(&json).map_err(|error| refused(&format!("no JSON as expected: {error}")))?;
    if assertion.to != worker {
        return Err(refused("it was said to another worker"));
    }
    if assertion.method != method.as_str() {
        return Err(refused("it was said of another method"));
    }
    if uri.path_and_query().is_none_or(|target| assertion.target != target.as_str()) {
        return Err(refused("it was said of another path"));
    }
    let apart = now.as_millisecond().abs_diff(assertion.time);
    if u128::from(apart) > VALID_FOR.as_millis() {
        return Err(refused(&format!(
            "it was said {apart} ms from now; are the clocks of the workers more than {} s apart?",
            VALID_FOR.as_secs()
        )));
    }
    Ok(assertion)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(change: impl FnOnce(&mut Assertion)) -> String {
        let mut assertion = Assertion {
            name: Some("alice".to_owned()),
            to: "leader:8083".to_owned(),
            method: "PUT".to_owned(),
            target: "/connectors/a/stop?forward=true".to_owned(),
            body: BodyDigest::of(b"body").0,
            time: 1_000_000,
            nonce: "n".to_owned(),
        };
        change(&mut assertion);
        BASE64.encode(serde_json::to_vec(&assertion).unwrap())
    }

    fn outcome(text: &str, at: i64) -> Result<Assertion, String> {
        let uri: Uri = "/connectors/a/stop?forward=true".parse().unwrap();
        let now = Timestamp::from_millisecond(at).unwrap();
        read(text, "leader:8083", &Method::PUT, &uri, now)
            .map_err(|failure| failure.body()["message"].to_string())
    }

    #[test]
    fn it_counts_for_one_request_and_a_minute() {
        assert_eq!(outcome(&said(|_| ()), 1_059_000).unwrap().name.as_deref(), Some("alice"));
        assert_eq!(outcome(&said(|said| said.name = None), 941_000).unwrap().name, None);
        for (text, at, why) in [
            (said(|said| said.to = "follower:8083".to_owned()), 1_000_000, "another worker"),
            (said(|said| said.method = "DELETE".to_owned()), 1_000_000, "another method"),
            (
                said(|said| said.target = "/connectors/b/stop?forward=true".to_owned()),
                1_000_000,
                "another path",
            ),
            (said(|said| said.target = "/connectors/a/stop".to_owned()), 1_000_000, "another path"),
            (said(|_| ()), 1_061_000, "clocks"),
            (said(|_| ()), 939_000, "clocks"),
            (said(|said| said.time = i64::MIN), 1_000_000, "clocks"),
            ("!".to_owned(), 1_000_000, "base64"),
            (BASE64.encode("{}"), 1_000_000, "JSON"),
        ] {
            let told = outcome(&text, at).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let asserted = BodyDigest::of(b"body");
        assert!(asserted.check(b"body").is_ok() && asserted.check(b"bodY").is_err());
    }

    #[test]
    fn it_counts_once() {
        let (assertions, now) = (Assertions::default(), Instant::now());
        assertions.first("a".to_owned(), now).unwrap();
        assertions.first("b".to_owned(), now).unwrap();
        assert!(assertions.first("a".to_owned(), now + VALID_FOR).is_err());
    }
}
