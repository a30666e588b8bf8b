//! Connecting: the ways of encryption to try, and what each session says first.

use std::future::Future;

use api::{Error, Result};
use mysql_async::{ClientIdentity, Conn, Opts, OptsBuilder, SslOpts};

use super::{Session, error, execute, sorted};
use crate::mysql::config::events::statements;
use crate::mysql::config::{MySqlConfig, SslMode};
use crate::mysql::wire::{Connection, KEEPALIVE};

/// What a session says first: text in UTF-8, times in UTC, names in backticks, no limit on how long a reader may pause.
const SESSION: [&str; 4] = [
    "SET NAMES utf8mb4",
    "SET SESSION time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1",
    "SET SESSION net_write_timeout = 31536000",
    "SET SESSION net_read_timeout = 31536000",
];

/// Whether a connection is encrypted, and what the server must show for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It is not.
    None,
    /// Any certificate.
    Any,
    /// A certificate of a trusted authority.
    Authority,
    /// A certificate of a trusted authority for this host.
    Identity,
}

/// The ways to try, in order, until one gets through to the server.
fn encryptions(config: &MySqlConfig) -> &'static [Encryption] {
    match config.ssl_mode {
        SslMode::Disabled | SslMode::Disable => &[Encryption::None],
        SslMode::Preferred if is_loopback(&config.hostname) => &[Encryption::None, Encryption::Any],
        SslMode::Preferred => &[Encryption::Any, Encryption::None],
        SslMode::Required | SslMode::Trust => &[Encryption::Any],
        SslMode::VerifyCa => &[Encryption::Authority],
        SslMode::VerifyIdentity => &[Encryption::Identity],
    }
}

/// The same for the library.
fn ssl_options(config: &MySqlConfig, encryption: Encryption) -> Option<SslOpts> {
    let base = || {
        // One file holds both: each reader takes from it what it looks for.
        let path = || config.keystore.clone().map(std::path::PathBuf::from);
        let identity = path().zip(path()).map(|(chain, key)| ClientIdentity::new(chain.into(), key.into()));
        SslOpts::default().with_client_identity(identity)
    };
    let any = || base().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true);
    let roots = || {
        let path = config.truststore.clone().map(std::path::PathBuf::from);
        let roots = path.map(|path| vec![path.into()]);
        base().with_disable_built_in_roots(roots.is_some()).with_root_certs(roots.unwrap_or_default())
    };
    match encryption {
        Encryption::None => None,
        Encryption::Any => Some(any()),
        Encryption::Authority => Some(roots().with_danger_skip_domain_validation(true)),
        Encryption::Identity => Some(roots()),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn options(config: &MySqlConfig, ssl: Option<SslOpts>) -> Opts {
    const PACKET_BYTES_MAX: usize = 1 << 30;
    OptsBuilder::default()
        .ip_or_hostname(config.hostname.clone())
        .tcp_port(config.port)
        .user(Some(config.user.clone()))
        .pass(config.password.as_ref().map(|password| password.reveal().to_owned()))
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE))
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0)
        .ssl_opts(ssl)
        .into()
}

/// Opens a session.
///
/// # Errors
/// `Retriable` when the server cannot be reached now, `BadConfig` when it refuses the user or the encryption.
pub async fn connect(config: &MySqlConfig) -> Result<Conn> {
    reach(config, |encryption| open(config, encryption)).await
}

/// Logs in with the library. It cuts a zero off the end of the random bytes that MariaDB's `client_ed25519` signs, so that one login of
/// 256 is refused; the next one has other bytes.
async fn open(config: &MySqlConfig, encryption: Encryption) -> mysql_async::Result<Conn> {
    const ACCESS_DENIED: u16 = 1045;
    let options = options(config, ssl_options(config, encryption));
    match Conn::new(options.clone()).await {
        Err(error) if error::error_code(&error) == Some(ACCESS_DENIED) && config.password.is_some() => {
            Conn::new(options).await
        }
        opened => opened,
    }
}

/// Opens a session that hands out rows as they come.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to_read(config: &MySqlConfig) -> Result<Connection> {
    reach(config, |encryption| Connection::open(config, encryption)).await
}

async fn reach<S: Session, F: Future<Output = mysql_async::Result<S>>>(
    config: &MySqlConfig,
    connecting: impl Fn(Encryption) -> F,
) -> Result<S> {
    let doing = || format!("connecting to MySQL at {} as {}", config.address(), config.user);
    let mut refused = None;
    for encryption in encryptions(config).iter().copied() {
        let encrypted = encryption != Encryption::None;
        let connected =
            tokio::time::timeout(config.connect_timeout, connecting(encryption)).await.map_err(|error| {
                let after = config.connect_timeout.as_millis();
                Error::retriable(format!("no answer within connect.timeout.ms={after}"))
                    .with_source(error)
                    .context(doing())
            })?;
        match connected {
            Ok(conn) => return prepare_session(config, conn).await.map_err(|error| error.context(doing())),
            Err(error) if error::is_about_encryption(&error) => refused = Some((encrypted, error)),
            Err(error) => return Err(sorted(error).context(doing())),
        }
    }
    let (encrypted, error) = refused.ok_or_else(|| Error::fatal("no way to connect was tried"))?;
    let hint = match encrypted {
        true if error::is_about_certificate(&error) => {
            "has a certificate that is not trusted: name its authority's PEM file in database.ssl.truststore"
        }
        true => "does not encrypt connections",
        false => "demands an encrypted connection",
    };
    let message = format!("database.ssl.mode={} but the server {hint}", config.ssl_mode);
    Err(Error::bad_config(message).with_source(error).context(doing()))
}

async fn prepare_session<S: Session>(config: &MySqlConfig, mut conn: S) -> Result<S> {
    for statement in SESSION {
        execute(&mut conn, statement).await?;
    }
    for statement in config.initial_statements.as_deref().map(statements).unwrap_or_default() {
        let doing = "database.initial.statements";
        execute(&mut conn, &statement).await.map_err(|error| error.context(doing))?;
    }
    Ok(conn)
}
