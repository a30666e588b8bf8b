//! Statements: from tokens to what is to be done with tables and databases.
//!
//! Invariant: a statement that touches no table's columns, keys or character sets gives nothing; one that does and is not
//! understood gives [`Action::Unclear`] with its table.

use api::Text;

use super::alter::{Operation, operations};
use super::column::TypeRules;
use super::parser::Parser;
use super::table::{Body, body};
use super::token::Kind;
use crate::mysql::types::charset::{charset_name, charset_of_collation};

/// A table as it is named: with its database or without.
pub(super) type Name = (Option<Text>, Text);

/// A character set as options say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CharsetOption {
    Default,
    Named(Text),
}

/// What a statement does.
#[derive(Debug)]
pub(super) enum Action {
    CreateTable {
        table: Name,
        if_not_exists: bool,
        body: Body,
    },
    CreateTableLike {
        table: Name,
        if_not_exists: bool,
        like: Name,
    },
    AlterTable {
        table: Name,
        operations: Vec<Operation>,
    },
    DropTables(Vec<Name>),
    RenameTables(Vec<(Name, Name)>),
    Truncate(Name),
    DatabaseCharset {
        database: Option<Text>,
        charset: CharsetOption,
    },
    DropDatabase(Text),
    /// A table that is touched in a way that is not understood.
    Unclear(Name),
}

/// Words of which one must begin a statement that matters.
const VERBS: [&str; 5] = ["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"];

/// Whether the statement may matter, by its first word alone: spares the tokens of a long INSERT.
pub(super) fn may_matter(first: Option<&super::token::Token>) -> bool {
    first.is_some_and(|token| {
        token.kind == Kind::Word && VERBS.iter().any(|verb| token.text.eq_ignore_ascii_case(verb))
    })
}

/// Reads one statement.
pub(super) fn read(parser: &mut Parser, rules: TypeRules) -> Option<Action> {
    if parser.word("CREATE") {
        create(parser, rules)
    } else if parser.word("ALTER") {
        alter(parser, rules)
    } else if parser.word("DROP") {
        drop(parser)
    } else if parser.words(&["RENAME", "TABLE"]) || parser.words(&["RENAME", "TABLES"]) {
        rename(parser)
    } else if parser.word("TRUNCATE") {
        parser.word("TABLE");
        parser.table().map(Action::Truncate)
    } else {
        None
    }
}

fn if_not_exists(parser: &mut Parser) -> bool {
    parser.words(&["IF", "NOT", "EXISTS"])
}

fn create(parser: &mut Parser, rules: TypeRules) -> Option<Action> {
    let replaces = parser.words(&["OR", "REPLACE"]);
    if parser.any(&["DATABASE", "SCHEMA"]) {
        if_not_exists(parser);
        let database = parser.name()?;
        let charset = charset_option(parser).unwrap_or(CharsetOption::Default);
        return Some(Action::DatabaseCharset { database: Some(database), charset });
    }
    parser.any(&["ONLINE", "OFFLINE"]);
    if parser.words(&["UNIQUE", "INDEX"]) || parser.words(&["UNIQUE", "KEY"]) {
        return unique_index(parser);
    }
    if !parser.word("TABLE") {
        return None;
    }
    let if_not_exists = if_not_exists(parser) && !replaces;
    let table = parser.table()?;
    if parser.word("LIKE") {
        let like = parser.table()?;
        return Some(Action::CreateTableLike { table, if_not_exists, like });
    }
    let start = parser.position();
    if parser.symbol("(") && parser.word("LIKE") {
        let like = parser.table()?;
        return Some(Action::CreateTableLike { table, if_not_exists, like });
    }
    parser.back_to(start);
    match body(parser, rules) {
        Some(body) => Some(Action::CreateTable { table, if_not_exists, body }),
        None => Some(Action::Unclear(table)),
    }
}

