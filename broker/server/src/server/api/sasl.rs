//! SaslHandshake and SaslAuthenticate where there is nothing to log in to: on a listener without logins, or after the login.
//! The login itself never comes here (see `security::sasl::login`).

use broker_protocol::{
    ErrorCode,
    messages::{
        sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse},
        sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse},
    },
};

/// Answers SaslHandshake.
pub(in crate::server) fn handshake(_request: &SaslHandshakeRequest) -> SaslHandshakeResponse {
    SaslHandshakeResponse { error_code: ErrorCode::ILLEGAL_SASL_STATE, mechanisms: Vec::new() }
}

/// Answers SaslAuthenticate.
pub(in crate::server) fn authenticate(_request: &SaslAuthenticateRequest) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        error_code: ErrorCode::ILLEGAL_SASL_STATE,
        error_message: Some(
            "SaslAuthenticate request received after successful authentication, or where there are no logins"
                .into(),
        ),
        ..SaslAuthenticateResponse::default()
    }
}
