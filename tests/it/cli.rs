//! The command line for people and programs against a broker: what it prints, how it ends, and that kcat sees the same.

mod connectors;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::ensure;
use harness::broker::Broker;
use harness::{kcat, places, wait};
use serde_json::Value;

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output of a command that ended well.
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Ended with this code, and said all of this on standard error.
    fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(parts.iter().all(|part| self.stderr.contains(part)), "{parts:?}: {self:?}");
    }
}

/// The binary, pointed at a broker.
struct Cli(String);

impl Cli {
    fn new(broker: &Broker) -> Self {
        Self(broker.bootstrap_servers())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(places::millrace_binary().unwrap());
        command.args(arguments).env("MILLRACE_BOOTSTRAP_SERVER", &self.0).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, b"")
    }

    fn run_with(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Said::of(output)
    }
}

async fn start(folder: &Path) -> (Broker, Cli) {
    let broker = Broker::start(folder, &[]).await.unwrap();
    let cli = Cli::new(&broker);
    (broker, cli)
}

/// Asks a running command to stop as Ctrl-C does; its code, and what it had said and nobody had read.
fn interrupt(mut child: Child) -> (Option<i32>, String) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let code = child.wait().unwrap().code();
    let mut rest = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut rest).unwrap();
    }
    (code, rest)
}

#[tokio::test]
async fn topics_are_created_described_altered_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, cli) = start(folder.path()).await;
    let create = ["topics", "create", "orders", "-p", "3", "--config", "retention.ms=60000"];
    assert_eq!(cli.run(&create).ok(), "created topic orders\n");
    cli.run(&create).failed(1, &["orders is there already", "--if-not-exists"]);
    let again = cli.run(&["topics", "create", "orders", "--if-not-exists"]).ok();
    assert_eq!(again, "topic orders is there already\n");
    cli.run(&["topics", "create", "new", "-c", "no.such.setting=1"]).failed(1, &["no.such.setting"]);

    assert_eq!(
        cli.run(&["topics", "list"]).ok(),
        "NAME    PARTITIONS  REPLICAS\norders           3         1\n"
    );
    let listed = cli.run(&["topics", "list", "--json"]).json();
    let expected = serde_json::json!([
        {"name": "orders", "partitions": 3, "replication_factor": 1, "internal": false}
    ]);
    assert_eq!(listed, expected);

    cli.run_with(&["produce", "orders", "-p", "1"], b"a\nb\n").ok();
    let described = &cli.run(&["topics", "describe", "orders", "--json"]).json()[0];
    let partition = &described["partitions"][1];
    assert!(partition["bytes"].as_i64().unwrap() > 60, "{described}");
    assert_eq!(
        (&partition["earliest"], &partition["latest"]),
        (&Value::from(0), &Value::from(2)),
        "{described}"
    );
    let config = serde_json::json!([
        {"name": "retention.ms", "value": "60000", "source": "DYNAMIC_TOPIC_CONFIG"}
    ]);
    assert_eq!(described["configs"], config);
    let table = cli.run(&["topics", "describe"]).ok();
    assert!(table.starts_with("Topic orders: 3 partitions, 2 offsets, id "), "{table}");

    let alter = [
        "topics",
        "alter",
        "orders",
        "-p",
        "4",
        "-c",
        "retention.bytes=5",
        "--delete-config",
        "retention.ms",
    ];
    cli.run(&alter).ok();
    let altered = &cli.run(&["topics", "describe", "orders", "--json"]).json()[0];
    assert_eq!(altered["partitions"].as_array().unwrap().len(), 4);
    assert_eq!(altered["configs"].as_array().unwrap().len(), 1, "{altered}");
    assert_eq!(altered["configs"][0]["name"], "retention.bytes");

    let deleted = cli.run(&["topics", "delete", "orders", "missing"]);
    assert_eq!(deleted.stdout, "deleted topic orders\n");
    deleted.failed(1, &["topic missing does not exist", "topics list"]);
    assert_eq!(cli.run(&["topics", "list", "--json"]).json(), serde_json::json!([]));
}

