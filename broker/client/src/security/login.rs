//! The conversation by which a client proves who it is (SaslHandshake, SaslAuthenticate), without I/O: the connection carries the
//! messages, at its beginning and whenever the session is about to end (KIP-368).

use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use broker_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::scram::{Hash, Scram};
use super::secret::Secret;

/// How a client proves who it is (`sasl.mechanism`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// Name and password as they are: only over TLS.
    Plain,
    /// By a hash of the password; the broker proves itself too.
    ScramSha256,
    /// The same with a longer hash.
    ScramSha512,
}

impl SaslMechanism {
    /// Its registered name, as `SCRAM-SHA-256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Who we are.
#[derive(Debug, Clone)]
pub struct Sasl {
    /// How it is proven.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: Secret,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    Ask(SaslAuthenticateRequest),
    /// It is done; the session lasts this long, or for ever.
    Done(Option<Duration>),
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Login {
    sasl: Sasl,
    scram: Option<Scram>,
}

impl Login {
    pub(crate) fn new(sasl: &Sasl) -> Self {
        Self { sasl: sasl.clone(), scram: None }
    }

    /// The mechanism is asked for first.
    pub(crate) fn handshake(&self) -> SaslHandshakeRequest {
        SaslHandshakeRequest { mechanism: self.sasl.mechanism.name().into() }
    }

    /// The broker answered the handshake. An error is the reason why it ends here.
    pub(crate) fn begin(
        &mut self,
        answer: &SaslHandshakeResponse,
    ) -> Result<SaslAuthenticateRequest, String> {
        match answer.error_code {
            ErrorCode::NONE => {}
            ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
                let offered: Vec<&str> = answer.mechanisms.iter().map(|name| &**name).collect();
                return Err(format!("the broker offers {} (sasl.mechanism)", offered.join(", ")));
            }
            code => return Err(format!("the broker answered {code} to SaslHandshake")),
        }
        let Sasl { mechanism, username, password } = &self.sasl;
        let bytes = match mechanism {
            SaslMechanism::Plain => format!("\0{username}\0{}", password.reveal()).into_bytes(),
            SaslMechanism::ScramSha256 => self.begin_scram(Hash::Sha256)?,
            SaslMechanism::ScramSha512 => self.begin_scram(Hash::Sha512)?,
        };
        Ok(SaslAuthenticateRequest { auth_bytes: bytes.into() })
    }

    fn begin_scram(&mut self, hash: Hash) -> Result<Vec<u8>, String> {
        let scram = Scram::new(hash, &self.sasl.username, &self.sasl.password)?;
        Ok(self.scram.insert(scram).first())
    }

    /// The broker answered a SaslAuthenticate.
    pub(crate) fn next(&mut self, answer: &SaslAuthenticateResponse) -> Result<Step, String> {
        if let Err(code) = answer.error_code.check() {
            let message = answer.error_message.as_deref().filter(|text| !text.is_empty());
            return Err(message.map_or_else(|| format!("the broker answered {code}"), ToOwned::to_owned));
        }
        if let Some(scram) = &mut self.scram
            && let Some(bytes) = scram.next(&answer.auth_bytes)?
        {
            return Ok(Step::Ask(SaslAuthenticateRequest { auth_bytes: bytes.into() }));
        }
        let lifetime = u64::try_from(answer.session_lifetime_ms).ok().filter(|lifetime| *lifetime > 0);
        Ok(Step::Done(lifetime.map(Duration::from_millis)))
    }
}
