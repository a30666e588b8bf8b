//! What requests to a registry need: URLs, who we are, whom to trust. Pure but for the PEM files, which are read here.
//!
//! Invariant: a [`Settings`] can be asked with as it is, and does not print its secrets.

use std::time::Duration;

use api::Props;
use api::configs::{ConfigError, ConfigErrors, Password, strip_prefix};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::avro::config::{AvroConverterConfig, BasicAuthSource, HEADERS};
use crate::avro::refused;

/// How large a PEM file may be.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Everything that requests need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::avro) struct Settings {
    pub(super) endpoints: Vec<Endpoint>,
    /// By which proxy the registry is asked.
    pub(super) proxy: Option<Url>,
    /// For every request; those with secrets are marked sensitive, so that they print as such.
    pub(super) headers: HeaderMap,
    pub(super) trusted: Option<String>,
    /// Certificates and key.
    pub(super) identity: Option<Pem>,
    /// Whether the registry's certificate may be made out to another name.
    pub(super) takes_any_name: bool,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) retries_max: usize,
    pub(super) retries_wait: Duration,
    pub(super) retries_wait_max: Duration,
    /// How long the latest version of a subject is believed.
    pub(super) latest_ttl: Option<Duration>,
}

/// One of the URLs of a registry, and who we are there: credentials in a URL are for that one alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without credentials.
    pub(super) url: Url,
    /// Marked sensitive.
    pub(super) authorization: Option<HeaderValue>,
}

/// PEM with a key in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pem(pub(super) String);

impl std::fmt::Debug for Pem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pem(..)")
    }
}

impl Settings {
    /// Of the options.
    ///
    /// # Errors
    /// All that does not fit together.
    pub(in crate::avro) fn new(config: &AvroConverterConfig, props: &Props) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        refused::check(props, &mut errors);
        let headers = keep(read_headers(props), &mut errors).unwrap_or_default();
        // Once for all URLs, so that what is wrong with it is told once.
        let is_sound = keep(authorization(config, None), &mut errors).is_some();
        let mut endpoints = Vec::new();
        for text in &config.urls {
            let endpoint = endpoint(text, config, is_sound && !headers.contains_key(AUTHORIZATION));
            endpoints.extend(keep(endpoint, &mut errors));
        }
        let proxy = keep(proxy(config), &mut errors).flatten();
        let trusted = keep(trusted(config), &mut errors).flatten();
        let identity = keep(identity(config), &mut errors).flatten();
        let takes_any_name = config.endpoint_identification.is_empty();
        if takes_any_name && trusted.is_none() {
            errors.push(ConfigError::other(ANY_NAME, format!("{ANY_NAME} can be empty only with schema.registry.ssl.truststore.location or .certificates")));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            endpoints,
            proxy,
            headers,
            trusted,
            identity,
            takes_any_name,
            connect_timeout: config.connect_timeout,
            read_timeout: config.read_timeout,
            retries_max: config.retries_max,
            retries_wait: config.retries_wait,
            retries_wait_max: config.retries_wait_max,
            latest_ttl: config.latest_ttl(),
        })
    }
}

fn keep<T>(result: Result<T, ConfigError>, errors: &mut ConfigErrors) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

const URL: &str = "schema.registry.url";
const ANY_NAME: &str = "schema.registry.ssl.endpoint.identification.algorithm";

/// One of the URLs; without credentials if they are not to be sent.
fn endpoint(
    text: &str,
    config: &AvroConverterConfig,
    with_credentials: bool,
) -> Result<Endpoint, ConfigError> {
    let (url, user_info) = read_url(text)?;
    let authorization = if with_credentials { authorization(config, user_info)? } else { None };
    Ok(Endpoint { url, authorization })
}

fn proxy(config: &AvroConverterConfig) -> Result<Option<Url>, ConfigError> {
    let (option, port) = ("proxy.host", config.proxy_port);
    let Some(host) = config.proxy_host.as_deref().filter(|host| !host.is_empty()) else { return Ok(None) };
    if port <= 0 {
        return Err(ConfigError::other(
            "proxy.port",
            "proxy.port is missing, which proxy.host needs".to_owned(),
        ));
    }
    let url = Url::parse(&format!("http://{host}:{port}"));
    url.map(Some)
        .map_err(|error| ConfigError::other(option, format!("{option}: {host:?} is no host: {error}")))
}

