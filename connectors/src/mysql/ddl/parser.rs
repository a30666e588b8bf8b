//! A cursor over the tokens of one statement, with the few moves that reading DDL takes.
//!
//! Invariant: every move goes forward or stays, and none fails: what is not there is `false` or `None`.

use api::Text;

use super::token::{Dialect, Kind, Token, Tokens};

/// A statement longer than this is not read: no DDL of 4096 columns with their words and comments is.
const TOKENS_MAX: usize = 4_000_000;

#[derive(Debug)]
pub(super) struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    pub(super) fn new(sql: &str, dialect: Dialect) -> Self {
        Self { tokens: Tokens::new(sql, dialect).take(TOKENS_MAX).collect(), position: 0 }
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    pub(super) const fn position(&self) -> usize {
        self.position
    }

    pub(super) const fn back_to(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += usize::from(token.is_some());
        token
    }

    /// Whether this keyword comes next.
    pub(super) fn at(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word))
    }

    /// Whether one of these keywords comes next.
    pub(super) fn at_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.at(word))
    }

    /// Takes this keyword if it comes next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let there = self.at(word);
        self.position += usize::from(there);
        there
    }

    /// Takes one of these keywords if it comes next.
    pub(super) fn any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.word(word))
    }

    /// Takes all of these keywords if they come next, else none of them.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let start = self.position;
        if words.iter().all(|word| self.word(word)) {
            return true;
        }
        self.position = start;
        false
    }

    pub(super) fn at_symbol(&self, symbol: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Symbol && token.text == symbol)
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let there = self.at_symbol(symbol);
        self.position += usize::from(there);
        there
    }

    /// Whether the statement is over.
    pub(super) fn is_over(&self) -> bool {
        self.peek().is_none() || self.at_symbol(";")
    }

    /// Takes a name.
    pub(super) fn name(&mut self) -> Option<Text> {
        let token = self.peek()?;
        // A string stands for a name in a few places, such as collations and ANSI names in old logs.
        let is_name = matches!(token.kind, Kind::Word | Kind::Name | Kind::String);
        let text = is_name.then(|| Text::from(token.text.as_str()))?;
        self.position += 1;
        Some(text)
    }

    /// Takes a table's name, with its database if one is named.
    pub(super) fn table(&mut self) -> Option<(Option<Text>, Text)> {
        self.symbol(".");
        let first = self.name()?;
        if !self.symbol(".") {
            return Some((None, first));
        }
        let table = self.name()?;
        Some((Some(first), table))
    }

    /// Takes a string, and those that stand right behind it.
    pub(super) fn string(&mut self) -> Option<String> {
        let mut text = None;
        while let Some(token) = self.peek().filter(|token| token.kind == Kind::String) {
            text.get_or_insert_with(String::new).push_str(&token.text);
            self.position += 1;
        }
        text
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Option<u32> {
        let token = self.peek().filter(|token| token.kind == Kind::Number)?;
        let number = token.text.parse().ok()?;
        self.position += 1;
        Some(number)
    }

    /// Takes what stands in parentheses, if they open here.
    pub(super) fn group(&mut self) -> bool {
        if !self.at_symbol("(") {
            return false;
        }
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match (token.kind, token.text.as_str()) {
                (Kind::Symbol, "(") => depth += 1,
                (Kind::Symbol, ")") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        true
    }

    /// Whether a clause ends here: at a comma, a closing parenthesis or the end.
    pub(super) fn at_clause_end(&self) -> bool {
        self.is_over() || self.at_symbol(",") || self.at_symbol(")")
    }

    /// Goes to the end of the clause, over whole groups.
    pub(super) fn skip_clause(&mut self) {
        while !self.at_clause_end() {
            self.skip_one();
        }
    }

    /// Goes to the end of the statement.
    pub(super) fn skip_statement(&mut self) {
        while !self.is_over() {
            self.skip_one();
        }
    }

    /// Takes one token, or one whole group.
    pub(super) fn skip_one(&mut self) {
        if !self.group() {
            self.position += 1;
        }
    }
}
