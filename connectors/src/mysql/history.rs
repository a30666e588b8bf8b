//! The history: which shape each table had from which position on, durable before the first row that needs it.
//!
//! One small text per table in the worker's history, with the versions of its shape in the order of the binlog; there is no
//! log of all DDL to replay. Why a restart decodes with the right shapes: a version is stored when its DDL is read and
//! before any later event is; a restart from a position takes of each table the last version at or before it, and
//! reads the DDL after it again. Versions before the one a restart took are dropped at the next change of the table.

pub mod debezium;
mod version;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use api::{Error, History, Result};
use futures::future::try_join_all;
use mysql_async::Conn;

pub use self::version::Since;
use self::version::Version;

use super::ddl::{Catalog, Statement, TableChange};
use super::position::Position;
use super::server::{self, ServerInfo};
use super::shape::{TableId, TableShape};

/// Where it is said what the stored shapes began with.
const ORIGIN: &str = "origin";
/// What is said there until all of another program's shapes are stored.
const UNFINISHED: &str = "unfinished";

/// A catalog without tables, with the databases' present character sets.
///
/// # Errors
/// `Retriable` when the server cannot be read.
pub async fn present_catalog(server: &ServerInfo, conn: &mut Conn) -> Result<Catalog> {
    let mut catalog =
        Catalog::new(&server.charset, &server.version).lower_case_table_names(server.lower_case);
    for (database, charset) in server::database_charsets(conn).await? {
        catalog.set_database_charset(&database, &charset);
    }
    Ok(catalog)
}

/// The shapes at the current position, and their versions in store.
pub struct Shapes {
    catalog: Catalog,
    versions: HashMap<TableId, Vec<Version>>,
    /// Tables whose shape was read from the server at a later place than the current one: DDL before it is in it already.
    ahead: HashMap<TableId, Since>,
    history: Arc<dyn History>,
}

impl std::fmt::Debug for Shapes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Shapes({} tables)", self.versions.len())
    }
}

impl Shapes {
    /// The shapes as they were at a position, or none without one. The character sets of databases are the server's present ones.
    ///
    /// # Errors
    /// `Retriable` when the history or the server cannot be read, `Fatal` when what is stored makes no sense.
    pub async fn load(
        history: Arc<dyn History>,
        server: &ServerInfo,
        conn: &mut Conn,
        position: Option<&Position>,
    ) -> Result<Self> {
        let catalog = present_catalog(server, conn).await?;
        let mut shapes = Self { catalog, versions: HashMap::new(), ahead: HashMap::new(), history };
        let Some(position) = position else { return Ok(shapes) };
        for (key, text) in
            shapes.history.load().await.map_err(|error| error.context("reading the table shapes"))?
        {
            if let Some((id, versions)) = version::parse(&key, &text)? {
                shapes.take_in(id, versions, position);
            }
        }
        Ok(shapes)
    }

    /// Whether nothing was ever stored: the connector's offset, if it has one, is another program's.
    ///
    /// # Errors
    /// `Retriable` when the history cannot be read.
    pub async fn is_new(history: &dyn History) -> Result<bool> {
        let stored = history.load().await.map_err(|error| error.context("reading the table shapes"))?;
        Ok(match stored.iter().find(|(key, _)| key == ORIGIN) {
            Some((_, origin)) => origin == UNFINISHED,
            None => !stored.iter().any(|(key, _)| version::is_key(key)),
        })
    }

    /// Says that what is stored from now on is ours, also when it is nothing yet.
    ///
    /// # Errors
    /// `Retriable` when the history cannot be written.
    pub async fn claim(history: &dyn History) -> Result<()> {
        history.put(ORIGIN, Some("recovery")).await
    }

    /// Stores the shapes of a catalog, which hold since a position, as our own. Durable when it returns; when it breaks off,
    /// [`Shapes::is_new`] goes on saying so.
    ///
    /// # Errors
    /// `Retriable` when the history cannot be written.
    pub async fn take_over(history: Arc<dyn History>, catalog: Catalog, since: &Since) -> Result<()> {
        history.put(ORIGIN, Some(UNFINISHED)).await?;
        let versions: HashMap<_, _> = catalog
            .tables()
            .map(|shape| {
                (shape.id.clone(), vec![Version { since: since.clone(), shape: Some(Arc::clone(shape)) }])
            })
            .collect();
        let ids: Vec<_> = versions.keys().cloned().collect();
        let shapes = Self { catalog, versions, ahead: HashMap::new(), history };
        shapes.store(&ids).await?;
        shapes.history.put(ORIGIN, Some("debezium")).await
    }

