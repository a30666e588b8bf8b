//! Request and response headers, and whole frames: length, header, body.
//!
//! Traps kept here: the client id is never compact, not even in header version 2; the response header of ApiVersions is
//! always version 0; a request for an unknown ApiVersions version is answered in version 0 (KIP-511).

use bytes::Bytes;
use bytestring::ByteString;

use crate::ApiKey;
use crate::error::{DecodeError, DecodeFault, EncodeError};
use crate::error_code::ErrorCode;
use crate::message::{Message, Request};
use crate::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::reader::Reader;
use crate::writer::{Encoded, Writer};

/// What stands before every request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API key as sent; it may be unknown, see [`Self::api`].
    pub api_key: i16,
    /// The version of the body; it may be unsupported.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// Who asks.
    pub client_id: Option<ByteString>,
}

impl RequestHeader {
    /// Reads the header and leaves the reader at the body. The body of an unknown API or version is not to be read.
    pub fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let header = |reader: &mut Reader| {
            reader.set_flexible(false);
            let (api_key, api_version) = (reader.i16()?, reader.i16()?);
            let (correlation_id, client_id) = (reader.i32()?, reader.text()?);
            let flexible = ApiKey::try_from(api_key).is_ok_and(|api| api.is_flexible(api_version));
            if flexible {
                reader.tagged_fields(|_unknown, _value| Ok(()))?;
            }
            reader.set_flexible(flexible);
            Ok(Self { api_key, api_version, correlation_id, client_id })
        };
        header(reader).map_err(|error: DecodeError| error.within("request header"))
    }

    /// The API, if it is known.
    pub fn api(&self) -> Result<ApiKey, DecodeError> {
        Ok(ApiKey::try_from(self.api_key)?)
    }
}

/// A request as a frame, ready for the socket.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Encoded, EncodeError> {
    let mut writer = Writer::new(false);
    writer.begin_frame();
    writer.i16(R::KEY.into());
    writer.i16(version);
    writer.i32(correlation_id);
    writer.text(client_id)?;
    if R::KEY.is_flexible(version) {
        writer.tagged_fields(Vec::new())?;
    }
    request.encode(&mut writer, version)?;
    writer.finish_frame()
}

/// A response as a frame, ready for the socket.
pub fn encode_response<M: Message>(
    api: ApiKey,
    response: &M,
    version: i16,
    correlation_id: i32,
) -> Result<Encoded, EncodeError> {
    let mut writer = Writer::new(false);
    writer.begin_frame();
    writer.i32(correlation_id);
    if has_tagged_header(api, version) {
        writer.tagged_fields(Vec::new())?;
    }
    response.encode(&mut writer, version)?;
    writer.finish_frame()
}

/// The answer to an ApiVersions request of a version that we do not have: version 0, UNSUPPORTED_VERSION, and the versions of
/// ApiVersions itself, so that the client can ask again.
pub fn encode_api_versions_refusal(correlation_id: i32) -> Result<Encoded, EncodeError> {
    let versions = ApiKey::ApiVersions.versions();
    let ours = ApiVersion {
        api_key: ApiKey::ApiVersions.into(),
        min_version: *versions.start(),
        max_version: *versions.end(),
    };
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![ours],
        ..Default::default()
    };
    encode_response(ApiKey::ApiVersions, &response, 0, correlation_id)
}

/// The correlation id with which a response frame begins (after its length).
pub fn response_correlation_id(frame: &Bytes) -> Result<i32, DecodeError> {
    let mut reader = Reader::new(frame.clone(), false);
    reader.i32().map_err(|error| error.within("response header"))
}

/// Reads the response to an `R` of `version` from a frame without its length; the correlation id was looked at before.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<R::Response, DecodeError> {
    let mut reader = Reader::new(frame, false);
    let header = |reader: &mut Reader| {
        reader.i32()?;
        if has_tagged_header(R::KEY, version) {
            reader.tagged_fields(|_unknown, _value| Ok(()))?;
        }
        Ok(())
    };
    header(&mut reader).map_err(|error: DecodeError| error.within("response header"))?;
    let refused = R::KEY == ApiKey::ApiVersions && version > 0 && is_refusal(&reader);
    R::Response::decode_from(&mut reader, if refused { 0 } else { version })
}

/// A broker that does not have the requested version of ApiVersions answers in version 0, whose first field is the error.
fn is_refusal(body: &Reader) -> bool {
    body.clone().i16() == Ok(ErrorCode::UNSUPPORTED_VERSION.0)
}

fn has_tagged_header(api: ApiKey, version: i16) -> bool {
    api != ApiKey::ApiVersions && api.is_flexible(version)
}

/// Checks that a request may be read, for the broker: known API, supported version.
pub fn check_version(header: &RequestHeader) -> Result<ApiKey, DecodeError> {
    let api = header.api()?;
    let (versions, version) = (api.versions(), header.api_version);
    if versions.contains(&version) {
        return Ok(api);
    }
    let (min, max) = (*versions.start(), *versions.end());
    Err(DecodeError::from(DecodeFault::UnsupportedVersion { version, min, max }).within(api.name()))
}
