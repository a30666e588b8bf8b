//! Tests of the producer.
