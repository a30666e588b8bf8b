//! What every task reads from its connector's settings: how to treat errors, and how to be restarted.

use std::time::Duration;

use api::{Error, Props, Result};

use super::tolerance::ErrorPolicy;
use crate::config::{ConnectorConfig, ErrorTolerance, SupervisionConfig};
use crate::herder::RestartPolicy;

/// Settings that were checked when the connector was created, and are parsed again where they are used: a worker may find
/// in the config topic what another version accepted.
pub(crate) fn parse<T>(name: &str, parsed: std::result::Result<T, configs::ConfigErrors>) -> Result<T> {
    parsed.map_err(|errors| {
        Error::bad_config(format!("the configuration of connector {name} is invalid")).with_source(errors)
    })
}

/// The `errors.*` settings.
pub(crate) fn error_policy(config: &ConnectorConfig) -> ErrorPolicy {
    let timeout_ms = u64::try_from(config.errors_retry_timeout).ok();
    ErrorPolicy {
        retry_timeout: timeout_ms.map(Duration::from_millis),
        retry_delay_max: config.errors_retry_delay_max,
        tolerate_all: config.errors_tolerance == ErrorTolerance::All,
        log: config.errors_log_enable,
        log_messages: config.errors_log_include_messages,
    }
}

/// The `restart.*` settings; the defaults when they are invalid, since something has failed already.
pub(crate) fn restart_policy(props: &Props) -> RestartPolicy {
    match SupervisionConfig::parse(props) {
        Ok(config) => RestartPolicy {
            attempts_max: config.attempts_max,
            delay: config.delay,
            delay_max: config.delay_max,
            reset_after: config.reset_after,
        },
        Err(errors) => {
            tracing::warn!(%errors, "invalid restart settings; using the defaults");
            RestartPolicy::default()
        }
    }
}
