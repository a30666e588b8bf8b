//! Versions of a table's shape, and how they are stored.

use std::cmp::Ordering;
use std::sync::Arc;

use api::{Error, Result, Text};
use serde_json::{Value as Json, json};

use crate::mysql::gtid::GtidSet;
use crate::mysql::position::{Position, compare_places};
use crate::mysql::shape::{TableId, TableShape};

/// The place from which a version holds: behind the statement that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The file.
    pub file: Text,
    /// The byte.
    pub pos: u64,
    /// The statement's transaction, where it has a GTID.
    pub gtid: Option<Text>,
    /// The transactions before it, where it is a place between two of them and the server has GTIDs.
    pub gtids: Option<GtidSet>,
}

impl Since {
    /// From this position on.
    #[must_use]
    pub fn position(position: &Position) -> Self {
        Self { file: position.file.clone(), pos: position.pos, gtid: None, gtids: position.gtids.clone() }
    }

    /// Behind a statement that ends here.
    #[must_use]
    pub const fn statement(file: Text, pos: u64, gtid: Option<Text>) -> Self {
        Self { file, pos, gtid, gtids: None }
    }

    /// Whether both are behind the same statement.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.gtid, &other.gtid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => (&self.file, self.pos) == (&other.file, other.pos),
        }
    }

    /// Whether a reader that starts at a position has this behind it. GTIDs tell it on every server, files only on one.
    #[must_use]
    pub fn is_at_or_before(&self, position: &Position) -> bool {
        if let (Some(gtid), Some(gtids)) = (&self.gtid, &position.gtids) {
            return gtids.contains(gtid);
        }
        if let (Some(before), Some(gtids)) = (&self.gtids, &position.gtids) {
            return gtids.covers(before);
        }
        let order = compare_places((&self.file, self.pos), (&position.file, position.pos));
        order.is_none_or(|order| order != Ordering::Greater)
    }

    /// Whether this lies before another place, by GTIDs (on whatever server) or in the same binlog. What cannot be compared
    /// does.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        match (self, other) {
            (Self { gtid: Some(ours), .. }, Self { gtid: Some(theirs), .. }) if ours == theirs => {
                return false;
            }
            (Self { gtid: Some(ours), .. }, Self { gtids: Some(before), .. }) => {
                return before.contains(ours);
            }
            (Self { gtids: Some(before), .. }, Self { gtid: Some(theirs), .. }) => {
                return !before.contains(theirs);
            }
            _ => {}
        }
        let order = compare_places((&self.file, self.pos), (&other.file, other.pos));
        order.is_none_or(|order| order == Ordering::Less)
    }
}

/// A shape and since when it holds; no shape when the table was dropped or is not understood.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) since: Since,
    pub(super) shape: Option<Arc<TableShape>>,
}

const PREFIX: &str = "shape/";

/// Where a table's versions are stored.
pub(super) fn key(id: &TableId) -> String {
    format!("{PREFIX}{}/{}", id.database, id.table)
}

