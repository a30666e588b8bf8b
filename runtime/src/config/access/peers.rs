//! TLS towards the other workers of the group: what their certificates are checked against, and what we show them.
//!
//! Said, as in Kafka Connect, by the settings of the https listeners: `ssl.*`, or `listeners.https.ssl.*` in their place. Only named
//! here; the files are read when another worker is first asked. Invariant: without settings the system's authorities count, never
//! none.

use configs::{ConfigError, ConfigErrors, Props, strip_prefix};

use super::super::security::{NOT_PEM, SecurityOptions, unfolded};
use super::tls::Pem;
use configs::Password;

/// TLS of requests to other workers, as it was said.
#[derive(Debug, Clone, Default)]
pub struct PeerTls {
    /// Who signs the other workers' certificates; without it those that the system trusts.
    pub trusted: Option<Pem>,
    /// Our certificates and our key, for workers that ask for one.
    pub identity: Option<(Pem, Pem)>,
    /// Whether a worker may have a certificate that is made out to another name.
    pub takes_any_name: bool,
}

impl PeerTls {
    /// Reads the settings. Those of brokers' connections (`ssl.*`) may be of kinds that matter only there.
    pub(super) fn of(props: &Props, errors: &mut ConfigErrors) -> Self {
        const PREFIX: &str = "listeners.https.";
        let own = strip_prefix(props, PREFIX);
        let (said, prefix) = if own.is_empty() { (props, "") } else { (&own, PREFIX) };
        let mut found = ConfigErrors::new();
        let tls = Self::parse(said, &mut found);
        if !prefix.is_empty() {
            errors.extend(found.prefixed(prefix));
        }
        tls.unwrap_or_default()
    }

    fn parse(props: &Props, errors: &mut ConfigErrors) -> Option<Self> {
        let options = SecurityOptions::parse(props).map_err(|found| errors.extend(found)).ok()?;
        let mut is_pem = |name: &str, kind: &Option<String>| match kind.as_deref() {
            Some(kind) if !kind.eq_ignore_ascii_case("PEM") => {
                errors.push(ConfigError::invalid(name, kind, NOT_PEM));
                false
            }
            _ => true,
        };
        let (trusts, shows) = (
            is_pem("ssl.truststore.type", &options.truststore_type),
            is_pem("ssl.keystore.type", &options.keystore_type),
        );
        let text = |setting, text: &Password| Pem::Text(setting, Password::new(unfolded(text)));
        let trusted = options.truststore_certificates.as_ref();
        let trusted = trusted.map(|certificates| text("ssl.truststore.certificates", certificates));
        let trusted = trusted.or_else(|| Some(Pem::File(options.truststore_location.clone()?.into())));
        let in_place = options.keystore_certificate_chain.as_ref().zip(options.keystore_key.as_ref());
        let identity = match &options.keystore_location {
            Some(file) => Some((Pem::File(file.into()), Pem::File(file.into()))),
            None => in_place.map(|(chain, key)| {
                (text("ssl.keystore.certificate.chain", chain), text("ssl.keystore.key", key))
            }),
        };
        Some(Self {
            trusted: trusted.filter(|_| trusts),
            // An encrypted key cannot be read: the listeners and the brokers' clients say so.
            identity: identity.filter(|_| shows && options.key_password.is_none()),
            takes_any_name: options.endpoint_identification.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &[(&str, &str)]) -> Result<PeerTls, ConfigErrors> {
        let props = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut errors = ConfigErrors::new();
        let tls = PeerTls::of(&props, &mut errors);
        errors.into_result(tls)
    }

    #[test]
    fn the_settings_of_the_listeners_count_before_those_of_brokers() {
        let said = [
            ("ssl.truststore.location", "/brokers.pem"),
            ("listeners.https.ssl.truststore.location", "/workers.pem"),
            ("listeners.https.ssl.keystore.location", "/own.pem"),
            ("listeners.https.ssl.endpoint.identification.algorithm", ""),
        ];
        let own = of(&said).unwrap();
        assert_eq!(own.trusted.unwrap().to_string(), "/workers.pem");
        assert!(own.takes_any_name && own.identity.is_some());
        let shared = of(&said[..1]).unwrap();
        assert_eq!(shared.trusted.unwrap().to_string(), "/brokers.pem");
        assert!(!shared.takes_any_name && shared.identity.is_none());
        assert!(of(&[]).unwrap().trusted.is_none());
    }

    #[test]
    fn what_cannot_be_read_is_told_where_it_was_said_for_workers() {
        let jks = [("ssl.truststore.type", "JKS"), ("ssl.truststore.location", "/brokers.jks")];
        assert!(
            of(&jks).unwrap().trusted.is_none(),
            "it may be meant for brokers, who are not asked over TLS"
        );
        let jks = jks.map(|(name, text)| (format!("listeners.https.{name}"), text));
        let jks: Vec<_> = jks.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        assert!(of(&jks).unwrap_err().to_string().contains("listeners.https.ssl.truststore.type"));
    }
}
