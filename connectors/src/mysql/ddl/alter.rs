//! ALTER TABLE: its operations, read from tokens.
//!
//! [`super::altering`] carries them out. Invariant: what changes columns, keys or character sets becomes an operation; what is
//! known to change none of them becomes [`Operation::Nothing`]; anything else gives `None`, and the shape is read anew.

use api::Text;

use super::column::{Definition, Place, TypeRules, default, definition, place};
use super::parser::Parser;
use super::statement::{CharsetOption, Name, one_charset_option};
use super::table::{Key, key, other_item};
use crate::mysql::shape::{ColumnDefault, ColumnShape};

/// One operation.
#[derive(Debug)]
pub(super) enum Operation {
    Add {
        definition: Box<Definition>,
        place: Place,
        if_not_exists: bool,
    },
    Change {
        old: Text,
        definition: Box<Definition>,
        place: Place,
        if_exists: bool,
    },
    Drop {
        column: Text,
        if_exists: bool,
    },
    RenameColumn {
        from: Text,
        to: Text,
        if_exists: bool,
    },
    SetDefault {
        column: Text,
        default: ColumnDefault,
    },
    AddPrimary(Vec<Text>),
    DropPrimary,
    AddUnique {
        name: Option<Text>,
        columns: Vec<Text>,
    },
    DropIndex(Text),
    RenameIndex {
        from: Text,
        to: Text,
    },
    RenameTable(Name),
    DefaultCharset(CharsetOption),
    ConvertCharset(CharsetOption),
    Comment(Text),
    /// Changes nothing that rows show.
    Nothing,
}

/// Reads all operations; `None` when one of them is not understood.
pub(super) fn operations(parser: &mut Parser, rules: TypeRules) -> Option<Vec<Operation>> {
    let mut all = Vec::new();
    while !parser.is_over() {
        operation(parser, rules, &mut all)?;
        // Partitioning may follow the last operation without a comma.
        parser.skip_clause();
        if !parser.symbol(",") {
            break;
        }
    }
    parser.is_over().then_some(all)
}

/// What changes how a table is kept, not what is in it.
const KEPT: [&str; 52] = [
    "ALGORITHM",
    "ANALYZE",
    "AUTOEXTEND_SIZE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECK",
    "CHECKSUM",
    "COALESCE",
    "COMPRESSION",
    "CONNECTION",
    "DATA",
    "DELAY_KEY_WRITE",
    "DISABLE",
    "DISCARD",
    "ENABLE",
    "ENCRYPTED",
    "ENCRYPTION",
    "ENCRYPTION_KEY_ID",
    "ENGINE",
    "ENGINE_ATTRIBUTE",
    "EXCHANGE",
    "FORCE",
    "IETF_QUOTES",
    "IMPORT",
    "INDEX",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "LOCK",
    "MAX_ROWS",
    "MIN_ROWS",
    "OPTIMIZE",
    "ORDER",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PARTITION",
    "PASSWORD",
    "REBUILD",
    "REMOVE",
    "REORGANIZE",
    "REPAIR",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_LOAD",
    "SECONDARY_UNLOAD",
    "SEQUENCE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLESPACE",
];
const KEPT_TOO: [&str; 9] = [
    "START",
    "TRANSACTIONAL",
    "TRUNCATE",
    "UNION",
    "UPGRADE",
    "WITH",
    "WITHOUT",
    "VALIDATE",
    "TABLE_CHECKSUM",
];

fn operation(parser: &mut Parser, rules: TypeRules, all: &mut Vec<Operation>) -> Option<()> {
    if parser.word("ADD") {
        return add(parser, rules, all);
    }
    let operation = if parser.word("CHANGE") {
        parser.word("COLUMN");
        let if_exists = parser.words(&["IF", "EXISTS"]);
        let old = parser.name()?;
        let definition = Box::new(definition(parser, rules)?);
        Operation::Change { old, definition, place: place(parser)?, if_exists }
    } else if parser.word("MODIFY") {
        parser.word("COLUMN");
        let if_exists = parser.words(&["IF", "EXISTS"]);
        let definition = Box::new(definition(parser, rules)?);
        Operation::Change {
            old: definition.column.name.clone(),
            definition,
            place: place(parser)?,
            if_exists,
        }
    } else if parser.word("DROP") {
        drop(parser)?
    } else if parser.word("RENAME") {
        rename(parser)?
    } else if parser.word("ALTER") {
        alter_column(parser)?
    } else if parser.words(&["CONVERT", "TO"]) {
        Operation::ConvertCharset(charset(parser)?)
    } else if parser.at_any(&["DEFAULT", "CHARACTER", "CHARSET", "CHAR", "COLLATE"]) {
        Operation::DefaultCharset(charset(parser)?)
    } else if parser.words(&["ORDER", "BY"]) {
        order_list(parser);
        Operation::Nothing
    } else if parser.word("COMMENT") {
        parser.symbol("=");
        Operation::Comment(parser.string().unwrap_or_default().into())
    } else if parser.at_any(&KEPT) || parser.at_any(&KEPT_TOO) {
        maintenance(parser);
        Operation::Nothing
    } else {
        return None;
    };
    all.push(operation);
    Some(())
}

