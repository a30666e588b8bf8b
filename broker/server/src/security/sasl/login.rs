//! The login of one connection, without I/O: which frames may come before it, what answers them, and when it must be renewed.
//!
//! Invariants: before the login only ApiVersions, SaslHandshake and SaslAuthenticate are answered, anything else ends the connection;
//! a login that was renewed keeps its user and its mechanism (KIP-368); after a session's lifetime nothing but a new login is served.

use std::time::{Duration, Instant};

use broker_protocol::{
    ApiKey, EncodeError, Encoded, ErrorCode, Request,
    header::{self, RequestHeader},
    messages::{
        sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse},
        sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse},
    },
    reader::Reader,
    writer::Writer,
};
use bytes::Bytes;

use super::{
    LoginFailure, Mechanism,
    credentials::Credentials,
    plain::PlainUsers,
    scram::{Exchange, First},
};

/// How a listener's clients log in.
#[derive(Clone, Debug)]
pub(crate) struct SaslListener {
    /// `sasl.enabled.mechanisms`.
    pub(crate) mechanisms: Vec<Mechanism>,
    /// Users of PLAIN.
    pub(crate) plain_users: Option<PlainUsers>,
    /// `connections.max.reauth.ms`; zero for sessions without an end.
    pub(crate) lifetime_max: Duration,
    /// `sasl.server.max.receive.size`: largest frame before the login.
    pub(crate) frame_bytes_max: usize,
    /// `connection.failed.authentication.delay.ms`: how long a refusal is held back.
    pub(crate) refusal_delay: Duration,
}

/// Who can be logged in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory<'a> {
    pub(crate) listener: &'a SaslListener,
    pub(crate) credentials: &'a Credentials,
}

/// What becomes of a frame.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is none of the login's: serve it.
    Serve(Bytes),
    /// The login goes on with this answer.
    Answer(Encoded),
    /// The login is done, with this answer; the session begins.
    Done(Encoded, String),
    /// The login failed: this answer, and the connection's end.
    Refuse(Option<Encoded>, String),
}

/// Where a connection's login stands.
#[derive(Debug)]
pub(crate) struct Login {
    stage: Stage,
    session: Option<LoggedIn>,
}

#[derive(Debug)]
enum Stage {
    /// A handshake is due (or ApiVersions).
    Handshake,
    /// The mechanism's messages are due: in SaslAuthenticate requests, or bare after a handshake of version 0.
    Messages { mechanism: Mechanism, framed: bool, exchange: Option<Box<Exchange>> },
    /// Done.
    Session,
}

#[derive(Debug)]
struct LoggedIn {
    user: String,
    mechanism: Mechanism,
    /// Requests after this are not served.
    end: Option<Instant>,
    /// Whether the client knows how to renew a login.
    renews: bool,
}

/// What a message of a mechanism leads to.
enum Progress {
    Continue(Vec<u8>),
    Success(Vec<u8>, String),
}

