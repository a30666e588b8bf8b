//! Requests that another worker must answer are handed on to it: to the leader, or from the leader to the owner of what they are about.
//!
//! Around every handler; the only place that forwards. The handler runs first and says where the request belongs ([`Elsewhere`]). The
//! query parameter `forward` counts hops, as in Connect: none on the way from a client, `true` on the first hop, `false` on the
//! second, which is the last. Invariants: a request is done by one worker at most, since it is handed on only if nothing was done
//! here, and again only if the other worker was never reached; whoever asked can read here what was written there.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use reqwest::Url;

use super::error::{Elsewhere, Failure};
use super::internal::{ALGORITHM, AUTHORIZATION, REVISION};
use super::login::Caller;
use super::on_behalf::{self, BodyDigest};
use super::peer_client::PeerClient;
use super::{BODY_BYTES_MAX, RestState};
use crate::config::PeerTls;
use crate::herder::{HerderError, HerderErrorKind};

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// How long to wait before a worker that could not be reached is asked again, or whoever leads by then.
const AGAIN: Duration = Duration::from_millis(100);
/// How large an answer of another worker may be.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Headers that go along, beside those of the body.
const ALONG: [HeaderName; 4] = [header::CONTENT_TYPE, header::ACCEPT, header::AUTHORIZATION, header::COOKIE];

/// Headers of an answer that come back.
const BACK: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    header::CACHE_CONTROL,
];

/// What forwarding needs.
#[derive(Debug, Clone)]
pub(super) struct Forwarder {
    rest: RestState,
    client: PeerClient,
}

impl Forwarder {
    /// Forwards for this worker.
    pub(super) fn new(rest: RestState, tls: &PeerTls) -> Self {
        Self { rest, client: PeerClient::new(tls) }
    }
}

/// Runs the handler, and hands the request on if it belongs elsewhere.
pub(super) async fn forward(State(forwarder): State<Forwarder>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    if let Some(Err(failure)) = parts.extensions.get::<BodyDigest>().map(|digest| digest.check(&body)) {
        return failure.into_response();
    }
    let deadline = Instant::now() + forwarder.rest.request_timeout;
    loop {
        let here = Request::from_parts(parts.clone(), Body::from(body.clone()));
        let response = next.clone().run(here).await;
        let Some(Elsewhere(url)) = response.extensions().get().cloned() else { return response };
        let Some(target) = target(&url, &parts.uri) else { return response };
        match forwarder.hand_on(&target, &parts, body.clone(), deadline).await {
            Ok(response) => return response,
            // Nobody was asked, so it can be tried again, here as well: the group may have another leader by now.
            Err(Setback::Http(error)) if is_passing(&error) && Instant::now() + AGAIN < deadline => {
                tracing::debug!(%target, ?error, "a worker could not be reached; looking again who leads");
                tokio::time::sleep(AGAIN).await;
            }
            // A group that has just begun has no key yet with which this worker could say who asks.
            Err(Setback::NoKey(_)) if Instant::now() + AGAIN < deadline => tokio::time::sleep(AGAIN).await,
            Err(setback) => return setback.failure().into_response(),
        }
    }
}

/// Why a request could not be handed on.
#[derive(Debug)]
enum Setback {
    Http(reqwest::Error),
    NoKey(HerderError),
    Here(Failure),
}

impl From<reqwest::Error> for Setback {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error)
    }
}

impl From<HerderError> for Setback {
    fn from(error: HerderError) -> Self {
        match error.kind {
            HerderErrorKind::Unavailable => Self::NoKey(error),
            _ => Self::Here(error.into()),
        }
    }
}

impl Setback {
    fn failure(self) -> Failure {
        let error = match self {
            Self::Here(failure) => return failure,
            Self::NoKey(error) => return error.into(),
            Self::Http(error) => error,
        };
        let mut text = format!("IO Error trying to forward REST request: {error:?}");
        if of_tls(&error).is_some() {
            text += "; listeners.https.ssl.truststore.location (or ssl.truststore.location) says whose certificates workers trust, \
                     and listeners.https.ssl.keystore.location which they show";
        }
        HerderError::internal(text).into()
    }
}

/// Whether nobody was reached, for a reason that passes: another worker's certificate does not become good by waiting.
fn is_passing(error: &reqwest::Error) -> bool {
    error.is_connect() && of_tls(error).is_none()
}

/// What TLS did not like, however deep it is: errors of I/O keep what they were made from beside their sources.
fn of_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inside.and_then(|inside| of_tls(inside)).or_else(|| of_tls(error.source()?))
}

