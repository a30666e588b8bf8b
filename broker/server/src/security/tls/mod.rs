//! TLS of a listener: rustls with ring, certificates from PEM, reloaded when they change.
//!
//! Invariants: a connection keeps what it was made with, a new one gets what is there now; certificates that cannot be used are reported
//! and the ones before stay in force. `distinguished_name` and `mapping` make a client's certificate its principal.

mod distinguished_name;
pub(crate) mod mapping;
pub(crate) mod pem;

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use ring::digest;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring::default_provider},
    pki_types::CertificateDer,
    server::WebPkiClientVerifier,
};

use self::{mapping::PrincipalMapping, pem::PemSource};
use super::principal::Principal;

/// `ssl.client.auth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// Clients are not asked for certificates.
    #[default]
    None,
    /// They are asked, and may have none.
    Requested,
    /// They must have one.
    Required,
}

/// TLS of a listener, as the settings say.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// Certificate and, unless `key` is set, the private key.
    pub(crate) certificates: PemSource,
    pub(crate) key: Option<PemSource>,
    /// Who signs clients' certificates.
    pub(crate) trusted: Option<PemSource>,
    pub(crate) client_auth: ClientAuth,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) mapping: PrincipalMapping,
}

/// TLS of a listener, ready to use.
#[derive(Debug)]
pub(crate) struct TlsListener {
    settings: TlsSettings,
    current: RwLock<Arc<ServerConfig>>,
    /// Digest of what was last tried.
    tried: Mutex<Vec<u8>>,
}

impl TlsListener {
    /// Loads the certificates.
    ///
    /// # Errors
    /// What cannot be used, by its setting or file.
    pub(crate) fn open(settings: TlsSettings) -> Result<Self, String> {
        let loaded = Loaded::load(&settings)?;
        let current = RwLock::new(Arc::new(loaded.config(&settings)?));
        Ok(Self { settings, current, tried: Mutex::new(loaded.digest()) })
    }

    /// What new connections get.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Takes over certificates that changed; whether they did. Reads files. What was tried is not tried again before it changes.
    pub(crate) fn reload(&self) -> Result<bool, String> {
        let loaded = Loaded::load(&self.settings)?;
        let digest = loaded.digest();
        let mut tried = self.tried.lock();
        if *tried == digest {
            return Ok(false);
        }
        *tried = digest;
        let config = loaded.config(&self.settings)?;
        *self.current.write() = Arc::new(config);
        Ok(true)
    }

    /// Who a client is by its certificates; the first is its own.
    pub(crate) fn principal(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<Principal, String> {
        match chain.and_then(<[_]>::first) {
            None => Ok(Principal::anonymous()),
            Some(certificate) => {
                let subject = distinguished_name::subject(certificate)?;
                Ok(Principal::user(&self.settings.mapping.apply(&subject)?))
            }
        }
    }
}

/// The PEMs as they were at one moment.
struct Loaded {
    certificates: configs::Password,
    key: Option<configs::Password>,
    trusted: Option<configs::Password>,
}

impl Loaded {
    fn load(settings: &TlsSettings) -> Result<Self, String> {
        Ok(Self {
            certificates: settings.certificates.load()?,
            key: settings.key.as_ref().map(PemSource::load).transpose()?,
            trusted: settings.trusted.as_ref().map(PemSource::load).transpose()?,
        })
    }

    fn digest(&self) -> Vec<u8> {
        let mut context = digest::Context::new(&digest::SHA256);
        for pem in [Some(&self.certificates), self.key.as_ref(), self.trusted.as_ref()] {
            let text = pem.map(configs::Password::reveal).unwrap_or_default();
            context.update(&text.len().to_be_bytes());
            context.update(text.as_bytes());
        }
        context.finish().as_ref().to_vec()
    }

    fn config(&self, settings: &TlsSettings) -> Result<ServerConfig, String> {
        let provider = Arc::new(default_provider());
        let chain = pem::certificates(&settings.certificates, self.certificates.reveal())?;
        let key_source = settings.key.as_ref().unwrap_or(&settings.certificates);
        let key = pem::private_key(key_source, self.key.as_ref().unwrap_or(&self.certificates).reveal())?;
        let unusable = |error: rustls::Error| format!("{}: {error}", settings.certificates);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&settings.versions)
            .map_err(|error| format!("ssl.enabled.protocols: {error}"))?;
        let builder = match self.client_verifier(settings, provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        builder.with_single_cert(chain, key).map_err(unusable)
    }

    fn client_verifier(
        &self,
        settings: &TlsSettings,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>, String> {
        if settings.client_auth == ClientAuth::None {
            return Ok(None);
        }
        let missing = "ssl.client.auth needs ssl.truststore.location or ssl.truststore.certificates: the certificates of those who sign clients' certificates";
        let (Some(source), Some(pem)) = (&settings.trusted, &self.trusted) else {
            return Err(missing.to_owned());
        };
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(source, pem.reveal())? {
            roots.add(certificate).map_err(|error| format!("{source}: {error}"))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match settings.client_auth {
            ClientAuth::Requested => builder.allow_unauthenticated(),
            _ => builder,
        };
        let verifier = builder.build().map_err(|error| format!("{source}: {error}"))?;
        Ok(Some(verifier))
    }
}
