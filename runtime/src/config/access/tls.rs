//! What a listener that speaks https is told: `ssl.*`, or `listeners.https.ssl.*` in its place.
//!
//! Only named and checked for form here; the certificates are read where the listener is opened. Invariant, as in Kafka
//! Connect: settings under the prefix count all together or not at all, so that a certificate for brokers is never half of
//! REST's.

use std::fmt;
use std::path::PathBuf;

use configs::{ConfigError, ConfigErrors, HIDDEN, Password, Props, config, strip_prefix};

use super::super::security::{NOT_PEM, SecurityOptions, unfolded};

config! {
    /// What REST's listeners ask of clients.
    pub(crate) struct ClientAuthOptions {
        /// Whether clients of an https listener must show a certificate: `none`, `requested` or `required`.
        client_auth: String = default("ssl.client.auth", "none").importance(Low).check(one_of_ignoring_case(&["none", "requested", "required"]));
    }
}

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No.
    #[default]
    None,
    /// They are asked, and may have none.
    Requested,
    /// They must have one.
    Required,
}

/// PEM by where it is.
#[derive(Clone)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// In this setting.
    Text(&'static str, Password),
}

impl fmt::Display for Pem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Text(setting, _) => formatter.write_str(setting),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// TLS of a listener, as it was said.
#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// Our certificate, then those that signed it.
    pub certificates: Pem,
    /// Our private key.
    pub key: Pem,
    /// Who signs clients' certificates.
    pub trusted: Option<Pem>,
    /// Whether clients are asked for theirs.
    pub client_auth: ClientAuth,
    /// Whether TLS 1.2 is spoken.
    pub allows_tls12: bool,
    /// Whether TLS 1.3 is spoken.
    pub allows_tls13: bool,
}

impl ListenerTls {
    /// Reads the settings of the listeners with this prefix (`listeners.https.`, `admin.listeners.https.`).
    pub(super) fn of(props: &Props, prefix: &str, errors: &mut ConfigErrors) -> Option<Self> {
        let own = strip_prefix(props, prefix);
        let (said, prefix) = if own.is_empty() { (props.clone(), "") } else { (own, prefix) };
        let mut found = ConfigErrors::new();
        let tls = Self::parse(&said, &mut found);
        errors.extend(found.prefixed(prefix));
        tls
    }

    fn parse(props: &Props, errors: &mut ConfigErrors) -> Option<Self> {
        let options = SecurityOptions::parse(props).map_err(|found| errors.extend(found)).ok()?;
        let auth = ClientAuthOptions::parse(props).map_err(|found| errors.extend(found)).ok()?;
        check_formats(&options, errors);
        let client_auth = match auth.client_auth.to_ascii_lowercase().as_str() {
            "required" => ClientAuth::Required,
            "requested" => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        let trusted = match (&options.truststore_certificates, &options.truststore_location) {
            (Some(text), _) => Some(text_of("ssl.truststore.certificates", text)),
            (None, Some(file)) => Some(Pem::File(file.into())),
            (None, None) => None,
        };
        if client_auth != ClientAuth::None && trusted.is_none() {
            let reason = "ssl.client.auth needs the certificates of those who sign clients' certificates: set it, or ssl.truststore.certificates";
            errors.push(ConfigError::invalid("ssl.truststore.location", "null", reason));
        }
        let (certificates, key) = identity(&options, errors)?;
        let speaks = |version: &str| options.enabled_protocols.iter().any(|said| said == version);
        Some(Self {
            certificates,
            key,
            trusted,
            client_auth,
            allows_tls12: speaks("TLSv1.2"),
            allows_tls13: speaks("TLSv1.3"),
        })
    }
}

fn check_formats(options: &SecurityOptions, errors: &mut ConfigErrors) {
    for (name, kind) in
        [("ssl.truststore.type", &options.truststore_type), ("ssl.keystore.type", &options.keystore_type)]
    {
        if let Some(kind) = kind.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("PEM")) {
            errors.push(ConfigError::invalid(name, kind, NOT_PEM));
        }
    }
    if options.key_password.is_some() {
        let reason =
            "encrypted private keys are not read; decrypt the key (openssl pkcs8 -in KEY) and leave this out";
        errors.push(ConfigError::invalid("ssl.key.password", HIDDEN, reason));
    }
}

fn identity(options: &SecurityOptions, errors: &mut ConfigErrors) -> Option<(Pem, Pem)> {
    if let Some(file) = &options.keystore_location {
        return Some((Pem::File(file.into()), Pem::File(file.into())));
    }
    match (&options.keystore_certificate_chain, &options.keystore_key) {
        (Some(chain), Some(key)) => {
            Some((text_of("ssl.keystore.certificate.chain", chain), text_of("ssl.keystore.key", key)))
        }
        (None, Some(_)) => {
            errors.push(ConfigError::missing("ssl.keystore.certificate.chain"));
            None
        }
        (Some(_), None) => {
            errors.push(ConfigError::missing("ssl.keystore.key"));
            None
        }
        (None, None) => {
            let reason = "an https listener needs a certificate and its key: set it to a PEM file with both, or set ssl.keystore.certificate.chain and ssl.keystore.key";
            errors.push(ConfigError::invalid("ssl.keystore.location", "null", reason));
            None
        }
    }
}

fn text_of(setting: &'static str, text: &Password) -> Pem {
    Pem::Text(setting, Password::new(unfolded(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(said: &[(&str, &str)]) -> Result<Option<ListenerTls>, ConfigErrors> {
        let props = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut errors = ConfigErrors::new();
        let tls = ListenerTls::of(&props, "listeners.https.", &mut errors);
        errors.into_result(tls)
    }

    #[test]
    fn the_prefix_counts_all_or_nothing() {
        let both = [
            ("ssl.keystore.location", "/broker.pem"),
            ("listeners.https.ssl.keystore.location", "/rest.pem"),
        ];
        let named = tls(&both).unwrap().unwrap();
        assert_eq!(named.certificates.to_string(), "/rest.pem");
        assert_eq!(tls(&both[..1]).unwrap().unwrap().key.to_string(), "/broker.pem");
        let half = [("ssl.keystore.location", "/broker.pem"), ("listeners.https.ssl.client.auth", "none")];
        let error = tls(&half).unwrap_err().to_string();
        assert!(error.contains("listeners.https.ssl.keystore.location"), "{error}");
    }

    #[test]
    fn what_is_missing_or_cannot_be_read_is_named() {
        let asked = [("ssl.keystore.location", "/a.pem"), ("ssl.client.auth", "required")];
        assert!(tls(&asked).unwrap_err().to_string().contains("ssl.truststore.location"));
        let store = [("ssl.keystore.location", "/a.jks"), ("ssl.keystore.type", "JKS")];
        assert!(tls(&store).unwrap_err().to_string().contains("openssl pkcs12"));
        let key = [("ssl.keystore.key", "CANARY"), ("ssl.key.password", "CANARY")];
        let error = tls(&key).unwrap_err().to_string();
        assert!(error.contains("ssl.keystore.certificate.chain") && !error.contains("CANARY"), "{error}");
    }
}
