//! REST over real sockets: every way to ask wrongly, and what can be answered without a connector.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::validation::PluginCalls;

mod access;
mod described;
mod hostile;
mod live;
mod many;

/// A server on a free port of loopback, until it is dropped.
struct Server {
    address: std::net::SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Server {
    /// A server without a herder.
    async fn start(worker: &[(&str, &str)]) -> Self {
        let worker = worker_config(worker);
        let state = state(&worker, Herder::detached());
        Self::serve(&worker, state).await
    }

    async fn serve(worker: &WorkerConfig, state: RestState) -> Self {
        Self::serve_at(worker, &worker.listeners[0], state).await
    }

    /// Serves what one of the worker's listeners serves.
    async fn serve_at(worker: &WorkerConfig, listener: &Listener, state: RestState) -> Self {
        let listener = Listener { port: 0, ..listener.clone() };
        let socket = bind(worker, &listener).await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let router = router(state, super::access(worker, &listener));
        tokio::spawn(serve(socket, router, stop.clone().cancelled_owned()));
        Self { address, _stop: stop.drop_guard() }
    }

    /// Sends a request as it stands, and reads all that comes back.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses a large body may close before it has all of it; what it said is what counts.
        drop(socket.write_all(request).await);
        let mut bytes = Vec::new();
        drop(socket.read_to_end(&mut bytes).await);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"").await
    }

    async fn json(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.send(method, path, "Content-Type: application/json\r\n", body).await
    }
}

fn worker_config(said: &[(&str, &str)]) -> WorkerConfig {
    let said = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    WorkerConfig::parse(&said).unwrap()
}

fn registry() -> api::Registry {
    api::Registry::new().with(&crate::validation::tests::PLUGINS)
}

fn validator(worker: &WorkerConfig) -> Validator {
    Validator::new(registry(), worker, PluginCalls::new(Duration::from_secs(6))).unwrap()
}

fn state(worker: &WorkerConfig, herder: Herder) -> RestState {
    RestState {
        herder,
        validator: validator(worker),
        mask: Mask::new(registry()),
        levels: Levels::parse("info").unwrap(),
        metrics: Metrics::default(),
        broker: OwnBroker::default(),
        assertions: Assertions::default(),
        request_timeout: worker.rest.request_timeout,
    }
}

/// Every error is JSON of exactly these three fields.
fn assert_error(answer: &Answer, status: u16, message: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{what}: {}", answer.head);
    let body = answer.json();
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["error_code", "message", "code"], "{what}");
    assert_eq!(body["error_code"], json!(status), "{what}");
    assert!(body["message"].as_str().unwrap().contains(message), "{what}: {body}");
}

#[tokio::test]
async fn wrong_paths_methods_and_types_are_json_errors() {
    let server = Server::start(&[]).await;
    let cases = [
        ("GET", "/nothing", "", 404, "HTTP 404 Not Found"),
        ("GET", "/connectors/a/b/c", "", 404, "HTTP 404 Not Found"),
        ("DELETE", "/connectors", "", 405, "HTTP 405 Method Not Allowed"),
        ("PUT", "/connectors/a/status", "", 405, "HTTP 405 Method Not Allowed"),
        ("POST", "/connectors", "", 415, "HTTP 415 Unsupported Media Type"),
        ("POST", "/connectors", "Content-Type: text/plain\r\n", 415, "HTTP 415 Unsupported Media Type"),
        ("PUT", "/connectors/a/config", "Content-Type: application/jsonp\r\n", 415, "HTTP 415"),
        ("GET", "/connectors/%ff/status", "", 400, "Malformed path"),
        ("GET", "/connectors/a/tasks/x/status", "", 404, "HTTP 404 Not Found"),
        ("POST", "/connectors/a/restart?includeTasks=maybe", "", 400, "includeTasks must be true or false"),
        ("GET", "/connector-plugins?connectorsOnly=1", "", 400, "connectorsOnly must be true or false"),
        ("GET", "/connector-plugins/Nope/config", "", 404, "Unknown plugin Nope."),
        ("GET", "/connector-plugins/FileSink/config?version=%5B2,", "", 400, "Invalid version specification"),
        ("GET", "/connector-plugins/FileSink/config?version=7", "", 400, "is built in as 1 only"),
        ("GET", "/admin/loggers/a%20b", "", 404, "Logger a b not found."),
        ("GET", "/", "Origin: http://evil.example\r\n", 403, "access.control.allow.origin"),
    ];
    for (method, path, headers, status, message) in cases {
        let answer = server.send(method, path, headers, b"").await;
        assert_error(&answer, status, message, &format!("{method} {path}"));
    }
    let rebound = b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_error(&server.raw(rebound).await, 403, "rest.advertised.host.name", "a rebound name");
}

