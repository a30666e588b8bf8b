//! SASL PLAIN (RFC 4616): user and password in one message, checked against the users in the listener's settings.
//!
//! Invariant: passwords are kept and compared as keyed hashes, in constant time, and an unknown user costs what a known one does.

use std::{collections::HashMap, fmt};

use configs::Password;
use ring::{hmac, rand};

use super::LoginFailure;
use crate::security::jaas::LoginModule;

/// The users of a listener.
#[derive(Clone)]
pub(crate) struct PlainUsers {
    key: hmac::Key,
    /// Keyed hashes of the passwords by user.
    tags: HashMap<String, hmac::Tag>,
    /// Stands for the users who are not there; no password has it.
    nobody: hmac::Tag,
}

impl fmt::Debug for PlainUsers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&String> = self.tags.keys().collect();
        names.sort();
        formatter.debug_tuple("PlainUsers").field(&names).finish()
    }
}

impl PlainUsers {
    /// The users `user_NAME="password"` of a login module.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn of(module: &LoginModule) -> Result<Self, String> {
        let users = module.options.iter().filter_map(|(name, password)| {
            Some((name.strip_prefix("user_")?.to_owned(), Password::from(password.as_str())))
        });
        Self::new(users)
    }

    fn new(users: impl Iterator<Item = (String, Password)>) -> Result<Self, String> {
        let random = rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random)
            .map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let tags =
            users.map(|(name, password)| (name, hmac::sign(&key, password.reveal().as_bytes()))).collect();
        // A password holds no NUL, so this is the hash of none.
        let nobody = hmac::sign(&key, b"\0");
        Ok(Self { key, tags, nobody })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tags.len()
    }

    /// Checks a client's message and gives the user's name.
    pub(crate) fn check(&self, message: &[u8]) -> Result<String, LoginFailure> {
        let (authorization_id, name, password) = read_message(message)?;
        let known = self.tags.get(name);
        let verified = hmac::verify(&self.key, password.as_bytes(), known.unwrap_or(&self.nobody).as_ref());
        if verified.is_err() || known.is_none() {
            return Err(LoginFailure::new("user or password is wrong"));
        }
        if !authorization_id.is_empty() && authorization_id != name {
            return Err(LoginFailure::new("the authorization id is not the user's name"));
        }
        Ok(name.to_owned())
    }
}

/// `[authorization id] NUL user NUL password`.
fn read_message(message: &[u8]) -> Result<(&str, &str, &str), LoginFailure> {
    let text = std::str::from_utf8(message)
        .map_err(|error| LoginFailure(format!("the PLAIN message is not UTF-8: {error}")))?;
    let mut parts = text.split('\0');
    let (Some(authorization_id), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(LoginFailure::new("the PLAIN message has not three parts"));
    };
    if name.is_empty() || password.is_empty() {
        return Err(LoginFailure::new("the PLAIN message has no user or no password"));
    }
    Ok((authorization_id, name, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> PlainUsers {
        let module = crate::security::jaas::parse(
            "PlainLoginModule required username=\"u\" user_alice=\"CANARY\" user_bob=\"b\";",
        );
        PlainUsers::of(&module.unwrap()).unwrap()
    }

    #[test]
    fn only_the_right_password_of_a_known_user_logs_in() {
        let users = users();
        assert_eq!(users.check(b"\0alice\0CANARY").unwrap(), "alice");
        assert_eq!(users.check(b"alice\0alice\0CANARY").unwrap(), "alice");
        for message in [
            &b"\0alice\0CANAR"[..],
            b"\0alice\0b",
            b"\0carol\0b",
            b"\0u\0",
            b"bob\0alice\0CANARY",
            b"\0alice\0",
            b"\0\0CANARY",
            b"alice\0CANARY",
            b"\0alice\0CANARY\0",
            b"\0carol\0\0",
            b"\0alice\0\xff",
            b"",
        ] {
            assert!(users.check(message).is_err(), "{message:?}");
        }
    }

    #[test]
    fn wrong_password_and_unknown_user_look_alike() {
        let users = users();
        assert_eq!(users.check(b"\0alice\0x"), users.check(b"\0carol\0x"));
    }

    #[test]
    fn users_show_no_password() {
        let shown = format!("{:?}", users());
        assert_eq!(shown, "PlainUsers([\"alice\", \"bob\"])");
    }
}
