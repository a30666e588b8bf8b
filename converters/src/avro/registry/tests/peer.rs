//! The far end of a registry's connections in tests: a port of its own, on which it answers as it is told, over TLS if it has a certificate.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// How a peer answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// With this status and body.
    Answer(u16, &'static str),
    /// Not at all, and the connection stays open.
    Silence,
    /// With less of the body than it says.
    Torn,
    /// With a body that goes on as long as somebody reads it.
    Endless,
}

/// A peer that listens; it is gone when this is dropped.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    heard: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Peer {
    pub(super) async fn start(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (manner, heard) = (Arc::new(Mutex::new(manner)), Arc::<Mutex<Vec<String>>>::default());
        let (of_server, by_server) = (Arc::clone(&manner), Arc::clone(&heard));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, heard, tls) = (Arc::clone(&of_server), Arc::clone(&by_server), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away, or is sent away, is what some tests are about.
                    drop(match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &manner, &heard).await,
                            Err(refused) => Err(refused),
                        },
                        None => serve(stream, &manner, &heard).await,
                    });
                });
            }
        });
        Self { address, manner, heard, server }
    }

    /// A port on which nobody listens.
    pub(super) async fn dead() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on.
    pub(super) fn change(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    /// The heads and bodies of the requests so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One request of a connection, and its end.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: &Mutex<Manner>,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = String::new();
    let is_whole = |request: &str| {
        let (head, body) = request.split_once("\r\n\r\n")?;
        let lower = head.to_ascii_lowercase();
        let length =
            lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        Some(body.len() >= length.unwrap_or(0))
    };
    while is_whole(&request) != Some(true) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    heard.lock().push(request);
    let manner = *manner.lock();
    let head = |status: u16, length: usize| {
        format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
    };
    match manner {
        Manner::Answer(status, body) => {
            stream.write_all((head(status, body.len()) + body).as_bytes()).await?;
        }
        Manner::Silence => std::future::pending().await,
        Manner::Torn => stream.write_all((head(200, 100) + "{\"id\"").as_bytes()).await?,
        Manner::Endless => {
            stream.write_all(head(200, 1 << 40).as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 1 << 16]).await?;
            }
        }
    }
    stream.shutdown().await
}

/// Who signs certificates in a test.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: rcgen::Certificate,
    /// Its own certificate.
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), pem: der.pem(), der }
    }

    /// A certificate for a name, and its key.
    pub(super) fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let (params, key) =
            (CertificateParams::new(vec![name.to_owned()]).unwrap(), KeyPair::generate().unwrap());
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// What accepts connections as somebody of this name; with `clients`, from those whom that authority knows only.
    pub(super) fn acceptor(&self, name: &str, clients: Option<&Self>) -> TlsAcceptor {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let (certificate, key) = self.sign(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()))
    }
}
