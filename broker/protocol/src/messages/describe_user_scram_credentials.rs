//! DescribeUserScramCredentials (key 50): asks which SCRAM credentials users have (KIP-554).

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=0, flexible 0;
    /// The request: asks which SCRAM credentials users have; no list or an empty one asks for all users.
    pub struct DescribeUserScramCredentialsRequest {
        users: Option<Vec<UserName>>;
    }
    /// One of `users` of [`DescribeUserScramCredentialsRequest`].
    pub struct UserName {
        name: Text;
    }
}

message! { 0..=0, flexible 0;
    /// Answers [`DescribeUserScramCredentialsRequest`].
    pub struct DescribeUserScramCredentialsResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
        results: Vec<DescribeUserScramCredentialsResult>;
    }
    /// One of `results` of [`DescribeUserScramCredentialsResponse`].
    pub struct DescribeUserScramCredentialsResult {
        user: Text;
        error_code: ErrorCode;
        error_message: Option<Text>;
        credential_infos: Vec<CredentialInfo>;
    }
    /// One of `credential_infos` of [`DescribeUserScramCredentialsResult`]: mechanism 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
    pub struct CredentialInfo {
        mechanism: i8;
        iterations: i32;
    }
}
