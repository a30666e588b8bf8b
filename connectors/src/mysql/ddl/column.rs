//! Column definitions: a name, a type and what follows them.
//!
//! The same reader serves CREATE TABLE, ALTER TABLE and the server's COLUMN_TYPE. Invariant: an attribute that is not known is
//! passed over, for none of those changes what rows hold; a type that is not known gives `None`, for that does.

use api::Text;

use super::parser::Parser;
use super::token::{Kind, Token};
use crate::mysql::shape::{ColumnDefault, ColumnShape, JSON, SqlType};
use crate::mysql::types::charset::{charset_name, charset_of_collation};

/// A column as a statement defines it: its character set may still depend on the table.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) column: ColumnShape,
    pub(super) primary: bool,
    pub(super) unique: bool,
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Last,
    First,
    After(Text),
}

impl Definition {
    /// The column in a table of this character set.
    pub(super) fn into_column(mut self, table_charset: &Text) -> ColumnShape {
        if self.column.sql_type.is_text() && self.column.charset.is_none() {
            self.column.charset = Some(table_charset.clone());
        }
        if self.primary {
            self.column.optional = false;
        }
        self.column
    }
}

/// What dialect changes about types.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypeRules {
    pub(super) mariadb: bool,
    pub(super) real_as_float: bool,
}

/// Reads a name and its definition.
pub(super) fn definition(parser: &mut Parser, rules: TypeRules) -> Option<Definition> {
    let name = parser.name()?;
    let column = ColumnShape::new(name, SqlType::Int);
    let mut definition = Definition { column, primary: false, unique: false };
    data_type(parser, &mut definition, rules)?;
    while !parser.at_clause_end() && !parser.at_any(&["FIRST", "AFTER", "PARTITION"]) {
        attribute(parser, &mut definition, rules);
    }
    finish(&mut definition.column, rules);
    Some(definition)
}

/// Reads `FIRST` or `AFTER name` and goes to the end of the clause.
pub(super) fn place(parser: &mut Parser) -> Option<Place> {
    let place = if parser.word("FIRST") {
        Place::First
    } else if parser.word("AFTER") {
        Place::After(parser.name()?)
    } else {
        Place::Last
    };
    Some(place)
}

/// What the server makes of a type by itself.
fn finish(column: &mut ColumnShape, rules: TypeRules) {
    match column.sql_type {
        SqlType::Decimal => {
            column.length = Some(column.length.unwrap_or(10));
            column.scale = Some(column.scale.unwrap_or(0));
        }
        SqlType::Bit | SqlType::Char | SqlType::Binary => column.length = Some(column.length.unwrap_or(1)),
        // MariaDB's JSON is another name for LONGTEXT.
        SqlType::Json if rules.mariadb => {
            column.sql_type = SqlType::LongText;
            column.written = Some(Text::from_static(JSON));
            column.charset.get_or_insert_with(|| Text::from_static("utf8mb4"));
        }
        _ => {}
    }
}

