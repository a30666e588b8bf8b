//! Encryption by `database.ssl.mode`: what a server must show for itself.
//!
//! The same as on the library's connections: any certificate; one of a trusted authority, whatever its name; or one for this host. Trusted
//! are those of `database.ssl.truststore`, without it the public ones. Signatures are checked in any case.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::mysql::config::MySqlConfig;
use crate::mysql::server::Encryption;

/// What a connection is encrypted with.
pub(super) struct Client {
    pub(super) connector: TlsConnector,
    pub(super) server: ServerName<'static>,
}

/// Reads the files that the options name.
pub(super) fn client(config: &MySqlConfig, encryption: Encryption) -> io::Result<Client> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(config, encryption, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let client = match &config.keystore {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let about = |error: String| invalid(format!("database.ssl.keystore={path}: {error}"));
            let pem = std::fs::read(path).map_err(|error| about(error.to_string()))?;
            let chain = certificates(&pem).map_err(|error| about(error.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| about(error.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| about(error.to_string()))?
        }
    };
    let server = ServerName::try_from(config.hostname.clone())
        .map_err(|error| invalid(format!("database.hostname={}: {error}", config.hostname)))?;
    Ok(Client { connector: TlsConnector::from(Arc::new(client)), server })
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn roots(config: &MySqlConfig) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &config.truststore else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let about = |error: String| invalid(format!("database.ssl.truststore={path}: {error}"));
    let file = std::fs::read(path).map_err(|error| about(error.to_string()))?;
    let mut found = certificates(&file).map_err(|error| about(error.to_string()))?;
    if found.is_empty() {
        // A single certificate may stand there without PEM around it.
        found.push(CertificateDer::from(file));
    }
    for certificate in found {
        roots.add(certificate).map_err(|error| about(error.to_string()))?;
    }
    Ok(roots)
}

/// What a certificate must be.
#[derive(Debug)]
struct Verifier {
    /// Who vouches for it; `None` when anybody may.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// Whether it must name the host.
    names_host: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(config: &MySqlConfig, encryption: Encryption, provider: Arc<CryptoProvider>) -> io::Result<Self> {
        let names_host = encryption == Encryption::Identity;
        if !names_host && encryption != Encryption::Authority {
            return Ok(Self { authorities: None, names_host, provider });
        }
        let roots = Arc::new(roots(config)?);
        let authorities = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let authorities = Some(authorities.map_err(io::Error::other)?);
        Ok(Self { authorities, names_host, provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(certificate, intermediates, server, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.names_host => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