/// `ORDER BY a DESC, b`: the list ends where what follows a comma is more than a column.
fn order_list(parser: &mut Parser) {
    loop {
        parser.name();
        parser.any(&["ASC", "DESC"]);
        let start = parser.position();
        let more = parser.symbol(",") && parser.name().is_some();
        parser.any(&["ASC", "DESC"]);
        let goes_on = more && parser.at_clause_end();
        parser.back_to(start);
        if !goes_on {
            return;
        }
        parser.symbol(",");
    }
}

/// `REBUILD PARTITION p0, p1` and its like stand alone, with lists of their own.
fn maintenance(parser: &mut Parser) {
    parser.next();
    if parser.word("PARTITION") {
        parser.skip_statement();
    }
}

/// `CHARACTER SET x [COLLATE y]`, with what follows without a comma.
fn charset(parser: &mut Parser) -> Option<CharsetOption> {
    let mut found = one_charset_option(parser);
    while let Some(option) = one_charset_option(parser) {
        found = Some(option);
    }
    found
}

fn add(parser: &mut Parser, rules: TypeRules, all: &mut Vec<Operation>) -> Option<()> {
    if let Some(key) = key(parser) {
        all.extend(key.map(|key| match key {
            Key::Primary(columns) => Operation::AddPrimary(columns),
            Key::Unique { name, columns } => Operation::AddUnique { name, columns },
        }));
        return Some(());
    }
    if parser.at_any(&["PARTITION", "SYSTEM"]) && !is_column(parser) || other_item(parser) {
        all.push(Operation::Nothing);
        return Some(());
    }
    parser.word("COLUMN");
    let if_not_exists = parser.words(&["IF", "NOT", "EXISTS"]);
    if !parser.symbol("(") {
        let definition = Box::new(definition(parser, rules)?);
        all.push(Operation::Add { definition, place: place(parser)?, if_not_exists });
        return Some(());
    }
    loop {
        if let Some(key) = key(parser) {
            all.extend(key.map(|key| match key {
                Key::Primary(columns) => Operation::AddPrimary(columns),
                Key::Unique { name, columns } => Operation::AddUnique { name, columns },
            }));
        } else if !other_item(parser) {
            let definition = Box::new(definition(parser, rules)?);
            all.push(Operation::Add { definition, place: Place::Last, if_not_exists });
        }
        parser.skip_clause();
        if !parser.symbol(",") {
            return parser.symbol(")").then_some(());
        }
    }
}

/// Whether `PARTITION` or `SYSTEM` here is a column of that name: a type follows.
fn is_column(parser: &mut Parser) -> bool {
    let start = parser.position();
    parser.next();
    let is_clause = parser.at_symbol("(")
        || parser.at_any(&["VERSIONING", "PARTITIONS", "IF", "NO_WRITE_TO_BINLOG", "LOCAL"]);
    parser.back_to(start);
    !is_clause
}

fn drop(parser: &mut Parser) -> Option<Operation> {
    if parser.words(&["PRIMARY", "KEY"]) {
        return Some(Operation::DropPrimary);
    }
    if parser.word("PARTITION") {
        parser.skip_statement();
        return Some(Operation::Nothing);
    }
    if parser.words(&["FOREIGN", "KEY"])
        || parser.any(&["CHECK", "PERIOD"])
        || parser.words(&["SYSTEM", "VERSIONING"])
    {
        return Some(Operation::Nothing);
    }
    if parser.any(&["INDEX", "KEY", "CONSTRAINT"]) {
        parser.words(&["IF", "EXISTS"]);
        return parser.name().map(Operation::DropIndex);
    }
    parser.word("COLUMN");
    let if_exists = parser.words(&["IF", "EXISTS"]);
    Some(Operation::Drop { column: parser.name()?, if_exists })
}

fn rename(parser: &mut Parser) -> Option<Operation> {
    if parser.word("COLUMN") {
        let if_exists = parser.words(&["IF", "EXISTS"]);
        let from = parser.name()?;
        parser.word("TO").then_some(())?;
        return Some(Operation::RenameColumn { from, to: parser.name()?, if_exists });
    }
    if parser.any(&["INDEX", "KEY"]) {
        parser.words(&["IF", "EXISTS"]);
        let from = parser.name()?;
        parser.word("TO").then_some(())?;
        return Some(Operation::RenameIndex { from, to: parser.name()? });
    }
    let _ = parser.any(&["TO", "AS"]) || parser.symbol("=");
    parser.table().map(Operation::RenameTable)
}

fn alter_column(parser: &mut Parser) -> Option<Operation> {
    if parser.any(&["INDEX", "KEY", "CHECK", "CONSTRAINT"]) {
        return Some(Operation::Nothing);
    }
    parser.word("COLUMN");
    parser.words(&["IF", "EXISTS"]);
    let column = parser.name()?;
    if parser.words(&["DROP", "DEFAULT"]) {
        return Some(Operation::SetDefault { column, default: ColumnDefault::Unset });
    }
    if parser.words(&["SET", "DEFAULT"]) {
        // The literal is read as that of a number; texts do not come in bits here.
        let shape = ColumnShape::new(column.clone(), crate::mysql::shape::SqlType::Int);
        return Some(Operation::SetDefault { default: default(parser, &shape), column });
    }
    parser.words(&["SET", "VISIBLE"]);
    Some(Operation::Nothing)
}
