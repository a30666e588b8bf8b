//! Tests of the whole crate: against an independent codec, round trips, and hostile input.

mod batches;
mod differential;
mod hostile;
