//! The connection that reads snapshots, against real servers: every login, every way of encryption, rows beyond a packet, and servers
//! that break off amid a result.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use api::{ErrorKind, Result};
use connectors::mysql::config::MySqlConfig;
use connectors::mysql::server::{self, Session, connect_to_read, error_code, sorted};
use connectors::mysql::wire::Connection;
use mysql_support::{Kind, Server};

const KINDS: [Kind; 2] = [Kind::MySql, Kind::MariaDb];

async fn connect(server: &Server, extra: &[(&str, &str)]) -> Result<Connection> {
    let (config, _) = MySqlConfig::load(&server.config(extra)).unwrap();
    connect_to_read(&config).await
}

/// The first cell of the first row.
async fn ask(connection: &mut Connection, statement: &str) -> String {
    let results = connection.results(statement).await.unwrap();
    results[0][0].get::<String, _>(0).unwrap()
}

async fn who(server: &Server, user: &str, password: &str, mode: &str) -> Result<String> {
    let login = [("database.user", user), ("database.password", password), ("database.ssl.mode", mode)];
    let mut connection = connect(server, &login).await?;
    let who = ask(&mut connection, "SELECT CURRENT_USER()").await;
    connection.close().await.unwrap();
    Ok(who)
}

#[tokio::test]
async fn every_login_works_where_the_server_remembers_the_password_and_where_it_does_not() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    server
        .run(&["CREATE USER sha@localhost IDENTIFIED WITH caching_sha2_password BY 'a long; password'"])
        .await;
    server.run(&["CREATE USER none@localhost IDENTIFIED WITH caching_sha2_password BY ''"]).await;
    for mode in ["disabled", "required"] {
        // Forgets what it remembered: now the password itself is asked for, by TLS or under the server's key.
        server.run(&["FLUSH PRIVILEGES"]).await;
        for _ in 0..2 {
            assert_eq!(who(&server, "sha", "a long; password", mode).await.unwrap(), "sha@localhost");
        }
        assert_eq!(who(&server, "none", "", mode).await.unwrap(), "none@localhost");
        let refused = who(&server, "sha", "another", mode).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BadConfig, "{}", refused.report());
        assert!(refused.report().contains("database.password"), "{}", refused.report());
        assert!(!refused.report().contains("another"), "{}", refused.report());
    }
}

#[tokio::test]
async fn mariadb_is_logged_in_to_by_its_native_password_also_when_it_was_expected_otherwise() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server.run(&["CREATE USER native@localhost IDENTIFIED BY 'secret'"]).await;
    assert_eq!(who(&server, "native", "secret", "disabled").await.unwrap(), "native@localhost");
    let refused = who(&server, "native", "another", "disabled").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BadConfig, "{}", refused.report());
    // It has no certificate.
    let report = who(&server, "native", "secret", "required").await.unwrap_err().report();
    assert!(report.contains("database.ssl.mode=required") && report.contains("does not encrypt"), "{report}");
    assert_eq!(who(&server, "native", "secret", "preferred").await.unwrap(), "native@localhost");
}

#[tokio::test]
async fn mariadb_is_logged_in_to_by_ed25519_whatever_its_random_bytes() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server
        .run(&[
            "INSTALL SONAME 'auth_ed25519'",
            "CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('a long; password')",
        ])
        .await;
    let refused = who(&server, "ed", "another", "disabled").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BadConfig, "{}", refused.report());
    let login = [("database.user", "ed"), ("database.password", "a long; password")];
    let (config, _) = MySqlConfig::load(&server.config(&login)).unwrap();
    // One in 256 ends in a zero.
    for _ in 0..300 {
        assert_eq!(who(&server, "ed", "a long; password", "disabled").await.unwrap(), "ed@localhost");
        server::connect(&config).await.unwrap().disconnect().await.unwrap();
    }
}

#[tokio::test]
async fn encryption_asks_of_the_server_what_the_mode_says() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    let cipher = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";
    let encrypted =
        |results: Vec<Vec<mysql_async::Row>>| !results[0][0].get::<String, _>(1).unwrap().is_empty();
    let mut session = connect(&server, &[]).await.unwrap();
    assert!(!encrypted(session.results(cipher).await.unwrap()), "a loopback address is not");
    let mut session = connect(&server, &[("database.ssl.mode", "required")]).await.unwrap();
    assert!(encrypted(session.results(cipher).await.unwrap()));
    // The server made itself an authority; its certificate names no host.
    let authority = server.data().join("ca.pem").display().to_string();
    let with =
        |mode: &'static str| [("database.ssl.mode", mode), ("database.ssl.truststore", authority.as_str())];
    let mut session = connect(&server, &with("verify_ca")).await.unwrap();
    assert!(encrypted(session.results(cipher).await.unwrap()));
    for refused in [
        connect(&server, &with("verify_identity")).await,
        connect(&server, &[("database.ssl.mode", "verify_ca")]).await,
    ] {
        let report = refused.unwrap_err().report();
        assert!(report.contains("not trusted"), "{report}");
    }
    server.run(&["SET GLOBAL require_secure_transport = ON"]).await;
    let report = connect(&server, &[("database.ssl.mode", "disabled")]).await.unwrap_err().report();
    assert!(report.contains("demands an encrypted connection"), "{report}");
    assert!(encrypted(connect(&server, &[]).await.unwrap().results(cipher).await.unwrap()));
}

