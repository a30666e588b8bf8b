//! Input from someone who means harm: never a panic, never memory that was not paid for.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use crate::api_key::{for_each_api, with_apis};
use crate::error::DecodeFault;
use crate::header::{RequestHeader, check_version, decode_response, encode_request, encode_response};
use crate::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::messages::metadata::{MetadataRequest, MetadataResponse};
use crate::messages::produce::ProduceResponse;
use crate::reader::{ELEMENTS_MAX, Reader};
use crate::sample::{Sample, Sampler};
use crate::writer::Writer;
use crate::{ApiKey, ErrorCode, Message, Request};

#[test]
fn an_array_of_two_billion_elements_in_four_bytes() {
    let error = MetadataRequest::decode(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]), 0).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::LengthBeyondMessage { claimed: 0x7fff_ffff, left: 0 });
    assert_eq!(error.path(), "MetadataRequest v0.topics");
    assert!(error.to_string().starts_with("MetadataRequest v0.topics: claims 2147483647"));
}

#[test]
fn arrays_share_one_budget() {
    let mut body = BytesMut::new();
    body.put_i32(i32::try_from(ELEMENTS_MAX + 1).unwrap());
    body.put_bytes(0, 3 * ELEMENTS_MAX);
    let error = MetadataRequest::decode(body.freeze(), 1).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::TooManyElements { limit: ELEMENTS_MAX });
}

#[test]
fn negative_lengths_and_null_where_it_is_not_allowed() {
    let negative = MetadataRequest::decode(Bytes::from_static(&[0xff, 0xff, 0xff, 0xfe]), 1).unwrap_err();
    assert_eq!(negative.fault(), &DecodeFault::InvalidLength { length: -2 });
    let null = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff]);
    let refused = MetadataRequest::decode(null.clone(), 0).unwrap_err();
    assert_eq!(refused.fault(), &DecodeFault::UnexpectedNull { version: 0 });
    assert_eq!(MetadataRequest::decode(null, 1).unwrap().topics, None);
}

#[test]
fn tag_bombs() {
    // ApiVersions v3: two empty compact strings, then 2^32 - 1 tags.
    let many = Bytes::from_static(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(
        ApiVersionsRequest::decode(many, 3).unwrap_err().fault(),
        DecodeFault::Truncated { .. }
    ));
    let huge = Bytes::from_static(&[1, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(
        ApiVersionsRequest::decode(huge, 3).unwrap_err().fault(),
        DecodeFault::Truncated { .. }
    ));
    let endless = Bytes::from_static(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(
        ApiVersionsRequest::decode(endless, 3).unwrap_err().fault(),
        &DecodeFault::VarintTooLong { bytes: 5 }
    );
    let twice = Bytes::from_static(&[1, 1, 2, 5, 0, 5, 0]);
    assert_eq!(
        ApiVersionsRequest::decode(twice, 3).unwrap_err().fault(),
        &DecodeFault::TagOrder { tag: 5, previous: 5 }
    );
    let unknown = Bytes::from_static(&[1, 1, 1, 77, 2, 9, 9]);
    assert_eq!(ApiVersionsRequest::decode(unknown, 3), Ok(ApiVersionsRequest::default()));
}

#[test]
fn bytes_after_the_message_are_an_error_only_for_a_whole_body() {
    let body = Bytes::from_static(&[0, 0, 0, 0, 7]);
    let error = MetadataRequest::decode(body.clone(), 0).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::TrailingBytes { left: 1 });
    // A frame of a peer that adds some is read as Kafka reads it.
    let mut reader = Reader::new(body, false);
    assert_eq!(MetadataRequest::decode_from(&mut reader, 0).unwrap().topics, Some(Vec::new()));
    assert_eq!(reader.remaining(), 1);
}

#[test]
fn a_frame_cut_anywhere_is_an_error() {
    fn cut<R: Request + Sample>(api: ApiKey, (): ()) {
        let version = *api.versions().end();
        let mut writer = Writer::new(false);
        R::sample(&mut Sampler::new(77), version).encode(&mut writer, version).unwrap();
        let whole = writer.finish().into_bytes();
        for length in 0..whole.len().min(2000) {
            assert!(R::decode(whole.slice(..length), version).is_err(), "{api} cut at {length}");
        }
    }
    with_apis!(for_each_api[cut()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0..20_i16) {
        fn read<R: Request>(_api: ApiKey, (body, version): (&Bytes, i16)) {
            // Errors are as good as values here: what counts is that it returns.
            drop(R::decode(body.clone(), version));
            drop(R::Response::decode(body.clone(), version));
        }
        let body = &Bytes::from(bytes);
        drop(RequestHeader::read(&mut Reader::new(body.clone(), false)));
        with_apis!(for_each_api [read (body, version)]);
    }

    #[test]
    fn one_changed_byte_never_panics(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        fn read<R: Request + Sample>(api: ApiKey, (seed, at, byte): (u64, &prop::sample::Index, u8)) {
            let version = *api.versions().end();
            let mut writer = Writer::new(false);
            R::sample(&mut Sampler::new(seed), version).encode(&mut writer, version).unwrap();
            let mut body = writer.finish().into_bytes().to_vec();
            let index = at.index(body.len().max(1));
            if let Some(place) = body.get_mut(index) {
                *place = byte;
            }
            drop(R::decode(body.into(), version));
        }
        with_apis!(for_each_api [read (seed, &at, byte)]);
    }
}

#[test]
fn api_versions_omits_tags_that_hold_their_default() {
    let mut writer = Writer::new(false);
    ApiVersionsResponse::default().encode(&mut writer, 3).unwrap();
    // error code, empty compact array, throttle time, no tags.
    assert_eq!(writer.finish().into_bytes(), &[0, 0, 1, 0, 0, 0, 0, 0][..]);
}

#[test]
fn an_unknown_version_of_api_versions_is_refused_in_version_0() {
    let frame = crate::header::encode_api_versions_refusal(7).unwrap().into_bytes();
    let response = decode_response::<ApiVersionsRequest>(frame.slice(4..), 4).unwrap();
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 4));
}

