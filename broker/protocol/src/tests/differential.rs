//! Every API in every version, our bytes against those of the independent `kafka-protocol` crate.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey as TheirKey, RequestKind, ResponseKind};
use proptest::prelude::*;

use crate::api_key::{for_each_api, with_apis};
use crate::sample::{Sample, Sampler};
use crate::writer::Writer;
use crate::{ApiKey, Message, Request};

/// Versions that the other crate lists for an API although its messages do not have them.
const THEIR_GAPS: [(ApiKey, i16); 2] = [(ApiKey::OffsetCommit, 10), (ApiKey::OffsetFetch, 10)];

fn encode<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new(false);
    message.encode(&mut writer, version).unwrap();
    writer.finish().into_bytes()
}

/// What they make of our request: read it, leave nothing, write the same bytes.
fn request_through_them(api: ApiKey, version: i16, ours: &Bytes) {
    let mut rest = ours.clone();
    let theirs = RequestKind::decode(TheirKey::try_from(i16::from(api)).unwrap(), &mut rest, version)
        .unwrap_or_else(|error| panic!("{api} request v{version}: {error}"));
    assert!(rest.is_empty(), "{api} request v{version} leaves {} bytes", rest.len());
    let mut back = BytesMut::new();
    theirs.encode(&mut back, version).unwrap();
    assert_eq!(back, ours, "{api} request v{version}");
}

fn response_through_them(api: ApiKey, version: i16, ours: &Bytes) {
    let mut rest = ours.clone();
    let theirs = ResponseKind::decode(TheirKey::try_from(i16::from(api)).unwrap(), &mut rest, version)
        .unwrap_or_else(|error| panic!("{api} response v{version}: {error}"));
    assert!(rest.is_empty(), "{api} response v{version} leaves {} bytes", rest.len());
    let mut back = BytesMut::new();
    theirs.encode(&mut back, version).unwrap();
    assert_eq!(back, ours, "{api} response v{version}");
}

fn agrees<R: Request + Sample>(api: ApiKey, (): ())
where
    R::Response: Sample,
{
    let theirs = TheirKey::try_from(i16::from(api)).unwrap().valid_versions();
    let mut compared = 0;
    let common = api.versions().filter(|version| (theirs.min..=theirs.max).contains(version));
    for version in common.filter(|version| !THEIR_GAPS.contains(&(api, *version))) {
        for seed in 1..40 {
            let sampler = &mut Sampler::new(seed * 0x9e37_79b9);
            request_through_them(api, version, &encode(&R::sample(sampler, version), version));
            response_through_them(api, version, &encode(&R::Response::sample(sampler, version), version));
            compared += 1;
        }
    }
    assert!(compared > 0, "{api}: no version in common");
}

#[test]
fn every_api_and_version_agrees_with_an_independent_codec() {
    with_apis!(for_each_api[agrees()]);
}

#[test]
fn requests_and_responses_have_the_same_versions() {
    fn same<R: Request>(api: ApiKey, (): ()) {
        assert_eq!(R::VERSIONS, R::Response::VERSIONS, "{api}");
        assert_eq!(R::FLEXIBLE, R::Response::FLEXIBLE, "{api}");
        assert_eq!(ApiKey::try_from(i16::from(api)), Ok(api));
    }
    with_apis!(for_each_api[same()]);
}

fn survives<R: Request + Sample>(api: ApiKey, seed: u64)
where
    R::Response: Sample,
{
    for version in api.versions() {
        let sampler = &mut Sampler::new(seed);
        let request = R::sample(sampler, version);
        assert_eq!(R::decode(encode(&request, version), version), Ok(request), "{api} v{version}");
        let response = R::Response::sample(sampler, version);
        assert_eq!(
            R::Response::decode(encode(&response, version), version),
            Ok(response),
            "{api} v{version}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_survives_the_trip(seed in any::<u64>()) {
        with_apis!(for_each_api [survives seed]);
    }
}
