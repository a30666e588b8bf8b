//! Settings of Kafka Connect's workers that mean nothing here, or nothing yet, and what is said about each.
//!
//! A worker file written for Kafka Connect is to run unchanged, so these are no errors; but nobody shall believe that they
//! work. Invariant: a name stands here or in a declaration, never in both.

use configs::Props;

/// Names (a trailing `.` or `*` makes it a prefix) and why they have no effect.
const ACCEPTED: &[(&[&str], &str)] = &[
    (
        &["plugin.path", "plugin.discovery"],
        "all plugins are built in (see `millrace plugins`); nothing is searched for",
    ),
    (
        &["offset.storage.file.filename"],
        "source offsets are kept in the topic that offset.storage.topic names, in standalone mode too; the file is neither read nor written",
    ),
    (
        &[
            "metrics.sample.window.ms",
            "metrics.num.samples",
            "metrics.recording.level",
            "metric.reporters",
            "metrics.context.",
            "auto.include.jmx.reporter",
        ],
        "metrics are counters and gauges at GET /metrics in Prometheus' text format",
    ),
    (
        &[
            "key.converter.plugin.version",
            "value.converter.plugin.version",
            "header.converter.plugin.version",
        ],
        "every plugin is built in, in one version",
    ),
    (
        &["internal.key.converter", "internal.value.converter"],
        "the internal topics are always written as Kafka Connect writes them: JSON without schemas",
    ),
    (
        &[
            "client.dns.lookup",
            "send.buffer.bytes",
            "receive.buffer.bytes",
            "socket.connection.",
            "connections.max.idle.ms",
            "metadata.max.age.ms",
            "metadata.recovery.",
            "retry.backoff.max.ms",
            "reconnect.backoff.max.ms",
            "security.providers",
        ],
        "the built-in client does this by itself",
    ),
    (
        &["ssl.truststore.password", "ssl.keystore.password"],
        "PEM files have no password; they are guarded by their permissions",
    ),
    (
        &[
            "ssl.protocol",
            "ssl.provider",
            "ssl.cipher.suites",
            "ssl.keymanager.algorithm",
            "ssl.trustmanager.algorithm",
            "ssl.secure.random.implementation",
            "ssl.engine.factory.class",
        ],
        "TLS is built in, with its own choice of safe ciphers",
    ),
    (
        &["sasl.login.", "sasl.client.callback.handler.class"],
        "logging in is built in, and is repeated when the broker asks for it",
    ),
    (
        &["sasl.kerberos.", "sasl.oauthbearer."],
        "neither GSSAPI nor OAUTHBEARER is spoken here; see sasl.mechanism",
    ),
];

/// The prefixes and names, for a definition that is to know them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ACCEPTED.iter().flat_map(|(names, _)| names.iter().copied())
}

/// A sentence for each setting in a worker's settings that is accepted without effect.
#[must_use]
pub fn notices(props: &Props) -> Vec<String> {
    let reason = |name: &str| {
        ACCEPTED
            .iter()
            .find(|(names, _)| names.iter().any(|known| covers(known, name)))
            .map(|(_, reason)| *reason)
    };
    props.keys().filter_map(|name| Some(format!("{name} has no effect here: {}", reason(name)?))).collect()
}

fn covers(known: &str, name: &str) -> bool {
    known == name || (known.ends_with('.') && name.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_without_effect_is_named() {
        let props = ["plugin.path", "ssl.truststore.password", "group.id"];
        let props = props.iter().map(|name| ((*name).to_owned(), "CANARY-5".to_owned())).collect();
        let sentences = notices(&props);
        assert_eq!(sentences.len(), 2);
        assert!(sentences[0].starts_with("plugin.path has no effect here: all plugins are built in"));
        assert!(!sentences.join("").contains("CANARY"), "values may be secret");
    }
}
