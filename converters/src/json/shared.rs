//! The shared part of structs as JSON, written once and copied from then on.
//!
//! On the hot path: the records of an event share nearly all that they say of where they come from. Why the copy is what would have been
//! written anew: it was written by the same nodes from the same values, and it holds them, so while it is kept no other
//! [`SharedFields`] can have their address. A shared value that cannot be written keeps nothing: the struct fails, as any other.

use std::sync::Arc;

use api::{SharedFields, ValueRef};

use super::encoder::FieldNode;
use super::fault::Fault;

/// What structs that share their fields have in common, as text.
#[derive(Debug)]
pub(super) struct SharedText {
    fields: Arc<SharedFields>,
    text: Vec<u8>,
    /// Where in the text each field that varies stands.
    gaps: Vec<usize>,
}

impl SharedText {
    /// Writes the fields of such structs, but for the values that vary.
    pub(super) fn new(fields: &Arc<SharedFields>, nodes: &mut [FieldNode]) -> Result<Self, Fault> {
        let (mut text, mut gaps) = (Vec::new(), Vec::new());
        for (place, (node, value)) in nodes.iter_mut().zip(fields.values()).enumerate() {
            text.extend_from_slice(&node.prefix);
            if fields.varying().contains(&place) {
                gaps.push(text.len());
            } else {
                let name = || &fields.schema().fields()[place].name;
                node.node.write(value.borrowed(), &mut text).map_err(|fault| fault.inside(name()))?;
            }
        }
        text.extend_from_slice(if nodes.is_empty() { b"{}" } else { b"}" });
        Ok(Self { fields: Arc::clone(fields), text, gaps })
    }

    /// Whether it is the text of these.
    pub(super) fn is_of(&self, fields: &Arc<SharedFields>) -> bool {
        Arc::ptr_eq(&self.fields, fields)
    }

    /// Appends a struct with these values where its fields vary.
    pub(super) fn write<'a>(
        &self,
        own: impl Iterator<Item = ValueRef<'a>>,
        nodes: &mut [FieldNode],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut written = 0;
        for ((gap, place), value) in self.gaps.iter().zip(self.fields.varying()).zip(own) {
            out.extend_from_slice(&self.text[written..*gap]);
            let name = || &self.fields.schema().fields()[*place].name;
            nodes[*place].node.write(value, out).map_err(|fault| fault.inside(name()))?;
            written = *gap;
        }
        out.extend_from_slice(&self.text[written..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use api::{Schema, SchemaRef, SchemaType, Struct, VARYING_MAX, Value};

    use super::*;
    use crate::json::encoder::{Encoder, Options};

    fn schema() -> SchemaRef {
        let text = || Schema::plain(SchemaType::String);
        let number = Schema::plain_optional(SchemaType::Int64);
        Schema::structure().field("a", text()).field("n", number).field("b\"", text()).build()
    }

    fn written(encoder: &mut Encoder, row: Struct) -> Result<String, Fault> {
        let mut out = Vec::new();
        encoder.write(&Value::Struct(row), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn own(number: impl Into<Value>) -> [Value; VARYING_MAX] {
        [number.into(), Value::Null, Value::Null]
    }

    /// One encoder writes all of them, so that what it kept of one could show in the next.
    #[test]
    fn what_is_shared_is_written_as_if_it_were_not() {
        let options = Options { decimals_numeric: false, replace_null_with_default: true };
        let (schema, encoder) = (schema(), &mut Encoder::new(&schema(), options));
        for (first, last) in [("x", "y"), ("\u{1F600}", ""), ("x", "y")] {
            let values = vec![Value::from(first), Value::Null, Value::from(last)];
            let shared = SharedFields::new(SchemaRef::clone(&schema), values, &[1]).unwrap();
            for number in [Value::Null, Value::Int64(1), Value::Int64(-20)] {
                let row = Struct::sharing(&shared, own(number));
                let apart = Struct::of(SchemaRef::clone(&schema), row.clone().into_values()).unwrap();
                assert_eq!(written(encoder, row).unwrap(), written(encoder, apart).unwrap());
            }
        }
    }

    #[test]
    fn a_value_that_cannot_be_written_fails_as_elsewhere() {
        let options = Options { decimals_numeric: false, replace_null_with_default: true };
        let (schema, encoder) = (schema(), &mut Encoder::new(&schema(), options));
        for (first, number) in [(Value::Null, Value::Int64(1)), (Value::from("x"), Value::Boolean(true))] {
            let values = vec![first, Value::Null, Value::from("y")];
            let shared = SharedFields::new(SchemaRef::clone(&schema), values, &[1]).unwrap();
            let row = Struct::sharing(&shared, own(number));
            let apart = Struct::of(SchemaRef::clone(&schema), row.clone().into_values()).unwrap();
            let failed = |outcome: Result<String, Fault>| outcome.unwrap_err().into_error().to_string();
            assert_eq!(failed(written(encoder, row)), failed(written(encoder, apart)));
        }
    }
}
