//! How do clients log in? The mechanisms PLAIN and SCRAM, and the exchange that leads through them.
//!
//! `login` is the state of one connection's login, `scram` and `plain` are the mechanisms, `credentials` keeps what SCRAM checks against.
//! All but `credentials` is pure.

pub(crate) mod credentials;
pub(crate) mod login;
pub(crate) mod plain;
pub(crate) mod scram;

use std::{fmt, str::FromStr};

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl Mechanism {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// The registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mechanism| mechanism.name() == text);
        found.ok_or_else(|| format!("{text} is not supported: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"))
    }
}

/// Why a login failed: for the log. The client gets [`FAILED`] whatever it was, so that it learns nothing about users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginFailure(pub(crate) String);

impl LoginFailure {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for LoginFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
