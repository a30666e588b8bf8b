//! Registries with certificates: of an authority that only we know, of the wrong name, and such that want one of ours.

use super::peer::Authority;
use super::*;

const NAME: &str = "schema.registry.ssl.endpoint.identification.algorithm";
const TRUSTED: &str = "schema.registry.ssl.truststore.certificates";

fn url(peer: &Peer) -> String {
    format!("https://{}", peer.address)
}

async fn failure(said: &[(&str, &str)]) -> String {
    let error = answer(&registry(said).unwrap(), register("a-value")).await.unwrap_err();
    assert_eq!(error.kind(), api::ErrorKind::Retriable { after: None }, "{error}");
    told(&error)
}

#[tokio::test]
async fn a_registry_of_a_private_authority_is_asked_once_that_is_trusted() {
    let (ours, other) = (Authority::new(), Authority::new());
    let peer = Peer::start(KNOWN, Some(ours.acceptor("127.0.0.1", None))).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &ours.pem).unwrap();
    let (url, file) = (url(&peer), file.display().to_string());
    for trust in [(TRUSTED, &*ours.pem), ("schema.registry.ssl.truststore.location", &*file)] {
        let registry = registry(&[("schema.registry.url", &url), trust]).unwrap();
        assert_eq!(answer(&registry, register("a-value")).await.unwrap().id, 7);
    }
    for trust in [(TRUSTED, &*other.pem), ("max.retries", "0")] {
        let error = failure(&[("schema.registry.url", &url), trust]).await;
        assert!(
            error.contains("schema.registry.ssl.truststore.location")
                && error.contains("invalid peer certificate"),
            "{error}"
        );
    }
    // One certificate that is not trusted is no reason not to ask another URL.
    let good = Peer::start(KNOWN, None).await;
    let urls = format!("{url},{}", good.url());
    let registry = registry(&[("schema.registry.url", &urls), (TRUSTED, &other.pem)]).unwrap();
    assert_eq!(answer(&registry, register("a-value")).await.unwrap().id, 7);
}

#[tokio::test]
async fn a_certificate_of_another_name_is_taken_only_where_names_do_not_count() {
    let (ours, other) = (Authority::new(), Authority::new());
    let peer = Peer::start(KNOWN, Some(ours.acceptor("registry.example", None))).await;
    let url = url(&peer);
    let error = failure(&[("schema.registry.url", &url), (TRUSTED, &ours.pem)]).await;
    assert!(error.contains("made out to another name") && error.contains("registry.example"), "{error}");
    let any = registry(&[("schema.registry.url", &url), (TRUSTED, &ours.pem), (NAME, "")]).unwrap();
    assert_eq!(answer(&any, register("a-value")).await.unwrap().id, 7);
    // Who signed it counts all the same.
    let error = failure(&[("schema.registry.url", &url), (TRUSTED, &other.pem), (NAME, "")]).await;
    assert!(error.contains("schema.registry.ssl.truststore.location"), "{error}");
    assert!(refused(&[("schema.registry.url", &url), (NAME, "")]).contains(NAME));
}

#[tokio::test]
async fn a_registry_that_wants_our_certificate_is_shown_it() {
    let (ours, other) = (Authority::new(), Authority::new());
    let peer = Peer::start(KNOWN, Some(ours.acceptor("127.0.0.1", Some(&ours)))).await;
    let url = url(&peer);
    let usual = [("schema.registry.url", &*url), (TRUSTED, &*ours.pem)];
    let ((certificate, key), (strange, strange_key)) = (ours.sign("us"), other.sign("us"));
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    let (strange, strange_key) = (strange.pem(), strange_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("us.pem");
    std::fs::write(&file, format!("{key}{chain}")).unwrap();
    let file = file.display().to_string();
    let names = ["schema.registry.ssl.keystore.certificate.chain", "schema.registry.ssl.keystore.key"];
    let in_place = |chain, key| [usual[0], usual[1], (names[0], chain), (names[1], key)];
    let by_file = [usual[0], usual[1], ("schema.registry.ssl.keystore.location", &*file)];
    for said in [&in_place(&chain, &key)[..], &by_file] {
        assert_eq!(answer(&registry(said).unwrap(), register("a-value")).await.unwrap().id, 7);
    }
    for said in [&usual[..], &in_place(&strange, &strange_key)] {
        let error = failure(said).await;
        assert!(error.contains("schema.registry.ssl.keystore.location"), "{error}");
    }
}

#[test]
fn keys_and_certificates_that_are_none_are_refused_by_name() {
    let ours = Authority::new();
    let (certificate, key) = ours.sign("us");
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    let url = ("schema.registry.url", "https://127.0.0.1:1");
    let names = ["schema.registry.ssl.keystore.certificate.chain", "schema.registry.ssl.keystore.key"];
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (said, word) in [
        (&[(names[0], &*chain)][..], names[1]),
        (&[(names[1], &*key)], names[0]),
        (&[(names[0], &*chain), (names[1], encrypted)], "schema.registry.ssl.keystore"),
        (&[(names[0], &*chain), (names[1], &*chain)], "schema.registry.ssl.keystore"),
        (&[(TRUSTED, "none")], "schema.registry.ssl.truststore"),
        (&[(TRUSTED, &*key)], "schema.registry.ssl.truststore"),
        (&[("schema.registry.ssl.truststore.location", "/nowhere/ca.pem")], "/nowhere/ca.pem"),
        (&[("schema.registry.ssl.truststore.password", "secret")], "schema.registry.ssl.truststore.password"),
    ] {
        let said: Vec<_> = said.iter().copied().chain([url]).collect();
        let error = refused(&said);
        assert!(
            error.contains(word) && !error.contains("PRIVATE KEY") && !error.contains("secret"),
            "{error}"
        );
    }
}