impl Login {
    /// The start of a connection.
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Handshake, session: None }
    }

    /// Whether the first login is still due.
    pub(crate) fn is_due(&self) -> bool {
        self.session.is_none()
    }

    /// Takes a frame.
    pub(crate) fn take(
        &mut self,
        frame: Bytes,
        directory: Directory<'_>,
        now: Instant,
        api_versions: impl FnOnce(&RequestHeader, Reader) -> Result<Encoded, EncodeError>,
    ) -> Result<Step, EncodeError> {
        if let Stage::Messages { framed: false, .. } = self.stage {
            return self.bare_message(&frame, directory, now);
        }
        let api = frame.first_chunk::<2>().map(|key| i16::from_be_bytes(*key));
        let api = api.and_then(|key| ApiKey::try_from(key).ok());
        if matches!(self.stage, Stage::Session) {
            let session = self.session.as_ref();
            if api == Some(ApiKey::SaslHandshake) && session.is_some_and(|session| session.renews) {
                self.stage = Stage::Handshake;
            } else if session.and_then(|session| session.end).is_some_and(|end| now >= end) {
                return Ok(Step::Refuse(
                    None,
                    "the login's lifetime is over and it was not renewed".to_owned(),
                ));
            } else {
                return Ok(Step::Serve(frame));
            }
        }
        match api {
            Some(ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate) => {}
            _ => return Ok(Step::Refuse(None, "a request came before the login".to_owned())),
        }
        let mut reader = Reader::new(frame, false);
        let header = match RequestHeader::read(&mut reader) {
            Ok(header) => header,
            Err(error) => return Ok(Step::Refuse(None, error.to_string())),
        };
        match api {
            Some(ApiKey::ApiVersions) => Ok(Step::Answer(api_versions(&header, reader)?)),
            Some(ApiKey::SaslHandshake) => self.handshake(&header, reader, directory),
            _ => self.authenticate(&header, reader, directory, now),
        }
    }

    fn handshake(
        &mut self,
        header: &RequestHeader,
        reader: Reader,
        directory: Directory<'_>,
    ) -> Result<Step, EncodeError> {
        let request: SaslHandshakeRequest = match body(header, reader) {
            Ok(request) => request,
            Err(reason) => return Ok(Step::Refuse(None, reason)),
        };
        let enabled = &directory.listener.mechanisms;
        let answer = |error_code| {
            let mechanisms = enabled.iter().map(|mechanism| mechanism.name().into()).collect();
            encode(header, &SaslHandshakeResponse { error_code, mechanisms })
        };
        if !matches!(self.stage, Stage::Handshake) {
            let refusal = answer(ErrorCode::ILLEGAL_SASL_STATE)?;
            return Ok(Step::Refuse(Some(refusal), "a second handshake within a login".to_owned()));
        }
        let chosen = enabled.iter().find(|mechanism| mechanism.name() == &*request.mechanism);
        let Some(mechanism) = chosen.copied() else {
            let refusal = answer(ErrorCode::UNSUPPORTED_SASL_MECHANISM)?;
            let reason = format!("mechanism {:?} is not enabled", shortened(&request.mechanism));
            return Ok(Step::Refuse(Some(refusal), reason));
        };
        self.stage = Stage::Messages { mechanism, framed: header.api_version > 0, exchange: None };
        Ok(Step::Answer(answer(ErrorCode::NONE)?))
    }

    fn authenticate(
        &mut self,
        header: &RequestHeader,
        reader: Reader,
        directory: Directory<'_>,
        now: Instant,
    ) -> Result<Step, EncodeError> {
        let request: SaslAuthenticateRequest = match body(header, reader) {
            Ok(request) => request,
            Err(reason) => return Ok(Step::Refuse(None, reason)),
        };
        let refuse = |error_code, message: &str, reason: String| {
            let error_message = Some(message.into());
            let response = SaslAuthenticateResponse { error_code, error_message, ..Default::default() };
            Ok(Step::Refuse(Some(encode(header, &response)?), reason))
        };
        if !matches!(self.stage, Stage::Messages { .. }) {
            let message = "SaslAuthenticate request received before SASL handshake";
            return refuse(ErrorCode::ILLEGAL_SASL_STATE, message, message.to_owned());
        }
        match self.advance(&request.auth_bytes, directory) {
            Ok(Progress::Continue(message)) => {
                let response = SaslAuthenticateResponse { auth_bytes: message.into(), ..Default::default() };
                Ok(Step::Answer(encode(header, &response)?))
            }
            Ok(Progress::Success(message, user)) => {
                let lifetime = directory.listener.lifetime_max;
                self.complete(user.clone(), directory, now, header.api_version >= 1);
                let response = SaslAuthenticateResponse {
                    auth_bytes: message.into(),
                    session_lifetime_ms: i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
                    ..Default::default()
                };
                Ok(Step::Done(encode(header, &response)?, user))
            }
            Err((message, failure)) => {
                refuse(ErrorCode::SASL_AUTHENTICATION_FAILED, &message, failure.to_string())
            }
        }
    }

    /// A message as clients before Kafka 1.0 send it: the frame is the message. There is no way to tell them of a failure.
    fn bare_message(
        &mut self,
        message: &[u8],
        directory: Directory<'_>,
        now: Instant,
    ) -> Result<Step, EncodeError> {
        match self.advance(message, directory) {
            Ok(Progress::Continue(answer)) => Ok(Step::Answer(bare(&answer)?)),
            Ok(Progress::Success(answer, user)) => {
                self.complete(user.clone(), directory, now, false);
                Ok(Step::Done(bare(&answer)?, user))
            }
            Err((_, failure)) => Ok(Step::Refuse(None, failure.to_string())),
        }
    }

    /// One message of the mechanism; with an error comes what the client is told of it.
    fn advance(
        &mut self,
        message: &[u8],
        directory: Directory<'_>,
    ) -> Result<Progress, (String, LoginFailure)> {
        let Stage::Messages { mechanism, exchange, .. } = &mut self.stage else {
            let failure = LoginFailure::new("a message of a mechanism without a handshake");
            return Err((failure.to_string(), failure));
        };
        let mechanism = *mechanism;
        let failed = |failure: LoginFailure| {
            let told = match mechanism {
                Mechanism::Plain => "Authentication failed: Invalid username or password".to_owned(),
                _ => format!(
                    "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
                ),
            };
            (told, failure)
        };
        let progress = match (mechanism, exchange.as_ref()) {
            (Mechanism::Plain, _) => check_plain(directory, message),
            (_, None) => begin_scram(mechanism, directory, message).map(|(begun, answer)| {
                *exchange = Some(Box::new(begun));
                Progress::Continue(answer)
            }),
            (_, Some(begun)) => {
                begun.finish(message).map(|answer| Progress::Success(answer, begun.user.clone()))
            }
        };
        let progress = progress.map_err(failed)?;
        if let (Progress::Success(_, user), Some(before)) = (&progress, &self.session) {
            before.check_renewal(user, mechanism)?;
        }
        Ok(progress)
    }

    fn complete(&mut self, user: String, directory: Directory<'_>, now: Instant, renews: bool) {
        let Stage::Messages { mechanism, .. } = self.stage else { return };
        let lifetime = directory.listener.lifetime_max;
        let end = if lifetime.is_zero() { None } else { now.checked_add(lifetime) };
        self.stage = Stage::Session;
        self.session = Some(LoggedIn { user, mechanism, end, renews: renews && end.is_some() });
    }
}

