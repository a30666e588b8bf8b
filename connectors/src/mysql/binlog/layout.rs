//! Does a table map fit the shape that is known of its table?
//!
//! Asked once per table map, before any row. Invariant: `Ok` means that each column's bytes can be read as the shape's type;
//! the columns that come back carry the map's character sets and words where the server sent them.

use std::borrow::Cow;

use api::Text;

use super::row_error::RowError;
use super::table_map::{MapColumn, RowMetadata, TableMap, column_type as t};
use crate::mysql::shape::{ColumnShape, SqlType, TableShape};
use crate::mysql::types::charset::{Charset, charset_of_collation_id};

/// The shape's columns, corrected by the map's metadata.
///
/// # Errors
/// [`RowError::Mismatch`] at the first contradiction.
pub(super) fn check<'a>(
    map: &TableMap,
    shape: &'a TableShape,
) -> Result<Vec<Cow<'a, ColumnShape>>, RowError> {
    let mismatch = |expected: String, found: String| RowError::Mismatch {
        table: Box::new(map.table.clone()),
        expected,
        found,
    };
    if map.columns.len() != shape.columns.len() {
        let names: Vec<&str> = shape.columns.iter().map(|column| &*column.name).collect();
        return Err(mismatch(
            format!("{} columns ({})", names.len(), names.join(", ")),
            format!("{} columns", map.columns.len()),
        ));
    }
    let mut columns = Vec::with_capacity(shape.columns.len());
    for (index, (column, layout)) in shape.columns.iter().zip(&map.columns).enumerate() {
        if let Some(found) = contradiction(index, column, layout, &map.metadata) {
            return Err(mismatch(describe(column), found));
        }
        columns.push(corrected(index, column, &map.metadata));
    }
    Ok(columns)
}

fn describe(column: &ColumnShape) -> String {
    let ColumnShape { name, sql_type, length, scale, unsigned, .. } = column;
    let digits = match (length, scale) {
        (Some(length), Some(scale)) => format!("({length},{scale})"),
        (Some(length), None) => format!("({length})"),
        _ => String::new(),
    };
    format!("column {name} {}{digits}{}", sql_type.name(), if *unsigned { " UNSIGNED" } else { "" })
}

/// What the map says instead, if it contradicts the column.
pub(super) fn contradiction(
    index: usize,
    column: &ColumnShape,
    layout: &MapColumn,
    metadata: &RowMetadata,
) -> Option<String> {
    if let Some(names) = &metadata.names
        && !names[index].eq_ignore_ascii_case(&column.name)
        && names[index].to_lowercase() != column.name.to_lowercase()
    {
        return Some(format!("column {}", names[index]));
    }
    let MapColumn { column_type, meta, .. } = *layout;
    if !fits(column.sql_type, column_type) {
        return Some(format!("type {column_type} in the table map"));
    }
    let fraction_digits = u32::from(meta);
    let wrong = match column_type {
        t::NEWDECIMAL => {
            let (precision, scale) = (u32::from(meta >> 8), u32::from(meta & 0xff));
            precision != column.length.unwrap_or(10) || scale != column.scale.unwrap_or(0)
        }
        t::TIME2 | t::DATETIME2 | t::TIMESTAMP2 => fraction_digits != column.length.unwrap_or(0),
        t::BIT => u32::from(meta >> 8) * 8 + u32::from(meta & 0xff) != column.length.unwrap_or(1),
        _ => false,
    };
    if wrong {
        return Some(format!("digits {}.{} in the table map", meta >> 8, meta & 0xff));
    }
    let numeric = matches!(
        column.sql_type,
        SqlType::TinyInt | SqlType::SmallInt | SqlType::MediumInt | SqlType::Int | SqlType::BigInt
    );
    match &metadata.unsigned {
        Some(unsigned) if numeric && unsigned[index] != column.unsigned => {
            Some(if unsigned[index] { "an UNSIGNED column" } else { "a signed column" }.to_owned())
        }
        _ => None,
    }
}

/// Whether a column of this SQL type may be laid out as this type of the binlog.
fn fits(sql_type: SqlType, column_type: u8) -> bool {
    use SqlType as s;
    match column_type {
        t::TINY => matches!(sql_type, s::TinyInt | s::Boolean),
        t::SHORT => sql_type == s::SmallInt,
        t::INT24 => sql_type == s::MediumInt,
        t::LONG => sql_type == s::Int,
        t::LONGLONG => sql_type == s::BigInt,
        t::FLOAT => matches!(sql_type, s::Float | s::Real),
        t::DOUBLE => matches!(sql_type, s::Double | s::Real | s::Float),
        t::NEWDECIMAL => sql_type == s::Decimal,
        t::YEAR => sql_type == s::Year,
        t::BIT => sql_type == s::Bit,
        t::DATE | t::NEWDATE => sql_type == s::Date,
        t::TIME | t::TIME2 => sql_type == s::Time,
        t::DATETIME | t::DATETIME2 => sql_type == s::DateTime,
        t::TIMESTAMP | t::TIMESTAMP2 => sql_type == s::Timestamp,
        t::ENUM => sql_type == s::Enum,
        t::SET => sql_type == s::Set,
        t::JSON => sql_type == s::Json,
        t::VECTOR => sql_type == s::Vector,
        t::GEOMETRY => sql_type.is_geometry(),
        t::STRING => matches!(sql_type, s::Char | s::Binary | s::Uuid | s::Inet4 | s::Inet6),
        // A VARCHAR that is too long for one becomes a TEXT in a server that is not strict, and MariaDB's JSON is a LONGTEXT.
        t::VARCHAR | t::VAR_STRING | t::VARCHAR_COMPRESSED => matches!(sql_type, s::VarChar | s::VarBinary),
        t::BLOB | t::TINY_BLOB | t::MEDIUM_BLOB | t::LONG_BLOB | t::BLOB_COMPRESSED => {
            let text = sql_type.is_text() && !matches!(sql_type, s::Char | s::Enum | s::Set);
            let bytes = matches!(
                sql_type,
                s::TinyBlob | s::Blob | s::MediumBlob | s::LongBlob | s::VarBinary | s::Json | s::Vector
            );
            text || bytes
        }
        t::NULL => true,
        _ => false,
    }
}

/// The column with what only the server's metadata knows for sure.
pub(super) fn corrected<'a>(
    index: usize,
    column: &'a ColumnShape,
    metadata: &RowMetadata,
) -> Cow<'a, ColumnShape> {
    let mut column = Cow::Borrowed(column);
    let of_words = matches!(column.sql_type, SqlType::Enum | SqlType::Set);
    let collations = if of_words { &metadata.enum_collations } else { &metadata.collations };
    let collation = collations.as_ref().and_then(|collations| collations[index]);
    let charset = collation.and_then(charset_of_collation_id);
    if let Some(charset) = charset
        && column.sql_type.is_text()
        && column.charset.as_deref() != Some(charset)
    {
        column.to_mut().charset = Some(charset.into());
    }
    let values = if column.sql_type == SqlType::Enum { &metadata.enum_values } else { &metadata.set_values };
    if let Some(values) = values.as_ref().filter(|_| of_words) {
        let decoder = charset.map_or(Charset::Utf8, Charset::of_name);
        let words: Vec<Text> = values[index].iter().map(|word| decoder.decode(word.clone())).collect();
        if words != column.enum_values {
            column.to_mut().enum_values = words;
        }
    }
    column
}
