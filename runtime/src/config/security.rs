//! How connections to brokers are made safe, in Kafka's own options: `security.protocol`, `ssl.*`, `sasl.*`.
//!
//! Valid for the worker, under `producer.`, `consumer.` and `admin.` in its file, and as a connector's overrides; whoever opens a
//! client reads them. Invariant: files are read and checked together with the options, so that a mistake is told before the
//! first connection; and no secret stands in an error.

use std::fs;

use broker_client::{Identity, Sasl, SaslMechanism, Secret, Security, Tls, TlsOptions};
use configs::{ConfigError, ConfigErrors, HIDDEN, Password, Props, config};

use super::jaas::JaasEntry;

config! {
    /// Encryption and authentication towards brokers.
    pub struct SecurityOptions {
        /// How to talk to brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        security_protocol: String = default("security.protocol", "PLAINTEXT").importance(Medium)
            .check(one_of_ignoring_case(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]));
        /// A PEM file with the certificates of those who sign brokers' certificates. Without it the system's are trusted.
        truststore_location: Option<String> = optional("ssl.truststore.location").importance(High);
        /// The same certificates in place, in PEM.
        truststore_certificates: Option<configs::Password> = optional("ssl.truststore.certificates").importance(High);
        /// The format of ssl.truststore.location. Only PEM is read.
        truststore_type: Option<String> = optional("ssl.truststore.type").importance(Medium);
        /// A PEM file with our own private key and certificates, for brokers that ask for one.
        keystore_location: Option<String> = optional("ssl.keystore.location").importance(High);
        /// Our private key in place, in PEM, not encrypted.
        keystore_key: Option<configs::Password> = optional("ssl.keystore.key").importance(High);
        /// Our certificates in place, in PEM: our own first, then those that signed it.
        keystore_certificate_chain: Option<configs::Password> = optional("ssl.keystore.certificate.chain").importance(High);
        /// The format of ssl.keystore.location. Only PEM is read.
        keystore_type: Option<String> = optional("ssl.keystore.type").importance(Medium);
        /// The password of the private key. Encrypted keys are not read: decrypt it, and guard the file by its permissions.
        key_password: Option<configs::Password> = optional("ssl.key.password").importance(High);
        /// `https`: a broker's certificate must be made out to the name that we connect to. Empty: any name will do.
        endpoint_identification: String = default("ssl.endpoint.identification.algorithm", "https").importance(Low)
            .check(one_of_ignoring_case(&["https", ""]));
        /// The versions of TLS to speak: TLSv1.2, TLSv1.3.
        enabled_protocols: Vec<String> = default("ssl.enabled.protocols", "TLSv1.2,TLSv1.3").importance(Medium).check(one_of(&["TLSv1.2", "TLSv1.3"]));
        /// How to prove who we are: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        sasl_mechanism: Option<String> = optional("sasl.mechanism").importance(Medium)
            .check(one_of(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]));
        /// Who we are, as `org.apache.kafka.common.security.scram.ScramLoginModule required username="..." password="...";`.
        sasl_jaas_config: Option<configs::Password> = optional("sasl.jaas.config").importance(Medium);
    }
}

pub(super) const NOT_PEM: &str = "only PEM is read; turn a Java key store into PEM with \
    `keytool -importkeystore -srckeystore STORE -destkeystore STORE.p12 -deststoretype PKCS12` and `openssl pkcs12 -in STORE.p12 -nodes`";

impl SecurityOptions {
    /// Those of some settings that are about security.
    #[must_use]
    pub fn select(props: &Props) -> Props {
        let declared = Self::definition();
        let about = props.iter().filter(|(name, _value)| declared.get(name).is_some());
        about.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What a client is to do, files read.
    ///
    /// # Errors
    /// All that is wrong with options, files and secrets.
    pub fn security(&self) -> Result<Security, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let protocol = self.security_protocol.to_ascii_uppercase();
        let tls = if protocol.ends_with("SSL") { self.tls(&mut errors) } else { None };
        let sasl = if protocol.starts_with("SASL") { self.sasl(&mut errors) } else { None };
        errors.into_result(Security { tls, sasl })
    }

