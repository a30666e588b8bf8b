//! What a value must satisfy beyond its type: Kafka's validators, as data.
//!
//! The invariants: a check says what it expects ([`Check::expectation`], in Kafka's words where Kafka has them) and never repeats the
//! value, which may be a secret. `null` satisfies every check. Regular expressions run on a linear-time engine unless they use
//! look-around or back references, and then with a bound on backtracking.

use crate::parse::Parsed;

/// How long a topic's name may be (Kafka's `Topic.MAX_NAME_LENGTH`).
const TOPIC_NAME_CHARS_MAX: usize = 249;

/// A condition on a value. Make one with the functions of this module.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// See [`non_empty`].
    NonEmpty,
    /// See [`range`]; `None` is open.
    Range(Option<i64>, Option<i64>),
    /// See [`range_f64`].
    RangeF64(f64, f64),
    /// See [`one_of`].
    OneOf(&'static [&'static str]),
    /// See [`one_of_ignoring_case`].
    OneOfIgnoringCase(&'static [&'static str]),
    /// See [`matches()`].
    Matches(&'static str),
    /// See [`regex`].
    Regex,
    /// See [`url()`].
    Url(&'static [&'static str]),
    /// See [`topic_name`].
    TopicName,
    /// See [`no_control_characters`].
    NoControlCharacters,
    /// See [`custom`].
    Custom(&'static str, fn(&Parsed) -> Result<(), String>),
}

/// A text or list with something in it.
#[must_use]
pub const fn non_empty() -> Check {
    Check::NonEmpty
}

/// An integer not below `minimum`.
#[must_use]
pub const fn at_least(minimum: i64) -> Check {
    Check::Range(Some(minimum), None)
}

/// An integer from `minimum` to `maximum`, both included.
#[must_use]
pub const fn range(minimum: i64, maximum: i64) -> Check {
    Check::Range(Some(minimum), Some(maximum))
}

/// A DOUBLE from `minimum` to `maximum`, both included.
#[must_use]
pub const fn range_f64(minimum: f64, maximum: f64) -> Check {
    Check::RangeF64(minimum, maximum)
}

/// One of these texts; a list of these texts.
#[must_use]
pub const fn one_of(texts: &'static [&'static str]) -> Check {
    Check::OneOf(texts)
}

/// One of these texts, in upper or lower case.
#[must_use]
pub const fn one_of_ignoring_case(texts: &'static [&'static str]) -> Check {
    Check::OneOfIgnoringCase(texts)
}

/// A text that this regular expression matches as a whole.
#[must_use]
pub const fn matches(pattern: &'static str) -> Check {
    Check::Matches(pattern)
}

/// A valid regular expression (or a list of them).
#[must_use]
pub const fn regex() -> Check {
    Check::Regex
}

/// An absolute URL with one of these schemes and a host.
#[must_use]
pub const fn url(schemes: &'static [&'static str]) -> Check {
    Check::Url(schemes)
}

/// A legal name of a topic (or a list of them).
#[must_use]
pub const fn topic_name() -> Check {
    Check::TopicName
}

/// A text without line breaks, escapes and the like: it will be printed, and stand in file names and URLs.
#[must_use]
pub const fn no_control_characters() -> Check {
    Check::NoControlCharacters
}

/// A condition of its own: what the documents say it expects, and a function giving the reason why a value does not do.
#[must_use]
pub const fn custom(expectation: &'static str, test: fn(&Parsed) -> Result<(), String>) -> Check {
    Check::Custom(expectation, test)
}

impl Check {
    /// Whether `value` does; the error is the reason in Kafka's words.
    pub fn test(&self, value: &Parsed) -> Result<(), String> {
        match self {
            Self::Range(minimum, maximum) => test_range(value, *minimum, *maximum),
            Self::RangeF64(minimum, maximum) => test_range_f64(value, *minimum, *maximum),
            Self::Custom(_, test) => test(value),
            _ => {
                texts(value).into_iter().try_for_each(|text| self.test_text(text)).and(self.test_list(value))
            }
        }
    }

