//! Debezium's schema history: what it knew of tables at the position from which we go on, read once to go on from there.
//!
//! Each record is a statement with the place before it and what Debezium made of it. The statements are carried out on our own
//! catalog, which knows more of a table than the record says; where the result has other columns than Debezium's, Debezium's
//! counts, since its events had them. Invariant: of the records of our connector exactly those are carried out whose
//! statements lie before the position; what lies behind it comes again in the binlog, and no statement is carried out twice.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use api::{Error, Result};
use serde_json::Value as Json;

use crate::mysql::ddl::{Catalog, Statement};
use crate::mysql::gtid::GtidSet;
use crate::mysql::position::{Position, compare_places};
use crate::mysql::shape::TableId;

/// A longer line is no record.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Carries records out, one after the other.
#[derive(Debug)]
pub struct Replay<'a> {
    catalog: Catalog,
    /// `topic.prefix`: a history may hold records of several connectors.
    server: &'a str,
    position: &'a Position,
    mariadb: bool,
    /// Records of this connector, whether carried out or not.
    pub seen: u64,
    /// Records that were carried out.
    pub applied: u64,
}

impl<'a> Replay<'a> {
    /// Begins with a catalog that knows the databases' character sets and no tables.
    #[must_use]
    pub const fn new(catalog: Catalog, server: &'a str, position: &'a Position, mariadb: bool) -> Self {
        Self { catalog, server, position, mariadb, seen: 0, applied: 0 }
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// `Fatal` when it is not one. Nothing of it is repeated, since it may be anything.
    pub fn take(&mut self, record: &[u8]) -> Result<()> {
        let record: Json = serde_json::from_slice(record).map_err(|error| {
            Error::fatal("a record of the schema history is not JSON: is it Debezium's history?")
                .with_source(error)
        })?;
        if record.pointer("/source/server").and_then(Json::as_str).is_some_and(|server| server != self.server)
        {
            return Ok(());
        }
        let Some(position) = record.get("position") else {
            return Err(Error::fatal(
                "a record of the schema history has no \"position\": is it Debezium's history?",
            ));
        };
        self.seen += 1;
        if self.is_behind_us(position)? {
            self.applied += 1;
            self.carry_out(&record);
        }
        Ok(())
    }

    /// The catalog at the position.
    #[must_use]
    pub fn finish(self) -> Catalog {
        self.catalog
    }

    /// Whether a record's statement lies before our position. The record names the place before its statement, so one at our
    /// very position is still to come, unless it is of the snapshot: those all stand at the snapshot's position.
    fn is_behind_us(&self, recorded: &Json) -> Result<bool> {
        let text = |name| recorded.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let of_snapshot = match recorded.get("snapshot") {
            Some(Json::Bool(running)) => *running,
            Some(Json::String(kind)) => kind != "false",
            _ => false,
        };
        let gtids = text("gtids").map(|gtids| GtidSet::parse(gtids, self.mariadb)).transpose();
        let gtids =
            gtids.map_err(|error| error.context("reading \"gtids\" of a record of the schema history"))?;
        match (&gtids, &self.position.gtids) {
            (Some(before), Some(ours)) => {
                return Ok(ours.covers(before) && (of_snapshot || !before.covers(ours)));
            }
            // GTIDs are switched on at some time, and hardly ever off again.
            (None, Some(_)) => return Ok(true),
            (Some(_), None) => return Ok(false),
            (None, None) => {}
        }
        let pos = recorded.get("pos").and_then(Json::as_u64).unwrap_or(0);
        let order =
            compare_places((text("file").unwrap_or_default(), pos), (&self.position.file, self.position.pos));
        Ok(match order {
            Some(std::cmp::Ordering::Less) | None => true,
            Some(std::cmp::Ordering::Equal) => of_snapshot,
            Some(std::cmp::Ordering::Greater) => false,
        })
    }

    fn carry_out(&mut self, record: &Json) {
        let text = |name| record.get(name).and_then(Json::as_str).unwrap_or_default();
        let (sql, database) = (text("ddl"), text("databaseName"));
        if !sql.is_empty() {
            self.catalog.apply(&Statement { sql, database, sql_mode: 0 });
        }
        for change in record.get("tableChanges").and_then(Json::as_array).into_iter().flatten() {
            self.agree(change);
        }
    }

    /// Makes sure that the catalog has what Debezium had.
    fn agree(&mut self, change: &Json) {
        let id = |name| change.get(name).and_then(Json::as_str).and_then(table_id);
        let Some(id_now) = id("id") else { return };
        if let Some(before) = id("previousId").filter(|before| *before != id_now) {
            self.catalog.remove(&before);
        }
        if change.get("type").and_then(Json::as_str) == Some("DROP") {
            self.catalog.remove(&id_now);
            return;
        }
        let Some(table) = change.get("table").filter(|table| table.is_object()) else { return };
        let names: Vec<&str> = columns(table).filter_map(|column| column.get("name")?.as_str()).collect();
        let known = self.catalog.table(&id_now);
        if known
            .is_some_and(|shape| shape.columns.iter().map(|column| &*column.name).eq(names.iter().copied()))
        {
            return;
        }
        match self.catalog.read_create_table(&id_now, &create_table(table)) {
            Some(shape) => drop(self.catalog.insert(shape)),
            None => {
                tracing::warn!(table = %id_now, "what the schema history says of the table is not understood");
                self.catalog.remove(&id_now);
            }
        }
    }
}

/// The records of a file of Debezium's file store: one a line.
///
/// # Errors
/// `Fatal` when the file cannot be read, and what `each` says.
pub fn read_file(path: &Path, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let failed = |error: std::io::Error| {
        let what = "cannot be read (schema.history.internal.file.filename)";
        Error::fatal(format!("the schema history {} {what}", path.display())).with_source(error)
    };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut file).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        if !line.trim_ascii().is_empty() {
            each(&line)?;
        }
    }
}

