//! Who asks, and whom is trusted: a login, a token or a certificate, and the authority that signed the worker's certificate.
//!
//! Invariant: no secret is an argument, for everyone on the machine can read those: it stands in a file or in the environment.

use std::path::{Path, PathBuf};

use clap::Args;
use configs::properties;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};

use super::super::exit::{Exit, chain, say};

/// The password of `--user`, if no file is named.
const PASSWORD: &str = "MILLRACE_PASSWORD";
/// The token, if no file is named.
const TOKEN: &str = "MILLRACE_TOKEN";

/// What may be said.
#[derive(Debug, Default, Args)]
pub(super) struct AccessArgs {
    /// Log in as this user; the password stands in --password-file, or in the environment as MILLRACE_PASSWORD
    #[arg(long, value_name = "NAME", env = "MILLRACE_USER", global = true)]
    user: Option<String>,
    /// A file whose first line is the user's password
    #[arg(long, value_name = "FILE", global = true)]
    password_file: Option<PathBuf>,
    /// A file whose first line is a bearer token; without it the environment may say one as MILLRACE_TOKEN
    #[arg(long, value_name = "FILE", conflicts_with = "user", global = true)]
    token_file: Option<PathBuf>,
    /// A PEM file with the certificates of those who sign the worker's, in place of the system's
    #[arg(long, value_name = "FILE", env = "MILLRACE_CA", global = true)]
    ca: Option<PathBuf>,
    /// A PEM file with our own certificate and its private key, for workers that know callers by theirs
    #[arg(long, value_name = "FILE", env = "MILLRACE_CERT", global = true)]
    cert: Option<PathBuf>,
}

impl AccessArgs {
    /// The beginning of a client for this worker.
    ///
    /// # Errors
    /// What was said wrongly, or a file that cannot be used.
    pub(super) fn client(&self, url: &Url) -> Result<ClientBuilder, Exit> {
        let mut builder = Client::builder();
        if let Some(file) = &self.ca {
            let trusted = Certificate::from_pem_bundle(read(file)?.as_bytes());
            let trusted = trusted.map_err(|error| unusable(file, "certificates", &error))?;
            if trusted.is_empty() {
                return Err(Exit::usage(format!("{}: holds no certificate in PEM", file.display())));
            }
            builder = builder.tls_certs_only(trusted);
        }
        if let Some(file) = &self.cert {
            let identity = Identity::from_pem(read(file)?.as_bytes());
            builder = builder
                .identity(identity.map_err(|error| unusable(file, "a certificate and its key", &error))?);
        }
        let Some(login) = self.login()? else { return Ok(builder) };
        if url.scheme() == "http" && !is_loopback(url) {
            say(
                "millrace: the login goes over the network unencrypted: the worker's --url should begin with https",
            );
        }
        Ok(builder.default_headers(HeaderMap::from_iter([(AUTHORIZATION, login)])))
    }

    /// What goes into `Authorization`.
    fn login(&self) -> Result<Option<HeaderValue>, Exit> {
        let from_environment = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let text = match (&self.user, &self.token_file) {
            (Some(user), _) => {
                let password = match &self.password_file {
                    Some(file) => first_line(file)?,
                    None => from_environment(PASSWORD).ok_or_else(|| {
                        Exit::usage(format!(
                            "--user needs a password: name its file with --password-file, or set {PASSWORD}"
                        ))
                    })?,
                };
                use base64::Engine as _;
                let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                format!("Basic {encoded}")
            }
            (None, _) if self.password_file.is_some() => {
                return Err(Exit::usage("--password-file needs --user: whose password is it?"));
            }
            (None, Some(file)) => format!("Bearer {}", first_line(file)?),
            (None, None) => match from_environment(TOKEN) {
                Some(token) => format!("Bearer {token}"),
                None => return Ok(None),
            },
        };
        let value = HeaderValue::try_from(text);
        let mut value = value
            .map_err(|_holds_the_secret| Exit::usage("the login holds characters that HTTP cannot carry"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn is_loopback(url: &Url) -> bool {
    crate::config::is_loopback_host(url.host_str().unwrap_or_default())
}

fn read(file: &Path) -> Result<String, Exit> {
    properties::read_text(file).map_err(|error| Exit::usage(chain(&error)))
}

fn first_line(file: &Path) -> Result<String, Exit> {
    let text = read(file)?;
    match text.lines().next().map(str::trim_end).filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Exit::usage(format!("{}: its first line is empty", file.display()))),
    }
}

fn unusable(file: &Path, what: &str, error: &reqwest::Error) -> Exit {
    Exit::usage(format!("{}: does not hold {what} in PEM: {}", file.display(), chain(error)))
}
