//! The connectors that come with Millrace, a folder each. They stand at both ends of the data path and know only [`api`].

use api::Plugin;

pub mod mysql;

/// Every connector.
pub static ALL: &[&Plugin] = &[&mysql::MYSQL, &mysql::MARIADB];
