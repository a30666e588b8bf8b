//! The binary `millrace`: the one place that names the built-in plugins, and hands them to the command line.

use std::process::ExitCode;

/// Faster than the system's, and gives memory back: an idle worker stays small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let registry = api::Registry::new().with(connectors::ALL).with(transforms::ALL).with(converters::ALL);
    runtime::cli::main(registry)
}
