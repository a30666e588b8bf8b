//! DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554): users of SCRAM, for those who may ask (DESCRIBE on the cluster)
//! and change them (ALTER). Each user succeeds or fails for itself.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        alter_user_scram_credentials::{
            AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
            AlterUserScramCredentialsResult,
        },
        describe_user_scram_credentials::{
            CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
            DescribeUserScramCredentialsResult,
        },
    },
};

use super::errors::explain;
use crate::{
    broker::State,
    security::{
        acl::{Operation, Resource},
        sasl::{
            Mechanism,
            credentials::{Change, Credentials},
            scram::{Credential, ITERATIONS_MAX, ITERATIONS_MIN},
        },
    },
    server::connection::Session,
};

type Refusal = (ErrorCode, Text);

/// Longest user name and salt; the credential of one user must not cost much.
const NAME_BYTES_MAX: usize = 1024;
const SALT_BYTES_MAX: usize = 1024;

fn mechanism(id: i8) -> Option<Mechanism> {
    match id {
        1 => Some(Mechanism::ScramSha256),
        2 => Some(Mechanism::ScramSha512),
        _ => None,
    }
}

fn mechanism_id(mechanism: Mechanism) -> i8 {
    match mechanism {
        Mechanism::Plain => 0,
        Mechanism::ScramSha256 => 1,
        Mechanism::ScramSha512 => 2,
    }
}

/// Answers DescribeUserScramCredentials.
pub(in crate::server) fn describe(
    state: &State,
    session: &Session,
    request: &DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    if !state.security.authorize(&session.identity, Operation::Describe, Resource::CLUSTER) {
        return DescribeUserScramCredentialsResponse {
            error_code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
            error_message: Some("Cluster authorization failed.".into()),
            ..DescribeUserScramCredentialsResponse::default()
        };
    }
    let mut wanted: BTreeMap<Text, usize> = BTreeMap::new();
    for user in request.users.iter().flatten() {
        *wanted.entry(user.name.clone()).or_default() += 1;
    }
    if wanted.is_empty() {
        wanted = state.security.credentials.users().into_iter().map(|user| (user.into(), 1)).collect();
    }
    let results = wanted.into_iter().map(|(user, times)| describe_one(state, user, times)).collect();
    DescribeUserScramCredentialsResponse { results, ..DescribeUserScramCredentialsResponse::default() }
}

fn describe_one(state: &State, user: Text, times: usize) -> DescribeUserScramCredentialsResult {
    let failed = |error_code, message: String| DescribeUserScramCredentialsResult {
        user: user.clone(),
        error_code,
        error_message: Some(message.into()),
        credential_infos: Vec::new(),
    };
    if times > 1 {
        let message =
            format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
        return failed(ErrorCode::DUPLICATE_RESOURCE, message);
    }
    let Some(found) = state.security.credentials.describe(&user) else {
        let message = format!("Attempt to describe a user credential that does not exist: {user}");
        return failed(ErrorCode::RESOURCE_NOT_FOUND, message);
    };
    let info = |(mechanism, iterations)| CredentialInfo {
        mechanism: mechanism_id(mechanism),
        iterations: i32::try_from(iterations).unwrap_or(i32::MAX),
    };
    let credential_infos = found.into_iter().map(info).collect();
    DescribeUserScramCredentialsResult { user, credential_infos, ..Default::default() }
}

/// Answers AlterUserScramCredentials.
pub(in crate::server) async fn alter(
    state: Arc<State>,
    session: &Session,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let users = changes(&request);
    let permitted = state.security.authorize(&session.identity, Operation::Alter, Resource::CLUSTER);
    let altered = tokio::task::spawn_blocking(move || {
        let apply = |(user, changes): (Text, Result<Vec<Change>, Refusal>)| {
            let done = if permitted {
                changes.and_then(|changes| apply(&state.security.credentials, &user, changes))
            } else {
                Err((ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "Cluster authorization failed.".into()))
            };
            let (error_code, error_message) = match done {
                Ok(()) => (ErrorCode::NONE, None),
                Err((code, message)) => (code, Some(message)),
            };
            AlterUserScramCredentialsResult { user, error_code, error_message }
        };
        users.into_iter().map(apply).collect()
    });
    let results = altered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "altering credentials panicked");
        Vec::new()
    });
    AlterUserScramCredentialsResponse { results, ..AlterUserScramCredentialsResponse::default() }
}

