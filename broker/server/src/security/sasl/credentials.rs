//! The users of SCRAM: kept beside the logs, durable before a change is acknowledged.
//!
//! Invariant: passwords are not kept, only what SCRAM checks against. A user who is not there is shown a salt that stays the same, over
//! restarts too, so that asking does not tell who is there.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD as BASE64};
use configs::Password;
use parking_lot::{Mutex, RwLock};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

use super::{
    Mechanism,
    scram::{Credential, ITERATIONS_MAX, ITERATIONS_MIN},
};
use crate::{Error, security::lines};

const FILE: &str = "scram-credentials";
const TITLE: &str = "millrace scram credentials 1";
/// Marks the line of the secret that salts of unknown users come from.
const SECRET: &str = "secret";
const SALT_BYTES: usize = 32;

/// All SCRAM credentials, by user and mechanism.
type Users = BTreeMap<String, BTreeMap<Mechanism, Credential>>;

/// One change to a user.
#[derive(Debug)]
pub(crate) enum Change {
    /// Sets the credential of a mechanism.
    Set(Mechanism, Credential),
    /// Takes it away.
    Remove(Mechanism),
}

/// A first user from the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstUser {
    mechanism: Mechanism,
    name: String,
    password: Password,
    iterations: NonZeroU32,
}

/// The store.
#[derive(Debug)]
pub(crate) struct Credentials {
    path: PathBuf,
    secret: hmac::Key,
    secret_text: Password,
    users: RwLock<Users>,
    /// Held over a change, from what is there to what is written.
    changing: Mutex<()>,
}

impl Credentials {
    /// Reads the credentials of a log directory; a new directory gets those of the first users.
    pub(crate) fn open(log_directory: &Path, first_users: &[FirstUser]) -> Result<Self, Error> {
        let path = log_directory.join(FILE);
        let (users, secret) = match lines::read(&path, TITLE)? {
            Some(lines) => {
                read(&lines).map_err(|reason| Error::DamagedSecurity { path: path.clone(), reason })?
            }
            None => (Users::new(), random()?),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA512, &secret);
        let secret_text = Password::new(BASE64.encode(secret));
        let store =
            Self { path, secret: key, secret_text, users: RwLock::new(users), changing: Mutex::new(()) };
        store.add_missing(first_users)?;
        Ok(store)
    }

    fn add_missing(&self, first_users: &[FirstUser]) -> Result<(), Error> {
        for user in first_users {
            if self.users.read().get(&user.name).is_some_and(|all| all.contains_key(&user.mechanism)) {
                continue;
            }
            let made =
                Credential::of_password(user.mechanism, user.password.reveal(), &random()?, user.iterations);
            if let Some(credential) = made {
                self.change(&user.name, vec![Change::Set(user.mechanism, credential)])?;
                tracing::info!(user = user.name, "{} credential made from the settings", user.mechanism);
            }
        }
        Ok(())
    }

    /// The credential to show to whoever claims to be `user`, and whether the user is there.
    pub(crate) fn find(&self, mechanism: Mechanism, user: &str) -> (Credential, bool) {
        let users = self.users.read();
        if let Some(found) = users.get(user).and_then(|all| all.get(&mechanism)) {
            return (found.clone(), true);
        }
        // As long, and as many iterations, as some real user of the mechanism has.
        let like = users.values().find_map(|all| all.get(&mechanism));
        let salt_bytes = like.map_or(SALT_BYTES, |like| like.salt.len()).min(64);
        let tag = hmac::sign(&self.secret, format!("{mechanism} {user}").as_bytes());
        let key_bytes = if mechanism == Mechanism::ScramSha512 { 64 } else { 32 };
        let shown = Credential {
            salt: tag.as_ref().get(..salt_bytes).unwrap_or_default().to_vec(),
            stored_key: vec![0; key_bytes],
            server_key: vec![0; key_bytes],
            iterations: like.map_or(ITERATIONS_MIN, |like| like.iterations),
        };
        (shown, false)
    }

    /// Mechanisms and iterations of a user; `None` if there is no such user.
    pub(crate) fn describe(&self, user: &str) -> Option<Vec<(Mechanism, u32)>> {
        let users = self.users.read();
        let all = users.get(user)?;
        Some(all.iter().map(|(mechanism, credential)| (*mechanism, credential.iterations)).collect())
    }

    /// The names of all users.
    pub(crate) fn users(&self) -> Vec<String> {
        self.users.read().keys().cloned().collect()
    }

    /// Changes a user and waits until that is on disk.
    pub(crate) fn change(&self, user: &str, changes: Vec<Change>) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let mut users = self.users.read().clone();
        let all = users.entry(user.to_owned()).or_default();
        for change in changes {
            match change {
                Change::Set(mechanism, credential) => all.insert(mechanism, credential),
                Change::Remove(mechanism) => all.remove(&mechanism),
            };
        }
        if all.is_empty() {
            users.remove(user);
        }
        self.write(&users)?;
        *self.users.write() = users;
        Ok(())
    }

    fn write(&self, users: &Users) -> Result<(), Error> {
        let secret: [Vec<Cow<'_, str>>; 1] = [vec![SECRET.into(), self.secret_text.reveal().into()]];
        let credentials = users.iter().flat_map(|(name, all)| {
            all.iter().map(move |(mechanism, credential)| {
                vec![
                    Cow::from(mechanism.name()),
                    credential.iterations.to_string().into(),
                    BASE64.encode(&credential.salt).into(),
                    BASE64.encode(&credential.stored_key).into(),
                    BASE64.encode(&credential.server_key).into(),
                    name.as_str().into(),
                ]
            })
        });
        lines::write(&self.path, TITLE, secret.into_iter().chain(credentials))
    }
}

