//! Signatures of requests between workers (KIP-507): made with the session key of the config topic, and checked against it.
//!
//! Between REST's internal endpoints and the session key; pure. Source: `InternalRequestSignature`. Invariant: a body
//! that nobody who reads the config topic signed is never acted on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{HerderError, HerderErrorKind, HerderResult};
use crate::config::SessionOptions;
use crate::store::config_record::SessionKey;

/// A signature, as it stands in the headers of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `X-Connect-Authorization`: the authentication code of the body, in base64.
    pub authorization: String,
    /// `X-Connect-Request-Signature-Algorithm`, such as `HmacSHA256`.
    pub algorithm: String,
}

impl Signature {
    /// Signs a body.
    ///
    /// # Errors
    /// `Unavailable` as long as there is no key.
    pub(crate) fn sign(
        options: &SessionOptions,
        key: Option<&SessionKey>,
        body: &[u8],
    ) -> HerderResult<Self> {
        let key = hmac_key(&options.signature_algorithm, key.ok_or_else(no_key)?)?;
        let authorization = STANDARD.encode(hmac::sign(&key, body));
        Ok(Self { authorization, algorithm: options.signature_algorithm.clone() })
    }

    /// Checks the signature of a body; `None` is a request without one.
    ///
    /// # Errors
    /// `BadRequest` without a signature or with an algorithm that is not accepted, `Unavailable` as long as there is no key,
    /// `Forbidden` when the signature is wrong.
    pub(crate) fn verify(
        signature: Option<&Self>,
        options: &SessionOptions,
        key: Option<&SessionKey>,
        body: &[u8],
    ) -> HerderResult<()> {
        let Some(Self { authorization, algorithm }) = signature else {
            return Err(HerderError::bad_request("Internal request missing required signature"));
        };
        algorithm_of(algorithm)?;
        if !options.accepts(algorithm) {
            return Err(HerderError::bad_request(format!(
                "This worker does not support the '{algorithm}' key signing algorithm used by other workers. This worker is \
                 currently configured to use: {}. Check that all workers' configuration files permit the same set of \
                 signature algorithms, and correct any misconfigured worker and restart it.",
                options.verification_algorithms.join(", ")
            )));
        }
        let key = hmac_key(algorithm, key.ok_or_else(no_key)?)?;
        let code = STANDARD.decode(authorization).unwrap_or_default();
        hmac::verify(&key, body, &code).map_err(|ring::error::Unspecified| {
            HerderError::new(HerderErrorKind::Forbidden, "Internal request contained invalid signature.")
        })
    }
}

fn no_key() -> HerderError {
    HerderError::new(
        HerderErrorKind::Unavailable,
        "This worker is still starting up and has not been able to read a session key from the config topic yet",
    )
}

fn hmac_key(algorithm: &str, key: &SessionKey) -> HerderResult<hmac::Key> {
    let bytes = STANDARD.decode(&key.key);
    let bytes = bytes.map_err(|error| {
        HerderError::internal(format!("the session key in the config topic is not base64: {error}"))
    })?;
    Ok(hmac::Key::new(algorithm_of(algorithm)?, &bytes))
}

fn algorithm_of(name: &str) -> HerderResult<hmac::Algorithm> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "hmacsha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "hmacsha256" => hmac::HMAC_SHA256,
        "hmacsha384" => hmac::HMAC_SHA384,
        "hmacsha512" => hmac::HMAC_SHA512,
        _ => return Err(HerderError::bad_request(format!("Algorithm {name} not available"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use configs::Props;

    fn key(text: &str) -> SessionKey {
        SessionKey { key: STANDARD.encode(text), algorithm: "HmacSHA256".to_owned(), creation_timestamp: 0 }
    }

    fn kind(outcome: HerderResult<()>) -> Option<HerderErrorKind> {
        outcome.err().map(|error| error.kind)
    }

    /// The code was computed with `printf '[]' | openssl dgst -sha256 -hmac key -binary | base64`.
    #[test]
    fn signatures_are_connects() {
        let options = SessionOptions::checked(&Props::new()).unwrap();
        let signed = Signature::sign(&options, Some(&key("key")), b"[]").unwrap();
        assert_eq!(signed.algorithm, "HmacSHA256");
        assert_eq!(signed.authorization, EXPECTED);
        Signature::verify(Some(&signed), &options, Some(&key("key")), b"[]").unwrap();
    }

    const EXPECTED: &str = "jPPVhLrEIHDkTySaVQkQvQB30YqcxipUxZxnWEWL8Bo=";

    #[test]
    fn each_refusal_has_its_kind() {
        let options = SessionOptions::checked(&Props::new()).unwrap();
        let verify = |signature: Option<&Signature>, key: Option<&SessionKey>, body: &[u8]| {
            kind(Signature::verify(signature, &options, key, body))
        };
        let session = key("key");
        let signed = Signature::sign(&options, Some(&session), b"[]").unwrap();
        assert_eq!(verify(None, None, b"[]"), Some(HerderErrorKind::BadRequest));
        assert_eq!(verify(Some(&signed), None, b"[]"), Some(HerderErrorKind::Unavailable));
        assert_eq!(verify(Some(&signed), Some(&session), b"[1]"), Some(HerderErrorKind::Forbidden));
        assert_eq!(verify(Some(&signed), Some(&key("other")), b"[]"), Some(HerderErrorKind::Forbidden));
        for algorithm in ["HmacSHA512", "HmacNope"] {
            let other = Signature { algorithm: algorithm.to_owned(), ..signed.clone() };
            assert_eq!(verify(Some(&other), Some(&session), b"[]"), Some(HerderErrorKind::BadRequest));
        }
        assert!(Signature::sign(&options, None, b"[]").is_err());
    }
}
