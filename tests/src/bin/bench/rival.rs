//! A rival: whatever command captures the same changes into the topics of the same kind of broker.
//!
//! It is told what to do by its environment, runs in a folder and a process group of its own, and is stopped with SIGTERM.

use std::fs;
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::database::{CONNECTOR_USER, PASSWORD};

/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What a rival's command must do, as `--help` says it.
pub(crate) const CONTRACT: &str = "\
A rival (--rival COMMAND) is run by `sh -c` in a folder of its own, which is empty at first, with this environment:

  MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD   the server, and a user with a connector's grants
  MYSQL_TABLES                a comma-separated list of database.table: what to capture
  BOOTSTRAP_SERVERS           host:port of the broker to write to (Kafka's protocol, PLAINTEXT, creates topics by itself)
  TOPIC_PREFIX                the topic of a table is <prefix>.<database>.<table>
  CONVERTER                   the Java class name of the converter of keys and values
  CONVERTER_SCHEMAS_ENABLE    true or false: its schemas.enable, if it is JsonConverter
  SCHEMA_REGISTRY_URL         its schema.registry.url, if it is AvroConverter

It must take a snapshot of the tables and then follow the binlog: one record for each row that is there or is inserted. At SIGTERM
to its process group it must stop within a minute, and when it is started again in the same folder it must go on where it was, without
a second snapshot, for that is how a backlog is measured: it is stopped, rows are committed, it is started again. What it prints goes to
`log` in its folder and is shown when it fails.

Its records are counted as Millrace's are. Its clock and its processor time (that of the command and all its descendants) run from
its first record to its last, so its start does not count; memory is the most that was resident at once meanwhile.";

/// A rival's command.
#[derive(Debug)]
pub(crate) struct Rival {
    command: String,
}

/// What it is to do.
#[derive(Debug)]
pub(crate) struct Task {
    /// Where it runs.
    pub(crate) folder: PathBuf,
    /// The server's port on 127.0.0.1.
    pub(crate) mysql_port: u16,
    /// Where its broker listens.
    pub(crate) bootstrap_servers: String,
    /// How its topics begin.
    pub(crate) topic_prefix: &'static str,
    /// The table, with its database.
    pub(crate) table: String,
    /// The Java class name of its converter.
    pub(crate) converter: &'static str,
    /// Whether records hold their schemas.
    pub(crate) schemas: bool,
    /// The schema registry, for Avro.
    pub(crate) registry_url: Option<String>,
}

/// A rival that runs; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Option<Child>,
    log: PathBuf,
}

impl Rival {
    /// What `--rival` said.
    pub(crate) fn new(command: &str) -> Self {
        Self { command: command.to_owned() }
    }

    /// Starts it.
    pub(crate) fn start(&self, task: &Task) -> Result<Running> {
        let log = task.folder.join("log");
        let output = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).current_dir(&task.folder).process_group(0);
        command.env("MYSQL_HOST", "127.0.0.1").env("MYSQL_PORT", task.mysql_port.to_string());
        command.env("MYSQL_USER", CONNECTOR_USER).env("MYSQL_PASSWORD", PASSWORD);
        command.env("MYSQL_TABLES", &task.table).env("BOOTSTRAP_SERVERS", &task.bootstrap_servers);
        command.env("TOPIC_PREFIX", task.topic_prefix).env("CONVERTER", task.converter);
        command.env("CONVERTER_SCHEMAS_ENABLE", task.schemas.to_string());
        command.envs(task.registry_url.as_ref().map(|url| ("SCHEMA_REGISTRY_URL", url)));
        let command = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("starting the rival")?;
        Ok(Running { child: Some(child), log })
    }
}

impl Running {
    /// The process of its shell.
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).context("the rival does not run")
    }

    /// Waits for something that needs the rival.
    ///
    /// # Errors
    /// When it ends meanwhile, with the end of what it printed, or as what is awaited.
    pub(crate) async fn unless_it_ends<T>(&mut self, awaited: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                done = &mut awaited => return done.with_context(|| format!("the rival printed: {}", self.tail())),
                () = tokio::time::sleep(LOOK) => {}
            }
            let child = self.child.as_mut().context("the rival does not run")?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                bail!("the rival ended with {status}: {}", self.tail());
            }
        }
    }

    /// Has it stop, and waits for that.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.signal("TERM")?;
        let began = Instant::now();
        while let Some(child) = self.child.as_mut() {
            if child.try_wait()?.is_some() {
                self.child = None;
                break;
            }
            ensure!(began.elapsed() < STOP_LIMIT, "the rival did not stop within {STOP_LIMIT:?}");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn signal(&self, name: &str) -> Result<()> {
        let group = format!("-{}", self.id()?);
        let status = Command::new("kill").args([&format!("-{name}"), "--", &group]).status()?;
        ensure!(status.success(), "could not send SIG{name} to the rival");
        Ok(())
    }

    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"));
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.is_some()
            && let Err(error) = self.signal("KILL")
        {
            eprintln!("stopping the rival: {error:#}");
        }
        if let Some(mut child) = self.child.take()
            && let Err(error) = child.wait()
        {
            eprintln!("waiting for the rival: {error}");
        }
    }
}
