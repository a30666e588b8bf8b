//! Which cluster a command talks to: the flags that all commands share, and the client's settings from a file.
//!
//! Order of weight: flag, environment, file, default. Invariant: a setting in the file works, or is refused or named in a warning.

use std::path::PathBuf;
use std::time::Duration;

use broker_client::{Client, ClientConfig};
use clap::Args;
use configs::{ConfigErrors, Props};

use super::exit::{Exit, chain};
use super::files;

/// Flags that every command for a cluster has.
#[derive(Debug, Args)]
pub(super) struct ConnectionArgs {
    /// Brokers to ask first [default: localhost:9092]
    #[arg(
        long,
        short = 'b',
        visible_alias = "bootstrap-servers",
        value_name = "HOST:PORT,...",
        env = "MILLRACE_BOOTSTRAP_SERVER",
        global = true
    )]
    bootstrap_server: Option<String>,
    /// Client settings with Kafka's names, as for --command-config of Kafka's own tools
    #[arg(long, value_name = "FILE", global = true)]
    command_config: Option<PathBuf>,
    /// How long the brokers may take to carry out what is asked: 500ms, 30s, 2m, or seconds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, global = true)]
    timeout: Duration,
}

/// A cluster that answers, and the settings it was reached with.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    /// What the configuration file said.
    pub(super) props: Props,
}

impl ConnectionArgs {
    /// Reads the settings and asks the cluster who it is, once: a broker that is away is told at once.
    pub(super) async fn connect(&self) -> Result<Connected, Exit> {
        let mut props = files::read_properties(self.command_config.as_deref())
            .map_err(|exit| Exit::usage(exit.message))?;
        if let Some(servers) = &self.bootstrap_server {
            props.insert("bootstrap.servers".to_owned(), servers.clone());
        }
        props.entry("bootstrap.servers".to_owned()).or_insert_with(|| "localhost:9092".to_owned());
        let config = self.client_config(&props)?;
        let once = ClientConfig { operation_timeout: Duration::ZERO, ..config.clone() };
        Client::new(once).cluster().await.map_err(|error| unreachable(&error))?;
        Ok(Connected { client: Client::new(config), props })
    }

    fn client_config(&self, props: &Props) -> Result<ClientConfig, Exit> {
        let in_file = |errors: ConfigErrors| match &self.command_config {
            Some(file) => Exit::usage(format!("{}: {errors}", file.display())),
            None => Exit::usage(errors),
        };
        let config = settings::parse(props).map_err(in_file)?;
        for server in &config.bootstrap_servers {
            check_address(server)?;
        }
        Ok(ClientConfig {
            operation_timeout: self.timeout,
            request_timeout: config.request_timeout.min(self.timeout),
            connect_timeout: config.connect_timeout.min(self.timeout),
            ..config
        })
    }
}

/// What to do about a cluster that does not answer.
fn unreachable(error: &broker_client::Error) -> Exit {
    let advice = match error {
        broker_client::Error::NoBroker { .. } => {
            "; --bootstrap-server (or MILLRACE_BOOTSTRAP_SERVER, or bootstrap.servers in --command-config) says where"
        }
        _ => "",
    };
    Exit::runtime(format!("{}{advice}", chain(error)))
}

/// `host:port`, told before the first try: a missing port would look like a broker that is away.
fn check_address(server: &str) -> Result<(), Exit> {
    let port =
        server.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(()),
        _ => Err(Exit::usage(format!(
            "the bootstrap server \"{server}\" is no host:port; say for example --bootstrap-server localhost:9092"
        ))),
    }
}

/// `500ms`, `30s`, `2m`, `1h`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (amount, unit) = text.split_at(split);
    let wrong = || format!("\"{text}\" is no duration; say for example 500ms, 30s or 2m");
    let amount: u64 = amount.parse().map_err(|error| format!("{}: {error}", wrong()))?;
    let millis = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    millis.and_then(|millis| amount.checked_mul(millis)).map(Duration::from_millis).ok_or_else(wrong)
}

/// The client's settings.
mod settings {
    use broker_client::ClientConfig;
    use configs::{ConfigErrors, Props, config, unknown_keys};

    use crate::config::{ConsumerOptions, ProducerOptions, SecurityOptions};

    config! {
        /// How a cluster is reached, with Kafka's names.
        pub(super) struct ConnectionOptions {
            /// Brokers to ask first.
            bootstrap_servers: Vec<String> = required("bootstrap.servers").importance(High);
            /// How the client calls itself in the broker's logs.
            client_id: Option<String> = optional("client.id").importance(Low);
            /// How long one request may take.
            request_timeout: Option<std::time::Duration> = optional("request.timeout.ms").importance(Medium);
            /// How long a connection may take to come up.
            connect_timeout: Option<std::time::Duration> = optional("socket.connection.setup.timeout.ms").importance(Medium);
            /// Pause before the first reconnect.
            reconnect_backoff: Option<std::time::Duration> = optional("reconnect.backoff.ms").importance(Low);
            /// Longest pause before a reconnect.
            reconnect_backoff_max: Option<std::time::Duration> = optional("reconnect.backoff.max.ms").importance(Low);
            /// Pause before a request is tried again.
            retry_backoff: Option<std::time::Duration> = optional("retry.backoff.ms").importance(Low);
        }
    }

    pub(super) fn parse(props: &Props) -> Result<ClientConfig, ConfigErrors> {
        let options = ConnectionOptions::parse(props)?;
        let known = ConnectionOptions::definition()
            .clone()
            .merge(ProducerOptions::definition())
            .merge(ConsumerOptions::definition())
            .merge(SecurityOptions::definition());
        for unknown in unknown_keys(&known, props) {
            tracing::warn!("{unknown}");
        }
        let defaults = ClientConfig::default();
        Ok(ClientConfig {
            bootstrap_servers: options.bootstrap_servers,
            client_id: options.client_id.unwrap_or(defaults.client_id),
            request_timeout: options.request_timeout.unwrap_or(defaults.request_timeout),
            connect_timeout: options.connect_timeout.unwrap_or(defaults.connect_timeout),
            reconnect_backoff: options.reconnect_backoff.unwrap_or(defaults.reconnect_backoff),
            reconnect_backoff_max: options.reconnect_backoff_max.unwrap_or(defaults.reconnect_backoff_max),
            retry_backoff: options.retry_backoff.unwrap_or(defaults.retry_backoff),
            security: SecurityOptions::parse(&SecurityOptions::select(props))?.security()?,
            ..defaults
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("2").unwrap(), Duration::from_secs(2));
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        for wrong in ["", "s", "1d", "-1s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(wrong).unwrap_err().contains("500ms"), "{wrong}");
        }
    }

    #[test]
    fn an_address_without_port_is_told() {
        assert!(check_address("localhost:9092").is_ok() && check_address("[::1]:9092").is_ok());
        for wrong in ["localhost", ":9092", "localhost:", "localhost:99999", "localhost:x"] {
            assert!(check_address(wrong).unwrap_err().message.contains("is no host:port"), "{wrong}");
        }
    }

    #[test]
    fn security_settings_are_taken_or_what_is_wrong_is_told() {
        let mut props: Props = [
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        assert!(settings::parse(&props).unwrap_err().to_string().contains("sasl.jaas.config"));
        let login =
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"a\" password=\"b\";";
        props.insert("sasl.jaas.config".to_owned(), login.to_owned());
        assert!(settings::parse(&props).unwrap().security.sasl.is_some());
    }
}
