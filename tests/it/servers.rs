//! The harness itself: the servers start, keep their data over a kill, and end.

use harness::database::{Database, Kind};
use mysql_async::prelude::Queryable;

async fn keeps_its_data_over_a_kill(kind: Kind) {
    let mut database = Database::start(kind).await.unwrap();
    database
        .run(&[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.t (id INT PRIMARY KEY)",
            "INSERT INTO shop.t VALUES (7)",
        ])
        .await
        .unwrap();
    database.restart().await.unwrap();
    let mut connection = database.connect().await.unwrap();
    let found: Option<i32> = connection.query_first("SELECT id FROM shop.t").await.unwrap();
    assert_eq!(found, Some(7));
}

#[tokio::test]
async fn a_private_mysql_keeps_its_data_over_a_kill() {
    keeps_its_data_over_a_kill(Kind::MySql).await;
}

#[tokio::test]
async fn a_private_mariadb_keeps_its_data_over_a_kill() {
    keeps_its_data_over_a_kill(Kind::MariaDb).await;
}
