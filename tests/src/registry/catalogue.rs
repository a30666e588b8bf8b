//! What a registry knows: pure, no I/O.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde_json::{Value, json};

/// Why a registry does not do what it is asked, in Confluent's codes.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn no_subject(subject: &str) -> Self {
        Self { status: 404, code: 40401, message: format!("Subject '{subject}' not found.") }
    }

    fn no_schema() -> Self {
        Self { status: 404, code: 40403, message: "Schema not found".to_owned() }
    }

    fn invalid(why: impl std::fmt::Display) -> Self {
        let message = format!("Either the input schema or one its references is invalid: {why}");
        Self { status: 422, code: 42201, message }
    }
}

#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// By id, from 1.
    texts: Vec<String>,
    /// The ids of each subject's versions.
    subjects: BTreeMap<String, Vec<u32>>,
    levels: BTreeMap<String, String>,
}

impl Catalogue {
    pub(super) fn set_level(&mut self, subject: &str, level: &str) {
        self.levels.insert(subject.to_owned(), level.to_owned());
    }

    pub(super) fn subjects(&self) -> Vec<String> {
        self.subjects.keys().cloned().collect()
    }

    pub(super) fn versions(&self, subject: &str) -> Vec<String> {
        let ids = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.text(*id)).map(str::to_owned).collect()
    }

    /// The id of a schema, which is a new version of the subject if it is none yet.
    pub(super) fn register(&mut self, subject: &str, text: &str) -> Result<u32, Refusal> {
        let known = self.texts.iter().position(|known| known == text);
        let ids = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        let id = u32::try_from(known.unwrap_or(self.texts.len()) + 1).map_err(Refusal::invalid)?;
        if ids.contains(&id) {
            return Ok(id);
        }
        check(text)?;
        self.check_compatibility(subject, ids.last().copied(), text)?;
        if known.is_none() {
            self.texts.push(text.to_owned());
        }
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        Ok(id)
    }

    pub(super) fn find(&self, subject: &str, text: &str) -> Result<Value, Refusal> {
        let ids = self.subjects.get(subject).ok_or_else(|| Refusal::no_subject(subject))?;
        let place = ids.iter().position(|id| self.text(*id) == Some(text)).ok_or_else(Refusal::no_schema)?;
        self.describe(subject, place)
    }

    pub(super) fn version(&self, subject: &str, version: &str) -> Result<Value, Refusal> {
        let ids = self.subjects.get(subject).ok_or_else(|| Refusal::no_subject(subject))?;
        let number = match version {
            "latest" => ids.len(),
            number => number.parse().map_err(|_no_number| Refusal {
                status: 422,
                code: 42202,
                message: format!("The specified version '{version}' is not a valid version id."),
            })?,
        };
        match number.checked_sub(1) {
            Some(place) if place < ids.len() => self.describe(subject, place),
            _ => Err(Refusal { status: 404, code: 40402, message: format!("Version {number} not found.") }),
        }
    }

    pub(super) fn by_id(&self, id: u32) -> Result<Value, Refusal> {
        let unknown = || Refusal { status: 404, code: 40403, message: format!("Schema {id} not found") };
        self.text(id).map(|text| json!({ "schema": text })).ok_or_else(unknown)
    }

    fn describe(&self, subject: &str, place: usize) -> Result<Value, Refusal> {
        let id = self
            .subjects
            .get(subject)
            .and_then(|ids| ids.get(place))
            .copied()
            .ok_or_else(Refusal::no_schema)?;
        Ok(json!({ "subject": subject, "version": place + 1, "id": id, "schema": self.text(id) }))
    }

    fn text(&self, id: u32) -> Option<&str> {
        let place = usize::try_from(id).ok()?.checked_sub(1)?;
        self.texts.get(place).map(String::as_str)
    }

    fn check_compatibility(&self, subject: &str, latest: Option<u32>, text: &str) -> Result<(), Refusal> {
        let level = self.levels.get(subject).map_or("NONE", String::as_str);
        let Some(latest) = latest.and_then(|id| self.text(id)).filter(|_| level == "BACKWARD") else {
            return Ok(());
        };
        let parsed = |text: &str| Schema::parse_str(text).map_err(Refusal::invalid);
        let outcome = SchemaCompatibility::can_read(&parsed(latest)?, &parsed(text)?);
        outcome.map(drop).map_err(|why| Refusal {
            status: 409,
            code: 409,
            message: format!("Schema being registered is incompatible with an earlier schema for subject \"{subject}\": {why}"),
        })
    }
}

/// Whether it is a schema.
fn check(text: &str) -> Result<(), Refusal> {
    Schema::parse_str(text).map(drop).map_err(Refusal::invalid)
}
