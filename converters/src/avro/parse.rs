//! The text of an Avro schema read: what a registry gave.
//!
//! Untrusted: a registry is somebody else's machine. Limits hold before anything grows: the text's length, how deep it goes and how much
//! it says once every name is replaced by what it stands for (a few names, each used twice in the next, stand for more
//! than memory holds). Invariants: whoever walks a schema from here walks at most [`PARTS_MAX`] types, symbols, properties and parts of
//! defaults, [`DEPTH_MAX`] levels deep; no list in it is so long that looking for each in all takes time.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::default_value;
use super::from_connect::DEPTH_MAX;
use super::marks::FIXED_BYTES_MAX;
use super::schema::{Avro, AvroRef, Enum, Field, Fixed, Kind, Name, Record};
use crate::json::fault::Fault;

/// How long a schema's text may be.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 20;
/// How many types, symbols, properties and parts of defaults a schema may have, all of a named type counted each time that it is used.
const PARTS_MAX: usize = 250_000;
/// How many fields a record, members a union, symbols an enum and entries a property may have.
const ENTRIES_MAX: usize = 10_000;

/// What stands beside a type and is no property.
const RESERVED: [&str; 10] =
    ["type", "name", "namespace", "doc", "fields", "items", "values", "size", "symbols", "aliases"];

/// Reads a schema; `references` are the texts of those that it refers to, each behind those that it refers to itself.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn parse(text: &str, references: &[String]) -> Result<AvroRef, Fault> {
    let mut parser = Parser { names: HashMap::new(), parts: 0, depth: 0, space: None };
    for reference in references {
        parser.text(reference).map_err(|fault| fault.inside("(a referenced schema)"))?;
    }
    parser.text(text).map(|parsed| parsed.0)
}

/// A type and how many levels it has.
type Parsed = (AvroRef, usize);

/// A named type, once it is read, with its levels and how much it says.
#[derive(Clone)]
struct Named {
    avro: Option<Parsed>,
    parts: usize,
}

struct Parser {
    names: HashMap<String, Named>,
    parts: usize,
    depth: usize,
    space: Option<String>,
}

