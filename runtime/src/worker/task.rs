//! One run of a task, from its configuration to its end: settings, plugin and clients, then the loop of its kind.
//!
//! On the task's own thread. Wiring only: the loops are `source` and `sink`.

use std::sync::{Arc, OnceLock};

use api::{PluginKind, Props, Result};

use super::backoff::Jitter;
use super::life::{TaskLife, TaskSpec};
use super::tolerance::Tolerance;
use super::{WorkerContext, build, connector, settings, sink, source};
use crate::config::ConnectorConfig;
use crate::metrics::TaskMetrics;

/// What the loops of both kinds need.
pub(crate) struct TaskSetup {
    /// The worker's parts.
    pub(crate) context: Arc<WorkerContext>,
    /// The connector's settings, references resolved.
    pub(crate) connector: Props,
    /// The task's settings, references resolved.
    pub(crate) task: Props,
    /// Which set of task settings they are of.
    pub(crate) revision: i64,
    /// The connector's common settings.
    pub(crate) config: ConnectorConfig,
    /// The class of the connector.
    pub(crate) class: &'static str,
    /// The task's numbers.
    pub(crate) metrics: Arc<TaskMetrics>,
}

impl TaskSetup {
    /// A judge of the task's errors.
    pub(crate) fn tolerance(&self) -> Tolerance {
        Tolerance::new(settings::error_policy(&self.config), Jitter::unique())
    }

    /// The task's transforms and converters.
    pub(crate) fn pipeline(&self) -> Result<super::pipeline::Pipeline> {
        build::pipeline(&self.context.registry, &self.context.config, &self.config, &self.connector)
    }
}

/// Runs a task to its end. Its numbers are put into `metrics` once its kind is known.
pub(crate) async fn run(
    context: Arc<WorkerContext>,
    mut life: TaskLife,
    spec: TaskSpec,
    metrics: &OnceLock<Arc<TaskMetrics>>,
) -> Result<()> {
    let name = &spec.id.connector;
    let connector = context.checker.resolve(&spec.connector)?;
    let task = context.checker.resolve(&spec.task)?;
    let config = settings::parse(name, ConnectorConfig::parse(&connector))?;
    let plugin = connector::find(&context, &config)?;
    let counted = match plugin.kind {
        PluginKind::Source(_) => TaskMetrics::source(),
        PluginKind::Sink(_) => TaskMetrics::sink(),
        _ => return Err(connector::not_a_connector(plugin)),
    };
    let counted = Arc::clone(metrics.get_or_init(|| Arc::new(counted)));
    context.metrics.register(&spec.id, Arc::clone(&counted));
    if !life.may_start().await {
        return Ok(());
    }
    let class = plugin.class;
    let revision = spec.revision;
    let setup = TaskSetup { context, connector, task, revision, config, class, metrics: counted };
    // Boxed, so that each takes the room of its own kind only, for as long as it runs.
    match plugin.kind {
        PluginKind::Source(make) => Box::pin(source::run(life, make().task(), setup)).await,
        PluginKind::Sink(make) => Box::pin(sink::run(life, make().task(), setup)).await,
        _ => Err(connector::not_a_connector(plugin)),
    }
}
