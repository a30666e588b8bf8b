//! What the fuzz targets call: any API in any version, chosen by the data. Only there with the feature `fuzzing`.

use bytes::Bytes;

use crate::{
    ApiKey, Message, Request,
    api_key::{for_each_api, with_apis},
    reader::Reader,
    sample::{Sample, Sampler},
    writer::Writer,
};

/// Takes an API and a version that it has from the first two bytes.
pub fn choose(data: &[u8]) -> Option<(ApiKey, i16, Bytes)> {
    let [api, version, body @ ..] = data else { return None };
    let api = ApiKey::ALL[usize::from(*api) % ApiKey::ALL.len()];
    let versions: Vec<i16> = api.versions().collect();
    let version = versions[usize::from(*version) % versions.len()];
    Some((api, version, Bytes::copy_from_slice(body)))
}

/// Reads a request, and writes and reads it again if it could be read.
pub fn request(api: ApiKey, version: i16, body: Bytes) {
    fn check<R: Request>(api: ApiKey, (wanted, version, body): (ApiKey, i16, &Bytes)) {
        if api == wanted {
            round_trip::<R>(body, version);
        }
    }
    let body = &body;
    with_apis!(for_each_api[check(api, version, body)]);
}

/// Reads a response, and writes and reads it again if it could be read.
pub fn response(api: ApiKey, version: i16, body: Bytes) {
    fn check<R: Request>(api: ApiKey, (wanted, version, body): (ApiKey, i16, &Bytes)) {
        if api == wanted {
            round_trip::<R::Response>(body, version);
        }
    }
    let body = &body;
    with_apis!(for_each_api[check(api, version, body)]);
}

/// A request and a response of each API in its first and last version, with names for their files, in the form that [`choose`] takes.
pub fn seeds() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    fn add<R: Request + Sample>(api: ApiKey, seeds: &mut Vec<(String, Vec<u8>, Vec<u8>)>)
    where
        R::Response: Sample,
    {
        let index = ApiKey::ALL.iter().position(|other| *other == api).and_then(|at| u8::try_from(at).ok());
        let versions = api.versions();
        let last = u8::try_from(versions.end() - versions.start()).unwrap_or(0);
        for (at, version) in [(0, *versions.start()), (last, *versions.end())] {
            let sampler = &mut Sampler::new(u64::from(at) * 7919 + 77);
            let mut sides = [vec![index.unwrap_or(0), at], vec![index.unwrap_or(0), at]];
            let mut writer = Writer::new(false);
            if R::sample(sampler, version).encode(&mut writer, version).is_ok() {
                sides[0].extend_from_slice(&writer.finish().into_bytes());
            }
            let mut writer = Writer::new(false);
            if R::Response::sample(sampler, version).encode(&mut writer, version).is_ok() {
                sides[1].extend_from_slice(&writer.finish().into_bytes());
            }
            let [request, response] = sides;
            seeds.push((format!("{api}-{version}"), request, response));
        }
    }
    let mut all = Vec::new();
    let seeds = &mut all;
    with_apis!(for_each_api[add(seeds)]);
    all
}

fn round_trip<M: Message>(body: &Bytes, version: i16) {
    let Ok(message) = M::decode_from(&mut Reader::new(body.clone(), false), version) else { return };
    let encode = |message: &M| {
        let mut writer = Writer::new(false);
        let written = message.encode(&mut writer, version);
        assert!(written.is_ok(), "{} v{version} was read and cannot be written: {written:?}", M::NAME);
        writer.finish().into_bytes()
    };
    let bytes = encode(&message);
    match M::decode(bytes.clone(), version) {
        // Bytes and not values are compared: a NaN is not equal to itself.
        Ok(again) => assert_eq!(encode(&again), bytes, "{} v{version} changes on the way", M::NAME),
        Err(error) => panic!("{} v{version} was written and cannot be read: {error}", M::NAME),
    }
}
