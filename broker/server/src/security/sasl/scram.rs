//! SCRAM-SHA-256 and -512 (RFC 5802, RFC 7677), the server's side, without I/O.
//!
//! The invariants: the final message must repeat the whole nonce of this exchange (its lack was CVE-2024-56128); the proof is compared in
//! constant time; a user who is not there gets the same messages as one with a wrong password, up to the end.

use std::num::NonZeroU32;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{digest, hmac, pbkdf2};

use super::{LoginFailure, Mechanism};

/// Fewest iterations that a credential may have, as in Kafka and RFC 7677.
pub(crate) const ITERATIONS_MIN: u32 = 4096;
/// Most iterations that a credential may have, as in Kafka.
pub(crate) const ITERATIONS_MAX: u32 = 16_384;
/// Longest nonce and user name that are taken from a client.
const TEXT_BYTES_MAX: usize = 1024;
/// The first message's header without channel binding, as the final message must repeat it.
const HEADERS: [&str; 2] = ["n,", "y,"];

/// What the broker keeps of a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: Vec<u8>,
    pub(crate) server_key: Vec<u8>,
    pub(crate) iterations: u32,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credential({} iterations)", self.iterations)
    }
}

/// Hash functions of a mechanism; `None` for PLAIN.
pub(crate) fn algorithms(
    mechanism: Mechanism,
) -> Option<(hmac::Algorithm, &'static digest::Algorithm, pbkdf2::Algorithm)> {
    match mechanism {
        Mechanism::Plain => None,
        Mechanism::ScramSha256 => Some((hmac::HMAC_SHA256, &digest::SHA256, pbkdf2::PBKDF2_HMAC_SHA256)),
        Mechanism::ScramSha512 => Some((hmac::HMAC_SHA512, &digest::SHA512, pbkdf2::PBKDF2_HMAC_SHA512)),
    }
}

impl Credential {
    /// From a password after PBKDF2; `None` if the mechanism is not SCRAM.
    pub(crate) fn of_salted(
        mechanism: Mechanism,
        salted: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Option<Self> {
        let (hmac, hash, _) = algorithms(mechanism)?;
        let key = hmac::Key::new(hmac, salted);
        let client_key = hmac::sign(&key, b"Client Key");
        Some(Self {
            salt: salt.to_vec(),
            stored_key: digest::digest(hash, client_key.as_ref()).as_ref().to_vec(),
            server_key: hmac::sign(&key, b"Server Key").as_ref().to_vec(),
            iterations,
        })
    }

    /// From a password as it is typed; `None` if the mechanism is not SCRAM.
    pub(crate) fn of_password(
        mechanism: Mechanism,
        password: &str,
        salt: &[u8],
        iterations: NonZeroU32,
    ) -> Option<Self> {
        let (_, hash, pbkdf2) = algorithms(mechanism)?;
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(pbkdf2, iterations, salt, password.as_bytes(), &mut salted);
        Self::of_salted(mechanism, &salted, salt, iterations.get())
    }
}

/// The server's side between the first and the final message.
#[derive(Debug)]
pub(crate) struct Exchange {
    mechanism: Mechanism,
    pub(crate) user: String,
    header: String,
    nonce: String,
    client_first_bare: String,
    server_first: String,
    credential: Credential,
    /// Whether there is such a user; if not, all the work is done all the same.
    known: bool,
}

/// What a client's first message says.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) user: String,
    header: String,
    nonce: String,
    bare: String,
}

