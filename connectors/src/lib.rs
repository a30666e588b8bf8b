//! Sources and sinks: one folder a connector.
//!
//! At both ends of the data path. Every folder has the same rooms: `mod` (what it is, and its [`Plugin`]s), `config` (its
//! options), `source` or `sink` (the connector and its task), and one file for each further question. A connector knows
//! `api` and nothing of the runtime. Invariant: what is in [`ALL`] passes the laws of `api`.

use api::Plugin;

pub mod datagen;
pub mod file;
pub mod http;
pub mod mysql;

/// Every connector.
pub static ALL: &[&Plugin] =
    &[&datagen::SOURCE, &file::SOURCE, &file::SINK, &http::SINK, &mysql::MYSQL, &mysql::MARIADB];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_for_one_connector_and_every_option_is_documented() {
        for plugin in ALL {
            let kind = plugin.kind.name();
            for name in [&[plugin.class, plugin.simple_name()], plugin.aliases].concat() {
                let same = ALL.iter().filter(|other| other.kind.name() == kind && other.answers_to(name));
                assert_eq!(same.count(), 1, "{name} stands for more than one {kind}");
            }
            assert!(!plugin.documentation.is_empty());
            for key in (plugin.config)().keys() {
                assert!(key.documentation.len() > 10, "{} of {} is not documented", key.name, plugin.class);
            }
        }
    }
}
