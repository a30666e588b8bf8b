//! From the writer's schema, the reader's and the Connect schema of the reader's to what reads.
//!
//! Avro's resolution: fields and symbols by name, numbers widen, what the data lacks has its default, what the reader lacks is passed over.
//! A member of a union that cannot be read is an error of the datum that has it, not of the schema. Off the hot path.

use std::collections::{HashMap, HashSet};

use api::{SchemaRef, SchemaType, Text, Value};

use super::{Decoder, Read, ReadStruct};
use crate::avro::default_value;
use crate::avro::options::DataOptions;
use crate::avro::schema::{Avro, Enum, Kind, Record};
use crate::avro::to_connect::{ToConnect, only_member};
use crate::json::fault::Fault;

/// What reads data of the `writer` schema as values of the Connect schema that was made of the `reader` schema; no schema is for
/// values that have none.
///
/// # Errors
/// Where the schemas do not go together.
pub(in crate::avro) fn compile(
    writer: &Avro,
    reader: &Avro,
    schema: Option<&SchemaRef>,
    options: DataOptions,
) -> Result<Decoder, Fault> {
    let root = match schema {
        Some(schema) => Compiler { options }.read(writer, reader, schema)?,
        None if writer.is_anything() => Read::Anything,
        None => return Err(unfit(writer, reader)),
    };
    Ok(Decoder { root, is_raw: matches!(writer.kind, Kind::Bytes) && matches!(reader.kind, Kind::Bytes) })
}

#[derive(Clone, Copy)]
struct Compiler {
    options: DataOptions,
}

impl Compiler {
    fn read(self, writer: &Avro, reader: &Avro, schema: &SchemaRef) -> Result<Read, Fault> {
        if let Kind::Union(members) = &writer.kind {
            let members = members.iter().map(|member| self.member(member, reader, schema));
            return Ok(Read::Member(members.collect()));
        }
        let Kind::Union(members) = &reader.kind else { return self.plain(writer, reader, schema) };
        if let Some((member, _)) = only_member(members, self.options) {
            return self.plain(writer, member, schema);
        }
        // The fields of the struct are the members but null, in order.
        let mut places = 0..;
        let candidates: Vec<_> = members
            .iter()
            .filter(|member| !matches!(member.kind, Kind::Null))
            .filter_map(|member| Some((member, places.next()?)))
            .collect();
        let same = candidates.iter().position(|(member, _)| member.kind == writer.kind);
        let named = || {
            candidates.iter().position(|(member, _)| {
                member.name() == writer.name() && member.type_name() == writer.type_name()
            })
        };
        let kin = || candidates.iter().position(|(member, _)| member.type_name() == writer.type_name());
        let first = same.or_else(named).or_else(kin);
        let order = first.into_iter().chain(0..candidates.len());
        let mut failure = unfit(writer, reader);
        for (member, place) in order.filter_map(|index| candidates.get(index)) {
            let field = schema.fields().get(*place).ok_or_else(|| unfit(writer, reader))?;
            match self.plain(writer, member, &field.schema) {
                Ok(read) => return Ok(Read::InUnion(SchemaRef::clone(schema), *place, Box::new(read))),
                Err(fault) => failure = fault,
            }
        }
        Err(failure)
    }

    /// A member of the writer's union.
    fn member(self, writer: &Avro, reader: &Avro, schema: &SchemaRef) -> Result<Read, Fault> {
        match (&writer.kind, &reader.kind) {
            (Kind::Null, Kind::Null) => Ok(Read::Null),
            (Kind::Null, Kind::Union(members))
                if members.iter().any(|member| matches!(member.kind, Kind::Null)) =>
            {
                Ok(Read::Null)
            }
            (Kind::Null, _) => Err(unfit(writer, reader)),
            _ => self.read(writer, reader, schema),
        }
    }

    fn plain(self, writer: &Avro, reader: &Avro, schema: &SchemaRef) -> Result<Read, Fault> {
        Ok(match (&writer.kind, &reader.kind) {
            (Kind::Boolean, Kind::Boolean) => Read::Boolean,
            (Kind::Int, Kind::Int) => match schema.kind() {
                SchemaType::Int8 => Read::Int8,
                SchemaType::Int16 => Read::Int16,
                _ => Read::Int32,
            },
            (Kind::Int | Kind::Long, Kind::Long) => Read::Int64,
            (Kind::Int | Kind::Long, Kind::Float) => Read::IntegerAsFloat,
            (Kind::Int | Kind::Long, Kind::Double) => Read::IntegerAsDouble,
            (Kind::Float, Kind::Float) => Read::Float,
            (Kind::Float, Kind::Double) => Read::FloatAsDouble,
            (Kind::Double, Kind::Double) => Read::Double,
            (Kind::Bytes | Kind::String, Kind::Bytes) => Read::Bytes,
            (Kind::Bytes | Kind::String, Kind::String) => Read::Text,
            (Kind::Fixed(left), Kind::Fixed(right)) if left.size == right.size => Read::Fixed(left.size),
            (Kind::Enum(left), Kind::Enum(right)) => symbols(left, right),
            (Kind::Array(left), Kind::Array(right)) if schema.kind() == SchemaType::Map => {
                self.entries(left, right, schema)?
            }
            (Kind::Array(left), Kind::Array(right)) => Read::Array(Box::new(self.part(left, right, schema)?)),
            (Kind::Map(left), Kind::Map(right)) => Read::Map(Box::new(self.part(left, right, schema)?)),
            (Kind::Record(left), Kind::Record(right)) => {
                Read::Struct(Box::new(self.structure(left, right, schema)?))
            }
            _ => return Err(unfit(writer, reader)),
        })
    }

