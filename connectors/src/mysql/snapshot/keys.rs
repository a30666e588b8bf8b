//! Chunk keys: the columns by which a table is cut into ranges, and the SQL that says "after this row" and "up to that row".
//!
//! Pure. A key's values are kept as the server printed them, so that they stand in an offset and go back into SQL unchanged.
//! Invariant: for two keys of one table, [`ChunkKey::after`] of the one and [`ChunkKey::up_to`] of it select, together, every row
//! once. That needs columns whose printed value names the same place in the key's order; others (ENUM sorts by number
//! but compares as text, FLOAT prints fewer digits than it has) make no chunk key, and such a table is read in one go.

use api::{Bytes, Text};
use serde_json::{Map, Value as Json};

use crate::mysql::server::quoted;
use crate::mysql::shape::{ColumnShape, SqlType, TableShape};

/// The values of a chunk key as the server prints them; bytes as hexadecimal digits.
pub type KeyValues = Vec<String>;

/// How a column's values go into SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Plain,
    Text,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyColumn {
    place: usize,
    name: Text,
    form: Form,
    /// Whether it is a whole number, which can be counted through.
    whole: bool,
}

/// The columns by which a table is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkKey {
    columns: Vec<KeyColumn>,
    index: Option<Text>,
}

fn key_column(place: usize, column: &ColumnShape) -> Option<KeyColumn> {
    let whole = matches!(
        column.sql_type,
        SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::MediumInt
            | SqlType::Int
            | SqlType::BigInt
            | SqlType::Boolean
    );
    let form = match column.sql_type {
        _ if whole => Form::Number,
        SqlType::Decimal | SqlType::Year => Form::Number,
        SqlType::Date | SqlType::DateTime | SqlType::Timestamp | SqlType::Time => Form::Plain,
        SqlType::Char | SqlType::VarChar if column.charset.as_deref() != Some("binary") => Form::Text,
        SqlType::Binary | SqlType::VarBinary => Form::Bytes,
        _ => return None,
    };
    Some(KeyColumn { place, name: column.name.clone(), form, whole })
}

impl ChunkKey {
    /// The primary key, else the first unique index without NULL; `None` when the table has none that will do.
    #[must_use]
    pub fn of(shape: &TableShape) -> Option<Self> {
        let places = shape.key_columns();
        let index = if shape.primary_key.is_empty() {
            let used = shape.unique_keys.iter().find(|unique| unique.columns == places);
            used.map(|unique| unique.name.clone())
        } else {
            Some(Text::from_static("PRIMARY"))
        };
        Self::with(shape, places, index)
    }

    /// As [`ChunkKey::of`], else any unique index without NULL that will do: a snapshot goes along whatever tells rows apart.
    #[must_use]
    pub fn of_rows(shape: &TableShape) -> Option<Self> {
        let unique = || {
            let required = shape
                .unique_keys
                .iter()
                .filter(|key| key.columns.iter().all(|place| !shape.columns[*place].optional));
            required.into_iter().find_map(|key| Self::with(shape, &key.columns, Some(key.name.clone())))
        };
        Self::of(shape).or_else(unique)
    }

    fn with(shape: &TableShape, places: &[usize], index: Option<Text>) -> Option<Self> {
        let columns: Vec<_> =
            places.iter().map(|place| key_column(*place, &shape.columns[*place])).collect::<Option<_>>()?;
        (!columns.is_empty()).then_some(Self { columns, index })
    }

    /// One column that stands in for the key (`surrogate-key` of a signal).
    #[must_use]
    pub fn surrogate(shape: &TableShape, column: &str) -> Option<Self> {
        let place = shape.column_index(column)?;
        let columns = vec![key_column(place, &shape.columns[place])?];
        Some(Self { columns, index: None })
    }

    /// `ORDER BY` the key.
    #[must_use]
    pub fn order_by(&self, descending: bool) -> String {
        let direction = if descending { " DESC" } else { "" };
        let names: Vec<_> =
            self.columns.iter().map(|column| format!("{}{direction}", quoted(&column.name))).collect();
        format!("ORDER BY {}", names.join(", "))
    }

