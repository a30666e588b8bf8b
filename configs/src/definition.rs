//! What a set of options is: Kafka's `ConfigDef`, as data.
//!
//! Made once by [`crate::config!`], joined at run time: a connector's full definition is the common options, its own, and those of its
//! transforms under their prefix. The invariant: a name stands for one option; the first definition of a name wins in a merge.

use std::borrow::Cow;
use std::fmt;

use crate::check::Check;
use crate::parse::ConfigType;

/// What is taken when an option is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// Nothing: the option must be given.
    Required,
    /// Kafka's `null`: the option may be left out, and means nothing then.
    Null,
    /// This text, parsed like any other.
    Text(Cow<'static, str>),
}

/// How much a user should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Most must set it or know it.
    High,
    /// Some will want to.
    Medium,
    /// Few ever do.
    Low,
}

impl Importance {
    /// Kafka's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// How wide a form's field should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Unsaid.
    None,
    /// A number or a word.
    Short,
    /// A name.
    Medium,
    /// A list, an address or a sentence.
    Long,
}

impl Width {
    /// Kafka's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// One option. Built with [`required`], [`default`] or [`optional`] and the methods below, which read as a sentence in a declaration.
#[derive(Clone, Debug)]
pub struct ConfigKey {
    /// The name, with its prefix.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: ConfigType,
    /// What is taken when it is not given.
    pub default: DefaultValue,
    /// How much a user should care.
    pub importance: Importance,
    /// What it is for, in sentences.
    pub documentation: Cow<'static, str>,
    /// The heading under which forms and documents show it.
    pub group: Option<Cow<'static, str>>,
    /// The place in its group, from 1; -1 without a group (Kafka's `order_in_group`).
    pub order: i32,
    /// How wide a form's field should be.
    pub width: Width,
    /// What a form calls it.
    pub display_name: Cow<'static, str>,
    /// Options whose answer depends on this one's value.
    pub dependents: Vec<Cow<'static, str>>,
    /// What its values must satisfy, in this order.
    pub checks: Vec<Check>,
    /// Older names that are still understood; the name itself wins.
    pub aliases: Vec<Cow<'static, str>>,
}

/// An option that must be given.
#[must_use]
pub fn required(name: &'static str) -> ConfigKey {
    ConfigKey::new(name, DefaultValue::Required)
}

/// An option that means `value` when it is not given.
#[must_use]
pub fn default(name: &'static str, value: impl fmt::Display) -> ConfigKey {
    ConfigKey::new(name, DefaultValue::Text(value.to_string().into()))
}

/// An option that may be left out; its field is an `Option`.
#[must_use]
pub fn optional(name: &'static str) -> ConfigKey {
    ConfigKey::new(name, DefaultValue::Null)
}

impl ConfigKey {
    fn new(name: &'static str, default: DefaultValue) -> Self {
        Self {
            name: name.into(),
            kind: ConfigType::String,
            default,
            importance: Importance::Medium,
            documentation: "".into(),
            group: None,
            order: -1,
            width: Width::None,
            display_name: name.into(),
            dependents: Vec::new(),
            checks: Vec::new(),
            aliases: Vec::new(),
        }
    }

    /// A copy under a name made at run time, such as `transforms.a.type`.
    #[must_use]
    pub fn named(mut self, name: String) -> Self {
        if self.display_name == self.name {
            self.display_name = name.clone().into();
        }
        self.name = name.into();
        self
    }

    /// How much a user should care; MEDIUM if unsaid.
    #[must_use]
    pub const fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// One more condition that its values must satisfy.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// The heading it stands under.
    #[must_use]
    pub fn group(mut self, group: &'static str) -> Self {
        self.group = Some(group.into());
        self
    }

    /// The place in its group; without it, the order of the declaration counts.
    #[must_use]
    pub const fn order(mut self, order: i32) -> Self {
        self.order = order;
        self
    }

    /// How wide a form's field should be.
    #[must_use]
    pub const fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// What a form calls it.
    #[must_use]
    pub fn display_name(mut self, display_name: &'static str) -> Self {
        self.display_name = display_name.into();
        self
    }

