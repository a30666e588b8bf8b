//! SaslAuthenticate (key 36): carries the bytes of a SASL mechanism.

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 2;
    /// The request: carries the bytes of a SASL mechanism.
    pub struct SaslAuthenticateRequest {
        auth_bytes: Bytes;
    }
}

message! { 0..=2, flexible 2;
    /// Answers [`SaslAuthenticateRequest`].
    pub struct SaslAuthenticateResponse {
        error_code: ErrorCode;
        error_message: Option<Text>;
        auth_bytes: Bytes;
        session_lifetime_ms: i64 => 1..;
    }
}
