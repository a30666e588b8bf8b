//! Why a request to a registry came to nothing: what to tell, and what to do about it. Pure.
//!
//! All of these may pass, and so does another URL of the same registry: a certificate that nobody renewed stops one of them only.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use super::{Failure, Settings};

/// A request that was `asked` and came to nothing.
pub(super) fn unanswered(asked: &str, error: reqwest::Error, settings: &Settings) -> Failure {
    let within = |duration: Duration| format!("within {} ms", duration.as_millis());
    let reason = match (error.is_timeout(), error.is_connect(), tls_error(&error)) {
        (true, true, _) => format!("could not be reached {}", within(settings.connect_timeout)),
        (true, false, _) => {
            format!("did not answer {}", within(settings.connect_timeout + settings.read_timeout))
        }
        (false, _, Some(error)) => format!("cannot be asked over TLS; {}", tls_advice(error)),
        (false, true, None) => {
            "cannot be reached; is it running, and is schema.registry.url right?".to_owned()
        }
        (false, false, None) => "did not answer".to_owned(),
    };
    Failure::away(format!("{asked} {reason}"), Some(chain(&error.without_url())))
}

/// What TLS says is wrong, wherever among the causes.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        // The source of an I/O error is what lies behind the error in it, not that.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

const fn tls_advice(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};
    match error {
        // A bad signature is that of an authority made anew under the same name.
        Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "say who signed its certificate in schema.registry.ssl.truststore.location or .certificates"
        }
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "its certificate is made out to another name than schema.registry.url says",
        Error::InvalidCertificate(_) => "its certificate is not valid",
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::HandshakeFailure
            | Alert::AccessDenied
            | Alert::CertificateUnknown
            | Alert::DecryptError,
        ) => "it wants a certificate of ours that it trusts: schema.registry.ssl.keystore.location",
        _ => "is schema.registry.url right?",
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