#[tokio::test]
async fn what_is_produced_is_consumed_in_every_form_and_kcat_sees_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, cli) = start(folder.path()).await;
    let lines: String = (0..50_000).map(|number| format!("value {number}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let summary = cli.run_with(&["produce", codec, "-z", codec], lines.as_bytes());
        assert!(summary.stderr.starts_with("50000 records (0.5 MB)"), "{summary:?}");
        summary.ok();
        let read = folder.path().join("read");
        kcat::consume(&broker.bootstrap_servers(), codec, &read).unwrap();
        assert!(std::fs::read_to_string(&read).unwrap() == lines, "{codec}: kcat read something else");
        assert!(cli.run(&["consume", codec, "-e"]).ok() == lines, "{codec}: we read something else");
    }

    let keyed = ["produce", "forms", "-K", ":", "-H", "a=1", "-H", "a=2", "--null-marker", "NULL", "-q"];
    assert_eq!(cli.run_with(&keyed, b"k:v:w\nNULL:x\ng:NULL").stderr, "");
    cli.run_with(&["produce", "forms", "-q"], b"\xff\xfe\n").ok();
    let format = "%t|%p|%o|%k|%K|%s|%S|%T|%h|%%\n";
    let first_three = |text: String| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    let theirs = Command::new("kcat")
        .args(["-b", &broker.bootstrap_servers(), "-C", "-t", "forms", "-e", "-q", "-c", "3", "-f", format])
        .output()
        .unwrap();
    let ours = cli.run(&["consume", "forms", "-n", "3", "--from-beginning", "-f", format]).ok();
    assert_eq!(first_three(ours), first_three(String::from_utf8(theirs.stdout).unwrap()));

    let json = cli.run(&["consume", "forms", "-e", "--json"]).ok();
    let records: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&records[0]["key"], &records[0]["value"]), (&Value::from("k"), &Value::from("v:w")));
    let headers = serde_json::json!([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]);
    assert_eq!(
        (&records[0]["headers"], &records[1]["key"], &records[2]["value"]),
        (&headers, &Value::Null, &Value::Null)
    );
    assert_eq!(records[3]["value"], serde_json::json!({"base64": "//4="}));
    let plain = cli.run(&[
        "consume",
        "forms",
        "-o",
        "2",
        "-n",
        "1",
        "--print-key",
        "--print-offset",
        "--print-headers",
    ]);
    assert_eq!(plain.ok(), "Offset:2\ta:1,a:2\tg\tnull\n");
    assert_eq!(cli.run(&["consume", "none", "-o", "-2", "-e"]).ok(), "value 49998\nvalue 49999\n");
    let later = cli.run(&["consume", "none", "--from-timestamp", "2100-01-01T00:00:00Z", "-e"]);
    assert_eq!(later.ok(), "");
}

