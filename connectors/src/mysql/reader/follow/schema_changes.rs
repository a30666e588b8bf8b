//! Which statements are said in the topic of schema changes, and with which text.
//!
//! Every statement that may have changed a table or a database is one record, or one for each table that it names; what only
//! concerns users, views and programs is left out, as `ddl.filter` of Debezium does by default. Pure but for the records.

use api::Text;

use super::Follower;
use crate::mysql::binlog::event::Query;
use crate::mysql::ddl::TableChange;
use crate::mysql::envelope::Origin;
use crate::mysql::envelope::schema_change::{Change, SchemaChange};
use crate::mysql::reader::Reader;
use crate::mysql::server::quoted_table;
use crate::mysql::shape::TableId;

impl Follower {
    /// What is to be said of a statement that was carried out.
    pub(super) fn schema_changes(
        &self,
        reader: &Reader,
        query: &Query,
        changes: &[TableChange],
    ) -> Vec<SchemaChange> {
        if !reader.events.config.schema_changes || !is_recorded(&query.sql) {
            return Vec::new();
        }
        let mut named: Vec<(&TableChange, &TableId)> =
            changes.iter().filter_map(|change| Some((change, table_of(change)?))).collect();
        let words = words(&query.sql);
        // Debezium passes over the end of an index, though it may be that of the key.
        if words.iter().take(2).eq(["DROP", "INDEX"]) {
            named.clear();
        }
        // A table that was not known is gone under one name and unknown under the other; the new one is said.
        let renames = words.first().is_some_and(|word| word == "RENAME");
        named.retain(|(change, _)| !(renames && matches!(change, TableChange::Dropped(_))));
        if let Some(id) = altered(query).filter(|_| named.is_empty()) {
            let change = self.shapes.table(&id).cloned().map(Change::Alter);
            let ddl = without_note(&query.sql).to_owned();
            let said = |origin| SchemaChange { origin, ddl, change };
            return self.said(reader, &id).map(said).into_iter().collect();
        }
        // A database that is dropped takes its tables along in one record.
        if named.is_empty() || is_about_database(&query.sql) {
            let database = database_of(&query.sql).unwrap_or_else(|| query.database.clone());
            let made_or_gone =
                words.first().is_some_and(|verb| verb != "ALTER") && is_about_database(&query.sql);
            let table = if made_or_gone { None } else { Some(Text::new()) };
            let origin =
                self.said(reader, &TableId::new(database, "")).map(|origin| Origin { table, ..origin });
            let said =
                |origin| SchemaChange { origin, ddl: without_note(&query.sql).to_owned(), change: None };
            return origin.map(said).into_iter().collect();
        }
        let tables = Text::from(named.iter().map(|(_, id)| &*id.table).collect::<Vec<_>>().join(","));
        let mut all = Vec::new();
        let any_wanted = named.iter().any(|(_, id)| self.said(reader, id).is_some());
        for (index, (change, id)) in named.iter().enumerate() {
            // A table that is renamed beside a captured one is said, too, but not its shape.
            let beside = renames && any_wanted;
            let wanted = self.said(reader, id);
            let unseen = wanted.is_none();
            let Some(origin) = wanted.or_else(|| beside.then(|| self.of_statement(reader, id))) else {
                continue;
            };
            let origin = Origin { table: Some(tables.clone()), ..origin };
            let part = match change {
                TableChange::Dropped(id) => drop_of(&query.sql, id),
                _ if named.len() > 1 => one_of(&query.sql, index),
                _ => None,
            };
            let ddl = part.unwrap_or_else(|| without_note(&query.sql).to_owned());
            let shape = self.shapes.table(id).cloned();
            let change = match (change, shape) {
                _ if unseen => None,
                (TableChange::Dropped(id), _) => Some(Change::Drop(id.clone())),
                (TableChange::Created(_), Some(shape)) => Some(Change::Create(shape)),
                (TableChange::Altered(_) | TableChange::Renamed { .. }, Some(shape)) => {
                    Some(Change::Alter(shape))
                }
                _ => None,
            };
            all.push(SchemaChange { origin, ddl, change });
        }
        all
    }