#[tokio::test]
async fn rows_beyond_a_packet_and_around_it_come_whole() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &["--max-allowed-packet=64M"]).await else { continue };
        // A row is its cells and their lengths: the sizes lie on both sides of a full packet, and of two.
        for bytes in
            [(1 << 24) - 7, (1 << 24) - 6, (1 << 24) - 5, (1 << 24) - 4, 1 << 24, (1 << 25) - 11, 40_000_000]
        {
            let mut session = connect(&server, &[]).await.unwrap();
            let statement = format!(
                "SELECT 'before', 1 UNION ALL SELECT REPEAT('x', {bytes}), 2 UNION ALL SELECT 'behind', 3"
            );
            let mut selected = session.select(&statement).await.unwrap();
            let mut lengths = Vec::new();
            while let Some(rows) = selected.rows(2, usize::MAX).await.unwrap() {
                for row in 0..rows.len() {
                    let cell = rows.row(row).next().flatten().unwrap();
                    let cell = &rows.bytes()[cell];
                    assert!(cell.len() < 10 || cell.iter().all(|byte| *byte == b'x'));
                    lengths.push(cell.len());
                }
            }
            assert_eq!(lengths, [6, bytes, 6], "{kind:?}");
            assert_eq!(ask(&mut session, "SELECT 7").await, "7", "the connection is good for more");
        }
    }
}

/// Rows without end, as far as a test is concerned.
const ENDLESS: &str = "SELECT a.n, REPEAT('x', 500) FROM shop.t a, shop.t b, shop.t c, shop.t d";

async fn with_rows(kind: Kind) -> Option<Server> {
    let server = Server::start(kind, &[]).await?;
    server.run(&["CREATE DATABASE shop", "CREATE TABLE shop.t (n INT PRIMARY KEY)"]).await;
    let rows: Vec<_> = (0..100).map(|n| format!("({n})")).collect();
    server.run(&[&format!("INSERT INTO shop.t VALUES {}", rows.join(","))]).await;
    Some(server)
}

#[tokio::test]
async fn a_server_that_is_killed_amid_a_result_is_waited_for() {
    for kind in KINDS {
        let Some(mut server) = with_rows(kind).await else { continue };
        let mut session = connect(&server, &[]).await.unwrap();
        let mut selected = session.select(ENDLESS).await.unwrap();
        assert_eq!(selected.rows(1000, usize::MAX).await.unwrap().unwrap().len(), 1000);
        server.kill();
        let error = loop {
            match selected.rows(1000, usize::MAX).await {
                Ok(rows) => assert!(rows.is_some(), "a result that broke off has no end"),
                Err(error) => break sorted(error),
            }
        };
        assert_eq!(error.kind(), ErrorKind::Retriable { after: None }, "{}", error.report());
        drop(selected);
        assert!(session.results("SELECT 1").await.is_err());
    }
}

#[tokio::test]
async fn a_query_that_is_killed_amid_its_rows_says_so_and_the_session_lives() {
    for kind in KINDS {
        let Some(server) = with_rows(kind).await else { continue };
        let mut session = connect(&server, &[]).await.unwrap();
        let id = ask(&mut session, "SELECT CONNECTION_ID()").await;
        let mut selected = session.select(ENDLESS).await.unwrap();
        assert_eq!(selected.rows(10, usize::MAX).await.unwrap().unwrap().len(), 10);
        server.run(&[&format!("KILL QUERY {id}")]).await;
        let error = loop {
            match selected.rows(1000, usize::MAX).await {
                Ok(rows) => assert!(rows.is_some(), "a query that was killed has no end"),
                Err(error) => break error,
            }
        };
        assert_eq!(error_code(&error), Some(1317), "{kind:?}: {error}");
        drop(selected);
        assert_eq!(ask(&mut session, "SELECT 7").await, "7");
    }
}
