//! The catalog: every table's shape and every database's character set at the current position of the binlog.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::Text;

use super::Statement;
use super::alter::Operation;
use super::altering::{Altering, named};
use super::column::{Place, TypeRules};
use super::parser::Parser;
use super::statement::{Action, Name, may_matter, read};
use super::table::{Body, Key};
use super::token::{Dialect, Tokens};
use crate::mysql::shape::{TableId, TableShape};

/// What a statement did to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// The table is new; its shape is in the catalog.
    Created(TableId),
    /// The table's shape is another one now.
    Altered(TableId),
    /// The table has another name; its shape is in the catalog under the new one, and may have changed too.
    Renamed {
        /// What it was called.
        from: TableId,
        /// What it is called now.
        to: TableId,
    },
    /// The table is gone, from the catalog too.
    Dropped(TableId),
    /// The table was emptied; its shape is what it was.
    Truncated(TableId),
    /// The statement changed the table in a way that was not understood: its shape is forgotten here and is to be read
    /// from the server.
    Reread(TableId),
}

/// The shapes of all known tables.
#[derive(Debug, Clone)]
pub struct Catalog {
    server_charset: Text,
    server_version: u32,
    mariadb: bool,
    lower_case: bool,
    databases: BTreeMap<Text, Text>,
    tables: HashMap<TableId, Arc<TableShape>>,
}

impl Catalog {
    /// An empty catalog of a server with this default character set (`character_set_server`) and version, such as
    /// `8.4.3` or `10.11.6-MariaDB-log`.
    #[must_use]
    pub fn new(server_charset: &str, server_version: &str) -> Self {
        let mut numbers = server_version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        let mut next = || numbers.next().unwrap_or(0);
        Self {
            server_charset: server_charset.into(),
            server_version: next() * 10_000 + next() * 100 + next(),
            mariadb: server_version.to_ascii_lowercase().contains("mariadb"),
            lower_case: false,
            databases: BTreeMap::new(),
            tables: HashMap::new(),
        }
    }

    /// Says that the server ignores the case of table names (`lower_case_table_names` is not 0).
    #[must_use]
    pub const fn lower_case_table_names(mut self, lower_case: bool) -> Self {
        self.lower_case = lower_case;
        self
    }

    /// Remembers a database's default character set.
    pub fn set_database_charset(&mut self, database: &str, charset: &str) {
        self.databases.insert(database.into(), charset.into());
    }

    /// A database's default character set.
    #[must_use]
    pub fn database_charset(&self, database: &str) -> &Text {
        self.databases.get(database).unwrap_or(&self.server_charset)
    }

    /// A table's shape.
    #[must_use]
    pub fn table(&self, id: &TableId) -> Option<&Arc<TableShape>> {
        self.tables.get(id)
    }

