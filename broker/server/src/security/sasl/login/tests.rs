//! Logins frame by frame.

use broker_protocol::{
    header::{decode_response, encode_request},
    messages::{api_versions::ApiVersionsRequest, metadata::MetadataRequest},
};

use super::*;
use crate::security::{jaas, sasl::credentials::FirstUser};

struct Fixture {
    listener: SaslListener,
    credentials: Credentials,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new(lifetime_max: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let module = jaas::parse("PlainLoginModule required user_alice=\"secret\" user_bob=\"b\";").unwrap();
        let listener = SaslListener {
            mechanisms: Mechanism::ALL.to_vec(),
            plain_users: Some(PlainUsers::of(&module).unwrap()),
            lifetime_max,
            frame_bytes_max: 1024,
            refusal_delay: Duration::ZERO,
        };
        let first = FirstUser::parse_all("SCRAM-SHA-256=[name=alice,password=secret]").unwrap();
        let credentials = Credentials::open(folder.path(), &first).unwrap();
        Self { listener, credentials, _folder: folder }
    }

    fn take(&self, login: &mut Login, frame: Bytes, now: Instant) -> Step {
        let directory = Directory { listener: &self.listener, credentials: &self.credentials };
        let refuse =
            |header: &RequestHeader, _: Reader| header::encode_api_versions_refusal(header.correlation_id);
        login.take(frame, directory, now, refuse).unwrap()
    }
}

fn frame<R: Request>(request: &R, version: i16) -> Bytes {
    encode_request(request, version, 7, Some("test")).unwrap().into_bytes().slice(4..)
}

fn handshake(mechanism: &str, version: i16) -> Bytes {
    frame(&SaslHandshakeRequest { mechanism: mechanism.into() }, version)
}

fn authenticate(message: &[u8], version: i16) -> Bytes {
    frame(&SaslAuthenticateRequest { auth_bytes: Bytes::copy_from_slice(message) }, version)
}

fn answer<R: Request>(encoded: Encoded, version: i16) -> R::Response {
    decode_response::<R>(encoded.into_bytes().slice(4..), version).unwrap()
}

