//! TABLE_MAP events: how the rows that follow are laid out.
//!
//! The first stop of every row event: the stream keeps the parsed maps by table id, and a [`super::row::RowDecoder`] is
//! prepared once per map and shape. Source: MySQL's `Table_map_event` (libs/mysql/binlog/event/rows_event.h), MariaDB's
//! `Table_map_log_event`. Invariant: a parsed map has exactly as many types as it announced, and optional metadata, where
//! it stands at all, belongs to existing columns; hostile lengths fail before they allocate.

use api::{Bytes, Text};

use super::reader::{OutOfBytes, Reader};
use crate::mysql::shape::TableId;

/// MySQL allows 4096 columns in a table.
const COLUMNS_MAX: usize = 4096;

/// The type bytes that stand in table maps.
pub mod column_type {
    #![allow(missing_docs, reason = "the names say it: they are the server's own, from field_types.h")]
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const TIMESTAMP2: u8 = 17;
    pub const DATETIME2: u8 = 18;
    pub const TIME2: u8 = 19;
    pub const BLOB_COMPRESSED: u8 = 140;
    pub const VARCHAR_COMPRESSED: u8 = 141;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const MEDIUM_BLOB: u8 = 250;
    pub const LONG_BLOB: u8 = 251;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
    pub const GEOMETRY: u8 = 255;
}

/// How one column is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapColumn {
    /// The type byte, see [`column_type`]; ENUM and SET are already taken out of STRING.
    pub column_type: u8,
    /// What the type needs to be read: the length of a string, the bytes of a blob's length, precision and scale
    /// (`precision << 8 | scale`), fraction digits, bits (`bytes << 8 | bits`), or the bytes of an ENUM or SET.
    pub meta: u16,
    /// Whether the column can be NULL.
    pub nullable: bool,
}

/// What `binlog_row_metadata` adds; each part only as far as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowMetadata {
    /// Per column whether it is unsigned; false for columns that are no numbers.
    pub unsigned: Option<Vec<bool>>,
    /// Per column its collation's number; `None` for columns without one.
    pub collations: Option<Vec<Option<u16>>>,
    /// Per column its collation's number, for ENUM and SET.
    pub enum_collations: Option<Vec<Option<u16>>>,
    /// Per column its name.
    pub names: Option<Vec<Text>>,
    /// Per column the words of an ENUM, in the column's character set; empty for others.
    pub enum_values: Option<Vec<Vec<Bytes>>>,
    /// Per column the words of a SET, in the column's character set; empty for others.
    pub set_values: Option<Vec<Vec<Bytes>>>,
    /// Per column the kind of a geometry (0 is any); `None` for others.
    pub geometry_types: Option<Vec<Option<u8>>>,
    /// The primary key's columns, in order.
    pub primary_key: Option<Vec<usize>>,
}

/// A parsed TABLE_MAP event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    /// The number by which the row events that follow mean this table.
    pub table_id: u64,
    /// The event's flags.
    pub flags: u16,
    /// The table's name.
    pub table: TableId,
    /// The columns' layout, in order.
    pub columns: Vec<MapColumn>,
    /// What `binlog_row_metadata` adds.
    pub metadata: RowMetadata,
}

/// A TABLE_MAP event that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableMapError {
    /// It ends too early, or a length in it promises too much.
    #[error("the table map of {table} is cut off")]
    CutOff {
        /// The table, as far as it was read.
        table: String,
        /// Where.
        #[source]
        source: OutOfBytes,
    },
    /// Something in it cannot be.
    #[error("the table map of {table} makes no sense: {what}")]
    Malformed {
        /// The table, as far as it was read.
        table: String,
        /// What was found.
        what: String,
    },
}

impl From<TableMapError> for api::Error {
    fn from(error: TableMapError) -> Self {
        Self::fatal("cannot read the binlog").with_source(error)
    }
}