impl LoggedIn {
    fn check_renewal(&self, user: &str, mechanism: Mechanism) -> Result<(), (String, LoginFailure)> {
        if self.user != user {
            let told = format!(
                "Cannot change principals during re-authentication from User.{} to User.{user}",
                self.user
            );
            return Err((told.clone(), LoginFailure(told)));
        }
        if self.mechanism != mechanism {
            let told = format!(
                "SASL mechanism '{mechanism}' requested by client is not supported for re-authentication of mechanism '{}'",
                self.mechanism
            );
            return Err((told.clone(), LoginFailure(told)));
        }
        Ok(())
    }
}

fn check_plain(directory: Directory<'_>, message: &[u8]) -> Result<Progress, LoginFailure> {
    let users = directory.listener.plain_users.as_ref();
    let users = users.ok_or_else(|| LoginFailure::new("PLAIN has no users"))?;
    users.check(message).map(|user| Progress::Success(Vec::new(), user))
}

fn begin_scram(
    mechanism: Mechanism,
    directory: Directory<'_>,
    message: &[u8],
) -> Result<(Exchange, Vec<u8>), LoginFailure> {
    let first = First::read(message)?;
    let found = directory.credentials.find(mechanism, &first.user);
    // 122 random bits of the system's generator, as text without commas.
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    Ok(Exchange::begin(mechanism, first, found, &nonce))
}

fn body<R: Request>(header: &RequestHeader, mut reader: Reader) -> Result<R, String> {
    header::check_version(header).map_err(|error| error.to_string())?;
    R::decode_from(&mut reader, header.api_version).map_err(|error| error.to_string())
}

fn encode<M: broker_protocol::Message>(header: &RequestHeader, response: &M) -> Result<Encoded, EncodeError> {
    let api =
        if M::NAME.starts_with("SaslHandshake") { ApiKey::SaslHandshake } else { ApiKey::SaslAuthenticate };
    header::encode_response(api, response, header.api_version, header.correlation_id)
}

fn bare(message: &[u8]) -> Result<Encoded, EncodeError> {
    let mut writer = Writer::new(false);
    writer.bytes(Some(&Bytes::copy_from_slice(message)))?;
    Ok(writer.finish())
}

/// Text from a client, for a line in the log.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
