//! Java's regular expressions where Connect uses them: a match of the whole text, and `Matcher.replaceFirst` with its `$1`, `${name}`, `\$`.
//!
//! The expressions run on a linear-time engine unless they use look-around or back references, and then with a bound on backtracking, which
//! is an error when reached.

use api::{Error, Result};
use fancy_regex::{Captures, Regex};

/// An expression that is matched against whole texts.
#[derive(Debug)]
pub(crate) struct JavaRegex {
    whole: Regex,
    first: Regex,
}

impl JavaRegex {
    /// Compiles the expression that the option `name` gives.
    pub(crate) fn new(name: &str, pattern: &str) -> Result<Self> {
        let invalid = |cause: String| {
            Error::bad_config(format!("Invalid value {pattern} for configuration {name}: {cause}"))
        };
        let compile = |pattern: &str| api::configs::check::compile(pattern).map_err(invalid);
        let first = compile(pattern)?;
        Ok(Self { whole: compile(&format!("^(?:{pattern})$"))?, first })
    }

    /// `Matcher.matches()`.
    pub(crate) fn matches(&self, text: &str) -> Result<bool> {
        self.whole.is_match(text).map_err(|cause| too_hard(&self.first, text).with_source(cause))
    }

    /// `Matcher.replaceFirst(replacement)`: the first match from the left, which may be shorter than the whole text.
    pub(crate) fn replace_first(&self, text: &str, replacement: &Replacement) -> Result<String> {
        let captures =
            self.first.captures(text).map_err(|cause| too_hard(&self.first, text).with_source(cause))?;
        let Some((captures, found)) =
            captures.and_then(|captures| captures.get(0).map(|found| (captures, found)))
        else {
            return Ok(text.to_owned());
        };
        let (before, after) =
            (text.get(..found.start()).unwrap_or_default(), text.get(found.end()..).unwrap_or_default());
        Ok(format!("{before}{}{after}", replacement.expand(&captures)))
    }
}

fn too_hard(regex: &Regex, text: &str) -> Error {
    Error::bad_record(format!("matching \"{text}\" against {} takes too long", regex.as_str()))
}

/// A replacement, read once.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

impl Replacement {
    /// Reads the replacement that the option `name` gives; groups that the expression does not have are errors, in Java's words.
    pub(crate) fn new(name: &str, text: &str, regex: &JavaRegex) -> Result<Self> {
        let invalid = |reason: String| {
            Error::bad_config(format!("Invalid value {text} for configuration {name}: {reason}"))
        };
        Self::parse(text, &regex.first).map_err(invalid)
    }

    fn parse(text: &str, regex: &Regex) -> std::result::Result<Self, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            let part = match character {
                '\\' => {
                    plain.push(rest.next().ok_or("character to be escaped is missing")?);
                    continue;
                }
                '$' if rest.as_str().starts_with('{') => named(&mut rest, regex)?,
                '$' => numbered(&mut rest, regex)?,
                other => {
                    plain.push(other);
                    continue;
                }
            };
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(part);
        }
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    fn expand(&self, captures: &Captures<'_, str>) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(group) => {
                captures.get(*group).map_or_else(String::new, |found| found.as_str().to_owned())
            }
            Part::Named(name) => {
                captures.name(name).map_or_else(String::new, |found| found.as_str().to_owned())
            }
        };
        self.0.iter().map(text).collect()
    }
}

/// `{name}` after a `$`.
fn named(rest: &mut std::str::Chars<'_>, regex: &Regex) -> std::result::Result<Part, String> {
    let (name, after) = rest
        .as_str()
        .get(1..)
        .and_then(|rest| rest.split_once('}'))
        .ok_or("named capturing group is missing trailing '}'")?;
    if !regex.capture_names().flatten().any(|known| known == name) {
        return Err(format!("No group with name {{{name}}}"));
    }
    let name = name.to_owned();
    *rest = after.chars();
    Ok(Part::Named(name))
}

/// The digits after a `$`: as many as make the number of a group that there is, one at least.
fn numbered(rest: &mut std::str::Chars<'_>, regex: &Regex) -> std::result::Result<Part, String> {
    let groups = regex.captures_len() - 1;
    let digit = |character: char| character.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
    let first = rest.next().ok_or("Illegal group reference: group index is missing")?;
    let mut group = digit(first).ok_or("Illegal group reference")?;
    if group > groups {
        return Err(format!("No group {group}"));
    }
    while let Some(next) = rest
        .as_str()
        .chars()
        .next()
        .and_then(digit)
        .map(|next| group * 10 + next)
        .filter(|next| *next <= groups)
    {
        group = next;
        rest.next();
    }
    Ok(Part::Group(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pattern: &str, replacement: &str) -> std::result::Result<String, String> {
        let regex = JavaRegex::new("regex", pattern).map_err(|error| error.to_string())?;
        let replacement =
            Replacement::new("replacement", replacement, &regex).map_err(|error| error.to_string())?;
        regex.replace_first("topic", &replacement).map_err(|error| error.to_string())
    }

    /// The answers are those of Java 17 in Connect's RegexRouter.
    #[test]
    fn replacements_are_javas() {
        let cases = [
            ("(.*)pic", "$1x", "tox"),
            ("to|topic", "X", "Xpic"),
            ("(t)(.*)", "$2-$1$0", "opic-ttopic"),
            ("(?<n>to)pic", "${n}!", "to!"),
            ("(t).*", "$12", "t2"),
            ("topic", "a\\$b\\\\c", "a$b\\c"),
            ("(x)?topic", "[$1]", "[]"),
            ("topic", "", ""),
        ];
        for (pattern, replacement, expected) in cases {
            assert_eq!(replace(pattern, replacement), Ok(expected.to_owned()), "{pattern} {replacement}");
        }
    }

    #[test]
    fn wrong_replacements_are_told_in_javas_words() {
        let cases = [
            ("$1", "No group 1"),
            ("$", "Illegal group reference: group index is missing"),
            ("$x", "Illegal group reference"),
            ("\\", "character to be escaped is missing"),
            ("${n}", "No group with name {n}"),
            ("${n", "named capturing group is missing trailing '}'"),
        ];
        for (replacement, reason) in cases {
            let expected = format!("Invalid value {replacement} for configuration replacement: {reason}");
            assert_eq!(replace("topic", replacement), Err(expected));
        }
        assert!(
            replace("(", "x")
                .expect_err("unclosed")
                .starts_with("Invalid value ( for configuration regex: Invalid regex: ")
        );
    }

    #[test]
    fn a_match_is_of_the_whole_text() {
        let regex = JavaRegex::new("regex", "a|ab").expect("valid");
        assert!(regex.matches("ab").expect("easy") && !regex.matches("abc").expect("easy"));
    }

    #[test]
    fn a_catastrophic_expression_is_an_error_and_no_hang() {
        let regex = JavaRegex::new("regex", "(a|b|ab)*(?=c)").expect("valid");
        let error = regex.matches(&"ab".repeat(60)).expect_err("too hard");
        assert!(error.to_string().contains("takes too long"), "{error}");
    }
}
