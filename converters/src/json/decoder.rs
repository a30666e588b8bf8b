//! JSON text read as a schema says: Connect's `JsonConverter.convertToConnect`.
//!
//! On the sink's hot path. Stricter than Connect where Connect changes data in silence: a text for a number, a number that does not fit, a
//! fraction for an integer are errors here and 0, other bits or cut off there. Fields come in any order; those in the schema's order are
//! found without a search.

use api::{Schema, SchemaRef, SchemaType, Struct, Text, Value, logical};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::decimal;
use super::fault::Fault;
use super::reader::{Number, Reader};

/// What the settings say about reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder {
    /// A null field is read as its schema's default.
    pub(super) replace_null_with_default: bool,
}

impl Decoder {
    /// The default value that a schema's JSON says.
    pub(super) fn read_default(schema: &SchemaRef, text: &str) -> Result<Value, Fault> {
        let text = Text::from(text);
        Self { replace_null_with_default: true }.read(schema, &mut Reader::new(&text))
    }

    /// Reads one value of this schema.
    pub(super) fn read(self, schema: &SchemaRef, reader: &mut Reader<'_>) -> Result<Value, Fault> {
        let first = reader.peek();
        if first == Some(b'n') {
            reader.word()?;
            return self.null(schema);
        }
        match (schema.kind(), first) {
            (SchemaType::String, Some(b'"')) => reader.string().map(Value::String),
            (SchemaType::Boolean, Some(b't' | b'f')) => reader.word(),
            (SchemaType::Float32 | SchemaType::Float64, Some(b'"')) => {
                special(schema.kind(), &reader.string()?)
            }
            (SchemaType::Bytes, Some(b'"')) => base64(&reader.string()?),
            (SchemaType::Bytes, Some(b'-' | b'0'..=b'9')) if schema.name() == Some(logical::DECIMAL) => {
                decimal::from_number(reader.number()?.text, schema)
            }
            (kind, Some(b'-' | b'0'..=b'9')) => number(kind, schema, &reader.number()?),
            (SchemaType::Array, Some(b'[')) => self.array(schema, reader),
            (SchemaType::Map, Some(b'{')) if has_text_keys(schema) => self.object(schema, reader),
            (SchemaType::Map, Some(b'[')) if !has_text_keys(schema) => self.pairs(schema, reader),
            (SchemaType::Struct, Some(b'{')) => self.structure(schema, reader),
            (_, Some(b'{' | b'[' | b'"' | b't' | b'f')) => Err(unfit(schema, node_type(first))),
            _ => Err(reader.syntax("a value is expected")),
        }
    }

    /// What stands for null, or for a field that is not there.
    fn null(self, schema: &Schema) -> Result<Value, Fault> {
        match schema.default_value() {
            Some(default) if self.replace_null_with_default => Ok(default.clone()),
            _ if schema.is_optional() => Ok(Value::Null),
            _ => Err(Fault::new(format!("Invalid null value for required {} field", schema.kind().name()))),
        }
    }

    fn array(self, schema: &Schema, reader: &mut Reader<'_>) -> Result<Value, Fault> {
        let items = part(schema.value_schema())?;
        let mut values = Vec::new();
        reader.array(|reader| {
            values.push(self.read(items, reader)?);
            Ok(())
        })?;
        Ok(Value::Array(values))
    }

    fn object(self, schema: &Schema, reader: &mut Reader<'_>) -> Result<Value, Fault> {
        let values = part(schema.value_schema())?;
        let mut entries = Vec::new();
        reader.object(|reader, key| {
            let value = self.read(values, reader).map_err(|fault| fault.inside(&key))?;
            entries.push((Value::String(reader.text(key)), value));
            Ok(())
        })?;
        Ok(Value::Map(super::reader::without_duplicates(entries)))
    }

    fn pairs(self, schema: &Schema, reader: &mut Reader<'_>) -> Result<Value, Fault> {
        let (keys, values) = (part(schema.key_schema())?, part(schema.value_schema())?);
        let mut entries = Vec::new();
        reader.array(|reader| {
            if reader.peek() != Some(b'[') {
                return Err(Fault::new(format!(
                    "Found invalid map entry instead of array tuple: {}",
                    node_type(reader.peek())
                )));
            }
            let mut pair = Vec::with_capacity(2);
            reader.array(|reader| {
                let read = match pair.len() {
                    0 => self.read(keys, reader)?,
                    1 => self.read(values, reader)?,
                    _ => reader.skip().map(|()| Value::Null)?,
                };
                pair.push(read);
                Ok(())
            })?;
            let length = pair.len();
            let pair = <[Value; 2]>::try_from(pair);
            let wrong =
                |_pair| Fault::new(format!("Found invalid map entry, expected length 2 but found :{length}"));
            entries.push(pair.map_err(wrong)?.into());
            Ok(())
        })?;
        Ok(Value::Map(entries))
    }