fn random() -> Result<[u8; SALT_BYTES], Error> {
    let mut bytes = [0; SALT_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|error| Error::System {
        what: "the store of credentials",
        source: std::io::Error::other(format!("no random numbers: {error}")),
    })?;
    Ok(bytes)
}

fn read(lines: &[Vec<String>]) -> Result<(Users, [u8; SALT_BYTES]), String> {
    let bytes = |text: &String| {
        BASE64.decode(text).map_err(|error: DecodeError| format!("a value is not base64: {error}"))
    };
    let (mut users, mut secret) = (Users::new(), None);
    for fields in lines {
        match fields.as_slice() {
            [kind, value] if kind == SECRET => secret = <[u8; SALT_BYTES]>::try_from(bytes(value)?).ok(),
            [mechanism, iterations, salt, stored_key, server_key, name] => {
                let iterations = iterations.parse().map_err(|error| format!("iterations: {error}"))?;
                let credential = Credential {
                    salt: bytes(salt)?,
                    stored_key: bytes(stored_key)?,
                    server_key: bytes(server_key)?,
                    iterations,
                };
                users.entry(name.clone()).or_default().insert(mechanism.parse()?, credential);
            }
            _ => return Err(format!("a line has {} fields", fields.len())),
        }
    }
    Ok((users, secret.ok_or("the secret is missing or has a wrong length")?))
}

impl FirstUser {
    /// Reads users as `kafka-storage --add-scram` takes them, separated by semicolons:
    /// `SCRAM-SHA-256=[name=alice,iterations=8192,password=secret]`. The password is the last part and may hold commas.
    ///
    /// # Errors
    /// What is missing, without the password.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let each = text.split(';').map(str::trim).filter(|user| !user.is_empty());
        each.map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let shape = "expected SCRAM-SHA-256=[name=..,iterations=..,password=..]";
        let (mechanism, rest) = text.split_once('=').ok_or(shape)?;
        let mechanism: Mechanism = mechanism.trim().parse()?;
        if mechanism == Mechanism::Plain {
            return Err(shape.to_owned());
        }
        let inner = rest.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(shape)?;
        let (before, password) = inner.split_once("password=").ok_or("password is missing")?;
        let part =
            |name: &str| before.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let iterations: u32 = match part("iterations") {
            Some(text) => text.parse().map_err(|error| format!("iterations {text:?}: {error}"))?,
            None => ITERATIONS_MIN,
        };
        let iterations = NonZeroU32::new(iterations)
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&count.get()))
            .ok_or_else(|| format!("iterations must be from {ITERATIONS_MIN} to {ITERATIONS_MAX}"))?;
        let name = part("name").filter(|name| !name.is_empty()).ok_or("name is missing")?.to_owned();
        if password.is_empty() {
            return Err("password is empty".to_owned());
        }
        Ok(Self { mechanism, name, password: Password::from(password), iterations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "SCRAM-SHA-256=[name=alice,iterations=8192,password=CANARY,=]";

    #[test]
    fn first_users_are_made_once_and_changes_survive() {
        let folder = tempfile::tempdir().unwrap();
        let first = FirstUser::parse_all(ALICE).unwrap();
        let store = Credentials::open(folder.path(), &first).unwrap();
        let (alice, known) = store.find(Mechanism::ScramSha256, "alice");
        assert!(known && alice.iterations == 8192);
        let (nobody, known) = store.find(Mechanism::ScramSha256, "nobody");
        assert!(!known && nobody.iterations == 8192 && nobody.salt.len() == alice.salt.len());
        assert!(!store.find(Mechanism::ScramSha512, "alice").1);
        store.change("b\no\tb", vec![Change::Set(Mechanism::ScramSha512, nobody.clone())]).unwrap();
        drop(store);

        let store = Credentials::open(folder.path(), &first).unwrap();
        assert_eq!(store.find(Mechanism::ScramSha256, "alice"), (alice, true));
        assert_eq!(store.find(Mechanism::ScramSha256, "nobody").0.salt, nobody.salt);
        assert_eq!(store.users(), ["alice", "b\no\tb"]);
        assert_eq!(store.describe("b\no\tb"), Some(vec![(Mechanism::ScramSha512, 8192)]));
        store.change("b\no\tb", vec![Change::Remove(Mechanism::ScramSha512)]).unwrap();
        assert_eq!(Credentials::open(folder.path(), &[]).unwrap().users(), ["alice"]);
        let file = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!file.contains("CANARY"));
    }

    #[test]
    fn first_users_that_cannot_be_read_are_named_without_their_password() {
        for text in [
            "PLAIN=[name=a,password=CANARY]",
            "SCRAM-SHA-256=[password=CANARY]",
            "SCRAM-SHA-256=[name=a,iterations=1,password=CANARY]",
            "SCRAM-SHA-256=[name=a]",
            "SCRAM-SHA-256=name=a,password=CANARY",
        ] {
            let error = FirstUser::parse_all(text).unwrap_err();
            assert!(!error.contains("CANARY"), "{error}");
        }
        assert!(!format!("{:?}", FirstUser::parse_all(ALICE).unwrap()).contains("CANARY"));
    }
}
