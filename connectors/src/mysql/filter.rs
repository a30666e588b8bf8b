//! Which databases, tables and columns are captured: Debezium's include and exclude lists.
//!
//! Every item is a regular expression that must match a whole name (`db`, `db.table`, `db.table.column`), ignoring case.
//! Of each pair of lists only one may be given. Decided once per table, never per row.

use api::Text;
use api::configs::{ConfigError, ConfigErrors};
use fancy_regex::{Regex, RegexBuilder};

use super::shape::TableId;

/// Databases of the server itself, which are never captured.
const BUILT_IN: [&str; 4] = ["mysql", "performance_schema", "sys", "information_schema"];

#[derive(Debug, Clone, Default)]
enum List {
    #[default]
    All,
    Include(Vec<Regex>),
    Exclude(Vec<Regex>),
}

impl List {
    fn new(name: &str, include: &[String], exclude: &[String], errors: &mut ConfigErrors) -> Self {
        let (include_name, exclude_name) = (format!("{name}.include.list"), format!("{name}.exclude.list"));
        if !include.is_empty() && !exclude.is_empty() {
            let sentence = format!("Only one of \"{include_name}\" and \"{exclude_name}\" may be given");
            errors.push(ConfigError::other(&exclude_name, sentence));
        }
        match (include.is_empty(), exclude.is_empty()) {
            (true, true) => Self::All,
            (false, _) => Self::Include(compile(&include_name, include, errors)),
            (true, false) => Self::Exclude(compile(&exclude_name, exclude, errors)),
        }
    }

    fn allows(&self, name: &str) -> bool {
        // A pattern that backtracks without end matches nothing.
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(name).unwrap_or(false));
        match self {
            Self::All => true,
            Self::Include(patterns) => any(patterns),
            Self::Exclude(patterns) => !any(patterns),
        }
    }
}

/// A pattern that matches whole names, ignoring case, as Java's `matches` does.
///
/// # Errors
/// What is wrong with the pattern.
pub fn whole_name(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .case_insensitive(true)
        .build()
        .map_err(|error| format!("\"{pattern}\" is not a regular expression: {error}"))
}

fn compile(option: &str, patterns: &[String], errors: &mut ConfigErrors) -> Vec<Regex> {
    let compile = |pattern: &String| match whole_name(pattern) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            errors.push(ConfigError::invalid(option, pattern, reason));
            None
        }
    };
    patterns.iter().filter_map(compile).collect()
}

/// What is captured.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    databases: List,
    tables: List,
    columns: List,
    /// `signal.data.collection`, which is read whatever the lists say.
    signal_table: Option<TableId>,
}

/// The six lists as they are configured.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// `database.include.list` and `database.exclude.list`.
    pub databases: (&'a [String], &'a [String]),
    /// `table.include.list` and `table.exclude.list`.
    pub tables: (&'a [String], &'a [String]),
    /// `column.include.list` and `column.exclude.list`.
    pub columns: (&'a [String], &'a [String]),
}

impl Filter {
    /// The filter that these lists say.
    ///
    /// # Errors
    /// Every pattern that is no regular expression, and every pair of which both are given.
    pub fn new(lists: Lists<'_>) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let filter = Self {
            databases: List::new("database", lists.databases.0, lists.databases.1, &mut errors),
            tables: List::new("table", lists.tables.0, lists.tables.1, &mut errors),
            columns: List::new("column", lists.columns.0, lists.columns.1, &mut errors),
            signal_table: None,
        };
        errors.into_result(filter)
    }

    /// The same with the table through which signals come.
    #[must_use]
    pub fn with_signal_table(mut self, table: Option<TableId>) -> Self {
        self.signal_table = table;
        self
    }

    /// Whether signals come through this table.
    #[must_use]
    pub fn is_signal_table(&self, table: &TableId) -> bool {
        self.signal_table.as_ref() == Some(table)
    }

    /// Whether tables of this database may be captured.
    #[must_use]
    pub fn captures_database(&self, database: &str) -> bool {
        !BUILT_IN.iter().any(|name| name.eq_ignore_ascii_case(database)) && self.databases.allows(database)
    }

    /// Whether this table is captured.
    #[must_use]
    pub fn captures(&self, table: &TableId) -> bool {
        self.is_signal_table(table)
            || (self.captures_database(&table.database) && self.tables.allows(&table.to_string()))
    }

    /// Whether this column of a captured table is.
    #[must_use]
    pub fn captures_column(&self, table: &TableId, column: &Text) -> bool {
        matches!(self.columns, List::All) || self.columns.allows(&format!("{table}.{column}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(tables: &[&str], exclude_columns: &[&str]) -> Filter {
        let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let (tables, columns) = (owned(tables), owned(exclude_columns));
        Filter::new(Lists { databases: (&[], &[]), tables: (&tables, &[]), columns: (&[], &columns) })
            .unwrap()
    }

    #[test]
    fn names_match_as_a_whole_and_in_any_case() {
        let filter = filter(&["shop.orders", "Shop.cust.*"], &["shop.orders.secret"]);
        assert!(filter.captures(&TableId::new("shop", "ORDERS")));
        assert!(filter.captures(&TableId::new("shop", "customers")));
        assert!(!filter.captures(&TableId::new("shop", "orders_old")));
        assert!(!filter.captures_column(&TableId::new("shop", "orders"), &Text::from_static("secret")));
        assert!(filter.captures_column(&TableId::new("shop", "orders"), &Text::from_static("id")));
    }

    #[test]
    fn the_servers_own_tables_are_never_captured() {
        assert!(!Filter::default().captures(&TableId::new("mysql", "user")));
        assert!(Filter::default().captures(&TableId::new("mysql2", "user")));
    }

    #[test]
    fn both_lists_of_a_pair_and_bad_patterns_are_reported_at_once() {
        let one = ["a(".to_owned()];
        let lists = Lists { databases: (&one, &one), tables: (&[], &one), columns: (&[], &[]) };
        let errors = Filter::new(lists).unwrap_err().to_string();
        assert_eq!(errors.lines().count(), 3, "{errors}");
        assert!(
            errors.contains("database.exclude.list") && errors.contains("table.exclude.list"),
            "{errors}"
        );
    }
}
