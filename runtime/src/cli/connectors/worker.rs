//! A worker's REST interface as the commands see it: a question, an answer in JSON, or the end of the command.
//!
//! Invariants: names become one segment of a path whatever is in them; an answer is bounded before it is held.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;

use super::super::exit::{Exit, chain};
use super::access::AccessArgs;

/// An answer may be this large: thousands of connectors with their configurations.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A line may be this large.
const LINE_BYTES_MAX: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    http: Client,
    /// For answers that go on for as long as one likes.
    streaming: Client,
    base: Url,
}

/// What the worker answered with success; null where it said nothing.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) created: bool,
    pub(super) body: Value,
}

impl Worker {
    pub(super) fn new(url: &str, timeout: Duration, access: &AccessArgs) -> Result<Self, Exit> {
        let base =
            Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| {
            Exit::usage("--url is no address of a worker; say for example http://localhost:8083")
        })?;
        let unusable = |error| Exit::usage(format!("cannot set up HTTP: {}", chain(&error)));
        let http = access.client(&base)?.timeout(timeout).build().map_err(unusable)?;
        let streaming = access.client(&base)?.connect_timeout(timeout).build().map_err(unusable)?;
        Ok(Self { http, streaming, base })
    }

    /// `GET` of a path of these segments.
    pub(super) async fn get(&self, path: &[&str], query: &str) -> Result<Value, Exit> {
        Ok(self.call(Method::GET, path, query, None).await?.body)
    }

    /// Any question.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Exit> {
        let (status, bytes) = self.ask(method, path, query, body).await?;
        answer(status, &bytes)
    }

    /// Any question: the status, and the bytes of the answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), Exit> {
        let mut request = self.http.request(method, self.url(path, query)?);
        if let Some(body) = body {
            request =
                request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Exit::runtime(format!(
                    "the worker answered with more than {ANSWER_BYTES_MAX} bytes"
                )));
            }
        }
        Ok((status, bytes))
    }

    /// `GET` of lines, which are handed on one by one as they come.
    pub(super) async fn lines(
        &self,
        path: &[&str],
        query: &str,
        mut each: impl FnMut(&str) -> Result<(), Exit>,
    ) -> Result<(), Exit> {
        let sent = self.streaming.get(self.url(path, query)?).send().await;
        let mut response = sent.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            bytes.extend_from_slice(&chunk);
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n').filter(|_| status.is_success())
            {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                each(String::from_utf8_lossy(&line).trim_end())?;
            }
            if bytes.len() > LINE_BYTES_MAX {
                return Err(Exit::runtime(format!(
                    "the worker answered with a line of more than {LINE_BYTES_MAX} bytes"
                )));
            }
        }
        if status.is_success() { Ok(()) } else { answer(status, &bytes).map(drop) }
    }

    fn url(&self, path: &[&str], query: &str) -> Result<Url, Exit> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
            Err(()) => {
                return Err(Exit::usage("--url can have no path; say for example http://localhost:8083"));
            }
        }
        url.set_query((!query.is_empty()).then_some(query));
        Ok(url)
    }

    fn unreachable(&self, error: reqwest::Error) -> Exit {
        let place = format!(
            "{}:{}",
            self.base.host_str().unwrap_or_default(),
            self.base.port_or_known_default().unwrap_or_default()
        );
        let advice = match is_untrusted(&error) {
            true => {
                "; --ca (or MILLRACE_CA) names a file with the certificates of those who sign the worker's"
            }
            false => "; is a worker running there? --url (or MILLRACE_URL) says where it is",
        };
        Exit::environment(format!("no worker answers at {place}: {}{advice}", chain(&error.without_url())))
    }
}

/// Whether the worker's certificate was not accepted.
fn is_untrusted(error: &reqwest::Error) -> bool {
    chain(&error).contains("certificate")
}

/// A success with its JSON; anything else ends the command with the worker's own words.
pub(super) fn answer(status: StatusCode, bytes: &[u8]) -> Result<Answer, Exit> {
    let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice::<Value>(bytes) };
    if status.is_success() {
        let unreadable = |error| {
            Exit::runtime(format!("the worker answered {status} with something else than JSON: {error}"))
        };
        return Ok(Answer { created: status == StatusCode::CREATED, body: body.map_err(unreadable)? });
    }
    let said = body.ok().and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned));
    let message = format!("{} ({status})", said.as_deref().unwrap_or("the worker refused without a reason"));
    // 400 and 422 are about what was said; everything else about how things stand.
    Err(match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Exit::usage(message),
        _ => Exit::runtime(message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        let worker = |url| Worker::new(url, Duration::from_secs(1), &AccessArgs::default());
        // The library of TLS wants to know its cryptography first; it does not matter who was faster.
        drop(rustls::crypto::ring::default_provider().install_default());
        let url =
            worker("http://h:1/base/").unwrap().url(&["connectors", "a/b ?c", "status"], "x=1").unwrap();
        assert_eq!(url.as_str(), "http://h:1/base/connectors/a%2Fb%20%3Fc/status?x=1");
        for wrong in ["h:1", "ftp://h", "", "http://"] {
            assert_eq!(worker(wrong).unwrap_err().code, 2, "{wrong}");
        }
    }

    #[test]
    fn refusals_have_the_codes_of_their_kinds() {
        let code = |status, body: &str| answer(status, body.as_bytes()).map(|_| ()).unwrap_err();
        let refused = code(StatusCode::NOT_FOUND, r#"{"error_code":404,"message":"Connector x not found"}"#);
        assert_eq!((refused.code, refused.message.as_str()), (1, "Connector x not found (404 Not Found)"));
        assert_eq!(code(StatusCode::BAD_REQUEST, "<html>").code, 2);
        assert_eq!(code(StatusCode::OK, "<html>").code, 1);
        assert!(answer(StatusCode::CREATED, b"").unwrap().created);
    }
}
