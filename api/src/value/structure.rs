//! Structs: named values in the order of a schema, each with all of them, with the few that it does not share, or packed.
//!
//! Records that come in great numbers differ in few of their fields: of the seventeen that say where a change comes from, only the row's
//! number changes within an event. Such structs share the rest ([`SharedFields`]): making one costs a single small allocation, and a
//! converter may keep what it wrote of the shared part, by its address. Packed ones ([`PackedStructs`]) have no values before somebody
//! looks. Whoever only reads does not see the difference.
//! Invariant: a struct has exactly one value per field of its schema, in the schema's order.

use std::fmt;
use std::ops::{Index, Range};
use std::sync::Arc;

use super::{PackedStructs, Value};
use crate::error::{Error, Result};
use crate::schema::SchemaRef;

/// How many fields may vary among structs that share the others.
pub const VARYING_MAX: usize = 3;

/// The fields that structs of one schema share: all but a few, which vary from one to the next.
#[derive(Debug)]
pub struct SharedFields {
    schema: SchemaRef,
    values: Vec<Value>,
    varying: Vec<usize>,
}

impl SharedFields {
    /// Values for all fields, of which those at the places `varying` stand for nothing: each struct has its own there.
    ///
    /// # Errors
    /// `BadRecord` when there are more or fewer values than fields, and when the places do not ascend, lie outside or are more
    /// than [`VARYING_MAX`].
    pub fn new(schema: SchemaRef, values: Vec<Value>, varying: &[usize]) -> Result<Arc<Self>> {
        check_count(&schema, values.len())?;
        let ascends = varying.windows(2).all(|pair| pair[0] < pair[1]);
        let is_inside = varying.last().is_none_or(|last| *last < values.len());
        if !ascends || !is_inside || varying.len() > VARYING_MAX {
            return Err(Error::bad_record(format!(
                "a struct of {} fields cannot vary at the places {varying:?}: at most {VARYING_MAX} are allowed, in order",
                values.len()
            )));
        }
        Ok(Arc::new(Self { schema, values, varying: varying.to_vec() }))
    }

    /// The schema of the structs.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The places of the fields that vary, in order.
    #[must_use]
    pub fn varying(&self) -> &[usize] {
        &self.varying
    }

    /// The values, one per field; those at the places that vary mean nothing.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// Named values in the order of a struct schema.
#[derive(Clone)]
pub struct Struct(Fields);

#[derive(Clone)]
enum Fields {
    Own(SchemaRef, Vec<Value>),
    /// The own values are those of the fields that vary, in the order of their places.
    Sharing(Arc<SharedFields>, Box<[Value; VARYING_MAX]>),
    /// The one of this number.
    Packed(Arc<dyn PackedStructs>, usize),
}

impl Struct {
    /// A struct of this schema with every field null.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Self {
        let values = vec![Value::Null; schema.fields().len()];
        Self(Fields::Own(schema, values))
    }

    /// A struct of these values, which stand in the order of the schema's fields.
    ///
    /// # Errors
    /// `BadRecord` when there are more or fewer values than fields.
    pub fn of(schema: SchemaRef, values: Vec<Value>) -> Result<Self> {
        check_count(&schema, values.len())?;
        Ok(Self(Fields::Own(schema, values)))
    }

    /// A struct with these values at the places that vary, in their order, and the shared ones elsewhere. Where fewer than
    /// [`VARYING_MAX`] vary, the rest of `own` means nothing.
    #[must_use]
    pub fn sharing(shared: &Arc<SharedFields>, own: [Value; VARYING_MAX]) -> Self {
        Self(Fields::Sharing(Arc::clone(shared), Box::new(own)))
    }

    /// The struct of this number among packed ones.
    #[must_use]
    pub fn of_packed(packed: Arc<dyn PackedStructs>, number: usize) -> Self {
        Self(Fields::Packed(packed, number))
    }

    /// What this struct shares, and its own values at the places that vary. `None` when all are its own.
    #[must_use]
    pub fn shared(&self) -> Option<(&Arc<SharedFields>, &[Value])> {
        match &self.0 {
            Fields::Own(..) => None,
            Fields::Sharing(shared, own) => own.get(..shared.varying.len()).map(|own| (shared, own)),
            Fields::Packed(packed, number) => packed.unpacked(*number).shared(),
        }
    }

    /// The packed structs that this is one of, and its number among them, for whoever would rather have it shown.
    #[must_use]
    pub fn packed(&self) -> Option<(&dyn PackedStructs, usize)> {
        match &self.0 {
            Fields::Packed(packed, number) => Some((&**packed, *number)),
            _ => None,
        }
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        match &self.0 {
            Fields::Own(schema, _) => schema,
            Fields::Sharing(shared, _) => &shared.schema,
            Fields::Packed(packed, _) => packed.schema(),
        }
    }

