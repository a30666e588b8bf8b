//! Connections against a scripted broker: negotiation, pipelining, time-outs, ends.

use std::time::Duration;

use broker_protocol::ApiKey;
use broker_protocol::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use broker_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::Connection;
use crate::client::Client;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::scripted::{Manners, ScriptedBroker};

#[tokio::test]
async fn an_old_broker_is_asked_again_in_version_0() {
    let broker = ScriptedBroker::start(Manners { api_versions_max: 0, ..Manners::default() }).await;
    let connection = Connection::open(&broker.address, &ClientConfig::default()).await.unwrap();
    assert!(connection.versions().offers(ApiKey::Fetch));
    assert_eq!(connection.version::<ListGroupsRequest>(3).unwrap(), 3);
}

#[tokio::test]
async fn answers_find_their_requests() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let connection = Connection::open(&broker.address, &ClientConfig::default()).await.unwrap();
    let (cluster, groups) = (DescribeClusterRequest::default(), ListGroupsRequest::default());
    let script = async {
        // Both are under way before the first is answered.
        let (_, first) = broker.expect::<DescribeClusterRequest>().await;
        let (_, second) = broker.expect::<ListGroupsRequest>().await;
        second.send(&ListGroupsResponse { throttle_time_ms: 2, ..Default::default() });
        first.send(&DescribeClusterResponse { controller_id: 1, ..Default::default() });
    };
    let calls = async {
        tokio::join!(connection.call(&cluster, i16::MAX, None), connection.call(&groups, i16::MAX, None))
    };
    let ((one, two), ()) = tokio::join!(calls, script);
    assert_eq!((one.unwrap().controller_id, two.unwrap().throttle_time_ms), (1, 2));
}

#[tokio::test]
async fn an_abandoned_call_does_not_disturb_the_next() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let connection = Connection::open(&broker.address, &ClientConfig::default()).await.unwrap();
    let request = ListGroupsRequest::default();
    {
        let call = connection.call(&request, i16::MAX, None);
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => panic!("nobody answered"),
            (_, answer) = broker.expect::<ListGroupsRequest>() => answer.send(&ListGroupsResponse::default()),
        }
    }
    let script = async {
        let (_, answer) = broker.expect::<ListGroupsRequest>().await;
        answer.send(&ListGroupsResponse { throttle_time_ms: 9, ..Default::default() });
    };
    let (answer, ()) = tokio::join!(connection.call(&request, i16::MAX, None), script);
    assert_eq!(answer.unwrap().throttle_time_ms, 9);
}

#[tokio::test]
async fn silence_ends_in_a_timeout_and_the_connection_is_given_up() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    // Short, but not too short for the opening.
    let config = ClientConfig { request_timeout: Duration::from_secs(1), ..Default::default() };
    let connection = Connection::open(&broker.address, &config).await.unwrap();
    let request = ListGroupsRequest::default();
    let (error, _silent) =
        tokio::join!(connection.call(&request, i16::MAX, None), broker.expect::<ListGroupsRequest>());
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Timeout { api: ApiKey::ListGroups, .. }), "{error}");
    assert!(error.is_retriable() && error.to_string().contains(&broker.address));
    // Whoever asks next is told at once or is told that it is over.
    let next = connection.call(&request, i16::MAX, None).await.unwrap_err();
    assert!(matches!(next, Error::Disconnected { .. }), "{next}");
    assert!(!connection.is_open());
}

#[tokio::test]
async fn a_hang_up_fails_every_request_under_way() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let connection = Connection::open(&broker.address, &ClientConfig::default()).await.unwrap();
    let request = ListGroupsRequest::default();
    let script = async {
        let (_, first) = broker.expect::<ListGroupsRequest>().await;
        let (_, _second) = broker.expect::<ListGroupsRequest>().await;
        first.hang_up();
    };
    let one = connection.call(&request, i16::MAX, None);
    let two = connection.call(&request, i16::MAX, None);
    let (one, two, ()) = tokio::join!(one, two, script);
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert!(matches!(error, Error::Disconnected { api: ApiKey::ListGroups, .. }), "{error}");
    }
}

#[tokio::test]
async fn someone_who_is_not_a_broker_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            let mut some = [0; 16];
            drop(stream.read(&mut some).await);
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = Connection::open(&address, &ClientConfig::default()).await.unwrap_err();
    assert!(matches!(error, Error::Disconnected { api: ApiKey::ApiVersions, .. }), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("is this a Kafka peer?"));
}

#[tokio::test]
async fn no_broker_at_all_names_every_address() {
    // Taken, so that nobody else may, but nobody listens there.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = ClientConfig {
        bootstrap_servers: vec![address.clone()],
        operation_timeout: Duration::from_secs(1),
        ..Default::default()
    };
    let error = Client::new(config).cluster().await.unwrap_err();
    assert!(matches!(error, Error::NoBroker { .. }), "{error}");
    assert!(error.to_string().contains(&address));
}
