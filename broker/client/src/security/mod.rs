//! How connections are made safe: TLS below, SASL above it (Kafka's `security.protocol`). Part of [`crate::ClientConfig`]; the
//! connection uses it when it opens.
//!
//! Invariant: a secret is held in [`Secret`], which nothing prints; and no credential leaves before the broker was verified, if
//! TLS is on.

pub(crate) mod login;
mod scram;
mod secret;
#[cfg(test)]
mod tests;
mod tls;

pub use login::{Sasl, SaslMechanism};
pub use secret::Secret;
pub use tls::{Identity, Tls, TlsError, TlsOptions};

/// Neither is `PLAINTEXT`, both are `SASL_SSL`.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Encrypts, and verifies who the broker is.
    pub tls: Option<Tls>,
    /// Proves who we are.
    pub sasl: Option<Sasl>,
}
