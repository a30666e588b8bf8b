//! The connectors that come with Millrace, a folder each. They stand at both ends of the data path and know only [`api`].

pub mod mysql;
