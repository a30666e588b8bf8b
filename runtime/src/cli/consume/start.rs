//! Where reading starts: what was said, and the offsets that come of it.

use broker_client::{Client, Isolation, OffsetSpec, TopicPartition};

use super::super::exit::Exit;

/// Where to start in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Start {
    /// At the first record there is.
    Earliest,
    /// Behind the last record.
    Latest,
    /// At this offset.
    At(i64),
    /// So many offsets before the end.
    Back(i64),
    /// At the first record of this time (ms since 1970) or later.
    Timestamp(i64),
}

/// `earliest`, `latest`, `17`, `-5`; also kcat's `beginning` and `end`.
pub(super) fn parse(text: &str) -> Result<Start, String> {
    match text {
        "earliest" | "beginning" => return Ok(Start::Earliest),
        "latest" | "end" => return Ok(Start::Latest),
        _ => {}
    }
    match text.parse::<i64>() {
        // "-0" asks for nothing before the end.
        Ok(0) if text.starts_with('-') => Ok(Start::Latest),
        Ok(offset @ 0..) => Ok(Start::At(offset)),
        Ok(back) => back.checked_neg().map(Start::Back).ok_or_else(|| format!("{back} is too far back")),
        Err(error) => Err(format!("\"{text}\" is neither earliest, latest, an offset nor -N: {error}")),
    }
}

/// The chosen partitions of these topics, or all of them.
pub(in super::super) async fn partitions_of(
    client: &Client,
    topics: &[String],
    chosen: &[i32],
) -> Result<Vec<TopicPartition>, Exit> {
    let mut partitions = Vec::new();
    for topic in topics {
        let count = client.partitions_for(topic, false).await?;
        if let Some(missing) = chosen.iter().find(|it| **it >= count) {
            let last = count - 1;
            return Err(Exit::runtime(format!("topic {topic} has partitions 0 to {last}, not {missing}")));
        }
        let all: Vec<i32> = if chosen.is_empty() { (0..count).collect() } else { chosen.to_vec() };
        partitions.extend(all.into_iter().map(|partition| TopicPartition::new(topic.as_str(), partition)));
    }
    Ok(partitions)
}

/// The offset to start at in each partition.
pub(in super::super) async fn places(
    client: &Client,
    partitions: &[TopicPartition],
    start: Start,
    isolation: Isolation,
) -> Result<Vec<(TopicPartition, i64)>, Exit> {
    let at = |spec| client.list_offsets_of(partitions, spec, isolation);
    let offsets = match start {
        Start::Earliest => at(OffsetSpec::Earliest).await?,
        Start::Latest => at(OffsetSpec::Latest).await?,
        Start::Timestamp(timestamp) => at(OffsetSpec::Timestamp(timestamp)).await?,
        Start::At(offset) => vec![offset; partitions.len()],
        Start::Back(count) => {
            let (first, last) = (at(OffsetSpec::Earliest).await?, at(OffsetSpec::Latest).await?);
            first.iter().zip(last).map(|(first, last)| last.saturating_sub(count).max(*first)).collect()
        }
    };
    Ok(partitions.iter().cloned().zip(offsets).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_words_or_numbers() {
        assert_eq!(parse("earliest"), Ok(Start::Earliest));
        assert_eq!(parse("end"), Ok(Start::Latest));
        assert_eq!(parse("17"), Ok(Start::At(17)));
        assert_eq!(parse("-5"), Ok(Start::Back(5)));
        assert_eq!(parse("-0"), Ok(Start::Latest));
        assert!(parse("-9223372036854775808").is_err() && parse("first").is_err());
    }
}
