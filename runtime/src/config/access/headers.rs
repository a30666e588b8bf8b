//! `response.http.headers.config`: headers that every answer of REST gets, in the form that Kafka Connect reads (Jetty's).
//!
//! Parsed once; pure. A rule is `[set|add|setDate|addDate] name: value`; rules are separated by commas, and one that holds a
//! comma stands in double quotes. Invariant: only headers that HTTP can carry are accepted.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// Whether what the answer has already stays.
    adds: bool,
    name: HeaderName,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(HeaderValue),
    /// A date this many milliseconds from the answer.
    DateIn(i64),
}

/// All rules, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHeaders(Vec<Rule>);

impl ResponseHeaders {
    /// Reads the rules.
    ///
    /// # Errors
    /// The rule that cannot be read, and what was expected.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rules = rules(text)?;
        rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<_, _>>().map(Self)
    }

    /// Puts the headers on an answer that is given now.
    pub fn apply(&self, headers: &mut HeaderMap, now: Timestamp) {
        for rule in &self.0 {
            let value = match &rule.value {
                Value::Text(text) => Some(text.clone()),
                Value::DateIn(milliseconds) => date(now, *milliseconds),
            };
            match value {
                Some(value) if rule.adds => drop(headers.append(rule.name.clone(), value)),
                Some(value) => drop(headers.insert(rule.name.clone(), value)),
                None => {}
            }
        }
    }
}

fn date(now: Timestamp, milliseconds: i64) -> Option<HeaderValue> {
    let then = now.checked_add(jiff::SignedDuration::from_millis(milliseconds)).ok()?;
    HeaderValue::try_from(then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || format!("the rule {text:?} is not of the form [set|add|setDate|addDate] name: value");
        let (action, header) = text.split_once(char::is_whitespace).ok_or_else(expected)?;
        let (name, value) = header.split_once(':').ok_or_else(expected)?;
        let (name, value) = (name.trim(), value.trim());
        let (adds, is_date) = match action.to_ascii_lowercase().as_str() {
            "set" => (false, false),
            "add" => (true, false),
            "setdate" => (false, true),
            "adddate" => (true, true),
            _ => return Err(expected()),
        };
        let name = HeaderName::try_from(name).map_err(|error| format!("{name:?}: {error}"))?;
        let value = if is_date {
            let milliseconds = value.parse().map_err(|error| {
                format!("the value of {name} must be milliseconds from now, not {value:?}: {error}")
            })?;
            Value::DateIn(milliseconds)
        } else {
            Value::Text(
                HeaderValue::try_from(value).map_err(|error| format!("the value of {name}: {error}"))?,
            )
        };
        Ok(Self { adds, name, value })
    }
}

/// Splits at commas that stand outside of double quotes; quotes are taken off.
fn rules(text: &str) -> Result<Vec<String>, String> {
    let mut rules = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => rules.push(String::new()),
            _ => rules.last_mut().into_iter().for_each(|rule| rule.push(character)),
        }
    }
    if quoted {
        return Err("a double quote is not closed".to_owned());
    }
    Ok(rules.iter().map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_connects_documentation_is_understood() {
        let text = r#""add Cache-Control: no-cache, no-store, must-revalidate", add X-XSS-Protection: 1; mode=block, set X-Frame-Options:DENY, setDate Expires: 1000"#;
        let mut headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("ALLOW")),
            (HeaderName::from_static("x-xss-protection"), HeaderValue::from_static("0")),
        ]);
        ResponseHeaders::parse(text).unwrap().apply(&mut headers, Timestamp::UNIX_EPOCH);
        assert_eq!(headers["cache-control"], "no-cache, no-store, must-revalidate");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["expires"], "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(headers.get_all("x-xss-protection").iter().count(), 2);
        assert_eq!(ResponseHeaders::parse("").unwrap(), ResponseHeaders::default());
    }

    #[test]
    fn rules_that_http_cannot_carry_are_refused() {
        for text in [
            "X-A: b",
            "set X-A",
            "put X-A: b",
            "set X A: b",
            "set X-A: \u{1}",
            "setDate X-A: soon",
            "\"set X-A: b",
        ] {
            assert!(ResponseHeaders::parse(text).is_err(), "{text}");
        }
    }
}
