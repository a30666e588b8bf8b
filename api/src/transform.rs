//! Transforms and predicates: how one record may be changed, and which ones (Connect's `Transformation`, `Predicate`).
//!
//! They stand between a source and its converter, and between a sink's converter and the sink. One record in, at most one
//! out: positions are counted per record, so a transform may drop but never split.

use crate::error::Result;
use crate::record::Record;

/// Changes records one at a time.
pub trait Transform: Send {
    /// Gives the changed record, or `None` to drop it. Called once per record, in order.
    ///
    /// # Errors
    /// `BadRecord` when this record cannot be transformed; `Retriable` to be called again with the same record.
    fn apply(&mut self, record: Record) -> Result<Option<Record>>;
}

/// Says which records a transform applies to.
pub trait Predicate: Send {
    /// Whether the record is one of them.
    fn test(&self, record: &Record) -> bool;
}
