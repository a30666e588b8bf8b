//! The Avro schema of a Connect schema: the same that Confluent's `AvroData.fromConnectSchema` makes, so that both registries' subjects agree.
//!
//! Off the hot path: once a schema. Invariant: what Avro cannot say stands in properties (`connect.*`), from which `to_connect` makes
//! the same Connect schema again.

use std::collections::HashSet;

use api::{Schema, SchemaRef, SchemaType, logical};
use serde_json::Value as Json;

use super::anything;
use super::connect_json::json_of;
use super::marks::{self, is_fixed, is_union};
use super::names::{field_name, name_of};
use super::options::DataOptions;
use super::schema::{
    Avro, AvroRef, DEFAULT_NAME, Enum, Field, Fixed, Kind, MAP_ENTRY, NAMESPACE, Name, Record,
};
use crate::json::fault::Fault;

/// How deep a schema may go.
pub(super) const DEPTH_MAX: usize = 64;

/// The precision of a decimal whose schema does not say it.
const PRECISION_DEFAULT: i64 = 64;

/// The Avro schema of a Connect schema.
///
/// # Errors
/// What Avro cannot say: names that it does not allow, two different types of one name.
pub(super) fn avro_of(schema: &SchemaRef, options: DataOptions) -> Result<AvroRef, Fault> {
    let mut maker = Maker { options, named: Vec::new(), nameless: 0, depth: 0 };
    maker.schema(schema, false)
}

/// Whether a map is Avro's: with keys of text. Others are lists of entries.
pub(super) fn has_text_keys(schema: &Schema, options: DataOptions) -> bool {
    schema.key_schema().is_some_and(|keys| {
        keys.kind() == SchemaType::String && (!keys.is_optional() || options.optional_map_keys)
    })
}

struct Maker {
    options: DataOptions,
    /// Structs that have their record already.
    named: Vec<(SchemaRef, AvroRef)>,
    /// How many types without a name there are.
    nameless: usize,
    depth: usize,
}

