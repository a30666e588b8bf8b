//! `millrace` as it is, with connectors that misbehave on demand: the worker of the acceptance tests.
//!
//! The product's binary must not have such connectors, so the tests have a binary of their own; all but the list of plugins is the
//! same. What its connectors do is told by files (see `control`), and written to files, so that a test sees into a worker
//! that it started as any user would.

mod control;
mod sink;
mod source;
mod transform;

use std::process::ExitCode;

fn main() -> ExitCode {
    let ours = [&source::SOURCE, &sink::SINK, &transform::FAULTY];
    let registry =
        api::Registry::new().with(connectors::ALL).with(transforms::ALL).with(converters::ALL).with(&ours);
    runtime::cli::main(registry)
}