    /// All shapes, in no order.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableShape>> {
        self.tables.values()
    }

    /// Puts a shape in, in place of one that was known.
    pub fn insert(&mut self, shape: TableShape) -> Arc<TableShape> {
        let shape = Arc::new(shape);
        self.tables.insert(shape.id.clone(), Arc::clone(&shape));
        shape
    }

    /// Forgets a table.
    pub fn remove(&mut self, id: &TableId) -> Option<Arc<TableShape>> {
        self.tables.remove(id)
    }

    /// Carries a statement of the binlog out on the shapes, and says which tables it touched, in order.
    pub fn apply(&mut self, statement: &Statement<'_>) -> Vec<TableChange> {
        let dialect = self.dialect(statement);
        if !may_matter(Tokens::new(statement.sql, dialect).next().as_ref()) {
            return Vec::new();
        }
        let mut parser = Parser::new(statement.sql, dialect);
        let rules = self.rules(statement);
        let mut changes = Vec::new();
        if let Some(action) = read(&mut parser, rules) {
            self.act(action, statement.database, &mut changes);
        }
        changes
    }

    /// The shape that `SHOW CREATE TABLE` describes; `None` when its text is not understood.
    #[must_use]
    pub fn read_create_table(&self, id: &TableId, sql: &str) -> Option<TableShape> {
        let statement = Statement { sql, database: &id.database, sql_mode: 0 };
        let mut parser = Parser::new(sql, self.dialect(&statement));
        match read(&mut parser, self.rules(&statement))? {
            Action::CreateTable { body, .. } => self.build(id.clone(), body),
            _ => None,
        }
    }

    const fn dialect(&self, statement: &Statement<'_>) -> Dialect {
        Dialect {
            ansi_quotes: statement.sql_mode & Statement::ANSI_QUOTES != 0,
            no_backslash_escapes: statement.sql_mode & Statement::NO_BACKSLASH_ESCAPES != 0,
            mariadb: self.mariadb,
            version: self.server_version,
        }
    }

    const fn rules(&self, statement: &Statement<'_>) -> TypeRules {
        TypeRules { mariadb: self.mariadb, real_as_float: statement.sql_mode & Statement::REAL_AS_FLOAT != 0 }
    }

    /// A table's full name.
    fn id(&self, (database, table): Name, default_database: &str) -> TableId {
        let database = database.unwrap_or_else(|| default_database.into());
        if self.lower_case {
            return TableId::new(database.to_lowercase(), table.to_lowercase());
        }
        TableId::new(database, table)
    }

    fn database(&self, name: Option<Text>, default_database: &str) -> Text {
        let name = name.unwrap_or_else(|| default_database.into());
        if self.lower_case { name.to_lowercase().into() } else { name }
    }

    fn act(&mut self, action: Action, database: &str, changes: &mut Vec<TableChange>) {
        match action {
            Action::CreateTable { table, if_not_exists, body } => {
                let id = self.id(table, database);
                if !(if_not_exists && self.tables.contains_key(&id)) {
                    let shape = self.build(id.clone(), body);
                    self.put(id, shape, TableChange::Created, changes);
                }
            }
            Action::CreateTableLike { table, if_not_exists, like } => {
                let (id, like) = (self.id(table, database), self.id(like, database));
                if !(if_not_exists && self.tables.contains_key(&id)) {
                    let shape = self.tables.get(&like).map(|shape| TableShape {
                        id: id.clone(),
                        comment: Text::new(),
                        ..(**shape).clone()
                    });
                    self.put(id, shape, TableChange::Created, changes);
                }
            }
            Action::AlterTable { table, operations } => {
                let id = self.id(table, database);
                self.alter(&id, operations, database, changes);
            }
            Action::DropTables(tables) => {
                for table in tables {
                    let id = self.id(table, database);
                    self.tables.remove(&id);
                    changes.push(TableChange::Dropped(id));
                }
            }
            Action::RenameTables(pairs) => {
                for (from, to) in pairs {
                    let (from, to) = (self.id(from, database), self.id(to, database));
                    self.rename(from, to, changes);
                }
            }
            Action::Truncate(table) => changes.push(TableChange::Truncated(self.id(table, database))),
            Action::DatabaseCharset { database: name, charset } => {
                let name = self.database(name, database);
                let charset = named(charset, &self.server_charset);
                self.databases.insert(name, charset);
            }
            Action::DropDatabase(name) => {
                let name = self.database(Some(name), database);
                self.databases.remove(&name);
                let mut gone: Vec<_> = self.tables.keys().filter(|id| id.database == name).cloned().collect();
                gone.sort();
                self.tables.retain(|id, _| id.database != name);
                changes.extend(gone.into_iter().map(TableChange::Dropped));
            }
            Action::Unclear(table) => self.reread(self.id(table, database), changes),
        }
    }

    /// Keeps a new shape, or asks for it to be read when there is none.
    fn put(
        &mut self,
        id: TableId,
        shape: Option<TableShape>,
        change: fn(TableId) -> TableChange,
        changes: &mut Vec<TableChange>,
    ) {
        match shape {
            Some(shape) => {
                self.insert(shape);
                changes.push(change(id));
            }
            None => self.reread(id, changes),
        }
    }

    fn reread(&mut self, id: TableId, changes: &mut Vec<TableChange>) {
        self.tables.remove(&id);
        changes.push(TableChange::Reread(id));
    }

    /// The shape of a new table.
    fn build(&self, id: TableId, body: Body) -> Option<TableShape> {
        let database_charset = self.database_charset(&id.database);
        let charset =
            body.charset.map_or_else(|| database_charset.clone(), |charset| named(charset, database_charset));
        let mut table = TableShape::new(id.clone(), charset);
        table.comment = body.comment.unwrap_or_default();
        let mut altering = Altering::new(&table);
        for definition in body.definitions {
            let definition = Box::new(definition);
            altering.apply(
                Operation::Add { definition, place: Place::Last, if_not_exists: false },
                database_charset,
            )?;
        }
        for key in body.keys {
            let operation = match key {
                Key::Primary(columns) => Operation::AddPrimary(columns),
                Key::Unique { name, columns } => Operation::AddUnique { name, columns },
            };
            altering.apply(operation, database_charset)?;
        }
        altering.finish(id)
    }

    fn alter(
        &mut self,
        id: &TableId,
        operations: Vec<Operation>,
        database: &str,
        changes: &mut Vec<TableChange>,
    ) {
        let mut renamed = None;
        let mut touches = false;
        let charset = self.database_charset(&id.database).clone();
        let mut altering = self.tables.get(id).map(|shape| Altering::new(shape));
        for operation in operations {
            match operation {
                Operation::Nothing => {}
                Operation::RenameTable(name) => renamed = Some(self.id(name, database)),
                operation => {
                    touches = true;
                    altering = altering
                        .and_then(|mut altering| altering.apply(operation, &charset).map(|()| altering));
                }
            }
        }
        if touches {
            let shape = altering.and_then(|altering| altering.finish(id.clone()));
            match (&renamed, shape) {
                (Some(_), Some(shape)) => drop(self.insert(shape)),
                (Some(_), None) => drop(self.tables.remove(id)),
                (None, shape) => self.put(id.clone(), shape, TableChange::Altered, changes),
            }
        }
        if let Some(to) = renamed {
            self.rename(id.clone(), to, changes);
        }
    }

    fn rename(&mut self, from: TableId, to: TableId, changes: &mut Vec<TableChange>) {
        match self.tables.remove(&from) {
            Some(shape) => {
                self.insert(TableShape { id: to.clone(), ..(*shape).clone() });
                changes.push(TableChange::Renamed { from, to });
            }
            None => {
                changes.push(TableChange::Dropped(from));
                self.reread(to, changes);
            }
        }
    }
}
