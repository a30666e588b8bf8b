//! Settings as they stand in Kafka's files.

use super::*;

fn read(pairs: &[(&str, &str)], listeners: &[&str]) -> Result<SecurityConfig, String> {
    let props: Props = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let listeners: Vec<String> = listeners.iter().map(|name| (*name).to_owned()).collect();
    SecurityConfig::from_props(&props, &listeners).map_err(|errors| errors.to_string())
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"CANARY\";";

#[test]
fn nothing_said_is_the_default() {
    let (read, default) = (read(&[], &["PLAINTEXT"]).unwrap(), SecurityConfig::default());
    assert_eq!(format!("{read:?}"), format!("{default:?}"));
}

#[test]
fn a_listeners_own_settings_go_before_the_brokers() {
    let config = read(
        &[
            ("listener.security.protocol.map", "INSIDE:PLAINTEXT,OUTSIDE:SASL_SSL"),
            ("ssl.keystore.location", "/all.pem"),
            ("ssl.client.auth", "required"),
            ("listener.name.outside.ssl.keystore.location", "/outside.pem"),
            ("listener.name.outside.sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512"),
            ("listener.name.outside.plain.sasl.jaas.config", PLAIN),
            ("listener.name.outside.max.connections", "7"),
            ("connections.max.reauth.ms", "60000"),
        ],
        &["INSIDE", "OUTSIDE", "SSL"],
    )
    .unwrap();
    let [inside, outside, ssl] = config.listeners.as_slice() else { panic!("three listeners: {config:?}") };
    assert_eq!(inside.protocol, SecurityProtocol::Plaintext);
    assert!(inside.tls.is_none() && inside.sasl.is_none());
    assert_eq!(outside.protocol, SecurityProtocol::SaslSsl);
    assert_eq!(outside.connections_max, Some(7));
    let tls = outside.tls.as_ref().unwrap();
    assert_eq!(tls.certificates.to_string(), "/outside.pem");
    assert_eq!(tls.client_auth, ClientAuth::None, "who logs in needs no certificate");
    let sasl = outside.sasl.as_ref().unwrap();
    assert_eq!(sasl.mechanisms, [Mechanism::Plain, Mechanism::ScramSha512]);
    assert_eq!(sasl.lifetime_max, Duration::from_mins(1));
    let tls = ssl.tls.as_ref().unwrap();
    assert_eq!(tls.certificates.to_string(), "/all.pem");
    assert_eq!(tls.client_auth, ClientAuth::Required);
    assert!(!format!("{config:?}").contains("CANARY"));
}

#[test]
fn the_authorizer_is_read() {
    let config = read(
        &[
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("super.users", "User:root; User:CN=a,O=b"),
            ("max.connections.per.ip.overrides", "10.0.0.1:5,::1:6"),
            ("max.connections.per.ip", "3"),
        ],
        &[],
    )
    .unwrap();
    let authorizer = config.authorizer.as_ref().unwrap();
    assert!(authorizer.super_users.contains(&Principal::user("CN=a,O=b")) && !authorizer.allow_without_acl);
    let limits = config.connection_limits(9);
    assert_eq!((limits.all, limits.per_address), (9, 3));
    assert_eq!(limits.overrides[&"::1".parse::<IpAddr>().unwrap()], 6);
}

#[test]
fn what_cannot_act_stops_the_start_and_shows_no_secret() {
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);
    let cases: &[Case] = &[
        (&[], "SSL", "ssl.keystore.location"),
        (&[("ssl.keystore.location", "/a.jks"), ("ssl.keystore.type", "JKS")], "SSL", "keytool"),
        (&[("ssl.keystore.key", "CANARY")], "SSL", "ssl.keystore.certificate.chain"),
        (&[("ssl.keystore.location", "/a"), ("ssl.enabled.protocols", "SSLv3")], "SSL", "TLSv1.2"),
        (&[("ssl.keystore.location", "/a"), ("ssl.client.auth", "maybe")], "SSL", "ssl.client.auth"),
        (&[("ssl.keystore.location", "/a"), ("ssl.principal.mapping.rules", "x")], "SSL", "RULE"),
        (&[("sasl.enabled.mechanisms", "GSSAPI")], "SASL_PLAINTEXT", "SCRAM-SHA-256"),
        (&[("sasl.enabled.mechanisms", "PLAIN")], "SASL_PLAINTEXT", "user_alice"),
        (
            &[("listener.name.sasl_plaintext.plain.sasl.jaas.config", "X required user_a=\"CANARY\";")],
            "SASL_PLAINTEXT",
            "PlainLoginModule",
        ),
        (&[], "INSIDE", "listener.security.protocol.map"),
        (&[("authorizer.class.name", "com.example.Own")], "PLAINTEXT", "StandardAuthorizer"),
        (&[("scram.bootstrap.users", "CANARY")], "PLAINTEXT", "scram.bootstrap.users"),
        (&[("max.connections.per.ip.overrides", "host:1")], "PLAINTEXT", "max.connections.per.ip.overrides"),
    ];
    for (props, listener, named) in cases {
        let error = read(props, &[listener]).unwrap_err();
        assert!(error.contains(named) && !error.contains("CANARY"), "{props:?}: {error}");
    }
}
