//! A certificate authority of a test's own, and clients that trust it.

use std::time::Duration;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, Identity};

/// Who signs certificates in a test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Certificate and key of a name, in one PEM.
    pub(crate) fn sign(&self, name: &str) -> Result<String> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Millrace");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        Ok(params.signed_by(&key, &self.issuer)?.pem() + &key.serialize_pem())
    }

    /// A client that trusts this authority, and shows a certificate if it has one.
    pub(crate) fn client(&self, identity: Option<&str>) -> Result<Client> {
        harness::millrace::install_crypto();
        let builder = Client::builder()
            .tls_certs_only([Certificate::from_pem(self.pem.as_bytes())?])
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(60));
        let builder = match identity {
            Some(pem) => builder.identity(Identity::from_pem(pem.as_bytes())?),
            None => builder,
        };
        Ok(builder.build()?)
    }
}