    fn part(self, writer: &Avro, reader: &Avro, schema: &SchemaRef) -> Result<Read, Fault> {
        match schema.value_schema() {
            Some(part) => self.read(writer, reader, part),
            None => Err(unfit(writer, reader)),
        }
    }

    fn entries(self, writer: &Avro, reader: &Avro, schema: &SchemaRef) -> Result<Read, Fault> {
        let (Kind::Record(left), Kind::Record(right)) = (&writer.kind, &reader.kind) else {
            return Err(unfit(writer, reader));
        };
        let part = |name: &str, schema: Option<&SchemaRef>| {
            let of = |record: &Record| record.fields.iter().position(|field| field.name == name);
            let (Some(from), Some(to), Some(schema)) = (of(left), of(right), schema) else {
                return Err(unfit(writer, reader));
            };
            Ok((from, self.read(&left.fields[from].schema, &right.fields[to].schema, schema)?))
        };
        let (key, value) = (part("key", schema.key_schema())?, part("value", schema.value_schema())?);
        if (key.0, value.0, left.fields.len()) != (0, 1, 2) {
            return Err(Fault::new("an entry of a map whose fields are not \"key\" and \"value\""));
        }
        Ok(Read::Entries(Box::new((key.1, value.1))))
    }

    fn structure(self, writer: &Record, reader: &Record, schema: &SchemaRef) -> Result<ReadStruct, Fault> {
        if writer.name.simple != reader.name.simple {
            return Err(Fault::new(format!(
                "data of the record {} cannot be read as {}",
                writer.name.full(),
                reader.name.full()
            )));
        }
        let places: HashMap<_, _> =
            reader.fields.iter().enumerate().map(|(place, field)| (&*field.name, (place, field))).collect();
        let mut fields = Vec::with_capacity(writer.fields.len());
        for field in &writer.fields {
            let read = match (places.get(&*field.name), schema.fields()) {
                (Some((place, to)), fields) if *place < fields.len() => self
                    .read(&field.schema, &to.schema, &fields[*place].schema)
                    .map(|read| (Some(*place), read)),
                _ => self.passed_over(&field.schema).map(|read| (None, read)),
            };
            fields.push(read.map_err(|fault| fault.inside(&field.name))?);
        }
        let is_same = reader.fields.len() == fields.len()
            && fields.iter().enumerate().all(|(index, (place, _))| *place == Some(index));
        let defaults = if is_same { None } else { Some(defaults(writer, reader, schema)?) };
        Ok(ReadStruct { schema: SchemaRef::clone(schema), fields: fields.into(), defaults })
    }

    /// What the reader does not have is read and let go.
    fn passed_over(self, writer: &Avro) -> Result<Read, Fault> {
        match ToConnect::new(self.options).schema(writer, None)? {
            Some(schema) => self.read(writer, writer, &schema),
            None => Ok(Read::Anything),
        }
    }
}

fn symbols(writer: &Enum, reader: &Enum) -> Read {
    let known: HashSet<_> = reader.symbols.iter().collect();
    let symbol = |symbol: &String| {
        let read = if known.contains(symbol) { Some(symbol) } else { reader.default.as_ref() };
        let unknown =
            || Fault::new(format!("the enum {} has no symbol {symbol} and no default", reader.name.full()));
        read.map(|symbol| Text::from(symbol.as_str())).ok_or_else(unknown)
    };
    Read::Enum(writer.symbols.iter().map(symbol).collect())
}

fn defaults(writer: &Record, reader: &Record, schema: &SchemaRef) -> Result<Box<[Value]>, Fault> {
    let default = |(place, field): (usize, &crate::avro::schema::Field)| {
        if writer.fields.iter().any(|written| written.name == field.name) {
            return Ok(Value::Null);
        }
        let missing = || {
            let reason =
                format!("the data does not have the field, and {} has no default for it", reader.name.full());
            Fault::new(reason).inside(&field.name)
        };
        let json = field.default.as_ref().ok_or_else(missing)?;
        let target = schema.fields().get(place).ok_or_else(missing)?;
        let avro = match &field.schema.kind {
            Kind::Union(members) => {
                members.iter().find(|member| default_value::is_valid(member, json)).unwrap_or(&field.schema)
            }
            _ => &field.schema,
        };
        default_value::value_of(&target.schema, avro, json)
    };
    reader.fields.iter().enumerate().map(default).collect()
}

fn unfit(writer: &Avro, reader: &Avro) -> Fault {
    Fault::new(format!("data of {} cannot be read as {}", writer.shown(), reader.shown()))
}
