//! Who may reach REST, how, and what they may do: settings and the files that they name, read at the start.
//!
//! REST's doors and its login are made from this. Invariant: a setting that is about safety either works or stops the start;
//! none is passed over.

mod audit_file;
mod headers;
mod peers;
mod roles;
mod tls;
mod users;
mod watched;

use std::path::Path;

use configs::{ConfigDef, ConfigError, ConfigErrors, Props, config};

use super::listener::{Listener, Serves};

pub use audit_file::AuditFile;
pub use headers::ResponseHeaders;
pub use peers::PeerTls;
pub(crate) use roles::ROLE_PREFIX;
pub use roles::{Grants, Role, Roles, Scope};
pub use tls::{ClientAuth, ListenerTls, Pem};
pub use users::{Tokens, Users};
pub use watched::Watched;

config! {
    /// Options of who may use REST.
    pub struct RestAccessOptions {
        /// Where the admin endpoints (`/admin`) are served: URLs as in `listeners`. Left out, the regular listeners serve
        /// them; empty, nothing does.
        admin_listeners: Option<String> = optional("admin.listeners").importance(Low);
        /// Kafka Connect's extensions of REST. Only `BasicAuthSecurityRestExtension` is known: it needs `rest.users.file`.
        extension_classes: Vec<String> = default("rest.extension.classes", "").importance(Low);
        /// A file of users who log in with HTTP Basic, a line each: `name=password`, or a hash in place of the password.
        users_file: Option<String> = optional("rest.users.file").importance(High);
        /// A file of bearer tokens, a line each: `name=token`, or `sha256:` and a hash in place of the token.
        tokens_file: Option<String> = optional("rest.tokens.file").importance(High);
        /// A file to which each change that is asked for over REST is appended, as a line of JSON: who, what, when, outcome.
        audit_file: Option<String> = optional("rest.audit.file").importance(Medium);
        /// Headers that every answer gets: rules of the form `[set|add|setDate|addDate] name: value`, separated by commas.
        response_headers: String = default("response.http.headers.config", "").importance(Low);
        /// How many connections a listener of REST serves at once; others wait.
        connections_max: i32 = default("rest.connections.max", 1000).importance(Low).check(at_least(1));
        /// How long the head of a request may take, and how long a connection may be idle.
        header_timeout: std::time::Duration = default("rest.header.timeout.ms", 30_000).importance(Low).check(at_least(1));
    }
}

/// Who may reach REST, how, and what they may do.
#[derive(Debug, Clone)]
pub struct RestAccess {
    /// Users with passwords.
    pub users: Option<Watched<Users>>,
    /// Bearer tokens.
    pub tokens: Option<Watched<Tokens>>,
    /// What each may do.
    pub roles: Roles,
    /// Where changes are written down, beside the log.
    pub audit_file: Option<AuditFile>,
    /// What every answer gets.
    pub response_headers: ResponseHeaders,
    /// TLS of the regular listeners that speak https.
    pub tls: Option<ListenerTls>,
    /// TLS of the admin listeners that speak https.
    pub admin_tls: Option<ListenerTls>,
    /// TLS towards other workers.
    pub peers: PeerTls,
    /// How many connections a listener serves at once.
    pub connections_max: usize,
    /// How long the head of a request may take.
    pub header_timeout: std::time::Duration,
}

impl RestAccess {
    /// Reads the settings and the files that they name; the admin listeners are added to `listeners`.
    pub(super) fn of(
        props: &Props,
        listeners: &mut Vec<Listener>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let options = RestAccessOptions::parse(props).map_err(|found| errors.extend(found)).ok()?;
        add_admin(options.admin_listeners.as_deref(), listeners, errors);
        let speaks_https = |serves: fn(Serves) -> bool| {
            listeners.iter().any(|listener| listener.https && serves(listener.serves))
        };
        let tls = speaks_https(|serves| serves != Serves::Admin)
            .then(|| ListenerTls::of(props, "listeners.https.", errors))
            .flatten();
        let admin_tls = speaks_https(|serves| serves == Serves::Admin)
            .then(|| ListenerTls::of(props, "admin.listeners.https.", errors))
            .flatten();
        let mut of_peers = ConfigErrors::new();
        let peers = PeerTls::of(props, &mut of_peers);
        // Whoever listens over https has said the same already.
        if tls.is_none() && !listeners.iter().any(|listener| listener.https) {
            errors.extend(of_peers);
        }
        check_extensions(&options, errors);
        let response_headers = ResponseHeaders::parse(&options.response_headers).map_err(|reason| {
            let name = "response.http.headers.config";
            errors.push(ConfigError::invalid(name, &options.response_headers, reason));
        });
        Some(Self {
            users: read(
                "rest.users.file",
                options.users_file.as_deref(),
                |file| Watched::open(file, Users::read),
                errors,
            ),
            tokens: read(
                "rest.tokens.file",
                options.tokens_file.as_deref(),
                |file| Watched::open(file, Tokens::read),
                errors,
            ),
            roles: Roles::of(props, errors),
            audit_file: read("rest.audit.file", options.audit_file.as_deref(), AuditFile::open, errors),
            response_headers: response_headers.unwrap_or_default(),
            tls,
            admin_tls,
            peers,
            connections_max: usize::try_from(options.connections_max).unwrap_or(1),
            header_timeout: options.header_timeout,
        })
    }

    /// Everything that may be said here.
    pub(super) fn definition() -> ConfigDef {
        RestAccessOptions::definition()
            .clone()
            .merge(tls::ClientAuthOptions::definition())
            .open(ROLE_PREFIX)
            .open("listeners.https.ssl.")
            .open("admin.listeners.https.ssl.")
    }

    /// Whether requests must say who they are from.
    #[must_use]
    pub fn asks_for_login(&self) -> bool {
        self.users.is_some() || self.tokens.is_some() || self.roles.are_said()
    }
}

/// The admin listeners, if any are said; then the regular ones serve no admin endpoint.
fn add_admin(said: Option<&str>, listeners: &mut Vec<Listener>, errors: &mut ConfigErrors) {
    let Some(said) = said else { return };
    for listener in listeners.iter_mut() {
        listener.serves = Serves::Regular;
    }
    for url in said.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        match Listener::parse(url) {
            Ok(listener) => listeners.push(Listener { serves: Serves::Admin, ..listener }),
            Err(reason) => errors.push(ConfigError::invalid("admin.listeners", url, reason)),
        }
    }
}

/// An extension that is not here may be what keeps strangers out: going on without it would let them in.
fn check_extensions(options: &RestAccessOptions, errors: &mut ConfigErrors) {
    const NAME: &str = "rest.extension.classes";
    for class in &options.extension_classes {
        if class.rsplit('.').next() != Some("BasicAuthSecurityRestExtension") {
            let reason = "Java REST extensions cannot be loaded; of Kafka Connect's own, BasicAuthSecurityRestExtension is built in";
            errors.push(ConfigError::invalid(NAME, class, reason));
        } else if options.users_file.is_none() {
            let sentence = "BasicAuthSecurityRestExtension needs rest.users.file: the file that the option `file` of PropertyFileLoginModule names in the JAAS configuration";
            errors.push(ConfigError::other(NAME, sentence));
        }
    }
}

fn read<T>(
    name: &str,
    file: Option<&str>,
    read: fn(&Path) -> Result<T, String>,
    errors: &mut ConfigErrors,
) -> Option<T> {
    let file = file?;
    read(Path::new(file)).map_err(|reason| errors.push(ConfigError::invalid(name, file, reason))).ok()
}
