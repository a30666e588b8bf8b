//! From two schemas to what writes: which value goes where.
//!
//! Off the hot path: once a schema and subject. Invariant: what compiles writes data that the Avro schema describes, whatever the value.

use std::collections::HashMap;

use api::{Field, Schema, SchemaRef, SchemaType};
use serde_json::Value as Json;

use super::{Encoder, FieldNode, Kind, Node, StructNode, UnionNode};
use crate::avro::default_value;
use crate::avro::from_connect::has_text_keys;
use crate::avro::marks::{is_enum, is_fixed, is_union};
use crate::avro::names::{field_name, name_of};
use crate::avro::options::DataOptions;
use crate::avro::schema::{Avro, AvroRef, DEFAULT_NAME, Kind as AvroKind, NAMESPACE, Name, Record};
use crate::avro::wire::{put_bytes, put_long};
use crate::json::fault::Fault;

/// How many members a union may have to be written: the number of one is a single byte.
const MEMBERS_MAX: usize = 64;

/// What writes values of the Connect schema as data of the Avro schema. No schema is for values that have none.
///
/// # Errors
/// Where the two do not go together.
pub(in crate::avro) fn compile(
    schema: Option<&SchemaRef>,
    avro: &Avro,
    options: DataOptions,
) -> Result<Encoder, Fault> {
    let compiler = Compiler { options };
    let root = match schema {
        Some(schema) => compiler.node(schema, avro, false)?,
        None => compiler.schemaless(avro)?,
    };
    let null = match schema {
        Some(schema) if !schema.is_optional() => Err(no_null()),
        _ => Ok(()),
    };
    Ok(Encoder { is_raw: matches!(avro.kind, AvroKind::Bytes), root, null })
}

#[derive(Clone, Copy)]
struct Compiler {
    options: DataOptions,
}

impl Compiler {
    fn schemaless(self, avro: &Avro) -> Result<Node, Fault> {
        if !avro.is_anything() {
            return Err(Fault::new(format!(
                "a value without a schema cannot be written as {}",
                avro.shown()
            )));
        }
        Ok(Node { member: None, kind: Kind::Anything, null: Ok(Box::from([0; 9])) })
    }

    /// `is_field`: null becomes the default there, if the schema has one (Connect's `Struct.get`).
    fn node(self, schema: &SchemaRef, avro: &Avro, is_field: bool) -> Result<Node, Fault> {
        let null = null_of(schema, avro);
        if is_union(schema) {
            let members = schema.fields().iter().map(|field| {
                let member = self.node(&field.schema, avro, false);
                member.map_err(|fault| fault.inside(&field.name))
            });
            let members = members.collect::<Result<_, _>>()?;
            let union = UnionNode { schema: SchemaRef::clone(schema), members, null: null.clone() };
            return Ok(Node { member: None, kind: Kind::Union(union), null });
        }
        let (member, target) = self.target(schema, avro)?;
        let mut node = Node { member, kind: self.kind(schema, target)?, null };
        if let (true, Some(default)) =
            (is_field && !self.options.ignore_default_for_nullables, schema.default_value())
        {
            let mut bytes = Vec::new();
            node.write(default.borrowed(), &mut bytes)?;
            node.null = Ok(bytes.into());
        }
        Ok(node)
    }

