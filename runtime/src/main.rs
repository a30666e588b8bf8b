//! The binary `millrace`: the one place that names the built-in plugins, and hands them to the command line.

use std::process::ExitCode;

/// Faster than the system's, and gives memory back: an idle worker stays small. Not in huge pages (`no_thp`), each of which is 2 MiB
/// in memory as soon as one byte of it is used: they double what a worker weighs and make it no faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let registry = api::Registry::new().with(connectors::ALL).with(transforms::ALL).with(converters::ALL);
    runtime::cli::main(registry)
}
