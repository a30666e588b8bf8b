//! ReplaceField: keeps some fields, drops others, renames others.

use api::configs::check::custom;
use api::configs::{Check, Parsed, config};
use api::{Field, Props, Record, Result, SchemaRef, Struct, Text, Transform, Value};

use crate::bad_config;
use crate::schema::{Derived, or_default, with_fields};
use crate::side::{Side, not_a_map, not_a_struct, put, sided_plugins};

sided_plugins!(ReplaceField, ReplaceFieldConfig, "ReplaceField", "Filters and renames fields.");

const PURPOSE: &str = "field replacement";

config! {
    /// Options of ReplaceField.
    struct ReplaceFieldConfig {
        /// Fields to exclude. This takes precedence over the fields to include.
        exclude: Vec<String> = default("exclude", "");
        /// Fields to include. If specified, only these fields will be used.
        include: Vec<String> = default("include", "");
        /// Field rename mappings, such as `foo:bar,abc:xyz`.
        renames: Vec<String> = default("renames", "").check(RENAMES);
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

const RENAMES: Check = custom("list of colon-delimited pairs, e.g. foo:bar,abc:xyz", |said| match said {
    Parsed::List(pairs) => match pairs.iter().find(|pair| rename(pair).is_none()) {
        Some(pair) => Err(format!("Invalid rename mapping: {pair}")),
        None => Ok(()),
    },
    _ => Ok(()),
});

/// Old and new name of `old:new`.
fn rename(pair: &str) -> Option<(&str, &str)> {
    pair.split_once(':').filter(|(old, new)| !old.is_empty() && !new.is_empty() && !new.contains(':'))
}

/// The fields that stay, by their place, and the schema that they make.
#[derive(Debug)]
struct Kept {
    places: Vec<usize>,
    schema: SchemaRef,
}

/// See the module.
#[derive(Debug)]
struct ReplaceField {
    side: Side,
    config: ReplaceFieldConfig,
    kept: Derived<Kept>,
}

impl ReplaceField {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = ReplaceFieldConfig::parse(props).map_err(bad_config)?;
        Ok(Self { side, config, kept: Derived::new() })
    }

    fn replace_in_struct(&mut self, schema: &SchemaRef, row: Struct) -> Result<Struct> {
        let config = &self.config;
        let kept = self.kept.get_or_derive(schema, (), |()| {
            let places: Vec<usize> = (0..schema.fields().len())
                .filter(|place| config.keeps(&schema.fields()[*place].name))
                .collect();
            let fields = places.iter().map(|place| &schema.fields()[*place]);
            let renamed = fields.map(|field| Field {
                name: config.renamed(&field.name),
                schema: SchemaRef::clone(&field.schema),
            });
            Ok(Kept { schema: with_fields(schema, renamed)?, places })
        })?;
        let mut values = row.into_values();
        let take = |place: &usize| {
            let value = std::mem::take(&mut values[*place]);
            or_default(value, &schema.fields()[*place].schema, config.replace_null_with_default)
        };
        Struct::of(SchemaRef::clone(&kept.schema), kept.places.iter().map(take).collect())
    }
}

impl ReplaceFieldConfig {
    fn keeps(&self, name: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|other| other == name);
        !named(&self.exclude) && (self.include.is_empty() || named(&self.include))
    }

    fn renamed(&self, name: &str) -> Text {
        let new = self.renames.iter().filter_map(|pair| rename(pair)).find(|(old, _)| *old == name);
        new.map_or(name, |(_, new)| new).to_owned().into()
    }
}

impl Transform for ReplaceField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        match (&datum.schema, std::mem::take(&mut datum.value)) {
            (_, Value::Null) => {}
            (Some(schema), Value::Struct(row)) => {
                let schema = SchemaRef::clone(schema);
                *datum = api::SchemaAndValue::of_struct(self.replace_in_struct(&schema, row)?);
            }
            (Some(_), other) => return Err(not_a_struct(PURPOSE, &other)),
            (None, Value::Map(entries)) => {
                let mut kept = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    match key.as_str() {
                        Some(name) if self.config.keeps(name) => {
                            put(&mut kept, &self.config.renamed(name), value)
                        }
                        Some(_) => {}
                        None => kept.push((key, value)),
                    }
                }
                datum.value = Value::Map(kept);
            }
            (None, other) => return Err(not_a_map(PURPOSE, &other)),
        }
        Ok(Some(record))
    }
}
