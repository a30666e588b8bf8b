//! A decoded row image: a value for each column, and which columns the server left out of it.
//!
//! With `binlog_row_image` other than FULL an image holds only what a replica cannot do without. Whatever is made of a row has to know
//! what was not there, since what stands in its place is no value. Invariant: a column that is not among the absent ones has the value
//! that it had in the table.

use std::borrow::Cow;

use api::Value;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowImage {
    /// One value per column of the table, in its order. In place of absent ones: [`TypeOptions::unavailable_value`] in texts, blobs and
    /// JSON documents, null in others.
    ///
    /// [`TypeOptions::unavailable_value`]: crate::mysql::types::TypeOptions::unavailable_value
    pub values: Vec<Value>,
    /// The columns that were left out, in the table's order.
    pub absent: Vec<usize>,
}

impl RowImage {
    /// Whether the image had a value or NULL in this column.
    #[must_use]
    pub fn holds(&self, column: usize) -> bool {
        self.absent.binary_search(&column).is_err()
    }

    /// The value of a column, if the image had it.
    #[must_use]
    pub fn held(&self, column: usize) -> Option<&Value> {
        self.values.get(column).filter(|_| self.holds(column))
    }

    /// The values, with null for what was left out.
    #[must_use]
    pub fn values_or_null(&self) -> Cow<'_, [Value]> {
        if self.absent.is_empty() {
            return Cow::Borrowed(&self.values);
        }
        let value = |index| self.held(index).cloned().unwrap_or_default();
        Cow::Owned((0..self.values.len()).map(value).collect())
    }

    /// Takes over what the image before an update has of the columns that this one, after it, lacks: what an update leaves out it has
    /// not changed.
    pub(super) fn complete(&mut self, before: &Self) {
        let values = &mut self.values;
        self.absent.retain(|column| match (before.held(*column), values.get_mut(*column)) {
            (Some(unchanged), Some(value)) => {
                *value = unchanged.clone();
                false
            }
            _ => true,
        });
    }
}

/// An image that lacks nothing.
impl From<Vec<Value>> for RowImage {
    fn from(values: Vec<Value>) -> Self {
        Self { values, absent: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(values: [i32; 4], absent: &[usize]) -> RowImage {
        RowImage { values: values.map(Value::Int32).to_vec(), absent: absent.to_vec() }
    }

    #[test]
    fn what_an_update_leaves_out_is_what_was_there_before() {
        let before = image([1, 0, 3, 0], &[1, 3]);
        let mut after = image([0, 0, 0, 9], &[0, 1, 2]);
        after.complete(&before);
        assert_eq!(after, image([1, 0, 3, 9], &[1]));
        assert!(after.holds(0) && !after.holds(1) && after.held(1).is_none());
        assert_eq!(after.values_or_null()[..2], [Value::Int32(1), Value::Null]);
        assert_eq!(before.held(2), Some(&Value::Int32(3)));
    }
}
