//! Shapes out of table maps: what `binlog_row_metadata=FULL` says is enough to read rows without any DDL.
//!
//! Asked when a table is unknown or its shape is out of date; unlike the information_schema it tells the table as it was at
//! this very place in the binlog. Invariant: rows of the map fit the shape that comes out. Defaults and comments are not
//! in the binlog: they are kept from what was known of columns that fit.

use api::Text;

use super::layout::{contradiction, corrected};
use super::table_map::{MapColumn, TableMap, column_type as t};
use crate::mysql::shape::{ColumnShape, SqlType, TableShape, UniqueKey};
use crate::mysql::types::charset::charset_of_collation_id;

/// The number of the collation `binary`.
const BINARY: u16 = 63;

impl TableMap {
    /// The table's shape by the server's row metadata, with what else is `known` of its columns. `None` when the server
    /// does not send the columns' names (`binlog_row_metadata` is not FULL).
    #[must_use]
    pub fn shape(&self, known: Option<&TableShape>) -> Option<TableShape> {
        let names = self.metadata.names.as_ref()?;
        let charset = known.map_or(Text::from_static("utf8mb4"), |shape| shape.charset.clone());
        let mut shape = TableShape::new(self.table.clone(), charset);
        for (index, (layout, name)) in self.columns.iter().zip(names).enumerate() {
            let known = known.and_then(|shape| shape.column_index(name).map(|place| &shape.columns[place]));
            let known = known.filter(|column| contradiction(index, column, layout, &self.metadata).is_none());
            let mut column = match known {
                Some(known) => known.clone(),
                None => self.column(index, layout, name)?,
            };
            column = corrected(index, &column, &self.metadata).into_owned();
            column.optional = layout.nullable;
            shape.columns.push(column);
        }
        shape.primary_key = self.metadata.primary_key.clone().unwrap_or_default();
        shape.unique_keys = known.map(|known| kept_keys(known, &shape)).unwrap_or_default();
        Some(shape)
    }

    fn column(&self, index: usize, layout: &MapColumn, name: &Text) -> Option<ColumnShape> {
        let collation = self.metadata.collations.as_ref().and_then(|collations| collations[index]);
        let geometry = self.metadata.geometry_types.as_ref().and_then(|types| types[index]);
        let mut column =
            ColumnShape::new(name.clone(), sql_type(layout, collation == Some(BINARY), geometry)?);
        column.unsigned = self.metadata.unsigned.as_ref().is_some_and(|unsigned| unsigned[index])
            && column.sql_type != SqlType::Year;
        (column.length, column.scale) = digits(layout);
        if column.sql_type.is_text() {
            // The map counts bytes, a shape characters.
            column.length = None;
            column.charset = collation.and_then(charset_of_collation_id).map(Text::from_static);
        }
        Some(column)
    }
}

/// The unique keys whose columns are all still there.
fn kept_keys(known: &TableShape, shape: &TableShape) -> Vec<UniqueKey> {
    let moved = |key: &UniqueKey| {
        let place = |index: &usize| shape.column_index(&known.columns[*index].name);
        let columns = key.columns.iter().map(place).collect::<Option<Vec<_>>>()?;
        Some(UniqueKey { name: key.name.clone(), columns })
    };
    known.unique_keys.iter().filter_map(moved).collect()
}

/// The numbers in parentheses after the type, where they matter.
fn digits(layout: &MapColumn) -> (Option<u32>, Option<u32>) {
    let (high, low) = (u32::from(layout.meta >> 8), u32::from(layout.meta & 0xff));
    match layout.column_type {
        t::NEWDECIMAL => (Some(high), Some(low)),
        t::BIT => (Some(high * 8 + low), None),
        t::TIME2 | t::DATETIME2 | t::TIMESTAMP2 if low > 0 => (Some(low), None),
        t::STRING => (Some(u32::from(layout.meta)), None),
        _ => (None, None),
    }
}

fn sql_type(layout: &MapColumn, binary: bool, geometry: Option<u8>) -> Option<SqlType> {
    use SqlType as s;
    let either = |bytes, text| if binary { bytes } else { text };
    Some(match layout.column_type {
        t::TINY => s::TinyInt,
        t::SHORT => s::SmallInt,
        t::INT24 => s::MediumInt,
        t::LONG => s::Int,
        t::LONGLONG => s::BigInt,
        t::FLOAT => s::Float,
        t::DOUBLE => s::Double,
        t::NEWDECIMAL => s::Decimal,
        t::YEAR => s::Year,
        t::BIT => s::Bit,
        t::DATE | t::NEWDATE => s::Date,
        t::TIME | t::TIME2 => s::Time,
        t::DATETIME | t::DATETIME2 => s::DateTime,
        t::TIMESTAMP | t::TIMESTAMP2 => s::Timestamp,
        t::ENUM => s::Enum,
        t::SET => s::Set,
        t::JSON => s::Json,
        t::VECTOR => s::Vector,
        t::STRING => either(s::Binary, s::Char),
        t::VARCHAR | t::VAR_STRING | t::VARCHAR_COMPRESSED => either(s::VarBinary, s::VarChar),
        t::GEOMETRY => match geometry {
            Some(1) => s::Point,
            Some(2) => s::LineString,
            Some(3) => s::Polygon,
            Some(4) => s::MultiPoint,
            Some(5) => s::MultiLineString,
            Some(6) => s::MultiPolygon,
            Some(7) => s::GeometryCollection,
            _ => s::Geometry,
        },
        t::BLOB | t::TINY_BLOB | t::MEDIUM_BLOB | t::LONG_BLOB | t::BLOB_COMPRESSED => match layout.meta {
            1 => either(s::TinyBlob, s::TinyText),
            2 => either(s::Blob, s::Text),
            3 => either(s::MediumBlob, s::MediumText),
            _ => either(s::LongBlob, s::LongText),
        },
        _ => return None,
    })
}
