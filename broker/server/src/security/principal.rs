//! Who a client is: Kafka's principal, written `User:alice`.
//!
//! Invariant: the kind ends at the first colon, so a name may hold colons, commas and equals signs as certificates' names do.

use std::{fmt, str::FromStr, sync::Arc};

/// The only kind of principal that logins give.
pub(crate) const USER: &str = "User";

/// Who a client is, for authorization. Cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// `User` for everyone who logged in.
    pub kind: Arc<str>,
    /// The user's name, or a certificate's distinguished name.
    pub name: Arc<str>,
}

impl Principal {
    /// A user of this name.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self { kind: USER.into(), name: name.into() }
    }

    /// Who did not say who it is.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind, self.name)
    }
}

impl FromStr for Principal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((kind, name)) if !kind.is_empty() => Ok(Self { kind: kind.into(), name: name.into() }),
            Some(_) => Err(format!(
                "Could not parse principal from `{text}` (the principal type is empty, expected such as User:alice)"
            )),
            None => Err(format!(
                "Could not parse principal from `{text}` (no colon is present separating the principal type from the principal name)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_colon_ends_the_kind() {
        let parsed: Principal = "User:CN=a:b,O=c".parse().unwrap();
        assert_eq!((&*parsed.kind, &*parsed.name), ("User", "CN=a:b,O=c"));
        assert_eq!(parsed.to_string(), "User:CN=a:b,O=c");
        assert!("alice".parse::<Principal>().is_err());
        assert!(":alice".parse::<Principal>().is_err());
    }
}
