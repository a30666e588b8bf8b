//! ExtractNewRecordState: from Debezium's change event to the row after (or before) the change.
//!
//! What is not a change event goes through as it is. The invariant: a plan ([`plan::Plan`]) is made once per schema of envelopes, so that a
//! record costs moving its own values and no look-up by name. Deletes and tombstones follow `delete.tombstone.handling.mode`, whose answers
//! are those of Debezium 3.6; a truncation has no row and is dropped.

mod plan;

use api::configs::{config, config_enum};
use api::{
    Error, Plugin, PluginKind, Props, Record, Result, SchemaAndValue, SchemaRef, Struct, Text, Transform,
    Value,
};

use crate::schema::Derived;
use crate::{VERSION, bad_config};
use plan::{Dropped, Plan, Reference};

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "io.debezium.transforms.ExtractNewRecordState",
    aliases: &[],
    version: VERSION,
    documentation: "Takes the row after the change out of Debezium's change events, and says what becomes of deletes.",
    config: ExtractNewRecordStateConfig::definition,
    kind: PluginKind::Transform(|props| Ok(Box::new(ExtractNewRecordState::new(props)?))),
};

config_enum! {
    /// What becomes of a delete and of the tombstone behind it.
    enum DeleteHandling {
        /// Neither stays.
        Drop = "drop",
        /// The delete becomes a null value, the tombstone behind it is dropped.
        Tombstone = "tombstone",
        /// The delete becomes the row before with `__deleted` set to `true`, the tombstone is dropped.
        Rewrite = "rewrite",
        /// As `rewrite`, and the tombstone stays.
        RewriteWithTombstone = "rewrite-with-tombstone",
        /// The delete becomes a tombstone without a schema, the tombstone behind it is dropped.
        DeleteToTombstone = "delete-to-tombstone",
    }
}

