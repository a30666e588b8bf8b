//! TLS to a broker, by rustls: whom to trust, who we are, and whether the name must fit.
//!
//! Everything is read and checked when the settings are, so that a connection can fail only because of the other side.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::secret::Secret;

/// Our own certificate, for brokers that ask for one (mTLS).
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM: our certificate, then those that signed it.
    pub certificates: String,
    /// PEM: the private key (PKCS#8, PKCS#1 or SEC1), not encrypted.
    pub key: Secret,
}

/// What may be chosen.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// PEM: certificates to trust; `None` trusts what the system trusts.
    pub trusted: Option<String>,
    /// Who we are, if the broker wants to know.
    pub identity: Option<Identity>,
    /// Whether the broker's certificate must be made out to the name that we connect to
    /// (`ssl.endpoint.identification.algorithm=https`).
    pub verifies_name: bool,
    /// Whether TLS 1.2 is spoken.
    pub allows_tls12: bool,
    /// Whether TLS 1.3 is spoken.
    pub allows_tls13: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { trusted: None, identity: None, verifies_name: true, allows_tls12: true, allows_tls13: true }
    }
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificates that cannot be read.
    #[error("the {what} is not PEM that can be read")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Nothing in it.
    #[error("the {what} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    Empty {
        /// Which.
        what: &'static str,
    },
    /// A key that is encrypted.
    #[error(
        "the private key is encrypted, which is not supported; decrypt it (openssl pkcs8 -in KEY -out DECRYPTED) and guard the file by its permissions"
    )]
    EncryptedKey,
    /// The system trusts nobody.
    #[error(
        "no trusted certificates were found on this system ({problems}); name some in ssl.truststore.location"
    )]
    NoRoots {
        /// What was in the way.
        problems: String,
    },
    /// Certificates or a key that do not do.
    #[error("the certificates or the key cannot be used")]
    Unusable(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// TLS, ready to be used. Clones share it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls(..)")
    }
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(options: &TlsOptions) -> Result<Self, TlsError> {
        let roots = match &options.trusted {
            Some(pem) => roots_of(certificates(pem, "truststore")?)?,
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier: Arc<dyn ServerCertVerifier> = verifier.build().map_err(unusable)?;
        let verifier = if options.verifies_name { verifier } else { Arc::new(AnyName { verifier }) };
        let spoken = [
            (options.allows_tls13, &rustls::version::TLS13),
            (options.allows_tls12, &rustls::version::TLS12),
        ];
        let versions: Vec<&SupportedProtocolVersion> =
            spoken.into_iter().filter_map(|(allowed, version)| allowed.then_some(version)).collect();
        // Not dangerous: it is the usual verifier, or the usual one less the name.
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = certificates(&identity.certificates, "keystore's certificate chain")?;
                builder.with_client_auth_cert(chain, private_key(&identity.key)?).map_err(unusable)?
            }
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// Shakes hands over an open socket to `host`, a name or an address.
    pub(crate) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await
    }
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Unusable(Arc::new(error))
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = read.map_err(|source| TlsError::Pem { what, source })?;
    if read.is_empty() { Err(TlsError::Empty { what }) } else { Ok(read) }
}

fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = pem.reveal();
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|source| TlsError::Pem { what: "keystore's private key", source })
}

pub(super) fn roots_of(trusted: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have old certificates lying around that are of no use; the others are.
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let problems: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    Err(TlsError::NoRoots { problems: problems.join("; ") })
}

/// Verifies that somebody trusted signed the certificate, and not whose it is
/// (`ssl.endpoint.identification.algorithm` empty).
#[derive(Debug)]
struct AnyName {
    verifier: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, so everything else held.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
