//! Where a group shall go on: what may be said, and the offsets that come of it.
//!
//! Pure. Invariant: a new offset lies between the first record and the end of its partition, as Kafka's tool sees to it too.

use broker_client::TopicPartition;

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Earliest,
    Latest,
    /// Where it is; partitions without an offset go to the end.
    Current,
    To(i64),
    ShiftBy(i64),
    /// The first record of this time (ms since 1970) or later.
    At(i64),
}

/// What is known of a partition before the reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) current: Option<i64>,
    pub(super) earliest: i64,
    pub(super) latest: i64,
    /// The offset of the moment that was asked for.
    pub(super) at_moment: i64,
}

/// The new offset. A shift needs an offset to start from.
pub(super) fn new_offset(target: Target, place: &TopicPartition, known: Known) -> Result<i64, String> {
    let wanted = match target {
        Target::Earliest => known.earliest,
        Target::Latest => known.latest,
        Target::Current => known.current.unwrap_or(known.latest),
        Target::To(offset) => offset,
        Target::At(_) => known.at_moment,
        Target::ShiftBy(by) => match known.current {
            Some(current) => current.saturating_add(by),
            None => {
                return Err(format!(
                    "the group has no offset in partition {place} that could be shifted; use --to-earliest, --to-latest or --to-offset for it"
                ));
            }
        },
    };
    Ok(wanted.clamp(known.earliest, known.latest.max(known.earliest)))
}

/// `topic` or `topic:0,1`.
pub(super) fn scope(text: &str) -> Result<(String, Vec<i32>), String> {
    let Some((topic, partitions)) = text.split_once(':') else { return Ok((text.to_owned(), Vec::new())) };
    let wrong = |error| format!("\"{text}\" is no topic:partition,partition: {error}");
    let partitions = partitions.split(',').map(|it| it.trim().parse::<i32>().map_err(wrong));
    Ok((topic.to_owned(), partitions.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_offsets_stay_within_the_log() {
        let known = Known { current: Some(50), earliest: 10, latest: 100, at_moment: 70 };
        let to = |target| new_offset(target, &TopicPartition::new("t", 0), known).unwrap();
        assert_eq!((to(Target::Earliest), to(Target::Latest), to(Target::Current)), (10, 100, 50));
        assert_eq!((to(Target::To(60)), to(Target::To(5)), to(Target::To(500))), (60, 10, 100));
        assert_eq!(
            (to(Target::ShiftBy(-5)), to(Target::ShiftBy(i64::MAX)), to(Target::At(0))),
            (45, 100, 70)
        );
    }

    #[test]
    fn what_has_no_offset_cannot_be_shifted() {
        let known = Known { current: None, earliest: 0, latest: 9, at_moment: 0 };
        let place = TopicPartition::new("t", 3);
        assert!(new_offset(Target::ShiftBy(1), &place, known).unwrap_err().contains("t-3"));
        assert_eq!(new_offset(Target::Current, &place, known), Ok(9));
    }

    #[test]
    fn a_scope_is_a_topic_or_some_of_its_partitions() {
        assert_eq!(scope("t"), Ok(("t".into(), vec![])));
        assert_eq!(scope("t:0,2"), Ok(("t".into(), vec![0, 2])));
        assert!(scope("t:x").is_err() && scope("t:").is_err());
    }
}