impl Maker {
    fn schema(&mut self, schema: &SchemaRef, ignore_optional: bool) -> Result<AvroRef, Fault> {
        if let Some((_, known)) = self.known(schema) {
            return Ok(AvroRef::clone(known));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::new(format!("the schema is more than {DEPTH_MAX} levels deep")));
        }
        let avro = self.new_schema(schema, ignore_optional);
        self.depth -= 1;
        let avro = avro?;
        if schema.kind() == SchemaType::Struct && !schema.is_optional() {
            self.named.push((SchemaRef::clone(schema), AvroRef::clone(&avro)));
        }
        Ok(avro)
    }

    fn known(&self, schema: &SchemaRef) -> Option<&(SchemaRef, AvroRef)> {
        let may_be = schema.kind() == SchemaType::Struct && !is_union(schema) && !schema.is_optional();
        may_be.then(|| self.named.iter().find(|(known, _)| api::same_schema(known, schema))).flatten()
    }

    fn new_schema(&mut self, schema: &SchemaRef, ignore_optional: bool) -> Result<AvroRef, Fault> {
        if is_union(schema) {
            return self.union(schema);
        }
        if schema.kind() == SchemaType::Struct && schema.is_optional() {
            let record = self.schema(&required(schema), false)?;
            return Ok(optional(record, false));
        }
        let mut avro = Avro::plain(self.kind(schema)?);
        if schema.name().is_some_and(|name| name.eq_ignore_ascii_case(logical::DECIMAL)) {
            decimal_props(schema, &mut avro)?;
        }
        if let (SchemaType::Map, Some(_), Kind::Array(entry)) = (schema.kind(), schema.name(), &mut avro.kind)
        {
            let mut named = Avro::clone(entry);
            named.add_prop("connect.internal.type", MAP_ENTRY);
            *entry = named.into();
        }
        if self.options.connect_meta_data {
            self.connect_props(schema, &mut avro)?;
        }
        if let Some(logical_type) = schema.name().and_then(logical_type) {
            avro.add_prop("logicalType", logical_type);
        }
        for (name, value) in schema.parameters().iter().filter(|(name, _)| name.starts_with("avro")) {
            avro.add_prop(name, &**value);
        }
        let avro = AvroRef::new(avro);
        Ok(match schema.is_optional() && !ignore_optional {
            true => optional(avro, schema.default_value().is_some()),
            false => avro,
        })
    }

    fn kind(&mut self, schema: &SchemaRef) -> Result<Kind, Fault> {
        Ok(match schema.kind() {
            SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 => Kind::Int,
            SchemaType::Int64 => Kind::Long,
            SchemaType::Float32 => Kind::Float,
            SchemaType::Float64 => Kind::Double,
            SchemaType::Boolean => Kind::Boolean,
            SchemaType::String => self.text(schema)?,
            SchemaType::Bytes if is_fixed(schema) => {
                Kind::Fixed(Fixed { name: self.name(schema)?, size: marks::fixed_size(schema)? })
            }
            SchemaType::Bytes => Kind::Bytes,
            SchemaType::Array => Kind::Array(self.part(schema.value_schema())?),
            SchemaType::Map if has_text_keys(schema, self.options) => {
                Kind::Map(self.part(schema.value_schema())?)
            }
            SchemaType::Map => Kind::Array(self.entry(schema)?),
            SchemaType::Struct => Kind::Record(self.record(schema)?),
        })
    }

    /// The schema of what a list or map holds; anything, if nobody says.
    fn part(&mut self, schema: Option<&SchemaRef>) -> Result<AvroRef, Fault> {
        schema.map_or_else(|| Ok(anything::schema()), |schema| self.schema(schema, false))
    }

    fn text(&mut self, schema: &Schema) -> Result<Kind, Fault> {
        let stays_enum = self.options.generalized || self.options.enhanced;
        if !stays_enum || !marks::is_enum(schema) {
            return Ok(Kind::String);
        }
        let mark = if self.options.generalized { marks::GENERAL_ENUM } else { marks::ENUM };
        let symbols = marks::symbols(schema, mark);
        let name = self.name_or_default(schema.name())?;
        let full =
            schema.parameter(mark).ok_or_else(|| Fault::new(format!("the enum has no parameter {mark}")))?;
        let said = |prefix: &str| schema.parameter(&format!("{prefix}{}", name.simple)).map(str::to_owned);
        let (doc, default) = match self.options.discard_type_doc_default {
            true => (schema.parameter(marks::CONNECT_ENUM_DOC).map(str::to_owned), None),
            false => (said(marks::ENUM_DOC), said(marks::ENUM_DEFAULT)),
        };
        Ok(Kind::Enum(Enum { name: name_of(full, false)?, doc, symbols, default }))
    }

    fn entry(&mut self, schema: &SchemaRef) -> Result<AvroRef, Fault> {
        let name = match schema.name() {
            Some(_) => self.name(schema)?,
            None => Name::new(NAMESPACE, MAP_ENTRY),
        };
        let mut fields = Vec::new();
        for (field, part) in [("key", schema.key_schema()), ("value", schema.value_schema())] {
            let part = part
                .ok_or_else(|| Fault::new("a map whose schema does not say what its keys and values are"))?;
            fields.push(self.field(field.to_owned(), part, None)?);
        }
        Ok(Avro::plain(Kind::Record(Record { name, doc: None, fields })).into())
    }

    fn record(&mut self, schema: &SchemaRef) -> Result<Record, Fault> {
        let name = self.name(schema)?;
        let discards = self.options.discard_type_doc_default;
        let doc = schema.parameter(if discards { marks::CONNECT_RECORD_DOC } else { marks::RECORD_DOC });
        let mut fields = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let doc = schema.parameter(&format!("{}{}", marks::FIELD_DOC, field.name));
            let doc = doc.filter(|_| !discards).map(str::to_owned);
            let made = field_name(&field.name, self.options.scrub)
                .and_then(|name| self.field(name, &field.schema, doc))
                .map_err(|fault| fault.inside(&field.name))?;
            fields.push(made);
        }
        Ok(Record { name, doc: doc.map(str::to_owned), fields })
    }

    fn field(&mut self, name: String, schema: &SchemaRef, doc: Option<String>) -> Result<Field, Fault> {
        let avro = self.schema(schema, false)?;
        let default = match schema.default_value() {
            Some(default) => Some(json_of(schema, default, self.options)?),
            None if schema.is_optional() => Some(Json::Null),
            None => None,
        };
        // What Avro would not take as a default is left out, as Confluent does; `connect.default` still says it.
        let default = default.filter(|default| super::default_value::is_valid(&avro, default));
        let doc = if self.options.discard_type_doc_default { schema.doc().map(str::to_owned) } else { doc };
        Ok(Field { name, schema: avro, doc, default })
    }

    fn union(&mut self, schema: &SchemaRef) -> Result<AvroRef, Fault> {
        let mut members = Vec::new();
        if schema.is_optional() {
            members.push(Avro::plain(Kind::Null).into());
        }
        let mut known = HashSet::new();
        for field in schema.fields() {
            let member =
                self.schema(&required(&field.schema), true).map_err(|fault| fault.inside(&field.name))?;
            // Avro tells members by their types, or by the names of those that have one.
            let is_other =
                known.insert(member.name().map_or_else(|| member.type_name().to_owned(), Name::full));
            if !is_other || matches!(member.kind, Kind::Union(_)) {
                return Err(Fault::new(format!(
                    "{} twice in a union, or a union in a union",
                    member.shown()
                ))
                .inside(&field.name));
            }
            members.push(member);
        }
        Ok(Avro::plain(Kind::Union(members)).into())
    }

    fn name(&mut self, schema: &Schema) -> Result<Name, Fault> {
        self.name_or_default(schema.name())
    }

    fn name_or_default(&mut self, name: Option<&str>) -> Result<Name, Fault> {
        if let Some(name) = name {
            return name_of(name, self.options.scrub);
        }
        self.nameless += 1;
        let number = if self.nameless > 1 { self.nameless.to_string() } else { String::new() };
        Ok(Name::new(NAMESPACE, format!("{DEFAULT_NAME}{number}")))
    }

    fn connect_props(&self, schema: &Schema, avro: &mut Avro) -> Result<(), Fault> {
        let discards = self.options.discard_type_doc_default;
        if let Some(doc) = schema.doc() {
            avro.add_prop("connect.doc", doc);
        }
        if let Some(version) = schema.version() {
            avro.add_prop("connect.version", version);
        }
        let told = schema.parameters().iter().filter(|(name, _)| discards || **name != *marks::FIELD_DEFAULT);
        let parameters: serde_json::Map<_, _> =
            told.map(|(name, value)| (name.to_string(), Json::from(&**value))).collect();
        if !parameters.is_empty() {
            avro.add_prop("connect.parameters", parameters);
        }
        let is_avros = !discards && schema.parameter(marks::FIELD_DEFAULT).is_some();
        if let Some(default) = schema.default_value().filter(|_| !is_avros) {
            avro.add_prop("connect.default", json_of(schema, default, self.options)?);
        }
        if let Some(name) = schema.name() {
            avro.add_prop("connect.name", name);
        }
        match schema.kind() {
            SchemaType::Int8 => avro.add_prop("connect.type", "int8"),
            SchemaType::Int16 => avro.add_prop("connect.type", "int16"),
            _ => {}
        }
        Ok(())
    }
}

