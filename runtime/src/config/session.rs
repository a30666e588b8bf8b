//! How requests between workers are signed: Connect's `inter.worker.*` (KIP-507).
//!
//! Read by the herder's session keys. Invariant: a worker accepts what it signs itself, and every algorithm named here is one that it can
//! compute.

use configs::{ConfigError, ConfigErrors, Props, config};

/// The algorithms that this worker knows, as Java calls them, with the bytes of a key when `inter.worker.key.size` does not say.
pub const HMAC_ALGORITHMS: [(&str, usize); 4] =
    [("HmacSHA1", 64), ("HmacSHA256", 32), ("HmacSHA384", 48), ("HmacSHA512", 64)];

const KEY_ALGORITHM: &str = "inter.worker.key.generation.algorithm";
const SIGNATURE_ALGORITHM: &str = "inter.worker.signature.algorithm";
const VERIFICATION_ALGORITHMS: &str = "inter.worker.verification.algorithms";

config! {
    /// Options of the signatures of requests between workers.
    pub struct SessionOptions {
        /// What session keys are made for; the same on all workers.
        key_algorithm: String = default("inter.worker.key.generation.algorithm", "HmacSHA256").importance(Low);
        /// The size of session keys in bits; by default what the algorithm asks for.
        key_bits: Option<i32> = optional("inter.worker.key.size").importance(Low).check(range(40, 8192));
        /// How long a session key is used. 0 uses it for ever.
        key_ttl: std::time::Duration = default("inter.worker.key.ttl.ms", 3_600_000).importance(Low);
        /// How this worker signs.
        signature_algorithm: String = default("inter.worker.signature.algorithm", "HmacSHA256").importance(Low);
        /// Which signatures this worker accepts.
        verification_algorithms: Vec<String> = default("inter.worker.verification.algorithms", "HmacSHA256").importance(Low).check(non_empty());
    }
}

impl SessionOptions {
    /// Reads the options, and checks that they go together.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn checked(props: &Props) -> Result<Self, ConfigErrors> {
        let options = Self::parse(props)?;
        let mut errors = ConfigErrors::new();
        let mut said = vec![
            (KEY_ALGORITHM, &options.key_algorithm),
            (SIGNATURE_ALGORITHM, &options.signature_algorithm),
        ];
        said.extend(options.verification_algorithms.iter().map(|name| (VERIFICATION_ALGORITHMS, name)));
        for (option, algorithm) in said {
            if !HMAC_ALGORITHMS.iter().any(|(known, _)| known.eq_ignore_ascii_case(algorithm)) {
                let known: Vec<_> = HMAC_ALGORITHMS.iter().map(|(known, _)| *known).collect();
                let reason = format!("this worker knows {}", known.join(", "));
                errors.push(ConfigError::invalid(option, algorithm, reason));
            }
        }
        if !options.accepts(&options.signature_algorithm) {
            errors.push(ConfigError::invalid(
                SIGNATURE_ALGORITHM,
                &options.signature_algorithm,
                format!("it must be in {VERIFICATION_ALGORITHMS}, or workers would refuse each other"),
            ));
        }
        errors.into_result(options)
    }

    /// Whether a signature of this algorithm is looked at.
    #[must_use]
    pub fn accepts(&self, algorithm: &str) -> bool {
        self.verification_algorithms.iter().any(|known| known.eq_ignore_ascii_case(algorithm))
    }

    /// How many bytes a session key has.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        let bits = self.key_bits.and_then(|bits| usize::try_from(bits).ok());
        let usual = HMAC_ALGORITHMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&self.key_algorithm));
        bits.map_or(usual.map_or(32, |(_, bytes)| *bytes), |bits| bits.div_ceil(8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(said: &[(&str, &str)]) -> Result<SessionOptions, ConfigErrors> {
        let props = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SessionOptions::checked(&props)
    }

    #[test]
    fn defaults_are_connects() {
        let options = checked(&[]).unwrap();
        assert_eq!((options.key_algorithm.as_str(), options.key_bytes()), ("HmacSHA256", 32));
        assert!(options.accepts("hmacsha256") && !options.accepts("HmacSHA1"));
        assert_eq!(checked(&[("inter.worker.key.size", "127")]).unwrap().key_bytes(), 16);
        let longer = [(KEY_ALGORITHM, "HmacSHA512")];
        assert_eq!(checked(&longer).unwrap().key_bytes(), 64);
    }

    #[test]
    fn what_cannot_work_is_refused_at_start() {
        let unverified = checked(&[(SIGNATURE_ALGORITHM, "HmacSHA512")]).unwrap_err().to_string();
        assert!(unverified.contains(VERIFICATION_ALGORITHMS), "{unverified}");
        let unknown = checked(&[(KEY_ALGORITHM, "HmacMD5"), (VERIFICATION_ALGORITHMS, "HmacSHA256,Rot13")]);
        let unknown = unknown.unwrap_err().to_string();
        assert!(
            unknown.contains("HmacMD5") && unknown.contains("Rot13") && unknown.contains("HmacSHA384"),
            "{unknown}"
        );
        assert!(checked(&[("inter.worker.key.size", "8")]).is_err());
    }
}
