//! Table shapes: what is known of a table at one position of the binlog.
//!
//! The DDL reader makes and changes them, the type mapping makes schemas of them, the row decoder is prepared from them.
//! Invariant: `primary_key` and `unique_keys` hold indices of existing columns; a shape is never changed in place while
//! a decoder uses it (shapes are shared as `Arc`, a change makes a new one).

use std::fmt;

use api::Text;
use serde_json::{Map, Value as Json, json};

/// A table's full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// The database.
    pub database: Text,
    /// The table.
    pub table: Text,
}

impl TableId {
    /// The table of this name in this database.
    #[must_use]
    pub fn new(database: impl Into<Text>, table: impl Into<Text>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TableId {
    /// `database.table`, as Debezium's options name tables.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.database, self.table)
    }
}

macro_rules! sql_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// The SQL type of a column, synonyms resolved.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SqlType { $($(#[$doc])* $variant),* }

        impl SqlType {
            /// The type's name in capitals, as Debezium writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The type of this canonical name.
            #[must_use]
            pub fn of_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

sql_types! {
    /// One byte.
    TinyInt = "TINYINT",
    /// Two bytes.
    SmallInt = "SMALLINT",
    /// Three bytes.
    MediumInt = "MEDIUMINT",
    /// Four bytes.
    Int = "INT",
    /// Eight bytes.
    BigInt = "BIGINT",
    /// `BOOLEAN` or `BOOL` as it stands in DDL; the server itself makes a `TINYINT(1)` of it.
    Boolean = "BOOLEAN",
    /// Exact digits.
    Decimal = "DECIMAL",
    /// Four or eight bytes, by its precision.
    Float = "FLOAT",
    /// Eight bytes.
    Double = "DOUBLE",
    /// `REAL` as it stands in DDL; the server makes a `DOUBLE` of it.
    Real = "REAL",
    /// Up to 64 bits.
    Bit = "BIT",
    /// A year.
    Year = "YEAR",
    /// A day.
    Date = "DATE",
    /// A duration of up to 838 hours, negative too.
    Time = "TIME",
    /// A local date and time.
    DateTime = "DATETIME",
    /// An instant.
    Timestamp = "TIMESTAMP",
    /// Text of a fixed length.
    Char = "CHAR",
    /// Text of a limited length.
    VarChar = "VARCHAR",
    /// Text.
    TinyText = "TINYTEXT",
    /// Text.
    Text = "TEXT",
    /// Text.
    MediumText = "MEDIUMTEXT",
    /// Text.
    LongText = "LONGTEXT",
    /// Bytes of a fixed length.
    Binary = "BINARY",
    /// Bytes of a limited length.
    VarBinary = "VARBINARY",
    /// Bytes.
    TinyBlob = "TINYBLOB",
    /// Bytes.
    Blob = "BLOB",
    /// Bytes.
    MediumBlob = "MEDIUMBLOB",
    /// Bytes.
    LongBlob = "LONGBLOB",
    /// JSON.
    Json = "JSON",
    /// One of a list of words.
    Enum = "ENUM",
    /// Some of a list of words.
    Set = "SET",
    /// Any geometry.
    Geometry = "GEOMETRY",
    /// A point.
    Point = "POINT",
    /// A line string.
    LineString = "LINESTRING",
    /// A polygon.
    Polygon = "POLYGON",
    /// Points.
    MultiPoint = "MULTIPOINT",
    /// Line strings.
    MultiLineString = "MULTILINESTRING",
    /// Polygons.
    MultiPolygon = "MULTIPOLYGON",
    /// Geometries.
    GeometryCollection = "GEOMETRYCOLLECTION",
    /// 32-bit numbers.
    Vector = "VECTOR",
    /// MariaDB's UUID.
    Uuid = "UUID",
    /// MariaDB's IPv4 address.
    Inet4 = "INET4",
    /// MariaDB's IPv6 address.
    Inet6 = "INET6",
}

impl SqlType {
    /// Whether values are text in the column's character set.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Self::Char
                | Self::VarChar
                | Self::TinyText
                | Self::Text
                | Self::MediumText
                | Self::LongText
                | Self::Enum
                | Self::Set
        )
    }

    /// Whether values are of a geometry type.
    #[must_use]
    pub const fn is_geometry(self) -> bool {
        matches!(
            self,
            Self::Geometry
                | Self::Point
                | Self::LineString
                | Self::Polygon
                | Self::MultiPoint
                | Self::MultiLineString
                | Self::MultiPolygon
                | Self::GeometryCollection
        )
    }
}

