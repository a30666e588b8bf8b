//! DescribeAcls, CreateAcls and DeleteAcls: who may do what, for those who may ask (DESCRIBE on the cluster) and change it (ALTER).

use std::{collections::BTreeMap, sync::Arc};

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        create_acls::{AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse},
        delete_acls::{DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse},
        describe_acls::{AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse},
    },
};

use super::errors::explain;
use crate::{
    broker::State,
    security::acl::{
        Acl, CLUSTER_NAME, Operation, PatternType, Permission, Resource, ResourceType,
        filter::{Filter, FilterFields},
        store::AclStore,
    },
    server::connection::Session,
};

type Refusal = (ErrorCode, Text);

/// Longest name that an ACL may have; Kafka's come in strings of 16-bit lengths.
const NAME_BYTES_MAX: usize = 32_767;

/// The ACLs, for a session that may do this with them.
fn permitted<'a>(state: &'a State, session: &Session, operation: Operation) -> Result<&'a AclStore, Refusal> {
    if !state.security.authorize(&session.identity, operation, Resource::CLUSTER) {
        return Err((ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "Cluster authorization failed.".into()));
    }
    let none = (ErrorCode::SECURITY_DISABLED, "No Authorizer is configured.".into());
    state.security.acls.as_ref().ok_or(none)
}

/// Answers DescribeAcls.
pub(in crate::server) fn describe(
    state: &State,
    session: &Session,
    request: &DescribeAclsRequest,
) -> DescribeAclsResponse {
    let found = permitted(state, session, Operation::Describe).and_then(|acls| {
        let filter = Filter::of(&FilterFields {
            resource_type: request.resource_type_filter,
            name: request.resource_name_filter.as_deref(),
            pattern: request.pattern_type_filter,
            principal: request.principal_filter.as_deref(),
            host: request.host_filter.as_deref(),
            operation: request.operation,
            permission: request.permission_type,
        });
        Ok(acls.find(&filter.map_err(|reason| (ErrorCode::INVALID_REQUEST, reason.into()))?))
    });
    let acls = match found {
        Ok(acls) => acls,
        Err((error_code, message)) => {
            let error_message = Some(message);
            return DescribeAclsResponse { error_code, error_message, ..DescribeAclsResponse::default() };
        }
    };
    let mut resources: BTreeMap<(i8, String, i8), Vec<AclDescription>> = BTreeMap::new();
    for acl in acls {
        let resource = (acl.resource_type.id(), acl.name, acl.pattern.id());
        resources.entry(resource).or_default().push(AclDescription {
            principal: acl.principal.to_string().into(),
            host: acl.host.into(),
            operation: acl.operation.id(),
            permission_type: acl.permission.id(),
        });
    }
    let resource = |((resource_type, name, pattern_type), acls): ((i8, String, i8), _)| {
        DescribeAclsResource { resource_type, resource_name: name.into(), pattern_type, acls }
    };
    let resources = resources.into_iter().map(resource).collect();
    DescribeAclsResponse { resources, ..DescribeAclsResponse::default() }
}

/// Answers CreateAcls.
pub(in crate::server) async fn create(
    state: Arc<State>,
    session: &Session,
    request: CreateAclsRequest,
) -> CreateAclsResponse {
    let refused = |(error_code, message)| AclCreationResult { error_code, error_message: Some(message) };
    if let Err(refusal) = permitted(&state, session, Operation::Alter) {
        let results = request.creations.iter().map(|_| refused(refusal.clone())).collect();
        return CreateAclsResponse { results, ..CreateAclsResponse::default() };
    }
    let checked: Vec<Result<Acl, Refusal>> = request.creations.iter().map(check).collect();
    let added: Vec<Acl> = checked.iter().flatten().cloned().collect();
    let stored = on_disk(state, move |acls| acls.add(added)).await;
    let result = |checked: Result<Acl, Refusal>| match (checked, &stored) {
        (Err(refusal), _) => refused(refusal),
        (Ok(_), Err(refusal)) => refused(refusal.clone()),
        (Ok(_), Ok(())) => AclCreationResult::default(),
    };
    let results = checked.into_iter().map(result).collect();
    CreateAclsResponse { results, ..CreateAclsResponse::default() }
}

