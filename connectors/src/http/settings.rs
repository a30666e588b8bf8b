//! Options that fit together: the URL, its host, the headers, the codes. Pure; every error at once.
//!
//! Invariant: a [`Settings`] can be sent with as it is. It does not print its secrets.

use std::net::IpAddr;

use api::Props;
use api::configs::{ConfigError, ConfigErrors, strip_prefix};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::answer::RetryCodes;
use super::config::{AuthType, BatchFormat, HEADERS, HttpSinkConfig};
use super::hosts::{is_link_local, is_listed};

/// Everything that requests need.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: HttpSinkConfig,
    pub(super) url: Url,
    /// The URL without its query, which may hold a secret: for messages.
    pub(super) shown_url: String,
    /// Whether `allowed.hosts` names the host.
    pub(super) host_is_listed: bool,
    /// For every request; those with secrets are marked sensitive, so that they print as such.
    pub(super) headers: HeaderMap,
    pub(super) idempotency_header: Option<HeaderName>,
    pub(super) retry_codes: RetryCodes,
}

impl Settings {
    /// Reads the options.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(super) fn parse(props: &Props) -> Result<Self, ConfigErrors> {
        let config = HttpSinkConfig::parse(props)?;
        let mut errors = ConfigErrors::new();
        let url = keep(read_url(&config.url), &mut errors);
        let host_is_listed = match &url {
            Some(url) => keep(check_host(url, &config.allowed_hosts), &mut errors),
            None => None,
        };
        let mut headers = keep(read_headers(props), &mut errors).unwrap_or_default();
        if let Some(content_type) = keep(content_type(&config), &mut errors) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        if let Some(Some(authorization)) = keep(authorization(&config), &mut errors) {
            headers.insert(AUTHORIZATION, authorization);
        }
        let idempotency_header = keep(idempotency_header(&config), &mut errors);
        let codes = RetryCodes::parse(&config.retry_codes).map_err(|reason| {
            ConfigError::invalid("retry.status.codes", config.retry_codes.join(","), reason)
        });
        let codes = keep(codes, &mut errors);
        match (url, host_is_listed, idempotency_header, codes) {
            (Some(url), Some(host_is_listed), Some(idempotency_header), Some(retry_codes))
                if errors.is_empty() =>
            {
                let shown_url = shown(&url);
                Ok(Self { config, url, shown_url, host_is_listed, headers, idempotency_header, retry_codes })
            }
            _ => Err(errors),
        }
    }
}

fn keep<T>(result: Result<T, ConfigError>, errors: &mut ConfigErrors) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn read_url(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|error| ConfigError::invalid("http.url", text, error))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::other(
            "http.url",
            "http.url holds credentials, which would be shown to everyone; \
             say them with http.auth.type, http.auth.user and http.auth.password",
        ));
    }
    Ok(url)
}

/// Whether the list names the host; an error if the host may not be reached.
fn check_host(url: &Url, allowed: &[String]) -> Result<bool, ConfigError> {
    let host = url.host_str().unwrap_or_default();
    let listed = is_listed(host, allowed);
    if !allowed.is_empty() && !listed {
        let reason = format!("the host {host} is not in allowed.hosts: {}", allowed.join(", "));
        return Err(ConfigError::invalid("http.url", shown(url), reason));
    }
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if !listed && address.is_ok_and(is_link_local) {
        let reason =
            format!("{host} is a link-local address; list it in allowed.hosts if that is really meant");
        return Err(ConfigError::invalid("http.url", shown(url), reason));
    }
    Ok(listed)
}

fn read_headers(props: &Props) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (name, text) in strip_prefix(props, HEADERS) {
        let option = format!("{HEADERS}{name}");
        let header = HeaderName::try_from(&name)
            .map_err(|error| ConfigError::other(&option, format!("{option}: {error}")))?;
        // The value may be a secret: it is not printed.
        let mut value = HeaderValue::from_str(&text).map_err(|error| {
            ConfigError::other(&option, format!("{option}: the value cannot stand in a header: {error}"))
        })?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    Ok(headers)
}