#[track_caller]
fn refused(step: Step) -> (Option<Encoded>, String) {
    match step {
        Step::Refuse(answer, reason) => (answer, reason),
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn answered(step: Step) -> Encoded {
    match step {
        Step::Answer(answer) => answer,
        other => panic!("not answered: {other:?}"),
    }
}

/// Logs in with PLAIN and gives what the client is told.
#[track_caller]
fn log_in(fixture: &Fixture, login: &mut Login, now: Instant) -> SaslAuthenticateResponse {
    answered(fixture.take(login, handshake("PLAIN", 1), now));
    match fixture.take(login, authenticate(b"\0alice\0secret", 2), now) {
        Step::Done(encoded, user) => {
            assert_eq!(user, "alice");
            answer::<SaslAuthenticateRequest>(encoded, 2)
        }
        other => panic!("not logged in: {other:?}"),
    }
}

#[test]
fn only_the_login_is_served_before_the_login() {
    let (fixture, now) = (Fixture::new(Duration::ZERO), Instant::now());
    let mut login = Login::new();
    answered(fixture.take(&mut login, frame(&ApiVersionsRequest::default(), 3), now));
    assert!(login.is_due());
    let metadata = frame(&MetadataRequest::default(), 9);
    let (none, reason) = refused(fixture.take(&mut login, metadata.clone(), now));
    assert!(none.is_none() && reason.contains("before the login"), "{reason}");
    let mut login = Login::new();
    assert_eq!(log_in(&fixture, &mut login, now).session_lifetime_ms, 0);
    assert!(!login.is_due());
    assert!(matches!(fixture.take(&mut login, metadata.clone(), now), Step::Serve(same) if same == metadata));
    for rubbish in [&b""[..], &[0], &[0xff; 40], &[0, 17, 0, 1]] {
        refused(fixture.take(&mut Login::new(), Bytes::copy_from_slice(rubbish), now));
    }
}

#[test]
fn failures_are_told_as_kafka_tells_them() {
    let (fixture, now) = (Fixture::new(Duration::ZERO), Instant::now());
    let mut login = Login::new();
    let (told, _) = refused(fixture.take(&mut login, handshake("GSSAPI", 1), now));
    let told = answer::<SaslHandshakeRequest>(told.unwrap(), 1);
    assert_eq!(told.error_code, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    assert_eq!(told.mechanisms, ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]);

    let (told, _) = refused(fixture.take(&mut Login::new(), authenticate(b"x", 1), now));
    assert_eq!(answer::<SaslAuthenticateRequest>(told.unwrap(), 1).error_code, ErrorCode::ILLEGAL_SASL_STATE);

    for message in [&b"\0alice\0wrong"[..], b"\0carol\0secret", b"rubbish"] {
        let mut login = Login::new();
        answered(fixture.take(&mut login, handshake("PLAIN", 1), now));
        let (told, _) = refused(fixture.take(&mut login, authenticate(message, 1), now));
        let told = answer::<SaslAuthenticateRequest>(told.unwrap(), 1);
        assert_eq!(told.error_code, ErrorCode::SASL_AUTHENTICATION_FAILED);
        assert_eq!(
            told.error_message.as_deref(),
            Some("Authentication failed: Invalid username or password")
        );
    }
}

#[test]
fn scram_with_a_wrong_proof_or_user_is_refused_at_the_end() {
    let (fixture, now) = (Fixture::new(Duration::ZERO), Instant::now());
    for user in ["alice", "nobody"] {
        let mut login = Login::new();
        answered(fixture.take(&mut login, handshake("SCRAM-SHA-256", 1), now));
        let first = format!("n,,n={user},r=abc");
        let told = answered(fixture.take(&mut login, authenticate(first.as_bytes(), 1), now));
        let told = answer::<SaslAuthenticateRequest>(told, 1);
        let server_first = String::from_utf8(told.auth_bytes.to_vec()).unwrap();
        assert!(server_first.ends_with(",i=4096"), "{server_first}");
        let nonce = server_first.split(',').next().unwrap();
        let last = format!("c=biws,{nonce},p={}", "A".repeat(43) + "=");
        let (told, reason) = refused(fixture.take(&mut login, authenticate(last.as_bytes(), 1), now));
        assert_eq!(reason, "user or password is wrong");
        let told = answer::<SaslAuthenticateRequest>(told.unwrap(), 1);
        assert_eq!(told.error_code, ErrorCode::SASL_AUTHENTICATION_FAILED);
    }
}

#[test]
fn bare_messages_follow_a_handshake_of_version_0() {
    let (fixture, now) = (Fixture::new(Duration::ZERO), Instant::now());
    let mut login = Login::new();
    answered(fixture.take(&mut login, handshake("PLAIN", 0), now));
    match fixture.take(&mut login, Bytes::from_static(b"\0alice\0secret"), now) {
        Step::Done(encoded, user) => {
            assert_eq!(user, "alice");
            assert_eq!(&encoded.into_bytes()[..], [0, 0, 0, 0]);
        }
        other => panic!("not logged in: {other:?}"),
    }
    let mut login = Login::new();
    answered(fixture.take(&mut login, handshake("PLAIN", 0), now));
    let (told, _) = refused(fixture.take(&mut login, Bytes::from_static(b"\0alice\0no"), now));
    assert!(told.is_none());
}

#[test]
fn a_login_ends_unless_it_is_renewed_by_the_same_user() {
    let (lifetime, start) = (Duration::from_mins(1), Instant::now());
    let fixture = Fixture::new(lifetime);
    let metadata = frame(&MetadataRequest::default(), 9);
    let mut login = Login::new();
    assert_eq!(log_in(&fixture, &mut login, start).session_lifetime_ms, 60_000);
    let served = fixture.take(&mut login, metadata.clone(), start + lifetime / 2);
    assert!(matches!(served, Step::Serve(_)));

    log_in(&fixture, &mut login, start + lifetime / 2);
    let served = fixture.take(&mut login, metadata.clone(), start + lifetime);
    assert!(matches!(served, Step::Serve(_)), "the new login counts");
    let (_, reason) = refused(fixture.take(&mut login, metadata.clone(), start + lifetime * 2));
    assert!(reason.contains("lifetime"), "{reason}");

    // A renewal may be late, but nothing is served within it, and the user stays.
    let mut login = Login::new();
    log_in(&fixture, &mut login, start);
    answered(fixture.take(&mut login, handshake("PLAIN", 1), start + lifetime * 2));
    refused(fixture.take(&mut login, metadata, start));
    let mut login = Login::new();
    log_in(&fixture, &mut login, start);
    answered(fixture.take(&mut login, handshake("PLAIN", 1), start));
    let (told, _) = refused(fixture.take(&mut login, authenticate(b"\0bob\0b", 1), start));
    let told = answer::<SaslAuthenticateRequest>(told.unwrap(), 1).error_message.unwrap();
    assert!(told.contains("Cannot change principals"), "{told}");
}

#[test]
fn without_a_lifetime_a_second_handshake_is_left_to_the_handlers() {
    let (fixture, now) = (Fixture::new(Duration::ZERO), Instant::now());
    let mut login = Login::new();
    log_in(&fixture, &mut login, now);
    assert!(matches!(fixture.take(&mut login, handshake("PLAIN", 1), now), Step::Serve(_)));
}
