//! An Avro schema as text, character for character as Avro's Java library prints it: what a schema registry is asked for.
//!
//! A registry knows schemas by their text, so the same schema from a Kafka Connect and from here must be the same text. Off the hot
//! path: once a schema. Invariant: a named type is defined where it first stands and named from then on.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::schema::{Avro, AvroRef, Enum, Fixed, Kind, Name, Record};
use crate::java_text;
use crate::json::escape::write_string;
use crate::json::fault::Fault;

/// The text of a schema.
///
/// # Errors
/// When two different types have the same name.
pub(super) fn text_of(avro: &AvroRef) -> Result<String, Fault> {
    let mut printer = Printer { names: HashMap::new(), space: None, out: Vec::new() };
    printer.schema(avro)?;
    String::from_utf8(printer.out)
        .map_err(|cause| Fault::new(format!("the schema's text is not UTF-8: {cause}")))
}

struct Printer<'a> {
    names: HashMap<&'a Name, &'a Avro>,
    /// The namespace that need not be said.
    space: Option<&'a str>,
    out: Vec<u8>,
}

impl<'a> Printer<'a> {
    fn schema(&mut self, avro: &'a Avro) -> Result<(), Fault> {
        if let Some(name) = avro.name() {
            if self.is_reference(avro, name)? {
                self.reference(name);
                return Ok(());
            }
            let outer = self.space;
            self.named(avro, name)?;
            self.space = outer;
            return Ok(());
        }
        match &avro.kind {
            Kind::Union(members) => return self.list(members),
            Kind::Array(items) => {
                self.raw(r#"{"type":"array","items":"#);
                self.schema(items)?;
            }
            Kind::Map(values) => {
                self.raw(r#"{"type":"map","values":"#);
                self.schema(values)?;
            }
            _ if avro.props.is_empty() => {
                write_string(avro.type_name(), &mut self.out);
                return Ok(());
            }
            _ => {
                self.raw(r#"{"type":"#);
                write_string(avro.type_name(), &mut self.out);
            }
        }
        self.props(&avro.props);
        self.raw("}");
        Ok(())
    }

    fn is_reference(&mut self, avro: &'a Avro, name: &'a Name) -> Result<bool, Fault> {
        if matches!(avro.kind, Kind::Recursive(_)) {
            return Ok(true);
        }
        match self.names.insert(name, avro) {
            None => Ok(false),
            Some(known) if known == avro => Ok(true),
            Some(_) => Err(Fault::new(format!(
                "Can't redefine: {}: two different Connect schemas have this name, and Avro allows one",
                name.full()
            ))),
        }
    }

    fn reference(&mut self, name: &Name) {
        let text = match &name.space {
            Some(space) if Some(&**space) != self.space => name.full(),
            _ => name.simple.clone(),
        };
        write_string(&text, &mut self.out);
    }

    fn named(&mut self, avro: &'a Avro, name: &'a Name) -> Result<(), Fault> {
        self.raw(r#"{"type":"#);
        write_string(avro.type_name(), &mut self.out);
        self.string("name", &name.simple);
        match &name.space {
            Some(space) if Some(&**space) != self.space => self.string("namespace", space),
            None if self.space.is_some() => self.string("namespace", ""),
            _ => {}
        }
        match &avro.kind {
            Kind::Record(record) => self.record(record, name)?,
            Kind::Enum(symbols) => self.symbols(symbols),
            Kind::Fixed(Fixed { size, .. }) => self.raw(&format!(r#","size":{size}"#)),
            _ => {}
        }
        self.props(&avro.props);
        self.raw("}");
        Ok(())
    }

    fn record(&mut self, record: &'a Record, name: &'a Name) -> Result<(), Fault> {
        self.space = name.space.as_deref();
        if let Some(doc) = &record.doc {
            self.string("doc", doc);
        }
        self.raw(r#","fields":["#);
        for (index, field) in record.fields.iter().enumerate() {
            self.raw(if index == 0 { r#"{"name":"# } else { r#",{"name":"# });
            write_string(&field.name, &mut self.out);
            self.raw(r#","type":"#);
            self.schema(&field.schema).map_err(|fault| fault.inside(&field.name))?;
            if let Some(doc) = &field.doc {
                self.string("doc", doc);
            }
            if let Some(default) = &field.default {
                self.raw(r#","default":"#);
                write_json(default, &mut self.out);
            }
            self.raw("}");
        }
        self.raw("]");
        Ok(())
    }

    fn symbols(&mut self, definition: &Enum) {
        if let Some(doc) = &definition.doc {
            self.string("doc", doc);
        }
        self.raw(r#","symbols":["#);
        for (index, symbol) in definition.symbols.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write_string(symbol, &mut self.out);
        }
        self.raw("]");
        if let Some(default) = &definition.default {
            self.string("default", default);
        }
    }

    fn list(&mut self, members: &'a [AvroRef]) -> Result<(), Fault> {
        self.raw("[");
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.schema(member)?;
        }
        self.raw("]");
        Ok(())
    }

    fn props(&mut self, props: &[(String, Json)]) {
        for (name, value) in props {
            self.raw(",");
            write_string(name, &mut self.out);
            self.raw(":");
            write_json(value, &mut self.out);
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        self.raw(",");
        write_string(name, &mut self.out);
        self.raw(":");
        write_string(value, &mut self.out);
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// JSON as Jackson prints it.
fn write_json(value: &Json, out: &mut Vec<u8>) {
    let separate = |index: usize, out: &mut Vec<u8>| {
        if index > 0 {
            out.push(b',');
        }
    };
    match value {
        Json::String(text) => write_string(text, out),
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => java_text::write_f64(float, out),
            _ => out.extend_from_slice(number.to_string().as_bytes()),
        },
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write_json(item, out);
            }
            out.push(b']');
        }
        Json::Object(entries) => {
            out.push(b'{');
            for (index, (name, item)) in entries.iter().enumerate() {
                separate(index, out);
                write_string(name, out);
                out.push(b':');
                write_json(item, out);
            }
            out.push(b'}');
        }
        Json::Null | Json::Bool(_) => out.extend_from_slice(value.to_string().as_bytes()),
    }
}
