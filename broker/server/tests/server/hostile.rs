//! Requests with flipped, cut and random bytes: each is answered or ends its connection, and nothing in the broker panics.

use std::sync::atomic::{AtomicUsize, Ordering};

use broker_protocol::{
    Request,
    batch::BatchFields,
    header::encode_request,
    messages::{
        api_versions::ApiVersionsRequest,
        create_topics::{CreatableTopic, CreateTopicsRequest},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
        list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
        metadata::{MetadataRequest, MetadataRequestTopic},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup},
    },
};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, TestError, TestResult, batch, fetch_request, produce_request, start};

static PANICS: AtomicUsize = AtomicUsize::new(0);

fn frame<R: Request>(request: &R, version: i16) -> Result<Vec<u8>, TestError> {
    Ok(encode_request(request, version, 1, Some("hostile"))?.into_bytes().to_vec())
}

/// Sound requests to begin with.
fn frames() -> Result<Vec<Vec<u8>>, TestError> {
    let topic =
        CreatableTopic { name: "n".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: "m".into() };
    let join = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 6_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() }];
    let commit = OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() };
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
    let listed = ListOffsetsTopic {
        name: "t".into(),
        partitions: vec![ListOffsetsPartition { timestamp: 5, ..Default::default() }],
    };
    let wanted = MetadataRequestTopic { name: Some("t".into()), ..Default::default() };
    Ok(vec![
        frame(&produce_request("t", batch(&["x", "y"], BatchFields::default()), -1), 9)?,
        frame(&fetch_request("t", 0, std::time::Duration::ZERO, 1), 12)?,
        frame(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7)?,
        frame(&join, 5)?,
        frame(&OffsetCommitRequest { group_id: "g".into(), topics: vec![commit], ..Default::default() }, 8)?,
        frame(&OffsetFetchRequest { groups: vec![group], ..Default::default() }, 8)?,
        frame(&ListOffsetsRequest { topics: vec![listed], ..Default::default() }, 7)?,
        frame(&MetadataRequest { topics: Some(vec![wanted]), ..Default::default() }, 12)?,
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_make_the_broker_panic_or_stop() -> TestResult {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        before(panic);
    }));
    let (broker, _folder) = start(|config| config.request_bytes_max = 1 << 20).await?;
    let mut bystander = Client::connect(&broker).await?;
    bystander.create("t", 1, &[]).await?;
    let frames = frames()?;
    let mut random = 0x9e37_79b9_u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % limit as u64).unwrap_or(0)
    };
    for round in 0..1_500 {
        let mut bytes = frames[below(frames.len())].clone();
        for _ in 0..=below(4) {
            let at = 4 + below(bytes.len() - 4);
            bytes[at] = if below(2) == 0 { bytes[at] ^ (1 << below(8)) } else { u8::try_from(below(256))? };
        }
        if below(4) == 0 {
            bytes.truncate(5 + below(bytes.len() - 5));
            let length = i32::try_from(bytes.len() - 4)?;
            bytes[..4].copy_from_slice(&length.to_be_bytes());
        }
        let mut client = Client::connect(&broker).await?;
        client.stream.write_all(&bytes).await?;
        drop(client);
        if round % 100 == 0 {
            bystander.ask(ApiVersionsRequest::default(), 3).await?;
        }
    }
    bystander.ask(ApiVersionsRequest::default(), 3).await?;
    broker.shutdown().await?;
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    Ok(())
}
