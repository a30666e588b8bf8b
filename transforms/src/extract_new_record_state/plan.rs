//! What becomes of the events of one schema: which fields go where.
//!
//! Made once per schema of envelopes (and per list of fields to drop), then followed for each record by place, not by name.

use api::{Error, Field, Result, Schema, SchemaRef, SchemaType, Struct, Text, Value};

use crate::schema::{or_default, with_fields};

/// The field that says whether the row was deleted.
const DELETED: &str = "__deleted";

/// A field of the event that the settings name: `op`, `source.ts_ms`, `op:operation`.
#[derive(Debug)]
pub(super) struct Reference {
    inside: Option<String>,
    field: String,
    name: Text,
}

impl Reference {
    pub(super) fn new(said: &str, prefix: &str) -> Self {
        let (path, new_name) = said.split_once(':').unwrap_or((said, ""));
        let (path, new_name) = (path.trim(), new_name.trim());
        let name = if new_name.is_empty() { path.replace('.', "_") } else { new_name.to_owned() };
        let (inside, field) =
            path.split_once('.').map_or((None, path), |(inside, field)| (Some(inside.to_owned()), field));
        Self { inside, field: field.to_owned(), name: format!("{prefix}{name}").into() }
    }

    /// Where the field is in envelopes of this schema: where it was said to be, or in the envelope, its source, or its transaction.
    fn find(&self, envelope: &Schema) -> Option<(Place, SchemaRef)> {
        let inside = |part: &str| {
            let (part, schema) = envelope.field(part)?;
            let (field, found) = schema.schema.field(&self.field)?;
            Some((Place::Inside(part, field), SchemaRef::clone(&found.schema)))
        };
        if let Some(part) = &self.inside {
            return inside(part);
        }
        let top = envelope
            .field(&self.field)
            .map(|(place, field)| (Place::Top(place), SchemaRef::clone(&field.schema)));
        top.or_else(|| inside("source")).or_else(|| inside("transaction"))
    }
}

/// A place in an envelope.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Top(usize),
    Inside(usize, usize),
}

impl Place {
    /// What stands there; null if the part around it is null.
    pub(super) fn get(self, envelope: &Struct) -> Value {
        match self {
            Self::Top(place) => envelope.values()[place].clone(),
            Self::Inside(part, place) => match envelope.values().get(part) {
                Some(Value::Struct(part)) => part.values()[place].clone(),
                _ => Value::Null,
            },
        }
    }
}

/// Which fields are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) names: Vec<Text>,
    /// A field that is required stays, whatever is said.
    pub(super) optional_only: bool,
}

impl Dropped {
    fn keeps(&self, field: &Field) -> bool {
        !self.names.contains(&field.name) || (self.optional_only && !field.schema.is_optional())
    }
}

/// A row's fields that stay, by their place, and the schema that they make together with what is added.
#[derive(Debug)]
pub(super) struct Row {
    kept: Vec<usize>,
    schema: SchemaRef,
}

impl Row {
    pub(super) fn new(row: &Schema, dropped: &Dropped, added: Vec<Field>) -> Result<Self> {
        let kept: Vec<usize> =
            (0..row.fields().len()).filter(|place| dropped.keeps(&row.fields()[*place])).collect();
        let fields = kept.iter().map(|place| row.fields()[*place].clone());
        let schema = with_fields(row, fields.chain(added))?;
        Ok(Self { kept, schema })
    }

    /// The row with what is added.
    pub(super) fn assemble(
        &self,
        row: Struct,
        added: Vec<Value>,
        replace_null_with_default: bool,
    ) -> Result<Struct> {
        let schema = SchemaRef::clone(row.schema());
        let mut values = row.into_values();
        let take = |place: &usize| {
            let value = std::mem::take(&mut values[*place]);
            or_default(value, &schema.fields()[*place].schema, replace_null_with_default)
        };
        Struct::of(SchemaRef::clone(&self.schema), self.kept.iter().map(take).chain(added).collect())
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Plan {
    before: Option<(usize, Row)>,
    after: Option<(usize, Row)>,
    /// Whether the row says that it was deleted.
    deleted: bool,
    added: Vec<(SchemaRef, Place)>,
    pub(super) headers: Vec<(Text, SchemaRef, Place)>,
}

impl Plan {
    pub(super) fn new(
        envelope: &SchemaRef,
        fields: &[Reference],
        headers: &[Reference],
        deleted: bool,
        dropped: &Dropped,
    ) -> Result<Self> {
        let found = |reference: &Reference| {
            let (place, schema) = reference.find(envelope)?;
            let schema = schema.to_builder().without_default().optional().build();
            Some((Field { name: reference.name.clone(), schema }, place))
        };
        let found: Vec<(Field, Place)> = fields.iter().filter_map(found).collect();
        let deleted_field =
            Field { name: Text::from_static(DELETED), schema: Schema::plain_optional(SchemaType::String) };
        let new: Vec<Field> = Some(deleted_field)
            .filter(|_| deleted)
            .into_iter()
            .chain(found.iter().map(|(field, _)| field.clone()))
            .collect();
        let row = |name: &str| {
            let field = envelope.field(name).filter(|(_, field)| field.schema.kind() == SchemaType::Struct);
            field
                .map(|(place, field)| Ok((place, Row::new(&field.schema, dropped, new.clone())?)))
                .transpose()
        };
        let header = |reference: &Reference| {
            let (place, schema) = reference.find(envelope)?;
            Some((reference.name.clone(), schema, place))
        };
        Ok(Self {
            before: row("before")?,
            after: row("after")?,
            deleted,
            added: found.into_iter().map(|(field, place)| (field.schema, place)).collect(),
            headers: headers.iter().filter_map(header).collect(),
        })
    }

    /// The row after the change, or before it if that was a delete, and whether it was; `None` for an event without rows.
    pub(super) fn row<'a>(&self, envelope: &'a Struct) -> Option<(&'a Struct, bool)> {
        let row = |part: &Option<(usize, Row)>| {
            let (place, _) = part.as_ref()?;
            envelope.values().get(*place)?.as_struct()
        };
        let after = row(&self.after).map(|row| (row, false));
        after.or_else(|| row(&self.before).map(|row| (row, true)))
    }

    /// The schema of rows after a change.
    pub(super) fn after_schema(&self, envelope: &Schema) -> Option<SchemaRef> {
        let (place, _) = self.after.as_ref()?;
        envelope.fields().get(*place).map(|field| SchemaRef::clone(&field.schema))
    }

    /// The row that [`Plan::row`] shows, with what is added.
    pub(super) fn assemble(
        &self,
        envelope: Struct,
        is_delete: bool,
        replace_null_with_default: bool,
    ) -> Result<Struct> {
        let mut added = Vec::with_capacity(self.added.len() + 1);
        if self.deleted {
            added.push(Value::from_static(if is_delete { "true" } else { "false" }));
        }
        for (schema, place) in &self.added {
            added.push(fit(place.get(&envelope), schema)?);
        }
        let part = if is_delete { &self.before } else { &self.after };
        let missing = || Error::bad_record("the change event has no row");
        let (place, plan) = part.as_ref().ok_or_else(missing)?;
        match envelope.into_values().swap_remove(*place) {
            Value::Struct(row) => plan.assemble(row, added, replace_null_with_default),
            _ => Err(missing()),
        }
    }
}

/// The value under its optional schema: a struct carries its schema along and must carry this one.
fn fit(value: Value, schema: &SchemaRef) -> Result<Value> {
    match value {
        Value::Struct(part) => Struct::of(SchemaRef::clone(schema), part.into_values()).map(Value::Struct),
        value => Ok(value),
    }
}
