//! Security settings as people have them, and their mistakes.

use super::*;

fn props(said: &[(&str, &str)]) -> Props {
    said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn security(said: &[(&str, &str)]) -> Result<Security, String> {
    let options = SecurityOptions::parse(&props(said)).map_err(|errors| errors.to_string())?;
    options.security().map_err(|errors| errors.to_string())
}

const JAAS: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"CANARY\";";
const CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE----- MIIBfTCCASSgAwIBAgICEAEwCgYIKoZIzj0EAwI -----END CERTIFICATE-----";

#[test]
fn nothing_said_is_nothing_done() {
    let none = security(&[]).unwrap();
    assert!(none.tls.is_none() && none.sasl.is_none());
}

#[test]
fn scram_by_kafkas_names() {
    let said = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.jaas.config", JAAS),
    ];
    let sasl = security(&said).unwrap().sasl.unwrap();
    assert_eq!((sasl.mechanism, sasl.username.as_str()), (SaslMechanism::ScramSha512, "alice"));
    assert_eq!(sasl.password, Secret::new("CANARY"));
    let options = SecurityOptions::parse(&props(&said)).unwrap();
    assert!(!format!("{options:?} {sasl:?}").contains("CANARY"));
}

#[test]
fn mistakes_are_named_and_secrets_are_not() {
    let sasl = ("security.protocol", "SASL_PLAINTEXT");
    for (said, expected) in [
        (vec![("security.protocol", "TLS")], "security.protocol"),
        (vec![sasl], "GSSAPI"),
        (vec![sasl, ("sasl.mechanism", "OAUTHBEARER")], "sasl.mechanism"),
        (vec![sasl, ("sasl.mechanism", "PLAIN")], "Missing required configuration \"sasl.jaas.config\""),
        (vec![sasl, ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", JAAS)], "PLAIN needs PlainLoginModule"),
        (
            vec![sasl, ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", "CANARY")],
            "must be followed by required",
        ),
        (vec![("security.protocol", "SSL"), ("ssl.truststore.type", "JKS")], "keytool"),
        (
            vec![("security.protocol", "SSL"), ("ssl.truststore.location", "/nowhere/ca.pem")],
            "/nowhere/ca.pem",
        ),
        (
            vec![("security.protocol", "SSL"), ("ssl.truststore.certificates", "none")],
            "no certificate in PEM",
        ),
        (
            vec![("security.protocol", "SSL"), ("ssl.keystore.key", "CANARY")],
            "ssl.keystore.certificate.chain",
        ),
        (vec![("security.protocol", "SSL"), ("ssl.key.password", "CANARY")], "ssl.key.password"),
        (vec![("security.protocol", "SSL"), ("ssl.enabled.protocols", "TLSv1.1")], "ssl.enabled.protocols"),
    ] {
        let error = security(&said).err().unwrap_or_else(|| panic!("{said:?} was accepted"));
        assert!(error.contains(expected) && !error.contains("CANARY"), "{error}");
    }
}

#[test]
fn a_java_key_store_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trust.jks");
    fs::write(&file, [0xfe, 0xed, 0xfe, 0xed, 0x00]).unwrap();
    let file = file.to_string_lossy().into_owned();
    let error = security(&[("security.protocol", "SSL"), ("ssl.truststore.location", &file)]).unwrap_err();
    assert!(error.contains("keytool"), "{error}");
}

#[test]
fn pem_in_one_line_gets_its_lines_back() {
    let unfolded = unfolded(&Password::from(CERTIFICATE));
    assert_eq!(
        unfolded,
        "-----BEGIN CERTIFICATE-----\nMIIBfTCCASSgAwIBAgICEAEwCgYIKoZIzj0EAwI\n-----END CERTIFICATE-----"
    );
}

#[test]
fn only_what_is_about_security_is_selected() {
    let selected = SecurityOptions::select(&props(&[("sasl.mechanism", "PLAIN"), ("linger.ms", "5")]));
    assert_eq!(selected, props(&[("sasl.mechanism", "PLAIN")]));
}