impl TableMap {
    /// Reads the body of a TABLE_MAP event: what follows the common header, without the checksum.
    ///
    /// # Errors
    /// When the body is cut off or contradicts itself; names the table as far as it was read.
    pub fn parse(body: &[u8]) -> Result<Self, TableMapError> {
        Self::parse_by(body, is_character)
    }

    /// The same from `MariaDB`, which counts geometries among the columns that have a collation.
    ///
    /// # Errors
    /// As [`TableMap::parse`].
    pub fn parse_mariadb(body: &[u8]) -> Result<Self, TableMapError> {
        Self::parse_by(body, |column| is_character(column) || column.column_type == column_type::GEOMETRY)
    }

    fn parse_by(body: &[u8], has_collation: fn(&MapColumn) -> bool) -> Result<Self, TableMapError> {
        let mut table = "(unread)".to_owned();
        parse(body, &mut table, has_collation).map_err(|fault| match fault {
            Fault::OutOfBytes(source) => TableMapError::CutOff { table, source },
            Fault::Malformed(what) => TableMapError::Malformed { table, what },
        })
    }

    /// Whether the columns are those of `MariaDB`'s sequences: six large numbers, a flag and a count, none of which may be null.
    #[must_use]
    pub fn is_like_sequence(&self) -> bool {
        const LARGE: u8 = column_type::LONGLONG;
        let types = [LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, column_type::TINY, LARGE];
        let found = self.columns.iter().map(|column| column.column_type);
        found.eq(types) && self.columns.iter().all(|column| !column.nullable)
    }

    /// The table id of a TABLE_MAP or rows event's body, without reading the rest.
    #[must_use]
    pub fn peek_table_id(body: &[u8]) -> Option<u64> {
        Reader::new(body).number(6).ok()
    }
}

enum Fault {
    OutOfBytes(OutOfBytes),
    Malformed(String),
}

impl From<OutOfBytes> for Fault {
    fn from(error: OutOfBytes) -> Self {
        Self::OutOfBytes(error)
    }
}

fn parse(body: &[u8], found: &mut String, has_collation: fn(&MapColumn) -> bool) -> Result<TableMap, Fault> {
    let mut reader = Reader::new(body);
    let table_id = reader.number(6)?;
    let flags = u16::from_le_bytes(reader.array()?);
    let database = name(&mut reader)?;
    let table = TableId::new(database, name(&mut reader)?);
    *found = table.to_string();
    let count = reader.length_encoded()?;
    if count > COLUMNS_MAX {
        return Err(Fault::Malformed(format!("{count} columns, where {COLUMNS_MAX} are allowed")));
    }
    let types = reader.take(count)?;
    let mut meta = Reader::new(reader.length_encoded_bytes()?);
    let nullable = reader.take(count.div_ceil(8))?;
    let mut columns = Vec::with_capacity(count);
    for (index, column_type) in types.iter().enumerate() {
        let (column_type, meta) = read_meta(*column_type, &mut meta)?;
        columns.push(MapColumn { column_type, meta, nullable: nullable[index / 8] >> (index % 8) & 1 == 1 });
    }
    let metadata = read_metadata(&mut reader, &columns, has_collation)?;
    Ok(TableMap { table_id, flags, table, columns, metadata })
}

/// A name behind one byte of length, with a zero byte after it.
fn name(reader: &mut Reader<'_>) -> Result<Text, Fault> {
    let length = usize::from(reader.byte()?);
    let text = utf8(reader.take(length)?)?;
    match reader.byte()? {
        0 => Ok(text),
        other => Err(Fault::Malformed(format!("byte {other} where a name ends"))),
    }
}

fn utf8(bytes: &[u8]) -> Result<Text, Fault> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Text::from(text)),
        Err(error) => Err(Fault::Malformed(format!("a name that is not UTF-8: {error}"))),
    }
}

