//! The macro that declares a message once, and the trait that every request and response answers to.
//!
//! ```text
//! message! { 0..=13, flexible 9;                       // versions; from which one lengths are compact and tags allowed
//!     /// What it is.
//!     pub struct SomeRequest {                          // the first is the message, the others are its parts
//!         topics: Option<Vec<Topic>> => 1.., nullable 2..; // only from version 1 on, null only from version 2 on
//!         wait_ms: i32 = -1;                            // default -1, in all versions
//!         cluster_id: Option<Text> => 12.., tag 0;      // a tagged field
//!     }
//!     /// One of its topics.
//!     pub struct Topic { name: Text; }
//! }
//! ```
//! Invariant: a field outside its versions is neither read nor written; it holds its default after reading. `None` in a
//! version without null is written as empty, which is what those versions meant by it. A tagged field that holds its
//! default is not written (as Kafka does; old librdkafka trips over it).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::error::{DecodeError, DecodeFault, EncodeError};
use crate::field::Field;
use crate::reader::Reader;
use crate::writer::Writer;

/// A request or response body.
pub trait Message: Field + Default + Clone + std::fmt::Debug + PartialEq {
    /// The name as the protocol guide has it, without spaces.
    const NAME: &'static str;
    /// Versions that can be read and written.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version; `i16::MAX` if there is none.
    const FLEXIBLE: i16;

    /// Reads a whole body; it must end with the buffer.
    fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body, false);
        let message = Self::decode_from(&mut reader, version)?;
        let end = reader.expect_end().map(|()| message);
        end.map_err(|error| error.within(&format!("{} v{version}", Self::NAME)))
    }

    /// Reads a body from a reader that is past the header. Bytes behind the last field are left, as Kafka does:
    /// peers that add some (librdkafka's mock cluster, one day a careless client) are understood all the same.
    fn decode_from(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(&version) {
            let (min, max) = (*Self::VERSIONS.start(), *Self::VERSIONS.end());
            return Err(
                DecodeError::from(DecodeFault::UnsupportedVersion { version, min, max }).within(Self::NAME)
            );
        }
        reader.set_flexible(version >= Self::FLEXIBLE);
        Self::read(reader, version).map_err(|error| error.within(&format!("{} v{version}", Self::NAME)))
    }

    /// Writes the body behind what the writer holds.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(&version) {
            let (min, max) = (*Self::VERSIONS.start(), *Self::VERSIONS.end());
            return Err(EncodeError::UnsupportedVersion { message: Self::NAME, version, min, max });
        }
        writer.set_flexible(version >= Self::FLEXIBLE);
        self.write(writer, version)
    }
}

/// A request body, and what answers it.
pub trait Request: Message {
    /// Its API.
    const KEY: crate::ApiKey;
    /// What comes back, in the same version.
    type Response: Message;
}

/// Whether a version lies in a declared range; no range is all versions.
macro_rules! within {
    ($version:expr) => {
        true
    };
    ($version:expr, $range:expr) => {
        std::ops::RangeBounds::contains(&($range), &$version)
    };
}

/// The declared default, or the type's own.
macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

/// Whether a field is tagged, that is: has a tag.
macro_rules! tagged {
    () => {
        false
    };
    ($tag:literal) => {
        true
    };
}

