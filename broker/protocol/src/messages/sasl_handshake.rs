//! SaslHandshake (key 17): chooses the mechanism by which a client proves who it is.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=1;
    /// The request: chooses the mechanism by which a client proves who it is.
    pub struct SaslHandshakeRequest {
        mechanism: Text;
    }
}

message! { 0..=1;
    /// Answers [`SaslHandshakeRequest`].
    pub struct SaslHandshakeResponse {
        error_code: ErrorCode;
        mechanisms: Vec<Text>;
    }
}