    fn take_in(&mut self, id: TableId, mut versions: Vec<Version>, position: &Position) {
        let current = versions.iter().rposition(|version| version.since.is_at_or_before(position));
        if current.is_none()
            && let Some(first) = versions.first()
        {
            self.ahead.insert(id.clone(), first.since.clone());
        }
        versions.drain(..current.unwrap_or(0));
        if let Some(shape) = versions.first().and_then(|version| version.shape.as_ref()) {
            self.catalog.insert((**shape).clone());
        }
        self.versions.insert(id, versions);
    }

    /// The shape of a table at the current position.
    #[must_use]
    pub fn table(&self, id: &TableId) -> Option<&Arc<TableShape>> {
        self.catalog.table(id)
    }

    /// Reads what `SHOW CREATE TABLE` said.
    ///
    /// # Errors
    /// `Fatal` with the text when it is not understood.
    pub fn read_create_table(&self, id: &TableId, sql: &str) -> Result<TableShape> {
        self.catalog.read_create_table(id, sql).ok_or_else(|| {
            Error::fatal(format!("the definition of table {id} is not understood; please report it: {sql}"))
        })
    }

    /// Forgets everything and begins with these shapes, which hold since a position. Durable when it returns.
    ///
    /// # Errors
    /// `Retriable` when the history cannot be written.
    pub async fn begin(&mut self, shapes: Vec<TableShape>, since: &Since) -> Result<()> {
        let stored: Vec<String> = self.history.load().await?.into_iter().map(|(key, _)| key).collect();
        self.versions.clear();
        self.ahead.clear();
        for known in self.catalog.tables().map(|shape| shape.id.clone()).collect::<Vec<_>>() {
            self.catalog.remove(&known);
        }
        for shape in shapes {
            let shape = self.catalog.insert(shape);
            let version = Version { since: since.clone(), shape: Some(Arc::clone(&shape)) };
            self.versions.insert(shape.id.clone(), vec![version]);
        }
        let keys: HashSet<_> = self.versions.keys().map(version::key).collect();
        for gone in stored.iter().filter(|key| version::is_key(key) && !keys.contains(*key)) {
            self.history.put(gone, None).await?;
        }
        self.history.put(ORIGIN, Some("snapshot")).await?;
        self.store(&self.versions.keys().cloned().collect::<Vec<_>>()).await
    }

    /// Puts a table's shape in that was just read from the server, where it holds since a later position. Durable when it returns.
    ///
    /// # Errors
    /// As [`Shapes::begin`].
    pub async fn put_later(&mut self, shape: TableShape, since: Since) -> Result<Arc<TableShape>> {
        let shape = self.catalog.insert(shape);
        let version = Version { since: since.clone(), shape: Some(Arc::clone(&shape)) };
        // What held before stays: a restart from there still needs it.
        let versions = self.versions.entry(shape.id.clone()).or_default();
        versions.retain(|earlier| earlier.since.is_before(&since));
        versions.push(version);
        self.ahead.insert(shape.id.clone(), since);
        self.store(std::slice::from_ref(&shape.id)).await?;
        Ok(shape)
    }

    /// Carries a statement out. What it changed is durable when this returns.
    ///
    /// # Errors
    /// As [`Shapes::begin`].
    pub async fn apply(&mut self, statement: &Statement<'_>, since: &Since) -> Result<Vec<TableChange>> {
        self.ahead.retain(|_, later| since.is_before(later));
        let kept: Vec<_> = self.ahead.keys().filter_map(|id| self.catalog.table(id).cloned()).collect();
        let changes = self.catalog.apply(statement);
        for shape in kept {
            self.catalog.insert((*shape).clone());
        }
        let mut touched = Vec::new();
        for change in &changes {
            match change {
                TableChange::Created(id)
                | TableChange::Altered(id)
                | TableChange::Dropped(id)
                | TableChange::Reread(id) => touched.push(id.clone()),
                TableChange::Renamed { from, to } => touched.extend([from.clone(), to.clone()]),
                TableChange::Truncated(_) => {}
            }
        }
        touched.retain(|id| !self.ahead.contains_key(id));
        for id in &touched {
            let version = Version { since: since.clone(), shape: self.catalog.table(id).cloned() };
            let versions = self.versions.entry(id.clone()).or_default();
            // A statement that is read again, after a restart, takes its own place again.
            match versions.iter().position(|stored| stored.since.is_same(since)) {
                Some(same) => versions.truncate(same),
                None => versions.retain(|earlier| earlier.since.is_before(since)),
            }
            versions.push(version);
        }
        self.store(&touched).await?;
        Ok(changes)
    }

    async fn store(&self, ids: &[TableId]) -> Result<()> {
        const WRITES_MAX: usize = 256;
        for some in ids.chunks(WRITES_MAX) {
            let puts = some.iter().map(|id| async move {
                let (key, text) = (version::key(id), version::text(id, self.versions.get(id)));
                self.history.put(&key, text.as_deref()).await
            });
            try_join_all(puts).await.map_err(|error| error.context("storing the shapes of tables"))?;
        }
        Ok(())
    }
}
