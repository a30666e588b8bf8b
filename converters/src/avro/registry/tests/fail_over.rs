//! Several URLs of one registry, of which some are dead, broken or slow; credentials; proxies.

use super::*;

#[tokio::test]
async fn the_next_is_asked_where_one_is_dead_broken_silent_or_torn_and_whoever_answered_is_asked_first_then()
{
    let dead = Peer::dead().await;
    let broken = Peer::start(Manner::Answer(500, r#"{"error_code":50001,"message":"x"}"#), None).await;
    let (silent, torn) = (Peer::start(Manner::Silence, None).await, Peer::start(Manner::Torn, None).await);
    let good = Peer::start(KNOWN, None).await;
    let urls = [format!("http://{dead}"), broken.url(), silent.url(), torn.url(), good.url()].join(",");
    let options = [
        ("schema.registry.url", &*urls),
        ("http.connect.timeout.ms", "200"),
        ("http.read.timeout.ms", "100"),
    ];
    let registry = registry(&options).unwrap();
    assert_eq!(answer(&registry, register("a-value")).await.unwrap().id, 7);
    let asked = |peer: &Peer| peer.heard().len();
    assert_eq!([&broken, &silent, &torn, &good].map(asked), [1; 4]);
    assert_eq!(answer(&registry, register("b-value")).await.unwrap().id, 7);
    assert_eq!([&broken, &silent, &torn, &good].map(asked), [1, 1, 1, 2]);
    // And round to the first again, when that one is the only one to answer.
    good.change(Manner::Answer(503, ""));
    broken.change(KNOWN);
    assert_eq!(answer(&registry, register("c-value")).await.unwrap().id, 7);
    assert_eq!([&broken, &silent, &torn, &good].map(asked), [2, 1, 1, 3]);
}

#[tokio::test]
async fn what_may_pass_is_tried_as_often_as_said_and_no_failure_is_kept() {
    for status in [429, 503] {
        let peers = [
            Peer::start(Manner::Answer(status, "busy"), None).await,
            Peer::start(Manner::Answer(status, ""), None).await,
        ];
        let urls = [peers[0].url(), peers[1].url()].join(",");
        let registry = registry(&[("schema.registry.url", &urls), ("max.retries", "2")]).unwrap();
        let error = answer(&registry, register("a-value")).await.unwrap_err();
        assert_eq!(error.kind(), api::ErrorKind::Retriable { after: None });
        assert!(told(&error).contains(&format!("answered {status}")), "{}", told(&error));
        assert_eq!(peers.each_ref().map(|peer| peer.heard().len()), [3, 3]);
        peers[1].change(KNOWN);
        assert_eq!(answer(&registry, register("a-value")).await.unwrap().id, 7);
    }
}

#[tokio::test]
async fn what_is_settled_is_asked_of_one_only() {
    let refusal = Manner::Answer(409, r#"{"error_code":409,"message":"no"}"#);
    let peers = [Peer::start(refusal, None).await, Peer::start(KNOWN, None).await];
    let urls = [peers[0].url(), peers[1].url()].join(",");
    let registry = registry(&[("schema.registry.url", &urls), ("max.retries", "2")]).unwrap();
    let error = answer(&registry, register("a-value")).await.unwrap_err();
    assert_eq!(error.kind(), api::ErrorKind::BadRecord);
    assert_eq!(peers.each_ref().map(|peer| peer.heard().len()), [1, 0]);
}

#[tokio::test]
async fn answers_that_are_none_are_told() {
    for (manner, words) in [
        (Manner::Endless, "an answer of more than"),
        (Manner::Answer(200, "<html>"), "not the API's"),
        (Manner::Answer(200, r#"{"version":1}"#), "has no id"),
        (Manner::Answer(200, r#"{"id":-1}"#), "not the API's"),
        (
            Manner::Answer(
                200,
                r#"{"id":7,"ruleSet":{"migrationRules":null,"domainRules":[{"name":"hide","type":"ENCRYPT"}]}}"#,
            ),
            "the rule \"hide\"",
        ),
        (Manner::Answer(302, ""), "redirects are not followed"),
        (Manner::Torn, "did not answer"),
    ] {
        let peer = Peer::start(manner, None).await;
        let registry = registry(&[("schema.registry.url", &peer.url())]).unwrap();
        let error = answer(&registry, register("a-value")).await.unwrap_err();
        assert!(told(&error).contains(words), "{}", told(&error));
    }
    let disabled = r#"{"id":7,"ruleSet":{"domainRules":[{"name":"hide","disabled":true}],"enableAt":"1970-01-01T00:00:00Z"}}"#;
    let peer = Peer::start(Manner::Answer(200, disabled), None).await;
    let registry = registry(&[("schema.registry.url", &peer.url())]).unwrap();
    assert_eq!(answer(&registry, register("a-value")).await.unwrap().id, 7);
}

/// What each of two peers is told of who asks.
async fn authorizations(said: &[(&str, &str)], users: [&str; 2]) -> [Option<String>; 2] {
    let away = Manner::Answer(503, "");
    let peers = [Peer::start(away, None).await, Peer::start(away, None).await];
    let url = |place: usize| format!("http://{}{}", users[place], peers[place].address);
    let urls = [url(0), url(1)].join(",");
    let said: Vec<_> = said.iter().copied().chain([("schema.registry.url", &*urls)]).collect();
    let registry = registry(&said).unwrap();
    assert!(!format!("{registry:?}").contains("secret"));
    let error = answer(&registry, register("a-value")).await.unwrap_err();
    assert!(!told(&error).contains("secret"), "{}", told(&error));
    peers.each_ref().map(|peer| {
        let heard = peer.heard().concat();
        let line = heard.lines().find_map(|line| line.strip_prefix("authorization: "));
        line.map(str::to_owned)
    })
}

#[tokio::test]
async fn credentials_go_to_whom_they_are_for() {
    let (a, b) = (Some("Basic YTpzZWNyZXQ=".to_owned()), Some("Basic Yjp4L3k=".to_owned()));
    assert_eq!(authorizations(&[], ["a:secret@", "b:x%2Fy@"]).await, [a.clone(), b.clone()]);
    assert_eq!(authorizations(&[], ["a:secret@", ""]).await, [a.clone(), None]);
    assert_eq!(authorizations(&[], ["", "b:x%2Fy@"]).await, [None, b]);
    let user = [("basic.auth.credentials.source", "USER_INFO"), ("basic.auth.user.info", "a:secret")];
    assert_eq!(authorizations(&user, ["b:wrong@", ""]).await, [a.clone(), a]);
    let token = [("bearer.auth.credentials.source", "STATIC_TOKEN"), ("bearer.auth.token", "secret-1")];
    let bearer = Some("Bearer secret-1".to_owned());
    assert_eq!(authorizations(&token, ["", ""]).await, [bearer.clone(), bearer]);
    let own = Some("Digest secret-2".to_owned());
    let header = [("request.header.Authorization", "Digest secret-2")];
    assert_eq!(authorizations(&header, ["a:secret@", ""]).await, [own.clone(), own]);
    let errors = refused(&[("schema.registry.url", "http://a:secret@h"), ("bearer.auth.token", "t")]);
    assert!(errors.contains("both a token and a user") && !errors.contains("secret"), "{errors}");
}

#[tokio::test]
async fn a_proxy_is_asked_instead_of_the_registry() {
    let proxy = Peer::start(KNOWN, None).await;
    let port = proxy.address.port().to_string();
    let options = [
        ("schema.registry.url", "http://registry.example/base"),
        ("proxy.host", "127.0.0.1"),
        ("proxy.port", &*port),
    ];
    let registry = registry(&options).unwrap();
    assert_eq!(answer(&registry, register("a/b-value")).await.unwrap().id, 7);
    let heard = proxy.heard().concat();
    let line = "POST http://registry.example/base/subjects/a%2Fb-value/versions HTTP/1.1\r\n";
    assert!(heard.starts_with(line) && heard.contains(r#"{"schema":"\"string\""}"#), "{heard}");
    assert!(refused(&options[..2]).contains("proxy.port is missing"));
}

#[tokio::test]
async fn who_asks_the_same_at_once_waits_for_one_request() {
    let peer = Peer::start(KNOWN, None).await;
    let registry = registry(&[("schema.registry.url", &peer.url())]).unwrap();
    let (first, second) =
        tokio::join!(answer(&registry, register("a-value")), answer(&registry, register("a-value")));
    assert_eq!((first.unwrap().id, second.unwrap().id, peer.heard().len()), (7, 7, 1));
}
