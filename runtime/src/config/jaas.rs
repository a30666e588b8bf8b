//! `sasl.jaas.config`: the one line in which Kafka's clients are told who they are.
//!
//! ```text
//! org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="...";
//! ```
//! Read when security settings are. Invariant: an error never shows a part of the line, for any part may be the secret.

use std::collections::BTreeMap;

use configs::Password;

/// A login module and what it is told.
pub(super) struct JaasEntry {
    /// The Java class.
    pub(super) module: String,
    options: BTreeMap<String, Password>,
}

/// A piece of the line.
#[derive(PartialEq, Eq)]
enum Token {
    Text(String),
    Equals,
    End,
}

impl JaasEntry {
    /// Reads a line with one entry, as Kafka's clients demand.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut tokens = tokens(line)?.into_iter();
        let Some(Token::Text(module)) = tokens.next() else {
            return Err("it does not begin with a login module's class".to_owned());
        };
        match tokens.next() {
            Some(Token::Text(flag))
                if ["required", "requisite", "sufficient", "optional"]
                    .contains(&flag.to_ascii_lowercase().as_str()) => {}
            _ => return Err("the class must be followed by required".to_owned()),
        }
        let mut options = BTreeMap::new();
        loop {
            match (tokens.next(), tokens.len() >= 2) {
                (Some(Token::End), false) if tokens.len() == 0 => return Ok(Self { module, options }),
                (Some(Token::End), _) => {
                    return Err("there is more than one entry; exactly one is expected".to_owned());
                }
                (Some(Token::Text(name)), true) => match (tokens.next(), tokens.next()) {
                    (Some(Token::Equals), Some(Token::Text(value))) => {
                        options.insert(name, Password::new(value));
                    }
                    _ => return Err("an option is not of the form name=\"value\"".to_owned()),
                },
                (None, _) => return Err("it does not end with a semicolon".to_owned()),
                _ => {
                    return Err(
                        "an option is not of the form name=\"value\", or the semicolon is missing".to_owned()
                    );
                }
            }
        }
    }

    /// An option.
    pub(super) fn option(&self, name: &str) -> Result<&Password, String> {
        self.options.get(name).ok_or_else(|| format!("it has no {name}=\"...\""))
    }
}

/// Words, quoted texts (with `\"` and `\\` inside), equals signs and semicolons.
fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if character.is_whitespace() => {}
            '=' => tokens.push(Token::Equals),
            ';' => tokens.push(Token::End),
            '"' | '\'' => {
                let mut text = String::new();
                loop {
                    match characters.next() {
                        Some(end) if end == character => break,
                        Some('\\') => text.extend(characters.next()),
                        Some(other) => text.push(other),
                        None => return Err("a quotation mark is not closed".to_owned()),
                    }
                }
                tokens.push(Token::Text(text));
            }
            first => {
                let mut text = String::from(first);
                while let Some(next) =
                    characters.next_if(|next| !next.is_whitespace() && !['=', ';', '"', '\''].contains(next))
                {
                    text.push(next);
                }
                tokens.push(Token::Text(text));
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::JaasEntry;

    #[test]
    fn lines_as_people_have_them() {
        for line in [
            r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="a;b=\"c\"";"#,
            "org.apache.kafka.common.security.scram.ScramLoginModule  REQUIRED\n  username=alice\n password = 'a;b=\"c\"' ;  ",
        ] {
            let entry = JaasEntry::parse(line).unwrap_or_else(|reason| panic!("{line}: {reason}"));
            assert_eq!(entry.module, "org.apache.kafka.common.security.scram.ScramLoginModule");
            assert_eq!(entry.option("username").unwrap().reveal(), "alice");
            assert_eq!(entry.option("password").unwrap().reveal(), "a;b=\"c\"");
            assert!(entry.option("token").is_err());
        }
    }

    #[test]
    fn mistakes_are_told_without_the_secret() {
        for line in [
            "",
            "Module",
            "Module required",
            "Module needed password=CANARY;",
            "Module required password=CANARY",
            "Module required password CANARY;",
            "Module required password=\"CANARY;",
            "Module required password=CANARY; Module required;",
            "Module required password=;",
        ] {
            let reason = JaasEntry::parse(line).err().unwrap_or_else(|| panic!("{line} was accepted"));
            assert!(!reason.contains("CANARY"), "{reason}");
        }
    }
}
