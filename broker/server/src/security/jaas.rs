//! Reads a login module's line as it stands in Kafka's files: `Module required username="a" user_alice="secret";`.
//!
//! Invariant: what cannot be read is an error that says where, without repeating a value: values are passwords.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

/// One login module with its options.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LoginModule {
    /// The Java class.
    pub(crate) class: String,
    /// Options by name; the last of a name counts.
    pub(crate) options: BTreeMap<String, String>,
}

impl LoginModule {
    /// The class without its package.
    pub(crate) fn simple_name(&self) -> &str {
        self.class.rsplit(['.', '$']).next().unwrap_or_default()
    }
}

impl std::fmt::Debug for LoginModule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.options.keys().collect();
        formatter.debug_struct("LoginModule").field("class", &self.class).field("options", &names).finish()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Equals,
    Semicolon,
}

/// Reads one module.
///
/// # Errors
/// What is missing or in its place, without the values.
pub(crate) fn parse(text: &str) -> Result<LoginModule, String> {
    let mut tokens = tokens(text)?.into_iter();
    let word = |token: Option<Token>, what: &str| match token {
        Some(Token::Word(word)) => Ok(word),
        Some(_) => Err(format!("expected {what} before '=' or ';'")),
        None => Err(format!("ends where {what} is expected")),
    };
    let class = word(tokens.next(), "the class of a login module")?;
    let flag = word(tokens.next(), "required")?;
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.to_ascii_lowercase().as_str()) {
        return Err("the word after the login module's class must be required".to_owned());
    }
    let mut options = BTreeMap::new();
    loop {
        let name = match tokens.next() {
            Some(Token::Semicolon) => break,
            None => return Err("does not end with ';'".to_owned()),
            token => word(token, "an option or ';'")?,
        };
        match tokens.next() {
            Some(Token::Equals) => {}
            _ => return Err(format!("expected '=' after option {name}")),
        }
        let value = word(tokens.next(), &format!("the value of option {name}"))?;
        options.insert(name, value);
    }
    match tokens.next() {
        None => Ok(LoginModule { class, options }),
        Some(_) => Err("holds more than one login module; a mechanism has one".to_owned()),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            '=' => {
                rest.next();
                tokens.push(Token::Equals);
            }
            ';' => {
                rest.next();
                tokens.push(Token::Semicolon);
            }
            '"' | '\'' => {
                rest.next();
                tokens.push(Token::Word(quoted(&mut rest, next)?));
            }
            space if space.is_whitespace() => {
                rest.next();
            }
            _ => tokens.push(Token::Word(bare(&mut rest))),
        }
    }
    Ok(tokens)
}

fn bare(rest: &mut Peekable<Chars<'_>>) -> String {
    let ends = |next: char| next.is_whitespace() || matches!(next, '=' | ';' | '"' | '\'');
    let mut word = String::new();
    while let Some(next) = rest.next_if(|next| !ends(*next)) {
        word.push(next);
    }
    word
}

/// The text up to the closing quote, with Java's escapes.
fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, String> {
    let unclosed = || "a quote is not closed".to_owned();
    let mut text = String::new();
    loop {
        match rest.next().ok_or_else(unclosed)? {
            next if next == quote => return Ok(text),
            '\\' => match rest.next().ok_or_else(unclosed)? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                escaped => text.push(escaped),
            },
            next => text.push(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_stand_in_kafkas_files_are_read() {
        let module = parse(
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             username=\"admin\"   password=\"admin-secret\"\n user_admin=\"admin-secret\" \
             user_al.ice='it\\'s; a=\"b\" \\\\' user_bob=plain ;",
        )
        .unwrap();
        assert_eq!(module.simple_name(), "PlainLoginModule");
        assert_eq!(module.options["password"], "admin-secret");
        assert_eq!(module.options["user_al.ice"], "it's; a=\"b\" \\");
        assert_eq!(module.options["user_bob"], "plain");
        assert_eq!(module.options.len(), 5);
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        for (text, reason) in [
            ("", "class"),
            ("M", "required"),
            ("M maybe a=b;", "required"),
            ("M required user_a=\"CANARY\"", "';'"),
            ("M required user_a \"CANARY\";", "'='"),
            ("M required user_a=;", "value"),
            ("M required user_a=\"CANARY;", "quote"),
            ("M required a=CANARY; N required;", "more than one"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason) && !error.contains("CANARY"), "{text}: {error}");
        }
        let shown = format!("{:?}", parse("M required user_a=\"CANARY\";").unwrap());
        assert!(!shown.contains("CANARY") && shown.contains("user_a"), "{shown}");
    }
}
