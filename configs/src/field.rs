//! From parsed option to the field of a struct, and the reader that fills a struct and collects every error.
//!
//! The invariant: a field is `None` exactly when an error names its option, so that a declaration yields a whole struct or all errors.

use std::time::Duration;

use crate::Props;
use crate::check::{Check, at_least, range};
use crate::definition::{ConfigDef, ConfigKey};
use crate::error::{ConfigError, ConfigErrors};
use crate::parse::{ConfigType, Parsed};
use crate::password::Password;
use crate::validate::read_key;

/// A type that a field of [`crate::config!`] may have.
pub trait FromConfig: Sized {
    /// The option's type unless the declaration says otherwise.
    const KIND: ConfigType;

    /// What the type itself demands of a value, beyond its [`ConfigType`].
    #[must_use]
    fn check() -> Option<Check> {
        None
    }

    /// The field's value; `None` is Kafka's `null`. The error is the reason, without the value.
    fn from_parsed(parsed: Option<Parsed>) -> Result<Self, String>;
}

/// The key with the type and the demands of its field; [`crate::config!`] calls it.
#[doc(hidden)]
#[must_use]
pub fn typed<T: FromConfig>(key: ConfigKey) -> ConfigKey {
    let kind = if key.kind == ConfigType::String { T::KIND } else { key.kind };
    match T::check() {
        Some(check) => key.kind(kind).check(check),
        None => key.kind(kind),
    }
}

/// Reads the options of a definition one after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    keys: std::slice::Iter<'a, ConfigKey>,
    props: &'a Props,
    prefix: &'a str,
    errors: ConfigErrors,
}

impl<'a> Reader<'a> {
    /// Starts at the first option; `prefix` stands before every name in `props`.
    #[must_use]
    pub fn new(definition: &'a ConfigDef, props: &'a Props, prefix: &'a str) -> Self {
        Self { keys: definition.keys().iter(), props, prefix, errors: ConfigErrors::new() }
    }

    /// The next option as a `T`, or `None` after noting what is wrong with it.
    pub fn read<T: FromConfig>(&mut self) -> Option<T> {
        let key = self.keys.next()?;
        let reading = read_key(key, self.props, self.prefix);
        let found = reading.text.clone();
        if !reading.errors.is_empty() {
            self.errors.extend(reading.errors);
            return None;
        }
        match T::from_parsed(reading.parsed) {
            Ok(value) => Some(value),
            Err(reason) => {
                let name = format!("{}{}", self.prefix, key.name);
                self.errors.push(ConfigError::invalid(&name, found.as_deref().unwrap_or("null"), reason));
                None
            }
        }
    }

    /// Everything that was wrong.
    #[must_use]
    pub fn finish(self) -> ConfigErrors {
        self.errors
    }
}

fn mismatch(expected: &str) -> String {
    format!("Expected value to be {expected}")
}

macro_rules! from_config {
    ($($type:ty: $kind:ident, $expected:literal, $($pattern:pat => $value:expr),+;)+) => {$(
        impl FromConfig for $type {
            const KIND: ConfigType = ConfigType::$kind;

            fn from_parsed(parsed: Option<Parsed>) -> Result<Self, String> {
                match parsed {
                    $(Some($pattern) => Ok($value),)+
                    _ => Err(mismatch($expected)),
                }
            }
        }
    )+};
}

from_config! {
    bool: Boolean, "a boolean", Parsed::Boolean(value) => value;
    String: String, "a text", Parsed::String(text) | Parsed::Class(text) => text;
    f64: Double, "a number", Parsed::Double(number) => number;
    Vec<String>: List, "a list", Parsed::List(items) => items;
    Password: Password, "a password", Parsed::Password(password) => password;
}

macro_rules! from_config_integer {
    ($($type:ty: $kind:ident, $check:expr;)+) => {$(
        impl FromConfig for $type {
            const KIND: ConfigType = ConfigType::$kind;

            fn check() -> Option<Check> {
                $check
            }

            fn from_parsed(parsed: Option<Parsed>) -> Result<Self, String> {
                let integer = parsed.as_ref().and_then(Parsed::as_integer).ok_or_else(|| mismatch("an integer"))?;
                Self::try_from(integer).map_err(|cause| format!("{cause}"))
            }
        }
    )+};
}

from_config_integer! {
    i16: Short, None;
    i32: Int, None;
    i64: Long, None;
    u16: Int, Some(range(0, i64::from(u16::MAX)));
    u32: Long, Some(range(0, i64::from(u32::MAX)));
    u64: Long, Some(at_least(0));
    usize: Long, Some(at_least(0));
}

/// Milliseconds: options that hold a duration end in `.ms`.
impl FromConfig for Duration {
    const KIND: ConfigType = ConfigType::Long;

    fn check() -> Option<Check> {
        Some(at_least(0))
    }

    fn from_parsed(parsed: Option<Parsed>) -> Result<Self, String> {
        u64::from_parsed(parsed).map(Self::from_millis)
    }
}

/// `null`, or a value.
impl<T: FromConfig> FromConfig for Option<T> {
    const KIND: ConfigType = T::KIND;

    fn check() -> Option<Check> {
        T::check()
    }

    fn from_parsed(parsed: Option<Parsed>) -> Result<Self, String> {
        parsed.map(|parsed| T::from_parsed(Some(parsed))).transpose()
    }
}
