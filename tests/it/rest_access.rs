//! REST as it is opened to others: https, certificates, passwords, roles and what is written down, through the built binary.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use harness::places::free_port;
use harness::process::Process;
use harness::wait;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::authority::Authority;

/// A worker in a folder, with these settings; waits until the client gets an answer from it.
async fn start(folder: &Path, settings: &[(&str, String)], url: &str, client: &Client) -> Result<Process> {
    let broker = free_port()?;
    let mut text = format!("broker.listeners=PLAINTEXT://127.0.0.1:{broker}\n");
    text += &format!("broker.log.dirs={}\n", folder.join("data").display());
    for (name, value) in settings {
        text += &format!("{name}={}\n", value.replace('\n', "\\n"));
    }
    fs::write(folder.join("worker.properties"), text)?;
    let mut process = Process::start(folder, &["standalone", "worker.properties"])?;
    wait::until("REST answers", wait::PATIENCE, || async {
        client.get(format!("{url}/health")).send().await?;
        Ok(())
    })
    .await
    .with_context(|| process.log_tail())?;
    ensure!(process.exited()?.is_none(), "millrace ended:\n{}", process.log_tail());
    Ok(process)
}

async fn status(client: &Client, url: String, login: Option<(&str, &str)>) -> Result<StatusCode> {
    let request = client.get(url);
    let request = match login {
        Some((name, password)) => request.basic_auth(name, Some(password)),
        None => request,
    };
    Ok(request.send().await?.status())
}

/// The settings of a worker that speaks https, knows users and roles, and writes changes down.
fn guarded(folder: &Path, port: u16, admin: u16) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        ("listeners", format!("https://127.0.0.1:{port}")),
        ("admin.listeners", format!("http://127.0.0.1:{admin}")),
        ("listeners.https.ssl.keystore.type", "PEM".to_owned()),
        ("listeners.https.ssl.keystore.location", path("server.pem")),
        ("listeners.https.ssl.truststore.location", path("ca.pem")),
        ("listeners.https.ssl.client.auth", "requested".to_owned()),
        (
            "rest.extension.classes",
            "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension".to_owned(),
        ),
        ("rest.users.file", path("users")),
        ("rest.audit.file", path("audit")),
        ("rest.role.root", "admin".to_owned()),
        ("rest.role.alice", "viewer".to_owned()),
    ]
}

