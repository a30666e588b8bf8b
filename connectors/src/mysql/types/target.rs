//! What a column's values become: one decision per column, taken before the first row.
//!
//! The schema, the binlog's decoder and the snapshot's reader all start from the same [`Target`], so that they cannot
//! disagree on a schema. Source: Debezium 3.6, `JdbcValueConverters` and `BinlogValueConverters`, and what it emits (see `tests/golden`).

use std::sync::{Arc, LazyLock};

use api::{Bytes, Schema, SchemaBuilder, SchemaRef, SchemaType, Struct, Text, Value, logical};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

use super::charset::Charset;
use super::decimal::{DecimalForm, unsigned_decimal};
use super::temporal::{DateForm, DateTimeForm, TimeForm, named};
use super::{BigintUnsignedHandling, BinaryHandling, TypeOptions};
use crate::mysql::shape::{ColumnShape, SqlType};

/// The form of one column's values.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Boolean,
    Int16,
    Int32,
    Int64,
    UnsignedDecimal,
    Float32,
    Float64,
    Decimal(DecimalForm),
    Bits {
        bits: u32,
    },
    Year {
        adjust: bool,
    },
    Date {
        form: DateForm,
        adjust: bool,
    },
    Time(TimeForm),
    DateTime {
        form: DateTimeForm,
        adjust: bool,
    },
    Timestamp {
        digits: u32,
    },
    Text(Charset),
    Binary {
        handling: BinaryHandling,
        length: usize,
    },
    Json,
    /// MariaDB's JSON, which is a text.
    JsonText,
    Enum(Arc<[Text]>),
    Set(Arc<[Text]>),
    Point,
    Geometry,
    Vector,
    Uuid,
    Inet4,
    Inet6,
}

impl Target {
    /// Decides for one column.
    pub(crate) fn of(column: &ColumnShape, options: &TypeOptions) -> Self {
        let digits = column.length.unwrap_or(0);
        let adjust = options.time_adjuster;
        match column.sql_type {
            SqlType::Boolean => Self::Boolean,
            SqlType::Bit if column.length.unwrap_or(1) <= 1 => Self::Boolean,
            SqlType::Bit => Self::Bits { bits: digits },
            SqlType::TinyInt => Self::Int16,
            SqlType::SmallInt if column.unsigned => Self::Int32,
            SqlType::SmallInt => Self::Int16,
            SqlType::Int if column.unsigned => Self::Int64,
            SqlType::MediumInt | SqlType::Int => Self::Int32,
            SqlType::BigInt
                if column.unsigned && options.bigint_unsigned == BigintUnsignedHandling::Precise =>
            {
                Self::UnsignedDecimal
            }
            SqlType::BigInt => Self::Int64,
            SqlType::Float if column.scale.is_none() && digits <= 24 => Self::Float32,
            SqlType::Real => Self::Float32,
            SqlType::Float | SqlType::Double => Self::Float64,
            SqlType::Decimal => Self::Decimal(DecimalForm {
                precision: column.length.unwrap_or(10).min(65) as usize,
                scale: column.scale.unwrap_or(0).min(30) as usize,
                handling: options.decimal,
            }),
            SqlType::Year => Self::Year { adjust },
            SqlType::Date => Self::Date { form: DateForm::of(options.time_precision), adjust },
            SqlType::Time => Self::Time(TimeForm::of(options.time_precision)),
            SqlType::DateTime => {
                Self::DateTime { form: DateTimeForm::of(options.time_precision, digits), adjust }
            }
            SqlType::Timestamp => Self::Timestamp { digits },
            _ => Self::of_others(column, options),
        }
    }

    fn of_others(column: &ColumnShape, options: &TypeOptions) -> Self {
        let words = || column.enum_values.iter().map(escaped).collect();
        match column.sql_type {
            SqlType::Json => Self::Json,
            _ if column.is_json_text() => Self::JsonText,
            SqlType::Enum => Self::Enum(words()),
            SqlType::Set => Self::Set(words()),
            SqlType::Point => Self::Point,
            geometry if geometry.is_geometry() => Self::Geometry,
            SqlType::Vector => Self::Vector,
            SqlType::Uuid => Self::Uuid,
            SqlType::Inet4 => Self::Inet4,
            SqlType::Inet6 => Self::Inet6,
            SqlType::Binary => Self::Binary {
                handling: options.binary,
                length: column.length.unwrap_or(1).min(255) as usize,
            },
            SqlType::VarBinary
            | SqlType::TinyBlob
            | SqlType::Blob
            | SqlType::MediumBlob
            | SqlType::LongBlob => Self::Binary { handling: options.binary, length: 0 },
            _ => Self::Text(column.charset.as_deref().map_or(Charset::Utf8, Charset::of_name)),
        }
    }