const TYPES: [(&str, SqlType); 60] = [
    ("TINYINT", SqlType::TinyInt),
    ("INT1", SqlType::TinyInt),
    ("BOOL", SqlType::Boolean),
    ("BOOLEAN", SqlType::Boolean),
    ("SMALLINT", SqlType::SmallInt),
    ("INT2", SqlType::SmallInt),
    ("MEDIUMINT", SqlType::MediumInt),
    ("MIDDLEINT", SqlType::MediumInt),
    ("INT3", SqlType::MediumInt),
    ("INT", SqlType::Int),
    ("INTEGER", SqlType::Int),
    ("INT4", SqlType::Int),
    ("BIGINT", SqlType::BigInt),
    ("INT8", SqlType::BigInt),
    ("SERIAL", SqlType::BigInt),
    ("DECIMAL", SqlType::Decimal),
    ("DEC", SqlType::Decimal),
    ("NUMERIC", SqlType::Decimal),
    ("FIXED", SqlType::Decimal),
    ("FLOAT", SqlType::Float),
    ("FLOAT4", SqlType::Float),
    ("FLOAT8", SqlType::Double),
    ("DOUBLE", SqlType::Double),
    ("REAL", SqlType::Real),
    ("BIT", SqlType::Bit),
    ("YEAR", SqlType::Year),
    ("DATE", SqlType::Date),
    ("TIME", SqlType::Time),
    ("DATETIME", SqlType::DateTime),
    ("TIMESTAMP", SqlType::Timestamp),
    ("CHAR", SqlType::Char),
    ("CHARACTER", SqlType::Char),
    ("NCHAR", SqlType::Char),
    ("VARCHAR", SqlType::VarChar),
    ("VARCHARACTER", SqlType::VarChar),
    ("NVARCHAR", SqlType::VarChar),
    ("TINYTEXT", SqlType::TinyText),
    ("TEXT", SqlType::Text),
    ("MEDIUMTEXT", SqlType::MediumText),
    ("LONGTEXT", SqlType::LongText),
    ("BINARY", SqlType::Binary),
    ("VARBINARY", SqlType::VarBinary),
    ("TINYBLOB", SqlType::TinyBlob),
    ("BLOB", SqlType::Blob),
    ("MEDIUMBLOB", SqlType::MediumBlob),
    ("LONGBLOB", SqlType::LongBlob),
    ("JSON", SqlType::Json),
    ("ENUM", SqlType::Enum),
    ("SET", SqlType::Set),
    ("GEOMETRY", SqlType::Geometry),
    ("POINT", SqlType::Point),
    ("LINESTRING", SqlType::LineString),
    ("POLYGON", SqlType::Polygon),
    ("MULTIPOINT", SqlType::MultiPoint),
    ("MULTILINESTRING", SqlType::MultiLineString),
    ("MULTIPOLYGON", SqlType::MultiPolygon),
    ("GEOMETRYCOLLECTION", SqlType::GeometryCollection),
    ("GEOMCOLLECTION", SqlType::GeometryCollection),
    ("VECTOR", SqlType::Vector),
    ("UUID", SqlType::Uuid),
];

/// Reads the type with its parentheses.
fn data_type(parser: &mut Parser, definition: &mut Definition, rules: TypeRules) -> Option<()> {
    let prefix = if parser.word("NATIONAL") { "NATIONAL " } else { "" };
    let national = !prefix.is_empty() || parser.at_any(&["NCHAR", "NVARCHAR"]);
    let serial = parser.at("SERIAL");
    let column = &mut definition.column;
    column.sql_type = if parser.word("LONG") {
        let (sql_type, written) = long_type(parser);
        column.written = Some(Text::from_static(written));
        sql_type
    } else {
        let token = parser.next().filter(|token| token.kind == Kind::Word)?;
        column.written = Some(format!("{prefix}{}", token.text.to_ascii_uppercase()).into());
        let found =
            TYPES.iter().find(|(name, _)| token.text.eq_ignore_ascii_case(name)).map(|(_, found)| *found);
        found.or_else(|| SqlType::of_name(&token.text.to_ascii_uppercase()))?
    };
    if column.sql_type == SqlType::Double && parser.word("PRECISION") {
        column.written = Some(Text::from_static("DOUBLE PRECISION"));
    }
    if column.sql_type == SqlType::Char && parser.word("VARYING") {
        column.sql_type = SqlType::VarChar;
        column.written = column.written.take().map(|written| format!("{written} VARYING").into());
    }
    if column.written.as_deref() == Some(column.sql_type.name()) || serial {
        column.written = None;
    }
    if column.sql_type == SqlType::Real && rules.real_as_float {
        column.sql_type = SqlType::Float;
    }
    if national {
        column.charset = Some(Text::from_static("utf8mb3"));
    }
    if serial {
        column.unsigned = true;
        column.optional = false;
        column.auto_increment = true;
        definition.unique = true;
    }
    if parser.symbol("(") {
        type_arguments(parser, column)?;
    }
    Some(())
}

/// `LONG` is MEDIUMTEXT, `LONG VARBINARY` is MEDIUMBLOB.
fn long_type(parser: &mut Parser) -> (SqlType, &'static str) {
    if parser.word("VARBINARY") {
        return (SqlType::MediumBlob, "LONG VARBINARY");
    }
    if parser.any(&["CHAR", "CHARACTER"]) {
        parser.word("VARYING");
        return (SqlType::MediumText, "LONG CHAR VARYING");
    }
    let varchar = parser.any(&["VARCHAR", "VARCHARACTER"]);
    (SqlType::MediumText, if varchar { "LONG VARCHAR" } else { "LONG" })
}

