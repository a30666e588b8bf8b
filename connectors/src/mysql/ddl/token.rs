//! Tokens of SQL, as far as DDL needs them.
//!
//! The first step of reading a statement. Comments disappear, executable ones (`/*!50100 .. */`, `/*M! .. */`) are looked into
//! when this server would. Invariant: every text gives tokens; what is open at its end (a string, a comment) ends there.

/// What kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word without quotes: a keyword or a name.
    Word,
    /// A name in backticks, or in double quotes under ANSI_QUOTES.
    Name,
    /// A string, without its quotes and escapes.
    String,
    /// A number.
    Number,
    /// `b'101'` or `x'41'` or `0x41` or `0b101`; the text is the prefix letter and the digits.
    Bits,
    /// Any other character.
    Symbol,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// How this server and session read SQL.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dialect {
    pub(super) ansi_quotes: bool,
    pub(super) no_backslash_escapes: bool,
    pub(super) mariadb: bool,
    /// As in executable comments: 80403 for 8.4.3.
    pub(super) version: u32,
}

/// Reads tokens one at a time.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    dialect: Dialect,
    /// How many executable comments are open.
    open: usize,
    after_dot: bool,
    after_name: bool,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(sql: &'a str, dialect: Dialect) -> Self {
        Self { rest: sql, dialect, open: 0, after_dot: false, after_name: false }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Passes over white space and comments.
    fn skip_blank(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches(|mark: char| mark.is_whitespace() || mark == '\0');
            let dashes = self.rest.strip_prefix("--");
            let dashes = dashes
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(|mark: char| mark.is_whitespace()));
            if dashes || self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.skip(end);
            } else if self.open > 0 && self.rest.starts_with("*/") {
                self.open -= 1;
                self.skip(2);
            } else if self.rest.starts_with("/*") {
                self.comment();
            }
            if self.rest.len() == before {
                return;
            }
        }
    }

    fn comment(&mut self) {
        let inside = self.rest.get(2..).unwrap_or_default();
        let body =
            inside.strip_prefix('!').or_else(|| inside.strip_prefix("M!").filter(|_| self.dialect.mariadb));
        if let Some(body) = body {
            let digits = body.bytes().take_while(u8::is_ascii_digit).count();
            let digits = if digits > 6 { 5 } else { digits };
            let version: u32 = body.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(0);
            let of_mysql = inside.starts_with('!') && (50_700..=99_999).contains(&version);
            if digits == 0 || (version <= self.dialect.version && !(self.dialect.mariadb && of_mysql)) {
                self.rest = body.get(digits..).unwrap_or_default();
                self.open += 1;
                return;
            }
        }
        let end = inside.find("*/").map_or(self.rest.len(), |end| end + 4);
        self.skip(end);
    }

    /// Text up to a closing quote; two quotes are one, and a backslash escapes if `escapes`.
    fn quoted(&mut self, quote: char, escapes: bool) -> String {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        let mut end = self.rest.len();
        while let Some((place, character)) = characters.next() {
            if character == quote {
                if characters.next_if(|(_, next)| *next == quote).is_none() {
                    end = place + quote.len_utf8();
                    break;
                }
                text.push(quote);
            } else if character == '\\' && escapes {
                match characters.next() {
                    Some((_, escaped)) => push_escaped(&mut text, escaped),
                    None => break,
                }
            } else {
                text.push(character);
            }
        }
        self.skip(end);
        text
    }

    /// A word, a number, or the digits of bits.
    fn word(&mut self) -> Token {
        let is_part =
            |mark: char| mark.is_alphanumeric() || mark == '_' || mark == '$' || mark as u32 >= 0x80;
        let mut end = self.rest.find(|mark| !is_part(mark)).unwrap_or(self.rest.len());
        let digits_first =
            self.rest.starts_with(|mark: char| mark.is_ascii_digit() || mark == '.') && !self.after_dot;
        if digits_first {
            end = number_end(self.rest, end);
        }
        let text = self.rest.get(..end).unwrap_or_default();
        let quote_follows = self.rest.get(end..).is_some_and(|rest| rest.starts_with('\''));
        if quote_follows && let "b" | "B" | "x" | "X" = text {
            let prefix = text.to_ascii_lowercase();
            self.skip(end);
            return Token { kind: Kind::Bits, text: prefix + &self.quoted('\'', false) };
        }
        let radix = text.strip_prefix("0x").map(|digits| ('x', digits));
        let radix = radix.or_else(|| text.strip_prefix("0b").map(|digits| ('b', digits)));
        let token = match radix {
            Some((prefix, digits))
                if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                Token { kind: Kind::Bits, text: format!("{prefix}{digits}") }
            }
            _ => {
                let number = digits_first && text.parse::<f64>().is_ok();
                Token { kind: if number { Kind::Number } else { Kind::Word }, text: text.to_owned() }
            }
        };
        self.skip(end);
        token
    }
}

