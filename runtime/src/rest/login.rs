//! Who asks: HTTP Basic, a bearer token, a client's certificate, another worker's word, or nobody.
//!
//! Before every handler, by `rights`. Invariants: a password is checked where that holds up no other request; what was said
//! wrongly too often is not even looked at; a caller without a name may do only what is said for such callers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use ring::digest;
use tokio::sync::Semaphore;

use super::attempts::Attempts;
use super::error::Failure;
use super::serve::Peer;
use crate::config::{Grants, RestAccess, Role, Scope, Users, Watched};

/// How many passwords may be checked at once: a hash keeps a core busy.
const CHECKS_MAX: usize = 2;

/// How long a password that was right need not be checked again.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// How many such passwords are remembered, by their hashes.
const REMEMBERED_MAX: usize = 1000;

/// Whoever sent a request, and what they may do.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    /// The name; `None` for somebody without one.
    pub(super) name: Option<Arc<str>>,
    /// Whether what was said in `Authorization` told the name: any worker can find it out by that.
    pub(super) logged_in: bool,
    grants: Arc<Grants>,
}

impl Caller {
    fn named(name: &str, grants: Grants) -> Self {
        Self { name: Some(name.into()), logged_in: false, grants: Arc::new(grants) }
    }

    fn unnamed(grants: Grants) -> Self {
        Self { name: None, logged_in: false, grants: Arc::new(grants) }
    }

    /// Whether the caller may do this.
    pub(super) fn may(&self, role: Role, scope: Scope<'_>) -> bool {
        self.grants.allow(role, scope)
    }

    /// Refuses unless the caller may do this.
    pub(super) fn require(&self, role: Role, scope: Scope<'_>) -> Result<(), Failure> {
        if self.may(role, scope) {
            return Ok(());
        }
        let over = match scope {
            Scope::Worker => String::new(),
            Scope::Connector(name) => format!(" over connector {name}"),
            Scope::Everything => " over all connectors".to_owned(),
        };
        let who = self.name.as_deref().unwrap_or("a caller without a name");
        let message = format!("{who} may not do this: it needs the role {}{over}", role.name());
        Err(Failure::new(StatusCode::FORBIDDEN, message))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    /// Whoever `rights` found out to be asking; a caller who may do nothing if it was not asked.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Finds out who asks.
#[derive(Debug)]
pub(super) struct Login {
    access: RestAccess,
    attempts: Mutex<Attempts>,
    /// Hashes of credentials that were right for a version of the users' file, and until when they count.
    remembered: Mutex<HashMap<(u64, Vec<u8>), Instant>>,
    checks: Semaphore,
}

impl Login {
    pub(super) fn new(access: RestAccess) -> Self {
        let checks = Semaphore::new(CHECKS_MAX);
        Self { access, attempts: Mutex::default(), remembered: Mutex::default(), checks }
    }

    /// Who asks, by what the request and its connection show.
    pub(super) async fn caller(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Failure> {
        let said = headers.get(header::AUTHORIZATION);
        if let Some(said) = said.filter(|_| self.access.users.is_some() || self.access.tokens.is_some()) {
            let name = self.logged_in(said, peer).await?;
            return Ok(Caller { logged_in: true, ..Caller::named(&name, self.access.roles.of_name(&name)) });
        }
        self.vouched(peer.and_then(|peer| peer.certificate.as_deref()))
    }

    /// Somebody whose name is certain without a login, or who has none.
    pub(super) fn vouched(&self, name: Option<&str>) -> Result<Caller, Failure> {
        if let Some(name) = name {
            return Ok(Caller::named(name, self.access.roles.of_name(name)));
        }
        if !self.access.asks_for_login() {
            return Ok(Caller::unnamed(Grants::all()));
        }
        match self.access.roles.of_anonymous() {
            Some(grants) => Ok(Caller::unnamed(grants.clone())),
            None => Err(refused("This worker must know who asks: log in")),
        }
    }

    /// The ways to log in, for an answer that asks for it.
    pub(super) fn challenges(&self) -> impl Iterator<Item = HeaderValue> {
        let basic = self
            .access
            .users
            .is_some()
            .then(|| HeaderValue::from_static("Basic realm=\"millrace\", charset=\"UTF-8\""));
        let bearer =
            self.access.tokens.is_some().then(|| HeaderValue::from_static("Bearer realm=\"millrace\""));
        basic.into_iter().chain(bearer)
    }

    async fn logged_in(&self, said: &HeaderValue, peer: Option<&Peer>) -> Result<String, Failure> {
        let found = match Credentials::parse(said) {
            Some(Credentials::Basic(name, password)) => self.by_password(said, name, password, peer).await?,
            // Nobody guesses a token, and looking one up costs nothing: no need to let its owner wait for others' failures.
            Some(Credentials::Bearer(token)) => match current(self.access.tokens.as_ref()).await? {
                Some((tokens, _)) => tokens.owner(&token).map(str::to_owned),
                None => None,
            },
            None => None,
        };
        found.ok_or_else(|| {
            if let Some(peer) = peer {
                self.attempts.lock().failed(peer.address, Instant::now());
            }
            // Connect's own words, so that nobody learns which half was wrong.
            refused("User cannot access the resource.")
        })
    }

    async fn by_password(
        &self,
        said: &HeaderValue,
        name: String,
        password: String,
        peer: Option<&Peer>,
    ) -> Result<Option<String>, Failure> {
        let Some((users, version)) = current(self.access.users.as_ref()).await? else { return Ok(None) };
        // Whoever is not in the file any more, or has another password by now, is not remembered either.
        let hash = (version, digest::digest(&digest::SHA256, said.as_bytes()).as_ref().to_vec());
        if self.remembered.lock().get(&hash).is_some_and(|until| *until > Instant::now()) {
            return Ok(Some(name));
        }
        if let Some(wait) = peer.and_then(|peer| self.attempts.lock().wait(peer.address, Instant::now())) {
            let message = "Too many logins from this address failed: try again later";
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, message).passing(wait));
        }
        let found = self.check(users, name, password).await?;
        if found.is_some() {
            self.remember(hash);
        }
        Ok(found)
    }

    /// The name, if the password is its.
    async fn check(
        &self,
        users: Arc<Users>,
        name: String,
        password: String,
    ) -> Result<Option<String>, Failure> {
        let _slot = self.checks.acquire().await.map_err(|error| broken(error.to_string()))?;
        let checked =
            tokio::task::spawn_blocking(move || users.check(&name, &password).then_some(name)).await;
        checked.map_err(|error| broken(format!("the login could not be checked: {error}")))
    }

    fn remember(&self, hash: (u64, Vec<u8>)) {
        let now = Instant::now();
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(hash, now + REMEMBERED_FOR);
    }
}

/// What a file says now, and its version. Looking at it holds up no other request.
async fn current<T: Send + Sync + 'static>(
    file: Option<&Watched<T>>,
) -> Result<Option<(Arc<T>, u64)>, Failure> {
    let Some(file) = file.cloned() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || file.current()).await;
    read.map(Some).map_err(|error| broken(format!("the login could not be checked: {error}")))
}

fn broken(reason: String) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason)
}

fn refused(message: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, message)
}

/// What stands in `Authorization`.
enum Credentials {
    Basic(String, String),
    Bearer(String),
}

impl Credentials {
    fn parse(said: &HeaderValue) -> Option<Self> {
        let (scheme, rest) = said.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(rest.trim().to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(BASE64.decode(rest.trim()).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        Some(Self::Basic(name.to_owned(), password.to_owned()))
    }
}
