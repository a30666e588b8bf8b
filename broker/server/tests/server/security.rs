//! Encryption, logins, rights and limits, with librdkafka and with clients that mean ill.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use broker_protocol::messages::{
    api_versions::ApiVersionsRequest, metadata::MetadataRequest, sasl_authenticate::SaslAuthenticateRequest,
    sasl_handshake::SaslHandshakeRequest,
};
use broker_protocol::{ErrorCode, messages::describe_acls::DescribeAclsRequest};
use broker_server::{Broker, BrokerConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::TlsConnector;

use crate::client::{Client, TestError, TestResult};

const PLAIN: &str =
    "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";";

/// Who signs certificates in a test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Result<Self, TestError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Certificate and key of a name.
    fn sign(&self, name: &str) -> Result<(String, String), TestError> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Millrace");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}

/// A broker with these settings over the folder's, and the certificates in the folder.
async fn start(folder: &Path, authority: &Authority, settings: &[(&str, &str)]) -> Result<Broker, TestError> {
    let (certificate, key) = authority.sign("broker")?;
    fs::write(folder.join("ca.pem"), &authority.pem)?;
    fs::write(folder.join("broker.pem"), certificate + &key)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let mut props: configs::Props = [
        ("log.dirs", path("data")),
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.keystore.location", path("broker.pem")),
        ("ssl.truststore.location", path("ca.pem")),
        ("ssl.reload.interval.ms", "100".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    props.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Ok(Broker::start(BrokerConfig::from_props(&props).map_err(|errors| errors.to_string())?).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafka_logs_in_and_does_what_it_may() -> TestResult {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let servers =
        std::env::var_os("MILLRACE_SERVERS").map_or_else(|| repository.join("target/servers"), PathBuf::from);
    let python = servers.join("python/bin/python");
    if !python.exists() {
        eprintln!("skipped: run `tests/servers/provide confluent-kafka` (`make test` does)");
        return Ok(());
    }
    let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
    let (certificate, key) = authority.sign("client")?;
    fs::write(folder.path().join("client.pem"), certificate)?;
    fs::write(folder.path().join("client.key"), key)?;
    let broker = start(
        folder.path(),
        &authority,
        &[
            ("listeners", "SASL_SSL://127.0.0.1:0,SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,PLAINTEXT://127.0.0.1:0"),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", PLAIN),
            ("listener.name.sasl_plaintext.plain.sasl.jaas.config", PLAIN),
            ("listener.name.ssl.ssl.client.auth", "required"),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("super.users", "User:admin"),
            ("scram.bootstrap.users", "SCRAM-SHA-256=[name=admin,password=admin-secret]"),
        ],
    )
    .await?;
    let addresses: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/security.py");
    let mut command = Command::new(python);
    command.arg(script).args(addresses).arg(folder.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(broker.metrics().logins_failed > 0);
    broker.shutdown().await?;
    Ok(())
}

/// The certificate that a listener shows.
async fn shown(broker: &Broker, authority: &Authority) -> Result<Vec<u8>, TestError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(broker.addresses()[0]).await?;
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let chain = stream.get_ref().1.peer_certificates().ok_or("no certificate")?;
    Ok(chain[0].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_taken_over_when_they_change_and_bad_ones_are_not() -> TestResult {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
    let broker = start(folder.path(), &authority, &[("listeners", "SSL://127.0.0.1:0")]).await?;
    let before = shown(&broker, &authority).await?;
    let path = folder.path().join("broker.pem");
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")?;
    assert_eq!(shown(&broker, &authority).await?, before);
    let (certificate, key) = authority.sign("broker")?;
    fs::write(&path, certificate + &key)?;
    let changed = async {
        while shown(&broker, &authority).await? == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, TestError>(())
    };
    tokio::time::timeout(Duration::from_secs(20), changed).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_open_connections_hold_nobody_up_and_end() -> TestResult {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
    let settings = [
        ("listeners", "PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0"),
        ("connections.login.timeout.ms", "3000"),
        ("max.connections", "1500"),
    ];
    let broker = start(folder.path(), &authority, &settings).await?;
    let mut half_open = Vec::new();
    for at in 0..1000 {
        let mut stream = TcpStream::connect(broker.addresses()[1 + at % 2]).await?;
        // Some begin a handshake or a frame and leave it at that.
        if at % 3 == 0 {
            stream.write_all(&[22, 3, 1][..at % 4]).await?;
        }
        half_open.push(stream);
    }
    let started = std::time::Instant::now();
    let mut client = Client::connect(&broker).await?;
    client.ask(MetadataRequest::default(), 9).await?;
    assert!(started.elapsed() < Duration::from_secs(2), "held up for {:?}", started.elapsed());
    let ended = async {
        while broker.metrics().connections > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await?;
    client.ask(MetadataRequest::default(), 9).await?;
    Ok(())
}

#[tokio::test]
async fn before_the_login_frames_are_small_and_few_requests_are_served() -> TestResult {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
    let broker = start(folder.path(), &authority, &[("listeners", "SASL_PLAINTEXT://127.0.0.1:0")]).await?;
    let mut large = Client::connect(&broker).await?;
    large.stream.write_all(&(512 * 1024 + 1_i32).to_be_bytes()).await?;
    assert!(large.is_closed().await);

    let mut early = Client::connect(&broker).await?;
    early.send(&MetadataRequest::default(), 9).await?;
    assert!(early.is_closed().await);

    let mut client = Client::connect(&broker).await?;
    let versions = client.ask(ApiVersionsRequest::default(), 0).await?;
    assert!(versions.api_keys.iter().any(|api| api.api_key == 36));
    let handshake = SaslHandshakeRequest { mechanism: "SCRAM-SHA-256".into() };
    assert_eq!(client.ask(handshake, 1).await?.error_code, ErrorCode::NONE);
    let rubbish = SaslAuthenticateRequest { auth_bytes: "rubbish".into() };
    let refused = client.ask(rubbish, 2).await?;
    assert_eq!(refused.error_code, ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert!(client.is_closed().await);
    Ok(())
}

#[tokio::test]
async fn connections_of_one_address_are_limited_and_come_free_again() -> TestResult {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
    let settings = [("listeners", "PLAINTEXT://127.0.0.1:0"), ("max.connections.per.ip", "2")];
    let broker = start(folder.path(), &authority, &settings).await?;
    let mut first = Client::connect(&broker).await?;
    let mut second = Client::connect(&broker).await?;
    first.ask(MetadataRequest::default(), 9).await?;
    second.ask(MetadataRequest::default(), 9).await?;
    assert!(Client::connect(&broker).await?.is_closed().await);
    assert_eq!(broker.metrics().connections_refused, 1);
    drop(first);
    let freed = async {
        while broker.metrics().connections > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed).await?;
    Client::connect(&broker).await?.ask(MetadataRequest::default(), 9).await?;
    Ok(())
}

#[tokio::test]
async fn without_an_authorizer_there_are_no_acls_and_without_logins_no_sasl() -> TestResult {
    let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
    let broker = start(folder.path(), &authority, &[("listeners", "PLAINTEXT://127.0.0.1:0")]).await?;
    let mut client = Client::connect(&broker).await?;
    let filter = DescribeAclsRequest {
        resource_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    assert_eq!(client.ask(filter, 2).await?.error_code, ErrorCode::SECURITY_DISABLED);
    let handshake = SaslHandshakeRequest { mechanism: "PLAIN".into() };
    assert_eq!(client.ask(handshake, 1).await?.error_code, ErrorCode::ILLEGAL_SASL_STATE);
    Ok(())
}