/// A URL without its credentials, and those.
fn read_url(text: &str) -> Result<(Url, Option<String>), ConfigError> {
    // The text may hold a password: it is not repeated.
    let mut url = Url::parse(text).map_err(|error| {
        ConfigError::other(URL, format!("{URL}: one of the URLs cannot be read: {error}"))
    })?;
    let decoded = |text: &str| percent_decoded(text);
    let user_info = (!url.username().is_empty())
        .then(|| format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default())));
    let removed = url.set_username("").and_then(|()| url.set_password(None));
    removed.map_err(|()| ConfigError::other(URL, format!("{URL}: one of the URLs has no host")))?;
    url.set_query(None);
    url.set_fragment(None);
    Ok((url, user_info))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn read_headers(props: &Props) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (name, text) in strip_prefix(props, HEADERS) {
        let option = format!("{HEADERS}{name}");
        let told = |error: &dyn std::fmt::Display| ConfigError::other(&option, format!("{option}: {error}"));
        let header = HeaderName::try_from(&name).map_err(|error| told(&error))?;
        let mut value = HeaderValue::from_str(&text).map_err(|error| told(&error))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn authorization(
    config: &AvroConverterConfig,
    in_url: Option<String>,
) -> Result<Option<HeaderValue>, ConfigError> {
    let (source, token) = ("basic.auth.user.info", "bearer.auth.token");
    let user_info = match config.basic_auth_source {
        BasicAuthSource::Url => in_url,
        BasicAuthSource::UserInfo => {
            let missing = || {
                ConfigError::other(
                    source,
                    format!("{source} is missing, which basic.auth.credentials.source=USER_INFO needs"),
                )
            };
            Some(config.basic_auth_user_info.as_ref().ok_or_else(missing)?.reveal().to_owned())
        }
    };
    let (name, text) = match (&config.bearer_auth_token, user_info) {
        (Some(_), Some(_)) => {
            return Err(ConfigError::other(
                token,
                format!("{token}: both a token and a user are said; the registry takes one of them"),
            ));
        }
        (Some(secret), None) => (token, format!("Bearer {}", secret.reveal())),
        (None, Some(user_info)) => (source, format!("Basic {}", STANDARD.encode(user_info))),
        (None, None) if config.bearer_auth_source.is_some() => {
            return Err(ConfigError::other(
                token,
                format!("{token} is missing, which bearer.auth.credentials.source needs"),
            ));
        }
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|error| ConfigError::other(name, format!("{name} cannot stand in a header: {error}")))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn trusted(config: &AvroConverterConfig) -> Result<Option<String>, ConfigError> {
    let text = config.truststore_certificates.as_ref().map(|pem| pem.reveal().to_owned());
    match (text, &config.truststore_location) {
        (Some(text), _) => Ok(Some(text)),
        (None, Some(path)) => read_pem("schema.registry.ssl.truststore.location", path).map(Some),
        (None, None) => Ok(None),
    }
}

fn identity(config: &AvroConverterConfig) -> Result<Option<Pem>, ConfigError> {
    let (chain, key) = ("schema.registry.ssl.keystore.certificate.chain", "schema.registry.ssl.keystore.key");
    let missing =
        |name: &str| ConfigError::other(name, format!("{name} is missing: certificates and key go together"));
    let revealed = |password: &Password| password.reveal().to_owned();
    match (&config.keystore_chain, &config.keystore_key, &config.keystore_location) {
        (Some(chain), Some(key), _) => Ok(Some(Pem(format!("{}\n{}", revealed(chain), revealed(key))))),
        (Some(_), None, _) => Err(missing(key)),
        (None, Some(_), _) => Err(missing(chain)),
        (None, None, Some(path)) => {
            read_pem("schema.registry.ssl.keystore.location", path).map(|pem| Some(Pem(pem)))
        }
        (None, None, None) => Ok(None),
    }
}

fn read_pem(option: &str, path: &str) -> Result<String, ConfigError> {
    let told =
        |error: &dyn std::fmt::Display| ConfigError::other(option, format!("{option}: {path}: {error}"));
    let size = std::fs::metadata(path).map_err(|error| told(&error))?.len();
    if size > PEM_BYTES_MAX {
        return Err(told(&format!("the file has {size} bytes, more than {PEM_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    match text.contains("-----BEGIN ") {
        true => Ok(text),
        false => Err(told(
            &"no PEM (-----BEGIN ...) is in it; other forms, such as JKS and PKCS12, are not supported",
        )),
    }
}