/// What stands in parentheses after the type: words, or one or two numbers.
fn type_arguments(parser: &mut Parser, column: &mut ColumnShape) -> Option<()> {
    if matches!(column.sql_type, SqlType::Enum | SqlType::Set) {
        loop {
            // A word may carry a character set's introducer, or be written in hex.
            if parser.peek().is_some_and(|token| token.kind == Kind::Word) {
                parser.next();
            }
            let word = match parser.string() {
                Some(word) => word,
                None => hex_text(&parser.next().filter(|token| token.kind == Kind::Bits)?.text)?,
            };
            // The server cuts spaces off the ends of words.
            column.enum_values.push(word.trim_end_matches(' ').into());
            if !parser.symbol(",") {
                break;
            }
        }
    } else {
        column.length = Some(parser.number()?);
        if parser.symbol(",") {
            column.scale = Some(parser.number()?);
        }
        parser.any(&["CHAR", "BYTE"]);
    }
    parser.symbol(")").then_some(())
}

fn attribute(parser: &mut Parser, definition: &mut Definition, rules: TypeRules) {
    let column = &mut definition.column;
    if parser.words(&["NOT", "NULL"]) {
        column.optional = false;
    } else if parser.word("NULL") {
        column.optional = true;
    } else if parser.at_any(&["UNSIGNED", "ZEROFILL"]) {
        column.unsigned = true;
        column.zerofill |= parser.at("ZEROFILL");
        parser.skip_one();
    } else if parser.word("SIGNED") {
        let written = column.written.as_deref().unwrap_or(column.sql_type.name());
        column.written = Some(format!("{written} SIGNED").into());
    } else if parser.word("DEFAULT") {
        column.default = default(parser, column);
        // Debezium takes it for a part of the default there, and the column for one that is not made by the server.
        if rules.mariadb
            && column.default == ColumnDefault::CurrentTimestamp
            && parser.words(&["ON", "UPDATE"])
        {
            parser.skip_one();
            parser.group();
        }
    } else if parser.words(&["SERIAL", "DEFAULT", "VALUE"]) {
        column.optional = false;
        column.auto_increment = true;
        definition.unique = true;
    } else if parser.word("AUTO_INCREMENT") {
        column.auto_increment = true;
    } else if parser.words(&["ON", "UPDATE"]) {
        column.on_update = true;
        parser.skip_one();
        parser.group();
    } else if parser.any(&["GENERATED", "AS"]) {
        column.generated = true;
        parser.words(&["ALWAYS", "AS"]);
        parser.group();
    } else if parser.word("COMMENT") {
        column.comment = parser.string().unwrap_or_default().into();
    } else if parser.words(&["CHARACTER", "SET"])
        || parser.any(&["CHARSET"])
        || parser.words(&["CHAR", "SET"])
    {
        parser.symbol("=");
        column.charset = parser.name().map(|name| charset_name(&name).into());
    } else if parser.word("COLLATE") {
        parser.symbol("=");
        let collation = parser.name();
        if column.charset.is_none() {
            column.charset = collation.and_then(|name| charset_of_collation(&name)).map(Text::from);
        }
    } else {
        key_or_other(parser, definition);
    }
}

fn key_or_other(parser: &mut Parser, definition: &mut Definition) {
    let column = &mut definition.column;
    if parser.words(&["PRIMARY", "KEY"]) || parser.word("KEY") {
        definition.primary = true;
    } else if parser.word("UNIQUE") {
        parser.word("KEY");
        definition.unique = true;
    } else if parser.word("ASCII") {
        column.charset = Some(Text::from_static("latin1"));
    } else if parser.word("UNICODE") {
        column.charset = Some(Text::from_static("ucs2"));
    } else if parser.word("BYTE") {
        column.sql_type = match column.sql_type {
            SqlType::Char => SqlType::Binary,
            SqlType::VarChar => SqlType::VarBinary,
            SqlType::Text => SqlType::Blob,
            other => other,
        };
    } else if parser.word("REFERENCES") {
        // Its `ON DELETE SET NULL` and `SET DEFAULT` are no attributes of the column.
        parser.table();
        parser.group();
        while parser.words(&["ON", "DELETE"]) || parser.words(&["ON", "UPDATE"]) || parser.word("MATCH") {
            let _ = parser.words(&["SET", "NULL"])
                || parser.words(&["SET", "DEFAULT"])
                || parser.words(&["NO", "ACTION"])
                || parser.next().is_some();
        }
    } else {
        parser.skip_one();
    }
}

