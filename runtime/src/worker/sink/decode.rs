//! From bytes to a sink's records: converters and transforms, and what becomes of records that fail in them.

use std::time::Instant;

use api::{Error, Result, SinkRecord, TimestampType, TopicPartition};
use broker_client::ConsumerRecord;

use super::SinkLoop;
use crate::worker::pipeline::{Pipeline, StageFailure};
use crate::worker::tolerance::{Stage, Tolerance, Verdict};

impl SinkLoop {
    /// Turns bytes into the sink's records; those that fail are passed over, or end the task.
    pub(super) async fn decode(
        &mut self,
        partition: &TopicPartition,
        raws: &[ConsumerRecord],
        batch: &mut Vec<SinkRecord>,
    ) -> Result<()> {
        batch.clear();
        batch.reserve(raws.len());
        for raw in raws {
            let mut from = None;
            loop {
                match decode_one(&mut self.pipeline, &self.tolerance, partition, raw, from.take()) {
                    Ok(record) => {
                        self.tolerance.succeeded();
                        batch.extend(record);
                    }
                    Err(refused) => {
                        let Refused { mut failure, resume } = *refused;
                        if let Some(pending) = self.pipeline.pending() {
                            match self.life.unless_stopped(pending).await {
                                None => return Ok(()),
                                Some(Ok(())) => continue,
                                Some(Err(error)) => failure.error = error,
                            }
                        }
                        let verdict = self.tolerance.judge(&failure.error, Instant::now());
                        self.errant.failed(verdict, &failure, partition, raw).await?;
                        match verdict {
                            Verdict::Skip => {}
                            Verdict::Fail => return Err(self.failure(failure, partition, raw)),
                            Verdict::Retry(delay) => {
                                self.life.sleep(delay).await;
                                if self.life.is_stopping() {
                                    return Ok(());
                                }
                                from = resume;
                                continue;
                            }
                        }
                    }
                }
                break;
            }
        }
        Ok(())
    }

    pub(super) fn failure(
        &self,
        failure: StageFailure,
        partition: &TopicPartition,
        raw: &ConsumerRecord,
    ) -> Error {
        let place = format!(
            "the record at offset {} of partition {} of topic {}, stage {}",
            raw.offset,
            partition.partition,
            partition.topic,
            failure.stage.name()
        );
        failure.error.context(place).context("Tolerance exceeded in error handler")
    }
}

/// A record that could not be decoded, and where to go on if it is tried again.
struct Refused {
    failure: StageFailure,
    resume: Option<(usize, api::Record)>,
}

/// Decodes one record and sends it through the transforms; `None` when one dropped it.
fn decode_one(
    pipeline: &mut Pipeline,
    tolerance: &Tolerance,
    partition: &TopicPartition,
    raw: &ConsumerRecord,
    resume: Option<(usize, api::Record)>,
) -> std::result::Result<Option<SinkRecord>, Box<Refused>> {
    let refused = |failure, resume| Box::new(Refused { failure, resume });
    let (stage, record) = match resume {
        Some(resume) => resume,
        None => match pipeline.decode(&partition.topic, partition.partition, raw) {
            Ok(record) => (0, record),
            Err(failure) => return Err(refused(failure, None)),
        },
    };
    let transformed = pipeline.transform(stage, record, tolerance.policy().retries()).map_err(|failure| {
        let resume = failure.record.map(|record| (failure.stage, *record));
        refused(StageFailure::new(Stage::Transformation, failure.class, failure.error), resume)
    })?;
    let timestamp_type = match raw.timestamp_type {
        broker_client::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
        broker_client::TimestampType::CreateTime => TimestampType::CreateTime,
    };
    let sink_record =
        |record| SinkRecord { record, timestamp_type, original: partition.clone(), offset: raw.offset };
    Ok(transformed.map(sink_record))
}