    /// What is expected, as documents and errors say it.
    #[must_use]
    pub fn expectation(&self) -> String {
        match self {
            Self::NonEmpty => "String must be non-empty".to_owned(),
            Self::Range(minimum, maximum) => expected_range(*minimum, *maximum),
            Self::RangeF64(minimum, maximum) => format!("Value must be from {minimum} to {maximum}"),
            Self::OneOf(texts) => format!("String must be one of: {}", texts.join(", ")),
            Self::OneOfIgnoringCase(texts) => {
                format!("String must be one of (case insensitive): {}", texts.join(", "))
            }
            Self::Matches(pattern) => format!("String must match pattern {pattern}"),
            Self::Regex => "Valid regex".to_owned(),
            Self::Url(schemes) => format!("Must be a URL starting with {}://", schemes.join(":// or ")),
            Self::TopicName => format!(
                "Must be a topic name: 1 to {TOPIC_NAME_CHARS_MAX} ASCII letters, digits, '.', '_' and '-'"
            ),
            Self::NoControlCharacters => "String may not contain control sequences".to_owned(),
            Self::Custom(expectation, _) => (*expectation).to_owned(),
        }
    }

    /// The values that a form can offer.
    #[must_use]
    pub const fn choices(&self) -> &'static [&'static str] {
        match self {
            Self::OneOf(texts) | Self::OneOfIgnoringCase(texts) => texts,
            _ => &[],
        }
    }

    fn test_text(&self, text: &str) -> Result<(), String> {
        let good = match self {
            Self::NonEmpty => !text.is_empty(),
            Self::OneOf(texts) => texts.contains(&text),
            Self::OneOfIgnoringCase(texts) => texts.iter().any(|choice| choice.eq_ignore_ascii_case(text)),
            Self::Matches(pattern) => return test_pattern(self, pattern, text),
            Self::Regex => return compile(text).map(drop),
            Self::Url(schemes) => is_url(schemes, text),
            Self::TopicName => is_topic_name(text),
            Self::NoControlCharacters => !text.chars().any(char::is_control),
            Self::Range(..) | Self::RangeF64(..) | Self::Custom(..) => true,
        };
        if good { Ok(()) } else { Err(self.expectation()) }
    }

    fn test_list(&self, value: &Parsed) -> Result<(), String> {
        match (self, value) {
            (Self::NonEmpty, Parsed::List(items)) if items.is_empty() => Err("Empty list".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Whether Kafka would accept it as the name of a topic.
#[must_use]
pub fn is_topic_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TOPIC_NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(legal) && text != "." && text != ".."
}

/// A regular expression; the error says what is wrong with it.
pub fn compile(pattern: &str) -> Result<fancy_regex::Regex, String> {
    fancy_regex::Regex::new(pattern).map_err(|cause| format!("Invalid regex: {cause}"))
}

/// The texts that a value consists of; numbers consist of none.
fn texts(value: &Parsed) -> Vec<&str> {
    match value {
        Parsed::String(text) | Parsed::Class(text) => vec![text],
        Parsed::Password(password) => vec![password.reveal()],
        Parsed::List(items) => items.iter().map(String::as_str).collect(),
        Parsed::Boolean(_) | Parsed::Int(_) | Parsed::Short(_) | Parsed::Long(_) | Parsed::Double(_) => {
            Vec::new()
        }
    }
}

fn test_range(value: &Parsed, minimum: Option<i64>, maximum: Option<i64>) -> Result<(), String> {
    let Some(number) = value.as_integer() else { return Ok(()) };
    match (minimum, maximum) {
        (Some(minimum), _) if number < minimum => Err(format!("Value must be at least {minimum}")),
        (_, Some(maximum)) if number > maximum => Err(format!("Value must be no more than {maximum}")),
        _ => Ok(()),
    }
}

fn test_range_f64(value: &Parsed, minimum: f64, maximum: f64) -> Result<(), String> {
    match value {
        Parsed::Double(number) if *number < minimum || number.is_nan() => {
            Err(format!("Value must be at least {minimum}"))
        }
        Parsed::Double(number) if *number > maximum => Err(format!("Value must be no more than {maximum}")),
        _ => Ok(()),
    }
}

fn expected_range(minimum: Option<i64>, maximum: Option<i64>) -> String {
    match (minimum, maximum) {
        (Some(minimum), Some(maximum)) => format!("[{minimum},...,{maximum}]"),
        (Some(minimum), None) => format!("[{minimum},...]"),
        (None, Some(maximum)) => format!("[...,{maximum}]"),
        (None, None) => String::new(),
    }
}

fn test_pattern(check: &Check, pattern: &str, text: &str) -> Result<(), String> {
    match compile(&format!("^(?:{pattern})$"))?.is_match(text) {
        Ok(true) => Ok(()),
        Ok(false) => Err(check.expectation()),
        Err(cause) => Err(format!("{}: {cause}", check.expectation())),
    }
}

/// Enough to catch a missing scheme, host or a white space; the one who connects parses it in full.
fn is_url(schemes: &[&str], text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme))
        && !host.is_empty()
        && !host.starts_with(':')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Parsed {
        Parsed::String(value.to_owned())
    }

    fn list(items: &[&str]) -> Parsed {
        Parsed::List(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn reasons_are_kafkas() {
        let reason = |check: Check, value: Parsed| check.test(&value).expect_err("must not pass");
        assert_eq!(reason(non_empty(), text("")), "String must be non-empty");
        assert_eq!(reason(at_least(1), Parsed::Int(0)), "Value must be at least 1");
        assert_eq!(reason(range(0, 9), Parsed::Long(10)), "Value must be no more than 9");
        assert_eq!(reason(one_of(&["none", "all"]), text("ALL")), "String must be one of: none, all");
        let choices = one_of_ignoring_case(&["BASE64", "NUMERIC"]);
        assert_eq!(reason(choices, text("HEX")), "String must be one of (case insensitive): BASE64, NUMERIC");
        assert_eq!(choices.test(&text("base64")), Ok(()));
    }

    #[test]
    fn ranges_include_their_ends() {
        assert_eq!(range(0, 9).test(&Parsed::Short(9)).and(range(0, 9).test(&Parsed::Int(0))), Ok(()));
        assert!(range_f64(0.0, 1.0).test(&Parsed::Double(f64::NAN)).is_err());
        assert_eq!(range_f64(0.0, 1.0).test(&Parsed::Double(1.0)), Ok(()));
    }

    #[test]
    fn lists_are_checked_item_by_item() {
        assert_eq!(one_of(&["a", "b"]).test(&list(&["a", "b"])), Ok(()));
        assert!(one_of(&["a", "b"]).test(&list(&["a", "c"])).is_err());
        assert!(non_empty().test(&list(&[])).is_err());
        assert!(non_empty().test(&list(&["a", ""])).is_err());
    }

    #[test]
    fn patterns_match_as_a_whole() {
        assert_eq!(matches("[a-z]+").test(&text("abc")), Ok(()));
        assert!(matches("a|b").test(&text("ac")).is_err());
        assert_eq!(regex().test(&text("(?<!x)y")), Ok(()));
        assert!(regex().test(&text("(")).is_err());
    }

    #[test]
    fn a_catastrophic_pattern_ends() {
        assert!(matches("(a+)+$").test(&text(&format!("{}!", "a".repeat(64)))).is_err());
    }

    #[test]
    fn urls_need_scheme_and_host() {
        let check = url(&["http", "https"]);
        for good in ["http://localhost", "HTTPS://u:p@host:8443/p?q#f", "http://[::1]:80/"] {
            assert_eq!(check.test(&text(good)), Ok(()), "{good}");
        }
        for bad in ["localhost:80", "ftp://host", "http://", "http://:80", "http://a b", "http:///path"] {
            assert!(check.test(&text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn topic_names_are_kafkas() {
        assert!(is_topic_name("shop.inventory_orders-1") && is_topic_name(&"x".repeat(249)));
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(!is_topic_name(bad), "{bad}");
        }
    }
}
