//! ALTER TABLE: its operations, carried out on a shape.
//!
//! Invariant: operations name columns as they were called before the statement, as in MySQL, so that names may be swapped;
//! keys follow their columns through renames and moves. What does not fit the table gives `None`, and the shape is read anew.

use api::Text;

use super::alter::Operation;
use super::column::{Definition, Place};
use super::statement::CharsetOption;
use crate::mysql::shape::{ColumnShape, TableId, TableShape, UniqueKey};

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
    comment: Text,
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
            comment: shape.comment.clone(),
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
            Operation::Comment(comment) => {
                self.comment = comment;
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
    pub(super) fn finish(self, id: TableId) -> Option<TableShape> {
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
            comment: self.comment,
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
