//! Who may log in at REST: users with passwords, and bearer tokens, each from a file of its own.
//!
//! The users' file has the form that Kafka Connect's `PropertyFileLoginModule` reads: `name=password`. In place of a password it
//! may hold its hash, `pbkdf2-sha256:<iterations>:<salt>:<hash>` (both in base64), in place of a token
//! `sha256:<hash in hexadecimal>`. Invariants: neither passwords nor tokens are shown; comparing takes as long for a wrong
//! guess as for another.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use configs::{Password, properties};
use ring::{digest, hmac, pbkdf2};

/// How often a password may be hashed at most: more is a mistake, and would let a login hold a core for seconds.
const ITERATIONS_MAX: u32 = 10_000_000;

const PBKDF2: &str = "pbkdf2-sha256:";
const SHA256: &str = "sha256:";

/// What a password is checked against.
enum Known {
    Plain(Password),
    Hashed { iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
}

/// The users and what their passwords are checked against. Clones share it.
#[derive(Clone)]
pub struct Users {
    known: Arc<BTreeMap<String, Known>>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.known.keys()).finish()
    }
}

impl Users {
    /// Reads a users' file.
    ///
    /// # Errors
    /// What is wrong with the file or with a line of it, without the password.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let known = entries(file)?.into_iter().map(|(name, text)| {
            let known = Known::parse(text).map_err(|reason| format!("user {name}: {reason}"))?;
            Ok((name, known))
        });
        Ok(Self { known: Arc::new(known.collect::<Result<_, String>>()?) })
    }

    /// Whether this is the user's password. Takes a while where hashes say so: call it where that harms nobody.
    #[must_use]
    pub fn check(&self, name: &str, password: &str) -> bool {
        match self.known.get(name) {
            Some(known) => known.matches(password),
            // Somebody unknown takes as long as somebody known.
            None => {
                let _ignored: Option<bool> = self.known.values().next().map(|known| known.matches(password));
                false
            }
        }
    }
}

impl Known {
    fn parse(text: String) -> Result<Self, String> {
        let Some(parts) = text.strip_prefix(PBKDF2) else { return Ok(Self::Plain(Password::new(text))) };
        let expected = || format!("expected {PBKDF2}<iterations>:<salt in base64>:<hash in base64>");
        let mut parts = parts.split(':');
        let (Some(iterations), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(expected());
        };
        let iterations: u32 = iterations.parse().map_err(|error| format!("{}: {error}", expected()))?;
        let iterations = NonZeroU32::new(iterations)
            .filter(|iterations| iterations.get() <= ITERATIONS_MAX)
            .ok_or_else(|| format!("iterations must be from 1 to {ITERATIONS_MAX}"))?;
        let decoded = |text: &str| BASE64.decode(text).map_err(|error| format!("{}: {error}", expected()));
        let (salt, hash) = (decoded(salt)?, decoded(hash)?);
        if hash.len() < 16 || hash.len() > 64 || salt.is_empty() {
            return Err("a hash has 16 to 64 bytes, and its salt is not empty".to_owned());
        }
        Ok(Self::Hashed { iterations, salt, hash })
    }

    fn matches(&self, password: &str) -> bool {
        match self {
            // Their hashes are compared, in constant time: how long that takes says nothing about the password.
            Self::Plain(known) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, b"compared and forgotten");
                let tag = hmac::sign(&key, known.reveal().as_bytes());
                hmac::verify(&key, password.as_bytes(), tag.as_ref()).is_ok()
            }
            Self::Hashed { iterations, salt, hash } => {
                let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
                pbkdf2::verify(algorithm, *iterations, salt, password.as_bytes(), hash).is_ok()
            }
        }
    }
}

/// The bearer tokens, by their hashes, each with the name of who has it. Clones share it.
#[derive(Clone)]
pub struct Tokens {
    names: Arc<HashMap<Vec<u8>, String>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.names.values()).finish()
    }
}

