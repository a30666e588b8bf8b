//! The Connect schema of an Avro schema: the same that Confluent's `AvroData.toConnectSchema` makes.
//!
//! Off the hot path: once a schema id. Invariant: of a schema that `from_connect` made, the Connect schema that it was made of comes back.
//! Schemas within themselves are refused: Connect's schemas are trees here.

use std::collections::HashSet;

use api::{Schema, SchemaBuilder, SchemaRef, SchemaType, logical};
use serde_json::Value as Json;

use super::default_value;
use super::marks;
use super::options::DataOptions;
use super::schema::{Avro, AvroRef, DEFAULT_NAME, Enum, Field, Kind, NAMESPACE, Record};
use crate::json::fault::Fault;

/// What the field around a schema says of it.
#[derive(Debug, Clone, Copy, Default)]
struct Around<'a> {
    optional: bool,
    default: Option<&'a Json>,
    doc: Option<&'a str>,
    /// The registry's number of the version, for the whole.
    version: Option<i32>,
}

/// Makes the Connect schemas of Avro schemas.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToConnect {
    options: DataOptions,
    /// How many unions have a name by now (`generalized.sum.type.support`).
    unions: usize,
}

impl ToConnect {
    /// With these options.
    pub(super) const fn new(options: DataOptions) -> Self {
        Self { options, unions: 0 }
    }

    /// The Connect schema of a whole Avro schema; `None` is for values without a schema.
    ///
    /// # Errors
    /// What Connect cannot say.
    pub(super) fn schema(mut self, avro: &Avro, version: Option<i32>) -> Result<Option<SchemaRef>, Fault> {
        if avro.is_anything() {
            return Ok(None);
        }
        self.make(avro, Around { version, ..Around::default() }).map(Some)
    }

    fn make(&mut self, avro: &Avro, around: Around<'_>) -> Result<SchemaRef, Fault> {
        if let Kind::Union(members) = &avro.kind {
            return self.union(avro, members, around);
        }
        let builder = self.builder(avro)?;
        self.finish(builder, avro, around)
    }

    fn builder(&mut self, avro: &Avro) -> Result<SchemaBuilder, Fault> {
        let logical_type = avro.prop("logicalType").and_then(Json::as_str).unwrap_or_default();
        let is = |name: &str| logical_type.eq_ignore_ascii_case(name);
        Ok(match &avro.kind {
            Kind::Boolean => Schema::builder(SchemaType::Boolean),
            Kind::Int if is("date") => logical::date(),
            Kind::Int if is("time-millis") => logical::time(),
            Kind::Int if !logical_type.is_empty() => Schema::builder(SchemaType::Int32),
            Kind::Int => Schema::builder(integer(avro)?),
            Kind::Long if is("timestamp-millis") => logical::timestamp(),
            Kind::Long => Schema::builder(SchemaType::Int64),
            Kind::Float => Schema::builder(SchemaType::Float32),
            Kind::Double => Schema::builder(SchemaType::Float64),
            Kind::String => Schema::builder(SchemaType::String),
            Kind::Bytes if is("decimal") => decimal(avro)?,
            Kind::Bytes => Schema::builder(SchemaType::Bytes),
            Kind::Fixed(fixed) => {
                let builder = if is("decimal") { decimal(avro)? } else { Schema::builder(SchemaType::Bytes) };
                builder.parameter(marks::FIXED_SIZE, fixed.size.to_string())
            }
            Kind::Enum(definition) => self.symbols(definition),
            Kind::Array(items) if items.is_map_entry() => self.entries(items)?,
            Kind::Array(items) => Schema::array(self.make(items, Around::default())?),
            Kind::Map(values) => {
                Schema::map(Schema::plain(SchemaType::String), self.make(values, Around::default())?)
            }
            Kind::Record(record) => self.record(record)?,
            Kind::Recursive(name) => {
                return Err(Fault::new(format!(
                    "{} has itself within itself, which no schema may here",
                    name.full()
                )));
            }
            Kind::Null => {
                return Err(Fault::new("Standalone null schemas are not supported by this converter"));
            }
            Kind::Union(_) => return Err(Fault::new("a union where another type is expected")),
        })
    }

    fn symbols(&self, definition: &Enum) -> SchemaBuilder {
        let mut builder = Schema::builder(SchemaType::String);
        let (discards, simple) = (self.options.discard_type_doc_default, &definition.name.simple);
        if self.options.connect_meta_data {
            if let Some(doc) = &definition.doc {
                let name = if discards {
                    marks::CONNECT_ENUM_DOC.to_owned()
                } else {
                    format!("{}{simple}", marks::ENUM_DOC)
                };
                builder = builder.parameter(name, &**doc);
            }
            if let Some(default) = definition.default.as_ref().filter(|_| !discards) {
                builder = builder.parameter(format!("{}{simple}", marks::ENUM_DEFAULT), &**default);
            }
        }
        let general = self.options.generalized;
        let mark = if general { marks::GENERAL_ENUM } else { marks::ENUM };
        builder = builder.parameter(mark, definition.name.full());
        let symbols = definition.symbols.iter().enumerate();
        symbols.fold(builder, |builder, (number, symbol)| {
            let value = if general { number.to_string() } else { symbol.clone() };
            builder.parameter(format!("{mark}.{symbol}"), value)
        })
    }