    /// The key's columns for a select list.
    #[must_use]
    pub fn select_list(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// Tells the server to read along the key's index.
    #[must_use]
    pub fn force_index(&self) -> String {
        self.index.as_ref().map_or_else(String::new, |index| format!(" FORCE INDEX ({})", quoted(index)))
    }

    /// Rows behind a key.
    #[must_use]
    pub fn after(&self, key: &[String]) -> String {
        self.compare(key, ">=", ">", ">")
    }

    /// Rows up to a key and it.
    #[must_use]
    pub fn up_to(&self, key: &[String]) -> String {
        self.compare(key, "<=", "<", "<=")
    }

    /// `a > x OR (a = x AND (b > y ...))`, with a bound on the first column alone, which servers can look up in an index.
    fn compare(&self, key: &[String], bound: &str, strict: &str, last: &str) -> String {
        let mut condition = String::new();
        for (column, value) in self.columns.iter().zip(key).rev() {
            let (name, literal) = (quoted(&column.name), literal(column.form, value));
            condition = if condition.is_empty() {
                format!("{name} {last} {literal}")
            } else {
                format!("{name} {strict} {literal} OR ({name} = {literal} AND ({condition}))")
            };
        }
        match (self.columns.first(), key.first()) {
            (Some(column), Some(value)) if self.columns.len() > 1 => {
                format!("{} {bound} {} AND ({condition})", quoted(&column.name), literal(column.form, value))
            }
            _ => condition,
        }
    }

    /// The key of a row of the whole table; `None` when a value cannot stand in SQL again.
    #[must_use]
    pub fn values(&self, cells: &[Option<Bytes>]) -> Option<KeyValues> {
        self.columns.iter().map(|column| printed(column.form, cells.get(column.place)?.as_ref()?)).collect()
    }

    /// The key out of a row of just its columns.
    #[must_use]
    pub fn values_alone(&self, cells: &[Option<Bytes>]) -> Option<KeyValues> {
        let pairs = self.columns.iter().zip(cells);
        pairs.map(|(column, cell)| printed(column.form, cell.as_ref()?)).collect()
    }

    /// Whether it is one whole number.
    #[must_use]
    pub fn is_whole_number(&self) -> bool {
        matches!(self.columns.as_slice(), [only] if only.whole)
    }

    /// A key as an offset holds it: a JSON object of names and values.
    #[must_use]
    pub fn to_json(&self, key: &[String]) -> String {
        let entries = self.columns.iter().zip(key);
        let map: Map<String, Json> =
            entries.map(|(column, value)| (column.name.to_string(), Json::from(value.as_str()))).collect();
        Json::Object(map).to_string()
    }

    /// Reads what [`ChunkKey::to_json`] wrote; `None` when it was written for other columns.
    #[must_use]
    pub fn from_json(&self, text: &str) -> Option<KeyValues> {
        let json: Json = serde_json::from_str(text).ok()?;
        let map = json.as_object().filter(|map| map.len() == self.columns.len())?;
        self.columns
            .iter()
            .map(|column| {
                let value = map.get(&*column.name)?.as_str()?;
                is_sound(column.form, value).then(|| value.to_owned())
            })
            .collect()
    }
}

/// A cell as it is kept.
fn printed(form: Form, cell: &Bytes) -> Option<String> {
    if form == Form::Bytes {
        return Some(hex(cell));
    }
    let text = std::str::from_utf8(cell).ok()?;
    is_sound(form, text).then(|| text.to_owned())
}

/// What stands in SQL without escapes must be what it says it is, wherever it came from.
fn is_sound(form: Form, text: &str) -> bool {
    let all = |allowed: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(allowed);
    match form {
        Form::Number => all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')),
        Form::Plain => all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':' | b' ')),
        Form::Text => true,
        Form::Bytes => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
    }
}

