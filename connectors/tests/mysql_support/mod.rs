//! Private database servers and a runtime of the smallest kind, for tests of the MySQL source.
//!
//! Each server has its own data directory and port and ends with the test. MySQL comes from `tests/servers/provide mysql`
//! (or `MILLRACE_MYSQLD`); where there is none, its tests say so and pass.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test binary uses its own part of it; a test fails by panicking and says what it skips"
)]

pub mod comparison;
pub mod mariadb;
pub mod proxy;
mod template;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use api::{
    FlatMap, Gauges, History, NoTopics, OffsetReader, PluginKind, Props, Result, SourceContext, SourceRecord,
    SourceTask, TopicFollower, TopicReader, Value, async_trait,
};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tempfile::TempDir;

use self::template::{mysqld, run, template};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian's MariaDB.
    MariaDb,
    /// Oracle's MySQL.
    MySql,
}

/// Where a server's binlog ends.
pub struct BinlogEnd {
    pub file: String,
    pub pos: i64,
    pub gtids: String,
}

/// A private server.
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

/// A port below those that the system gives to clients and to whoever binds to any, so that it stays free until it is used.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 20_000).unwrap();
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + own.wrapping_mul(97).wrapping_add(given) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// Starts a server; `None` when this machine has none of the kind.
    pub async fn start(kind: Kind, arguments: &[&str]) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let template = template(kind)?;
        run(Command::new("cp").arg("-r").arg(template).arg(directory.path().join("data")));
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { kind, port: free_port(), directory, arguments, process: None };
        server.launch().await;
        Some(server)
    }

    /// Starts the server's process again.
    pub async fn launch(&mut self) {
        let data = self.directory.path().join("data");
        let program = match self.kind {
            Kind::MariaDb => PathBuf::from("/usr/sbin/mariadbd"),
            Kind::MySql => mysqld().unwrap(),
        };
        let mut command = Command::new(program);
        // The provided MySQL says so itself.
        if self.kind == Kind::MariaDb {
            command.arg("--no-defaults");
        }
        command.args(["--user=root", "--bind-address=127.0.0.1", "--server-id=1", "--log-bin=binlog"]);
        if self.kind == Kind::MariaDb {
            command.arg("--binlog-format=ROW");
        } else {
            command.args(["--mysqlx=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"]);
        }
        command.args(["--innodb-buffer-pool-size=32M"]);
        command.arg(format!("--datadir={}", data.display())).arg(format!("--port={}", self.port));
        command.arg(format!("--socket={}", self.directory.path().join("socket").display()));
        command.args(&self.arguments).env("TMPDIR", self.directory.path());
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        self.process = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while Conn::new(self.options()).await.is_err() {
            assert!(Instant::now() < deadline, "the server does not start: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where its data lies.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Copies everything that the server has, while it is down.
    pub fn copy_data(&self, to: &Path) {
        run(Command::new("cp").arg("-r").arg(self.directory.path().join("data")).arg(to));
    }

    /// Puts back what was copied, while it is down.
    pub fn restore_data(&self, from: &Path) {
        std::fs::remove_dir_all(self.directory.path().join("data")).unwrap();
        run(Command::new("cp").arg("-r").arg(from.join("data")).arg(self.directory.path()));
    }

    /// Ends the process at once, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn options(&self) -> mysql_async::Opts {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false)
            .into()
    }

    /// A session.
    pub async fn session(&self) -> Conn {
        Conn::new(self.options()).await.unwrap()
    }

    /// Runs statements, each on its own.
    pub async fn run(&self, statements: &[&str]) {
        let mut conn = self.session().await;
        for statement in statements {
            conn.query_drop(*statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        conn.disconnect().await.unwrap();
    }

    /// Runs statements in one session, so that transactions and settings last.
    pub async fn run_in_one_session(&self, statements: &[String]) {
        let mut conn = self.session().await;
        conn.query_drop("SET NAMES utf8mb4").await.unwrap();
        for statement in statements {
            conn.query_drop(statement.as_str()).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        conn.disconnect().await.unwrap();
    }

    /// Whether the binlog holds an event of this type.
    pub async fn binlog_has(&self, kind: &str) -> bool {
        let mut conn = self.session().await;
        let file = self.binlog_end().await.file;
        let rows: Vec<mysql_async::Row> =
            conn.query(format!("SHOW BINLOG EVENTS IN '{file}'")).await.unwrap();
        rows.iter().any(|row| row.get::<String, _>(2).is_some_and(|found| found == kind))
    }

    /// What tells the server from others.
    pub async fn uuid(&self) -> String {
        self.session().await.query_first("SELECT @@server_uuid").await.unwrap().unwrap()
    }

    /// Where the binlog ends.
    pub async fn binlog_end(&self) -> BinlogEnd {
        let statement =
            if self.kind == Kind::MySql { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
        let row: mysql_async::Row = self.session().await.query_first(statement).await.unwrap().unwrap();
        let gtids = if self.kind == Kind::MySql {
            row.get::<String, _>(4).unwrap().replace('\n', "")
        } else {
            String::new()
        };
        BinlogEnd { file: row.get(0).unwrap(), pos: row.get(1).unwrap(), gtids }
    }

    /// A configuration that captures the database `shop`.
    pub fn config(&self, extra: &[(&str, &str)]) -> Props {
        let port = self.port.to_string();
        let base = [
            ("database.hostname", "127.0.0.1"),
            ("database.port", port.as_str()),
            ("database.user", "root"),
            ("database.server.id", "5400"),
            ("topic.prefix", "p"),
            ("database.include.list", "shop"),
            ("poll.interval.ms", "50"),
            // Its records are looked at by the tests of it.
            ("include.schema.changes", "false"),
        ];
        base.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Offsets and history that outlive a task, as a worker's topics do.
#[derive(Debug, Default)]
pub struct Worker {
    pub offset: parking::Slot<Option<FlatMap>>,
    pub history: parking::Slot<BTreeMap<String, String>>,
    /// What the one topic holds that others left, if it is there.
    pub topic: parking::Slot<Option<(String, Vec<String>)>>,
}

/// A value behind a lock.
pub mod parking {
    use std::sync::{Mutex, MutexGuard};

    /// A value behind a lock.
    #[derive(Debug, Default)]
    pub struct Slot<T>(Mutex<T>);

    impl<T> Slot<T> {
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

#[async_trait]
impl OffsetReader for Worker {
    async fn offset(&self, _partition: &FlatMap) -> Result<Option<FlatMap>> {
        Ok(self.offset.lock().clone())
    }
}

#[async_trait]
impl History for Worker {
    async fn load(&self) -> Result<Vec<(String, String)>> {
        Ok(self.history.lock().clone().into_iter().collect())
    }

    async fn put(&self, key: &str, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => self.history.lock().insert(key.to_owned(), value.to_owned()),
            None => self.history.lock().remove(key),
        };
        Ok(())
    }
}

#[async_trait]
impl TopicReader for Worker {
    async fn read(
        &self,
        topic: &str,
        client: &Props,
        each: &mut (dyn for<'a> FnMut(&'a [u8]) -> Result<()> + Send),
    ) -> Result<bool> {
        assert!(client.contains_key("bootstrap.servers"), "{client:?}");
        let Some((name, values)) = self.topic.lock().clone() else { return Ok(false) };
        assert_eq!(name, topic);
        values.iter().try_for_each(|value| each(value.as_bytes()))?;
        Ok(true)
    }

    fn follow(&self, _topic: &str, _from: Option<i64>, _client: &Props) -> Result<Box<dyn TopicFollower>> {
        Ok(Box::new(NoTopics))
    }
}

/// A running task and what it handed out.
pub struct Run {
    pub task: Box<dyn SourceTask>,
    pub worker: Arc<Worker>,
    pub gauges: Gauges,
    pub errors: Vec<api::Error>,
    /// The last offset that came without a record.
    pub progress: Option<FlatMap>,
}

impl Run {
    /// Starts a task of the connector that fits the server.
    pub async fn start(server: &Server, worker: &Arc<Worker>, config: Props) -> Self {
        let plugin = match server.kind {
            Kind::MariaDb => &connectors::mysql::MARIADB,
            Kind::MySql => &connectors::mysql::MYSQL,
        };
        let PluginKind::Source(make) = plugin.kind else { panic!("a source") };
        let mut task = make().task();
        let gauges = Gauges::default();
        let context = SourceContext {
            connector: "c".into(),
            task: 0,
            config,
            offsets: Arc::clone(worker) as Arc<dyn OffsetReader>,
            history: Arc::clone(worker) as Arc<dyn History>,
            topics: Arc::clone(worker) as Arc<dyn TopicReader>,
            gauges: gauges.clone(),
            transactions: None,
        };
        task.start(context).await.unwrap();
        Self { task, worker: Arc::clone(worker), gauges, errors: Vec::new(), progress: None }
    }

    /// What a poll gave, without offsets that come alone: those are kept in `progress`.
    fn keep(&mut self, polled: Vec<SourceRecord>) -> Vec<SourceRecord> {
        let (alone, records): (Vec<_>, Vec<_>) = polled.into_iter().partition(SourceRecord::is_progress);
        if let Some(last) = alone.last() {
            self.progress = Some(last.source_offset.to_map());
        }
        records
    }

    /// Polls until an offset comes without a record.
    pub async fn offset_alone(&mut self) -> FlatMap {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no offset, errors {:?}", self.errors);
            match self.task.poll().await {
                Ok(polled) => {
                    let records = self.keep(polled);
                    let only_notes = records.iter().all(|record| &*record.record.topic == "notes");
                    assert!(only_notes, "records instead of an offset");
                }
                Err(error) if error.is_retriable() => self.errors.push(error),
                Err(error) => panic!("{}", error.report()),
            }
            if let Some(offset) = self.progress.take() {
                return offset;
            }
        }
    }

    /// Polls until there are so many records; retriable errors are kept in `errors`.
    pub async fn take(&mut self, count: usize) -> Vec<SourceRecord> {
        let mut records = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while records.len() < count {
            assert!(
                Instant::now() < deadline,
                "{} of {count} records, errors {:?}",
                records.len(),
                self.errors
            );
            match self.task.poll().await {
                Ok(more) => records.extend(self.keep(more)),
                Err(error) if error.is_retriable() => self.errors.push(error),
                Err(error) => panic!("{}", error.report()),
            }
        }
        assert_eq!(records.len(), count, "too many: {:?}", records.iter().map(brief).collect::<Vec<_>>());
        records
    }

    /// Polls until there are any records.
    pub async fn some(&mut self) -> Vec<SourceRecord> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no records, errors {:?}", self.errors);
            match self.task.poll().await {
                Ok(polled) => {
                    let records = self.keep(polled);
                    if !records.is_empty() {
                        return records;
                    }
                }
                Err(error) if error.is_retriable() => self.errors.push(error),
                Err(error) => panic!("{}", error.report()),
            }
        }
    }

    /// Polls until the snapshot has ended and the binlog is followed.
    pub async fn until_following(&mut self, records: &mut Vec<SourceRecord>) {
        let deadline = Instant::now() + PATIENCE;
        while !self.gauges.snapshot().contains_key("behind_source_milliseconds") {
            assert!(Instant::now() < deadline, "the binlog is not followed, errors {:?}", self.errors);
            match self.task.poll().await {
                Ok(more) => records.extend(more.into_iter().filter(|record| !record.record.topic.is_empty())),
                Err(error) if error.is_retriable() => self.errors.push(error),
                Err(error) => panic!("{}", error.report()),
            }
        }
    }

    /// Polls until an error that is not retriable.
    pub async fn failure(&mut self) -> api::Error {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no failure, errors {:?}", self.errors);
            match self.task.poll().await {
                Err(error) if !error.is_retriable() => return error,
                Err(error) => self.errors.push(error),
                Ok(_) => {}
            }
        }
    }

    /// Says that records up to this one are durable.
    pub fn commit(&self, record: &SourceRecord) {
        *self.worker.offset.lock() = Some(record.source_offset.to_map());
    }

    /// Stops the task.
    pub async fn stop(mut self) {
        self.task.stop().await;
    }
}

/// `op key`, such as `c 1` or `tombstone 1`.
pub fn brief(record: &SourceRecord) -> String {
    let key = record.record.key.value.as_struct().map(|key| text(&key.values()[0])).unwrap_or_default();
    let op = record.record.value.value.as_struct().and_then(|value| value.get("op")).map(text);
    format!("{} {key}", op.unwrap_or_else(|| "tombstone".to_owned()))
}

/// A field of the source block.
pub fn source(record: &SourceRecord, field: &str) -> Value {
    let value = record.record.value.value.as_struct().unwrap();
    value.get("source").and_then(Value::as_struct).unwrap().get(field).unwrap().clone()
}

/// A field of `after`.
pub fn after(record: &SourceRecord, field: &str) -> Value {
    let value = record.record.value.value.as_struct().unwrap();
    value.get("after").and_then(Value::as_struct).unwrap().get(field).unwrap().clone()
}

/// A value as short text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Null => "null".to_owned(),
        other => other.as_i64().map_or_else(|| format!("{other:?}"), |number| number.to_string()),
    }
}
