//! From text to typed value by Kafka's rules (`ConfigDef.parseType`): trimmed, booleans in any case, lists split at commas.
//!
//! Pure. The reasons it gives are Kafka's own and never contain the text itself, which may be a secret.

use std::fmt;

use crate::password::{HIDDEN, Password};

/// The types of Kafka's `ConfigDef`. `Display` prints Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`, in any case.
    Boolean,
    /// Any text, trimmed.
    String,
    /// A 32-bit integer.
    Int,
    /// A 16-bit integer.
    Short,
    /// A 64-bit integer.
    Long,
    /// A 64-bit floating point number.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a plugin, short or as a Java class.
    Class,
    /// A text that is never shown.
    Password,
}

impl ConfigType {
    /// Kafka's name of the type, as `validate` answers it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }

    /// Parses `text`; the error is the reason in Kafka's words, without the text.
    pub fn parse(self, text: &str) -> Result<Parsed, String> {
        let text = text.trim();
        Ok(match self {
            Self::Boolean if text.eq_ignore_ascii_case("true") => Parsed::Boolean(true),
            Self::Boolean if text.eq_ignore_ascii_case("false") => Parsed::Boolean(false),
            Self::Boolean => return Err("Expected value to be either true or false".to_owned()),
            Self::String => Parsed::String(text.to_owned()),
            Self::Int => Parsed::Int(self.number(text.parse().ok())?),
            Self::Short => Parsed::Short(self.number(text.parse().ok())?),
            Self::Long => Parsed::Long(self.number(text.parse().ok())?),
            Self::Double => Parsed::Double(self.number(parse_double(text))?),
            Self::List => Parsed::List(split_list(text)),
            Self::Class => Parsed::Class(text.to_owned()),
            Self::Password => Parsed::Password(Password::from(text)),
        })
    }

    /// Kafka's reason says all there is: the type, not the digit that did not fit.
    fn number<T>(self, parsed: Option<T>) -> Result<T, String> {
        parsed.ok_or_else(|| format!("Not a number of type {self}"))
    }
}

impl fmt::Display for ConfigType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A value of one of the [`ConfigType`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// BOOLEAN.
    Boolean(bool),
    /// STRING.
    String(String),
    /// INT.
    Int(i32),
    /// SHORT.
    Short(i16),
    /// LONG.
    Long(i64),
    /// DOUBLE.
    Double(f64),
    /// LIST.
    List(Vec<String>),
    /// CLASS.
    Class(String),
    /// PASSWORD.
    Password(Password),
}

impl Parsed {
    /// The integer, if it is one of any width.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::Int(number) => Some(number.into()),
            Self::Short(number) => Some(number.into()),
            Self::Long(number) => Some(number),
            _ => None,
        }
    }

    /// The text, if it is a STRING or CLASS.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Class(text) => Some(text),
            _ => None,
        }
    }
}

/// As Kafka writes values back (`ConfigDef.convertToString`): lists joined with commas, passwords hidden.
impl fmt::Display for Parsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::String(text) | Self::Class(text) => formatter.write_str(text),
            Self::Int(number) => number.fmt(formatter),
            Self::Short(number) => number.fmt(formatter),
            Self::Long(number) => number.fmt(formatter),
            Self::Double(number) => write!(formatter, "{number:?}"),
            Self::List(items) => formatter.write_str(&items.join(",")),
            Self::Password(_) => formatter.write_str(HIDDEN),
        }
    }
}

/// Java's `Double.parseDouble` without its hexadecimal form: a trailing `f` or `d` is allowed, `inf` is not.
fn parse_double(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(['f', 'F', 'd', 'D']);
    match digits.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" if digits.len() == text.len() => text.parse().ok(),
        number
            if text.len() - digits.len() <= 1
                && number.starts_with(|c: char| c.is_ascii_digit() || c == '.') =>
        {
            digits.parse().ok()
        }
        _ => None,
    }
}

/// Kafka's lists: split at commas, white space around them dropped; an empty text is an empty list, `a,,b` has an empty item.
fn split_list(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split(',').map(|item| item.trim().to_owned()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_trimmed_and_bounded_by_their_type() {
        assert_eq!(ConfigType::Int.parse(" +7 "), Ok(Parsed::Int(7)));
        assert_eq!(ConfigType::Int.parse("2147483648"), Err("Not a number of type INT".to_owned()));
        assert_eq!(ConfigType::Short.parse("32768"), Err("Not a number of type SHORT".to_owned()));
        assert_eq!(ConfigType::Long.parse("-9223372036854775808"), Ok(Parsed::Long(i64::MIN)));
        assert_eq!(ConfigType::Long.parse("1.0"), Err("Not a number of type LONG".to_owned()));
        assert_eq!(ConfigType::Long.parse(""), Err("Not a number of type LONG".to_owned()));
    }

    #[test]
    fn doubles_are_javas() {
        assert_eq!(ConfigType::Double.parse("1.5e3"), Ok(Parsed::Double(1500.0)));
        assert_eq!(ConfigType::Double.parse("2f"), Ok(Parsed::Double(2.0)));
        assert_eq!(ConfigType::Double.parse("-Infinity"), Ok(Parsed::Double(f64::NEG_INFINITY)));
        for wrong in ["inf", "nan", "2ff", "one", "", "-"] {
            assert_eq!(
                ConfigType::Double.parse(wrong),
                Err("Not a number of type DOUBLE".to_owned()),
                "{wrong}"
            );
        }
    }

    #[test]
    fn booleans_in_any_case_and_nothing_else() {
        assert_eq!(ConfigType::Boolean.parse("TRUE"), Ok(Parsed::Boolean(true)));
        assert_eq!(ConfigType::Boolean.parse(" False"), Ok(Parsed::Boolean(false)));
        let reason = "Expected value to be either true or false".to_owned();
        assert_eq!(ConfigType::Boolean.parse("yes"), Err(reason));
    }

    #[test]
    fn lists_split_at_commas() {
        let list = |items: &[&str]| Ok(Parsed::List(items.iter().map(|item| (*item).to_owned()).collect()));
        assert_eq!(ConfigType::List.parse(" a , b,c "), list(&["a", "b", "c"]));
        assert_eq!(ConfigType::List.parse("  "), list(&[]));
        assert_eq!(ConfigType::List.parse("a,,b"), list(&["a", "", "b"]));
    }

    #[test]
    fn a_password_is_not_written_back() {
        let parsed = ConfigType::Password.parse("CANARY-2");
        assert_eq!(parsed.map(|value| value.to_string()), Ok("[hidden]".to_owned()));
    }
}