macro_rules! structure {
    ($(#[$attribute:meta])* $name:ident {
        $($field:ident: $type:ty $(= $default:expr)?
            $(=> $versions:expr $(, nullable $nullable:expr)? $(, tag $tag:literal)?)?;)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "fields bear the names that Kafka's protocol guide explains")]
        pub struct $name { $(pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::message::default_of!($($default)?),)* }
            }
        }

        #[cfg(any(test, feature = "fuzzing"))]
        impl $crate::sample::Sample for $name {
            #[allow(unused_variables, unused_mut, reason = "not every structure has fields that vary")]
            fn sample(sampler: &mut $crate::sample::Sampler, version: i16) -> Self {
                let mut structure = Self::default();
                $(if $crate::message::within!(version $(, $versions)?) {
                    structure.$field = $crate::sample::Sample::sample(sampler, version);
                    $($(if !$crate::message::within!(version, $nullable) {
                        structure.$field = $crate::sample::sample_present(sampler, version);
                    })?)?
                })*
                structure
            }
        }

        impl $crate::field::Field for $name {
            #[allow(unused_variables, unused_mut, reason = "not every structure has fields that vary")]
            fn read(
                reader: &mut $crate::reader::Reader,
                version: i16,
            ) -> Result<Self, $crate::error::DecodeError> {
                let mut structure = Self::default();
                $(if !$crate::message::tagged!($($($tag)?)?)
                    && $crate::message::within!(version $(, $versions)?)
                {
                    let value = $crate::field::Field::read(reader, version);
                    structure.$field = value.map_err(|error| error.within(stringify!($field)))?;
                    $($(if structure.$field.is_none() && !$crate::message::within!(version, $nullable) {
                        let fault = $crate::error::DecodeFault::UnexpectedNull { version };
                        return Err($crate::error::DecodeError::from(fault).within(stringify!($field)));
                    })?)?
                })*
                if reader.flexible() {
                    reader.tagged_fields(|tag, reader| {
                        match tag {
                            $($($($tag if $crate::message::within!(version, $versions) => {
                                let value = $crate::field::Field::read(reader, version);
                                structure.$field = value.map_err(|error| error.within(stringify!($field)))?;
                                reader.expect_end().map_err(|error| error.within(stringify!($field)))
                            })?)?)*
                            _ => Ok(()),
                        }
                    })?;
                }
                Ok(structure)
            }

            #[allow(unused_variables, unused_mut, reason = "not every structure has fields that vary")]
            fn write(
                &self,
                writer: &mut $crate::writer::Writer,
                version: i16,
            ) -> Result<(), $crate::error::EncodeError> {
                $(if !$crate::message::tagged!($($($tag)?)?)
                    && $crate::message::within!(version $(, $versions)?)
                {
                    $($(if self.$field.is_none() && !$crate::message::within!(version, $nullable) {
                        $crate::message::write_empty(&self.$field, writer, version)?;
                    } else)?)?
                    { $crate::field::Field::write(&self.$field, writer, version)?; }
                })*
                if writer.flexible() {
                    let mut tags = Vec::new();
                    $($($(if $crate::message::within!(version, $versions)
                        && self.$field != Self::default().$field
                    {
                        tags.push(($tag, $crate::message::tag_value(&self.$field, version)?));
                    })?)?)*
                    writer.tagged_fields(tags)?;
                }
                Ok(())
            }
        }
    };
}

macro_rules! message {
    ($versions:expr $(, flexible $flexible:literal)?;
        $(#[$attribute:meta])* pub struct $name:ident { $($body:tt)* }
        $($(#[$part_attribute:meta])* pub struct $part:ident { $($part_body:tt)* })*
    ) => {
        $crate::message::structure! { $(#[$attribute])* $name { $($body)* } }
        $($crate::message::structure! { $(#[$part_attribute])* $part { $($part_body)* } })*

        impl $crate::message::Message for $name {
            const NAME: &'static str = stringify!($name);
            const VERSIONS: std::ops::RangeInclusive<i16> = $versions;
            const FLEXIBLE: i16 = [$($flexible,)? i16::MAX][0];
        }
    };
}

pub(crate) use {default_of, message, structure, tagged, within};

/// Writes what stands for null in versions that cannot say it.
pub(crate) fn write_empty<T: crate::field::Nullable + Field>(
    _null: &Option<T>,
    writer: &mut Writer,
    version: i16,
) -> Result<(), EncodeError> {
    T::empty().write(writer, version)
}

/// The bytes of a tagged field.
pub(crate) fn tag_value<T: Field>(value: &T, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(true);
    value.write(&mut writer, version)?;
    Ok(writer.finish().into_bytes())
}