    fn structure(self, schema: &SchemaRef, reader: &mut Reader<'_>) -> Result<Value, Fault> {
        let fields = schema.fields();
        let mut read: Vec<Option<Value>> = vec![None; fields.len()];
        let mut expected = 0;
        reader.object(|reader, key| {
            let place = match fields.get(expected) {
                Some(field) if field.name == key => Some(expected),
                _ => schema.field(&key).map(|(place, _)| place),
            };
            let Some(place) = place else { return reader.skip() };
            expected = place + 1;
            read[place] = Some(self.read(&fields[place].schema, reader).map_err(|fault| fault.inside(&key))?);
            Ok(())
        })?;
        let whole = |(field, value): (&api::Field, Option<Value>)| match value {
            Some(value) => Ok(value),
            None => self.null(&field.schema).map_err(|fault| fault.inside(&field.name)),
        };
        let values = fields.iter().zip(read).map(whole).collect::<Result<Vec<_>, _>>()?;
        let whole = Struct::of(SchemaRef::clone(schema), values);
        whole.map(Value::Struct).map_err(|cause| Fault::new(cause.to_string()))
    }
}

fn has_text_keys(schema: &Schema) -> bool {
    schema.key_schema().is_some_and(|keys| keys.kind() == SchemaType::String)
}

fn part(schema: Option<&SchemaRef>) -> Result<&SchemaRef, Fault> {
    schema.ok_or_else(|| Fault::new("The schema does not say what its items are"))
}

/// A number for a schema that has numbers, in its range.
fn number(kind: SchemaType, schema: &Schema, number: &Number<'_>) -> Result<Value, Fault> {
    let out_of_range = || Fault::new(format!("Number {} does not fit {}", number.text, kind.name()));
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a FLOAT32 is the nearest one to the text's number, as in Java"
    )]
    let float = |number: f64| number as f32;
    Ok(match kind {
        SchemaType::Float32 => Value::Float32(number.text.parse().unwrap_or(float(number.double()?))),
        SchemaType::Float64 => Value::Float64(number.double()?),
        SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64
            if !number.is_integer =>
        {
            return Err(Fault::new(format!(
                "Number {} is not an integer, but the schema says {}",
                number.text,
                kind.name()
            )));
        }
        SchemaType::Int8 => Value::Int8(i8::try_from(number.integer()?).ok().ok_or_else(out_of_range)?),
        SchemaType::Int16 => Value::Int16(i16::try_from(number.integer()?).ok().ok_or_else(out_of_range)?),
        SchemaType::Int32 => Value::Int32(i32::try_from(number.integer()?).ok().ok_or_else(out_of_range)?),
        SchemaType::Int64 => Value::Int64(number.integer()?),
        _ => return Err(unfit(schema, "NUMBER")),
    })
}

/// What the encoder writes for numbers that JSON has no form for.
fn special(kind: SchemaType, text: &str) -> Result<Value, Fault> {
    let number = match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return Err(Fault::new(format!("Invalid type for {}: STRING", kind.name()))),
    };
    #[allow(clippy::cast_possible_truncation, reason = "these three are the same in both widths")]
    Ok(if kind == SchemaType::Float32 { Value::Float32(number as f32) } else { Value::Float64(number) })
}

fn base64(text: &str) -> Result<Value, Fault> {
    let decoded =
        STANDARD.decode(text).map_err(|cause| Fault::new(format!("Invalid bytes field: {cause}")))?;
    Ok(Value::Bytes(decoded.into()))
}

/// Connect's words for a value of the wrong shape.
fn unfit(schema: &Schema, found: &str) -> Fault {
    let short_name = schema.name().and_then(|name| name.strip_prefix("org.apache.kafka.connect.data."));
    Fault::new(match (schema.kind(), short_name) {
        (_, Some("Decimal")) => format!(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but was {found}"
        ),
        (_, Some(name @ ("Date" | "Time" | "Timestamp"))) => {
            format!("Invalid type for {name}, underlying representation should be integer but was {found}")
        }
        (SchemaType::Struct, _) => format!("Structs should be encoded as JSON objects, but found {found}"),
        (SchemaType::Array, _) => format!("Arrays should be encoded as JSON arrays, but found {found}"),
        (SchemaType::Map, _) if has_text_keys(schema) => {
            format!("Maps with string fields should be encoded as JSON objects, but found {found}")
        }
        (SchemaType::Map, _) => format!(
            "Maps with non-string fields should be encoded as JSON array of tuples, but found {found}"
        ),
        (kind, _) => format!("Invalid type for {}: {found}", kind.name()),
    })
}

/// Jackson's name for the kind of value that starts with this character.
const fn node_type(first: Option<u8>) -> &'static str {
    match first {
        Some(b'{') => "OBJECT",
        Some(b'[') => "ARRAY",
        Some(b'"') => "STRING",
        Some(b't' | b'f') => "BOOLEAN",
        Some(b'n') => "NULL",
        Some(_) => "NUMBER",
        None => "MISSING",
    }
}
