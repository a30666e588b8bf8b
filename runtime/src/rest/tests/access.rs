//! Who may do what: logins, tokens, roles, what is written down, and what listeners serve.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Answer, Server, assert_error};

const TOKEN: &str = "CANARY-a-token-of-ci";

/// A server with users, tokens, roles and an audit file.
struct Guarded {
    server: Server,
    folder: tempfile::TempDir,
}

impl Guarded {
    async fn start(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("users"), "root=CANARY-root\nops=CANARY-ops\neve=CANARY-eve\n").unwrap();
        fs::write(path("tokens"), format!("ci={TOKEN}\n")).unwrap();
        let (users, tokens, audit) = (path("users"), path("tokens"), path("audit"));
        let mut said = vec![
            ("rest.users.file", users.as_str()),
            ("rest.tokens.file", tokens.as_str()),
            ("rest.audit.file", audit.as_str()),
        ];
        said.extend_from_slice(more);
        Self { server: Server::start(&said).await, folder }
    }

    async fn ask(&self, who: &str, method: &str, path: &str) -> Answer {
        let login = match who {
            "" => String::new(),
            "ci" => format!("Authorization: bearer {TOKEN}\r\n"),
            who => format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{who}:CANARY-{who}"))),
        };
        self.server.send(method, path, &format!("{login}Content-Type: application/json\r\n"), b"{}").await
    }

    fn audited(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("audit")).unwrap();
        assert!(!text.contains("CANARY"), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn nobody_is_served_before_the_login() {
    let guarded = Guarded::start(&[]).await;
    for path in ["/", "/health", "/connectors", "/nothing", "/openapi.json"] {
        let answer = guarded.ask("", "GET", path).await;
        assert_error(&answer, 401, "log in", path);
        assert!(answer.head.contains("www-authenticate: basic realm="), "{}", answer.head);
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    for login in ["Basic !", "Basic cm9vdA==", "Bearer x", "Digest a", "Basic cm9vdDp3cm9uZw=="] {
        let answer = guarded.server.send("GET", "/", &format!("Authorization: {login}\r\n"), b"").await;
        assert_error(&answer, 401, "User cannot access the resource.", login);
    }
    // Without roles, whoever logs in may do everything, as in Kafka Connect.
    for who in ["root", "ci"] {
        assert_eq!(guarded.ask(who, "GET", "/connector-plugins").await.status, 200, "{who}");
        assert_eq!(guarded.ask(who, "GET", "/admin/loggers").await.status, 200, "{who}");
    }
}

/// Without a herder whatever is let through ends in 500: what matters is that rights do not refuse it.
#[tokio::test]
async fn roles_reach_as_far_as_they_say() {
    let roles = [
        ("rest.role.root", "admin"),
        ("rest.role.ops", "operator:shop-, viewer"),
        ("rest.role.ci", "admin:shop-"),
        ("rest.role.ANONYMOUS", "viewer:demo-"),
    ];
    let guarded = Guarded::start(&roles).await;
    let cases = [
        ("root", "PUT", "/connectors/any/pause", 500),
        ("ops", "GET", "/connectors/any/status", 500),
        ("ops", "PUT", "/connectors/shop-1/pause", 500),
        ("ops", "PUT", "/connectors/%73hop-1/pause", 500),
        ("ops", "PUT", "/connectors/shop/pause", 403),
        ("ops", "PUT", "/connectors/x%2Fshop-1/pause", 403),
        ("ops", "PUT", "/connectors/any/pause/", 403),
        ("ops", "DELETE", "/connectors/shop-1", 403),
        ("ops", "PUT", "/connectors/shop-1/config", 403),
        ("ops", "PUT", "/connector-plugins/FileSink/config/validate", 403),
        ("ops", "GET", "/metrics", 200),
        ("ci", "PUT", "/connector-plugins/FileSink/config/validate", 400),
        ("ci", "PUT", "/connectors/any/config", 403),
        ("ci", "GET", "/connectors/any", 403),
        ("ci", "GET", "/metrics", 403),
        ("ci", "PUT", "/admin/loggers/root", 403),
        ("eve", "GET", "/", 403),
        ("", "GET", "/connectors/demo-1", 500),
        ("", "GET", "/connectors/any", 403),
        ("", "POST", "/connectors/demo-1/restart", 403),
        // Other workers sign what they ask for: that is for the handler to check.
        ("", "PUT", "/connectors/any/fence", 500),
    ];
    for (who, method, path, status) in cases {
        let answer = guarded.ask(who, method, path).await;
        assert_eq!(answer.status, status, "{who} {method} {path}: {}", answer.body);
    }
    let body = json!({"name": "other", "config": {"connector.class": "FileSink"}}).to_string();
    let login = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n");
    let refused = guarded.server.send("POST", "/connectors", &login, body.as_bytes()).await;
    assert_error(
        &refused,
        403,
        "ci may not do this: it needs the role admin over connector other",
        "the body's name",
    );
    let many = format!("[{body}]");
    let refused = guarded.server.send("PUT", "/connectors", &login, many.as_bytes()).await;
    assert_error(&refused, 403, "over connector other", "apply");
}

#[tokio::test]
async fn every_change_is_written_down_with_who_and_how_it_ended() {
    let guarded = Guarded::start(&[("rest.role.root", "admin"), ("rest.role.ops", "viewer")]).await;
    guarded.ask("root", "GET", "/connector-plugins").await;
    guarded.ask("root", "PUT", "/connectors/a/pause").await;
    guarded.ask("ops", "DELETE", "/connectors/a%0Ab?x=1").await;
    guarded.ask("", "GET", "/connectors").await;
    let said: Vec<(String, String, String, u64)> = guarded
        .audited()
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            assert_eq!(line["from"], "127.0.0.1");
            (text("who"), text("method"), text("path"), line["status"].as_u64().unwrap())
        })
        .collect();
    let line = |who: &str, method: &str, path: &str, status| {
        (who.to_owned(), method.to_owned(), path.to_owned(), status)
    };
    let expected = [
        line("root", "PUT", "/connectors/a/pause", 500),
        line("ops", "DELETE", "/connectors/a%0Ab?x=1", 403),
        line("ANONYMOUS", "GET", "/connectors", 401),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn guessing_passwords_is_cut_short_and_those_who_are_in_stay_in() {
    let guarded = Guarded::start(&[]).await;
    assert_eq!(guarded.ask("root", "GET", "/connector-plugins").await.status, 200);
    for _ in 0..10 {
        assert_eq!(guarded.ask("nobody", "GET", "/").await.status, 401);
    }
    let refused = guarded.ask("nobody", "GET", "/").await;
    assert_error(&refused, 429, "Too many logins from this address failed", "guessing");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert_eq!(
        guarded.ask("ops", "GET", "/connector-plugins").await.status,
        429,
        "right or wrong is not told"
    );
    for who in ["root", "ci"] {
        assert_eq!(guarded.ask(who, "GET", "/connector-plugins").await.status, 200, "{who}");
    }
}

#[tokio::test]
async fn admin_endpoints_are_served_where_the_settings_say() {
    let nowhere = Server::start(&[("admin.listeners", "")]).await;
    assert_error(&nowhere.get("/admin/loggers").await, 404, "HTTP 404", "disabled");
    assert_eq!(nowhere.get("/connector-plugins").await.status, 200);
    let worker = super::worker_config(&[("admin.listeners", "http://127.0.0.1:0")]);
    let state = super::state(&worker, crate::herder::Herder::detached());
    let admin = Server::serve_at(&worker, &worker.listeners[1].clone(), state).await;
    assert_eq!(admin.get("/admin/loggers").await.status, 200);
    assert_error(&admin.get("/connectors").await, 404, "HTTP 404", "admins' only");
}

#[tokio::test]
async fn answers_get_the_headers_of_the_settings() {
    let rules = "set X-Frame-Options: DENY, \"add Cache-Control: no-cache, no-store\"";
    let server = Server::start(&[("response.http.headers.config", rules)]).await;
    for path in ["/connector-plugins", "/nothing"] {
        let answer = server.get(path).await;
        assert!(answer.head.contains("x-frame-options: deny"), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-cache, no-store"), "{}", answer.head);
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
    }
}
