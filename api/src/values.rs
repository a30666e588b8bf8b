//! The type that a text has by itself (Connect's `Values.parseString`): what headers are read with, and what literals in settings mean.
//!
//! The invariant: reading never loses a part of the text. Connect takes `1` from `1:2`, `14` from `14:34:54Z`, and a day of March from
//! `2019-02-30`; here what is not one value as a whole stays a string. Values in lists and maps have a type only if all fit one, else the
//! list says none, as in Connect.

use crate::schema::{Schema, SchemaRef, SchemaType};
use crate::value::{SchemaAndValue, Value};

mod parse;

pub use parse::parse;

/// The schema that all these values fit, if there is one, and the values widened to it: integers to the widest, with decimals to floats.
fn common(values: Vec<SchemaAndValue>) -> Result<(Option<SchemaRef>, Vec<Value>), MixedNull> {
    let nulls = values.iter().filter(|datum| datum.value.is_null()).count();
    if nulls > 0 {
        let mixed = nulls < values.len();
        return if mixed {
            Err(MixedNull)
        } else {
            Ok((None, values.into_iter().map(|datum| datum.value).collect()))
        };
    }
    let rank = |datum: &SchemaAndValue| {
        datum.schema.as_ref().and_then(|schema| NUMBERS.iter().position(|kind| is_plain(schema, *kind)))
    };
    let ranks: Option<Vec<usize>> = values.iter().map(rank).collect();
    if let Some(widest) = ranks.and_then(|ranks| ranks.into_iter().max()).map(|widest| NUMBERS[widest]) {
        let widened = values.into_iter().map(|datum| widen(&datum.value, widest)).collect();
        return Ok((Some(Schema::plain(widest)), widened));
    }
    let first = values.first().and_then(|datum| datum.schema.clone());
    let schema = first.filter(|first| values.iter().all(|datum| datum.schema.as_ref() == Some(first)));
    Ok((schema, values.into_iter().map(|datum| datum.value).collect()))
}

/// A list of values and nulls, which Connect does not take for a list.
#[derive(Debug)]
struct MixedNull;

/// The numbers from narrow to wide.
const NUMBERS: [SchemaType; 6] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
];

fn is_plain(schema: &Schema, kind: SchemaType) -> bool {
    schema.kind() == kind && schema.name().is_none()
}

fn widen(value: &Value, kind: SchemaType) -> Value {
    #[allow(
        clippy::cast_precision_loss,
        reason = "Connect widens integers among floats to the nearest float"
    )]
    let float = |integer: i64| integer as f64;
    #[allow(clippy::cast_possible_truncation, reason = "the same, for the narrower float")]
    let narrow = |number: f64| number as f32;
    let number = match value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        other => other.as_i64().map_or(0.0, float),
    };
    match (kind, value.as_i64()) {
        (SchemaType::Int16, Some(integer)) => {
            i16::try_from(integer).map_or(Value::Int64(integer), Value::Int16)
        }
        (SchemaType::Int32, Some(integer)) => {
            i32::try_from(integer).map_or(Value::Int64(integer), Value::Int32)
        }
        (SchemaType::Int64, Some(integer)) => Value::Int64(integer),
        (SchemaType::Float32, _) => Value::Float32(narrow(number)),
        (SchemaType::Float64, _) => Value::Float64(number),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests;