config! {
    /// Options of ExtractNewRecordState.
    struct ExtractNewRecordStateConfig {
        /// How to handle delete records: `drop` removes the delete event and the tombstone; `tombstone` leaves only a tombstone; `rewrite` adds a field `__deleted` and drops the tombstone; `rewrite-with-tombstone` keeps it; `delete-to-tombstone` turns the delete into a tombstone without schema.
        delete_handling: DeleteHandling = default("delete.tombstone.handling.mode", DeleteHandling::Tombstone);
        /// The column which determines how the events will be routed; its value will replace the topic name.
        route_by_field: String = default("route.by.field", "").importance(Low);
        /// Adds this prefix to each field listed.
        fields_prefix: String = default("add.fields.prefix", "__").importance(Low);
        /// Fields of the event to add to the row, such as `op,source.ts_ms`, each with the prefix; a new name may follow after a colon.
        fields: Vec<String> = default("add.fields", "").importance(Low);
        /// Adds this prefix to each header listed.
        headers_prefix: String = default("add.headers.prefix", "__").importance(Low);
        /// Fields of the event to add as headers, such as `op,source.ts_ms`, each with the prefix; a new name may follow after a colon.
        headers: Vec<String> = default("add.headers", "").importance(Low);
        /// The name of a header that contains a list of fields to be removed from the event value.
        drop_fields_header: Option<String> = optional("drop.fields.header.name").importance(Low);
        /// Whether the fields to be dropped should also be omitted from the key.
        drop_fields_from_key: bool = default("drop.fields.from.key", false).importance(Low);
        /// Whether only optional fields are dropped, so that the schemas stay compatible; `false` drops fields regardless.
        drop_fields_compatible: bool = default("drop.fields.keep.schema.compatible", true).importance(Low);
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// See the module.
#[derive(Debug)]
struct ExtractNewRecordState {
    config: ExtractNewRecordStateConfig,
    fields: Vec<Reference>,
    headers: Vec<Reference>,
    plans: Derived<Plan, Dropped>,
    keys: Derived<plan::Row, Dropped>,
}

impl ExtractNewRecordState {
    fn new(props: &Props) -> Result<Self> {
        let config = ExtractNewRecordStateConfig::parse(props).map_err(bad_config)?;
        let references =
            |said: &[String], prefix: &str| said.iter().map(|said| Reference::new(said, prefix)).collect();
        Ok(Self {
            fields: references(&config.fields, &config.fields_prefix),
            headers: references(&config.headers, &config.headers_prefix),
            config,
            plans: Derived::new(),
            keys: Derived::new(),
        })
    }

    const fn rewrites(&self) -> bool {
        matches!(self.config.delete_handling, DeleteHandling::Rewrite | DeleteHandling::RewriteWithTombstone)
    }

    /// Which fields the record's header says to drop.
    fn dropped(&self, record: &Record) -> Result<Dropped> {
        let header = self.config.drop_fields_header.as_deref().and_then(|name| record.headers.last(name));
        let names = match header.map(|header| (&header.key, &header.value.value)) {
            None => Vec::new(),
            Some((name, Value::Array(items))) => {
                let text = |item: &Value| match item {
                    Value::String(text) => Ok(text.clone()),
                    other => Err(Error::bad_record(format!(
                        "header {name} lists fields to drop, but has {} among them",
                        other.kind_name()
                    ))),
                };
                items.iter().map(text).collect::<Result<_>>()?
            }
            Some((name, other)) => {
                let found = other.kind_name();
                return Err(Error::bad_record(format!(
                    "header {name} must be a list of fields to drop, but is {found}"
                )));
            }
        };
        Ok(Dropped { names, optional_only: self.config.drop_fields_compatible })
    }

    fn extract(
        &mut self,
        mut record: Record,
        schema: &SchemaRef,
        envelope: Struct,
    ) -> Result<Option<Record>> {
        let dropped = self.dropped(&record)?;
        self.drop_from_key(&mut record, &dropped)?;
        let (fields, headers, deleted) = (&self.fields, &self.headers, self.rewrites());
        let plan = self
            .plans
            .get_or_derive(schema, dropped, |dropped| Plan::new(schema, fields, headers, deleted, dropped))?;
        for (name, header, place) in &plan.headers {
            record
                .headers
                .add(name.clone(), SchemaAndValue::new(SchemaRef::clone(header), place.get(&envelope)));
        }
        let Some((row, is_delete)) = plan.row(&envelope) else { return Ok(None) };
        let replace = self.config.replace_null_with_default;
        if let Some(topic) = route(row, &self.config.route_by_field, replace && deleted)? {
            record.topic = topic;
        }
        record.value = match (is_delete, self.config.delete_handling) {
            (true, DeleteHandling::Drop) => return Ok(None),
            (true, DeleteHandling::Tombstone) => {
                SchemaAndValue { schema: plan.after_schema(schema), value: Value::Null }
            }
            (true, DeleteHandling::DeleteToTombstone) => SchemaAndValue::NULL,
            _ => SchemaAndValue::of_struct(plan.assemble(envelope, is_delete, replace)?),
        };
        Ok(Some(record))
    }

    fn drop_from_key(&mut self, record: &mut Record, dropped: &Dropped) -> Result<()> {
        let (true, Some(schema)) =
            (self.config.drop_fields_from_key && !dropped.names.is_empty(), &record.key.schema)
        else {
            return Ok(());
        };
        let schema = SchemaRef::clone(schema);
        let Value::Struct(key) = std::mem::take(&mut record.key.value) else { return Ok(()) };
        let plan = self.keys.get_or_derive(&schema, dropped.clone(), |dropped| {
            plan::Row::new(&schema, dropped, Vec::new())
        })?;
        record.key = SchemaAndValue::of_struct(plan.assemble(key, Vec::new(), false)?);
        Ok(())
    }
}

impl Transform for ExtractNewRecordState {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.is_tombstone() {
            let stays = self.config.delete_handling == DeleteHandling::RewriteWithTombstone;
            return Ok(Some(record).filter(|_| stays));
        }
        let is_envelope = |schema: &&SchemaRef| schema.name().is_some_and(|name| name.ends_with(".Envelope"));
        let Some(schema) = record.value.schema.as_ref().filter(is_envelope).map(SchemaRef::clone) else {
            return Ok(Some(record));
        };
        match std::mem::take(&mut record.value.value) {
            Value::Struct(envelope) => self.extract(record, &schema, envelope),
            other => {
                record.value.value = other;
                Ok(Some(record))
            }
        }
    }
}

/// The topic that the row's field says; `None` if it says none.
fn route(row: &Struct, field: &str, replace_null_with_default: bool) -> Result<Option<Text>> {
    if field.is_empty() {
        return Ok(None);
    }
    let value = if replace_null_with_default { row.get_or_default(field) } else { row.get(field) };
    match value {
        None => Err(Error::bad_record(format!("{field} is not a valid field name"))),
        Some(Value::String(topic)) if !topic.is_empty() => Ok(Some(topic.clone())),
        Some(Value::String(_) | Value::Null) => Ok(None),
        Some(_) => Err(Error::bad_record(format!("Field '{field}' is not of type STRING"))),
    }
}

#[cfg(test)]
mod tests;