/// `CREATE UNIQUE INDEX name ON table (columns)`.
fn unique_index(parser: &mut Parser) -> Option<Action> {
    if_not_exists(parser);
    let name = parser.name()?;
    while !parser.is_over() && !parser.word("ON") {
        parser.skip_one();
    }
    let table = parser.table()?;
    let columns = super::table::key_columns(parser);
    Some(Action::AlterTable { table, operations: vec![Operation::AddUnique { name: Some(name), columns }] })
}

fn alter(parser: &mut Parser, rules: TypeRules) -> Option<Action> {
    if parser.any(&["DATABASE", "SCHEMA"]) {
        let starts_option =
            parser.at_any(&["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"]);
        let database = if starts_option { None } else { Some(parser.name()?) };
        let charset = charset_option(parser)?;
        return Some(Action::DatabaseCharset { database, charset });
    }
    parser.any(&["ONLINE", "OFFLINE"]);
    parser.word("IGNORE");
    if !parser.word("TABLE") {
        return None;
    }
    parser.words(&["IF", "EXISTS"]);
    let table = parser.table()?;
    if parser.word("WAIT") {
        parser.number();
    }
    parser.word("NOWAIT");
    match operations(parser, rules) {
        Some(operations) => Some(Action::AlterTable { table, operations }),
        None => Some(Action::Unclear(table)),
    }
}

fn drop(parser: &mut Parser) -> Option<Action> {
    if parser.any(&["DATABASE", "SCHEMA"]) {
        parser.words(&["IF", "EXISTS"]);
        return parser.name().map(Action::DropDatabase);
    }
    parser.any(&["ONLINE", "OFFLINE"]);
    if parser.word("INDEX") {
        parser.words(&["IF", "EXISTS"]);
        let name = parser.name()?;
        parser.word("ON").then_some(())?;
        let table = parser.table()?;
        return Some(Action::AlterTable { table, operations: vec![Operation::DropIndex(name)] });
    }
    if !parser.any(&["TABLE", "TABLES"]) {
        return None;
    }
    parser.words(&["IF", "EXISTS"]);
    let mut tables = Vec::new();
    while let Some(table) = parser.table() {
        tables.push(table);
        if !parser.symbol(",") {
            break;
        }
    }
    Some(Action::DropTables(tables))
}

fn rename(parser: &mut Parser) -> Option<Action> {
    parser.words(&["IF", "EXISTS"]);
    let mut pairs = Vec::new();
    loop {
        let from = parser.table()?;
        if parser.word("WAIT") {
            parser.number();
        }
        parser.word("NOWAIT");
        parser.word("TO").then_some(())?;
        pairs.push((from, parser.table()?));
        if !parser.symbol(",") {
            return Some(Action::RenameTables(pairs));
        }
    }
}

/// The character set among options: what CHARACTER SET says, else what COLLATE says.
pub(super) fn charset_option(parser: &mut Parser) -> Option<CharsetOption> {
    let mut found = None;
    while !parser.is_over() {
        if let Some(option) = one_charset_option(parser) {
            found = Some(option);
        } else {
            parser.skip_one();
        }
    }
    found
}

/// `[DEFAULT] CHARACTER SET [=] name` or `[DEFAULT] COLLATE [=] name`, if it comes next.
pub(super) fn one_charset_option(parser: &mut Parser) -> Option<CharsetOption> {
    let start = parser.position();
    parser.word("DEFAULT");
    let charset =
        parser.words(&["CHARACTER", "SET"]) || parser.words(&["CHAR", "SET"]) || parser.word("CHARSET");
    let collate = !charset && parser.word("COLLATE");
    if !charset && !collate {
        parser.back_to(start);
        return None;
    }
    parser.symbol("=");
    let is_default = parser.at("DEFAULT");
    let name = parser.name();
    let named = match name {
        Some(_) if is_default => return Some(CharsetOption::Default),
        Some(name) if charset => Some(charset_name(&name)),
        Some(name) => charset_of_collation(&name),
        None => None,
    };
    named.map(|name| CharsetOption::Named(name.into()))
}