    /// Options whose answer depends on this one's value.
    #[must_use]
    pub fn dependents(mut self, names: &[&'static str]) -> Self {
        self.dependents = names.iter().map(|name| Cow::Borrowed(*name)).collect();
        self
    }

    /// An older name that is still understood.
    #[must_use]
    pub fn alias(mut self, name: &'static str) -> Self {
        self.aliases.push(name.into());
        self
    }

    /// Another type than the field's own, e.g. [`ConfigType::Class`] for a `String`.
    #[must_use]
    pub const fn kind(mut self, kind: ConfigType) -> Self {
        self.kind = kind;
        self
    }

    /// What it is for; [`crate::config!`] takes the field's doc comment.
    #[must_use]
    pub fn documentation(mut self, text: &str) -> Self {
        self.documentation = text.trim().to_owned().into();
        self
    }

    fn prefixed(&self, prefix: &str) -> Self {
        let under = |name: &Cow<'static, str>| Cow::Owned(format!("{prefix}{name}"));
        let mut key = self.clone().named(format!("{prefix}{}", self.name));
        key.dependents = self.dependents.iter().map(under).collect();
        key.aliases = self.aliases.iter().map(under).collect();
        key
    }
}

/// A set of options, in the order of their declaration.
#[derive(Clone, Debug, Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
    open_prefixes: Vec<Cow<'static, str>>,
}

impl ConfigDef {
    /// The set of these options. Keys of a group without an order get the order of the declaration.
    #[must_use]
    pub fn new(keys: Vec<ConfigKey>) -> Self {
        let mut definition = Self { keys, open_prefixes: Vec::new() };
        definition.number_groups();
        definition
    }

    /// Accepts any name under `prefix` as known: `producer.override.`, `key.converter.`; someone else will judge it.
    #[must_use]
    pub fn open(mut self, prefix: impl Into<Cow<'static, str>>) -> Self {
        self.open_prefixes.push(prefix.into());
        self
    }

    /// The options of both; where both define a name, this one's definition stays.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        for key in &other.keys {
            if self.get(&key.name).is_none() {
                self.keys.push(key.clone());
            }
        }
        self.open_prefixes.extend_from_slice(&other.open_prefixes);
        self
    }

    /// The same options under a prefix: `field` of a transform `a` becomes `transforms.a.field`.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        let open = |name: &Cow<'static, str>| Cow::Owned(format!("{prefix}{name}"));
        Self {
            keys: self.keys.iter().map(|key| key.prefixed(prefix)).collect(),
            open_prefixes: self.open_prefixes.iter().map(open).collect(),
        }
    }

    /// The same options, all under the heading `group` (Kafka's `embed`): how a transform's options are shown inside a connector's.
    #[must_use]
    pub fn grouped(mut self, group: &str) -> Self {
        for (order, key) in (1..).zip(&mut self.keys) {
            key.group = Some(group.to_owned().into());
            key.order = order;
        }
        self
    }

    /// The options in the order of their declaration.
    #[must_use]
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// The option with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The headings, in the order of their first option.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        let mut groups = Vec::new();
        for group in self.keys.iter().filter_map(|key| key.group.as_deref()) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// Whether `name` is one of the options, an alias of one, or under an open prefix.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name || key.aliases.iter().any(|alias| alias == name))
            || self.open_prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }

    fn number_groups(&mut self) {
        let groups: Vec<String> = self.groups().into_iter().map(str::to_owned).collect();
        for group in groups {
            let in_group = self.keys.iter_mut().filter(|key| key.group.as_deref() == Some(group.as_str()));
            for (order, key) in (1..).zip(in_group) {
                if key.order == -1 {
                    key.order = order;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(definition: &ConfigDef) -> Vec<&str> {
        definition.keys().iter().map(|key| &*key.name).collect()
    }

    #[test]
    fn a_transforms_options_join_its_connectors_under_their_prefix() {
        let connector =
            ConfigDef::new(vec![required("name"), optional("transforms")]).open("producer.override.");
        let transform = ConfigDef::new(vec![
            required("field").dependents(&["format"]).alias("column"),
            optional("format"),
        ]);
        let joined = connector.merge(&transform.prefixed("transforms.a.").grouped("Transforms: a"));
        assert_eq!(names(&joined), ["name", "transforms", "transforms.a.field", "transforms.a.format"]);
        let field = joined.get("transforms.a.field").expect("merged");
        assert_eq!(field.dependents, ["transforms.a.format"]);
        assert_eq!((field.group.as_deref(), field.order), (Some("Transforms: a"), 1));
        assert_eq!(field.display_name, "transforms.a.field");
        assert!(joined.knows("transforms.a.column") && joined.knows("producer.override.acks"));
        assert!(!joined.knows("transforms.b.field"));
    }

    #[test]
    fn the_first_definition_of_a_name_stays() {
        let ours = ConfigDef::new(vec![default("tasks.max", 1)]);
        let theirs = ConfigDef::new(vec![default("tasks.max", 9)]);
        let joined = ours.merge(&theirs);
        assert_eq!(names(&joined), ["tasks.max"]);
        assert_eq!(joined.keys()[0].default, DefaultValue::Text("1".into()));
    }

    #[test]
    fn groups_are_numbered_in_the_order_of_the_declaration() {
        let keys =
            vec![optional("a").group("X"), optional("b").group("Y"), optional("c").group("X"), optional("d")];
        let definition = ConfigDef::new(keys);
        let orders: Vec<i32> = definition.keys().iter().map(|key| key.order).collect();
        assert_eq!((definition.groups(), orders), (vec!["X", "Y"], vec![1, 1, 2, -1]));
    }
}
