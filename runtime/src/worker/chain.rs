//! The transforms of a connector, in order, each with its predicate.
//!
//! Between a source and its converter, and between a sink's converter and the sink: called per record, never waits.
//! Invariant: a record passes every stage once and in order; one that failed can go on at the stage that refused it.

use api::{Error, Predicate, Record, Transform};

/// One transform, and which records it is for.
pub(crate) struct TransformStage {
    /// The alias in the connector's `transforms`.
    pub(crate) alias: String,
    /// The class that the configuration names.
    pub(crate) class: &'static str,
    /// What changes the records.
    pub(crate) transform: Box<dyn Transform>,
    /// Which records it changes; all when there is none.
    pub(crate) predicate: Option<Box<dyn Predicate>>,
    /// Whether it changes the others instead (`negate`).
    pub(crate) negate: bool,
}

impl TransformStage {
    fn is_for(&self, record: &Record) -> bool {
        self.predicate.as_ref().is_none_or(|predicate| predicate.test(record) != self.negate)
    }
}

/// A record that a stage refused.
#[derive(Debug)]
pub(crate) struct ChainFailure {
    /// Which stage, to go on from.
    pub(crate) stage: usize,
    /// Its class.
    pub(crate) class: &'static str,
    /// The record as the stage got it, if it was to be kept.
    pub(crate) record: Option<Box<Record>>,
    /// Why.
    pub(crate) error: Error,
}

/// All transforms of a connector.
#[derive(Default)]
pub(crate) struct Chain(Vec<TransformStage>);

impl Chain {
    /// A chain of these stages.
    pub(crate) const fn new(stages: Vec<TransformStage>) -> Self {
        Self(stages)
    }

    /// Sends a record through the stages from `first` on; `None` when one dropped it. `keep` has each stage leave a copy to
    /// try again with: it costs a clone per stage and record, so it is for connectors that retry.
    pub(crate) fn apply(
        &mut self,
        first: usize,
        mut record: Record,
        keep: bool,
    ) -> Result<Option<Record>, ChainFailure> {
        for (stage, step) in self.0.iter_mut().enumerate().skip(first) {
            if !step.is_for(&record) {
                continue;
            }
            let kept = keep.then(|| Box::new(record.clone()));
            match step.transform.apply(record) {
                Ok(Some(changed)) => record = changed,
                Ok(None) => return Ok(None),
                Err(error) => {
                    let error = error.context(format!("transform {} ({})", step.alias, step.class));
                    return Err(ChainFailure { stage, class: step.class, record: kept, error });
                }
            }
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use api::Text;

    use super::*;

    struct Append(&'static str, u32);

    impl Transform for Append {
        fn apply(&mut self, mut record: Record) -> api::Result<Option<Record>> {
            if self.1 > 0 {
                self.1 -= 1;
                return Err(Error::retriable("not yet"));
            }
            record.topic = Text::from(format!("{}{}", record.topic, self.0));
            Ok(Some(record))
        }
    }

    struct Drop;

    impl Transform for Drop {
        fn apply(&mut self, _record: Record) -> api::Result<Option<Record>> {
            Ok(None)
        }
    }

    struct Tombstones;

    impl Predicate for Tombstones {
        fn test(&self, record: &Record) -> bool {
            record.is_tombstone()
        }
    }

    fn stage(
        transform: impl Transform + 'static,
        predicate: Option<Box<dyn Predicate>>,
        negate: bool,
    ) -> TransformStage {
        TransformStage {
            alias: "a".to_owned(),
            class: "A",
            transform: Box::new(transform),
            predicate,
            negate,
        }
    }

    #[test]
    fn predicates_and_negation_choose_the_records() {
        let mut chain = Chain::new(vec![
            stage(Append("x", 0), Some(Box::new(Tombstones)), false),
            stage(Append("y", 0), Some(Box::new(Tombstones)), true),
        ]);
        let tombstone = chain.apply(0, Record::default(), false).unwrap().unwrap();
        assert_eq!(&*tombstone.topic, "x");
        let value = api::SchemaAndValue::of_text("v");
        let full = chain.apply(0, Record { value, ..Record::default() }, false).unwrap().unwrap();
        assert_eq!(&*full.topic, "y");
    }

    #[test]
    fn a_dropped_record_reaches_no_later_stage() {
        let mut chain = Chain::new(vec![stage(Drop, None, false), stage(Append("x", 9), None, false)]);
        assert_eq!(chain.apply(0, Record::default(), true).unwrap(), None);
    }

    #[test]
    fn a_record_goes_on_at_the_stage_that_refused_it() {
        let mut chain =
            Chain::new(vec![stage(Append("x", 0), None, false), stage(Append("y", 1), None, false)]);
        let failure = chain.apply(0, Record::default(), true).unwrap_err();
        assert!(failure.error.is_retriable() && failure.error.to_string().contains("transform a (A)"));
        let record = chain.apply(failure.stage, *failure.record.unwrap(), true).unwrap().unwrap();
        assert_eq!(&*record.topic, "xy", "the first stage is not passed twice");
    }
}
