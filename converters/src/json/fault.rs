//! What is wrong with one value, and where in the record it stands.
//!
//! Made deep inside a value and completed on the way out, so that the good path carries no path along.

use api::Error;

/// A reason in Connect's words, and the names of the fields around it, innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Fault(Box<(String, Vec<String>)>);

impl Fault {
    /// A reason.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(Box::new((reason.into(), Vec::new())))
    }

    /// The same fault, seen from the struct that has it in a field.
    pub(crate) fn inside(mut self, field: &str) -> Self {
        self.0.1.push(field.to_owned());
        self
    }

    /// The same fault, told otherwise.
    pub(crate) fn reason(mut self, tell: impl FnOnce(&str) -> String) -> Self {
        self.0.0 = tell(&self.0.0);
        self
    }

    /// The error of the whole record.
    pub(crate) fn into_error(self) -> Error {
        let (reason, mut path) = *self.0;
        if path.is_empty() {
            return Error::bad_record(reason);
        }
        path.reverse();
        Error::bad_record(format!("{reason} (field \"{}\")", path.join(".")))
    }
}
