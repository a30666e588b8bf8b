//! What can be wrong with a message on the wire: the answer of every reader and writer of this crate.
//!
//! Invariant: input never panics and never allocates more than it paid for; it ends in one of these, which names the field.

use std::fmt;

/// A request, response or header that cannot be read. `path` leads to the field, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    fault: DecodeFault,
    path: String,
}

/// Why bytes are not the message they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// The buffer ends before the value does.
    #[error("needs {needed} bytes, {left} are left")]
    Truncated {
        /// Bytes the value takes.
        needed: usize,
        /// Bytes left in the message.
        left: usize,
    },
    /// A length below -1, or -1 where null is not allowed.
    #[error("length {length} is not allowed here")]
    InvalidLength {
        /// The length as read.
        length: i64,
    },
    /// Null where this version of the message needs a value.
    #[error("is null, which version {version} does not allow")]
    UnexpectedNull {
        /// The version of the message.
        version: i16,
    },
    /// A length or count larger than the bytes that could hold it.
    #[error("claims {claimed} elements, but only {left} bytes are left")]
    LengthBeyondMessage {
        /// The count as read.
        claimed: usize,
        /// Bytes left in the message.
        left: usize,
    },
    /// All arrays of the message together exceed [`crate::reader::ELEMENTS_MAX`].
    #[error("the message holds more than {limit} array elements")]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// A variable-length integer of more bytes than its type takes.
    #[error("a variable-length integer does not end after {bytes} bytes")]
    VarintTooLong {
        /// How many bytes were looked at.
        bytes: usize,
    },
    /// Text that is not UTF-8.
    #[error("is not valid UTF-8")]
    NotUtf8,
    /// Tags must ascend; a repeated or descending one is an attack or a bug of the sender.
    #[error("tag {tag} does not follow tag {previous} in ascending order")]
    TagOrder {
        /// The offending tag.
        tag: u32,
        /// The tag before it.
        previous: u32,
    },
    /// Bytes after the last field of a message or tag.
    #[error("{left} bytes follow the last field")]
    TrailingBytes {
        /// How many.
        left: usize,
    },
    /// A version that this crate does not read.
    #[error("version {version} is not supported, only {min} to {max}")]
    UnsupportedVersion {
        /// The version asked for.
        version: i16,
        /// The oldest that is supported.
        min: i16,
        /// The newest that is supported.
        max: i16,
    },
    /// An API key that this crate does not know.
    #[error("API key {key} is not known")]
    UnknownApi {
        /// The key as read.
        key: i16,
    },
}

impl DecodeError {
    /// What is wrong, without where.
    pub fn fault(&self) -> &DecodeFault {
        &self.fault
    }

    /// The fields that lead to the fault, joined by dots; empty when it is the message itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Names the field (or message) that was being read; called from the inside out.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}.{}", self.path) };
        self
    }
}

impl From<DecodeFault> for DecodeError {
    fn from(fault: DecodeFault) -> Self {
        Self { fault, path: String::new() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return self.fault.fmt(formatter);
        }
        write!(formatter, "{}: {}", self.path, self.fault)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// A message that cannot be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A version that the message does not have.
    #[error("{message} has no version {version}, only {min} to {max}")]
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The oldest.
        min: i16,
        /// The newest.
        max: i16,
    },
    /// A text or array longer than its length field can say.
    #[error("{length} bytes or elements do not fit a length field whose limit is {limit}")]
    TooLong {
        /// The length to be written.
        length: usize,
        /// The largest that can be said.
        limit: usize,
    },
}