impl Parser {
    fn text(&mut self, text: &str) -> Result<Parsed, Fault> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::new(format!(
                "the schema has {} bytes, more than {TEXT_BYTES_MAX}",
                text.len()
            )));
        }
        let json: Json = serde_json::from_str(text)
            .map_err(|cause| Fault::new(format!("the schema is not JSON: {cause}")))?;
        self.schema(&json)
    }

    fn schema(&mut self, json: &Json) -> Result<Parsed, Fault> {
        self.count(1)?;
        self.depth += 1;
        self.check_depth(0)?;
        let parsed = match json {
            Json::String(name) => self.word(name),
            Json::Array(members) => self.union(members),
            Json::Object(object) => self.object(object),
            _ => Err(Fault::new(format!("{json} is no Avro schema"))),
        };
        self.depth -= 1;
        parsed
    }

    fn check_depth(&self, levels: usize) -> Result<(), Fault> {
        if self.depth + levels > DEPTH_MAX {
            return Err(Fault::new(format!("the schema is more than {DEPTH_MAX} levels deep")));
        }
        Ok(())
    }

    fn count(&mut self, parts: usize) -> Result<(), Fault> {
        self.parts = self.parts.saturating_add(parts);
        if self.parts > PARTS_MAX {
            return Err(Fault::new(format!(
                "the schema stands for more than {PARTS_MAX} types, symbols, properties and parts of defaults"
            )));
        }
        Ok(())
    }

    /// Counts what a list has, each of which is looked for among the others.
    fn count_entries(&mut self, what: &str, entries: usize) -> Result<(), Fault> {
        if entries > ENTRIES_MAX {
            return Err(Fault::new(format!("{entries} {what} in one type, more than {ENTRIES_MAX}")));
        }
        self.count(entries)
    }

    /// Counts what whoever looks at a default of a type looks at.
    fn count_default(&mut self, avro: &Avro, default: Option<&Json>) -> Result<(), Fault> {
        default.map_or(Ok(()), |default| self.count(default_value::weight(avro, default, PARTS_MAX)))
    }

    /// The properties of a type.
    fn props(&mut self, object: &Map<String, Json>, is_enum: bool) -> Result<Vec<(String, Json)>, Fault> {
        let props = props(object, is_enum);
        self.count_entries("properties", props.len())?;
        for (_, value) in &props {
            let entries = value.as_object().map_or(0, Map::len) + value.as_array().map_or(0, Vec::len);
            self.count_entries("entries of a property", entries)?;
        }
        Ok(props)
    }

    fn word(&mut self, word: &str) -> Result<Parsed, Fault> {
        if let Some(kind) = primitive(word) {
            return Ok((Avro::plain(kind).into(), 1));
        }
        let within = self.space.as_ref().map(|space| format!("{space}.{word}"));
        let full = within
            .filter(|full| !word.contains('.') && self.names.contains_key(full))
            .unwrap_or_else(|| word.to_owned());
        let Some(named) = self.names.get(&full).cloned() else {
            return Err(Fault::new(format!("\"{word}\" is not a defined name")));
        };
        let Some((avro, levels)) = named.avro else {
            return Ok((Avro::plain(Kind::Recursive(Name::of_full(&full))).into(), 1));
        };
        self.count(named.parts)?;
        self.check_depth(levels)?;
        Ok((avro, levels))
    }

    fn union(&mut self, members: &[Json]) -> Result<Parsed, Fault> {
        self.count_entries("members", members.len())?;
        let (mut parsed, mut levels) = (Vec::with_capacity(members.len()), 0);
        for member in members {
            let (member, below) = self.schema(member)?;
            levels = levels.max(below);
            parsed.push(member);
        }
        Ok((Avro::plain(Kind::Union(parsed)).into(), levels + 1))
    }

    fn object(&mut self, object: &Map<String, Json>) -> Result<Parsed, Fault> {
        let Some(kind) = object.get("type") else { return Err(Fault::new("a type without \"type\"")) };
        let Some(word) = kind.as_str() else { return self.schema(kind) };
        let is_enum = word == "enum";
        let (kind, levels) = match word {
            "record" | "error" | "enum" | "fixed" => {
                let props = self.props(object, is_enum)?;
                return self.named(word, object, props);
            }
            "array" => self.part(object, "items", Kind::Array)?,
            "map" => self.part(object, "values", Kind::Map)?,
            _ => match primitive(word) {
                Some(kind) => (kind, 1),
                None => return self.word(word),
            },
        };
        let avro = Avro { kind, props: self.props(object, false)? };
        self.count_default(&avro, avro.prop("connect.default"))?;
        Ok((avro.into(), levels))
    }

    fn part(
        &mut self,
        object: &Map<String, Json>,
        name: &str,
        of: fn(AvroRef) -> Kind,
    ) -> Result<(Kind, usize), Fault> {
        let part =
            object.get(name).ok_or_else(|| Fault::new(format!("an array or map without \"{name}\"")))?;
        let (part, levels) = self.schema(part)?;
        Ok((of(part), levels + 1))
    }

    fn named(
        &mut self,
        word: &str,
        object: &Map<String, Json>,
        props: Vec<(String, Json)>,
    ) -> Result<Parsed, Fault> {
        let name = self.name(object)?;
        let (full, before) = (name.full(), self.parts);
        if self.names.insert(full.clone(), Named { avro: None, parts: 0 }).is_some() {
            return Err(Fault::new(format!("Can't redefine: {full}")));
        }
        let doc = text(object, "doc");
        let (kind, levels) = match word {
            "enum" => {
                let symbols = strings(object.get("symbols"))
                    .ok_or_else(|| Fault::new(format!("the enum {full} has no list of symbols")))?;
                self.count_entries("symbols", symbols.len())?;
                (Kind::Enum(Enum { name, doc, symbols, default: text(object, "default") }), 1)
            }
            "fixed" => {
                let size =
                    object.get("size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
                let size = size.filter(|size| *size <= FIXED_BYTES_MAX).ok_or_else(|| {
                    Fault::new(format!("the fixed {full} has no size up to {FIXED_BYTES_MAX}"))
                })?;
                (Kind::Fixed(Fixed { name, size }), 1)
            }
            _ => self.record(name, doc, object)?,
        };
        let avro = AvroRef::new(Avro { kind, props });
        self.count_default(&avro, avro.prop("connect.default"))?;
        let parts = self.parts - before;
        self.names.insert(full, Named { avro: Some((AvroRef::clone(&avro), levels)), parts });
        Ok((avro, levels))
    }

    fn name(&self, object: &Map<String, Json>) -> Result<Name, Fault> {
        let name = text(object, "name").ok_or_else(|| Fault::new("a named type without \"name\""))?;
        if name.contains('.') {
            return Ok(Name::of_full(&name));
        }
        let space =
            text(object, "namespace").or_else(|| self.space.clone()).filter(|space| !space.is_empty());
        Ok(Name { space, simple: name })
    }

    fn record(
        &mut self,
        name: Name,
        doc: Option<String>,
        object: &Map<String, Json>,
    ) -> Result<(Kind, usize), Fault> {
        let listed = object.get("fields").and_then(Json::as_array);
        let listed =
            listed.ok_or_else(|| Fault::new(format!("the record {} has no list of fields", name.full())))?;
        self.count_entries("fields", listed.len())?;
        let outer = std::mem::replace(&mut self.space, name.space.clone());
        let (mut fields, mut names, mut levels) = (Vec::with_capacity(listed.len()), HashSet::new(), 0);
        for field in listed {
            let (field, below) = self.field(field)?;
            if !names.insert(field.name.clone()) {
                return Err(Fault::new(format!("the record {} has two fields {}", name.full(), field.name)));
            }
            levels = levels.max(below);
            fields.push(field);
        }
        self.space = outer;
        Ok((Kind::Record(Record { name, doc, fields }), levels + 1))
    }

    fn field(&mut self, json: &Json) -> Result<(Field, usize), Fault> {
        let object = json.as_object().ok_or_else(|| Fault::new("a field that is no object"))?;
        let name = text(object, "name").ok_or_else(|| Fault::new("a field without \"name\""))?;
        let schema = object.get("type").ok_or_else(|| Fault::new("a field without \"type\""));
        let parsed = schema.and_then(|schema| self.schema(schema)).map_err(|fault| fault.inside(&name));
        let (schema, levels) = parsed?;
        let default = object.get("default").cloned();
        self.count_default(&schema, default.as_ref())?;
        Ok((Field { name, schema, doc: text(object, "doc"), default }, levels))
    }
}

fn primitive(word: &str) -> Option<Kind> {
    Some(match word {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

fn props(object: &Map<String, Json>, is_enum: bool) -> Vec<(String, Json)> {
    let is_prop = |name: &str| !(RESERVED.contains(&name) || is_enum && name == "default");
    object
        .iter()
        .filter(|(name, _)| is_prop(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn text(object: &Map<String, Json>, name: &str) -> Option<String> {
    object.get(name).and_then(Json::as_str).map(str::to_owned)
}

fn strings(json: Option<&Json>) -> Option<Vec<String>> {
    json?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}
