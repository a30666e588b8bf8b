//! How a listener is protected: Kafka's four security protocols.

use std::str::FromStr;

/// Whether a listener encrypts, and whether its clients log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither.
    #[default]
    Plaintext,
    /// TLS; clients may prove who they are with a certificate.
    Ssl,
    /// Logins without encryption.
    SaslPlaintext,
    /// Logins within TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether connections are encrypted.
    #[must_use]
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients log in.
    #[must_use]
    pub const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl FromStr for SecurityProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(Self::Plaintext),
            "SSL" => Ok(Self::Ssl),
            "SASL_PLAINTEXT" => Ok(Self::SaslPlaintext),
            "SASL_SSL" => Ok(Self::SaslSsl),
            _ => Err(format!(
                "{text} is no security protocol: use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, or map the listener's name to one of them in listener.security.protocol.map"
            )),
        }
    }
}