/// Whether versions of a table are stored there.
pub(super) fn is_key(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// Versions as they are stored; `None` forgets a table that is gone and was never there before.
pub(super) fn text(id: &TableId, versions: Option<&Vec<Version>>) -> Option<String> {
    let versions = versions.filter(|versions| versions.iter().any(|version| version.shape.is_some()))?;
    let entries: Vec<Json> = versions
        .iter()
        .map(|version| {
            json!({
                "file": &*version.since.file,
                "pos": version.since.pos,
                "gtid": version.since.gtid.as_deref(),
                "gtids": version.since.gtids.as_ref().map(ToString::to_string),
                "shape": version.shape.as_ref().map(|shape| shape.to_json()),
            })
        })
        .collect();
    Some(json!({"database": &*id.database, "table": &*id.table, "versions": entries}).to_string())
}

/// Reads what [`text`] wrote; `None` when something else is stored under the key.
pub(super) fn parse(key: &str, stored: &str) -> Result<Option<(TableId, Vec<Version>)>> {
    if !is_key(key) {
        return Ok(None);
    }
    let wrong = |what: &str| Error::fatal(format!("the stored shape \"{key}\" cannot be read: {what}"));
    let json: Json = serde_json::from_str(stored).map_err(|error| wrong("not JSON").with_source(error))?;
    let name = |member: &str| json.get(member).and_then(Json::as_str).ok_or_else(|| wrong(member));
    let id = TableId::new(name("database")?, name("table")?);
    let entries = json.get("versions").and_then(Json::as_array).ok_or_else(|| wrong("no versions"))?;
    let version = |entry: &Json| {
        let since = Since {
            file: entry.get("file").and_then(Json::as_str).ok_or_else(|| wrong("no file"))?.into(),
            pos: entry.get("pos").and_then(Json::as_u64).ok_or_else(|| wrong("no pos"))?,
            gtid: entry.get("gtid").and_then(Json::as_str).map(Text::from),
            gtids: gtids(entry).map_err(|error| wrong("gtids").with_source(error))?,
        };
        let shape = entry.get("shape").filter(|shape| !shape.is_null()).map(TableShape::from_json);
        let shape = shape.transpose().map_err(|error| wrong("shape").with_source(error))?;
        Ok(Version { since, shape: shape.map(Arc::new) })
    };
    Ok(Some((id, entries.iter().map(version).collect::<Result<_>>()?)))
}

fn gtids(entry: &Json) -> Result<Option<GtidSet>> {
    // Only MySQL's have colons.
    let parse = |text: &str| GtidSet::parse(text, !text.contains(':'));
    entry.get("gtids").and_then(Json::as_str).filter(|text| !text.is_empty()).map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(pos: u64, gtid: Option<&'static str>) -> Since {
        Since::statement(Text::from_static("b.000002"), pos, gtid.map(Text::from_static))
    }

    #[test]
    fn versions_read_back_as_they_were_stored() {
        let id = TableId::new("shop", "a/b");
        let shape = Arc::new(TableShape::new(id.clone(), "utf8mb4"));
        let versions = vec![
            Version { since: since(4, None), shape: Some(Arc::clone(&shape)) },
            Version { since: since(9, Some("0-1-2")), shape: None },
        ];
        let stored = text(&id, Some(&versions)).unwrap();
        let (read, found) = parse(&key(&id), &stored).unwrap().unwrap();
        assert_eq!(read, id);
        assert_eq!(found[0].shape.as_ref(), Some(&shape));
        assert!(found[1].shape.is_none() && found[1].since == since(9, Some("0-1-2")));
        assert!(parse("other", "x").unwrap().is_none());
        assert!(parse("shape/a/b", "{}").is_err());
        assert_eq!(text(&id, Some(&versions[1..].to_vec())), None);
    }

    #[test]
    fn gtids_decide_before_places_do() {
        let mut position = Position { file: Text::from_static("b.000001"), pos: 900, ..Position::default() };
        assert!(!since(4, None).is_at_or_before(&position));
        position.gtids = Some(GtidSet::parse("0-1-5", true).unwrap());
        assert!(since(4, Some("0-1-5")).is_at_or_before(&position), "on another server");
        assert!(!since(4, Some("0-1-6")).is_at_or_before(&position));
        assert!(since(4, None).is_before(&since(5, None)) && !since(5, None).is_before(&since(5, None)));
    }

    #[test]
    fn a_snapshot_on_another_server_is_behind_by_its_gtids() {
        const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set = |last: u64| Some(GtidSet::parse(&format!("{A}:1-{last}"), false).unwrap());
        let at = |file: &'static str, last| Position {
            file: Text::from_static(file),
            pos: 4,
            gtids: set(last),
            ..Position::default()
        };
        let taken = Since::position(&at("b.000009", 20));
        assert!(
            taken.is_at_or_before(&at("other.000001", 25)) && !taken.is_at_or_before(&at("z.000099", 19))
        );
        let ddl =
            |number: u64| Since::statement("other.000001".into(), 99, Some(format!("{A}:{number}").into()));
        assert!(taken.is_before(&ddl(21)) && !taken.is_before(&ddl(20)));
        assert!(ddl(20).is_before(&taken) && !ddl(21).is_before(&taken));
        let id = TableId::new("d", "t");
        let version =
            Version { since: taken.clone(), shape: Some(Arc::new(TableShape::new(id.clone(), "x"))) };
        let stored = text(&id, Some(&vec![version])).unwrap();
        assert_eq!(parse(&key(&id), &stored).unwrap().unwrap().1[0].since, taken);
    }
}
