//! The shared part of structs as Avro, written once and copied from then on.
//!
//! On the hot path: the records of an event share nearly all that they say of where they come from. Why the copy is what would have been
//! written anew: it was written by the same nodes from the same values, and it holds them, so while it is kept no other
//! [`SharedFields`] can have their address. A shared value that cannot be written keeps nothing, and the struct fails as any other.

use std::sync::Arc;

use api::{SharedFields, Value, ValueRef};

use super::FieldNode;
use crate::json::fault::Fault;

/// What structs that share their fields have in common, as bytes.
#[derive(Debug)]
pub(super) struct SharedBytes {
    fields: Arc<SharedFields>,
    bytes: Vec<u8>,
    /// What varies, in the order of the bytes.
    gaps: Vec<Gap>,
}

#[derive(Debug)]
struct Gap {
    /// Where in the bytes it stands.
    at: usize,
    /// Which of the nodes writes it.
    node: usize,
    /// Which of the own values it is.
    slot: usize,
}

impl SharedBytes {
    /// Writes the fields of such structs, but for the values that vary.
    pub(super) fn new(fields: &Arc<SharedFields>, nodes: &mut [FieldNode]) -> Result<Self, Fault> {
        let (mut bytes, mut gaps) = (Vec::new(), Vec::new());
        for (index, node) in nodes.iter_mut().enumerate() {
            match node {
                FieldNode::Constant(constant) => bytes.extend_from_slice(constant),
                FieldNode::Of(place, node) => {
                    match fields.varying().iter().position(|varying| varying == place) {
                        Some(slot) => gaps.push(Gap { at: bytes.len(), node: index, slot }),
                        None => {
                            let name = || &fields.schema().fields()[*place].name;
                            let value = fields.values().get(*place).unwrap_or(&Value::Null);
                            node.write(value.borrowed(), &mut bytes).map_err(|fault| fault.inside(name()))?;
                        }
                    }
                }
            }
        }
        Ok(Self { fields: Arc::clone(fields), bytes, gaps })
    }

    /// Whether these are the bytes of these fields.
    pub(super) fn is_of(&self, fields: &Arc<SharedFields>) -> bool {
        Arc::ptr_eq(&self.fields, fields)
    }

    /// Appends a struct with these values where its fields vary.
    pub(super) fn write(
        &self,
        own: &[ValueRef<'_>],
        nodes: &mut [FieldNode],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut written = 0;
        for gap in &self.gaps {
            out.extend_from_slice(&self.bytes[written..gap.at]);
            let (Some(FieldNode::Of(place, node)), Some(value)) =
                (nodes.get_mut(gap.node), own.get(gap.slot))
            else {
                return Err(Fault::new("a struct lacks a value where its fields vary"));
            };
            let name = || &self.fields.schema().fields()[*place].name;
            node.write(*value, out).map_err(|fault| fault.inside(name()))?;
            written = gap.at;
        }
        out.extend_from_slice(&self.bytes[written..]);
        Ok(())
    }
}
