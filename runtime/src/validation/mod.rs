//! Is this configuration of a connector good? All that is wrong with it, at once, in Kafka Connect's words.
//!
//! Asked by REST (`validate`) and by the herder before it stores anything. The declared options of the whole connector
//! (common, its own, transforms, predicates, converters, topic creation, client overrides) are joined into one definition and
//! checked; then the plugins are made and asked. Invariants: plugin code runs on a thread of its own, behind a deadline and a
//! bounded number of slots, so that a stuck plugin blocks neither REST nor the herder; no secret is in an answer.

mod answer;
mod call;
mod definition;
mod exactly_once;
mod mask;
mod plugins;
mod validator;
pub(crate) mod version;

pub use answer::{ConfigInfo, ConfigInfos, SaidConfig};
pub use call::{CallError, PluginCalls};
pub use definition::ConnectorDefinition;
pub(crate) use definition::base as base_definition;
pub use mask::Mask;
pub use validator::{ValidationError, Validator};

#[cfg(test)]
pub(crate) mod tests;
