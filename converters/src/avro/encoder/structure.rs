//! Structs as Avro records and as members of unions, however their values lie: made, shared or packed.
//!
//! On the hot path: a row that lies in the event of a binlog is written from there, no value of it is made ([`api::PackedStructs`]).
//! Values come in the order of the Connect schema. Nearly always that is the order of the Avro record; where it is not
//! (`use.latest.version`), they are written aside and put together. Invariant: an encoder holds its schema's `Arc`, so a struct with
//! the same pointer fits without a look at its fields.

use std::slice::IterMut;
use std::sync::Arc;

use api::{
    PackedStructs, SchemaRef, SharedFields, ShowFields, Struct, StructRef, VARYING_MAX, ValueRef, same_schema,
};

use super::Node;
use super::shared::SharedBytes;
use crate::json::fault::Fault;

/// Writes structs as records.
#[derive(Debug)]
pub(super) struct StructNode {
    schema: SchemaRef,
    /// In the order of the Avro record.
    fields: Box<[FieldNode]>,
    /// Which of them each field of the struct is, unless they come in the same order.
    order: Option<Box<[usize]>>,
    /// What the last structs that shared fields had in common.
    shared: Option<SharedBytes>,
}

#[derive(Debug)]
pub(super) enum FieldNode {
    /// The field at this place of the struct.
    Of(usize, Node),
    /// A field that only Avro has: its default.
    Constant(Box<[u8]>),
}

/// Writes structs that stand for unions.
#[derive(Debug)]
pub(super) struct UnionNode {
    pub(super) schema: SchemaRef,
    /// One for each field.
    pub(super) members: Box<[Node]>,
    pub(super) null: Result<Box<[u8]>, Fault>,
}

impl StructNode {
    /// Of such nodes, of which each field of the struct has one.
    pub(super) fn new(schema: SchemaRef, fields: Vec<FieldNode>) -> Self {
        let places = fields.iter().enumerate().filter_map(|(index, field)| match field {
            FieldNode::Of(place, _) => Some((*place, index)),
            FieldNode::Constant(_) => None,
        });
        let mut places: Vec<_> = places.collect();
        let is_same = places.is_sorted();
        places.sort_unstable();
        let order = (!is_same).then(|| places.into_iter().map(|(_, index)| index).collect());
        Self { schema, fields: fields.into(), order, shared: None }
    }

    pub(super) fn write(&mut self, row: StructRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !same_schema(row.schema(), &self.schema) {
            return Err(Fault::new("Mismatching struct schema"));
        }
        match row {
            StructRef::Made(row) => {
                if let Some((packed, number)) = row.packed() {
                    return self.write_packed(packed, number, out);
                }
                let Some((shared, values)) = row.shared() else { return self.write_made(row, out) };
                let mut own = [ValueRef::Null; VARYING_MAX];
                own.iter_mut().zip(values).for_each(|(own, value)| *own = value.borrowed());
                self.write_sharing(shared, &own, out)
            }
            StructRef::Sharing(shared, own) => self.write_sharing(shared, own, out),
            StructRef::Each(row) if self.order.is_some() => self.write_apart(row, out),
            StructRef::Each(row) => self.write_each(row, out),
        }
    }

    fn write_packed(
        &mut self,
        packed: &dyn PackedStructs,
        number: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut outcome = Ok(());
        packed.show(number, &mut |row| outcome = self.write(row, out));
        outcome
    }