impl First {
    /// Reads `n,[a=authorization id],n=user,r=nonce`.
    pub(crate) fn read(message: &[u8]) -> Result<Self, LoginFailure> {
        let wrong = |reason: &str| LoginFailure(format!("the first SCRAM message {reason}"));
        let text = std::str::from_utf8(message).map_err(|error| wrong(&format!("is not UTF-8: {error}")))?;
        let header_start = HEADERS.iter().find(|start| text.starts_with(**start));
        let header_start = header_start.ok_or_else(|| wrong("asks for channel binding or has no header"))?;
        let rest = text.strip_prefix(header_start).unwrap_or_default();
        let (authorization, bare) = rest.split_once(',').ok_or_else(|| wrong("ends in its header"))?;
        let authorization = match authorization {
            "" => None,
            id => Some(unescape(id.strip_prefix("a=").ok_or_else(|| wrong("has a wrong header"))?)?),
        };
        let mut fields = bare.split(',');
        let user =
            fields.next().and_then(|field| field.strip_prefix("n=")).ok_or_else(|| wrong("has no user"))?;
        let user = unescape(user)?;
        let nonce =
            fields.next().and_then(|field| field.strip_prefix("r=")).ok_or_else(|| wrong("has no nonce"))?;
        if user.is_empty() || nonce.is_empty() || user.len().max(nonce.len()) > TEXT_BYTES_MAX {
            return Err(wrong("has a user or nonce that is empty or too long"));
        }
        if fields.any(|extension| extension == "tokenauth=true") {
            return Err(wrong("asks for delegation tokens, which are not supported"));
        }
        if authorization.is_some_and(|id| id != user) {
            return Err(wrong("has an authorization id that is not the user"));
        }
        let header = text.strip_suffix(bare).unwrap_or_default().to_owned();
        Ok(Self { user, header, nonce: nonce.to_owned(), bare: bare.to_owned() })
    }
}

impl Exchange {
    /// Answers the first message. `shown` is the credential whose salt and iterations are sent; only if the user is `known`
    /// can the exchange succeed.
    pub(crate) fn begin(
        mechanism: Mechanism,
        first: First,
        (shown, known): (Credential, bool),
        server_nonce: &str,
    ) -> (Self, Vec<u8>) {
        let nonce = format!("{}{server_nonce}", first.nonce);
        let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&shown.salt), shown.iterations);
        let answer = server_first.clone().into_bytes();
        let exchange = Self {
            mechanism,
            user: first.user,
            header: first.header,
            nonce,
            client_first_bare: first.bare,
            server_first,
            credential: shown,
            known,
        };
        (exchange, answer)
    }

    /// Checks the final message and answers it with the server's signature.
    pub(crate) fn finish(&self, message: &[u8]) -> Result<Vec<u8>, LoginFailure> {
        let wrong = |reason: &str| LoginFailure(format!("the final SCRAM message {reason}"));
        let text = std::str::from_utf8(message).map_err(|error| wrong(&format!("is not UTF-8: {error}")))?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(|| wrong("has no proof"))?;
        let proof = BASE64
            .decode(proof)
            .map_err(|error| wrong(&format!("has a proof that is no base64: {error}")))?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        if binding != Some(BASE64.encode(&self.header).as_str()) {
            return Err(wrong("does not repeat the header"));
        }
        if fields.next().and_then(|field| field.strip_prefix("r=")) != Some(self.nonce.as_str()) {
            return Err(wrong("does not repeat the nonce"));
        }
        let refused = || LoginFailure::new("user or password is wrong");
        let credential = &self.credential;
        let (algorithm, hash, _) = algorithms(self.mechanism).ok_or_else(refused)?;
        let signed = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let signature = hmac::sign(&hmac::Key::new(algorithm, &credential.stored_key), signed.as_bytes());
        if proof.len() != hash.output_len() {
            return Err(wrong("has a proof of a wrong length"));
        }
        let client_key: Vec<u8> =
            proof.iter().zip(signature.as_ref()).map(|(proof, signature)| proof ^ signature).collect();
        let stored_key = digest::digest(hash, &client_key);
        if !equal(algorithm, stored_key.as_ref(), &credential.stored_key) || !self.known {
            return Err(refused());
        }
        let signature = hmac::sign(&hmac::Key::new(algorithm, &credential.server_key), signed.as_bytes());
        Ok(format!("v={}", BASE64.encode(signature)).into_bytes())
    }
}