/// Reads what follows `DEFAULT`.
pub(super) fn default(parser: &mut Parser, column: &ColumnShape) -> ColumnDefault {
    let Some(first) = parser.peek().cloned() else { return ColumnDefault::Unset };
    let start = parser.position();
    let literal = literal(parser, &first, column);
    match literal {
        Some(default) if ends_default(parser) => default,
        _ => {
            parser.back_to(start);
            parser.skip_one();
            parser.group();
            while parser.peek().is_some_and(|token| token.kind == Kind::Symbol) && !parser.at_clause_end() {
                parser.skip_one();
                if !parser.at_clause_end() {
                    parser.skip_one();
                }
            }
            ColumnDefault::Expression
        }
    }
}

/// An operator behind a literal makes an expression of it.
fn ends_default(parser: &Parser) -> bool {
    parser.at_clause_end() || parser.peek().is_none_or(|token| token.kind != Kind::Symbol)
}

fn literal(parser: &mut Parser, first: &Token, column: &ColumnShape) -> Option<ColumnDefault> {
    let text = |text: String| Some(ColumnDefault::Literal(text.into()));
    match first.kind {
        Kind::String => text(parser.string()?),
        Kind::Bits => {
            parser.next();
            bits_literal(&first.text, column)
        }
        Kind::Number => {
            parser.next();
            text(first.text.clone())
        }
        Kind::Symbol if matches!(first.text.as_str(), "-" | "+" | ".") => {
            parser.next();
            let number = parser.next().filter(|token| matches!(token.kind, Kind::Number | Kind::Word))?;
            number.text.parse::<f64>().is_ok().then_some(())?;
            text(if first.text == "+" { number.text } else { format!("{}{}", first.text, number.text) })
        }
        Kind::Word => word_literal(parser, first, column),
        Kind::Name | Kind::Symbol => None,
    }
}

fn word_literal(parser: &mut Parser, first: &Token, column: &ColumnShape) -> Option<ColumnDefault> {
    let literal = |text: String| Some(ColumnDefault::Literal(text.into()));
    if parser.word("NULL") {
        return Some(ColumnDefault::Null);
    }
    if parser.at_any(&["TRUE", "FALSE"]) {
        parser.next();
        return literal(first.text.clone());
    }
    if parser.any(&["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"]) {
        parser.group();
        return Some(ColumnDefault::CurrentTimestamp);
    }
    // An introducer, or the kind of a temporal literal.
    if first.text.starts_with('_') || parser.at_any(&["DATE", "TIME", "TIMESTAMP", "N"]) {
        parser.next();
        return match parser.peek()?.kind {
            Kind::String => literal(parser.string()?),
            Kind::Bits => bits_literal(&parser.next()?.text, column),
            _ => None,
        };
    }
    None
}

/// Bits are a number to numbers, and characters to texts.
fn bits_literal(bits: &str, column: &ColumnShape) -> Option<ColumnDefault> {
    let is_number = !column.sql_type.is_text()
        && !matches!(column.sql_type, SqlType::Binary | SqlType::VarBinary | SqlType::Blob);
    if is_number {
        let digits = bits.get(1..)?;
        let radix = if bits.starts_with('b') { 2 } else { 16 };
        return Some(ColumnDefault::Literal(u64::from_str_radix(digits, radix).ok()?.to_string().into()));
    }
    Some(ColumnDefault::Literal(hex_text(bits)?.into()))
}

/// The characters that `x41` means.
fn hex_text(bits: &str) -> Option<String> {
    let digits = bits.strip_prefix('x')?.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}
