//! `millrace broker`: the broker alone, until it is asked to stop.

use std::path::PathBuf;

use broker_server::{Broker, BrokerConfig};

use super::{Exit, asked_to_stop, chain, files};

/// Runs the broker with the settings in this file.
pub(super) async fn run(file: Option<PathBuf>) -> Result<(), Exit> {
    let props = files::read_properties(file.as_deref())?;
    let config = BrokerConfig::from_props(&props).map_err(Exit::start)?;
    let broker = Broker::start(config).await.map_err(|error| Exit::start(chain(&error)))?;
    asked_to_stop().await?;
    broker.shutdown().await.map_err(|error| Exit::start(chain(&error)))
}