    fn write_sharing(
        &mut self,
        shared: &Arc<SharedFields>,
        own: &[ValueRef<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if !self.shared.as_ref().is_some_and(|bytes| bytes.is_of(shared)) {
            self.shared = Some(SharedBytes::new(shared, &mut self.fields)?);
        }
        match &self.shared {
            Some(bytes) => bytes.write(own, &mut self.fields, out),
            None => Ok(()),
        }
    }

    fn write_made(&mut self, row: &Struct, out: &mut Vec<u8>) -> Result<(), Fault> {
        let values = row.values();
        for field in &mut self.fields {
            match field {
                FieldNode::Of(place, node) => {
                    node.write(values[*place].borrowed(), out).map_err(inside(&self.schema, *place))?;
                }
                FieldNode::Constant(bytes) => out.extend_from_slice(bytes),
            }
        }
        Ok(())
    }

    fn write_each(&mut self, row: &dyn ShowFields, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (schema, mut fields, mut outcome) = (&self.schema, self.fields.iter_mut(), Ok(()));
        let shown = row.show_each(&mut |value| {
            if outcome.is_ok() {
                outcome = write_next(&mut fields, value, schema, out);
            }
        });
        outcome?;
        shown.map_err(|error| Fault::new(error.to_string()))?;
        for field in fields {
            match field {
                FieldNode::Constant(bytes) => out.extend_from_slice(bytes),
                FieldNode::Of(place, _) => return Err(inside(schema, *place)(missing())),
            }
        }
        Ok(())
    }

    /// The fields come in another order than they are written in.
    fn write_apart(&mut self, row: &dyn ShowFields, out: &mut Vec<u8>) -> Result<(), Fault> {
        let order = self.order.as_deref().unwrap_or_default();
        let (mut apart, mut ends, mut outcome) = (Vec::new(), vec![0], Ok(()));
        let shown = row.show_each(&mut |value| {
            if outcome.is_err() {
                return;
            }
            let place = ends.len() - 1;
            outcome = match order.get(place).and_then(|index| self.fields.get_mut(*index)) {
                Some(FieldNode::Of(_, node)) => {
                    node.write(value, &mut apart).map_err(inside(&self.schema, place))
                }
                _ => Err(too_many()),
            };
            ends.push(apart.len());
        });
        outcome?;
        shown.map_err(|error| Fault::new(error.to_string()))?;
        for field in &self.fields {
            match field {
                FieldNode::Of(place, _) => match ends.get(*place..*place + 2) {
                    Some([start, end]) => out.extend_from_slice(&apart[*start..*end]),
                    _ => return Err(inside(&self.schema, *place)(missing())),
                },
                FieldNode::Constant(bytes) => out.extend_from_slice(bytes),
            }
        }
        Ok(())
    }
}

/// Writes the next field of the struct, and what only Avro has before it.
#[inline]
fn write_next(
    fields: &mut IterMut<'_, FieldNode>,
    value: ValueRef<'_>,
    schema: &SchemaRef,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    for field in fields {
        match field {
            FieldNode::Of(place, node) => return node.write(value, out).map_err(inside(schema, *place)),
            FieldNode::Constant(bytes) => out.extend_from_slice(bytes),
        }
    }
    Err(too_many())
}

fn too_many() -> Fault {
    Fault::new("a struct shows more values than its schema has fields")
}

fn missing() -> Fault {
    Fault::new("a struct does not show the value of this field")
}

/// A fault seen from the struct that has it in this field.
fn inside(schema: &SchemaRef, place: usize) -> impl Fn(Fault) -> Fault {
    move |fault| fault.inside(schema.fields().get(place).map_or("", |field| &field.name))
}

impl UnionNode {
    /// The first field that is not null is the value.
    pub(super) fn write(&mut self, row: StructRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !same_schema(row.schema(), &self.schema) {
            return Err(Fault::new("Mismatching struct schema"));
        }
        let (mut members, mut outcome) = (self.members.iter_mut(), None);
        show(row, &mut |value| {
            let member = members.next();
            if let (Some(member), None, false) = (member, &outcome, matches!(value, ValueRef::Null)) {
                outcome = Some(member.write(value, out));
            }
        })?;
        match outcome {
            Some(outcome) => outcome,
            None => {
                out.extend_from_slice(self.null.as_ref().map_err(Fault::clone)?);
                Ok(())
            }
        }
    }
}

/// Gives the values of a struct to the taker, in the order of its schema.
fn show(row: StructRef<'_>, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<(), Fault> {
    match row {
        StructRef::Made(row) => row.values().iter().for_each(|value| taker(value.borrowed())),
        StructRef::Sharing(shared, own) => {
            for (place, value) in shared.values().iter().enumerate() {
                let slot = shared.varying().iter().position(|varying| *varying == place);
                let own = slot.and_then(|slot| own.get(slot).copied());
                taker(own.unwrap_or_else(|| value.borrowed()));
            }
        }
        StructRef::Each(fields) => {
            fields.show_each(taker).map_err(|error| Fault::new(error.to_string()))?;
        }
    }
    Ok(())
}
