//! Names in paths and queries: decoded on the way in, encoded on the way out.
//!
//! A connector may be called `a/b` or `größe`. Invariant: what is not valid percent-encoded UTF-8 is refused as JSON, not as
//! axum's plain text.

use std::fmt::Write as _;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::error::Failure;

/// The one name in a path, decoded.
#[derive(Debug)]
pub(super) struct Name(pub String);

/// A connector and the number of one of its tasks.
#[derive(Debug)]
pub(super) struct Task(pub String, pub u32);

/// What stands after the `?`, decoded; a key may be repeated.
#[derive(Debug)]
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// The values of a key.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| &**value)
    }

    /// A boolean, `false` if it is not there.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Failure> {
        self.flag_or(key, false)
    }

    /// A boolean, or what it is by default.
    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool, Failure> {
        match self.values(key).last() {
            None => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(Failure::bad_request(format!(
                "The query parameter {key} must be true or false, not {value}"
            ))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<String>::from_request_parts(parts, state).await {
            // Two slashes: what Connect takes for a path that does not exist.
            Ok(Path(name)) if name.is_empty() => Err(Failure::plain(StatusCode::NOT_FOUND)),
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Failure::bad_request(format!("Malformed path: {}", rejection.body_text()))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Task {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path((name, task)) = match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(path) => path,
            Err(rejection) => {
                return Err(Failure::bad_request(format!("Malformed path: {}", rejection.body_text())));
            }
        };
        // Connect's route has an integer here: anything else is a path that does not exist.
        match task.parse() {
            Ok(task) => Ok(Self(name, task)),
            Err(_) => Err(Failure::plain(StatusCode::NOT_FOUND)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(rejection) => {
                Err(Failure::bad_request(format!("Malformed query: {}", rejection.body_text())))
            }
        }
    }
}

/// A name as a segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            let written = write!(path, "%{byte:02X}");
            debug_assert!(written.is_ok(), "a string takes everything");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_one_segment() {
        assert_eq!(encoded("a/b ü?"), "a%2Fb%20%C3%BC%3F");
        assert_eq!(encoded("my-sink_1.x~"), "my-sink_1.x~");
    }
}