    /// Where a statement comes from, unless it concerns what is not captured and only what is captured is wanted.
    fn said(&self, reader: &Reader, id: &TableId) -> Option<Origin> {
        let config = &reader.events.config;
        let wanted = if config.only_captured_tables {
            !id.table.is_empty() && reader.filter.captures(id)
        } else {
            let only = config.only_captured_tables || config.only_captured_databases;
            !only || reader.filter.captures_database(&id.database)
        };
        wanted.then(|| self.of_statement(reader, id))
    }

    fn of_statement(&self, reader: &Reader, id: &TableId) -> Origin {
        let milliseconds = self.tracker.timestamp_us().div_euclid(1000);
        Origin { timestamp_us: milliseconds * 1000, query: None, ..self.origin(reader, id) }
    }
}

/// The table that a change leaves behind, or takes away.
const fn table_of(change: &TableChange) -> Option<&TableId> {
    match change {
        TableChange::Created(id)
        | TableChange::Altered(id)
        | TableChange::Dropped(id)
        | TableChange::Reread(id) => Some(id),
        TableChange::Renamed { to, .. } => Some(to),
        TableChange::Truncated(_) => None,
    }
}

/// Words of a statement in capitals, without comments before it.
fn words(sql: &str) -> Vec<String> {
    super::statement::words(sql).take(12).map(str::to_uppercase).collect()
}

