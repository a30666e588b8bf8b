//! Where certificates and keys come from: PEM files, or PEM in the settings themselves.
//!
//! Invariant: an error names the setting or file and what to do, and never shows a key. Java's stores are refused with the commands that
//! turn them into PEM.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use configs::Password;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// Largest PEM file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// PEM by place.
#[derive(Clone)]
pub(crate) enum PemSource {
    /// `ssl.keystore.location` or `ssl.truststore.location`.
    File(PathBuf),
    /// `ssl.keystore.certificate.chain`, `ssl.keystore.key` or `ssl.truststore.certificates`.
    Text(&'static str, Password),
}

impl fmt::Debug for PemSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for PemSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Text(setting, _) => formatter.write_str(setting),
        }
    }
}

impl PemSource {
    /// The PEM as it is now. Reads a file.
    pub(crate) fn load(&self) -> Result<Password, String> {
        match self {
            Self::File(path) => {
                let failed = |error: &dyn fmt::Display| format!("cannot read {}: {error}", path.display());
                let length = fs::metadata(path).map_err(|error| failed(&error))?.len();
                if length > FILE_BYTES_MAX {
                    return Err(failed(&format!("{length} bytes are too many for PEM")));
                }
                let bytes = fs::read(path).map_err(|error| failed(&error))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_binary: std::string::FromUtf8Error| java_store(path))?;
                if text.contains("-----BEGIN ") { Ok(Password::new(text)) } else { Err(java_store(path)) }
            }
            Self::Text(_, text) => Ok(Password::new(in_lines(text.reveal()))),
        }
    }
}

/// What to do with a store that is no PEM.
pub(crate) fn java_store(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} is no PEM: convert a JKS store with `keytool -importkeystore -srckeystore {path} -destkeystore store.p12 -deststoretype PKCS12`, \
         a PKCS12 store with `openssl pkcs12 -in store.p12 -nodes -out store.pem`, and set ssl.keystore.type=PEM or ssl.truststore.type=PEM"
    )
}

/// PEM in a properties file often stands in one line, with spaces where lines ended.
fn in_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for (at, part) in text.split("-----").enumerate() {
        match at % 4 {
            // The words of a marker.
            1 | 3 => lines += &format!("-----{}-----\n", part.trim()),
            _ => {
                for line in part.split_whitespace() {
                    lines += line;
                    lines.push('\n');
                }
            }
        }
    }
    lines
}

/// All certificates of a PEM.
pub(crate) fn certificates(source: &PemSource, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|error| format!("{source}: {error}"))?;
    if all.is_empty() {
        return Err(format!("{source} holds no certificate"));
    }
    Ok(all)
}

/// The private key of a PEM.
pub(crate) fn private_key(source: &PemSource, pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    if pem.contains("ENCRYPTED") {
        return Err(format!(
            "{source}: the private key is encrypted; decrypt it with `openssl pkcs8 -in key.pem -out plain.pem` and keep the file readable for the broker alone"
        ));
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| format!("{source}: no private key: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_in_one_line_is_put_into_lines() {
        let text = "-----BEGIN CERTIFICATE----- TUlJ Qg== -----END CERTIFICATE----- -----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----";
        let source = PemSource::Text("ssl.keystore.certificate.chain", Password::from(text));
        let pem = source.load().unwrap();
        let found = certificates(&source, pem.reveal()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].as_ref(), b"MIIB");
    }

    #[test]
    fn java_stores_are_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.jks");
        fs::write(&path, [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
        let error = PemSource::File(path.clone()).load().unwrap_err();
        assert!(error.contains("keytool") && error.contains("kafka.jks"), "{error}");
        let missing = PemSource::File(folder.path().join("none.pem")).load().unwrap_err();
        assert!(missing.contains("none.pem"), "{missing}");
    }

    #[test]
    fn keys_are_not_shown() {
        let source = PemSource::Text(
            "ssl.keystore.key",
            Password::from("-----BEGIN ENCRYPTED PRIVATE KEY----- CANARY"),
        );
        let error = private_key(&source, source.load().unwrap().reveal()).unwrap_err();
        assert!(error.contains("openssl") && !format!("{error} {source:?}").contains("CANARY"), "{error}");
    }
}