/// Reads an ACL as it was asked for.
fn check(asked: &AclCreation) -> Result<Acl, Refusal> {
    let wrong = |reason: &str| (ErrorCode::INVALID_REQUEST, Text::from(reason));
    let resource_type =
        ResourceType::of(asked.resource_type).ok_or_else(|| wrong("Invalid resource type"))?;
    if asked.resource_name.is_empty() || asked.resource_name.len() > NAME_BYTES_MAX {
        return Err(wrong("Resource name should not be empty, nor longer than 32767 bytes"));
    }
    if resource_type == ResourceType::Cluster && &*asked.resource_name != CLUSTER_NAME {
        return Err(wrong("The only valid name for the CLUSTER resource is kafka-cluster"));
    }
    let principal = asked.principal.parse().map_err(|reason: String| wrong(&reason))?;
    if asked.host.is_empty() || asked.host.len().max(asked.principal.len()) > NAME_BYTES_MAX {
        return Err(wrong("Host should not be empty, nor host and principal longer than 32767 bytes"));
    }
    Ok(Acl {
        resource_type,
        name: asked.resource_name.to_string(),
        pattern: PatternType::of(asked.resource_pattern_type)
            .ok_or_else(|| wrong("Invalid resource pattern type"))?,
        principal,
        host: asked.host.to_string(),
        operation: Operation::of(asked.operation).ok_or_else(|| wrong("Invalid operation"))?,
        permission: Permission::of(asked.permission_type).ok_or_else(|| wrong("Invalid permission type"))?,
    })
}

/// Answers DeleteAcls.
pub(in crate::server) async fn delete(
    state: Arc<State>,
    session: &Session,
    request: DeleteAclsRequest,
) -> DeleteAclsResponse {
    let answer = |filter_results| DeleteAclsResponse { filter_results, ..DeleteAclsResponse::default() };
    let refused = |(error_code, message)| DeleteAclsFilterResult {
        error_code,
        error_message: Some(message),
        ..DeleteAclsFilterResult::default()
    };
    if let Err(refusal) = permitted(&state, session, Operation::Alter) {
        return answer(request.filters.iter().map(|_| refused(refusal.clone())).collect());
    }
    let filters = request.filters.iter().map(|filter| {
        let fields = FilterFields {
            resource_type: filter.resource_type_filter,
            name: filter.resource_name_filter.as_deref(),
            pattern: filter.pattern_type_filter,
            principal: filter.principal_filter.as_deref(),
            host: filter.host_filter.as_deref(),
            operation: filter.operation,
            permission: filter.permission_type,
        };
        Filter::of(&fields).map_err(|reason| (ErrorCode::INVALID_REQUEST, Text::from(reason)))
    });
    let filters: Vec<Result<Filter, Refusal>> = filters.collect();
    let usable: Vec<Filter> = filters.iter().flatten().cloned().collect();
    let removed = on_disk(state, move |acls| acls.remove(&usable)).await;
    let mut removed = removed.map(Vec::into_iter);
    let result = |filter: Result<Filter, Refusal>| match (filter, &mut removed) {
        (Err(refusal), _) => refused(refusal),
        (Ok(_), Err(refusal)) => refused(refusal.clone()),
        (Ok(_), Ok(removed)) => DeleteAclsFilterResult {
            matching_acls: removed.next().unwrap_or_default().into_iter().map(matching).collect(),
            ..DeleteAclsFilterResult::default()
        },
    };
    answer(filters.into_iter().map(result).collect())
}

fn matching(acl: Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_code: ErrorCode::NONE,
        error_message: None,
        resource_type: acl.resource_type.id(),
        resource_name: acl.name.into(),
        pattern_type: acl.pattern.id(),
        principal: acl.principal.to_string().into(),
        host: acl.host.into(),
        operation: acl.operation.id(),
        permission_type: acl.permission.id(),
    }
}

/// Changes the ACLs where blocking is allowed.
async fn on_disk<T: Send + 'static>(
    state: Arc<State>,
    change: impl FnOnce(&AclStore) -> Result<T, crate::Error> + Send + 'static,
) -> Result<T, Refusal> {
    let changed = tokio::task::spawn_blocking(move || state.security.acls.as_ref().map(change)).await;
    let failed = |reason: String| {
        tracing::error!("cannot change the ACLs: {reason}");
        (ErrorCode::UNKNOWN_SERVER_ERROR, Text::from(reason))
    };
    match changed {
        Ok(Some(changed)) => changed.map_err(|error| failed(explain(&error))),
        Ok(None) => Err((ErrorCode::SECURITY_DISABLED, "No Authorizer is configured.".into())),
        Err(error) => Err(failed(error.to_string())),
    }
}
