//! Every sample in configs/samples says what it means: nothing in it is wrong, unknown or misspelt.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use api::Registry;
use configs::{Props, connector_file, properties, unknown_keys};
use harness::places::repository;
use runtime::config::WorkerConfig;
use runtime::validation::{PluginCalls, SaidConfig, Validator};

fn samples() -> Vec<PathBuf> {
    let folder = repository().join("configs/samples");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_sample_validates() {
    let (mut workers, mut brokers, mut connectors) = (0, 0, 0);
    for file in samples() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        if name.contains("worker")
            || name == "connect-standalone.properties"
            || name == "connect-distributed.properties"
        {
            check_worker(&name, &properties::parse(&text, &name).unwrap().props);
            workers += 1;
        } else if name.contains("broker") {
            let props = properties::parse(&text, &name).unwrap().props;
            broker_server::BrokerConfig::from_props(&props)
                .unwrap_or_else(|errors| panic!("{name}: {errors}"));
            let unknown = unknown_keys(broker_server::BrokerConfig::definition(), &props);
            assert!(unknown.is_empty(), "{name}: {unknown:?}");
            brokers += 1;
        } else {
            let connector = connector_file::parse(&text, &name).unwrap();
            assert!(connector.warnings.is_empty(), "{name}: {:?}", connector.warnings);
            check_connector(&name, connector.config);
            connectors += 1;
        }
    }
    assert!(workers >= 3 && brokers >= 1 && connectors >= 5, "{workers} {brokers} {connectors}");
}

fn check_worker(name: &str, props: &Props) {
    let config = WorkerConfig::parse(props).unwrap_or_else(|errors| panic!("{name}: {errors}"));
    let unknown = unknown_keys(&WorkerConfig::definition(), props);
    assert!(unknown.is_empty(), "{name}: {unknown:?}");
    if let Some(broker) = config.embedded_broker() {
        let unknown = unknown_keys(broker_server::BrokerConfig::definition(), &broker);
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

fn check_connector(name: &str, config: Props) {
    let registry = Registry::new().with(connectors::ALL).with(transforms::ALL).with(converters::ALL);
    let worker = WorkerConfig::parse(&Props::new()).unwrap();
    let validator = Validator::new(registry, &worker, PluginCalls::new(Duration::from_secs(10))).unwrap();
    let said: SaidConfig = config.into_iter().map(|(option, text)| (option, Some(text))).collect();
    let infos = validator.validate_declared(&said).unwrap_or_else(|error| panic!("{name}: {error}"));
    let errors: Vec<_> = infos.errors().collect();
    assert!(errors.is_empty(), "{name}: {errors:?}");
    assert!(infos.warnings.is_empty(), "{name}: {:?}", infos.warnings);
}
