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

/// What to do about a task that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StallPolicy {
    /// How long one call may take; `None`: for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whether the task is started again.
    pub(crate) restart: bool,
}

impl StallPolicy {
    /// How often to look: so that a stall is told at most a quarter later than it could be.
    pub(crate) fn check_interval(&self) -> Duration {
        let quarter = self.timeout.unwrap_or(Duration::MAX) / 4;
        quarter.clamp(Duration::from_millis(10), Duration::from_secs(10))
    }
}

/// The `task.stall.*` settings; the defaults when they are invalid, as for `restart.*`.
pub(crate) fn stall_policy(props: &Props) -> StallPolicy {
    let config = SupervisionConfig::parse(props).or_else(|errors| {
        tracing::warn!(%errors, "invalid supervision settings; using the defaults");
        SupervisionConfig::parse(&Props::new())
    });
    config.map_or(StallPolicy { timeout: None, restart: false }, |config| StallPolicy {
        timeout: Some(config.stall_timeout).filter(|timeout| !timeout.is_zero()),
        restart: config.stall_restart,
    })
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