    fn entries(&mut self, entry: &Avro) -> Result<SchemaBuilder, Fault> {
        let Kind::Record(record) = &entry.kind else { return Err(Fault::new("an entry that is no record")) };
        let part = |name: &str| record.fields.iter().find(|field| field.name == name);
        let (Some(key), Some(value), 2) = (part("key"), part("value"), record.fields.len()) else {
            return Err(Fault::new(
                "Found map encoded as array of key-value pairs, but array elements do not match the expected format.",
            ));
        };
        let keys = self.make(&key.schema, Around::default())?;
        Ok(Schema::map(keys, self.make(&value.schema, Around::default())?))
    }

    fn record(&mut self, record: &Record) -> Result<SchemaBuilder, Fault> {
        let mut builder = Schema::structure();
        let tells = self.options.connect_meta_data && !self.options.discard_type_doc_default;
        if let Some(doc) = record.doc.as_ref().filter(|_| tells) {
            builder = builder.parameter(marks::RECORD_DOC, &**doc);
        }
        for field in &record.fields {
            if let Some(doc) = field.doc.as_ref().filter(|_| tells) {
                builder = builder.parameter(format!("{}{}", marks::FIELD_DOC, field.name), &**doc);
            }
            let schema = self.field(field).map_err(|fault| fault.inside(&field.name))?;
            builder = builder.field(&*field.name, schema);
        }
        Ok(builder)
    }

    fn field(&mut self, field: &Field) -> Result<SchemaRef, Fault> {
        let around =
            Around { default: field.default.as_ref(), doc: field.doc.as_deref(), ..Around::default() };
        self.make(&field.schema, around)
    }

    fn union(&mut self, avro: &Avro, members: &[AvroRef], around: Around<'_>) -> Result<SchemaRef, Fault> {
        if let Some((member, optional)) = only_member(members, self.options) {
            return self.make(member, Around { optional, doc: around.doc, ..Around::default() });
        }
        let general = format!("connect_union_{}", self.unions);
        let mut builder = match self.options.generalized {
            true => {
                self.unions += 1;
                Schema::structure().name(&*general).parameter(marks::GENERAL_UNION, &*general)
            }
            false => Schema::structure().name(marks::UNION),
        };
        let mut names = HashSet::new();
        for (index, member) in members.iter().enumerate() {
            if matches!(member.kind, Kind::Null) {
                builder = builder.optional();
                continue;
            }
            let name = member_name(member, index, self.options);
            if !names.insert(name.clone()) {
                return Err(Fault::new(format!(
                    "Multiple union schemas map to the Connect union field name {name}"
                )));
            }
            let schema = self.make(member, Around { optional: true, ..Around::default() });
            builder = builder.field(&*name, schema.map_err(|fault| fault.inside(&name))?);
        }
        self.finish(builder, avro, around)
    }

    fn finish(&self, builder: SchemaBuilder, avro: &Avro, around: Around<'_>) -> Result<SchemaRef, Fault> {
        let mut builder = self.with_doc(builder, avro, around);
        let known = builder.clone().build();
        let version = match avro.prop("connect.version") {
            Some(version) => Some(number_of(version, "connect.version")?),
            None => around.version,
        };
        if let Some(version) = version.filter(|version| *version >= 0) {
            if known.version().is_some_and(|own| own != version) {
                return Err(Fault::new(format!(
                    "Mismatching versions: connect.version {version} for {}",
                    avro.shown()
                )));
            }
            builder = builder.version(version);
        }
        builder = self.with_parameters(builder, avro)?;
        builder = self.with_default(builder, avro, around);
        builder = named(builder, known.name(), avro)?;
        Ok(if around.optional { builder.optional() } else { builder }.build())
    }

    fn with_doc(&self, mut builder: SchemaBuilder, avro: &Avro, around: Around<'_>) -> SchemaBuilder {
        let own = match &avro.kind {
            Kind::Record(record) => record.doc.as_deref(),
            Kind::Enum(definition) => definition.doc.as_deref(),
            _ => None,
        };
        let told = avro.prop("connect.doc").and_then(Json::as_str);
        if !self.options.discard_type_doc_default {
            return match told.filter(|_| self.options.connect_meta_data) {
                Some(doc) => builder.doc(doc),
                None => builder,
            };
        }
        if let Some(doc) = around.doc.or(own).or(told) {
            builder = builder.doc(doc);
        }
        match own.filter(|_| self.options.connect_meta_data) {
            Some(doc) => builder.parameter(marks::CONNECT_RECORD_DOC, doc),
            None => builder,
        }
    }