    /// Starts the schema, without default and not optional yet.
    pub(crate) fn schema(&self) -> SchemaBuilder {
        match self {
            Self::Boolean => Schema::builder(SchemaType::Boolean),
            Self::Int16 => Schema::builder(SchemaType::Int16),
            Self::Int32 => Schema::builder(SchemaType::Int32),
            Self::Int64 => Schema::builder(SchemaType::Int64),
            Self::UnsignedDecimal => decimal_schema(20, 0),
            Self::Float32 => Schema::builder(SchemaType::Float32),
            Self::Float64 => Schema::builder(SchemaType::Float64),
            Self::Decimal(form) => form_schema(*form),
            Self::Bits { bits } => {
                named(SchemaType::Bytes, "io.debezium.data.Bits").parameter("length", bits.to_string())
            }
            Self::Year { .. } => named(SchemaType::Int32, "io.debezium.time.Year"),
            Self::Date { form, .. } => form.schema(),
            Self::Time(form) => form.schema(),
            Self::DateTime { form, .. } => form.schema(),
            Self::Timestamp { .. } => named(SchemaType::String, "io.debezium.time.ZonedTimestamp"),
            Self::Binary { handling: BinaryHandling::Bytes, .. } => Schema::builder(SchemaType::Bytes),
            Self::Text(_) | Self::Binary { .. } | Self::Inet4 | Self::Inet6 => {
                Schema::builder(SchemaType::String)
            }
            Self::Uuid => named(SchemaType::String, "io.debezium.data.Uuid"),
            Self::Json | Self::JsonText => named(SchemaType::String, "io.debezium.data.Json"),
            Self::Enum(words) => words_schema("io.debezium.data.Enum", words),
            Self::Set(words) => words_schema("io.debezium.data.EnumSet", words),
            Self::Point => POINT.to_builder(),
            Self::Geometry => GEOMETRY.to_builder(),
            Self::Vector => Schema::array(Schema::plain(SchemaType::Float32))
                .name("io.debezium.data.FloatVector")
                .version(1),
        }
    }

    /// What stands in a required column where there is no value, as Debezium has it: a zero of the type.
    pub(crate) fn zero(&self) -> Value {
        match self {
            Self::Boolean => Value::Boolean(false),
            Self::Int16 => Value::Int16(0),
            Self::Int32 | Self::Year { .. } => Value::Int32(0),
            Self::Int64 => Value::Int64(0),
            Self::UnsignedDecimal => unsigned_decimal(0),
            Self::Float32 => Value::Float32(0.0),
            Self::Float64 => Value::Float64(0.0),
            Self::Decimal(form) => form.parsed("0").unwrap_or_default(),
            Self::Bits { .. } => Value::Bytes(Bytes::new()),
            Self::Date { form, .. } => form.value(EPOCH).unwrap_or_default(),
            Self::Time(form) => form.value(0).unwrap_or_default(),
            Self::DateTime { form, .. } => form.value(EPOCH).unwrap_or_default(),
            Self::Timestamp { .. } => Value::from_static("1970-01-01T00:00:00Z"),
            Self::Binary { handling, .. } => binary(*handling, Bytes::new()),
            Self::Json | Self::JsonText => Value::from_static("{}"),
            Self::Vector => Value::Array(Vec::new()),
            Self::Point => geometry(&POINT, EMPTY_GEOMETRY).unwrap_or_default(),
            Self::Geometry => geometry(&GEOMETRY, EMPTY_GEOMETRY).unwrap_or_default(),
            Self::Text(_) | Self::Enum(_) | Self::Set(_) | Self::Uuid | Self::Inet4 | Self::Inet6 => {
                Value::from_static("")
            }
        }
    }
}

const EPOCH: super::temporal::DateTime =
    super::temporal::DateTime { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0 };

/// SRID 0 and an empty GEOMETRYCOLLECTION.
const EMPTY_GEOMETRY: Bytes = Bytes::from_static(&[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0]);

static POINT: LazyLock<SchemaRef> = LazyLock::new(|| {
    named(SchemaType::Struct, "io.debezium.data.geometry.Point")
        .doc("Geometry (POINT)")
        .field("x", Schema::plain(SchemaType::Float64))
        .field("y", Schema::plain(SchemaType::Float64))
        .field("wkb", Schema::plain_optional(SchemaType::Bytes))
        .field("srid", Schema::plain_optional(SchemaType::Int32))
        .build()
});

static GEOMETRY: LazyLock<SchemaRef> = LazyLock::new(|| {
    named(SchemaType::Struct, "io.debezium.data.geometry.Geometry")
        .doc("Geometry")
        .field("wkb", Schema::plain(SchemaType::Bytes))
        .field("srid", Schema::plain_optional(SchemaType::Int32))
        .build()
});

fn decimal_schema(precision: usize, scale: usize) -> SchemaBuilder {
    logical::decimal(i32::try_from(scale).unwrap_or_default())
        .parameter("connect.decimal.precision", precision.to_string())
}

fn form_schema(form: DecimalForm) -> SchemaBuilder {
    match form.handling {
        super::DecimalHandling::Precise => decimal_schema(form.precision, form.scale),
        super::DecimalHandling::Double => Schema::builder(SchemaType::Float64),
        super::DecimalHandling::String => Schema::builder(SchemaType::String),
    }
}