/// Compares in a time that does not depend on where the two differ: by their hashes under the same key.
fn equal(algorithm: hmac::Algorithm, ours: &[u8], theirs: &[u8]) -> bool {
    let key = hmac::Key::new(algorithm, theirs);
    hmac::verify(&key, ours, hmac::sign(&key, theirs).as_ref()).is_ok()
}

/// A name as SCRAM writes it: `=2C` is a comma and `=3D` an equals sign.
fn unescape(name: &str) -> Result<String, LoginFailure> {
    let mut text = String::with_capacity(name.len());
    let mut parts = name.split('=');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(LoginFailure::new("a SCRAM name has an equals sign that is not escaped")),
        };
        text.push(character);
        text.push_str(rest);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(mechanism: Mechanism, password: &str, salt: &str) -> Credential {
        let salt = BASE64.decode(salt).unwrap();
        Credential::of_password(mechanism, password, &salt, NonZeroU32::new(4096).unwrap()).unwrap()
    }

    /// The example of RFC 7677, section 3.
    fn rfc_7677() -> (Exchange, Vec<u8>) {
        let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let credential = credential(Mechanism::ScramSha256, "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==");
        Exchange::begin(Mechanism::ScramSha256, first, (credential, true), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    }

    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_exchange_of_the_rfc_succeeds() {
        let (exchange, server_first) = rfc_7677();
        let expected =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(String::from_utf8(server_first).unwrap(), expected);
        let server_final = exchange.finish(FINAL.as_bytes()).unwrap();
        assert_eq!(server_final, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn the_nonce_the_header_and_the_proof_must_be_right() {
        let (exchange, _) = rfc_7677();
        for (from, to) in [
            ("hNlF$k0", "hNlF$k1"),
            ("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "r=rOprNGfwEbeRWgbNEkqO"),
            ("c=biws", "c=eSws"),
            ("p=dHzb", "p=eHzb"),
            ("AndVQ=", ""),
            (",p=", ",q="),
        ] {
            let message = FINAL.replace(from, to);
            assert_ne!(message, FINAL);
            assert!(exchange.finish(message.as_bytes()).is_err(), "{message}");
        }
        assert!(exchange.finish(b"c=biws,p=").is_err());
        assert!(exchange.finish(b"\xff").is_err());
    }

    #[test]
    fn an_unknown_user_gets_the_same_messages_as_a_wrong_password() {
        let begin = |known| {
            let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
            let shown = credential(Mechanism::ScramSha256, "other", "W22ZaJ0SNY7soEsUEjb6gQ==");
            Exchange::begin(Mechanism::ScramSha256, first, (shown, known), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
        };
        let ((wrong, one), (unknown, two)) = (begin(true), begin(false));
        assert_eq!(one, two);
        assert_eq!(wrong.finish(FINAL.as_bytes()), unknown.finish(FINAL.as_bytes()));
        assert!(unknown.finish(FINAL.as_bytes()).is_err());
    }

    #[test]
    fn first_messages_are_read_strictly() {
        assert_eq!(First::read(b"n,a=us=2Cer,n=us=2Cer,r=x").unwrap().user, "us,er");
        assert_eq!(First::read(b"y,,n=a=3Db,r=x,ext=1").unwrap().user, "a=b");
        for message in [
            "p=tls-unique,,n=user,r=x",
            "n,,n=,r=x",
            "n,,n=user,r=",
            "n,,n=user",
            "n,,r=x,n=user",
            "n,a=other,n=user,r=x",
            "n,b=user,n=user,r=x",
            "n,,n=us=er,r=x",
            "n,,m=ext,n=user,r=x",
            "n,,n=user,r=x,tokenauth=true",
            "n",
            "",
        ] {
            assert!(First::read(message.as_bytes()).is_err(), "{message}");
        }
        let long = format!("n,,n={},r=x", "u".repeat(5000));
        assert!(First::read(long.as_bytes()).is_err());
    }

    #[test]
    fn credentials_do_not_show_their_keys() {
        assert_eq!(
            format!("{:?}", credential(Mechanism::ScramSha512, "p", "c2FsdA==")),
            "Credential(4096 iterations)"
        );
    }
}