/// Where a number ends whose first word ends at `end`: it may have a fraction, and a sign in its exponent.
fn number_end(text: &str, end: usize) -> usize {
    let digits = |from: usize| {
        text.get(from..).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_alphanumeric).count())
    };
    let mut end = end;
    if text.get(end..).is_some_and(|rest| rest.starts_with('.')) {
        end += 1 + digits(end + 1);
    }
    let exponent =
        text.get(..end).is_some_and(|number| number.ends_with(['e', 'E']) && !number.starts_with("0x"));
    if exponent && text.get(end..).is_some_and(|rest| rest.starts_with(['+', '-'])) {
        end += 1 + digits(end + 1);
    }
    end
}

fn push_escaped(text: &mut String, escaped: char) {
    text.push(match escaped {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        '0' => '\0',
        'Z' => '\u{1a}',
        other => other,
    });
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let first = self.rest.chars().next()?;
        let escapes = !self.dialect.no_backslash_escapes;
        let token = match first {
            '`' => Token { kind: Kind::Name, text: self.quoted('`', false) },
            '"' if self.dialect.ansi_quotes => Token { kind: Kind::Name, text: self.quoted('"', false) },
            '\'' | '"' => Token { kind: Kind::String, text: self.quoted(first, escapes) },
            '.' if !self.after_name && self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
                self.word()
            }
            _ if first.is_alphanumeric() || first == '_' || first == '$' || first as u32 >= 0x80 => {
                self.word()
            }
            _ => {
                self.skip(first.len_utf8());
                Token { kind: Kind::Symbol, text: first.to_string() }
            }
        };
        self.after_dot = token.kind == Kind::Symbol && token.text == ".";
        self.after_name = matches!(token.kind, Kind::Word | Kind::Name);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str, dialect: Dialect) -> Vec<String> {
        Tokens::new(sql, dialect).map(|token| token.text).collect()
    }

    #[test]
    fn names_strings_and_numbers() {
        let sql = "`a.b``c`.1x 'it''s \\n' 1.5e-3 b'101' 0xFF x'41' _utf8'é' db.2";
        let tokens: Vec<_> = Tokens::new(sql, Dialect::default()).collect();
        let kinds: Vec<_> = tokens.iter().map(|token| (token.kind, token.text.as_str())).collect();
        let expected = [
            (Kind::Name, "a.b`c"),
            (Kind::Symbol, "."),
            (Kind::Word, "1x"),
            (Kind::String, "it's \n"),
            (Kind::Number, "1.5e-3"),
            (Kind::Bits, "b101"),
            (Kind::Bits, "xFF"),
            (Kind::Bits, "x41"),
            (Kind::Word, "_utf8"),
            (Kind::String, "é"),
            (Kind::Word, "db"),
            (Kind::Symbol, "."),
            (Kind::Word, "2"),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn executable_comments_depend_on_the_server() {
        let mysql = Dialect { version: 80_403, ..Dialect::default() };
        let mariadb = Dialect { version: 101_106, mariadb: true, ..Dialect::default() };
        let sql = "a /* no */ /*!50100 b */ /*!80500 c */ /*!90000 d*/ /*M! e */ /*M!101100 f */ /*! g */ -- h\n# i\n j --k";
        assert_eq!(texts(sql, mysql), ["a", "b", "g", "j", "-", "-", "k"]);
        assert_eq!(texts(sql, mariadb), ["a", "b", "e", "f", "g", "j", "-", "-", "k"]);
    }

    #[test]
    fn double_quotes_depend_on_the_session() {
        let ansi = Dialect { ansi_quotes: true, ..Dialect::default() };
        assert_eq!(
            Tokens::new("\"a\"\"b\"", ansi).next().unwrap(),
            Token { kind: Kind::Name, text: "a\"b".into() }
        );
        assert_eq!(Tokens::new("\"a\"", Dialect::default()).next().unwrap().kind, Kind::String);
    }

    #[test]
    fn what_is_left_open_ends_with_the_text() {
        for sql in ["'open", "`open", "/* open", "/*! open", "'\\", "0x", "1e", "1.", "b'1"] {
            assert!(Tokens::new(sql, Dialect::default()).count() <= 2, "{sql}");
        }
    }
}
