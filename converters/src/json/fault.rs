//! What is wrong with one value, and where in the record it stands.
//!
//! Made deep inside a value and completed on the way out, so that the good path carries no path along.

use api::Error;

/// A reason in Connect's words, and the names of the fields around it, innermost first.
#[derive(Clone, Debug)]
pub(super) struct Fault(Box<(String, Vec<String>)>);

impl Fault {
    /// A reason.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(Box::new((reason.into(), Vec::new())))
    }

    /// The same fault, seen from the struct that has it in a field.
    pub(super) fn inside(mut self, field: &str) -> Self {
        self.0.1.push(field.to_owned());
        self
    }

    /// The error of the whole record.
    pub(super) fn into_error(self) -> Error {
        let (reason, mut path) = *self.0;
        if path.is_empty() {
            return Error::bad_record(reason);
        }
        path.reverse();
        Error::bad_record(format!("{reason} (field \"{}\")", path.join(".")))
    }
}