#[tokio::test]
async fn rest_over_https_knows_certificates_passwords_and_roles() -> Result<()> {
    let (folder, ca, stranger) = (tempfile::tempdir()?, Authority::new()?, Authority::new()?);
    let folder = folder.path();
    fs::write(folder.join("ca.pem"), &ca.pem)?;
    fs::write(folder.join("server.pem"), ca.sign("server")?)?;
    fs::write(folder.join("users"), "root=CANARY-root\n")?;
    let (port, admin) = (free_port()?, free_port()?);
    let url = format!("https://127.0.0.1:{port}");
    let nobody = ca.client(None)?;
    let mut process = start(folder, &guarded(folder, port, admin), &url, &nobody).await?;

    let refused = nobody.get(format!("{url}/connectors")).send().await?;
    ensure!(refused.status() == 401 && refused.headers().contains_key("www-authenticate"));
    let body: Value = refused.json().await?;
    ensure!((&body["error_code"], &body["code"]) == (&json!(401), &json!("unauthenticated")), "{body}");
    ensure!(status(&nobody, format!("{url}/"), Some(("root", "wrong"))).await? == 401);
    ensure!(status(&nobody, format!("{url}/"), Some(("root", "CANARY-root"))).await? == 200);

    // A certificate is a login; one that nobody trusted signed is no connection.
    let alice = ca.client(Some(&ca.sign("alice")?))?;
    ensure!(status(&alice, format!("{url}/connectors"), None).await? == 200);
    let impostor = ca.client(Some(&stranger.sign("alice")?))?;
    ensure!(impostor.get(format!("{url}/connectors")).send().await.is_err());
    ensure!(
        Client::new().get(format!("http://127.0.0.1:{port}/")).send().await.is_err(),
        "http on an https port"
    );

    let config = json!({"connector.class": "FileStreamSource", "topic": "t", "file": folder.join("in"), "api.token": "CANARY-3"});
    let create = json!({"name": "lines", "config": config});
    let forbidden = alice.post(format!("{url}/connectors")).json(&create).send().await?;
    ensure!(forbidden.status() == 403, "{}", forbidden.text().await?);
    let root = nobody.post(format!("{url}/connectors")).basic_auth("root", Some("CANARY-root"));
    let created = root.json(&create).send().await?;
    ensure!(created.status() == 201, "{}", created.text().await?);
    let shown = alice.get(format!("{url}/connectors/lines/config")).send().await?.text().await?;
    ensure!(shown.contains("[hidden]") && !shown.contains("CANARY"), "{shown}");

    // Admin endpoints have a listener of their own, behind the same logins.
    let loggers = |base: String| format!("{base}/admin/loggers");
    let login = Some(("root", "CANARY-root"));
    ensure!(status(&nobody, loggers(url.clone()), login).await? == 404);
    let admin = format!("http://127.0.0.1:{admin}");
    ensure!(status(&nobody, loggers(admin.clone()), None).await? == 401);
    ensure!(status(&nobody, loggers(admin), login).await? == 200);

    let audit = fs::read_to_string(folder.join("audit"))?;
    let lines: Vec<Value> = audit.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let wrote = |who: &str, code: u64| {
        lines.iter().any(|line| {
            line["who"] == who
                && line["status"] == code
                && line["path"] == "/connectors"
                && line["method"] == "POST"
        })
    };
    ensure!(wrote("alice", 403) && wrote("root", 201), "{audit}");
    ensure!(lines.iter().any(|line| line["connectors"] == json!(["lines"])), "{audit}");
    ensure!(!audit.contains("CANARY") && !process.log().contains("CANARY"), "a secret was written down");
    ensure!(process.log().contains("millrace::audit"), "the log tells nothing of changes");

    // Certificates are taken over when their file changes.
    fs::write(folder.join("server.pem"), stranger.sign("server")?)?;
    let others = stranger.client(None)?;
    wait::until("new certificates", wait::PATIENCE, || async {
        let status = others.request(Method::GET, format!("{url}/")).send().await?.status();
        ensure!(status == 401, "{status}");
        Ok(())
    })
    .await?;
    process.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn a_worker_that_requires_certificates_serves_nobody_without() -> Result<()> {
    let (folder, ca) = (tempfile::tempdir()?, Authority::new()?);
    let folder = folder.path();
    let server = ca.sign("server")?;
    let (chain, key) = server.split_once("-----BEGIN PRIVATE KEY-----").context("a key")?;
    let port = free_port()?;
    let url = format!("https://127.0.0.1:{port}");
    let settings = vec![
        ("listeners", format!("https://127.0.0.1:{port}")),
        ("ssl.keystore.certificate.chain", chain.to_owned()),
        ("ssl.keystore.key", format!("-----BEGIN PRIVATE KEY-----{key}")),
        ("ssl.truststore.certificates", ca.pem.clone()),
        ("ssl.client.auth", "required".to_owned()),
    ];
    let known = ca.client(Some(&ca.sign("known")?))?;
    let mut process = start(folder, &settings, &url, &known).await?;
    ensure!(status(&known, format!("{url}/connectors"), None).await? == 200);
    ensure!(ca.client(None)?.get(format!("{url}/connectors")).send().await.is_err());
    process.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn settings_that_would_leave_rest_open_stop_the_start() -> Result<()> {
    let cases = [
        ("listeners=https://127.0.0.1:0\n", "ssl.keystore.location"),
        ("rest.extension.classes=com.example.LockExtension\n", "BasicAuthSecurityRestExtension is built in"),
        ("rest.extension.classes=BasicAuthSecurityRestExtension\n", "rest.users.file"),
        ("rest.users.file=/nowhere/users\n", "/nowhere/users"),
        ("rest.role.a=king\n", "viewer, operator or admin"),
        ("response.http.headers.config=set X\n", "response.http.headers.config"),
    ];
    for (settings, expected) in cases {
        let folder = tempfile::tempdir()?;
        let text = format!(
            "broker.log.dirs={}\nbroker.listeners=PLAINTEXT://127.0.0.1:0\n{settings}",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("worker.properties"), text)?;
        let mut process = Process::start(folder.path(), &["standalone", "worker.properties"])?;
        let ended = process.ended(wait::PATIENCE).await?;
        if ended.success() || !process.log().contains(expected) {
            bail!("{settings}: {ended}\n{}", process.log());
        }
    }
    Ok(())
}
