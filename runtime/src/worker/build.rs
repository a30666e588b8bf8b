//! From settings to the parts of a task: its transforms, predicates and converters.
//!
//! Called on the task's own thread at its start. Invariant: whatever fails to be made names its alias, class and setting.

use api::{PluginKind, Predicate, Props, Registry, Result};
use configs::strip_prefix;

use super::chain::{Chain, TransformStage};
use super::pipeline::{Converters, Named, Pipeline};
use crate::config::{ConnectorConfig, ConverterSettings, WorkerConfig};

/// Makes a task's pipeline from its connector's settings, references resolved.
pub(crate) fn pipeline(
    registry: &Registry,
    worker: &WorkerConfig,
    config: &ConnectorConfig,
    props: &Props,
) -> Result<Pipeline> {
    Ok(Pipeline::new(chain(registry, config, props)?, converters(registry, worker, props)?))
}

fn chain(registry: &Registry, config: &ConnectorConfig, props: &Props) -> Result<Chain> {
    let stages = config.transforms.iter().map(|alias| transform_stage(registry, alias, props));
    Ok(Chain::new(stages.collect::<Result<_>>()?))
}

fn transform_stage(registry: &Registry, alias: &str, props: &Props) -> Result<TransformStage> {
    let prefix = format!("transforms.{alias}.");
    let mut own = strip_prefix(props, &prefix);
    let class = take(&mut own, "type", &prefix)?;
    let predicate = own.remove("predicate").map(|name| make_predicate(registry, &name, props)).transpose()?;
    let negate = own.remove("negate").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let plugin = registry.find(&["transformation"], &class)?;
    let PluginKind::Transform(make) = plugin.kind else {
        return Err(api::Error::bad_config(format!("{prefix}type: {class} is not a transform")));
    };
    let transform = make(&own).map_err(|error| error.context(format!("transform {alias} ({class})")))?;
    Ok(TransformStage { alias: alias.to_owned(), class: plugin.class, transform, predicate, negate })
}

fn make_predicate(registry: &Registry, name: &str, props: &Props) -> Result<Box<dyn Predicate>> {
    let prefix = format!("predicates.{}.", name.trim());
    let mut own = strip_prefix(props, &prefix);
    let class = take(&mut own, "type", &prefix)?;
    let PluginKind::Predicate(make) = registry.find(&["predicate"], &class)?.kind else {
        return Err(api::Error::bad_config(format!("{prefix}type: {class} is not a predicate")));
    };
    make(&own).map_err(|error| error.context(format!("predicate {name} ({class})")))
}

fn take(own: &mut Props, name: &str, prefix: &str) -> Result<String> {
    own.remove(name).ok_or_else(|| api::Error::bad_config(format!("{prefix}{name} is missing")))
}

fn converters(registry: &Registry, worker: &WorkerConfig, props: &Props) -> Result<Converters> {
    let settings = |option: &str| converter_settings(worker, option, props);
    let convert = |option: &str, is_key: bool| {
        let settings = settings(option);
        let plugin = registry.find(&["converter"], &settings.class)?;
        let PluginKind::Converter(make) = plugin.kind else {
            return Err(api::Error::bad_config(format!("{option}: {} is not a converter", settings.class)));
        };
        let made = make(&settings.props, is_key)
            .map_err(|error| error.context(format!("{option} ({})", settings.class)))?;
        Ok(Named { class: plugin.class, plugin: made })
    };
    let header = settings("header.converter");
    let plugin = registry.find(&["header_converter", "converter"], &header.class)?;
    let PluginKind::HeaderConverter(make) = plugin.kind else {
        return Err(api::Error::bad_config(format!(
            "header.converter: {} is not a header converter",
            header.class
        )));
    };
    let made =
        make(&header.props).map_err(|error| error.context(format!("header.converter ({})", header.class)))?;
    Ok(Converters {
        key: convert("key.converter", true)?,
        value: convert("value.converter", false)?,
        header: Named { class: plugin.class, plugin: made },
    })
}

/// A converter's class and settings: the connector's alone if it names one, else the worker's.
fn converter_settings(worker: &WorkerConfig, option: &str, props: &Props) -> ConverterSettings {
    match props.get(option) {
        Some(class) => {
            let mut own = strip_prefix(props, &format!("{option}."));
            own.remove("plugin.version");
            ConverterSettings { class: class.trim().to_owned(), props: own }
        }
        None => worker.converter(option),
    }
}
