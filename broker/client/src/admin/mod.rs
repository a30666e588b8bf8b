//! Questions and orders to the cluster: topics, settings, offsets, groups.

mod alter;
pub(crate) mod description;
mod groups;
mod log_dirs;
pub(crate) mod offsets;
mod places;
pub(crate) mod topics;
mod transactions;

use broker_protocol::{ApiKey, ErrorCode};
use bytestring::ByteString;

use crate::error::Error;
use crate::net::connection::Connection;

/// The broker's refusal as an error.
pub(crate) fn refused(
    connection: &Connection,
    api: ApiKey,
    subject: impl Into<String>,
    code: ErrorCode,
    message: Option<&ByteString>,
) -> Error {
    Error::Refused {
        broker: connection.broker().to_string(),
        api,
        subject: subject.into(),
        code,
        message: message.filter(|text| !text.is_empty()).map(ToString::to_string),
    }
}