fn literal(form: Form, value: &str) -> String {
    match form {
        Form::Number => value.to_owned(),
        Form::Plain => format!("'{value}'"),
        Form::Text => format!("_utf8mb4 x'{}'", hex(value.as_bytes())),
        Form::Bytes => format!("x'{value}'"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::shape::{TableId, UniqueKey};

    fn shape(columns: &[(&'static str, SqlType)], primary_key: &[usize]) -> TableShape {
        let mut shape = TableShape::new(TableId::new("shop", "t"), "utf8mb4");
        shape.columns = columns
            .iter()
            .map(|(name, kind)| ColumnShape { optional: false, ..ColumnShape::new(*name, *kind) })
            .collect();
        shape.primary_key = primary_key.to_vec();
        shape
    }

    #[test]
    fn a_key_of_several_columns_compares_column_by_column() {
        let shape = shape(&[("v", SqlType::Json), ("a", SqlType::VarChar), ("b", SqlType::Int)], &[1, 2]);
        let key = ChunkKey::of(&shape).unwrap();
        let at = ["x'".to_owned(), "5".to_owned()];
        assert_eq!(
            key.after(&at),
            "`a` >= _utf8mb4 x'7827' AND (`a` > _utf8mb4 x'7827' OR (`a` = _utf8mb4 x'7827' AND (`b` > 5)))"
        );
        assert!(key.up_to(&at).ends_with("(`b` <= 5)))"), "{}", key.up_to(&at));
        let cells = [None, Some(Bytes::from_static(b"q")), Some(Bytes::from_static(b"-7"))];
        assert_eq!(key.values(&cells).unwrap(), ["q", "-7"]);
        assert_eq!(key.force_index(), " FORCE INDEX (`PRIMARY`)");
    }

    #[test]
    fn rows_without_a_key_that_will_do_go_along_another_unique_index() {
        let mut shape = shape(&[("e", SqlType::Enum), ("a", SqlType::Int), ("b", SqlType::Int)], &[0]);
        shape.columns[1].optional = true;
        let unique =
            |name: &'static str, place| UniqueKey { name: Text::from_static(name), columns: vec![place] };
        shape.unique_keys = vec![unique("with_null", 1), unique("will_do", 2)];
        assert_eq!(ChunkKey::of(&shape), None);
        let key = ChunkKey::of_rows(&shape).unwrap();
        assert_eq!(
            (key.after(&["5".to_owned()]), key.force_index()),
            ("`b` > 5".to_owned(), " FORCE INDEX (`will_do`)".to_owned())
        );
        shape.unique_keys.pop();
        assert_eq!(ChunkKey::of_rows(&shape), None);
    }

    #[test]
    fn what_sorts_otherwise_than_it_prints_makes_no_key() {
        for kind in [SqlType::Enum, SqlType::Float, SqlType::Set, SqlType::Bit, SqlType::Json] {
            assert_eq!(ChunkKey::of(&shape(&[("a", kind)], &[0])), None, "{kind:?}");
        }
        assert_eq!(ChunkKey::of(&shape(&[("a", SqlType::Int)], &[])), None);
        let mut unique = shape(&[("a", SqlType::Int), ("b", SqlType::Binary)], &[]);
        unique.unique_keys = vec![UniqueKey { name: Text::from_static("u"), columns: vec![1] }];
        let key = ChunkKey::of(&unique).unwrap();
        assert_eq!(
            (key.after(&["00ff".to_owned()]), key.is_whole_number()),
            ("`b` > x'00ff'".to_owned(), false)
        );
    }

    #[test]
    fn a_stored_key_of_other_columns_or_with_sql_in_it_is_none() {
        let key = ChunkKey::of(&shape(&[("a", SqlType::Int)], &[0])).unwrap();
        let stored = key.to_json(&["5".to_owned()]);
        assert_eq!(key.from_json(&stored).unwrap(), ["5"]);
        assert_eq!(key.from_json(r#"{"b":"5"}"#), None);
        assert_eq!(key.from_json(r#"{"a":"5 OR 1=1"}"#), None);
        assert_eq!(key.from_json("[]"), None);
    }
}
