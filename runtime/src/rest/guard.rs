//! Keeps pages in a browser from calling this worker: DNS rebinding, cross-site requests.
//!
//! Before every handler. A worker on loopback is reachable by any page that the user opens, so a request must name this machine
//! in `Host`, and its `Origin`, if a browser sent one, must be the worker itself or allowed. Invariant: a browser of another
//! site changes nothing here, even by requests that need no preflight.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Failure;
use crate::config::{RestAccess, Serves, is_loopback_host};

/// Who may call on a listener.
#[derive(Debug, Clone)]
pub struct Access {
    /// Whether the listener is on loopback, where `Host` must name this machine.
    pub loopback: bool,
    /// A name by which this worker is known beside loopback's.
    pub advertised_host: Option<String>,
    /// Origins whose pages may call (`access.control.allow.origin`); `*` for all.
    pub origins: Vec<String>,
    /// Methods that they may use; empty for Connect's default.
    pub methods: Vec<String>,
    /// What is served there.
    pub serves: Serves,
    /// Who may do what, and what every answer gets.
    pub rest: RestAccess,
}

/// Lets a request through, or not.
pub(super) async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Err(failure) = access.admits(headers) {
        return access.finish(failure.into_response());
    }
    let origin = headers.get(header::ORIGIN).filter(|origin| access.allows(origin)).cloned();
    let preflight =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match origin {
        Some(_) if preflight => access.preflight(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    access.finish(response)
}

impl Access {
    /// Puts on an answer what every answer has.
    fn finish(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // What is answered may be anyone's but a cache's.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        self.rest.response_headers.apply(headers, jiff::Timestamp::now());
        response
    }

    fn admits(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("(not ASCII)"));
        let host = text(header::HOST);
        if let Some(host) = host.filter(|host| self.loopback && !self.names_us(host)) {
            let message = format!(
                "Requests for host {host} are not served: this worker listens on loopback; \
                 call it as localhost, or set rest.advertised.host.name"
            );
            return Err(Failure::new(StatusCode::FORBIDDEN, message));
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let own =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        if self.allows(origin) || (own.is_some() && own == host) {
            return Ok(());
        }
        let origin = text(header::ORIGIN).unwrap_or_default();
        let message = format!(
            "Requests from pages of {origin} are not served: allow them with access.control.allow.origin"
        );
        Err(Failure::new(StatusCode::FORBIDDEN, message))
    }

    fn names_us(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        is_loopback_host(name)
            || self.advertised_host.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    }

    fn preflight(&self) -> Response {
        let methods =
            if self.methods.is_empty() { "GET,POST,HEAD".to_owned() } else { self.methods.join(",") };
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type".to_owned()),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let worker = crate::config::WorkerConfig::parse(&configs::Props::new()).unwrap();
        Access { loopback: false, ..crate::rest::access(&worker, &worker.listeners[0]) }
    }

    fn admitted(access: &Access, host: &'static str, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        access.admits(&headers).is_ok()
    }

    #[test]
    fn a_rebound_name_is_refused_on_loopback() {
        let access = Access { loopback: true, advertised_host: Some("connect.local".to_owned()), ..access() };
        for host in ["localhost:8083", "127.0.0.1", "[::1]:8083", "LOCALHOST", "connect.local:80"] {
            assert!(admitted(&access, host, None), "{host}");
        }
        for host in ["evil.example:8083", "localhost.evil.example", "10.0.0.1:8083", ""] {
            assert!(!admitted(&access, host, None), "{host}");
        }
        assert!(admitted(&self::access(), "connect:8083", None), "other listeners have any name");
    }

    #[test]
    fn pages_of_other_sites_are_refused_unless_allowed() {
        let mut access = Access { loopback: true, ..access() };
        assert!(admitted(&access, "localhost:8083", Some("http://localhost:8083")));
        for origin in ["http://localhost:3000", "http://evil.example", "null"] {
            assert!(!admitted(&access, "localhost:8083", Some(origin)), "{origin}");
        }
        access.origins = vec!["http://localhost:3000".to_owned()];
        assert!(admitted(&access, "localhost:8083", Some("http://localhost:3000")));
    }
}