#[tokio::test]
async fn a_topic_is_followed_until_it_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, cli) = start(folder.path()).await;
    let envelope = r#"{"schema":{"type":"struct","name":"Order","fields":[{"field":"id","type":"int32"}]},"payload":{"id":7}}"#;
    cli.run_with(&["produce", "orders", "-k", "old"], format!("{envelope}\n").as_bytes()).ok();
    let mut tail = cli.command(&["topics", "tail", "orders"]).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = move || lines.next().unwrap().unwrap();
    assert!(next().starts_with("orders-0 @ 0  20"));
    let shown: Vec<_> = (0..5).map(|_| next()).collect();
    assert_eq!(shown, ["key old", "schema struct Order {id: int32}", "{", "  \"id\": 7", "}"]);
    cli.run_with(&["produce", "orders"], b"newer\n").ok();
    assert_eq!(next(), "");
    assert!(next().starts_with("orders-0 @ 1  "));
    assert_eq!(next(), "newer");
    assert_eq!(interrupt(tail).0, Some(0));

    // Whoever reads has seen enough: no failure, no words.
    let mut consume = cli.command(&["consume", "orders", "--from-beginning"]).spawn().unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(consume.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    assert_eq!(first.trim_end(), envelope);
    drop(stdout);
    cli.run_with(&["produce", "orders"], b"into the void\n").ok();
    let output = consume.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[tokio::test]
async fn groups_are_listed_described_reset_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, cli) = start(folder.path()).await;
    let lines: String = (0..100).map(|number| format!("{number}\n")).collect();
    cli.run_with(&["produce", "t"], lines.as_bytes()).ok();
    let some = cli.run(&["consume", "t", "-g", "g", "--from-beginning", "-n", "40"]).ok();
    assert_eq!(some.lines().count(), 40);
    let described = &cli.run(&["groups", "describe", "g", "--json"]).json()[0];
    assert_eq!(
        (&described["state"], &described["lag"]),
        (&Value::from("Empty"), &Value::from(60)),
        "{described}"
    );
    let rest = cli.run(&["consume", "t", "-g", "g", "-e"]).ok();
    assert!(some + &rest == lines, "a group goes on where it stopped, and ends at the end: {rest}");

    let reset = ["groups", "reset-offsets", "g", "--topic", "t", "--shift-by", "-30"];
    let dry = cli.run(&reset);
    assert!(dry.stderr.contains("--execute"), "{dry:?}");
    assert!(dry.ok().ends_with("g      t              0             100          70\n"));
    assert_eq!(
        cli.run(&["groups", "describe", "g", "--json"]).json()[0]["lag"],
        0,
        "a dry run changes nothing"
    );
    let executed = cli.run(&[
        "groups",
        "reset-offsets",
        "g",
        "--all-topics",
        "--to-offset",
        "25",
        "--execute",
        "--json",
    ]);
    assert_eq!(executed.json()["partitions"][0]["new_offset"], 25);
    assert_eq!(cli.run(&["groups", "describe", "g", "--json"]).json()[0]["lag"], 75);

    let member = cli.command(&["consume", "t", "-g", "g"]).spawn().unwrap();
    wait::until("the member at work", wait::PATIENCE, || async {
        let text = cli.run(&["groups", "describe", "g"]).stdout;
        let reads = text.lines().any(|line| line.starts_with("t ") && line.contains("127.0.0.1"));
        ensure!(text.starts_with("Group g: Stable, 1 members") && reads, "{text}");
        Ok(())
    })
    .await
    .unwrap();
    assert!(cli.run(&["groups", "describe", "g", "--members"]).ok().contains("t-0\n"));
    cli.run(&["groups", "reset-offsets", "g", "--all-topics", "--to-earliest", "--execute"])
        .failed(1, &["group g is active", "1 members"]);
    cli.run(&["groups", "delete", "g"]).failed(1, &["has members"]);
    let (code, printed) = interrupt(member);
    assert_eq!((code, printed.lines().count()), (Some(0), 75));
    let listed = cli.run(&["groups", "list"]).ok();
    assert_eq!(listed, "GROUP  STATE  PROTOCOL-TYPE  MEMBERS\ng      Empty  consumer             0\n");
    assert_eq!(
        cli.run(&["groups", "describe", "g", "--json"]).json()[0]["lag"],
        0,
        "it committed before it left"
    );
    assert_eq!(cli.run(&["groups", "delete", "g", "--yes"]).ok(), "deleted group g\n");
    cli.run(&["groups", "describe", "g"]).failed(1, &["group g does not exist"]);
}

#[tokio::test]
async fn mistakes_and_troubles_have_their_codes_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, cli) = start(folder.path()).await;
    cli.run(&["consume", "missing"]).failed(1, &["topic missing does not exist"]);
    cli.run(&["topics", "tail", "missing"]).failed(1, &["topic missing does not exist"]);
    cli.run(&["topics", "list", "-b", "127.0.0.1:1"])
        .failed(1, &["no broker answers at 127.0.0.1:1", "--bootstrap-server"]);
    cli.run(&["topics", "list", "-b", "nowhere"]).failed(2, &["\"nowhere\" is no host:port"]);
    cli.run(&["topics"]).failed(2, &["subcommand"]);
    cli.run(&["topics", "alter", "t"]).failed(2, &["--config"]);
    cli.run(&["consume", "t", "-o", "soon"]).failed(2, &["neither earliest, latest"]);
    cli.run(&["consume", "t", "-f", "%q"]).failed(2, &["%q is no token"]);
    cli.run(&["groups", "reset-offsets", "g", "--to-latest"]).failed(2, &["--all-topics"]);
    cli.run(&["produce", "t", "-l", "/no/such/file"]).failed(2, &["/no/such/file: cannot be read"]);
    cli.run(&["consume", "t", "--command-config", "/no/such/file"]).failed(2, &["/no/such/file"]);
    let settings = folder.path().join("client.properties");
    std::fs::write(&settings, "acks=perhaps\n").unwrap();
    let settings = settings.display().to_string();
    cli.run(&["produce", "t", "--command-config", &settings]).failed(2, &["acks"]);
    cli.run_with(&["produce", "t", "-K", ":"], b"a:b\nno key\n").failed(1, &["line 2", "key separator"]);
    assert_eq!(cli.run(&["consume", "t", "-e"]).ok(), "b\n", "what came before the mistake was written");
    cli.run(&["produce", "t", "-p", "9"]).failed(1, &["partitions 0 to 0, not 9"]);
}