#[tokio::test]
async fn malformed_bodies_are_json_errors() {
    let server = Server::start(&[]).await;
    let deep = format!("{{\"config\":{}", "[".repeat(100_000));
    let create: [(&[u8], &str); 18] = [
        (b"", "The body is empty"),
        (b"{", "Malformed JSON"),
        (b"[]", "Malformed JSON"),
        (b"null", "Malformed JSON"),
        (b"{\"name\":\"a\",\"config\":{}} x", "Malformed JSON: trailing characters"),
        (b"\xef\xbb\xbf{\"config\":{}}", "Malformed JSON"),
        (b"\xff\xfe{\x00}\x00", "Malformed JSON"),
        (b"{\"name\":\"a\xff\",\"config\":{}}", "Malformed JSON"),
        (b"{\"name\":\"a\"}", "The field \"config\" is missing"),
        (b"{\"name\":\"a\",\"config\":null}", "The field \"config\" is missing"),
        (b"{\"name\":\"a\",\"confg\":{}}", "unknown field `confg`"),
        (b"{\"name\":\"a\",\"name\":\"b\",\"config\":{}}", "duplicate field `name`"),
        (b"{\"name\":{},\"config\":{}}", "Malformed JSON"),
        (
            b"{\"name\":\"a\",\"config\":{\"x\":{\"y\":1}}}",
            "The value of \"x\" must be a string, number or boolean, found an object",
        ),
        (b"{\"name\":\"a\",\"config\":{\"x\":[1]}}", "found an array"),
        (b"{\"name\":\"a\",\"config\":{},\"initial_state\":\"GONE\"}", "Unknown initial_state GONE"),
        (
            b"{\"name\":\"a\",\"config\":{},\"initial_offsets\":[{\"partition\":{\"a\":[1]}}]}",
            "Malformed partition",
        ),
        (deep.as_bytes(), "Malformed JSON"),
    ];
    for (body, message) in create {
        let answer = server.json("POST", "/connectors", body).await;
        assert_error(&answer, 400, message, &String::from_utf8_lossy(&body[..body.len().min(80)]));
    }
    let large = format!("{{\"name\":\"a\",\"config\":{{\"x\":\"{}\"}}}}", "x".repeat(BODY_BYTES_MAX));
    let answer = server.json("POST", "/connectors", large.as_bytes()).await;
    assert_error(&answer, 413, "at most 1048576 bytes", "a large body");
    for body in ["{\"offsets\":[]}", "{}"] {
        let answer = server.json("PATCH", "/connectors/a/offsets", body.as_bytes()).await;
        assert_error(&answer, 400, "Partitions / offsets need to be provided", body);
    }
    let nested = b"{\"offsets\":[{\"partition\":{\"a\":[1]},\"offset\":null}]}";
    assert_error(
        &server.json("PATCH", "/connectors/a/offsets", nested).await,
        400,
        "Malformed partition",
        "nested",
    );
    assert_error(
        &server.json("PUT", "/admin/loggers/root", b"{}").await,
        400,
        "'level' parameter was not specified",
        "level",
    );
    assert_error(
        &server.json("PUT", "/admin/loggers/root", b"{\"level\":\"LOUD\"}").await,
        404,
        "invalid log level 'LOUD'.",
        "level",
    );
}

#[tokio::test]
async fn names_must_agree_and_nulls_are_refused_by_name() {
    let server = Server::start(&[]).await;
    let answer = server.json("PUT", "/connectors/a%2Fb/config", b"{\"name\":\"c\"}").await;
    let message = "Connector name configuration (c) doesn't match connector name in the URL (a/b)";
    assert_error(&answer, 400, message, "PUT");
    let answer = server.json("POST", "/connectors", b"{\"name\":\"a\",\"config\":{\"name\":\"b\"}}").await;
    assert_error(&answer, 400, "Connector name configuration (b) doesn't match", "POST");
    let null =
        b"{\"name\":\"a\",\"config\":{\"connector.class\":\"FileSink\",\"topics\":\"t\",\"file\":null}}";
    let answer = server.json("POST", "/connectors", null).await;
    assert_error(&answer, 400, "Null value can not be supplied as the configuration value.", "null");
    assert_error(&answer, 400, "contains the following 2 error(s):", "null");
    let masked = b"{\"name\":\"a\",\"config\":{\"connector.class\":\"FileSink\",\"password\":\"[hidden]\"}}";
    let answer = server.json("POST", "/connectors", masked).await;
    assert_error(&answer, 400, "password: [hidden] stands for the stored value, but none is stored", "mask");
}

