//! Private database servers: MySQL and MariaDB, each with its own data folder and a free port.
//!
//! A server is the child of a small shell that waits for the end of its input, which is a pipe from us: when we end, for
//! whatever reason, the server ends too. The data folder is made once per kind and run, and copied for each server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tempfile::TempDir;

use crate::places;
use crate::wait;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Oracle's MySQL, 8 or newer, with GTIDs.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl Kind {
    /// A kind that is on this machine; MySQL if both are.
    ///
    /// # Errors
    /// When neither is, and how to get one.
    pub fn available() -> Result<Self> {
        server(Self::MySql)
            .map(|_| Self::MySql)
            .or_else(|_no_mysql| server(Self::MariaDb).map(|_| Self::MariaDb))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if *self == Self::MySql { "MySQL" } else { "MariaDB" })
    }
}

/// The user that tests administer with; it may do everything.
pub const ADMIN: &str = "admin";
/// The user that connectors log in as, with just the privileges that the documentation names.
pub const CONNECTOR_USER: &str = "millrace";
/// The password of both.
pub const PASSWORD: &str = "secret-shop";

/// A running server; it is gone when this is dropped.
#[derive(Debug)]
pub struct Database {
    kind: Kind,
    host: String,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

/// Only one thread at a time makes the data folder that the others copy.
static TEMPLATE: Mutex<()> = Mutex::new(());

impl Database {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When the server is missing (and how to get it) or does not start (with the end of its log).
    pub async fn start(kind: Kind) -> Result<Self> {
        Self::start_at(kind, "127.0.0.1").await
    }

    /// The same, on another address of this machine.
    ///
    /// # Errors
    /// As [`Database::start`].
    pub async fn start_at(kind: Kind, host: &str) -> Result<Self> {
        let template = tokio::task::spawn_blocking(move || template(kind)).await??;
        let folder = tempfile::Builder::new().prefix("millrace-database-").tempdir()?;
        copy(&template, &folder.path().join("data"))?;
        let mut database =
            Self { kind, host: host.to_owned(), port: places::free_port()?, folder, process: None };
        database.restart().await?;
        Ok(database)
    }

    /// Which server this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The address on which it listens.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server as a power cut would, if it runs.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            if let Err(error) = process.wait() {
                eprintln!("waiting for the database server: {error}");
            }
        }
    }

    /// Starts the server again on the same data and port, after [`Database::kill`] if it still runs.
    ///
    /// # Errors
    /// When it does not answer in time, with the end of its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.process = Some(self.spawn()?);
        let answered = wait::until("the database server", Duration::from_secs(120), || async {
            self.connect().await?.query_drop("SELECT 1").await.map_err(Into::into)
        });
        if let Err(error) = answered.await {
            bail!("{error:#}\n{}", tail(&self.folder.path().join("log")));
        }
        Ok(())
    }

    /// Opens a connection as the administrator.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self) -> Result<Conn> {
        let options = OptsBuilder::default().ip_or_hostname(self.host.clone()).tcp_port(self.port);
        let options = options.user(Some(ADMIN)).pass(Some(PASSWORD)).prefer_socket(Some(false));
        Conn::new(options).await.context("connecting to the database server")
    }

    /// Runs statements one after another as the administrator.
    ///
    /// # Errors
    /// The first statement that fails.
    pub async fn run(&self, statements: &[&str]) -> Result<()> {
        let mut connection = self.connect().await?;
        for statement in statements {
            connection.query_drop(*statement).await.with_context(|| format!("running {statement}"))?;
        }
        connection.disconnect().await?;
        Ok(())
    }

    fn spawn(&self) -> Result<Child> {
        let folder = self.folder.path();
        let mut server = server(self.kind)?;
        server.arg(format!("--datadir={}", folder.join("data").display()));
        server.arg(format!("--socket={}", folder.join("socket").display()));
        server.arg(format!("--pid-file={}", folder.join("pid").display()));
        server.arg(format!("--init-file={}", users(self.kind, folder)?.display()));
        server.arg(format!("--port={}", self.port));
        server.arg(format!("--bind-address={}", self.host));
        server.args(["--server-id=1", "--log-bin=binlog", "--binlog-format=ROW"]);
        server.args([
            "--innodb-buffer-pool-size=128M",
            "--performance-schema=OFF",
            "--max-allowed-packet=64M",
        ]);
        if self.kind == Kind::MySql {
            server.args(["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF"]);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
        bound_to_us(&server)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting the database server")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The same command under a shell that kills it once our end of its input is closed.
fn bound_to_us(server: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(r#""$0" "$@" & cat >/dev/null; kill -9 $!; wait $! 2>/dev/null"#);
    shell.arg(server.get_program()).args(server.get_args()).stdin(Stdio::piped());
    shell
}

/// The server's command with what every call of it needs.
fn server(kind: Kind) -> Result<Command> {
    let candidates = match kind {
        Kind::MySql => vec![places::servers().join("mysql/mysqld")],
        Kind::MariaDb => ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec"]
            .iter()
            .map(|folder| Path::new(folder).join("mariadbd"))
            .collect(),
    };
    let name = if kind == Kind::MySql { "mysql" } else { "mariadb" };
    let Some(program) = candidates.into_iter().find(|path| path.exists()) else {
        bail!("no {name} server; run `tests/servers/provide {name}` (`make test` does)");
    };
    let mut command = Command::new(program);
    if kind == Kind::MariaDb {
        command.arg("--no-defaults");
    }
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        command.arg("--user=root");
    }
    Ok(command)
}

/// A file of statements that make the users at each start.
fn users(kind: Kind, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("users.sql");
    let mut text = String::new();
    for (user, privileges) in [(ADMIN, "ALL"), (CONNECTOR_USER, connector_privileges(kind))] {
        text += &format!("CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{PASSWORD}';\n");
        text += &format!("GRANT {privileges} ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n");
    }
    fs::write(&path, text)?;
    Ok(path)
}

/// What the documentation tells users to grant.
const fn connector_privileges(kind: Kind) -> &'static str {
    match kind {
        Kind::MySql => "SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT",
        Kind::MariaDb => {
            "SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR"
        }
    }
}

/// The data folder of a freshly made server, made once and kept while the build folder is.
fn template(kind: Kind) -> Result<PathBuf> {
    let _one_at_a_time = TEMPLATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = places::servers().join(format!("template-{kind:?}"));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(places::servers())?;
    let fresh = tempfile::Builder::new().prefix("making-").tempdir_in(places::servers())?;
    let data = fresh.path().join("data");
    let mut command = match kind {
        Kind::MySql => server(kind)?,
        Kind::MariaDb => Command::new("mariadb-install-db"),
    };
    match kind {
        Kind::MySql => command.arg("--initialize-insecure"),
        Kind::MariaDb => {
            command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        }
    };
    let output =
        command.arg(format!("--datadir={}", data.display())).output().context("making a data folder")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "making a data folder failed: {said}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    match fs::rename(&data, &path) {
        Err(_) if path.exists() => Ok(path),
        renamed => renamed.map(|()| path).context("keeping the data folder"),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().context("copying a data folder")?;
    ensure!(status.success(), "copying {} to {} failed", from.display(), to.display());
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_else(|error| format!("(no log: {error})"));
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
