//! Where REST listens: one URL of Connect's `listeners`.
//!
//! Pure parsing; the socket is opened elsewhere. Invariant: an empty host means every address, as in Kafka Connect, and is
//! never what we fall back to by ourselves.

use std::fmt;
use std::net::IpAddr;

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serves {
    /// Everything.
    #[default]
    All,
    /// Everything but the admin endpoints: there are `admin.listeners`, or none shall be.
    Regular,
    /// The admin endpoints, and what tells how the worker is.
    Admin,
}

/// An address to listen on, as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whether it speaks https, else http.
    pub https: bool,
    /// What it serves.
    pub serves: Serves,
    /// A name or address; `0.0.0.0` for every address.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// Why a text is no listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ListenerError(String);

impl Listener {
    /// Parses `http://host:port` or `https://host:port`, in any case; the host may be empty.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(url: &str) -> Result<Self, ListenerError> {
        let refused = |reason: &str| ListenerError(reason.to_owned());
        let Some((scheme, address)) = url.trim().split_once("://") else {
            return Err(refused("expected http://host:port"));
        };
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err(refused("expected http://host:port or https://host:port"));
        }
        let Some((host, port)) = address.trim_end_matches('/').rsplit_once(':') else {
            return Err(refused("expected a port: http://host:port"));
        };
        let Ok(port) = port.parse() else {
            return Err(refused("expected a port from 0 to 65535: http://host:port"));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { "0.0.0.0" } else { host }.to_owned();
        Ok(Self { https, serves: Serves::All, host, port })
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }

    /// The host that others can use: the machine's loopback name stands in for "every address".
    #[must_use]
    pub fn advertised_host(&self) -> &str {
        let every = self.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
        if every { "127.0.0.1" } else { &self.host }
    }
}

/// Whether a host is this machine's loopback: `localhost`, a name under it, or a loopback address.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.host, self.port),
            false => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_forms_are_understood() {
        let parsed = |url: &str| {
            Listener::parse(url).map(|listener| listener.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(parsed("HTTP://:8083"), Ok("0.0.0.0:8083".to_owned()));
        assert_eq!(parsed("http://localhost:8083/"), Ok("localhost:8083".to_owned()));
        assert_eq!(parsed("http://[::1]:0"), Ok("[::1]:0".to_owned()));
        assert!(Listener::parse("HTTPS://a:1").unwrap().https);
        for bad in ["8083", "http://localhost", "https://a", "ftp://a:1", "http://a:99999"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_known() {
        for (host, expected) in
            [("127.0.0.1", true), ("localhost", true), ("::1", true), ("0.0.0.0", false), ("db", false)]
        {
            let listener = Listener { https: false, serves: Serves::All, host: host.to_owned(), port: 1 };
            assert_eq!(listener.is_loopback(), expected, "{host}");
        }
    }
}