    /// The values, one per field, in the schema's order.
    #[must_use]
    pub fn values(&self) -> StructValues<'_> {
        match &self.0 {
            Fields::Own(_, values) => StructValues { values, own: None },
            Fields::Sharing(shared, own) => {
                StructValues { values: &shared.values, own: Some((&shared.varying, &**own)) }
            }
            Fields::Packed(packed, number) => packed.unpacked(*number).values(),
        }
    }

    /// The values, to be taken apart.
    #[must_use]
    pub fn into_values(self) -> Vec<Value> {
        match self.0 {
            Fields::Own(_, values) => values,
            Fields::Sharing(shared, own) => {
                let mut values = shared.values.clone();
                for (place, value) in shared.varying.iter().zip(*own) {
                    values[*place] = value;
                }
                values
            }
            Fields::Packed(packed, number) => packed.unpacked(number).values().to_vec(),
        }
    }

    /// A field's value as it is (Connect's `getWithoutDefault`).
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.schema().field(field).and_then(|(index, _)| self.values().get(index))
    }

    /// A field's value, or its schema's default when it is null (Connect's `get`).
    #[must_use]
    pub fn get_or_default(&self, field: &str) -> Option<&Value> {
        let (index, field) = self.schema().field(field)?;
        match self.values().get(index)? {
            Value::Null => field.schema.default_value().or(Some(&Value::Null)),
            value => Some(value),
        }
    }

    /// Puts a value into a field.
    ///
    /// # Errors
    /// `BadRecord` when the schema has no such field.
    pub fn put(&mut self, field: &str, value: impl Into<Value>) -> Result<()> {
        let Some((index, _)) = self.schema().field(field) else {
            return Err(Error::bad_record(format!("{field} is not a valid field name")));
        };
        if !matches!(self.0, Fields::Own(..)) {
            let schema = SchemaRef::clone(self.schema());
            let fields = std::mem::replace(&mut self.0, Fields::Own(SchemaRef::clone(&schema), Vec::new()));
            self.0 = Fields::Own(schema, Self(fields).into_values());
        }
        if let Fields::Own(_, values) = &mut self.0 {
            values[index] = value.into();
        }
        Ok(())
    }

    /// [`Struct::put`], for building one in a chain.
    ///
    /// # Errors
    /// As [`Struct::put`].
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Result<Self> {
        self.put(field, value)?;
        Ok(self)
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        self.schema() == other.schema() && self.values() == other.values()
    }
}

impl fmt::Debug for Struct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Struct")
            .field("schema", self.schema())
            .field("values", &self.values())
            .finish()
    }
}

/// The values of a struct: to be read like a slice.
#[derive(Clone, Copy)]
pub struct StructValues<'a> {
    values: &'a [Value],
    /// The places that vary, and what stands there.
    own: Option<(&'a [usize], &'a [Value])>,
}

impl<'a> StructValues<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of the field at this place.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a Value> {
        let value = self.values.get(index)?;
        let own = self.own.and_then(|(varying, own)| {
            let slot = varying.iter().position(|place| *place == index)?;
            own.get(slot)
        });
        Some(own.unwrap_or(value))
    }

    /// All of them, in order.
    #[must_use]
    pub const fn iter(self) -> StructIter<'a> {
        StructIter { places: 0..self.values.len(), values: self }
    }

    /// Copies of them.
    #[must_use]
    pub fn to_vec(self) -> Vec<Value> {
        self.iter().cloned().collect()
    }
}

impl Index<usize> for StructValues<'_> {
    type Output = Value;

    /// The value of the field at this place.
    ///
    /// # Panics
    /// When the schema has no such place, as a slice does.
    fn index(&self, index: usize) -> &Value {
        match self.get(index) {
            Some(value) => value,
            None => &self.values[index],
        }
    }
}

impl<'a> IntoIterator for StructValues<'a> {
    type Item = &'a Value;
    type IntoIter = StructIter<'a>;

    fn into_iter(self) -> StructIter<'a> {
        self.iter()
    }
}

/// Goes through the values of a struct.
#[derive(Debug, Clone)]
pub struct StructIter<'a> {
    values: StructValues<'a>,
    places: Range<usize>,
}

impl<'a> Iterator for StructIter<'a> {
    type Item = &'a Value;

    #[inline]
    fn next(&mut self) -> Option<&'a Value> {
        self.places.next().and_then(|place| self.values.get(place))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl ExactSizeIterator for StructIter<'_> {}

impl PartialEq for StructValues<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<const N: usize> PartialEq<[Value; N]> for StructValues<'_> {
    fn eq(&self, other: &[Value; N]) -> bool {
        self.len() == N && self.iter().eq(other)
    }
}

impl fmt::Debug for StructValues<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

fn check_count(schema: &SchemaRef, count: usize) -> Result<()> {
    if count == schema.fields().len() {
        return Ok(());
    }
    Err(Error::bad_record(format!(
        "struct {} has {} fields but got {count} values",
        schema.name().unwrap_or("(unnamed)"),
        schema.fields().len(),
    )))
}

#[cfg(test)]
mod tests;