    /// The Avro type of the values of a schema, and which member of a union it is.
    fn target<'a>(self, schema: &Schema, avro: &'a Avro) -> Result<(Option<u8>, &'a Avro), Fault> {
        let AvroKind::Union(members) = &avro.kind else { return Ok((None, avro)) };
        let same_name = members.iter().position(|member| self.is_of(schema, member, true));
        let place = same_name.or_else(|| members.iter().position(|member| self.is_of(schema, member, false)));
        let place = place.ok_or_else(|| unfit(schema, avro))?;
        Ok((Some(member_byte(place, members.len())?), &members[place]))
    }

    fn is_of(self, schema: &Schema, avro: &Avro, by_name: bool) -> bool {
        let fits = match (schema.kind(), &avro.kind) {
            (SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32, AvroKind::Int) => true,
            (SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32, AvroKind::Long) => !by_name,
            (SchemaType::Int64, AvroKind::Long) => true,
            (SchemaType::Float32, AvroKind::Float) | (SchemaType::Float64, AvroKind::Double) => true,
            (SchemaType::Float32, AvroKind::Double) => !by_name,
            (SchemaType::Boolean, AvroKind::Boolean) => true,
            (SchemaType::String, AvroKind::String) => !by_name || !is_enum(schema),
            (SchemaType::String, AvroKind::Enum(symbols)) => {
                let said = |mark: &str| schema.parameter(mark) == Some(&*symbols.name.full());
                !by_name || said(crate::avro::marks::ENUM) || said(crate::avro::marks::GENERAL_ENUM)
            }
            (SchemaType::Bytes, AvroKind::Bytes) => true,
            (SchemaType::Bytes, AvroKind::Fixed(_)) => !by_name || is_fixed(schema),
            (SchemaType::Array, AvroKind::Array(_)) => true,
            (SchemaType::Map, AvroKind::Map(_)) => has_text_keys(schema, self.options),
            (SchemaType::Map, AvroKind::Array(_)) => !has_text_keys(schema, self.options),
            (SchemaType::Struct, AvroKind::Record(_)) => true,
            _ => false,
        };
        fits && (!by_name || self.has_same_name(schema, avro))
    }

    fn has_same_name(self, schema: &Schema, avro: &Avro) -> bool {
        let (Some(name), AvroKind::Record(_) | AvroKind::Fixed(_)) = (avro.name(), &avro.kind) else {
            return true;
        };
        match schema.name() {
            Some(full) => name_of(full, self.options.scrub).is_ok_and(|full| full == *name),
            None => name.full().starts_with(&Name::new(NAMESPACE, DEFAULT_NAME).full()),
        }
    }

    fn kind(self, schema: &SchemaRef, avro: &Avro) -> Result<Kind, Fault> {
        let unfit = || unfit(schema, avro);
        Ok(match (schema.kind(), &avro.kind) {
            (
                kind @ (SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32),
                AvroKind::Int | AvroKind::Long,
            ) => Kind::Integer(kind),
            (kind @ SchemaType::Int64, AvroKind::Long) => Kind::Integer(kind),
            (SchemaType::Float32, AvroKind::Float) => Kind::Float,
            (SchemaType::Float32, AvroKind::Double) => Kind::FloatAsDouble,
            (SchemaType::Float64, AvroKind::Double) => Kind::Double,
            (SchemaType::Boolean, AvroKind::Boolean) => Kind::Boolean,
            (SchemaType::String, AvroKind::String) => Kind::Text,
            (SchemaType::String, AvroKind::Enum(definition)) => {
                let numbers = definition.symbols.iter().zip(0i64..);
                Kind::Enum(
                    numbers
                        .map(|(symbol, number)| (symbol.as_str().into(), number))
                        .collect::<HashMap<_, _>>(),
                )
            }
            (SchemaType::Bytes, AvroKind::Bytes) => Kind::Bytes,
            (SchemaType::Bytes, AvroKind::Fixed(fixed)) => Kind::Fixed(fixed.size),
            (SchemaType::Array, AvroKind::Array(items)) => {
                Kind::Array(Box::new(self.part(schema.value_schema(), items)?))
            }
            (SchemaType::Map, AvroKind::Map(values)) => {
                Kind::Map(Box::new(self.part(schema.value_schema(), values)?))
            }
            (SchemaType::Map, AvroKind::Array(entry)) => {
                let AvroKind::Record(record) = &entry.kind else { return Err(unfit()) };
                let [key, value] = &*record.fields else { return Err(unfit()) };
                let key = self.part(schema.key_schema(), &key.schema)?;
                Kind::Entries(Box::new((key, self.part(schema.value_schema(), &value.schema)?)))
            }
            (SchemaType::Struct, AvroKind::Record(record)) => Kind::Struct(self.structure(schema, record)?),
            _ => return Err(unfit()),
        })
    }

    fn part(self, schema: Option<&SchemaRef>, avro: &AvroRef) -> Result<Node, Fault> {
        schema.map_or_else(|| self.schemaless(avro), |schema| self.node(schema, avro, false))
    }

    fn structure(self, schema: &SchemaRef, record: &Record) -> Result<StructNode, Fault> {
        let mut places = HashMap::with_capacity(schema.fields().len());
        for (place, field) in schema.fields().iter().enumerate() {
            places.insert(field_name(&field.name, self.options.scrub)?, (place, field));
        }
        let mut fields = Vec::with_capacity(record.fields.len());
        for avro_field in &record.fields {
            let made = match places.remove(&avro_field.name) {
                Some((place, Field { schema, .. })) => {
                    self.node(schema, &avro_field.schema, true).map(|node| FieldNode::Of(place, node))
                }
                None => constant(&avro_field.schema, avro_field.default.as_ref()).map(FieldNode::Constant),
            };
            fields.push(made.map_err(|fault| fault.inside(&avro_field.name))?);
        }
        // The order of a map is no order: of several, tell the first by name.
        if let Some(name) = places.keys().min() {
            return Err(Fault::new(format!("the record {} has no field {name}", record.name.full())));
        }
        Ok(StructNode::new(SchemaRef::clone(schema), fields))
    }
}