fn content_type(config: &HttpSinkConfig) -> Result<HeaderValue, ConfigError> {
    let default = match config.batch_format {
        BatchFormat::Lines => "application/x-ndjson",
        BatchFormat::JsonArray | BatchFormat::Single => "application/json",
    };
    let text = config.content_type.as_deref().unwrap_or(default);
    HeaderValue::from_str(text).map_err(|error| ConfigError::invalid("http.content.type", text, error))
}

fn authorization(config: &HttpSinkConfig) -> Result<Option<HeaderValue>, ConfigError> {
    let missing = |name: &str| {
        let kind = config.auth_type;
        ConfigError::other(name, format!("{name} is missing, which http.auth.type={kind} needs"))
    };
    let (name, text) = match config.auth_type {
        AuthType::None => return Ok(None),
        AuthType::Basic => {
            let user = config.auth_user.as_deref().ok_or_else(|| missing("http.auth.user"))?;
            let password = config.auth_password.as_ref().ok_or_else(|| missing("http.auth.password"))?;
            let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
            ("http.auth.password", format!("Basic {pair}"))
        }
        AuthType::Bearer => {
            let token = config.auth_token.as_ref().ok_or_else(|| missing("http.auth.token"))?;
            ("http.auth.token", format!("Bearer {}", token.reveal()))
        }
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|error| ConfigError::other(name, format!("{name} cannot stand in a header: {error}")))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn idempotency_header(config: &HttpSinkConfig) -> Result<Option<HeaderName>, ConfigError> {
    let name = &config.idempotency_header;
    if name.is_empty() {
        return Ok(None);
    }
    let header = HeaderName::try_from(name);
    header.map(Some).map_err(|error| ConfigError::invalid("http.idempotency.header", name, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(said: &[(&str, &str)]) -> Result<Settings, String> {
        let mut props = Props::from([("http.url".to_owned(), "https://api.test/x?token=SECRET".to_owned())]);
        props.extend(said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        Settings::parse(&props).map_err(|errors| errors.to_string())
    }

    #[test]
    fn secrets_do_not_print() {
        let said = [
            ("http.auth.type", "basic"),
            ("http.auth.user", "u"),
            ("http.auth.password", "SECRET"),
            ("http.headers.X-Key", "SECRET"),
        ];
        let settings = parse(&said).unwrap();
        assert_eq!(settings.headers[AUTHORIZATION], "Basic dTpTRUNSRVQ=");
        assert_eq!(settings.headers["x-key"], "SECRET");
        assert!(!format!("{:?}", settings.headers).contains("SECRET"));
        assert_eq!(settings.shown_url, "https://api.test/x");
    }

    #[test]
    fn everything_that_does_not_fit_is_told_at_once_and_without_secrets() {
        let said = [
            ("http.url", "http://user:SECRET@h/"),
            ("http.auth.type", "bearer"),
            ("http.headers.a b", "x"),
            ("http.content.type", "a\u{1}"),
            ("retry.status.codes", "5xx"),
            ("http.idempotency.header", "a b"),
        ];
        let errors = parse(&said).unwrap_err();
        for name in [
            "http.url",
            "http.auth.token",
            "http.headers.a b",
            "http.content.type",
            "retry.status.codes",
            "idempotency",
        ] {
            assert!(errors.contains(name), "{name} is not told: {errors}");
        }
        assert!(!errors.contains("SECRET"), "{errors}");
    }

    #[test]
    fn the_host_must_be_allowed_and_link_local_ones_listed() {
        assert!(
            parse(&[("allowed.hosts", "other.test")])
                .unwrap_err()
                .contains("api.test is not in allowed.hosts")
        );
        assert!(parse(&[("allowed.hosts", "*.test")]).is_ok());
        let urls = [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://0xa9fea9fe/",
            "http://[::ffff:169.254.169.254]/",
        ];
        for url in urls {
            let error = parse(&[("http.url", url)]).unwrap_err();
            assert!(error.contains("link-local"), "{error}");
        }
        assert!(
            parse(&[("http.url", "http://169.254.169.254/"), ("allowed.hosts", "169.254.169.254")]).is_ok()
        );
    }
}