    fn with_parameters(&self, mut builder: SchemaBuilder, avro: &Avro) -> Result<SchemaBuilder, Fault> {
        if let Some(parameters) = avro.prop("connect.parameters").filter(|_| self.options.connect_meta_data) {
            let object = parameters.as_object().ok_or_else(|| {
                Fault::new(format!("Expected JSON object for schema parameters but found: {parameters}"))
            })?;
            for (name, value) in object {
                let text = value.as_str().ok_or_else(|| {
                    Fault::new(format!("Expected schema parameter values to be strings but found: {value}"))
                })?;
                builder = builder.parameter(&**name, text);
            }
        }
        for (name, value) in avro.props.iter().filter(|(name, _)| name.starts_with("avro")) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            builder = builder.parameter(&**name, text);
        }
        Ok(builder)
    }

    /// A default that does not fit is passed over, as Confluent does: the schema is good without it.
    fn with_default(&self, mut builder: SchemaBuilder, avro: &Avro, around: Around<'_>) -> SchemaBuilder {
        let connect = avro.prop("connect.default");
        let tells = !self.options.discard_type_doc_default && self.options.connect_meta_data;
        if around.default.is_some() && connect.is_none() && tells {
            builder = builder.parameter(marks::FIELD_DEFAULT, "true");
        }
        let Some(default) = around.default.or(connect) else { return builder };
        if matches!(avro.kind, Kind::Record(_)) {
            // A struct that is its schema's default would have to hold that schema, which holds the struct.
            return builder;
        }
        match default_value::value_of(&builder.clone().build(), avro, default) {
            Ok(value) if value.is_null() => builder,
            Ok(value) => builder.default_value(value),
            Err(fault) => {
                let error = fault.into_error();
                tracing::warn!(schema = avro.shown(), %error, "a default in an Avro schema is passed over");
                builder
            }
        }
    }
}

/// The one member of a union that is not null, and whether null is one: such a union is no struct in Connect.
pub(super) fn only_member(members: &[AvroRef], options: DataOptions) -> Option<(&AvroRef, bool)> {
    match members {
        [only] if options.flatten_singleton_union => Some((only, false)),
        [null, member] | [member, null]
            if matches!(null.kind, Kind::Null) && !matches!(member.kind, Kind::Null) =>
        {
            Some((member, true))
        }
        _ => None,
    }
}

/// The name of the field that stands for a member of a union.
pub(super) fn member_name(member: &Avro, index: usize, options: DataOptions) -> String {
    if options.generalized {
        return format!("connect_union_field_{index}");
    }
    match member.name() {
        Some(name) if options.enhanced => name.full(),
        Some(name) => name.simple.clone(),
        None => member.type_name().to_owned(),
    }
}

fn integer(avro: &Avro) -> Result<SchemaType, Fault> {
    match avro.prop("connect.type").and_then(Json::as_str) {
        None => Ok(SchemaType::Int32),
        Some("int8") => Ok(SchemaType::Int8),
        Some("int16") => Ok(SchemaType::Int16),
        Some(other) => Err(Fault::new(format!("connect.type {other:?} of an int: int8 and int16 are known"))),
    }
}

fn decimal(avro: &Avro) -> Result<SchemaBuilder, Fault> {
    let scale = avro.prop("scale").map_or(Ok(0), |scale| number_of(scale, "scale"))?;
    let builder = logical::decimal(scale);
    match avro.prop("precision").map(|precision| number_of(precision, "precision")).transpose()? {
        // Only what is not the default is told.
        Some(precision) if precision != 64 => Ok(builder.parameter(marks::PRECISION, precision.to_string())),
        _ => Ok(builder),
    }
}

fn number_of(json: &Json, name: &str) -> Result<i32, Fault> {
    let number = json.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| Fault::new(format!("{name} is {json}, not an integer of 32 bits")))
}

fn named(builder: SchemaBuilder, own: Option<&str>, avro: &Avro) -> Result<SchemaBuilder, Fault> {
    let name = match avro.prop("connect.name") {
        Some(name) => Some(
            name.as_str()
                .map(str::to_owned)
                .ok_or_else(|| Fault::new(format!("Invalid schema name: {name}")))?,
        ),
        None => avro.name().map(super::schema::Name::full),
    };
    let default = format!("{NAMESPACE}.{DEFAULT_NAME}");
    match (name.filter(|name| !name.starts_with(&default)), own) {
        (Some(name), Some(own)) if name != own => {
            Err(Fault::new(format!("Mismatching names: {own} and {name}")))
        }
        (Some(name), None) => Ok(builder.name(name)),
        _ => Ok(builder),
    }
}
