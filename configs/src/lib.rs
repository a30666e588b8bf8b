//! Placeholder until the options arrive.
#![allow(missing_docs)]
pub type Props = std::collections::BTreeMap<String, String>;
#[derive(Debug)]
pub struct ConfigDef;
#[derive(Debug)]
pub struct ConfigErrors;
