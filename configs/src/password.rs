//! A text that does not print itself: what a PASSWORD option holds.
//!
//! The invariant: no formatter, error or log line shows the text; only [`Password::reveal`] gives it, so that every use is greppable.

use std::fmt;

use zeroize::Zeroizing;

/// What stands where a secret would: Kafka's `Password.HIDDEN`.
pub const HIDDEN: &str = "[hidden]";

/// A secret. `Debug` and `Display` print [`HIDDEN`]; the memory is zeroed on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the secret over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the one who sends it where it belongs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_prints_nothing_of_itself() {
        let password = Password::from("CANARY-1");
        assert_eq!(
            format!("{password} {password:?} {:?}", Some(&password)),
            "[hidden] [hidden] Some([hidden])"
        );
        assert_eq!(password.reveal(), "CANARY-1");
    }
}
