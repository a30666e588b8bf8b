//! `ssl.principal.mapping.rules`: from a certificate's distinguished name to the name in ACLs. The first rule that matches counts.
//!
//! Rules are separated by commas: `DEFAULT` leaves the name as it is; `RULE:pattern/replacement/` with `L` or `U` behind it
//! changes the case. A pattern must match the whole name, as in Kafka.

use fancy_regex::Regex;

/// The rules; by default, names stay as they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrincipalMapping {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Default,
    Replace { pattern: Regex, replacement: String, case: Option<Case> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

impl PrincipalMapping {
    /// Reads the rules.
    ///
    /// # Errors
    /// The rule that cannot be read, and why.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = Rule::parse(rest)?;
            rules.push(rule);
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(format!("expected a comma before {rest:?}")),
            };
        }
        Ok(Self { rules })
    }

    /// The name of a subject.
    ///
    /// # Errors
    /// No rule matches.
    pub(crate) fn apply(&self, subject: &str) -> Result<String, String> {
        if self.rules.is_empty() {
            return Ok(subject.to_owned());
        }
        for rule in &self.rules {
            if let Some(name) = rule.apply(subject)? {
                return Ok(name);
            }
        }
        Err(format!("no rule of ssl.principal.mapping.rules matches {subject}"))
    }
}

impl Rule {
    /// The first rule of a text, and what follows it.
    fn parse(text: &str) -> Result<(Self, &str), String> {
        if let Some(rest) = text.strip_prefix("DEFAULT") {
            return Ok((Self::Default, rest));
        }
        let wrong = || format!("{text:?} is neither DEFAULT nor RULE:pattern/replacement/[LU]");
        let body = text.strip_prefix("RULE:").ok_or_else(wrong)?;
        let (pattern, rest) = up_to_slash(body).ok_or_else(wrong)?;
        let (replacement, rest) = up_to_slash(rest).ok_or_else(wrong)?;
        let (case, rest) = match (rest.strip_prefix('L'), rest.strip_prefix('U')) {
            (Some(rest), _) => (Some(Case::Lower), rest),
            (_, Some(rest)) => (Some(Case::Upper), rest),
            (None, None) => (None, rest),
        };
        let pattern = Regex::new(&format!("^(?:{})$", pattern.trim()))
            .map_err(|error| format!("pattern {pattern:?}: {error}"))?;
        Ok((Self::Replace { pattern, replacement: replacement.trim().to_owned(), case }, rest))
    }

    fn apply(&self, subject: &str) -> Result<Option<String>, String> {
        let Self::Replace { pattern, replacement, case } = self else { return Ok(Some(subject.to_owned())) };
        let captures =
            pattern.captures(subject).map_err(|error| format!("ssl.principal.mapping.rules: {error}"))?;
        let Some(captures) = captures else { return Ok(None) };
        let group = |number: usize| captures.get(number).map(|group| group.as_str());
        let name = expand(replacement, group);
        Ok(Some(match case {
            Some(Case::Lower) => name.to_lowercase(),
            Some(Case::Upper) => name.to_uppercase(),
            None => name,
        }))
    }
}

/// Text up to the next slash that no backslash precedes.
fn up_to_slash(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '/' if !escaped => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => escaped = character == '\\' && !escaped,
        }
    }
    None
}

/// Puts groups for `$1` to `$9`, as Java does; a group that took no part is empty.
fn expand<'a>(replacement: &str, group: impl Fn(usize) -> Option<&'a str>) -> String {
    let mut text = String::new();
    let mut rest = replacement.chars().peekable();
    while let Some(next) = rest.next() {
        let digit = rest.peek().and_then(|digit| digit.to_digit(10)).and_then(|digit| digit.try_into().ok());
        match (next, digit) {
            ('$', Some(number)) => {
                rest.next();
                text.push_str(group(number).unwrap_or_default());
            }
            ('\\', _) => text.extend(rest.next()),
            _ => text.push(next),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = PrincipalMapping::parse(
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/U,DEFAULT",
        )
        .unwrap();
        let apply = |subject: &str| rules.apply(subject).unwrap();
        assert_eq!(apply("CN=Duke,OU=ServiceUsers,O=Org,C=US"), "duke");
        assert_eq!(apply("CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US"), "DUKE@SME");
        assert_eq!(apply("CN=other"), "CN=other");
        let no_default = PrincipalMapping::parse("RULE:^CN=(a)$/$1/").unwrap();
        assert_eq!(no_default.apply("CN=a").unwrap(), "a");
        assert!(no_default.apply("CN=ab").is_err(), "a pattern must match the whole name");
        assert_eq!(PrincipalMapping::default().apply("CN=x").unwrap(), "CN=x");
    }

    #[test]
    fn rules_that_cannot_be_read_are_named() {
        for text in ["default", "RULE:a/b", "RULE:(/x/", "DEFAULT DEFAULT", "RULE:a/b/X"] {
            assert!(PrincipalMapping::parse(text).is_err(), "{text}");
        }
    }
}
