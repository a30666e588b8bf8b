//! Checks before a connector is created: can this server be captured, with this user, as configured?
//!
//! Every question is asked, whatever the answer to the one before, so that one look shows all that is to be mended.
//! Each answer names the setting or the privilege. Nothing here changes the server.

use api::configs::{ConfigError, ConfigErrors};
use api::{Error, ErrorKind, Result};
use mysql_async::Conn;

use super::binlog::stream::host_name;
use super::config::MySqlConfig;
use super::config::events::{Events, FailureHandling, UnavailableHandling};
use super::config::snapshot::{LockingMode, SnapshotMode, SnapshotSettings};
use super::filter::Filter;
use super::server::{self, ServerInfo, about, cell, maybe, rows};
use super::snapshot;

/// Asks the server everything that capturing it depends on.
///
/// # Errors
/// All that is wrong.
pub async fn preflight(
    config: &MySqlConfig,
    (settings, events): (&SnapshotSettings, &Events),
    filter: &Filter,
) -> std::result::Result<(), ConfigErrors> {
    let mut conn = server::connect(config).await.map_err(|error| about(setting_of(&error), &error))?;
    let server = server::info(&mut conn).await.map_err(|error| about("database.hostname", &error))?;
    let mut found = Vec::new();
    found.extend(check_binlog(&mut conn).await);
    found.extend(check_row_image(events, &mut conn).await);
    found.extend(check_gtids(events, &mut conn, &server).await);
    found.extend(check_query(events, &mut conn, &server).await);
    found.extend(check_server_id(config, &mut conn, &server).await);
    found.extend(check_privileges(config, settings, &mut conn, &server).await);
    found.extend(check_tables(events, filter, &mut conn).await);
    if let Err(error) = conn.disconnect().await {
        tracing::debug!(%error, "closing the session of a check");
    }
    found.into_iter().collect::<ConfigErrors>().into_result(())
}

/// Which setting to look at when connecting fails.
fn setting_of(error: &Error) -> &'static str {
    let report = error.report();
    match error.kind() {
        ErrorKind::BadConfig if report.contains("database.ssl") => "database.ssl.mode",
        ErrorKind::BadConfig => "database.user",
        _ => "database.hostname",
    }
}

async fn check_binlog(conn: &mut Conn) -> Vec<ConfigError> {
    // The variable, what it must be (the first is what to set), and how to mend it.
    const WANTED: [(&str, &[&str], &str); 2] = [
        ("log_bin", &["1", "ON"], "start the server with --log-bin"),
        ("binlog_format", &["ROW"], "SET GLOBAL binlog_format = ROW"),
    ];
    let mut found = Vec::new();
    for (name, accepted, remedy) in WANTED {
        // Not every server has every variable.
        let Some(value) = maybe(conn, &format!("SELECT @@GLOBAL.{name}")).await else { continue };
        if !accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(&value)) {
            let sentence = format!("the server has {name}={value}, but {} is needed: {remedy}", accepted[0]);
            found.push(ConfigError::other("database.hostname", format!("database.hostname: {sentence}")));
        }
    }
    found
}

/// Whether rows hold all columns; if not, what becomes of them. A session may have another setting: what comes is looked at row by row.
async fn check_row_image(events: &Events, conn: &mut Conn) -> Option<ConfigError> {
    let row_image = maybe(conn, "SELECT @@GLOBAL.binlog_row_image").await?;
    match RowImages::of(&row_image, events.config.unavailable) {
        RowImages::Whole => None,
        RowImages::Partial(consequence) => {
            tracing::warn!(
                "the server has binlog_row_image={row_image}: {consequence}; to have all of every row run SET GLOBAL binlog_row_image = FULL"
            );
            None
        }
        RowImages::Refused => {
            let sentence = format!(
                "database.hostname: the server has binlog_row_image={row_image}, but FULL is needed: SET GLOBAL binlog_row_image = FULL; \
                 or set unavailable.column.handling.mode=header, to read what there is"
            );
            Some(ConfigError::other("database.hostname", sentence))
        }
    }
}

