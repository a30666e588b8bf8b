//! AlterUserScramCredentials (key 51): sets and removes users' SCRAM credentials (KIP-554).

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=0, flexible 0;
    /// The request: sets and removes users' SCRAM credentials.
    pub struct AlterUserScramCredentialsRequest {
        deletions: Vec<ScramCredentialDeletion>;
        upsertions: Vec<ScramCredentialUpsertion>;
    }
    /// One of `deletions` of [`AlterUserScramCredentialsRequest`].
    pub struct ScramCredentialDeletion {
        name: Text;
        mechanism: i8;
    }
    /// One of `upsertions` of [`AlterUserScramCredentialsRequest`].
    pub struct ScramCredentialUpsertion {
        name: Text;
        mechanism: i8;
        iterations: i32;
        salt: Bytes;
        salted_password: Bytes;
    }
}

message! { 0..=0, flexible 0;
    /// Answers [`AlterUserScramCredentialsRequest`].
    pub struct AlterUserScramCredentialsResponse {
        throttle_time_ms: i32;
        results: Vec<AlterUserScramCredentialsResult>;
    }
    /// One of `results` of [`AlterUserScramCredentialsResponse`]: one for each user.
    pub struct AlterUserScramCredentialsResult {
        user: Text;
        error_code: ErrorCode;
        error_message: Option<Text>;
    }
}
