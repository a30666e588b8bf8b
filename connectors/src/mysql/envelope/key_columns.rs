//! `message.key.columns`: record keys of chosen columns instead of the primary key's.
//!
//! `table-expression:column,column;table-expression:column`; the first expression that matches a table decides.

use api::configs::ConfigError;
use fancy_regex::Regex;

use crate::mysql::filter::whole_name;
use crate::mysql::shape::TableShape;

const OPTION: &str = "message.key.columns";

/// The chosen key columns.
#[derive(Debug, Clone, Default)]
pub struct KeyColumns(Vec<(Regex, Vec<String>)>);

impl KeyColumns {
    /// Reads the option.
    ///
    /// # Errors
    /// Names the part that is not `table-expression:column,column`.
    pub fn parse(text: Option<&str>) -> Result<Self, ConfigError> {
        let parts = text.unwrap_or_default().split(';').map(str::trim).filter(|part| !part.is_empty());
        let parse_part = |part: &str| {
            let wrong = |reason: String| ConfigError::invalid(OPTION, part, reason);
            let (tables, columns) =
                part.rsplit_once(':').ok_or_else(|| wrong("expected \"tables:column,column\"".to_owned()))?;
            let columns: Vec<_> = columns.split(',').map(|column| column.trim().to_owned()).collect();
            if columns.iter().any(String::is_empty) {
                return Err(wrong("a column has no name".to_owned()));
            }
            Ok((whole_name(tables.trim()).map_err(wrong)?, columns))
        };
        parts.map(parse_part).collect::<Result<_, _>>().map(Self)
    }

    /// The chosen columns of a table, by their places; `None` when nothing was chosen for it. Columns that it does not
    /// have are left out.
    #[must_use]
    pub fn of(&self, shape: &TableShape) -> Option<Vec<usize>> {
        let name = shape.id.to_string();
        let (_, columns) = self.0.iter().find(|(tables, _)| tables.is_match(&name).unwrap_or(false))?;
        Some(columns.iter().filter_map(|column| shape.column_index(column)).collect())
    }
}
