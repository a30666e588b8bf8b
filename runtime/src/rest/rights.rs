//! Lets a request through if its caller may do what it asks for; writes down what was asked for and how it ended.
//!
//! Around every handler. Invariants: nothing is served to a caller who may not have it, and the name that is judged is the
//! name that the handler gets, for both are decoded by the same code; each change is one line of the audit log, whoever asked
//! for it and however it ended.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::endpoints::{self, Over};
use super::error::Failure;
use super::login::{Caller, Login};
use super::on_behalf::{Assertions, REFUSED};
use super::serve::Peer;
use crate::config::{AuditFile, Role, Scope};
use crate::herder::Herder;

/// The target of the log lines that tell of changes.
const AUDIT: &str = "millrace::audit";

/// The connectors that a request was about, where its path does not say: a handler puts them into its answer.
#[derive(Debug, Clone)]
pub(super) struct Concerned(pub(super) Vec<String>);

/// What is needed to judge requests.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) login: Login,
    pub(super) audit: Option<AuditFile>,
    /// Who knows the key by which other workers vouch for callers.
    pub(super) herder: Herder,
    pub(super) assertions: Assertions,
}

/// Lets a request through, or not.
pub(super) async fn check(State(rights): State<Arc<Rights>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    let asked = Asked::of(&request, peer.as_ref());
    let admitted = match rights.asking(&mut request, peer.as_ref()).await {
        Ok(caller) => admit(caller, &mut request).await,
        Err(response) => Err((Caller::default(), response)),
    };
    let (caller, mut response) = match admitted {
        Ok(caller) => (caller, next.run(request).await),
        Err(refused) => refused,
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        for challenge in rights.login.challenges() {
            response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    asked.write_down(&caller, &response, rights.audit.as_ref());
    response
}

impl Rights {
    /// Who asks, by the request and its connection, or by the word of the worker that hands the request on; nobody, where that does
    /// not matter.
    async fn asking(&self, request: &mut Request, peer: Option<&Peer>) -> Result<Caller, Response> {
        if matches!(rule(request), Some((_, Over::Signed))) {
            return Ok(Caller::default());
        }
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let asserted = self.assertions.check(&self.herder, method, uri, headers).await;
        let asserted = asserted.map_err(|disbelief| {
            let mut response = disbelief.failure.into_response();
            if disbelief.may_be_renewed {
                response.headers_mut().insert(REFUSED, HeaderValue::from_static("signature"));
            }
            response
        })?;
        let caller = match asserted {
            Some(asserted) => {
                request.extensions_mut().insert(asserted.body.clone());
                self.login.vouched(asserted.name.as_deref())
            }
            None => self.login.caller(request.headers(), peer).await,
        };
        caller.map_err(IntoResponse::into_response)
    }
}

/// What a request needs, if anything is served there.
fn rule(request: &Request) -> Option<(Role, Over)> {
    let path = request.extensions().get::<MatchedPath>()?;
    Some(endpoints::rights(request.method(), path.as_str()))
}

/// Lets a caller in, if they may; the request gets the caller.
async fn admit(caller: Caller, request: &mut Request) -> Result<Caller, (Caller, Response)> {
    let rule = rule(request);
    if matches!(rule, Some((_, Over::Signed))) {
        return Ok(caller);
    }
    let judged = match rule {
        // Nothing is served there, or the handler asks for each connector in the body.
        None | Some((_, Over::Body | Over::Signed)) => Ok(()),
        Some((role, Over::Worker)) => caller.require(role, Scope::Worker),
        // No method of a path that is not in the table is served: the answer is 405, which tells nothing.
        Some(_) if request.method() == Method::OPTIONS => Ok(()),
        Some((role, Over::Everything)) => caller.require(role, Scope::Everything),
        Some((role, Over::Connector)) => match first_parameter(request).await {
            Ok(name) => caller.require(role, Scope::Connector(&name)),
            Err(failure) => Err(failure),
        },
    };
    match judged {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            Ok(caller)
        }
        Err(failure) => Err((caller, failure.into_response())),
    }
}

/// The connector in the path, as its handler will read it.
async fn first_parameter(request: &mut Request) -> Result<String, Failure> {
    let malformed = |reason: String| Failure::bad_request(format!("Malformed path: {reason}"));
    let parameters = request.extract_parts::<RawPathParams>().await;
    let parameters = parameters.map_err(|rejection| malformed(rejection.body_text()))?;
    let first = parameters.iter().next().map(|(_, value)| value.to_owned());
    first.ok_or_else(|| malformed("it names no connector".to_owned()))
}

/// What was asked for.
struct Asked {
    method: Method,
    path: String,
    from: String,
}

impl Asked {
    fn of(request: &Request, peer: Option<&Peer>) -> Self {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
        let from = peer.map_or_else(|| "?".to_owned(), |peer| peer.address.to_string());
        Self { method: request.method().clone(), path, from }
    }

    /// Writes a change down, and whatever was refused for want of rights.
    fn write_down(&self, caller: &Caller, response: &Response, file: Option<&AuditFile>) {
        const REFUSALS: [StatusCode; 3] =
            [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
        let status = response.status();
        if self.method.is_safe() && !REFUSALS.contains(&status) {
            return;
        }
        let who = caller.name.as_deref().unwrap_or("ANONYMOUS");
        let (from, method, path) = (&*self.from, self.method.as_str(), &*self.path);
        let concerned = response.extensions().get::<Concerned>().map_or(&[][..], |concerned| &concerned.0);
        let status = status.as_u16();
        tracing::info!(target: AUDIT, who, from, method, path, ?concerned, status, "REST");
        let Some(file) = file else { return };
        let line = json!({
            "time": jiff::Timestamp::now().to_string(), "who": who, "from": from, "method": method, "path": path,
            "connectors": concerned, "status": status,
        });
        if let Err(error) = file.append(&line.to_string()) {
            tracing::error!("the audit file (setting rest.audit.file) could not be written: {error}");
        }
    }
}
