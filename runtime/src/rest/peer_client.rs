//! The HTTP client for other workers: over TLS as the settings of the listeners say, with files that are taken over when they change.
//!
//! Below `forward` and `peers`. Invariants: another worker's certificate is always checked; it is never asked by way of a proxy, nor
//! led elsewhere; files that cannot be used are reported, and the client before stays in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use configs::Password;
use parking_lot::Mutex;
use reqwest::{Certificate, Client, Identity};

use super::tls;
use crate::config::PeerTls;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Clients for other workers. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct PeerClient {
    said: Arc<PeerTls>,
    now: Arc<Mutex<Option<Now>>>,
}

#[derive(Debug)]
struct Now {
    client: Client,
    tried: Texts,
    looked: Instant,
}

/// The PEMs as they were at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Texts {
    trusted: Option<Password>,
    identity: Option<(Password, Password)>,
}

impl PeerClient {
    /// Reads nothing yet.
    pub(crate) fn new(said: &PeerTls) -> Self {
        Self { said: Arc::new(said.clone()), now: Arc::default() }
    }

    /// The client to use now. Files are read where that holds nobody up.
    ///
    /// # Errors
    /// What cannot be used, by its file or setting, as long as nothing could be.
    pub(crate) async fn current(&self) -> Result<Client, String> {
        let fresh = |now: &Now| (now.looked.elapsed() < LOOK_EVERY).then(|| now.client.clone());
        if let Some(client) = self.now.lock().as_ref().and_then(fresh) {
            return Ok(client);
        }
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.look()).await;
        read.map_err(|error| format!("the client for other workers could not be made: {error}"))?
    }

    fn look(&self) -> Result<Client, String> {
        let texts = Texts::read(&self.said);
        let mut now = self.now.lock();
        let Some(known) = now.as_mut() else {
            let tried = texts?;
            let client = tried.client(&self.said)?;
            *now = Some(Now { client: client.clone(), tried, looked: Instant::now() });
            return Ok(client);
        };
        known.looked = Instant::now();
        let renewed = texts.and_then(|texts| {
            if texts == known.tried {
                return Ok(None);
            }
            known.tried = texts;
            known.tried.client(&self.said).map(Some)
        });
        match renewed {
            Ok(Some(client)) => known.client = client,
            Ok(None) => {}
            Err(reason) => {
                tracing::error!("requests to other workers keep the certificates they have: {reason}")
            }
        }
        Ok(known.client.clone())
    }
}

impl Texts {
    fn read(said: &PeerTls) -> Result<Self, String> {
        let identity =
            said.identity.as_ref().map(|(chain, key)| Ok::<_, String>((tls::read(chain)?, tls::read(key)?)));
        Ok(Self {
            trusted: said.trusted.as_ref().map(tls::read).transpose()?,
            identity: identity.transpose()?,
        })
    }

    fn client(&self, said: &PeerTls) -> Result<Client, String> {
        if rustls::crypto::CryptoProvider::get_default().is_none()
            && rustls::crypto::ring::default_provider().install_default().is_err()
        {
            tracing::debug!("another provider of cryptography was installed meanwhile");
        }
        let mut builder = Client::builder()
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .tls_danger_accept_invalid_hostnames(said.takes_any_name);
        if let (Some(source), Some(pem)) = (&said.trusted, &self.trusted) {
            // Read by us first, since a text without any certificate would trust nobody without saying so.
            tls::certificates(source, pem)?;
            let trusted = Certificate::from_pem_bundle(pem.reveal().as_bytes());
            builder = builder.tls_certs_only(trusted.map_err(|error| format!("{source}: {error:?}"))?);
        }
        if let (Some((chain_at, key_at)), Some((chain, key))) = (&said.identity, &self.identity) {
            tls::certificates(chain_at, chain)?;
            tls::private_key(key_at, key)?;
            let both = if chain == key {
                chain.reveal().to_owned()
            } else {
                format!("{}\n{}", chain.reveal(), key.reveal())
            };
            let identity =
                Identity::from_pem(both.as_bytes()).map_err(|error| format!("{chain_at}: {error:?}"))?;
            builder = builder.identity(identity);
        }
        builder.build().map_err(|error| format!("the client for other workers cannot be set up: {error:?}"))
    }
}
