//! TLS against a real handshake, and logins against a scripted broker. The certificates in `fixtures` are signed by `ca.pem` (made by
//! openssl for a hundred years, the CA's key thrown away).

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use broker_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use broker_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Identity, Sasl, SaslMechanism, Secret, Security, Tls, TlsError, TlsOptions};
use crate::client::Client;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::net::connection::Connection;
use crate::scripted::{Manners, ScriptedBroker};

const CA: &str = include_str!("fixtures/ca.pem");

/// A certificate and its key.
fn files(name: &str) -> (&'static str, &'static str) {
    match name {
        "server" => (include_str!("fixtures/server.pem"), include_str!("fixtures/server.key")),
        "elsewhere" => (include_str!("fixtures/elsewhere.pem"), include_str!("fixtures/elsewhere.key")),
        _ => (include_str!("fixtures/client.pem"), include_str!("fixtures/client.key")),
    }
}

/// Speaks TLS in front of a broker, as `name`; `mutual` asks clients for a certificate.
async fn encrypted(broker: &ScriptedBroker, name: &str, mutual: bool) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if mutual {
        let roots =
            super::tls::roots_of(vec![CertificateDer::from_pem_slice(CA.as_bytes()).unwrap()]).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let (certificate, key) = files(name);
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, target) = (listener.local_addr().unwrap().to_string(), broker.address.clone());
    tokio::spawn(async move {
        while let Ok((socket, _peer)) = listener.accept().await {
            let Ok(mut encrypted) = acceptor.accept(socket).await else { continue };
            let mut plain = TcpStream::connect(&target).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut encrypted, &mut plain).await);
        }
    });
    address
}

fn with(security: Security) -> ClientConfig {
    ClientConfig { security, request_timeout: Duration::from_secs(5), ..Default::default() }
}

fn trusting(options: TlsOptions) -> ClientConfig {
    let tls = Tls::new(&TlsOptions { trusted: Some(CA.to_owned()), ..options }).unwrap();
    with(Security { tls: Some(tls), sasl: None })
}

fn ours() -> Option<Identity> {
    let (certificates, key) = files("client");
    Some(Identity { certificates: certificates.to_owned(), key: Secret::new(key) })
}

#[tokio::test]
async fn an_encrypted_connection_carries_requests() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let address = encrypted(&broker, "server", false).await;
    for options in [TlsOptions::default(), TlsOptions { allows_tls12: false, ..Default::default() }] {
        let connection = Connection::open(&address, &trusting(options)).await.unwrap();
        let script = async {
            let (_request, answer) = broker.expect::<ListGroupsRequest>().await;
            answer.send(&ListGroupsResponse { throttle_time_ms: 9, ..Default::default() });
        };
        let request = ListGroupsRequest::default();
        let (answer, ()) = tokio::join!(connection.call(&request, i16::MAX, None), script);
        assert_eq!(answer.unwrap().throttle_time_ms, 9);
    }
    // By name, too.
    let by_name = address.replace("127.0.0.1", "localhost");
    Connection::open(&by_name, &trusting(TlsOptions::default())).await.unwrap();
}

#[tokio::test]
async fn who_is_not_trusted_gets_no_connection_and_is_not_asked_again() {
    let broker = ScriptedBroker::start(Manners::default()).await;
    // Made out to another name: refused, unless names do not matter.
    let elsewhere = encrypted(&broker, "elsewhere", false).await;
    let error = Connection::open(&elsewhere, &trusting(TlsOptions::default())).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }) && !error.is_retriable(), "{error}");
    let any_name = TlsOptions { verifies_name: false, ..Default::default() };
    Connection::open(&elsewhere, &trusting(any_name.clone())).await.unwrap();
    // Signed by somebody unknown: refused in any case, and by the client as a whole at once.
    let address = encrypted(&broker, "server", false).await;
    let (stranger, _key) = files("client");
    let tls = Tls::new(&TlsOptions { trusted: Some(stranger.to_owned()), ..any_name }).unwrap();
    let config = with(Security { tls: Some(tls), sasl: None });
    let error = Client::new(ClientConfig { bootstrap_servers: vec![address], ..config }).cluster().await;
    assert!(matches!(error, Err(Error::Tls { .. })), "{error:?}");
    // Somebody who does not speak TLS at all.
    let error = Connection::open(&broker.address, &trusting(TlsOptions::default())).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. } | Error::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_broker_may_ask_who_we_are() {
    let broker = ScriptedBroker::start(Manners::default()).await;
    let address = encrypted(&broker, "server", true).await;
    let known = trusting(TlsOptions { identity: ours(), ..Default::default() });
    Connection::open(&address, &known).await.unwrap();
    assert!(Connection::open(&address, &trusting(TlsOptions::default())).await.is_err());
}