/// What a `binlog_row_image` comes to.
#[derive(Debug, PartialEq, Eq)]
enum RowImages {
    /// All of every row is known.
    Whole,
    /// Some of it may not be, which has this consequence.
    Partial(&'static str),
    /// Rows could not be read.
    Refused,
}

impl RowImages {
    fn of(row_image: &str, handling: UnavailableHandling) -> Self {
        match (row_image.to_uppercase().as_str(), handling) {
            // MariaDB's FULL_NODUP leaves out of the row after an update what stands in the one before it.
            ("FULL" | "FULL_NODUP", _) => Self::Whole,
            (_, UnavailableHandling::Header) => Self::Partial(
                "records name the fields that it leaves out in the headers __debezium.unavailable.before and .after",
            ),
            ("NOBLOB", UnavailableHandling::Fail) => Self::Partial(
                "unavailable.value.placeholder stands for texts, blobs and JSON that it leaves out",
            ),
            (_, UnavailableHandling::Fail) => Self::Refused,
        }
    }
}

/// Servers can only be told apart by GTIDs.
async fn check_gtids(events: &Events, conn: &mut Conn, server: &ServerInfo) -> Vec<ConfigError> {
    if server.gtids || events.origins.allow_all() {
        return Vec::new();
    }
    let mode = maybe(conn, "SELECT @@GLOBAL.gtid_mode").await.unwrap_or_default();
    let option =
        if events.config.gtid_includes.is_empty() { "gtid.source.excludes" } else { "gtid.source.includes" };
    let sentence = format!(
        "{option}: the server has gtid_mode={mode}, but only GTIDs tell which server made a change: run \
         SET PERSIST enforce_gtid_consistency = ON, then SET PERSIST gtid_mode = OFF_PERMISSIVE, ON_PERMISSIVE and ON"
    );
    vec![ConfigError::other(option, sentence)]
}

/// `include.query` needs the server to write the statements.
async fn check_query(events: &Events, conn: &mut Conn, server: &ServerInfo) -> Vec<ConfigError> {
    if !events.config.query {
        return Vec::new();
    }
    let (name, set) = if server.mariadb {
        ("binlog_annotate_row_events", "GLOBAL")
    } else {
        ("binlog_rows_query_log_events", "PERSIST")
    };
    match maybe(conn, &format!("SELECT @@GLOBAL.{name}")).await.as_deref() {
        Some("0" | "OFF") => {
            let sentence = format!(
                "include.query: the server has {name}=OFF and writes no statements: run SET {set} {name} = ON"
            );
            vec![ConfigError::other("include.query", sentence)]
        }
        _ => Vec::new(),
    }
}

async fn check_server_id(config: &MySqlConfig, conn: &mut Conn, server: &ServerInfo) -> Vec<ConfigError> {
    let invalid = |reason: String| vec![ConfigError::invalid("database.server.id", config.server_id, reason)];
    if server.server_id == config.server_id {
        return invalid("it is the server's own number; take another one".to_owned());
    }
    // Without the privilege to ask there is nothing to say here.
    let statement = if server.mariadb { "SHOW SLAVE HOSTS" } else { "SHOW REPLICAS" };
    let replicas = rows(conn, statement).await.unwrap_or_default();
    let clash = replicas.iter().find(|row| {
        let id = row.get_opt::<u64, _>(0).and_then(std::result::Result::ok);
        id == Some(u64::from(config.server_id)) && cell(row, 1).as_deref() != Some(&*host_name(config))
    });
    clash.map_or_else(Vec::new, |row| {
        let host = cell(row, 1).unwrap_or_default();
        invalid(format!(
            "a replica with this number is connected already (host \"{host}\"); take another one"
        ))
    })
}

async fn check_privileges(
    config: &MySqlConfig,
    settings: &SnapshotSettings,
    conn: &mut Conn,
    server: &ServerInfo,
) -> Vec<ConfigError> {
    let grants = match rows(conn, "SHOW GRANTS").await {
        Ok(grants) => grants.iter().filter_map(|row| cell(row, 0)).collect::<Vec<_>>(),
        Err(error) => return vec![about("database.user", &error)],
    };
    let missing = missing_privileges(&grants, settings, server);
    let user = &config.user;
    let sentence = |grant: &String| {
        let sentence = format!("database.user: {user} lacks a privilege: run GRANT {grant} TO '{user}'@'%'");
        ConfigError::other("database.user", sentence)
    };
    missing.iter().map(sentence).collect()
}

/// What the grants lack, as the GRANT that mends it.
fn missing_privileges(grants: &[String], settings: &SnapshotSettings, server: &ServerInfo) -> Vec<String> {
    let mariadb = server.mariadb;
    let upper: Vec<_> = grants.iter().map(|grant| grant.to_uppercase()).collect();
    // A role may hold anything; what it lacks shows at the start.
    let has_roles = upper.iter().any(|grant| grant.starts_with("GRANT ") && !grant.contains(" ON "));
    if has_roles {
        return Vec::new();
    }
    let global = |names: &[&str]| {
        let names_one = |grant: &String| {
            let (privileges, _) = grant.split_once(" ON *.*").unwrap_or(("", ""));
            privileges.contains("ALL PRIVILEGES") || names.iter().any(|name| privileges.contains(name))
        };
        upper.iter().any(names_one)
    };
    let anywhere =
        |name: &str| upper.iter().any(|grant| grant.contains(name) || grant.contains("ALL PRIVILEGES"));
    let mut missing = Vec::new();
    if !global(&["REPLICATION SLAVE"]) {
        missing.push("REPLICATION SLAVE ON *.*".to_owned());
    }
    if mariadb && !global(&["BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"]) {
        missing.push("BINLOG MONITOR ON *.*".to_owned());
    } else if !mariadb && !global(&["REPLICATION CLIENT", "SUPER"]) {
        missing.push("REPLICATION CLIENT ON *.*".to_owned());
    }
    if !anywhere("SELECT") {
        missing.push("SELECT ON *.*".to_owned());
    }
    let needs_lock = match settings.config.locking_mode {
        // Where it lacks, the view's place is found without (see `snapshot`).
        LockingMode::Minimal => !mariadb && !server.gtids,
        LockingMode::Extended | LockingMode::MinimalAtLeastOnce => true,
        _ => false,
    };
    if needs_lock
        && settings.config.mode != SnapshotMode::Recovery
        && !global(&["RELOAD", "FLUSH_TABLES"])
        && !anywhere("LOCK TABLES")
    {
        missing.push("RELOAD ON *.*".to_owned());
    }
    missing
}

async fn check_tables(events: &Events, filter: &Filter, conn: &mut Conn) -> Vec<ConfigError> {
    let config = &events.config;
    let is_limit = config.tables_max_action == FailureHandling::Fail && config.tables_max > 0;
    let limit = if is_limit { config.tables_max } else { usize::MAX };
    let captured: Result<Vec<_>> = snapshot::captured(conn, filter).await;
    match captured {
        Ok(tables) if tables.is_empty() => vec![ConfigError::other(
            "table.include.list",
            "table.include.list: no table that the user can see is captured; check the include and exclude lists \
             (regular expressions for whole names, tables as database.table) and GRANT SELECT on the tables",
        )],
        Ok(tables) if tables.len() > limit => vec![ConfigError::other(
            "guardrail.collections.max",
            format!(
                "guardrail.collections.max: {} tables are captured, but at most {limit} may be: capture fewer with \
                 table.include.list",
                tables.len()
            ),
        )],
        Ok(_) => Vec::new(),
        Err(error) => vec![about("database.user", &error)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(grants: &[&str], mariadb: bool) -> Vec<String> {
        let said = [
            ("database.hostname", "h"),
            ("database.user", "cdc"),
            ("database.server.id", "5"),
            ("topic.prefix", "p"),
        ];
        let props = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = SnapshotSettings::load(&props).unwrap();
        let server = ServerInfo {
            version: "9".to_owned(),
            mariadb,
            uuid: None,
            server_id: 1,
            gtids: mariadb,
            charset: "utf8mb4".to_owned(),
            lower_case: false,
        };
        let grants: Vec<_> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        missing_privileges(&grants, &settings, &server)
    }

    #[test]
    fn a_row_image_is_refused_only_where_it_cannot_be_read() {
        use UnavailableHandling::{Fail, Header};
        for (row_image, handling) in [("FULL", Fail), ("full", Header), ("FULL_NODUP", Fail)] {
            assert_eq!(RowImages::of(row_image, handling), RowImages::Whole, "{row_image}");
        }
        assert_eq!(RowImages::of("MINIMAL", Fail), RowImages::Refused);
        for (row_image, handling) in [("noblob", Fail), ("MINIMAL", Header), ("NOBLOB", Header)] {
            assert!(matches!(RowImages::of(row_image, handling), RowImages::Partial(_)), "{row_image}");
        }
    }

    #[test]
    fn each_missing_privilege_is_named() {
        let expected =
            ["REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON *.*", "RELOAD ON *.*"];
        assert_eq!(missing(&["GRANT USAGE ON *.* TO `cdc`@`%`"], false), expected);
        let documented =
            "GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `cdc`@`%`";
        assert!(missing(&[documented], false).is_empty());
        assert!(missing(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"], true).is_empty());
    }

    #[test]
    fn database_grants_are_enough_for_reading_but_not_for_the_binlog() {
        let grants = ["GRANT USAGE ON *.* TO `cdc`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `cdc`@`%`"];
        assert_eq!(missing(&grants, false), ["REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*"]);
        assert!(missing(&["GRANT `role`@`%` TO `cdc`@`%`"], false).is_empty());
    }
}