#[test]
fn api_versions_has_the_old_response_header_and_others_the_new() {
    let frame = encode_response(ApiKey::ApiVersions, &ApiVersionsResponse::default(), 3, 9).unwrap();
    assert_eq!(frame.into_bytes(), &[0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 0][..]);
    let flexible =
        encode_response(ApiKey::Metadata, &MetadataResponse::default(), 12, 9).unwrap().into_bytes();
    assert_eq!(flexible[8], 0, "the response header's empty tags");
    assert!(decode_response::<MetadataRequest>(flexible.slice(4..), 12).is_ok());
}

#[test]
fn the_client_id_is_never_compact() {
    let request = MetadataRequest { topics: None, ..Default::default() };
    let frame = encode_request(&request, 12, 5, Some("me")).unwrap().into_bytes();
    assert_eq!(frame[4..18], [0, 3, 0, 12, 0, 0, 0, 5, 0, 2, b'm', b'e', 0, 0]);
    let mut reader = Reader::new(frame.slice(4..), false);
    let header = RequestHeader::read(&mut reader).unwrap();
    assert_eq!((header.correlation_id, header.client_id.as_deref()), (5, Some("me")));
    assert_eq!(check_version(&header), Ok(ApiKey::Metadata));
    assert_eq!(MetadataRequest::decode_from(&mut reader, 12), Ok(request));
}

#[test]
fn unknown_apis_and_versions_are_told_apart() {
    let header =
        |api_key, api_version| RequestHeader { api_key, api_version, correlation_id: 0, client_id: None };
    assert_eq!(check_version(&header(999, 0)).unwrap_err().fault(), &DecodeFault::UnknownApi { key: 999 });
    let newer = check_version(&header(3, 99)).unwrap_err();
    assert_eq!(newer.to_string(), "Metadata: version 99 is not supported, only 0 to 13");
}

#[test]
fn produce_reads_the_versions_it_advertises() {
    // librdkafka before 2.11.1 stops compressing when the minimum is above 0, so old requests must get an answer.
    assert_eq!(ApiKey::Produce.versions(), 0..=13);
    let mut writer = Writer::new(false);
    ProduceResponse::default().encode(&mut writer, 0).unwrap();
    assert_eq!(writer.finish().into_bytes(), &[0, 0, 0, 0][..]);
}