/// `"database"."table"`.
fn table_id(text: &str) -> Option<TableId> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (database, table) = inner.split_once("\".\"")?;
    Some(TableId::new(database.replace("\"\"", "\""), table.replace("\"\"", "\"")))
}

fn columns(table: &Json) -> impl Iterator<Item = &Json> {
    table.get("columns").and_then(Json::as_array).into_iter().flatten()
}

/// The statement that would make the table that Debezium describes.
fn create_table(table: &Json) -> String {
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let mut parts: Vec<String> = columns(table)
        .map(|column| {
            let name = column.get("name").and_then(Json::as_str).unwrap_or_default();
            format!("{} {}", quoted(name), definition(column))
        })
        .collect();
    let keys = table.get("primaryKeyColumnNames").and_then(Json::as_array).into_iter().flatten();
    let keys: Vec<String> = keys.filter_map(Json::as_str).map(quoted).collect();
    if !keys.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", keys.join(", ")));
    }
    let charset = table.get("defaultCharsetName").and_then(Json::as_str);
    let charset = charset.map(|charset| format!(" DEFAULT CHARSET={charset}")).unwrap_or_default();
    format!("CREATE TABLE t ({}){charset}", parts.join(", "))
}

/// A column's type and what follows it.
fn definition(column: &Json) -> String {
    let text = |name: &str| column.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let number = |name: &str| column.get(name).and_then(Json::as_i64).filter(|number| *number >= 0);
    let flag = |name: &str| column.get(name).and_then(Json::as_bool).unwrap_or(false);
    let written = text("typeExpression").or_else(|| text("typeName")).unwrap_or_default();
    let (word, attributes) = written.split_once(' ').unwrap_or((written, ""));
    let words: Vec<&str> = column
        .get("enumValues")
        .and_then(Json::as_array)
        .map(|words| words.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let digits = match (words.is_empty(), number("length"), number("scale")) {
        (false, ..) => format!("({})", words.join(",")),
        (true, Some(length), Some(scale)) => format!("({length},{scale})"),
        (true, Some(length), None) => format!("({length})"),
        (true, None, _) => String::new(),
    };
    let mut sql = format!("{word}{digits} {attributes}");
    if let Some(charset) = text("charsetName") {
        sql.push_str(&format!(" CHARACTER SET {charset}"));
    }
    sql.push_str(if flag("optional") { " NULL" } else { " NOT NULL" });
    match text("defaultValueExpression") {
        Some(bits) if word.eq_ignore_ascii_case("BIT") => sql.push_str(&format!(" DEFAULT b'{bits}'")),
        Some(default) => sql.push_str(&format!(" DEFAULT {}", literal(default))),
        None if flag("hasDefaultValue") && flag("optional") => sql.push_str(" DEFAULT NULL"),
        None => {}
    }
    if flag("autoIncremented") && text("defaultValueExpression").is_none() {
        sql.push_str(" AUTO_INCREMENT");
    }
    if let Some(comment) = text("comment") {
        sql.push_str(&format!(" COMMENT {}", literal(comment)));
    }
    sql
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests;
