//! Who may connect, who is it, and what may they do?
//!
//! - `settings`: what the broker is told about all of it; `protocol`: how a listener is protected
//! - `admission`: how many connections there may be
//! - `tls`: encryption, and clients' certificates
//! - `sasl`: logins; `jaas` reads their users from settings as Kafka writes them
//! - `principal`, `acl`: who it is, and what that one may do
//! - `lines`: how ACLs and credentials rest on disk
//!
//! Invariant: secrets do not print themselves, and nothing is allowed because a file could not be read.

pub(crate) mod acl;
pub(crate) mod admission;
mod jaas;
mod lines;
mod principal;
mod protocol;
pub(crate) mod sasl;
mod settings;
pub(crate) mod tls;

use std::{net::IpAddr, path::Path, sync::Arc, time::Instant};

pub(crate) use self::settings::definition;
use self::{
    acl::{Operation, Resource, ResourceType, authorizer::Asker, store::AclStore},
    admission::{Admission, LineLimit},
    sasl::credentials::Credentials,
};
pub use self::{principal::Principal, protocol::SecurityProtocol, settings::SecurityConfig};
use crate::Error;

/// What the broker knows about security while it runs.
#[derive(Debug)]
pub(crate) struct Security {
    /// Users of SCRAM.
    pub(crate) credentials: Credentials,
    /// ACLs, if there is an authorizer.
    pub(crate) acls: Option<AclStore>,
    pub(crate) admission: Arc<Admission>,
    /// For lines about connections that were refused or failed.
    pub(crate) refusals: LineLimit,
    /// For lines about requests that were denied.
    denials: LineLimit,
}

/// Who asks, as handlers pass it on.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) host: IpAddr,
}

impl Identity {
    fn asker(&self) -> Asker<'_> {
        Asker { principal: &self.principal, host: self.host }
    }
}

impl Security {
    /// Reads ACLs and credentials of a log directory.
    pub(crate) fn open(
        config: &SecurityConfig,
        connections_max: usize,
        log_directory: &Path,
    ) -> Result<Self, Error> {
        let acls = config.authorizer.clone().map(|settings| AclStore::open(log_directory, settings));
        Ok(Self {
            credentials: Credentials::open(log_directory, &config.first_users)?,
            acls: acls.transpose()?,
            admission: Arc::new(Admission::new(config.connection_limits(connections_max))),
            refusals: LineLimit::new(),
            denials: LineLimit::new(),
        })
    }

    /// Whether a client may do this; without an authorizer, everyone may everything.
    pub(crate) fn authorize(
        &self,
        identity: &Identity,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let Some(acls) = &self.acls else { return true };
        let allowed = acls.authorizer().allows(identity.asker(), operation, resource);
        if !allowed {
            self.tell_denial(identity, operation, resource);
        }
        allowed
    }

    /// The same without a line in the log, for what is merely left out of an answer.
    pub(crate) fn may(&self, identity: &Identity, operation: Operation, resource: Resource<'_>) -> bool {
        let acls = self.acls.as_ref();
        acls.is_none_or(|acls| acls.authorizer().allows(identity.asker(), operation, resource))
    }

    /// Whether a client may do this to any resource of a type.
    pub(crate) fn may_somewhere(
        &self,
        identity: &Identity,
        operation: Operation,
        kind: ResourceType,
    ) -> bool {
        let acls = self.acls.as_ref();
        acls.is_none_or(|acls| acls.authorizer().allows_somewhere(identity.asker(), operation, kind))
    }

    /// What a client may do to a resource, as the bits of `authorized_operations`.
    pub(crate) fn authorized_operations(&self, identity: &Identity, resource: Resource<'_>) -> i32 {
        let operations = resource.kind.operations().iter();
        let allowed = operations.filter(|operation| self.may(identity, **operation, resource));
        allowed.fold(0, |bits, operation| bits | 1 << operation.id())
    }

    fn tell_denial(&self, identity: &Identity, operation: Operation, resource: Resource<'_>) {
        if let Some(untold) = self.denials.take(Instant::now()) {
            tracing::info!(
                principal = %identity.principal, host = %identity.host, ?operation, resource = ?resource.kind, name = resource.name, untold,
                "denied: no ACL allows it, or one denies it"
            );
        }
    }
}