fn apply(credentials: &Credentials, user: &Text, changes: Vec<Change>) -> Result<(), Refusal> {
    let held = credentials.describe(user).unwrap_or_default();
    let is_missing = |change: &Change| match change {
        Change::Remove(mechanism) => !held.iter().any(|(other, _)| other == mechanism),
        Change::Set(..) => false,
    };
    if changes.iter().any(is_missing) {
        let message = "Attempt to delete a user credential that does not exist";
        return Err((ErrorCode::RESOURCE_NOT_FOUND, message.into()));
    }
    credentials.change(user, changes).map_err(|error| {
        let reason = explain(&error);
        tracing::error!("cannot change credentials: {reason}");
        (ErrorCode::UNKNOWN_SERVER_ERROR, reason.into())
    })
}

/// The changes by user, or why a user's are refused.
fn changes(request: &AlterUserScramCredentialsRequest) -> BTreeMap<Text, Result<Vec<Change>, Refusal>> {
    let deletions = request.deletions.iter().map(|deletion| {
        let change = known(deletion.mechanism).map(Change::Remove);
        (&deletion.name, deletion.mechanism, change)
    });
    let upsertions = request.upsertions.iter().map(|upsertion| {
        let change = known(upsertion.mechanism).and_then(|mechanism| {
            let credential =
                check(mechanism, upsertion.iterations, &upsertion.salt, &upsertion.salted_password)?;
            Ok(Change::Set(mechanism, credential))
        });
        (&upsertion.name, upsertion.mechanism, change)
    });
    let mut users: BTreeMap<Text, Result<Vec<Change>, Refusal>> = BTreeMap::new();
    let mut seen: HashSet<(&Text, i8)> = HashSet::new();
    for (name, mechanism, change) in deletions.chain(upsertions) {
        let change = if !seen.insert((name, mechanism)) {
            let message = "A user credential cannot be altered twice in the same request";
            Err((ErrorCode::DUPLICATE_RESOURCE, message.into()))
        } else if name.is_empty() || name.len() > NAME_BYTES_MAX {
            Err((
                ErrorCode::UNACCEPTABLE_CREDENTIAL,
                "Username must not be empty, nor longer than 1024 bytes".into(),
            ))
        } else {
            change
        };
        let changes = users.entry(name.clone()).or_insert_with(|| Ok(Vec::new()));
        match (changes.as_mut(), change) {
            (Ok(changes), Ok(change)) => changes.push(change),
            (Ok(_), Err(refusal)) => *changes = Err(refusal),
            (Err(_), _) => {}
        }
    }
    users
}

fn known(id: i8) -> Result<Mechanism, Refusal> {
    mechanism(id).ok_or((ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism".into()))
}

fn check(
    mechanism: Mechanism,
    iterations: i32,
    salt: &[u8],
    salted_password: &[u8],
) -> Result<Credential, Refusal> {
    let refused = |message: &str| (ErrorCode::UNACCEPTABLE_CREDENTIAL, Text::from(message));
    let count = u32::try_from(iterations).unwrap_or_default();
    if count < ITERATIONS_MIN {
        return Err(refused("Too few iterations"));
    }
    if count > ITERATIONS_MAX {
        return Err(refused("Too many iterations"));
    }
    if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
        return Err(refused("The salt is empty or too long"));
    }
    let key_bytes = if mechanism == Mechanism::ScramSha512 { 64 } else { 32 };
    if salted_password.len() != key_bytes {
        return Err(refused("The salted password has not the length that the mechanism gives it"));
    }
    let credential = Credential::of_salted(mechanism, salted_password, salt, count);
    credential.ok_or_else(|| refused("Unknown SCRAM mechanism"))
}