fn words_schema(name: &'static str, words: &[Text]) -> SchemaBuilder {
    let all: Vec<&str> = words.iter().map(|word| &**word).collect();
    named(SchemaType::String, name).parameter("allowed", all.join(","))
}

/// Debezium escapes the commas of a word in the list of words and in the binlog's values, but not in a snapshot's.
fn escaped(word: &Text) -> Text {
    if word.contains(',') { word.replace(',', "\\,").into() } else { word.clone() }
}

/// BINARY and BLOB in their handling.
pub(crate) fn binary(handling: BinaryHandling, bytes: Bytes) -> Value {
    match handling {
        BinaryHandling::Bytes => Value::Bytes(bytes),
        BinaryHandling::Base64 => Value::from(BASE64_STANDARD.encode(bytes)),
        BinaryHandling::Base64UrlSafe => Value::from(BASE64_URL_SAFE.encode(bytes)),
        BinaryHandling::Hex => {
            let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            Value::from(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect::<String>())
        }
    }
}

/// A geometry as MySQL stores it: four bytes of SRID, then WKB. `None` when it is cut off, or no point where one is due.
pub(crate) fn geometry(schema: &SchemaRef, bytes: Bytes) -> Option<Value> {
    let point = schema.fields().len() > 2;
    let srid = i32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let wkb = bytes.slice(4..);
    let srid = if srid == 0 { Value::Null } else { Value::Int32(srid) };
    let values = if point {
        let coordinate = |from: usize| {
            let eight: [u8; 8] = wkb.get(from..from + 8)?.try_into().ok()?;
            Some(if wkb[0] == 0 { f64::from_be_bytes(eight) } else { f64::from_le_bytes(eight) })
        };
        let (x, y) = (coordinate(5).unwrap_or(0.0), coordinate(13).unwrap_or(0.0));
        if wkb.len() != 21 && bytes != EMPTY_GEOMETRY {
            return None;
        }
        vec![Value::Float64(x), Value::Float64(y), Value::Bytes(wkb), srid]
    } else {
        vec![Value::Bytes(wkb), srid]
    };
    Struct::of(Arc::clone(schema), values).ok().map(Value::Struct)
}

/// A struct with another schema of the same fields; anything else as it is.
pub(crate) fn restructured(value: &Value, schema: &SchemaRef) -> Value {
    let again = value.as_struct().and_then(|old| Struct::of(Arc::clone(schema), old.values().to_vec()).ok());
    again.map_or_else(|| value.clone(), Value::Struct)
}

/// 32-bit numbers, least significant byte first. `None` when the last one is cut off.
pub(crate) fn vector(bytes: &[u8]) -> Option<Value> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty()
        .then(|| Value::Array(numbers.iter().map(|four| Value::Float32(f32::from_le_bytes(*four))).collect()))
}

/// The words of a SET whose bits are on, with commas between; `None` when a bit stands for no word.
pub(crate) fn set(words: &[Text], bits: u64) -> Option<Value> {
    let chosen = (0..64_usize).filter(|place| bits >> place & 1 == 1);
    let mut text = String::new();
    for (count, place) in chosen.enumerate() {
        let word = words.get(place)?;
        if count == 0 && bits.is_power_of_two() {
            return Some(Value::String(word.clone()));
        }
        if count > 0 {
            text.push(',');
        }
        text.push_str(word);
    }
    Some(Value::from(text))
}

/// The word of an ENUM by its number from 1; 0 is the empty word for a value that was refused.
pub(crate) fn word(words: &[Text], number: u64) -> Option<Value> {
    let Some(place) = number.checked_sub(1) else { return Some(Value::from_static("")) };
    usize::try_from(place).ok().and_then(|place| words.get(place)).map(|word| Value::String(word.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_join_their_words_and_refuse_bits_without_one() {
        let words: Vec<Text> = ["a", "b", "c"].into_iter().map(Text::from).collect();
        assert_eq!(set(&words, 0), Some(Value::from("")));
        assert_eq!(set(&words, 0b100), Some(Value::from("c")));
        assert_eq!(set(&words, 0b101), Some(Value::from("a,c")));
        assert_eq!(set(&words, 0b1000), None);
        assert_eq!(word(&words, 0), Some(Value::from("")));
        assert_eq!(word(&words, 4), None);
    }

    #[test]
    fn points_must_be_points() {
        assert_eq!(geometry(&POINT, Bytes::from_static(&[0, 0, 0])), None);
        assert_eq!(geometry(&POINT, Bytes::from_static(&[0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0])), None);
        assert!(geometry(&GEOMETRY, Bytes::from_static(&[0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0])).is_some());
    }

    #[test]
    fn binary_is_written_as_it_is_asked_for() {
        let bytes = Bytes::from_static(&[0xfb, 0xff, 0x0a]);
        assert_eq!(binary(BinaryHandling::Base64, bytes.clone()), Value::from("+/8K"));
        assert_eq!(binary(BinaryHandling::Base64UrlSafe, bytes.clone()), Value::from("-_8K"));
        assert_eq!(binary(BinaryHandling::Hex, bytes), Value::from("fbff0a"));
    }
}