/// What a column holds when an INSERT does not name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnDefault {
    /// Nothing was said. The schema then says nothing either, but for an optional column, whose default is null.
    #[default]
    Unset,
    /// `DEFAULT NULL`.
    Null,
    /// A literal, without its quotes; bits and hex as MySQL writes them (`b'101'`, `x'41'`).
    Literal(Text),
    /// `CURRENT_TIMESTAMP` and its synonyms.
    CurrentTimestamp,
    /// An expression, which only the server can evaluate.
    Expression,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShape {
    /// The name.
    pub name: Text,
    /// The type.
    pub sql_type: SqlType,
    /// The type's word where it was written as another one than [`SqlType::name`], such as `NUMERIC`.
    pub written: Option<Text>,
    /// Whether it is ZEROFILL, which only what prints a type says.
    pub zerofill: bool,
    /// What stands in parentheses after the type: digits, characters, bytes, bits, fraction digits or dimensions.
    pub length: Option<u32>,
    /// The second number in parentheses: digits after the point.
    pub scale: Option<u32>,
    /// Whether it is UNSIGNED (or ZEROFILL, or SERIAL).
    pub unsigned: bool,
    /// The character set of a text column, such as `utf8mb4`.
    pub charset: Option<Text>,
    /// The words of an ENUM or SET, in order.
    pub enum_values: Vec<Text>,
    /// Whether NULL is allowed.
    pub optional: bool,
    /// The default.
    pub default: ColumnDefault,
    /// Whether it is AUTO_INCREMENT.
    pub auto_increment: bool,
    /// Whether it is computed from other columns.
    pub generated: bool,
    /// Whether an update sets it to the current time (`ON UPDATE`).
    pub on_update: bool,
    /// The comment, empty when there is none.
    pub comment: Text,
}

impl ColumnShape {
    /// A column that allows NULL, with everything else unsaid.
    #[must_use]
    pub fn new(name: impl Into<Text>, sql_type: SqlType) -> Self {
        Self {
            name: name.into(),
            sql_type,
            written: None,
            zerofill: false,
            length: None,
            scale: None,
            unsigned: false,
            charset: None,
            enum_values: Vec::new(),
            optional: true,
            default: ColumnDefault::Unset,
            auto_increment: false,
            generated: false,
            on_update: false,
            comment: Text::new(),
        }
    }

    /// Whether it was written as JSON where that is another word for LONGTEXT: in `MariaDB`. The server itself forgets the word.
    #[must_use]
    pub fn is_json_text(&self) -> bool {
        self.sql_type == SqlType::LongText && self.written.as_deref() == Some(JSON)
    }
}

/// The word for JSON documents.
pub const JSON: &str = "JSON";

/// A unique index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueKey {
    /// The index's name.
    pub name: Text,
    /// Its columns, as indices into [`TableShape::columns`].
    pub columns: Vec<usize>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// The name.
    pub id: TableId,
    /// The columns, in order. Invisible and generated ones are columns like others.
    pub columns: Vec<ColumnShape>,
    /// The primary key's columns, in the key's order; empty without one.
    pub primary_key: Vec<usize>,
    /// The unique indices, in the order in which they were made.
    pub unique_keys: Vec<UniqueKey>,
    /// The table's default character set.
    pub charset: Text,
    /// The comment, empty when there is none.
    pub comment: Text,
}

impl TableShape {
    /// A table without columns.
    #[must_use]
    pub fn new(id: TableId, charset: impl Into<Text>) -> Self {
        Self {
            id,
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            charset: charset.into(),
            comment: Text::new(),
        }
    }

    /// Where a column of this name stands. Column names ignore case.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)).or_else(|| {
            let lower = name.to_lowercase();
            self.columns.iter().position(|column| column.name.to_lowercase() == lower)
        })
    }

    /// The columns of the record key: the primary key, else the first unique index without optional columns, else none.
    #[must_use]
    pub fn key_columns(&self) -> &[usize] {
        if !self.primary_key.is_empty() {
            return &self.primary_key;
        }
        let required = |key: &&UniqueKey| key.columns.iter().all(|index| !self.columns[*index].optional);
        self.unique_keys.iter().find(required).map_or(&[], |key| &key.columns)
    }

    /// This shape as JSON, to be remembered.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let unique: Vec<Json> =
            self.unique_keys.iter().map(|key| json!({"name": &*key.name, "columns": key.columns})).collect();
        json!({
            "database": &*self.id.database,
            "table": &*self.id.table,
            "charset": &*self.charset,
            "comment": &*self.comment,
            "columns": self.columns.iter().map(column_to_json).collect::<Vec<_>>(),
            "primaryKey": self.primary_key,
            "uniqueKeys": unique,
        })
    }

    /// Reads what [`TableShape::to_json`] wrote.
    ///
    /// # Errors
    /// Names the member that is missing or wrong, for a caller that adds where the JSON came from.
    pub fn from_json(json: &Json) -> Result<Self, ShapeError> {
        let mut shape =
            Self::new(TableId::new(text(json, "database")?, text(json, "table")?), text(json, "charset")?);
        shape.columns = items(json, "columns")?.iter().map(column_from_json).collect::<Result<_, _>>()?;
        shape.comment = optional_text(json, "comment")?.unwrap_or_default();
        let count = shape.columns.len();
        shape.primary_key = indices(json, "primaryKey", count)?;
        for key in items(json, "uniqueKeys")? {
            shape
                .unique_keys
                .push(UniqueKey { name: text(key, "name")?, columns: indices(key, "columns", count)? });
        }
        Ok(shape)
    }
}

