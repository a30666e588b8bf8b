//! The catalog: every table's shape and every database's character set at the current position of the binlog.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::Text;

use super::Statement;
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
    pub fn apply(&mut self, _statement: &Statement<'_>) -> Vec<TableChange> {
        Vec::new()
    }

    /// The shape that `SHOW CREATE TABLE` describes; `None` when its text is not understood.
    #[must_use]
    pub fn read_create_table(&self, _id: &TableId, _sql: &str) -> Option<TableShape> {
        None
    }
}
