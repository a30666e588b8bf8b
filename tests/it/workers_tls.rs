//! Workers that ask each other over TLS, with certificates of a private authority: the other cases of Kafka Connect's
//! RestForwardingIntegrationTest; and callers known by certificates alone, for whom a follower vouches.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::broker::Broker;
use harness::places::free_port;
use harness::process::Process;
use harness::wait;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::authority::Authority;

/// A group of workers, each a process, which share a broker.
struct Group {
    folder: tempfile::TempDir,
    broker: Broker,
    ca: Authority,
}

/// One of them.
struct Worker {
    process: Process,
    /// By which we reach it.
    url: String,
    audit: std::path::PathBuf,
}

impl Group {
    async fn new() -> Result<Self> {
        let (folder, ca) = (tempfile::tempdir()?, Authority::new()?);
        let of_broker = folder.path().join("broker");
        fs::create_dir(&of_broker)?;
        fs::write(folder.path().join("ca.pem"), &ca.pem)?;
        Ok(Self { broker: Broker::start(&of_broker, &[]).await?, folder, ca })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What a worker needs to know to ask others over TLS, and to be asked.
    fn tls(&self, name: &str) -> Result<Vec<(&'static str, String)>> {
        let own = self.path(&format!("{name}.pem"));
        fs::write(&own, self.ca.sign(name)?)?;
        Ok(vec![
            ("listeners.https.ssl.keystore.type", "PEM".to_owned()),
            ("listeners.https.ssl.keystore.location", own),
            ("listeners.https.ssl.truststore.type", "PEM".to_owned()),
            ("listeners.https.ssl.truststore.location", self.path("ca.pem")),
        ])
    }

    /// Starts a worker of a group of this name with these listeners; waits until it answers this client at the first of them.
    async fn start(
        &self,
        group: &str,
        name: &str,
        schemes: &[&str],
        settings: &[(&str, String)],
        client: &Client,
    ) -> Result<Worker> {
        let folder = self.folder.path().join(format!("{group}-{name}"));
        fs::create_dir(&folder)?;
        let mut urls = Vec::new();
        for scheme in schemes {
            urls.push(format!("{scheme}://127.0.0.1:{}", free_port()?));
        }
        let audit = folder.join("audit");
        let mut text = format!("bootstrap.servers={}\ngroup.id={group}\n", self.broker.bootstrap_servers());
        for topic in ["config", "offset", "status"] {
            text += &format!("{topic}.storage.topic={group}-{topic}\n");
        }
        text += &format!("listeners={}\nrest.audit.file={}\n", urls.join(","), audit.display());
        for (name, value) in settings {
            text += &format!("{name}={value}\n");
        }
        fs::write(folder.join("worker.properties"), text)?;
        let mut process = Process::start(&folder, &["distributed", "worker.properties"])?;
        let url = urls.swap_remove(0);
        let answered = wait::until("REST answers", wait::PATIENCE, || async {
            let health = client.get(format!("{url}/health")).send().await?.status();
            ensure!(health != 503, "{health}");
            Ok(())
        });
        answered.await.with_context(|| process.log_tail())?;
        ensure!(process.exited()?.is_none(), "millrace ended:\n{}", process.log_tail());
        Ok(Worker { process, url, audit })
    }

    fn create(&self, name: &str) -> Value {
        json!({"name": name, "config": {"connector.class": "FileStreamSource", "topic": name, "file": self.path(name)}})
    }
}

impl Worker {
    async fn post(&self, client: &Client, body: &Value) -> Result<Response> {
        Ok(client.post(format!("{}/connectors", self.url)).json(body).send().await?)
    }

    /// Waits until it leads its group.
    async fn leads(&self, client: &Client) -> Result<()> {
        wait::until("a leader", wait::PATIENCE, || async {
            let text = client.get(format!("{}/metrics", self.url)).send().await?.text().await?;
            let leads = text.lines().any(|line| line.contains("rebalance_leader") && line.ends_with(" 1"));
            ensure!(leads, "it does not lead");
            Ok(())
        })
        .await
    }