    fn tls(&self, errors: &mut ConfigErrors) -> Option<Tls> {
        for (name, kind) in
            [("ssl.truststore.type", &self.truststore_type), ("ssl.keystore.type", &self.keystore_type)]
        {
            if let Some(kind) = kind.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("PEM")) {
                errors.push(ConfigError::invalid(name, kind, NOT_PEM));
            }
        }
        if self.key_password.is_some() {
            let reason = "encrypted private keys are not read; decrypt the key (openssl pkcs8 -in KEY) and leave this out";
            errors.push(ConfigError::invalid("ssl.key.password", HIDDEN, reason));
        }
        let trusted = self.trusted(errors);
        let identity = self.identity(errors);
        if !errors.is_empty() {
            return None;
        }
        let options = TlsOptions {
            trusted,
            identity,
            verifies_name: !self.endpoint_identification.is_empty(),
            allows_tls12: self.enabled_protocols.iter().any(|version| version == "TLSv1.2"),
            allows_tls13: self.enabled_protocols.iter().any(|version| version == "TLSv1.3"),
        };
        let tls = Tls::new(&options).map_err(|error| {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            errors.push(ConfigError::other(
                "security.protocol",
                format!("TLS cannot be set up: {error}{cause}"),
            ));
        });
        tls.ok()
    }

    fn trusted(&self, errors: &mut ConfigErrors) -> Option<String> {
        if let Some(certificates) = &self.truststore_certificates {
            return Some(unfolded(certificates));
        }
        read("ssl.truststore.location", self.truststore_location.as_ref()?, errors)
    }

    fn identity(&self, errors: &mut ConfigErrors) -> Option<Identity> {
        if let Some(location) = &self.keystore_location {
            let text = read("ssl.keystore.location", location, errors)?;
            return Some(Identity { certificates: text.clone(), key: Secret::new(text) });
        }
        match (&self.keystore_key, &self.keystore_certificate_chain) {
            (Some(key), Some(chain)) => {
                Some(Identity { certificates: unfolded(chain), key: Secret::new(unfolded(key)) })
            }
            (None, None) => None,
            (Some(_), None) => {
                errors.push(ConfigError::missing("ssl.keystore.certificate.chain"));
                None
            }
            (None, Some(_)) => {
                errors.push(ConfigError::missing("ssl.keystore.key"));
                None
            }
        }
    }

    fn sasl(&self, errors: &mut ConfigErrors) -> Option<Sasl> {
        let (mechanism, module) = match self.sasl_mechanism.as_deref() {
            Some("PLAIN") => (SaslMechanism::Plain, "PlainLoginModule"),
            Some("SCRAM-SHA-256") => (SaslMechanism::ScramSha256, "ScramLoginModule"),
            Some("SCRAM-SHA-512") => (SaslMechanism::ScramSha512, "ScramLoginModule"),
            _ => {
                let sentence = "Kafka's default mechanism, GSSAPI (Kerberos), is not spoken here; set sasl.mechanism to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512";
                errors.push(ConfigError::other("sasl.mechanism", sentence));
                return None;
            }
        };
        let Some(line) = &self.sasl_jaas_config else {
            errors.push(ConfigError::missing("sasl.jaas.config"));
            return None;
        };
        let read = JaasEntry::parse(line.reveal()).and_then(|entry| {
            if entry.module.rsplit('.').next() != Some(module) {
                return Err(format!("{} needs {module}", mechanism.name()));
            }
            let (username, password) = (entry.option("username")?, entry.option("password")?);
            let (username, password) = (username.reveal().to_owned(), Secret::new(password.reveal()));
            Ok(Sasl { mechanism, username, password })
        });
        read.map_err(|reason| errors.push(ConfigError::invalid("sasl.jaas.config", HIDDEN, reason))).ok()
    }
}

/// PEM that stands in one line of a settings file, as people write it, with `\n` spelt out or spaces for line ends.
pub(super) fn unfolded(text: &Password) -> String {
    let text = text.reveal().replace("\\n", "\n");
    if text.contains('\n') {
        return text;
    }
    let parts = text.replace("-----END", "\n-----END").replace("-----BEGIN", "\n-----BEGIN");
    let lines = parts.lines().map(|line| {
        match line.strip_prefix("-----").and_then(|rest| rest.split_once("-----")) {
            Some((label, body)) => format!("-----{label}-----\n{}", body.trim()).trim_end().to_owned(),
            None => line.trim().to_owned(),
        }
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn read(option: &str, file: &str, errors: &mut ConfigErrors) -> Option<String> {
    match fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            errors.push(ConfigError::invalid(option, file, NOT_PEM));
            None
        }
        Err(error) => {
            errors.push(ConfigError::invalid(option, file, format!("the file cannot be read: {error}")));
            None
        }
    }
}

#[cfg(test)]
mod tests;
