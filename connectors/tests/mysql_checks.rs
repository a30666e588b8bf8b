//! What a check says of settings, servers and users that will not do, and what the least user can do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::sync::Arc;

use api::{PluginKind, Props};
use mysql_support::{Kind, Run, Server, Worker, brief};

async fn check(config: &Props) -> String {
    let PluginKind::Source(make) = connectors::mysql::MYSQL.kind else { panic!("a source") };
    make().validate(config).await.err().map(|errors| errors.to_string()).unwrap_or_default()
}

fn with(config: &Props, changes: &[(&str, &str)]) -> Props {
    let mut config = config.clone();
    config.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config
}

#[tokio::test]
async fn a_check_names_the_setting_and_what_to_do() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &["--binlog-row-image=MINIMAL"]).await else { continue };
        server
            .run(&[
                "CREATE DATABASE shop",
                "CREATE TABLE shop.t (id INT PRIMARY KEY)",
                "CREATE USER weak@localhost IDENTIFIED BY 'secret'",
                "GRANT SELECT ON shop.* TO weak@localhost",
            ])
            .await;
        let good = server.config(&[]);
        let found = check(&good).await;
        assert!(found.contains("binlog_row_image = FULL") && found.lines().count() == 1, "{kind:?}: {found}");
        let headers = with(&good, &[("unavailable.column.handling.mode", "header")]);
        assert_eq!(check(&headers).await, "", "{kind:?}");
        server.run(&["SET GLOBAL binlog_row_image = FULL"]).await;
        assert_eq!(check(&good).await, "", "{kind:?}");

        let weak = with(&good, &[("database.user", "weak"), ("database.password", "wrong")]);
        let found = check(&weak).await;
        assert!(found.contains("database.user") && !found.contains("wrong"), "{kind:?}: {found}");
        let found =
            check(&with(&weak, &[("database.password", "secret"), ("database.server.id", "1")])).await;
        assert!(found.contains("GRANT REPLICATION SLAVE ON *.* TO 'weak'"), "{kind:?}: {found}");
        assert!(
            found.contains("database.server.id") && found.contains("the server's own number"),
            "{kind:?}: {found}"
        );
        let found = check(&with(&good, &[("table.include.list", "shop.nothing")])).await;
        assert!(found.contains("table.include.list") && found.contains("no table"), "{kind:?}: {found}");
        let found = check(&with(&good, &[("database.port", "1"), ("connect.timeout.ms", "2000")])).await;
        assert!(found.contains("database.hostname") && found.contains("127.0.0.1:1"), "{kind:?}: {found}");
    }
}

#[tokio::test]
async fn another_reader_with_the_same_number_is_found_but_not_our_own() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server
            .run(&[
                "CREATE DATABASE shop",
                "CREATE TABLE shop.t (id INT PRIMARY KEY)",
                "INSERT INTO shop.t VALUES (1)",
            ])
            .await;
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        run.take(1).await;
        server.run(&["INSERT INTO shop.t VALUES (2)"]).await;
        run.take(1).await;
        assert_eq!(check(&server.config(&[])).await, "", "{kind:?}");
        let found = check(&server.config(&[("topic.prefix", "q")])).await;
        assert!(
            found.contains("database.server.id") && found.contains("connected already"),
            "{kind:?}: {found}"
        );
        run.stop().await;
    }
}

#[tokio::test]
async fn the_least_user_takes_a_snapshot_and_follows() {
    for (kind, grants) in [
        (Kind::MariaDb, "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO least@localhost"),
        (Kind::MySql, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO least@localhost"),
    ] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server
            .run(&[
                "CREATE DATABASE shop",
                "CREATE TABLE shop.t (id INT PRIMARY KEY)",
                "INSERT INTO shop.t VALUES (1)",
                "CREATE USER least@localhost IDENTIFIED BY 'secret'",
                grants,
                "GRANT SELECT, LOCK TABLES ON shop.* TO least@localhost",
            ])
            .await;
        let config = server.config(&[("database.user", "least"), ("database.password", "secret")]);
        assert_eq!(check(&config).await, "", "{kind:?}");
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, config).await;
        assert_eq!(brief(&run.take(1).await[0]), "r 1");
        server.run(&["INSERT INTO shop.t VALUES (2)"]).await;
        assert_eq!(brief(&run.take(1).await[0]), "c 2");
        run.stop().await;
    }
}
