//! Errors of the server and the connection, by what is to be done about them.
//!
//! Numbers: "Server Error Message Reference" of MySQL and MariaDB. Invariant: what a restart of the server, a killed session
//! or a network can cause is retriable; what only a person can mend is not, and says how.

use api::Error;
use mysql_async::{DriverError, Error as MySqlError, IoError};

/// The server's number of an error, if the server made it.
#[must_use]
pub const fn error_code(error: &MySqlError) -> Option<u16> {
    match error {
        MySqlError::Server(error) => Some(error.code),
        _ => None,
    }
}

/// Whether the two sides do not agree on encryption, so that the other way may be tried.
#[must_use]
pub(super) fn is_about_encryption(error: &MySqlError) -> bool {
    match error {
        MySqlError::Driver(DriverError::NoClientSslFlagFromServer) => true,
        // "Connections using insecure transport are prohibited" (MySQL, MariaDB).
        MySqlError::Server(error) => matches!(error.code, 3159 | 4031),
        MySqlError::Io(IoError::Tls(_)) => true,
        error => is_about_certificate(error),
    }
}

/// Whether the server's certificate was refused.
pub(super) fn is_about_certificate(error: &MySqlError) -> bool {
    let MySqlError::Io(IoError::Io(error)) = error else { return false };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// The error with its kind.
#[must_use]
pub fn sorted(error: MySqlError) -> Error {
    let sorted = match &error {
        MySqlError::Io(_) => Error::retriable("the connection to MySQL failed"),
        MySqlError::Driver(DriverError::ConnectionClosed) => {
            Error::retriable("the connection to MySQL was closed")
        }
        MySqlError::Driver(
            DriverError::UnknownAuthPlugin { .. }
            | DriverError::MysqlOldPasswordDisabled
            | DriverError::CleartextPluginDisabled,
        ) => Error::bad_config(UNSUPPORTED_PLUGIN),
        MySqlError::Driver(_) => Error::fatal("MySQL's answer was not understood"),
        MySqlError::Server(server) => of_server(server.code, &server.message),
        MySqlError::Url(_) | MySqlError::Other(_) => Error::fatal("MySQL cannot be asked"),
    };
    // What the library wraps says the same as the wrapper.
    match error {
        MySqlError::Server(error) => sorted.with_source(error),
        MySqlError::Driver(error) => sorted.with_source(error),
        MySqlError::Io(IoError::Io(error)) => sorted.with_source(error),
        other => sorted.with_source(other),
    }
}

const UNSUPPORTED_PLUGIN: &str = "the user's authentication plugin is not supported";

fn of_server(code: u16, message: &str) -> Error {
    match code {
        1045 | 1698 => Error::bad_config("MySQL refuses database.user or database.password"),
        1227 | 1044 | 1142 | 1370 => Error::bad_config(privilege(message)),
        1251 | 1524 | 2059 => Error::bad_config(UNSUPPORTED_PLUGIN),
        1236 => of_dump(message),
        // Too many connections, shutdown, out of resources, aborted, killed, lock waits, deadlock, table altered in the snapshot,
        // host blocked, read-only and starting servers.
        1040
        | 1053
        | 1041
        | 1152
        | 1158..=1161
        | 1184
        | 1317
        | 1205
        | 1213
        | 1412
        | 1129
        | 1927
        | 3024
        | 3168
        | 3169
        | 4031
        | 1030
        | 1021
        | 3572 => Error::retriable("MySQL cannot serve this now"),
        _ => Error::fatal("MySQL reports an error"),
    }
}

/// What the server says when it refuses or ends a dump (`ER_MASTER_FATAL_ERROR_READING_BINLOG`).
fn of_dump(message: &str) -> Error {
    let has = |words: &str| message.to_lowercase().contains(words);
    if has("purged") || has("could not find first log") || has("could not find gtid state") {
        Error::fatal(
            "the binlog at the connector's offset is gone from the server; changes are lost unless another server still has \
             them: take a new snapshot (snapshot.mode=when_needed, or reset the connector's offsets)",
        )
    } else if has("same server_uuid") || has("same server_id") || has("server_uuid/server_id") {
        Error::retriable("another reader uses the same database.server.id; give each its own")
    } else if has("not in the master's binlog")
        || has("diverge")
        || has("more gtids than")
        || has("impossible position")
    {
        Error::fatal(
            "the server's binlog does not go on from the connector's offset: it was reset, restored or replaced by another \
             server's; take a new snapshot (reset the connector's offsets)",
        )
    } else if has("max_allowed_packet") {
        Error::fatal("an event is larger than the server's max_allowed_packet; raise it on the server")
    } else {
        Error::retriable("the server ended the binlog dump")
    }
}

/// What to grant for what was refused.
fn privilege(message: &str) -> String {
    let upper = message.to_uppercase();
    let names = [
        ("RELOAD", "RELOAD"),
        ("REPLICATION CLIENT", "REPLICATION CLIENT"),
        ("BINLOG MONITOR", "BINLOG MONITOR"),
        ("REPLICATION SLAVE", "REPLICATION SLAVE"),
        ("REPLICATION MASTER ADMIN", "REPLICATION MASTER ADMIN"),
        ("LOCK TABLES", "LOCK TABLES"),
        ("SELECT", "SELECT"),
    ];
    let missing = names.iter().find(|(word, _)| upper.contains(word)).map(|(_, grant)| *grant);
    missing.map_or_else(
        || "database.user lacks a privilege".to_owned(),
        |grant| format!("database.user lacks a privilege: run GRANT {grant} ON *.* TO that user"),
    )
}

#[cfg(test)]
mod tests {
    use api::ErrorKind;
    use mysql_async::ServerError;

    use super::*;

    fn kind(code: u16, message: &str) -> (ErrorKind, String) {
        let error =
            MySqlError::Server(ServerError { code, message: message.to_owned(), state: "HY000".to_owned() });
        let error = sorted(error);
        (error.kind(), error.to_string())
    }

    #[test]
    fn a_person_is_told_what_to_do_and_a_restart_is_waited_out() {
        let (sort, text) = kind(1227, "Access denied; you need (at least one of) the RELOAD privilege(s)");
        assert_eq!(sort, ErrorKind::BadConfig);
        assert!(text.contains("GRANT RELOAD ON *.*"), "{text}");
        assert_eq!(kind(1045, "Access denied").0, ErrorKind::BadConfig);
        assert_eq!(kind(1053, "Server shutdown in progress").0, ErrorKind::Retriable { after: None });
    }

    #[test]
    fn a_lost_binlog_is_told_from_a_killed_dump() {
        let purged = "Cannot replicate because the source purged required binary logs.";
        assert_eq!(kind(1236, purged).0, ErrorKind::Fatal);
        assert_eq!(
            kind(1236, "Could not find first log file name in binary log index file").0,
            ErrorKind::Fatal
        );
        let clash =
            "A replica with the same server_uuid/server_id as this replica has connected to the source";
        let (sort, text) = kind(1236, clash);
        assert_eq!(sort, ErrorKind::Retriable { after: None });
        assert!(text.contains("database.server.id"), "{text}");
    }
}
