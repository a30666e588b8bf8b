//! The body of CREATE TABLE: columns, keys and the options behind them.
//!
//! Invariant: a body that is given back has all its columns with their types; a query as the source of the columns, or a
//! column that is not understood, gives `None`.

use api::Text;

use super::column::{Definition, TypeRules, definition};
use super::parser::Parser;
use super::statement::{CharsetOption, one_charset_option};

/// A key as a statement defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Primary(Vec<Text>),
    Unique { name: Option<Text>, columns: Vec<Text> },
}

/// What a CREATE TABLE says.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) definitions: Vec<Definition>,
    pub(super) keys: Vec<Key>,
    pub(super) charset: Option<CharsetOption>,
    pub(super) comment: Option<Text>,
}

/// Reads from the opening parenthesis to the end of the statement.
pub(super) fn body(parser: &mut Parser, rules: TypeRules) -> Option<Body> {
    let mut body = Body { definitions: Vec::new(), keys: Vec::new(), charset: None, comment: None };
    parser.symbol("(").then_some(())?;
    loop {
        if let Some(key) = key(parser) {
            body.keys.extend(key);
        } else if !other_item(parser) {
            body.definitions.push(definition(parser, rules)?);
        }
        parser.skip_clause();
        if !parser.symbol(",") {
            break;
        }
    }
    parser.symbol(")").then_some(())?;
    (body.charset, body.comment) = options(parser)?;
    Some(body)
}

/// The options behind the parenthesis; `None` when a query follows, whose columns are added to the table.
pub(super) fn options(parser: &mut Parser) -> Option<(Option<CharsetOption>, Option<Text>)> {
    let (mut charset, mut comment) = (None, None);
    while !parser.is_over() {
        if parser.at_any(&["SELECT", "WITH", "VALUES"]) || (parser.at("AS") && !parser.words(&["AS", "OF"])) {
            let versioning =
                parser.words(&["WITH", "SYSTEM", "VERSIONING"]) || parser.words(&["WITH", "PARSER"]);
            if !versioning {
                return None;
            }
        } else if parser.at("PARTITION") {
            while !parser.is_over() && !parser.at_any(&["SELECT", "AS"]) {
                parser.skip_one();
            }
        } else if let Some(option) = one_charset_option(parser) {
            // COLLATE behind CHARACTER SET names a collation of that set.
            charset = Some(option);
        } else if parser.word("COMMENT") {
            parser.symbol("=");
            comment = parser.string().map(Text::from);
        } else {
            parser.skip_one();
        }
    }
    Some((charset, comment))
}

/// A primary or unique key, if one is defined here; an inner `None` for one over expressions, which keys no rows for us.
pub(super) fn key(parser: &mut Parser) -> Option<Option<Key>> {
    let start = parser.position();
    let mut name = None;
    if parser.word("CONSTRAINT") && !parser.at_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
        name = parser.name();
    }
    if parser.words(&["PRIMARY", "KEY"]) {
        while !parser.at_symbol("(") && !parser.is_over() {
            parser.skip_one();
        }
        return Some(Some(Key::Primary(key_columns(parser))));
    }
    if parser.word("UNIQUE") {
        parser.any(&["INDEX", "KEY"]);
        if_not_exists(parser);
        if !parser.at_symbol("(") && !parser.at("USING") {
            name = parser.name();
        }
        while !parser.at_symbol("(") && !parser.is_over() {
            parser.skip_one();
        }
        let columns = key_columns(parser);
        return Some((!columns.is_empty()).then_some(Key::Unique { name, columns }));
    }
    parser.back_to(start);
    None
}

fn if_not_exists(parser: &mut Parser) {
    parser.words(&["IF", "NOT", "EXISTS"]);
}

/// The columns of a key; none when it is over expressions.
pub(super) fn key_columns(parser: &mut Parser) -> Vec<Text> {
    let mut columns = Vec::new();
    if !parser.symbol("(") {
        return columns;
    }
    let mut expressions = false;
    while !parser.is_over() {
        if parser.at_symbol("(") {
            expressions = true;
        } else if let Some(column) = parser.name() {
            columns.push(column);
        }
        parser.skip_clause();
        if !parser.symbol(",") {
            break;
        }
    }
    parser.symbol(")");
    if expressions { Vec::new() } else { columns }
}

/// Passes over what is neither a column nor a key of rows.
pub(super) fn other_item(parser: &mut Parser) -> bool {
    let there = parser.at_any(&["INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "CONSTRAINT"])
        || parser.words(&["PERIOD", "FOR"])
        || parser.words(&["VECTOR", "INDEX"])
        || parser.words(&["VECTOR", "KEY"]);
    if there {
        parser.skip_clause();
    }
    there
}

#[cfg(test)]
mod tests {
    use crate::mysql::ddl::{Catalog, Statement};
    use crate::mysql::shape::TableId;

    #[test]
    fn comments_of_tables_are_known() {
        let mut catalog = Catalog::new("utf8mb4", "9.7.0");
        let comment = |catalog: &mut Catalog, sql: &str| {
            catalog.apply(&Statement { sql, database: "db", sql_mode: 0 });
            catalog.table(&TableId::new("db", "t")).unwrap().comment.to_string()
        };
        assert_eq!(
            comment(&mut catalog, "CREATE TABLE t (a INT) ENGINE=InnoDB COMMENT='one, (two)' CHARSET=latin1"),
            "one, (two)"
        );
        assert_eq!(comment(&mut catalog, "ALTER TABLE t ADD b INT, COMMENT 'ADD x INT'"), "ADD x INT");
        assert_eq!(catalog.table(&TableId::new("db", "t")).unwrap().columns.len(), 2);
    }
}