#[test]
fn files_that_do_not_do_are_named() {
    let trusting =
        |text: &str| Tls::new(&TlsOptions { trusted: Some(text.to_owned()), ..Default::default() });
    assert!(matches!(trusting("not PEM"), Err(TlsError::Empty { what: "truststore" })));
    let key = Secret::new(include_str!("fixtures/encrypted.key"));
    let identity = Some(Identity { key, ..ours().unwrap() });
    let options = TlsOptions { trusted: Some(CA.to_owned()), identity, ..Default::default() };
    assert!(matches!(Tls::new(&options), Err(TlsError::EncryptedKey)));
    assert!(!format!("{options:?}").contains("PRIVATE KEY"));
    let (_certificate, other_key) = files("server");
    let identity = Some(Identity { key: Secret::new(other_key), ..ours().unwrap() });
    assert!(matches!(Tls::new(&TlsOptions { identity, ..options }), Err(TlsError::Unusable(_))));
}

fn plain() -> Sasl {
    let (username, password) = ("alice".to_owned(), Secret::new("CANARY-9"));
    Sasl { mechanism: SaslMechanism::Plain, username, password }
}

/// Plays the broker's part of a login by PLAIN. `meanwhile` is told once the login has begun.
async fn admits(broker: &mut ScriptedBroker, meanwhile: impl FnOnce()) {
    let (request, answer) = broker.expect::<SaslHandshakeRequest>().await;
    assert_eq!(&*request.mechanism, "PLAIN");
    meanwhile();
    answer.send(&SaslHandshakeResponse::default());
    let (request, answer) = broker.expect::<SaslAuthenticateRequest>().await;
    assert_eq!(&request.auth_bytes[..], b"\0alice\0CANARY-9");
    answer.send(&SaslAuthenticateResponse { session_lifetime_ms: 300, ..Default::default() });
}

#[tokio::test]
async fn a_session_is_renewed_in_place_and_requests_wait_meanwhile() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let config = with(Security { tls: None, sasl: Some(plain()) });
    let address = broker.address.clone();
    let (connection, ()) = tokio::join!(Connection::open(&address, &config), admits(&mut broker, || ()));
    let connection = connection.unwrap();
    for _session in 0..2 {
        let mut pending = None;
        admits(&mut broker, || {
            // In line from now on, and written only behind the login: the next that comes is SaslAuthenticate.
            pending = Some(connection.start_version(&ListGroupsRequest::default(), 3, true).unwrap());
        })
        .await;
        let (_request, answer) = broker.expect::<ListGroupsRequest>().await;
        answer.send(&ListGroupsResponse::default());
        pending.unwrap().wait(Duration::from_secs(5)).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_login_says_why_and_never_the_password() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let config = ClientConfig {
        bootstrap_servers: vec![broker.address.clone()],
        ..with(Security { tls: None, sasl: Some(plain()) })
    };
    assert!(!format!("{config:?}").contains("CANARY"));
    for (code, expected) in [
        (ErrorCode::UNSUPPORTED_SASL_MECHANISM, "the broker offers SCRAM-SHA-512"),
        (ErrorCode::NONE, "wrong password"),
    ] {
        let client = Client::new(config.clone());
        let script = async {
            let (_request, answer) = broker.expect::<SaslHandshakeRequest>().await;
            let mechanisms = vec!["SCRAM-SHA-512".into()];
            answer.send(&SaslHandshakeResponse { error_code: code, mechanisms });
            if code.is_ok() {
                let (_request, answer) = broker.expect::<SaslAuthenticateRequest>().await;
                answer.send(&SaslAuthenticateResponse {
                    error_code: ErrorCode::SASL_AUTHENTICATION_FAILED,
                    error_message: Some("wrong password".into()),
                    ..Default::default()
                });
            }
        };
        let (refused, ()) = tokio::join!(client.cluster(), script);
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::Authentication { .. }) && !error.is_retriable(), "{error}");
        assert!(error.to_string().contains(expected) && !error.to_string().contains("CANARY"), "{error}");
    }
}

#[tokio::test]
async fn a_broker_that_does_not_know_the_password_hash_is_refused() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let sasl = Sasl { mechanism: SaslMechanism::ScramSha512, ..plain() };
    let config = with(Security { tls: None, sasl: Some(sasl) });
    let address = broker.address.clone();
    let script = async {
        let (request, answer) = broker.expect::<SaslHandshakeRequest>().await;
        assert_eq!(&*request.mechanism, "SCRAM-SHA-512");
        answer.send(&SaslHandshakeResponse::default());
        let (request, answer) = broker.expect::<SaslAuthenticateRequest>().await;
        let first = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
        let nonce = first.strip_prefix("n,,n=alice,r=").unwrap();
        let bytes = format!("r={nonce}more,s=c2FsdA==,i=4096");
        let auth_bytes = bytes.into_bytes().into();
        answer.send(&SaslAuthenticateResponse { auth_bytes, ..Default::default() });
        let (request, answer) = broker.expect::<SaslAuthenticateRequest>().await;
        assert!(request.auth_bytes.starts_with(b"c=biws,r="));
        let auth_bytes = bytes::Bytes::from_static(b"v=AAAA");
        answer.send(&SaslAuthenticateResponse { auth_bytes, ..Default::default() });
    };
    let (connection, ()) = tokio::join!(Connection::open(&address, &config), script);
    let error = connection.unwrap_err();
    assert!(error.to_string().contains("does not know the password"), "{error}");
}