#[tokio::test]
async fn plugins_are_listed_with_their_options() {
    let server = Server::start(&[]).await;
    let connectors = server.get("/connector-plugins").await.json();
    let expected = json!([
        {"class": "test.FileSinkConnector", "type": "sink", "version": "1"},
        {"class": "test.FileSourceConnector", "type": "source", "version": "1"},
    ]);
    assert_eq!(connectors, expected);
    let all = server.get("/connector-plugins/?connectorsOnly=false").await.json();
    assert_eq!(all.as_array().unwrap().len(), crate::validation::tests::PLUGINS.len());
    let options = server.get("/connector-plugins/FileSink/config").await.json();
    let expected = json!({
        "name": "file", "type": "STRING", "required": true, "default_value": null, "importance": "HIGH",
        "documentation": "Where to.", "group": null, "order_in_group": -1, "width": "NONE", "display_name": "file", "dependents": [],
    });
    assert_eq!(options[0], expected);
    let names: Vec<&str> =
        options.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"tasks.max") && names.contains(&"topics.regex"), "{names:?}");
}

#[tokio::test]
async fn validation_answers_as_connect_does() {
    let server = Server::start(&[]).await;
    let path = "/connector-plugins/test.FileSinkConnector/config/validate";
    let body = json!({"connector.class": "FileSink", "name": "a", "topics": "t", "tasks.max": 0, "password": "CANARY-1", "flie": "/f"});
    let answer = server.json("PUT", path, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains("CANARY"));
    let infos = answer.json();
    assert_eq!((&infos["name"], &infos["error_count"]), (&json!("FileSink"), &json!(2)));
    assert_eq!(infos["groups"], json!(["Common", "Transforms", "Predicates", "Error Handling"]));
    let tasks_max = infos["configs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|info| info["value"]["name"] == "tasks.max")
        .unwrap();
    let value = json!({
        "name": "tasks.max", "value": "0", "recommended_values": [], "visible": true,
        "errors": ["Invalid value 0 for configuration tasks.max: Value must be at least 1"],
    });
    assert_eq!(tasks_max["value"], value);
    assert_eq!(tasks_max["definition"]["order_in_group"], json!(4));
    assert!(
        infos["warnings"][0].as_str().unwrap().contains("did you mean \"file\"?"),
        "{}",
        infos["warnings"]
    );
    let other = json!({"connector.class": "FileSource"});
    let answer = server.json("PUT", path, other.to_string().as_bytes()).await;
    assert_error(
        &answer,
        400,
        "Included connector type FileSource does not match request type test.FileSinkConnector",
        "class",
    );
    assert_error(&server.json("PUT", path, b"{}").await, 400, "contains no connector type", "no class");
}

#[tokio::test]
async fn levels_change_while_the_worker_runs() {
    let server = Server::start(&[]).await;
    let all = server.get("/admin/loggers").await.json();
    assert_eq!(all, json!({"root": {"level": "INFO", "last_modified": null}}));
    let answer = server.json("PUT", "/admin/loggers/runtime.worker", b"{\"level\":\"debug\"}").await;
    assert_eq!(answer.json(), json!(["runtime::worker"]));
    let one = server.get("/admin/loggers/runtime.worker.source").await.json();
    assert_eq!(one["level"], "DEBUG");
    assert!(one["last_modified"].is_u64());
    for (path, level, status) in [
        ("/admin/loggers/a%20b?scope=cluster", "WARN", 400),
        ("/admin/loggers/root?scope=cluster", "LOUD", 404),
    ] {
        let body = json!({"level": level}).to_string();
        assert_error(&server.json("PUT", path, body.as_bytes()).await, status, "invalid log", path);
    }
}

#[tokio::test]
async fn allowed_pages_get_cors_headers() {
    let server = Server::start(&[("access.control.allow.origin", "http://ui.example")]).await;
    let answer = server.send("GET", "/metrics", "Origin: http://ui.example\r\n", b"").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("access-control-allow-origin: http://ui.example"), "{}", answer.head);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let headers = "Origin: http://ui.example\r\nAccess-Control-Request-Method: POST\r\n";
    let preflight = server.send("OPTIONS", "/connectors", headers, b"").await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-methods: get,post,head"), "{}", preflight.head);
}

#[tokio::test]
async fn options_tell_what_a_path_allows() {
    let server = Server::start(&[]).await;
    let answer = server.send("OPTIONS", "/connectors", "", b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.head.contains("allow: get,head,post,put"), "{}", answer.head);
    let answer = server.send("DELETE", "/connectors", "", b"").await;
    assert!(answer.status == 405 && answer.head.contains("allow: get,head,post,put"), "{}", answer.head);
    let answer = server.send("HEAD", "/connector-plugins/", "", b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
}

#[tokio::test]
async fn a_port_in_use_says_what_to_do() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::parse(&format!("http://{}", taken.local_addr().unwrap())).unwrap();
    let text = bind(&worker_config(&[]), &listener).await.unwrap_err().to_string();
    assert!(text.contains("setting listeners") && text.contains("has this port: stop it"), "{text}");
}