/// What is written for null where there is no default.
fn null_of(schema: &Schema, avro: &Avro) -> Result<Box<[u8]>, Fault> {
    let place = match &avro.kind {
        AvroKind::Union(members) => members.iter().position(|member| matches!(member.kind, AvroKind::Null)),
        _ => None,
    };
    match place {
        _ if !schema.is_optional() => Err(no_null()),
        Some(place) => Ok(Box::from([member_byte(place, 1)?])),
        None => Err(Fault::new(format!("null, which {} does not allow", avro.shown()))),
    }
}

fn no_null() -> Fault {
    Fault::new("Found null value for non-optional schema")
}

fn member_byte(place: usize, members: usize) -> Result<u8, Fault> {
    let byte = u8::try_from(place * 2).ok().filter(|_| place < MEMBERS_MAX);
    byte.ok_or_else(|| {
        Fault::new(format!("a union of {members} members: at most {MEMBERS_MAX} can be written"))
    })
}

fn unfit(schema: &Schema, avro: &Avro) -> Fault {
    let name = schema.name().map(|name| format!(" {name}")).unwrap_or_default();
    Fault::new(format!("{}{name} cannot be written as {}", schema.kind().name(), avro.shown()))
}

/// The default of a field that only Avro has, as data.
fn constant(avro: &Avro, default: Option<&Json>) -> Result<Box<[u8]>, Fault> {
    let missing = || {
        Fault::new("the record has this field and no default for it, and the Connect schema does not have it")
    };
    let mut out = Vec::new();
    put_json(avro, default.ok_or_else(missing)?, &mut out)?;
    Ok(out.into())
}

/// Appends a default value as data.
fn put_json(avro: &Avro, json: &Json, out: &mut Vec<u8>) -> Result<(), Fault> {
    let unfit = || Fault::new(format!("the default {json} does not fit {}", avro.shown()));
    match &avro.kind {
        AvroKind::Union(members) => {
            let fits = |member: &AvroRef| default_value::is_valid(member, json);
            let place = members.iter().position(fits).ok_or_else(unfit)?;
            out.push(member_byte(place, members.len())?);
            put_json(&members[place], json, out)?;
        }
        AvroKind::Null => {}
        AvroKind::Boolean => out.push(u8::from(json.as_bool().ok_or_else(unfit)?)),
        AvroKind::Int | AvroKind::Long => put_long(json.as_i64().ok_or_else(unfit)?, out),
        #[allow(clippy::cast_possible_truncation, reason = "a float is the nearest one, as in Java")]
        AvroKind::Float => out.extend_from_slice(&(json.as_f64().ok_or_else(unfit)? as f32).to_le_bytes()),
        AvroKind::Double => out.extend_from_slice(&json.as_f64().ok_or_else(unfit)?.to_le_bytes()),
        AvroKind::String => put_bytes(json.as_str().ok_or_else(unfit)?.as_bytes(), out),
        AvroKind::Bytes => {
            put_bytes(&json.as_str().and_then(default_value::bytes).ok_or_else(unfit)?, out);
        }
        AvroKind::Fixed(fixed) => {
            let bytes =
                json.as_str().and_then(default_value::bytes).filter(|bytes| bytes.len() == fixed.size);
            out.extend_from_slice(&bytes.ok_or_else(unfit)?);
        }
        AvroKind::Enum(definition) => {
            let place = definition.symbols.iter().position(|symbol| Some(&**symbol) == json.as_str());
            put_long(i64::try_from(place.ok_or_else(unfit)?).unwrap_or(i64::MAX), out);
        }
        AvroKind::Array(items) => {
            let values = json.as_array().ok_or_else(unfit)?;
            super::write_items(values, out, |value, out| put_json(items, value, out))?;
        }
        AvroKind::Map(values) => {
            let entries: Vec<_> = json.as_object().ok_or_else(unfit)?.iter().collect();
            super::write_items(&entries, out, |(key, value), out| {
                put_bytes(key.as_bytes(), out);
                put_json(values, value, out)
            })?;
        }
        AvroKind::Record(record) => {
            let object = json.as_object().ok_or_else(unfit)?;
            for field in &record.fields {
                let value = object.get(&field.name).or(field.default.as_ref()).ok_or_else(unfit)?;
                put_json(&field.schema, value, out)?;
            }
        }
        AvroKind::Recursive(_) => return Err(unfit()),
    }
    Ok(())
}