/// The type as it really is, and its metadata in the form of [`MapColumn::meta`].
fn read_meta(of_type: u8, meta: &mut Reader<'_>) -> Result<(u8, u16), Fault> {
    use column_type as t;
    Ok(match of_type {
        t::TINY
        | t::SHORT
        | t::LONG
        | t::NULL
        | t::TIMESTAMP
        | t::LONGLONG
        | t::INT24
        | t::DATE
        | t::TIME
        | t::DATETIME
        | t::YEAR
        | t::NEWDATE => (of_type, 0),
        t::FLOAT
        | t::DOUBLE
        | t::TIMESTAMP2
        | t::DATETIME2
        | t::TIME2
        | t::BLOB
        | t::TINY_BLOB
        | t::MEDIUM_BLOB
        | t::LONG_BLOB
        | t::BLOB_COMPRESSED
        | t::JSON
        | t::GEOMETRY
        | t::VECTOR => (of_type, u16::from(meta.byte()?)),
        t::VARCHAR | t::VAR_STRING | t::VARCHAR_COMPRESSED | t::BIT => {
            (of_type, u16::from_le_bytes(meta.array()?))
        }
        t::NEWDECIMAL => (of_type, u16::from_be_bytes(meta.array()?)),
        t::STRING | t::ENUM | t::SET => {
            let [high, low] = meta.array()?;
            // Lengths above 255 have their two high bits hidden, inverted, in the type byte (MySQL bug 37426).
            let real = if high & 0x30 == 0x30 { high } else { high | 0x30 };
            let extra = u16::from((high & 0x30) ^ 0x30) << 4;
            let real = if high == 0 { of_type } else { real };
            (real, if high == 0 { u16::from(low) } else { extra | u16::from(low) })
        }
        other => {
            return Err(Fault::Malformed(format!(
                "column type {other}, which this version does not know; please report it with the server's version"
            )));
        }
    })
}

const fn is_numeric(column: &MapColumn) -> bool {
    use column_type as t;
    matches!(
        column.column_type,
        t::TINY
            | t::SHORT
            | t::INT24
            | t::LONG
            | t::LONGLONG
            | t::NEWDECIMAL
            | t::FLOAT
            | t::DOUBLE
            | t::YEAR
    )
}

const fn is_character(column: &MapColumn) -> bool {
    use column_type as t;
    matches!(
        column.column_type,
        t::STRING
            | t::VAR_STRING
            | t::VARCHAR
            | t::BLOB
            | t::TINY_BLOB
            | t::MEDIUM_BLOB
            | t::LONG_BLOB
            | t::BLOB_COMPRESSED
            | t::VARCHAR_COMPRESSED
    )
}

const fn is_enum_or_set(column: &MapColumn) -> bool {
    matches!(column.column_type, column_type::ENUM | column_type::SET)
}

/// The optional metadata: fields of a type byte, a length and a body.
fn read_metadata(
    reader: &mut Reader<'_>,
    columns: &[MapColumn],
    has_collation: fn(&MapColumn) -> bool,
) -> Result<RowMetadata, Fault> {
    let mut metadata = RowMetadata::default();
    while !reader.is_empty() {
        let field = reader.byte()?;
        let mut body = Reader::new(reader.length_encoded_bytes()?);
        match field {
            1 => metadata.unsigned = Some(bits(&mut body, columns, is_numeric)?),
            2 => metadata.collations = Some(default_collation(&mut body, columns, has_collation)?),
            3 => metadata.collations = Some(collations(&mut body, columns, has_collation)?),
            4 => metadata.names = Some(names(&mut body, columns)?),
            5 => metadata.set_values = Some(words(&mut body, columns, column_type::SET)?),
            6 => metadata.enum_values = Some(words(&mut body, columns, column_type::ENUM)?),
            7 => metadata.geometry_types = Some(geometry_types(&mut body, columns)?),
            8 => metadata.primary_key = Some(primary_key(&mut body, columns, false)?),
            9 => metadata.primary_key = Some(primary_key(&mut body, columns, true)?),
            10 => metadata.enum_collations = Some(default_collation(&mut body, columns, is_enum_or_set)?),
            11 => metadata.enum_collations = Some(collations(&mut body, columns, is_enum_or_set)?),
            // Visibility and vector dimensions change nothing here, and what later servers add is optional by name.
            _ => {}
        }
    }
    Ok(metadata)
}

