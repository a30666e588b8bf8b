//! ALTER TABLE: its operations, and how they change a shape.
//!
//! Invariant: operations name columns as they were called before the statement, as in MySQL, so that names may be swapped;
//! keys follow their columns through renames and moves. What is not understood gives `None`, and the shape is read anew.

use api::Text;

use super::column::{Definition, Place, TypeRules, default, definition, place};
use super::parser::Parser;
use super::statement::{CharsetOption, Name, one_charset_option};
use super::table::{Key, key, other_item};
use crate::mysql::shape::{ColumnDefault, ColumnShape, TableShape, UniqueKey};

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
const KEPT: [&str; 53] = [
    "ALGORITHM",
    "ANALYZE",
    "AUTOEXTEND_SIZE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECK",
    "CHECKSUM",
    "COALESCE",
    "COMMENT",
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

/// A column on its way through a statement, with the name that the statement knows it by.
struct Working {
    column: ColumnShape,
    known_as: Option<Text>,
    id: usize,
}

/// A table on its way through an ALTER TABLE: keys hold columns by id, so that they survive moves.
pub(super) struct Altering {
    columns: Vec<Working>,
    primary: Vec<usize>,
    unique: Vec<(Text, Vec<usize>)>,
    charset: Text,
    next_id: usize,
}

impl Altering {
    pub(super) fn new(shape: &TableShape) -> Self {
        let columns: Vec<Working> = shape
            .columns
            .iter()
            .enumerate()
            .map(|(id, column)| Working { column: column.clone(), known_as: Some(column.name.clone()), id })
            .collect();
        Self {
            next_id: columns.len(),
            columns,
            primary: shape.primary_key.clone(),
            unique: shape.unique_keys.iter().map(|key| (key.name.clone(), key.columns.clone())).collect(),
            charset: shape.charset.clone(),
        }
    }

    /// Carries one operation out; `None` when it does not fit the table.
    pub(super) fn apply(&mut self, operation: Operation, database_charset: &Text) -> Option<()> {
        match operation {
            Operation::Add { definition, place, if_not_exists } => {
                if if_not_exists && self.position(&definition.column.name).is_some() {
                    return Some(());
                }
                self.add(*definition, &place)
            }
            Operation::Change { old, definition, place, if_exists } => match self.known(&old) {
                Some(position) => self.change(position, *definition, place),
                None => if_exists.then_some(()),
            },
            Operation::Drop { column, if_exists } => match self.known(&column) {
                Some(position) => {
                    let id = self.columns.remove(position).id;
                    self.forget(id);
                    Some(())
                }
                None => if_exists.then_some(()),
            },
            Operation::RenameColumn { from, to, if_exists } => match self.known(&from) {
                Some(position) => {
                    self.columns[position].column.name = to;
                    self.columns[position].known_as = None;
                    Some(())
                }
                None => if_exists.then_some(()),
            },
            Operation::SetDefault { column, default } => {
                let position = self.known(&column).or_else(|| self.position(&column))?;
                self.columns[position].column.default = default;
                Some(())
            }
            operation => self.apply_key(operation, database_charset),
        }
    }

    fn apply_key(&mut self, operation: Operation, database_charset: &Text) -> Option<()> {
        let same = |left: &Text, right: &Text| left.eq_ignore_ascii_case(right);
        match operation {
            Operation::AddPrimary(columns) => {
                self.primary = self.ids(&columns)?;
                let primary = &self.primary;
                for working in self.columns.iter_mut().filter(|working| primary.contains(&working.id)) {
                    working.column.optional = false;
                }
            }
            Operation::DropPrimary => self.primary.clear(),
            Operation::AddUnique { name, columns } => {
                let ids = self.ids(&columns)?;
                let name = name.or_else(|| columns.first().cloned()).unwrap_or_default();
                self.unique.push((name, ids));
            }
            Operation::DropIndex(name) if name.eq_ignore_ascii_case("PRIMARY") => self.primary.clear(),
            Operation::DropIndex(name) => self.unique.retain(|(key, _)| !same(key, &name)),
            Operation::RenameIndex { from, to } => {
                if let Some((key, _)) = self.unique.iter_mut().find(|(key, _)| same(key, &from)) {
                    *key = to;
                }
            }
            Operation::DefaultCharset(charset) => self.charset = named(charset, database_charset),
            Operation::ConvertCharset(charset) => {
                self.charset = named(charset, database_charset);
                for working in &mut self.columns {
                    if working.column.sql_type.is_text() {
                        working.column.charset = Some(self.charset.clone());
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    fn add(&mut self, definition: Definition, place: &Place) -> Option<()> {
        let id = self.next_id;
        self.next_id += 1;
        let (primary, unique) = (definition.primary, definition.unique);
        let column = definition.into_column(&self.charset);
        if self.position(&column.name).is_some_and(|position| self.columns[position].known_as.is_none()) {
            return None;
        }
        if unique {
            self.unique.push((column.name.clone(), vec![id]));
        }
        if primary {
            self.primary = vec![id];
        }
        self.insert(Working { column, known_as: None, id }, place)
    }

    fn change(&mut self, position: usize, definition: Definition, place: Place) -> Option<()> {
        let old = self.columns.remove(position);
        let (primary, unique) = (definition.primary, definition.unique);
        let mut column = definition.into_column(&self.charset);
        if primary {
            self.primary = vec![old.id];
        }
        if self.primary.contains(&old.id) {
            column.optional = false;
        }
        if unique {
            self.unique.push((column.name.clone(), vec![old.id]));
        }
        let working = Working { column, known_as: None, id: old.id };
        if place == Place::Last {
            self.columns.insert(position, working);
            return Some(());
        }
        self.insert(working, &place)
    }

    fn insert(&mut self, working: Working, place: &Place) -> Option<()> {
        let position = match place {
            Place::Last => self.columns.len(),
            Place::First => 0,
            Place::After(name) => self.position(name)? + 1,
        };
        self.columns.insert(position, working);
        Some(())
    }

    /// A column by the name that the statement knows it by.
    fn known(&self, name: &str) -> Option<usize> {
        let is =
            |known: &Text| known.eq_ignore_ascii_case(name) || known.to_lowercase() == name.to_lowercase();
        self.columns.iter().position(|working| working.known_as.as_ref().is_some_and(is))
    }

    /// A column by its new name, else by its old one.
    fn position(&self, name: &str) -> Option<usize> {
        let is = |working: &Working| {
            working.column.name.eq_ignore_ascii_case(name)
                || working.column.name.to_lowercase() == name.to_lowercase()
        };
        self.columns.iter().position(is).or_else(|| self.known(name))
    }

    fn ids(&self, columns: &[Text]) -> Option<Vec<usize>> {
        columns.iter().map(|name| self.position(name).map(|position| self.columns[position].id)).collect()
    }

    fn forget(&mut self, id: usize) {
        self.primary.retain(|column| *column != id);
        for (_, columns) in &mut self.unique {
            columns.retain(|column| *column != id);
        }
        self.unique.retain(|(_, columns)| !columns.is_empty());
    }

    /// The shape that came of it; `None` when no column is left.
    pub(super) fn finish(self, id: crate::mysql::shape::TableId) -> Option<TableShape> {
        let place = |id: &usize| self.columns.iter().position(|working| working.id == *id);
        let places = |ids: &[usize]| ids.iter().map(place).collect::<Option<Vec<_>>>();
        let primary_key = places(&self.primary)?;
        let mut unique_keys = Vec::with_capacity(self.unique.len());
        for (name, columns) in &self.unique {
            unique_keys.push(UniqueKey { name: name.clone(), columns: places(columns)? });
        }
        let columns: Vec<_> = self.columns.iter().map(|working| working.column.clone()).collect();
        (!columns.is_empty()).then_some(TableShape {
            id,
            columns,
            primary_key,
            unique_keys,
            charset: self.charset,
        })
    }
}

/// The character set that an option means in this database.
pub(super) fn named(charset: CharsetOption, database_charset: &Text) -> Text {
    match charset {
        CharsetOption::Default => database_charset.clone(),
        CharsetOption::Named(name) => name,
    }
}
