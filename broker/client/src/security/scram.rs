//! The client's side of SCRAM (RFC 5802, with SHA-256 or SHA-512): three messages, no I/O.
//!
//! Invariant: it succeeds only if the server proved that it knows the password's hash too: nonce and signature are checked.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2, rand};

use super::secret::Secret;

/// Fewer iterations protect too little: Kafka's own lower limit.
const ITERATIONS_MIN: u32 = 4096;
/// More are a way to keep us busy, not to protect a password; Kafka's tools allow 16,384.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Scram {
    hash: Hash,
    username: String,
    password: Secret,
    nonce: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Begun,
    /// The final message went out; the server must answer with this signature.
    Proven {
        server_key: hmac::Key,
        signed: String,
    },
    Done,
}

impl Scram {
    /// A conversation with a nonce of its own.
    pub(super) fn new(hash: Hash, username: &str, password: &Secret) -> Result<Self, String> {
        let mut nonce = [0; 24];
        rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut nonce)
            .map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(Self::with_nonce(hash, username, password, STANDARD.encode(nonce)))
    }

    fn with_nonce(hash: Hash, username: &str, password: &Secret, nonce: String) -> Self {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Self { hash, username, password: password.clone(), nonce, state: State::Begun }
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.username, self.nonce)
    }

    /// The first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.bare()).into_bytes()
    }

    /// The answer to a message of the server; `None` once the server has proven itself.
    pub(super) fn next(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let message =
            std::str::from_utf8(message).map_err(|error| format!("not a SCRAM message: {error}"))?;
        match &self.state {
            State::Begun => self.prove(message).map(Some),
            State::Proven { server_key, signed } => {
                if let Some(reason) = attribute(message, 'e') {
                    return Err(format!("the server says {reason}"));
                }
                let signature = attribute(message, 'v').ok_or("the server's signature is missing")?;
                let signature = STANDARD.decode(signature).map_err(|error| error.to_string())?;
                hmac::verify(server_key, signed.as_bytes(), &signature).map_err(
                    |_differs: ring::error::Unspecified| {
                        "the server does not know the password: its signature is wrong".to_owned()
                    },
                )?;
                self.state = State::Done;
                Ok(None)
            }
            State::Done => Err("the server says more than SCRAM has to say".to_owned()),
        }
    }

    fn prove(&mut self, server_first: &str) -> Result<Vec<u8>, String> {
        if let Some(reason) = attribute(server_first, 'e') {
            return Err(format!("the server says {reason}"));
        }
        if server_first.starts_with("m=") {
            return Err("the server asks for a SCRAM extension that this client does not have".to_owned());
        }
        let missing = |what: &str| format!("the server's first message has no {what}");
        let nonce = attribute(server_first, 'r').ok_or_else(|| missing("nonce"))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server's nonce does not continue ours".to_owned());
        }
        let salt = attribute(server_first, 's').ok_or_else(|| missing("salt"))?;
        let salt = STANDARD.decode(salt).map_err(|error| format!("the salt is not base64: {error}"))?;
        let iterations = attribute(server_first, 'i').ok_or_else(|| missing("iteration count"))?;
        let iterations: u32 = iterations.parse().map_err(|error| format!("{iterations}: {error}"))?;
        let counted = NonZeroU32::new(iterations)
            .filter(|_| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations))
            .ok_or_else(|| {
                format!("{iterations} iterations are not within {ITERATIONS_MIN} to {ITERATIONS_MAX}")
            })?;
        let unproven = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{unproven}", self.bare());
        let (proof, server_key) = self.proof(&salt, counted, &signed);
        self.state = State::Proven { server_key, signed };
        Ok(format!("{unproven},p={}", STANDARD.encode(proof)).into_bytes())
    }

    fn proof(&self, salt: &[u8], iterations: NonZeroU32, signed: &str) -> (Vec<u8>, hmac::Key) {
        let (derivation, mac, hash) = match self.hash {
            Hash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256),
            Hash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512),
        };
        let mut salted = zeroize::Zeroizing::new(vec![0; hash.output_len()]);
        pbkdf2::derive(derivation, iterations, salt, self.password.reveal().as_bytes(), &mut salted);
        let salted = hmac::Key::new(mac, &salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(hash, client_key.as_ref());
        let signature = hmac::sign(&hmac::Key::new(mac, stored_key.as_ref()), signed.as_bytes());
        let proof = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, mask)| key ^ mask);
        let server_key = hmac::sign(&salted, b"Server Key");
        (proof.collect(), hmac::Key::new(mac, server_key.as_ref()))
    }
}

/// The value of `name=` in a list separated by commas.
fn attribute(message: &str, name: char) -> Option<&str> {
    message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::{Hash, Scram, Secret};

    /// The conversation of RFC 7677.
    fn example() -> Scram {
        Scram::with_nonce(Hash::Sha256, "user", &Secret::new("pencil"), "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_conversation_of_rfc_7677() {
        let mut scram = example();
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = scram.next(SERVER_FIRST.as_bytes()).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(last).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(scram.next(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(None));
        assert!(scram.next(b"v=again").is_err());
    }

    #[test]
    fn a_server_that_cannot_prove_itself_is_refused() {
        let mut scram = example();
        scram.next(SERVER_FIRST.as_bytes()).unwrap();
        let wrong = scram.next(b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap_err();
        assert!(wrong.contains("does not know the password"), "{wrong}");
        for (message, expected) in [
            ("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=100", "100 iterations"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000", "iterations"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", "base64"),
            ("m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096", "extension"),
            ("e=other-error", "other-error"),
        ] {
            let error = example().next(message.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{message}: {error}");
        }
    }

    #[test]
    fn names_are_quoted_and_secrets_do_not_print() {
        let scram = Scram::new(Hash::Sha512, "a=b,c", &Secret::new("CANARY-7")).unwrap();
        assert!(scram.first().starts_with(b"n,,n=a=3Db=2Cc,r="));
        assert!(!format!("{scram:?}").contains("CANARY"));
    }
}