impl Forwarder {
    async fn hand_on(
        &self,
        target: &str,
        parts: &Parts,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Response, Setback> {
        let mut answer = self.ask(target, parts, body.clone(), deadline).await?;
        if answer.headers().contains_key(on_behalf::REFUSED) {
            // Nothing was done: the session key is a new one, which this worker reads now.
            self.rest.herder.catch_up().await;
            answer = self.ask(target, parts, body, deadline).await?;
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        let Some(bytes) = limited(answer).await? else {
            let text = format!("the answer of {target} is larger than {ANSWER_BYTES_MAX} bytes");
            return Ok(Failure::from(HerderError::internal(text)).into_response());
        };
        if status.is_success() {
            self.rest.herder.catch_up().await;
        }
        let mut response = (status, bytes).into_response();
        let into = response.headers_mut();
        into.remove(header::CONTENT_TYPE);
        for name in BACK {
            into.extend(headers.get(&name).map(|value| (name, value.clone())));
        }
        Ok(response)
    }
}

impl Forwarder {
    async fn ask(
        &self,
        target: &str,
        parts: &Parts,
        body: Bytes,
        deadline: Instant,
    ) -> Result<reqwest::Response, Setback> {
        let client = self.client.current().await.map_err(HerderError::internal)?;
        let url = Url::parse(target)
            .map_err(|error| HerderError::internal(format!("{target} is no URL of a worker: {error}")))?;
        let mut headers = selected(&parts.headers);
        // Requests of workers themselves are signed already, and have no caller.
        if let Some(caller) = parts.extensions.get::<Caller>().filter(|caller| !caller.logged_in) {
            headers.remove(header::AUTHORIZATION);
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            let asked = format!("{}{query}", url.path());
            let name = caller.name.as_deref();
            let to = target.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
            let said =
                on_behalf::headers(&self.rest.herder, name, (to, &asked), &parts.method, &body).await?;
            headers.extend(said);
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let request = client.request(parts.method.clone(), url).headers(headers).timeout(left).body(body);
        Ok(request.send().await?)
    }
}

/// The body of an answer, unless it is too large.
async fn limited(mut answer: reqwest::Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.into()))
}

/// The body of a request, which is handed to the handler and may have to be handed on.
async fn read(body: Body) -> Result<Bytes, Failure> {
    match tokio::time::timeout(BODY_DEADLINE, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("HTTP 413 Payload Too Large: a body may have at most {BODY_BYTES_MAX} bytes"),
        )),
        Ok(Err(error)) => Err(Failure::bad_request(format!("The body could not be read: {error}"))),
        Err(_elapsed) => Err(Failure::plain(StatusCode::REQUEST_TIMEOUT)),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let cause = std::error::Error::source(error);
    cause.is_some_and(|cause| cause.to_string().contains("length limit exceeded"))
}

fn selected(headers: &HeaderMap) -> HeaderMap {
    let internal = [AUTHORIZATION, ALGORITHM, REVISION].map(HeaderName::from_static);
    let along = ALONG.into_iter().chain(internal);
    along.flat_map(|name| headers.get(&name).map(|value| (name, value.clone()))).collect()
}

/// The same request at another worker, one hop further; `None` when it may go no further.
fn target(url: &str, asked: &Uri) -> Option<String> {
    let pairs: Vec<_> =
        asked.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    let hop = pairs.iter().find_map(|pair| pair.strip_prefix("forward="));
    let hop = match hop {
        None => "forward=true",
        Some(again) if again.eq_ignore_ascii_case("true") => "forward=false",
        Some(_) => return None,
    };
    let mut query: Vec<_> = pairs.into_iter().filter(|pair| !pair.starts_with("forward=")).collect();
    query.push(hop);
    Some(format!("{}{}?{}", url.trim_end_matches('/'), asked.path(), query.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_and_the_rest_stays() {
        let at = |uri: &str| target("http://leader:8083/", &uri.parse().unwrap());
        let first = "http://leader:8083/connectors/a%2Fb/restart?includeTasks=true&forward=true";
        assert_eq!(at("/connectors/a%2Fb/restart?includeTasks=true").as_deref(), Some(first));
        assert_eq!(
            at("/connectors?forward=true").as_deref(),
            Some("http://leader:8083/connectors?forward=false")
        );
        assert_eq!(at("/connectors?forward=false"), None);
    }

    #[test]
    fn what_tls_did_not_like_is_found_however_deep() {
        let io = std::io::Error::other::<Box<dyn std::error::Error + Send + Sync>>;
        let tls = || rustls::Error::General("no".to_owned());
        let deep = io(Box::new(io(Box::new(tls()))));
        assert_eq!(of_tls(&deep), Some(&tls()));
        assert_eq!(of_tls(&std::io::Error::other("plain")), None);
    }

    #[test]
    fn who_asks_and_who_signed_goes_along_and_nothing_else() {
        let names =
            ["authorization", "content-type", AUTHORIZATION, ALGORITHM, "host", "origin", "content-length"];
        let headers =
            names.iter().map(|name| (HeaderName::from_static(name), "x".parse().unwrap())).collect();
        let mut selected: Vec<_> = selected(&headers).keys().map(|name| name.as_str().to_owned()).collect();
        selected.sort_unstable();
        assert_eq!(selected, ["authorization", "content-type", AUTHORIZATION, ALGORITHM]);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
        let failure = read(Body::from(vec![b'x'; BODY_BYTES_MAX + 1])).await.unwrap_err();
        assert_eq!(failure.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(read(Body::from("x")).await.unwrap(), "x");
    }
}
