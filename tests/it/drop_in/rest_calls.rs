//! The same script of REST calls as a real Kafka Connect 4.3 was given (`calls.json`), answered alike (`answers.json`), apart from
//! improvements, each listed here with its reason.
//!
//! The answers were recorded from `ConnectDistributed` of Apache Kafka 4.3.0 with its file connectors, exactly-once sources enabled,
//! on one broker; `{folder}` stands for the folder of the files, `{worker}` for the worker's `host:port`.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use harness::millrace::Millrace;
use harness::wait;
use reqwest::Method;
use serde_json::{Map, Value};

/// Where we answer another status, or another text with the same one: step, status, reason.
const IMPROVEMENTS: &[(&str, u16, &str)] = &[
    ("no topics", 404, "a name that does not exist is told"),
    ("topics of nothing to reset", 404, "a name that does not exist is told"),
    ("create without a class", 400, "the configuration, which may hold secrets, is not repeated"),
    ("create with an unknown class", 400, "the list of plugins is shorter, and without paths of the worker"),
    ("create with errors of many kinds", 400, "allowed values are told in our own words"),
    ("create with an unknown state", 400, "what the request has wrong is not the worker's fault"),
    ("create with broken JSON", 400, "what the request has wrong is not the worker's fault"),
    ("create with a field that nobody knows", 400, "what the request has wrong is not the worker's fault"),
    ("create with a nested value", 400, "what the request has wrong is not the worker's fault"),
    ("put with a null", 400, "a null that would break the connector later is refused"),
    ("delete what has a null", 404, "it was not created"),
    ("put nothing", 400, "the configuration, which may hold secrets, is not repeated"),
    ("patch it wrongly", 400, "each error is told once"),
    ("restart with a flag that is none", 400, "a flag that is mistyped does not count as false"),
    ("an offsets field that is no list", 400, "what the request has wrong is not the worker's fault"),
    ("an offset without its partition", 400, "what the request has wrong is not the worker's fault"),
    ("an offset that the connector refuses", 400, "what the request has wrong is not the worker's fault"),
    ("a partition that the connector refuses", 400, "what the request has wrong is not the worker's fault"),
    ("a sink's offset below nothing", 400, "what the request has wrong is not the worker's fault"),
    ("create one that fails", 400, "a file that cannot be written is told before, not by a failed task"),
    ("delete it, too", 404, "it was not created"),
    ("an unknown logger", 200, "a logger that was not named yet has the level of the one above it"),
    ("validate an unknown plugin", 400, "what the request has wrong is not the worker's fault"),
];

#[tokio::test]
async fn a_script_of_rest_calls_is_answered_as_kafka_connect_answers_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("in"), "first\nlines\n").unwrap();
    let text = "org.apache.kafka.connect.storage.StringConverter";
    // Without transactions, since their ends take offsets, too: where Connect commits the last record's, we commit what lies behind.
    let settings =
        [("key.converter", text), ("value.converter", text), ("exactly.once.source.support", "disabled")];
    let millrace = Millrace::standalone(folder.path(), &settings).await.unwrap();
    let calls: Vec<Value> = serde_json::from_str(include_str!("calls.json")).unwrap();
    let answers: Vec<Value> = serde_json::from_str(include_str!("answers.json")).unwrap();
    assert_eq!(calls.len(), answers.len(), "the answers are those of another script");
    let mut differences = Vec::new();
    for (call, theirs) in calls.iter().zip(&answers) {
        let step = call["step"].as_str().unwrap();
        assert_eq!(theirs["step"], step, "the answers are those of another script");
        let ours = answer(&millrace, call, &files).await.unwrap();
        let found = match IMPROVEMENTS.iter().find(|(known, ..)| *known == step) {
            Some((_, status, _)) => improved(&ours, theirs, *status),
            None => alike(&ours, theirs),
        };
        differences.extend(found.err().map(|error| format!("{step}: {error:#}")));
    }
    assert!(differences.is_empty(), "{} steps:\n{}", differences.len(), differences.join("\n"));
}

/// An answer: its status, and its body with what differs from run to run taken out.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

/// Makes a call, again and again if it says what to wait for.
async fn answer(millrace: &Millrace, call: &Value, files: &Path) -> Result<Answer> {
    let Some(until) = call.get("until") else { return once(millrace, call, files).await };
    wait::until(&format!("{}", call["step"]), wait::PATIENCE, || async {
        let answer = once(millrace, call, files).await?;
        ensure!(answer.status == 200 && contains(&answer.body, until).is_ok(), "{answer:?}");
        Ok(answer)
    })
    .await
}

async fn once(millrace: &Millrace, call: &Value, files: &Path) -> Result<Answer> {
    let folder = files.display().to_string();
    let (method, path) = call["call"].as_str().unwrap_or_default().split_once(' ').unwrap_or_default();
    let mut request =
        reqwest::Client::new().request(method.parse::<Method>()?, format!("{}{path}", millrace.url()));
    if let Some(body) = call.get("body") {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string().replace("{folder}", &folder));
    }
    if let Some(text) = call.get("text").and_then(Value::as_str) {
        let kind = call.get("type").and_then(Value::as_str).unwrap_or("application/json");
        request = request.header("content-type", kind).body(text.to_owned());
    }
    for (name, value) in call.get("headers").and_then(Value::as_object).into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?.replace(&folder, "{folder}");
    let text = text.replace(millrace.url().trim_start_matches("http://"), "{worker}");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
    Ok(Answer { status, body })
}

/// Whether our answer says everything that theirs says, and has the same status.
fn alike(ours: &Answer, theirs: &Value) -> Result<()> {
    ensure!(theirs["status"] == ours.status, "theirs {theirs}\n  ours {ours:?}");
    contains(&ours.body, &theirs["body"])?;
    has_code(ours)
}

/// Whether an improvement is still one, and is what it was.
fn improved(ours: &Answer, theirs: &Value, status: u16) -> Result<()> {
    ensure!(ours.status == status, "improved to {status}, but ours {ours:?}");
    ensure!(alike(ours, theirs).is_err(), "no longer an improvement: both say {ours:?}");
    let says_why = ours.body["error_code"] == status && ours.body["message"].is_string();
    ensure!(status < 400 || says_why, "{ours:?}");
    has_code(ours)
}

fn has_code(ours: &Answer) -> Result<()> {
    ensure!(ours.status < 400 || ours.body["code"].is_string(), "an error without a code: {ours:?}");
    Ok(())
}

/// Whether everything in `theirs` is in `ours`: further fields are for those who know them. Versions and ids differ by nature.
fn contains(ours: &Value, theirs: &Value) -> Result<()> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => fields(ours, theirs),
        (Value::Array(ours), Value::Array(theirs)) => {
            ensure!(ours.len() == theirs.len(), "theirs {theirs:?}\n  ours {ours:?}");
            ours.iter().zip(theirs).try_for_each(|(ours, theirs)| contains(ours, theirs))
        }
        _ => {
            ensure!(ours == theirs, "theirs {theirs}\n  ours {ours}");
            Ok(())
        }
    }
}

fn fields(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Result<()> {
    for (name, theirs) in theirs {
        match (ours.get(name), name.as_str()) {
            (Some(Value::String(_)), "version" | "commit" | "kafka_cluster_id") => {}
            (Some(ours), _) => contains(ours, theirs)?,
            (None, _) => bail!("there is no field {name}: {ours:?}"),
        }
    }
    Ok(())
}
