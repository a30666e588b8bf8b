//! TLS of a listener: rustls with ring, certificates from PEM, taken over when their files change.
//!
//! Invariants: a connection keeps what it was made with, a new one gets what is there now; certificates that cannot be used are
//! reported, and the ones before stay in force. No error shows a key.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use configs::Password;
use parking_lot::Mutex;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::config::{ClientAuth, ListenerTls, Pem};

/// The largest PEM file that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// TLS of a listener, ready to use.
#[derive(Debug)]
pub(super) struct ServerTls {
    said: ListenerTls,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    config: Arc<ServerConfig>,
    /// What was last tried, whether it could be used or not.
    tried: Texts,
    looked: Instant,
}

/// The PEMs as they were at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Texts {
    certificates: Password,
    key: Password,
    trusted: Option<Password>,
}

impl ServerTls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// What cannot be used, by its setting or file.
    pub(super) fn open(said: ListenerTls) -> Result<Self, String> {
        let tried = Texts::read(&said)?;
        let config = Arc::new(tried.config(&said)?);
        Ok(Self { said, now: Mutex::new(Now { config, tried, looked: Instant::now() }) })
    }

    /// What a new connection gets. May read files.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        let mut now = self.now.lock();
        if now.looked.elapsed() >= LOOK_EVERY {
            now.looked = Instant::now();
            if let Err(reason) = self.take_over(&mut now) {
                tracing::error!("REST keeps the certificates that it has: {reason}");
            }
        }
        Arc::clone(&now.config)
    }

    fn take_over(&self, now: &mut Now) -> Result<(), String> {
        let texts = Texts::read(&self.said)?;
        if texts != now.tried {
            now.tried = texts;
            now.config = Arc::new(now.tried.config(&self.said)?);
            tracing::info!("REST has new certificates");
        }
        Ok(())
    }
}

impl Texts {
    fn read(said: &ListenerTls) -> Result<Self, String> {
        Ok(Self {
            certificates: read(&said.certificates)?,
            key: read(&said.key)?,
            trusted: said.trusted.as_ref().map(read).transpose()?,
        })
    }

    fn config(&self, said: &ListenerTls) -> Result<ServerConfig, String> {
        let spoken =
            [(said.allows_tls13, &rustls::version::TLS13), (said.allows_tls12, &rustls::version::TLS12)];
        let versions: Vec<&SupportedProtocolVersion> =
            spoken.into_iter().filter_map(|(allowed, version)| allowed.then_some(version)).collect();
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&versions)
            .map_err(|error| format!("ssl.enabled.protocols: {error}"))?;
        let builder = match self.client_verifier(said)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let chain = certificates(&said.certificates, &self.certificates)?;
        let config = builder.with_single_cert(chain, private_key(&said.key, &self.key)?);
        let mut config = config.map_err(|error| format!("{}: {error}", said.certificates))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn client_verifier(&self, said: &ListenerTls) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
        let (Some(source), Some(pem)) = (&said.trusted, &self.trusted) else { return Ok(None) };
        if said.client_auth == ClientAuth::None {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        for certificate in certificates(source, pem)? {
            roots.add(certificate).map_err(|error| format!("{source}: {error}"))?;
        }
        let provider = Arc::new(default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match said.client_auth {
            ClientAuth::Requested => builder.allow_unauthenticated(),
            _ => builder,
        };
        builder.build().map(Some).map_err(|error| format!("{source}: {error}"))
    }
}

/// The text of a PEM.
pub(super) fn read(pem: &Pem) -> Result<Password, String> {
    let path = match pem {
        Pem::Text(_, text) => return Ok(text.clone()),
        Pem::File(path) => path,
    };
    let failed = |reason: String| format!("cannot read {}: {reason}", path.display());
    let length = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(failed(format!("{length} bytes are too many for PEM")));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(Password::new(text))
}

/// The certificates in a PEM, of which there must be one.
pub(super) fn certificates(source: &Pem, pem: &Password) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.reveal().as_bytes()).collect();
    let all = all.map_err(|error| format!("{source}: {error}"))?;
    if all.is_empty() {
        return Err(format!("{source} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(all)
}

/// The private key in a PEM.
pub(super) fn private_key(source: &Pem, pem: &Password) -> Result<PrivateKeyDer<'static>, String> {
    if pem.reveal().contains("ENCRYPTED") {
        return Err(format!(
            "{source}: the private key is encrypted; decrypt it with `openssl pkcs8 -in KEY -out PLAIN` and keep the file readable for its owner alone"
        ));
    }
    PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes())
        .map_err(|error| format!("{source}: no private key in PEM: {error}"))
}
