//! How a worker is a member of its group: Connect's options of `connect-distributed`, with defaults that miss a dead worker within seconds.
//!
//! Read by the membership. Invariant: the options fit each other, so that a group that cannot work is refused at the start.

use configs::{ConfigError, ConfigErrors, Props, config};

config! {
    /// Options of a worker in a group of several.
    pub struct GroupOptions {
        /// Without a heartbeat for this long a worker is taken for dead, and its work given to others. (Kafka Connect: 10000.) A broker may
        /// demand more (group.min.session.timeout.ms, 6000 on Apache Kafka): unless this is set, the worker then takes 6000.
        session_timeout: std::time::Duration = default("session.timeout.ms", 3000).importance(High).check(at_least(1));
        /// The pause between heartbeats, by which a worker also hears that work is to be given out anew. (Kafka Connect: 3000.)
        heartbeat_interval: std::time::Duration = default("heartbeat.interval.ms", 200).importance(High).check(at_least(1));
        /// How long a worker may take to come when work is given out anew, before the others go on without it.
        rebalance_timeout: std::time::Duration = default("rebalance.timeout.ms", 60_000).importance(High).check(at_least(1));
        /// How long a worker may take to read the configurations that its work was given out by.
        worker_sync_timeout: std::time::Duration = default("worker.sync.timeout.ms", 3000).importance(Medium).check(at_least(1));
        /// How long a worker that could not read them stays away from the group. (Kafka Connect: 300000.)
        worker_unsync_backoff: std::time::Duration = default("worker.unsync.backoff.ms", 5000).importance(Medium);
        /// How work is given out: `sessioned`, `compatible` or `eager`, as in Kafka Connect. With `eager` everyone gives up everything first.
        connect_protocol: String = default("connect.protocol", "sessioned").importance(Low)
            .check(one_of_ignoring_case(&["eager", "compatible", "sessioned"]));
        /// How long the work of a worker that vanished is kept for it. By default it is given to others at once. (Kafka Connect: 300000.)
        rebalance_delay_max: std::time::Duration = default("scheduled.rebalance.max.delay.ms", 0).importance(Low)
            .check(range(0, 2_147_483_647));
    }
}

impl GroupOptions {
    /// Reads the options, and sees that they fit each other.
    pub(super) fn parse_all(props: &Props) -> Result<Self, ConfigErrors> {
        let mut options = Self::parse(props)?;
        if !props.contains_key("heartbeat.interval.ms") {
            options.heartbeat_interval = options.heartbeat_interval.min(options.session_timeout / 5);
        }
        if options.heartbeat_interval >= options.session_timeout {
            let interval = options.heartbeat_interval.as_millis().to_string();
            let reason = format!(
                "must be less than session.timeout.ms ({}); a third of it or less is usual",
                options.session_timeout.as_millis()
            );
            let mut errors = ConfigErrors::new();
            errors.push(ConfigError::invalid("heartbeat.interval.ms", interval, reason));
            return Err(errors);
        }
        Ok(options)
    }

    /// The names of these options that a worker's file says something of.
    #[must_use]
    pub fn said(props: &Props) -> Vec<String> {
        let definition = Self::definition();
        props.keys().filter(|name| definition.get(name).is_some()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(said: &[(&str, &str)]) -> Result<GroupOptions, ConfigErrors> {
        let said = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        GroupOptions::parse_all(&said)
    }

    #[test]
    fn a_dead_worker_is_missed_within_seconds_unless_told_otherwise() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.session_timeout, Duration::from_secs(3));
        assert!(options.heartbeat_interval <= Duration::from_secs(1));
        assert_eq!(options.rebalance_delay_max, Duration::ZERO);
        let options = parse(&[("session.timeout.ms", "500")]).unwrap();
        assert_eq!(options.heartbeat_interval, Duration::from_millis(100));
        let options = parse(&[("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "3000")]).unwrap();
        assert_eq!(options.heartbeat_interval, Duration::from_secs(3));
    }

    #[test]
    fn options_that_do_not_fit_are_refused() {
        let error = parse(&[("heartbeat.interval.ms", "3000")]).unwrap_err().to_string();
        assert!(error.contains("heartbeat.interval.ms") && error.contains("session.timeout.ms"), "{error}");
        let error = parse(&[("connect.protocol", "lazy")]).unwrap_err().to_string();
        assert!(error.contains("connect.protocol"), "{error}");
        parse(&[("scheduled.rebalance.max.delay.ms", "3000000000")]).unwrap_err();
    }
}