/// A remembered shape that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the remembered table shape has no usable \"{member}\": found {found}")]
pub struct ShapeError {
    member: &'static str,
    found: String,
}

fn column_to_json(column: &ColumnShape) -> Json {
    let mut json = Map::new();
    json.insert("name".into(), json!(&*column.name));
    json.insert("type".into(), json!(column.sql_type.name()));
    let mut put = |name: &str, value: Json| json.insert(name.into(), value);
    if let Some(length) = column.length {
        put("length", json!(length));
    }
    if let Some(scale) = column.scale {
        put("scale", json!(scale));
    }
    if let Some(charset) = &column.charset {
        put("charset", json!(&**charset));
    }
    if !column.enum_values.is_empty() {
        put("enumValues", column.enum_values.iter().map(|value| json!(&**value)).collect());
    }
    for (name, flag) in [
        ("unsigned", column.unsigned),
        ("optional", column.optional),
        ("autoIncremented", column.auto_increment),
        ("generated", column.generated),
        ("onUpdate", column.on_update),
        ("zerofill", column.zerofill),
    ] {
        if flag {
            put(name, json!(true));
        }
    }
    if let Some(written) = &column.written {
        put("written", json!(&**written));
    }
    if !column.comment.is_empty() {
        put("comment", json!(&*column.comment));
    }
    let (kind, literal) = match &column.default {
        ColumnDefault::Unset => return Json::Object(json),
        ColumnDefault::Null => ("null", None),
        ColumnDefault::Literal(literal) => ("literal", Some(literal)),
        ColumnDefault::CurrentTimestamp => ("currentTimestamp", None),
        ColumnDefault::Expression => ("expression", None),
    };
    put("default", json!(kind));
    if let Some(literal) = literal {
        put("defaultValue", json!(&**literal));
    }
    Json::Object(json)
}

fn column_from_json(json: &Json) -> Result<ColumnShape, ShapeError> {
    let name = text(json, "type")?;
    let sql_type = SqlType::of_name(&name).ok_or_else(|| wrong(json, "type"))?;
    let mut column = ColumnShape::new(text(json, "name")?, sql_type);
    column.length = number(json, "length")?;
    column.scale = number(json, "scale")?;
    column.charset = optional_text(json, "charset")?;
    column.comment = optional_text(json, "comment")?.unwrap_or_default();
    if json.get("enumValues").is_some() {
        for value in items(json, "enumValues")? {
            column.enum_values.push(value.as_str().ok_or_else(|| wrong(json, "enumValues"))?.into());
        }
    }
    column.unsigned = flag(json, "unsigned")?;
    column.optional = flag(json, "optional")?;
    column.auto_increment = flag(json, "autoIncremented")?;
    column.generated = flag(json, "generated")?;
    column.on_update = flag(json, "onUpdate")?;
    column.zerofill = flag(json, "zerofill")?;
    column.written = optional_text(json, "written")?;
    column.default = match optional_text(json, "default")?.as_deref() {
        None => ColumnDefault::Unset,
        Some("null") => ColumnDefault::Null,
        Some("literal") => ColumnDefault::Literal(text(json, "defaultValue")?),
        Some("currentTimestamp") => ColumnDefault::CurrentTimestamp,
        Some("expression") => ColumnDefault::Expression,
        Some(_) => return Err(wrong(json, "default")),
    };
    Ok(column)
}

fn wrong(json: &Json, member: &'static str) -> ShapeError {
    ShapeError { member, found: json.get(member).map_or_else(|| "nothing".to_owned(), Json::to_string) }
}

fn text(json: &Json, member: &'static str) -> Result<Text, ShapeError> {
    json.get(member).and_then(Json::as_str).map(Text::from).ok_or_else(|| wrong(json, member))
}

fn optional_text(json: &Json, member: &'static str) -> Result<Option<Text>, ShapeError> {
    if json.get(member).is_none() { Ok(None) } else { text(json, member).map(Some) }
}

fn flag(json: &Json, member: &'static str) -> Result<bool, ShapeError> {
    json.get(member).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| wrong(json, member)))
}

fn number(json: &Json, member: &'static str) -> Result<Option<u32>, ShapeError> {
    let Some(value) = json.get(member) else { return Ok(None) };
    value.as_u64().and_then(|value| value.try_into().ok()).map(Some).ok_or_else(|| wrong(json, member))
}

fn items<'a>(json: &'a Json, member: &'static str) -> Result<&'a [Json], ShapeError> {
    json.get(member).and_then(Json::as_array).map(Vec::as_slice).ok_or_else(|| wrong(json, member))
}

fn indices(json: &Json, member: &'static str, count: usize) -> Result<Vec<usize>, ShapeError> {
    let index = |value: &Json| {
        value.as_u64().and_then(|value| usize::try_from(value).ok()).filter(|index| *index < count)
    };
    items(json, member)?.iter().map(|value| index(value).ok_or_else(|| wrong(json, member))).collect()
}