/// The same schema without null.
fn required(schema: &SchemaRef) -> SchemaRef {
    match schema.is_optional() {
        true => schema.to_builder().with_optional(false).build(),
        false => SchemaRef::clone(schema),
    }
}

fn optional(avro: AvroRef, default_first: bool) -> AvroRef {
    let null = AvroRef::new(Avro::plain(Kind::Null));
    Avro::plain(Kind::Union(if default_first { vec![avro, null] } else { vec![null, avro] })).into()
}

fn logical_type(name: &str) -> Option<&'static str> {
    let types = [
        (logical::DECIMAL, "decimal"),
        (logical::TIME, "time-millis"),
        (logical::TIMESTAMP, "timestamp-millis"),
        (logical::DATE, "date"),
    ];
    types.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, logical_type)| *logical_type)
}

fn decimal_props(schema: &Schema, avro: &mut Avro) -> Result<(), Fault> {
    let number = |name: &str| {
        let parsed = schema.parameter(name).map(|text| {
            text.parse::<i64>().map_err(|cause| {
                Fault::new(format!("the parameter {name} of the Decimal is {text:?}: {cause}"))
            })
        });
        parsed.transpose()
    };
    let scale = number(logical::SCALE)?
        .ok_or_else(|| Fault::new("Invalid Decimal schema: scale parameter not found."))?;
    let precision = number(marks::PRECISION)?.unwrap_or(PRECISION_DEFAULT);
    avro.add_prop("scale", scale);
    avro.add_prop("precision", precision);
    Ok(())
}