impl Tokens {
    /// Reads a tokens' file: `name=token` or `name=sha256:<hash>`.
    ///
    /// # Errors
    /// What is wrong with the file or with a line of it, without the token.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        /// A shorter token can be guessed.
        const TOKEN_BYTES_MIN: usize = 16;
        let mut names = HashMap::new();
        for (name, text) in entries(file)? {
            let hash = match text.strip_prefix(SHA256) {
                Some(hex) => bytes_of_hex(hex)
                    .ok_or_else(|| format!("token of {name}: expected {SHA256} and 64 hexadecimal digits"))?,
                None if text.len() < TOKEN_BYTES_MIN => {
                    return Err(format!("token of {name}: a token has at least {TOKEN_BYTES_MIN} bytes"));
                }
                None => sha256(text.as_bytes()),
            };
            if let Some(other) = names.insert(hash, name.clone()) {
                return Err(format!("{other} and {name} have the same token"));
            }
        }
        Ok(Self { names: Arc::new(names) })
    }

    /// Whose token this is. Looked up by its hash, so that how long it takes says nothing about tokens.
    #[must_use]
    pub fn owner(&self, token: &str) -> Option<&str> {
        self.names.get(&sha256(token.as_bytes())).map(String::as_str)
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|bytes| bytes.len() == 32 && rest.is_empty())
}

/// The lines of a file of secrets, which must name somebody.
fn entries(file: &Path) -> Result<BTreeMap<String, String>, String> {
    let document = properties::read(file).map_err(|error| error.to_string())?;
    if document.props.is_empty() {
        return Err(format!("{} names nobody: expected lines such as alice=secret", file.display()));
    }
    if let Some(name) = document.props.iter().find_map(|(name, text)| text.is_empty().then_some(name)) {
        return Err(format!("{} says nothing for {name}", file.display()));
    }
    Ok(document.props)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// Hash from Python: `hashlib.pbkdf2_hmac("sha256", b"CANARY-2", b"saltsaltsaltsalt", 1000)`.
    const HASHED: &str =
        "pbkdf2-sha256:1000:c2FsdHNhbHRzYWx0c2FsdA==:RlUG4vwGGCESOya8bC7QKhoGah0M5+wg53C/xN76Cv8=";

    #[test]
    fn plain_and_hashed_passwords_are_checked() {
        let file = written(&format!("alice=CANARY-1\nbob={HASHED}\n"));
        let users = Users::read(file.path()).unwrap();
        assert!(users.check("alice", "CANARY-1") && users.check("bob", "CANARY-2"));
        for (name, password) in [("alice", "CANARY-2"), ("bob", HASHED), ("eve", "CANARY-1"), ("alice", "")] {
            assert!(!users.check(name, password), "{name}");
        }
        assert!(!format!("{users:?}").contains("CANARY"));
    }

    #[test]
    fn tokens_are_known_by_their_hashes() {
        let hash = "1c312499f210773b6483de30d0ec4cce49ef219fadf29bc68ec085da56f86007";
        let file = written(&format!("ci=CANARY-token-of-ci\nui=sha256:{hash}\n"));
        let tokens = Tokens::read(file.path()).unwrap();
        assert_eq!(tokens.owner("CANARY-token-of-ci"), Some("ci"));
        assert_eq!(tokens.owner("CANARY-token-of-ui"), Some("ui"));
        assert_eq!((tokens.owner(hash), tokens.owner("")), (None, None));
        assert!(!format!("{tokens:?}").contains("CANARY"));
    }

    #[test]
    fn mistakes_are_told_without_secrets() {
        for text in [
            "",
            "a=",
            "a=pbkdf2-sha256:0:c2FsdA==:CANARY",
            "a=pbkdf2-sha256:x",
            "a=pbkdf2-sha256:1:c2FsdA==:CANARY==",
        ] {
            let error = Users::read(written(text).path()).unwrap_err();
            assert!(!error.contains("CANARY"), "{error}");
        }
        for text in ["a=short", "a=sha256:CANARY", "a=CANARY-CANARY-CANARY\nb=CANARY-CANARY-CANARY"] {
            let error = Tokens::read(written(text).path()).unwrap_err();
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
