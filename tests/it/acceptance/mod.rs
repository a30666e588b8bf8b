//! Kafka Connect's own integration and system tests, as tests of ours: each case under its name there, in a file for its class.
//!
//! What one worker or three can show. Sources: `connect/runtime/src/test/java/org/apache/kafka/connect/integration`, `tests/kafkatest/tests/connect`.

mod blocking_connector;
mod bounce;
mod client_policy;
mod connect_distributed;
mod connect_worker;
mod connector_states;
mod connector_topics;
mod error_handling;
mod file_streams;
mod offsets_api;
mod restart_api;
mod sinks_and_sources;
mod stage;
mod standalone_worker;
mod supervision;
mod system;
mod trio;
