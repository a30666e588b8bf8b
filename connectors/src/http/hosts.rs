//! Which hosts may be reached: those that are allowed, and never by accident where clouds keep credentials.
//!
//! A URL is configured over REST, so it comes from outside. Link-local addresses (169.254.0.0/16, fe80::/10, and AWS's
//! fd00:ec2::254) answer only the machine itself, with secrets; a name can resolve to one today that did not yesterday. So names
//! are judged by what they resolve to, each time, and the connection goes to the judged address.
//! Invariant: no connection goes to a link-local address whose host is not listed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// AWS's instance metadata over IPv6, which is not in the link-local range.
const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether the list has the host: by name, address, or as `*.domain`.
pub(super) fn is_listed(host: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|entry| match entry.strip_prefix("*.") {
        Some(domain) => {
            let longer = host.len() > domain.len() + 1;
            let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
            longer && host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
        }
        None => entry.eq_ignore_ascii_case(host),
    })
}

/// Whether only the machine itself is reached there, and nothing that wants records.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address == AWS_METADATA
        }
    }
}

/// Resolves names as the system does, and leaves out what may not be reached.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    /// The host is listed: whatever it resolves to is meant.
    pub(super) is_listed: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_listed = self.is_listed;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<_> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let (refused, allowed): (Vec<SocketAddr>, Vec<_>) =
                found.into_iter().partition(|address| !is_listed && is_link_local(address.ip()));
            match (allowed.is_empty(), refused.first()) {
                (true, Some(address)) => Err(format!(
                    "{host} resolves to {}, a link-local address; list the host in allowed.hosts if that is meant",
                    address.ip()
                )
                .into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_addresses_are_link_local_in_every_spelling() {
        for address in
            ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::"]
        {
            assert!(is_link_local(address.parse().unwrap()), "{address}");
        }
        for address in ["127.0.0.1", "10.0.0.1", "::1", "192.168.1.1", "8.8.8.8", "fd00::1"] {
            assert!(!is_link_local(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn hosts_are_listed_by_name_and_by_domain() {
        let allowed = ["api.shop.test".to_owned(), "*.Example.com".to_owned()];
        for host in ["api.shop.test", "API.shop.test", "a.example.com", "a.b.example.com"] {
            assert!(is_listed(host, &allowed), "{host}");
        }
        for host in ["shop.test", "example.com", "badexample.com", "a.example.com.evil.test", ".example.com"]
        {
            assert!(!is_listed(host, &allowed), "{host}");
        }
    }
}