    fn audited(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.audit)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// Waits until an answer has this status.
async fn expect(answer: Response, status: u16) -> Result<Value> {
    let (found, text) = (answer.status().as_u16(), answer.text().await?);
    ensure!(found == status, "{found}: {text}");
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Creates a connector at the follower, and finds it at the leader.
async fn is_handed_on(group: &Group, case: &str, leader: &[&str], follower: &[&str]) -> Result<()> {
    let client = group.ca.client(None)?;
    let leader = group.start(case, "leader", leader, &group.tls("leader")?, &client).await?;
    leader.leads(&client).await?;
    let follower = group.start(case, "follower", follower, &group.tls("follower")?, &client).await?;
    expect(follower.post(&client, &group.create("handed-on")).await?, 201)
        .await
        .with_context(|| case.to_owned())?;
    expect(client.get(format!("{}/connectors/handed-on", leader.url)).send().await?, 200).await?;
    leader.leads(&client).await?;
    let audited = leader.audited()?;
    ensure!(
        audited.iter().any(|line| line["path"].as_str().is_some_and(|path| path.contains("forward=true"))),
        "{audited:?}"
    );
    expect(client.put(format!("{}/connectors/handed-on/stop", follower.url)).send().await?, 204).await?;
    Ok(())
}

#[tokio::test]
async fn test_rest_forward_ssl() -> Result<()> {
    let group = Group::new().await?;
    is_handed_on(&group, "both", &["https"], &["https"]).await?;
    is_handed_on(&group, "leader-ssl", &["https"], &["http"]).await?;
    is_handed_on(&group, "follower-ssl", &["http"], &["https"]).await?;
    is_handed_on(&group, "dual-listener", &["https", "http"], &["https", "http"]).await
}

#[tokio::test]
async fn others_are_told_the_listener_that_was_said() -> Result<()> {
    let group = Group::new().await?;
    let client = group.ca.client(None)?;
    for (said, expected) in [(None, 1), (Some("https"), 0), (Some("HTTP"), 1)] {
        let case = format!("advertised-{}", said.unwrap_or("nothing"));
        let mut settings = group.tls("worker")?;
        settings.extend(said.map(|said| ("rest.advertised.listener", said.to_owned())));
        let worker = group.start(&case, "worker", &["https", "http"], &settings, &client).await?;
        expect(worker.post(&client, &group.create("told")).await?, 201).await?;
        let listeners =
            fs::read_to_string(group.folder.path().join(format!("{case}-worker/worker.properties")))?;
        let listeners =
            listeners.lines().find_map(|line| line.strip_prefix("listeners=")).context("listeners")?;
        let url = listeners.split(',').nth(expected).context("a listener")?;
        wait::until("where it runs", wait::PATIENCE, || async {
            let status = client.get(format!("{}/connectors/told/status", worker.url)).send().await?;
            let status: Value = status.json().await?;
            let id = status["connector"]["worker_id"].as_str().context("no id")?;
            ensure!(
                status["connector"]["state"] == "RUNNING" && url.ends_with(id),
                "{status}, expected {url}"
            );
            Ok(())
        })
        .await?;
        let log = worker.process.log();
        ensure!(log.contains(&format!("{url}/")), "the group is told another URL than {url}:\n{log}");
    }
    // One that is not there would leave the worker out of reach.
    let folder = group.folder.path().join("wrong");
    fs::create_dir(&folder)?;
    let text =
        format!("bootstrap.servers={}\nrest.advertised.listener=https\n", group.broker.bootstrap_servers());
    fs::write(folder.join("worker.properties"), text)?;
    let mut process = Process::start(&folder, &["distributed", "worker.properties"])?;
    ensure!(
        !process.ended(wait::PATIENCE).await?.success() && process.log().contains("rest.advertised.listener")
    );
    Ok(())
}

/// Settings of workers that require certificates of each other and of callers, and know users by password as well.
fn guarded(group: &Group, name: &str) -> Result<Vec<(&'static str, String)>> {
    let mut settings = group.tls(name)?;
    fs::write(group.path("users"), "root=CANARY-root\n")?;
    settings.extend([
        ("listeners.https.ssl.client.auth", "required".to_owned()),
        ("rest.users.file", group.path("users")),
        ("rest.role.alice", "admin".to_owned()),
        ("rest.role.root", "admin".to_owned()),
        ("rest.role.bob", "viewer".to_owned()),
    ]);
    Ok(settings)
}

#[tokio::test]
async fn a_follower_vouches_for_callers_known_by_their_certificates() -> Result<()> {
    let group = Group::new().await?;
    let known = |name: &str| group.ca.client(Some(&group.ca.sign(name)?));
    let (alice, bob) = (known("alice")?, known("bob")?);
    let leader = group.start("mtls", "leader", &["https"], &guarded(&group, "leader")?, &alice).await?;
    leader.leads(&alice).await?;
    // Its own certificate gives a worker no rights: what it asks for is asked for by somebody.
    let follower = group.start("mtls", "follower", &["https"], &guarded(&group, "follower")?, &alice).await?;
    expect(follower.post(&alice, &group.create("by-alice")).await?, 201).await?;
    expect(follower.post(&bob, &group.create("by-bob")).await?, 403).await?;
    let root = bob.post(format!("{}/connectors", follower.url)).basic_auth("root", Some("CANARY-root"));
    expect(root.json(&group.create("by-root")).send().await?, 201).await?;
    let apply = alice.put(format!("{}/connectors?prune=true", follower.url));
    let applied = apply.json(&json!([group.create("by-alice")])).send().await?;
    let applied = expect(applied, 200).await?;
    ensure!(applied[1] == json!({"name": "by-root", "outcome": "deleted"}), "{applied}");

    let audited = leader.audited()?;
    let done = |who: &str, what: &str| {
        audited.iter().any(|line| {
            line["who"] == who
                && line["connectors"] == json!([what])
                && line["status"] == 201
                && line["path"] == "/connectors?forward=true"
        })
    };
    ensure!(done("alice", "by-alice") && done("root", "by-root"), "{audited:?}");

    // Nobody else can vouch, neither for themselves nor with the certificate of a worker.
    let worker = known("follower")?;
    for client in [&bob, &worker] {
        let url = format!("{}/connectors?forward=true", leader.url);
        let forged = client
            .post(url)
            .json(&group.create("forged"))
            .header("X-Millrace-Caller", "eyJuYW1lIjoiYWxpY2UifQ==");
        expect(forged.send().await?, 403).await?;
        let signed = client.request(Method::POST, format!("{}/connectors?forward=true", leader.url));
        let signed =
            signed.json(&group.create("forged")).header("X-Millrace-Caller", "eyJuYW1lIjoiYWxpY2UifQ==");
        let signed = signed
            .header("X-Millrace-Caller-Signature", "S29uc3RhbnRpbm9wbGU=")
            .header("X-Millrace-Caller-Algorithm", "HmacSHA256");
        let refused = expect(signed.send().await?, 403).await?;
        ensure!(
            refused["message"].as_str().is_some_and(|message| message.contains("signature is wrong")),
            "{refused}"
        );
    }
    expect(
        worker.post(format!("{}/connectors", leader.url)).json(&group.create("forged")).send().await?,
        403,
    )
    .await?;
    let connectors = expect(alice.get(format!("{}/connectors", leader.url)).send().await?, 200).await?;
    ensure!(connectors == json!(["by-alice"]), "{connectors}");
    let logs = leader.process.log() + &follower.process.log();
    ensure!(!logs.contains("CANARY"), "a secret was written down");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_does_not_trust_the_leader_says_what_to_set() -> Result<()> {
    let group = Group::new().await?;
    let client = group.ca.client(None)?;
    let leader = group.start("distrust", "leader", &["https"], &group.tls("leader")?, &client).await?;
    leader.leads(&client).await?;
    let follower = group.start("distrust", "follower", &["http"], &[], &client).await?;
    let refused = expect(follower.post(&client, &group.create("nowhere")).await?, 500).await?;
    let message = refused["message"].as_str().context("a message")?;
    ensure!(message.contains("listeners.https.ssl.truststore.location"), "{message}");
    // Files that cannot be read are told at the start.
    let folder = group.folder.path().join("wrong");
    fs::create_dir(&folder)?;
    let text = format!(
        "bootstrap.servers={}\nlisteners=http://127.0.0.1:{}\nlisteners.https.ssl.truststore.location=/nowhere/ca.pem\n",
        group.broker.bootstrap_servers(),
        free_port()?
    );
    fs::write(folder.join("worker.properties"), text)?;
    let mut process = Process::start(&folder, &["distributed", "worker.properties"])?;
    ensure!(
        !process.ended(wait::PATIENCE).await?.success() && process.log().contains("/nowhere/ca.pem"),
        "{}",
        process.log()
    );
    Ok(())
}