/// One bit for each column that `applies` is true for, most significant first.
fn bits(
    body: &mut Reader<'_>,
    columns: &[MapColumn],
    applies: fn(&MapColumn) -> bool,
) -> Result<Vec<bool>, Fault> {
    let count = columns.iter().filter(|column| applies(column)).count();
    let bitmap = body.take(count.div_ceil(8))?;
    let mut next = 0;
    let bit = |column: &MapColumn| {
        let set = applies(column) && bitmap[next / 8] & (0x80 >> (next % 8)) != 0;
        next += usize::from(applies(column));
        set
    };
    Ok(columns.iter().map(bit).collect())
}

fn collation(body: &mut Reader<'_>) -> Result<u16, Fault> {
    let number = body.length_encoded()?;
    u16::try_from(number).map_err(|error| Fault::Malformed(format!("collation {number}: {error}")))
}

fn collations(
    body: &mut Reader<'_>,
    columns: &[MapColumn],
    applies: fn(&MapColumn) -> bool,
) -> Result<Vec<Option<u16>>, Fault> {
    columns.iter().map(|column| applies(column).then(|| collation(body)).transpose()).collect()
}

/// One collation for all, then pairs for the columns that differ, counted among those that `applies` is true for.
fn default_collation(
    body: &mut Reader<'_>,
    columns: &[MapColumn],
    applies: fn(&MapColumn) -> bool,
) -> Result<Vec<Option<u16>>, Fault> {
    let default = collation(body)?;
    let mut all: Vec<_> = columns.iter().map(|column| applies(column).then_some(default)).collect();
    let places: Vec<usize> = (0..columns.len()).filter(|index| applies(&columns[*index])).collect();
    while !body.is_empty() {
        let place = body.length_encoded()?;
        let column = places.get(place).ok_or_else(|| {
            Fault::Malformed(format!("a collation for text column {place} of {}", places.len()))
        })?;
        all[*column] = Some(collation(body)?);
    }
    Ok(all)
}

fn names(body: &mut Reader<'_>, columns: &[MapColumn]) -> Result<Vec<Text>, Fault> {
    columns.iter().map(|_| utf8(body.length_encoded_bytes()?)).collect()
}

fn words(body: &mut Reader<'_>, columns: &[MapColumn], of_type: u8) -> Result<Vec<Vec<Bytes>>, Fault> {
    let mut all = Vec::with_capacity(columns.len());
    for column in columns {
        let mut values = Vec::new();
        if column.column_type == of_type {
            for _ in 0..body.length_encoded()? {
                values.push(Bytes::copy_from_slice(body.length_encoded_bytes()?));
            }
        }
        all.push(values);
    }
    Ok(all)
}

fn geometry_types(body: &mut Reader<'_>, columns: &[MapColumn]) -> Result<Vec<Option<u8>>, Fault> {
    let mut kind = |column: &MapColumn| {
        if column.column_type != column_type::GEOMETRY {
            return Ok(None);
        }
        let number = body.length_encoded()?;
        u8::try_from(number)
            .map(Some)
            .map_err(|error| Fault::Malformed(format!("geometry type {number}: {error}")))
    };
    columns.iter().map(&mut kind).collect()
}

fn primary_key(body: &mut Reader<'_>, columns: &[MapColumn], prefixes: bool) -> Result<Vec<usize>, Fault> {
    let mut key = Vec::new();
    while !body.is_empty() {
        let index = body.length_encoded()?;
        if index >= columns.len() {
            return Err(Fault::Malformed(format!("key column {index} of {}", columns.len())));
        }
        if prefixes {
            body.length_encoded()?;
        }
        key.push(index);
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