fn is_recorded(sql: &str) -> bool {
    const OTHER_OBJECTS: [&str; 7] =
        ["USER", "ROLE", "VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "TEMPORARY"];
    const PASSED_OVER: [&str; 8] =
        ["GRANT", "REVOKE", "ANALYZE", "OPTIMIZE", "REPAIR", "SAVEPOINT", "REPLACE", "TRUNCATE"];
    let words = words(sql);
    let Some(first) = words.first() else { return false };
    if PASSED_OVER.contains(&first.as_str()) || first.starts_with('#') {
        return false;
    }
    // What is made stands before its name; DEFINER, ALGORITHM and the like before that.
    let table = ["TABLE", "TABLES", "DATABASE", "SCHEMA", "INDEX"];
    let object = words
        .iter()
        .skip(1)
        .find(|word| OTHER_OBJECTS.contains(&word.as_str()) || table.contains(&word.as_str()));
    !(matches!(first.as_str(), "CREATE" | "ALTER" | "DROP" | "RENAME" | "SET")
        && object.is_some_and(|object| OTHER_OBJECTS.contains(&object.as_str())))
}

/// The table that an ALTER TABLE names.
fn altered(query: &Query) -> Option<TableId> {
    const BEFORE: [&str; 7] = ["ALTER", "ONLINE", "OFFLINE", "IGNORE", "TABLE", "IF", "EXISTS"];
    let is_before = |word: &&str| BEFORE.iter().any(|other| other.eq_ignore_ascii_case(word));
    let words: Vec<&str> = super::statement::words(&query.sql).take(BEFORE.len() + 1).collect();
    let is_alter = words.first().is_some_and(|word| word.eq_ignore_ascii_case("ALTER"));
    let table = words.iter().any(|word| word.eq_ignore_ascii_case("TABLE"));
    let name = words.iter().find(|word| !is_before(word)).filter(|_| is_alter && table)?;
    let parts: Vec<_> = name.split('.').map(|part| part.trim_matches(['`', '"'])).collect();
    match parts.as_slice() {
        [table] => Some(TableId::new(query.database.as_str(), *table)),
        [database, table] => Some(TableId::new(*database, *table)),
        _ => None,
    }
}

fn is_about_database(sql: &str) -> bool {
    words(sql).get(1).is_some_and(|word| matches!(word.as_str(), "DATABASE" | "SCHEMA"))
}

/// The database that a statement about one names.
fn database_of(sql: &str) -> Option<String> {
    if !is_about_database(sql) {
        return None;
    }
    let mut words = super::statement::words(sql).skip(2);
    let name =
        words.find(|word| !["IF", "NOT", "EXISTS"].iter().any(|other| other.eq_ignore_ascii_case(word)))?;
    Some(name.trim_matches(['`', '"']).to_owned())
}

/// A statement without the note that the server puts behind one that it wrote itself, and without comments before it.
fn without_note(sql: &str) -> &str {
    let mut sql = sql.strip_suffix("/* generated by server */").map_or(sql, str::trim_end).trim_start();
    while let Some((_, rest)) =
        sql.strip_prefix("/*").filter(|rest| !rest.starts_with('!')).and_then(|rest| rest.split_once("*/"))
    {
        sql = rest.trim_start();
    }
    sql
}

/// The statement that would drop one table, as Debezium writes it out of one that drops any number.
fn drop_of(sql: &str, id: &TableId) -> Option<String> {
    let words = words(sql);
    let is_drop = words.first().is_some_and(|word| word == "DROP")
        && words.get(1).is_some_and(|word| matches!(word.as_str(), "TABLE" | "TABLES"));
    let if_exists = if words.get(2).is_some_and(|word| word == "IF") { "IF EXISTS " } else { "" };
    is_drop.then(|| format!("DROP TABLE {if_exists}{}", quoted_table(id)))
}

/// The part of a DROP TABLE or RENAME TABLE that concerns one of its tables, as a statement of its own.
fn one_of(sql: &str, index: usize) -> Option<String> {
    let sql = without_note(sql);
    let upper = sql.to_ascii_uppercase();
    let verb = [
        "DROP TABLE IF EXISTS ",
        "DROP TABLES IF EXISTS ",
        "DROP TABLE ",
        "DROP TABLES ",
        "RENAME TABLE IF EXISTS ",
        "RENAME TABLES IF EXISTS ",
        "RENAME TABLE ",
        "RENAME TABLES ",
    ]
    .into_iter()
    .find(|verb| upper.starts_with(verb))?;
    let (verb, rest) = sql.split_at_checked(verb.len())?;
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in rest.chars() {
        match (quote, c) {
            (None, ',') => {
                parts.push(String::new());
                continue;
            }
            (None, '`' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.get(index).map(|part| format!("{verb}{}", part.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_no_table_is_left_out() {
        for sql in [
            "GRANT SELECT ON *.* TO a",
            "CREATE DEFINER=`r`@`h` VIEW v AS SELECT 1",
            "drop user x",
            "CREATE TEMPORARY TABLE t (a INT)",
            "TRUNCATE t",
            "ANALYZE TABLE t",
        ] {
            assert!(!is_recorded(sql), "{sql}");
        }
        for sql in [
            "CREATE TABLE view_x (a INT)",
            "ALTER TABLE t ADD x INT",
            "drop database d",
            "RENAME TABLE a TO b",
        ] {
            assert!(is_recorded(sql), "{sql}");
        }
    }

    #[test]
    fn statements_about_several_tables_are_taken_apart() {
        let drop = "DROP TABLE IF EXISTS `sta,le`,`uniq` /* generated by server */";
        let stale = drop_of(drop, &TableId::new("corpus", "sta,le"));
        assert_eq!(stale.as_deref(), Some("DROP TABLE IF EXISTS `corpus`.`sta,le`"));
        assert_eq!(drop_of("DROP DATABASE d", &TableId::new("d", "t")), None);
        assert_eq!(without_note("/* a */ /* b */ DROP TABLE x /* generated by server */"), "DROP TABLE x");
        assert_eq!(one_of("RENAME TABLE a TO b, c TO a", 1).as_deref(), Some("RENAME TABLE c TO a"));
        assert_eq!(database_of("CREATE DATABASE IF NOT EXISTS `x`").as_deref(), Some("x"));
    }
}
