//! What of a request may a client do? Stands before every handler: what is denied is taken out of the request and answered here, the
//! rest goes to the handler, which need not know. The rules are those of Kafka's `KafkaApis`, one implementation of [`Authorize`] per request.
//!
//! Invariant: a handler never sees a name that the client may not touch in the way that the request would. A request that
//! states no rule cannot be decoded for a handler: it does not compile.

mod cluster;
mod consumer_groups;
mod groups;
mod records;
mod topics;
mod transactions;

use std::sync::Arc;

use broker_protocol::{Request, Text, Uuid, messages};

use crate::{
    broker::State,
    security::{
        Identity,
        acl::{Operation, Resource, ResourceType},
    },
};

/// The message that Kafka gives with a denial that has one.
const DENIED: &str = "Authorization failed.";

/// Who asks, and in which version.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    state: Arc<State>,
    identity: Identity,
    version: i16,
}

/// What becomes of a request.
pub(super) enum Verdict<A> {
    /// The handler answers what is left of it.
    Pass,
    /// Nothing is left of it: this is the answer.
    Refused(A),
    /// The handler answers what is left of it, and then this changes the answer.
    Amend(Amendment<A>),
}

/// Changes an answer before it is sent.
pub(super) type Amendment<A> = Box<dyn FnOnce(&mut A) + Send>;

/// A request that states who may ask it.
pub(super) trait Authorize: Request {
    /// Takes out what is denied.
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response>;

    /// The handler answers what is left, and then `change` adds what is denied.
    fn amend(change: impl FnOnce(&mut Self::Response) + Send + 'static) -> Verdict<Self::Response> {
        Verdict::Amend(Box::new(change))
    }
}

impl Gate {
    /// A gate for one request.
    pub(super) fn new(state: &Arc<State>, identity: &Identity, version: i16) -> Self {
        Self { state: Arc::clone(state), identity: identity.clone(), version }
    }

    /// Whether everyone may do everything.
    fn is_open(&self) -> bool {
        self.state.security.acls.is_none()
    }

    /// Whether the client may; a denial is told of in the log.
    fn allows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.state.security.authorize(&self.identity, operation, resource)
    }

    /// Whether the client may, for what is otherwise merely left out.
    fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.state.security.may(&self.identity, operation, resource)
    }

    /// Whether the client may touch a topic that a request names, or gives the id of. An id that no topic has is the handler's.
    fn allows_topic(&self, operation: Operation, name: &Text, id: Uuid) -> bool {
        if self.is_open() {
            return true;
        }
        if id.is_zero() {
            return self.allows(operation, Resource::topic(name));
        }
        let topic = self.state.topics.by_id(uuid::Uuid::from_bytes(id.0));
        topic.is_none_or(|topic| self.allows(operation, Resource::topic(&topic.name)))
    }

    fn allows_somewhere(&self, operation: Operation, kind: ResourceType) -> bool {
        self.state.security.may_somewhere(&self.identity, operation, kind)
    }

    /// The bits of `authorized_operations` of the cluster.
    fn cluster_operations(&self) -> i32 {
        if self.may(Operation::Describe, Resource::CLUSTER) {
            self.state.security.authorized_operations(&self.identity, Resource::CLUSTER)
        } else {
            0
        }
    }

    /// The bits of `authorized_operations` of a topic or group.
    fn operations(&self, resource: Resource<'_>) -> i32 {
        self.state.security.authorized_operations(&self.identity, resource)
    }
}

/// Takes out of a list what is denied.
fn take_denied<T>(all: &mut Vec<T>, allowed: impl Fn(&T) -> bool) -> Vec<T> {
    all.extract_if(.., |one| !allowed(one)).collect()
}

/// Requests that ask nothing of anybody, or whose handlers ask themselves.
macro_rules! without_rule {
    ($($request:ty),+ $(,)?) => {$(
        impl Authorize for $request {
            fn authorize(&mut self, _gate: &Gate) -> Verdict<Self::Response> {
                Verdict::Pass
            }
        }
    )+};
}

without_rule!(
    messages::api_versions::ApiVersionsRequest,
    messages::sasl_handshake::SaslHandshakeRequest,
    messages::sasl_authenticate::SaslAuthenticateRequest,
    // These answer differently without an authorizer, so their handlers ask.
    messages::describe_acls::DescribeAclsRequest,
    messages::create_acls::CreateAclsRequest,
    messages::delete_acls::DeleteAclsRequest,
    messages::describe_user_scram_credentials::DescribeUserScramCredentialsRequest,
    messages::alter_user_scram_credentials::AlterUserScramCredentialsRequest,
);
