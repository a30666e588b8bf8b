//! Which client settings a connector may override (`connector.client.config.override.policy`, KIP-458, KIP-1188).
//!
//! Asked by validation for every `producer.override.`, `consumer.override.` and `admin.override.` key. Invariant: what the
//! policy refuses never reaches a client.

use configs::Props;

/// The prefixes under which a connector talks to its clients.
pub(crate) const OVERRIDE_PREFIXES: [&str; 3] =
    ["producer.override.", "consumer.override.", "admin.override."];

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Everything is allowed: Kafka Connect's default.
    All,
    /// Nothing is.
    None,
    /// Only what says who the client is.
    Principal,
    /// Only these settings.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// The policy of a name or a Java class name.
    ///
    /// # Errors
    /// What was expected, when there is no such policy.
    pub fn of_name(name: &str, allowlist: &[String]) -> Result<Self, String> {
        let simple = name.rsplit('.').next().unwrap_or(name);
        match simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple) {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            "Allowlist" => Ok(Self::Allowlist(allowlist.to_vec())),
            _ => Err("expected All, None, Principal or Allowlist".to_owned()),
        }
    }

    /// The refused overrides of a connector's settings: the whole key, and why.
    #[must_use]
    pub fn refusals(&self, props: &Props) -> Vec<(String, String)> {
        let overrides = props.keys().filter_map(|key| {
            let prefix = OVERRIDE_PREFIXES.iter().find(|prefix| key.starts_with(**prefix))?;
            Some((key, key.strip_prefix(prefix)?))
        });
        overrides
            .filter(|(_, setting)| !self.allows(setting))
            .map(|(key, setting)| (key.clone(), self.reason(setting)))
            .collect()
    }

    fn allows(&self, setting: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => ["sasl.jaas.config", "sasl.mechanism", "security.protocol"].contains(&setting),
            Self::Allowlist(allowed) => allowed.iter().any(|name| name == setting),
        }
    }

    fn reason(&self, setting: &str) -> String {
        let name = match self {
            Self::All => "All",
            Self::None => "None",
            Self::Principal => "Principal",
            Self::Allowlist(_) => "Allowlist",
        };
        format!(
            "The '{name}' policy does not allow '{setting}' to be overridden in the connector configuration."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &OverridePolicy) -> Vec<String> {
        let keys = ["producer.override.linger.ms", "consumer.override.sasl.mechanism", "file"];
        let props = keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect();
        policy.refusals(&props).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn each_policy_refuses_its_own() {
        assert!(refused(&OverridePolicy::All).is_empty());
        assert_eq!(refused(&OverridePolicy::None).len(), 2);
        assert_eq!(refused(&OverridePolicy::Principal), ["producer.override.linger.ms"]);
        let allowlist = OverridePolicy::of_name("Allowlist", &["linger.ms".to_owned()]).unwrap();
        assert_eq!(refused(&allowlist), ["consumer.override.sasl.mechanism"]);
    }

    #[test]
    fn java_class_names_are_understood() {
        let class = "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy";
        assert_eq!(OverridePolicy::of_name(class, &[]), Ok(OverridePolicy::None));
        assert!(OverridePolicy::of_name("Some", &[]).is_err());
    }
}
