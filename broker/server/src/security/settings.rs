//! What the broker may be told about security, by Kafka's names; per listener under `listener.name.<name>.` where that differs.
//!
//! Invariant: what is understood acts, and what cannot act (Java's stores, Kerberos, unknown authorizers) stops the start with a reason.

use std::{collections::HashMap, net::IpAddr, path::Path, path::PathBuf, time::Duration};

use configs::{ConfigDef, ConfigError, ConfigErrors, Password, Props, config, config_enum, strip_prefix};

use super::{
    acl::authorizer::AuthorizerSettings,
    admission::ConnectionLimits,
    jaas,
    principal::Principal,
    protocol::SecurityProtocol,
    sasl::{Mechanism, credentials::FirstUser, login::SaslListener, plain::PlainUsers},
    tls::{
        ClientAuth, TlsSettings,
        mapping::PrincipalMapping,
        pem::{PemSource, java_store},
    },
};

/// The users of PLAIN, in Java's words; Kafka has it under a listener's name only.
const PLAIN_USERS: &str = "plain.sasl.jaas.config";

config! {
    /// Options of the broker as a whole.
    struct BrokerSecurity {
        /// Which protocol a listener of a name has, such as INTERNAL:PLAINTEXT,EXTERNAL:SASL_SSL. Names that are protocols need no entry.
        protocol_map: Vec<String> = default("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL").importance(Low);
        /// The authorizer: StandardAuthorizer (org.apache.kafka.metadata.authorizer.StandardAuthorizer), or nothing, and then everyone may do everything.
        authorizer: String = default("authorizer.class.name", "").importance(Low);
        /// Who may do everything, separated by semicolons: User:alice;User:CN=admin,O=example.
        super_users: String = default("super.users", "");
        /// Whether everyone may do what no ACL speaks about.
        allow_without_acl: bool = default("allow.everyone.if.no.acl.found", false);
        /// Connections at a time from one address.
        per_address: usize = default("max.connections.per.ip", 2_147_483_647).check(at_least(0));
        /// Other limits for some addresses: 10.0.0.1:100,10.0.0.2:5.
        overrides: Vec<String> = default("max.connections.per.ip.overrides", "");
        /// Milliseconds that a connection may take to encrypt and log in.
        login_time_max: Duration = default("connections.login.timeout.ms", 10_000).check(at_least(100));
        /// Milliseconds between two looks for changed certificates.
        reload_interval: Duration = default("ssl.reload.interval.ms", 2_000).check(at_least(100));
        /// SCRAM users to begin with, separated by semicolons: SCRAM-SHA-256=[name=admin,iterations=8192,password=secret]. One that is there already stays as it is.
        first_users: Option<Password> = optional("scram.bootstrap.users");
    }
}

config_enum! {
    /// `ssl.client.auth`.
    enum ClientAuthChoice {
        /// Clients are not asked.
        None = "none",
        /// They are asked and may have none.
        Requested = "requested",
        /// They must have one.
        Required = "required",
    }
}

config! {
    /// Options that each listener may have of its own.
    struct ListenerOptions {
        /// PEM; Java's JKS and PKCS12 stores are not read.
        keystore_type: Option<String> = optional("ssl.keystore.type");
        /// PEM file with the broker's certificate, the certificates between it and its root, and the private key. Read again when it changes.
        keystore_location: Option<String> = optional("ssl.keystore.location").importance(High);
        /// The certificate and those between it and its root, as PEM in the settings.
        certificate_chain: Option<Password> = optional("ssl.keystore.certificate.chain").importance(High);
        /// The private key, as PEM in the settings.
        key: Option<Password> = optional("ssl.keystore.key").importance(High);
        /// PEM; Java's JKS and PKCS12 stores are not read.
        truststore_type: Option<String> = optional("ssl.truststore.type");
        /// PEM file with the certificates of those who sign clients' certificates. Read again when it changes.
        truststore_location: Option<String> = optional("ssl.truststore.location").importance(High);
        /// The certificates of those who sign clients' certificates, as PEM in the settings.
        truststore_certificates: Option<Password> = optional("ssl.truststore.certificates").importance(High);
        /// Whether clients are asked for certificates: none, requested, required.
        client_auth: ClientAuthChoice = default("ssl.client.auth", "none");
        /// Versions of TLS.
        protocols: Vec<String> = default("ssl.enabled.protocols", "TLSv1.2,TLSv1.3").check(non_empty());
        /// How a certificate's name becomes a user's: DEFAULT, or RULE:pattern/replacement/[LU], separated by commas.
        mapping: String = default("ssl.principal.mapping.rules", "DEFAULT").importance(Low);
        /// How clients may log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.
        mechanisms: Vec<String> = default("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512").check(non_empty());
        /// Milliseconds after which clients must log in again; 0 is never.
        lifetime_max: Duration = default("connections.max.reauth.ms", 0);
        /// Bytes of the largest request before the login.
        frame_bytes_max: usize = default("sasl.server.max.receive.size", 524_288).check(range(1024, 104_857_600));
        /// Milliseconds that the refusal of a login is held back.
        refusal_delay: Duration = default("connection.failed.authentication.delay.ms", 100).check(range(0, 10_000)).importance(Low);
    }
}

config! {
    /// The one option of connections that a listener may have under its name.
    struct ListenerLimits {
        /// Connections at a time of the listener.
        connections_max: Option<usize> = optional("max.connections").check(at_least(1));
    }
}

/// The options of security, for validation and documentation.
pub(crate) fn definition() -> ConfigDef {
    BrokerSecurity::definition().clone().merge(ListenerOptions::definition()).open("listener.name.")
}

/// What the broker is told about security. `Default` is none: every listener is PLAINTEXT, and everyone may do everything.
#[derive(Clone, Debug)]
pub struct SecurityConfig {
    /// By the place in `listeners`; a listener without an entry is PLAINTEXT.
    pub(crate) listeners: Vec<ListenerSecurity>,
    pub(crate) authorizer: Option<AuthorizerSettings>,
    pub(crate) first_users: Vec<FirstUser>,
    pub(crate) login_time_max: Duration,
    pub(crate) reload_interval: Duration,
    per_address: usize,
    overrides: HashMap<IpAddr, usize>,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerSecurity { name: "PLAINTEXT".to_owned(), ..ListenerSecurity::default() }],
            authorizer: None,
            first_users: Vec::new(),
            login_time_max: Duration::from_secs(10),
            reload_interval: Duration::from_secs(2),
            per_address: 2_147_483_647,
            overrides: HashMap::new(),
        }
    }
}

/// How one listener is protected.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListenerSecurity {
    pub(crate) name: String,
    pub(crate) protocol: SecurityProtocol,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) sasl: Option<SaslListener>,
    pub(crate) connections_max: Option<usize>,
}

impl SecurityConfig {
    /// The limits on connections.
    pub(crate) fn connection_limits(&self, all: usize) -> ConnectionLimits {
        ConnectionLimits { all, per_address: self.per_address, overrides: self.overrides.clone() }
    }

    /// Reads the settings for listeners of these names.
    pub(crate) fn from_props(props: &Props, listeners: &[String]) -> Result<Self, ConfigErrors> {
        let settings = BrokerSecurity::parse(props)?;
        let mut errors = ConfigErrors::new();
        let map = check(&mut errors, "listener.security.protocol.map", protocol_map(&settings.protocol_map));
        let mut read = Vec::new();
        for name in listeners {
            let protocol = match map.as_ref().and_then(|map| map.get(&name.to_ascii_uppercase())) {
                Some(protocol) => Ok(*protocol),
                None => name.parse(),
            };
            let Some(protocol) = check(&mut errors, "listeners", protocol) else { continue };
            match ListenerSecurity::from_props(props, name, protocol) {
                Ok(listener) => read.push(listener),
                Err(more) => errors.extend(more),
            }
        }
        let first_users = settings.first_users.as_ref().map(|text| FirstUser::parse_all(text.reveal()));
        let config = Self {
            listeners: read,
            authorizer: check(&mut errors, "authorizer.class.name", authorizer(&settings)).flatten(),
            first_users: check(&mut errors, "scram.bootstrap.users", first_users.transpose())
                .flatten()
                .unwrap_or_default(),
            login_time_max: settings.login_time_max,
            reload_interval: settings.reload_interval,
            per_address: settings.per_address,
            overrides: check(&mut errors, "max.connections.per.ip.overrides", overrides(&settings.overrides))
                .unwrap_or_default(),
        };
        errors.into_result(config)
    }
}

/// The value, or `None` after noting what is wrong with a setting.
fn check<T>(errors: &mut ConfigErrors, setting: &str, result: Result<T, String>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(reason) => {
            errors.push(ConfigError::other(setting, format!("{setting}: {reason}")));
            None
        }
    }
}

fn protocol_map(entries: &[String]) -> Result<HashMap<String, SecurityProtocol>, String> {
    let entry = |entry: &String| {
        let (name, protocol) =
            entry.split_once(':').ok_or_else(|| format!("{entry:?} is not NAME:PROTOCOL"))?;
        Ok((name.trim().to_ascii_uppercase(), protocol.trim().parse()?))
    };
    entries.iter().map(entry).collect()
}

fn overrides(entries: &[String]) -> Result<HashMap<IpAddr, usize>, String> {
    let entry = |entry: &String| {
        let (address, count) =
            entry.rsplit_once(':').ok_or_else(|| format!("{entry:?} is not ADDRESS:COUNT"))?;
        let address = address.trim_matches(['[', ']']);
        let parsed: IpAddr = address.parse().map_err(|error| format!("{address:?}: {error}"))?;
        Ok((parsed.to_canonical(), count.trim().parse().map_err(|error| format!("{count:?}: {error}"))?))
    };
    entries.iter().map(entry).collect()
}

fn authorizer(settings: &BrokerSecurity) -> Result<Option<AuthorizerSettings>, String> {
    let class = settings.authorizer.trim();
    match class.rsplit('.').next().unwrap_or_default() {
        "" => return Ok(None),
        "StandardAuthorizer" | "AclAuthorizer" => {}
        _ => {
            return Err(format!(
                "{class} is not known, use org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            ));
        }
    }
    let super_users = settings.super_users.split(';').map(str::trim).filter(|user| !user.is_empty());
    let super_users: Result<_, String> = super_users.map(str::parse::<Principal>).collect();
    let super_users = super_users.map_err(|error| format!("super.users: {error}"))?;
    Ok(Some(AuthorizerSettings { super_users, allow_without_acl: settings.allow_without_acl }))
}

impl ListenerSecurity {
    fn from_props(props: &Props, name: &str, protocol: SecurityProtocol) -> Result<Self, ConfigErrors> {
        let prefix = format!("listener.name.{}.", name.to_ascii_lowercase());
        let own = strip_prefix(props, &prefix);
        for unknown in own.keys().filter(|option| !is_known(option)) {
            tracing::warn!("{prefix}{unknown} has no effect: listeners have no option of this name");
        }
        let mut effective = props.clone();
        effective.extend(own.clone());
        let options = ListenerOptions::parse(&effective)?;
        let limits = ListenerLimits::parse(&own)?;
        let mut errors = ConfigErrors::new();
        // As in Kafka: who logs in needs no certificate as well, unless the listener itself asks for it.
        let asks = !protocol.has_sasl() || own.contains_key("ssl.client.auth");
        let tls = protocol.has_tls().then(|| tls(&options, asks));
        let sasl = protocol.has_sasl().then(|| sasl(&options, &own));
        let config = Self {
            name: name.to_owned(),
            protocol,
            tls: named(&mut errors, name, tls.transpose()),
            sasl: named(&mut errors, name, sasl.transpose()),
            connections_max: limits.connections_max,
        };
        errors.into_result(config)
    }
}

/// Whether a listener may have this option under its name.
fn is_known(option: &str) -> bool {
    let definitions = [ListenerOptions::definition(), ListenerLimits::definition()];
    option == PLAIN_USERS || definitions.iter().any(|definition| definition.knows(option))
}

fn named<T>(
    errors: &mut ConfigErrors,
    listener: &str,
    result: Result<Option<T>, (&'static str, String)>,
) -> Option<T> {
    result.unwrap_or_else(|(setting, reason)| {
        errors.push(ConfigError::other(setting, format!("{setting}: {reason} (listener {listener})")));
        None
    })
}

type Wrong = (&'static str, String);

fn tls(options: &ListenerOptions, asks_for_certificates: bool) -> Result<TlsSettings, Wrong> {
    let keystore = "ssl.keystore.location";
    let location = pem_file(options.keystore_type.as_deref(), options.keystore_location.as_deref());
    let location = location.map_err(|reason| (keystore, reason))?;
    let (certificates, key) = match (location, &options.certificate_chain, &options.key) {
        (Some(file), None, None) => (file, None),
        (None, Some(chain), Some(key)) => (
            PemSource::Text("ssl.keystore.certificate.chain", chain.clone()),
            Some(PemSource::Text("ssl.keystore.key", key.clone())),
        ),
        _ => {
            let reason = "TLS needs a certificate and its key: either ssl.keystore.location, or ssl.keystore.certificate.chain together with ssl.keystore.key";
            return Err((keystore, reason.to_owned()));
        }
    };
    let truststore = pem_file(options.truststore_type.as_deref(), options.truststore_location.as_deref());
    let truststore = truststore.map_err(|reason| ("ssl.truststore.location", reason))?;
    let inline = options.truststore_certificates.as_ref();
    let inline = inline.map(|pem| PemSource::Text("ssl.truststore.certificates", pem.clone()));
    let client_auth = match options.client_auth {
        _ if !asks_for_certificates => ClientAuth::None,
        ClientAuthChoice::None => ClientAuth::None,
        ClientAuthChoice::Requested => ClientAuth::Requested,
        ClientAuthChoice::Required => ClientAuth::Required,
    };
    let version = |name: &String| match name.as_str() {
        "TLSv1.2" => Ok(&rustls::version::TLS12),
        "TLSv1.3" => Ok(&rustls::version::TLS13),
        other => Err(("ssl.enabled.protocols", format!("{other} is not supported: use TLSv1.2 or TLSv1.3"))),
    };
    Ok(TlsSettings {
        certificates,
        key,
        trusted: truststore.or(inline),
        client_auth,
        versions: options.protocols.iter().map(version).collect::<Result<_, Wrong>>()?,
        mapping: PrincipalMapping::parse(&options.mapping)
            .map_err(|reason| ("ssl.principal.mapping.rules", reason))?,
    })
}

/// A store's file, unless its type says that it is Java's.
fn pem_file(kind: Option<&str>, location: Option<&str>) -> Result<Option<PemSource>, String> {
    let file = location.map(PathBuf::from);
    match kind.map(str::to_ascii_uppercase).as_deref() {
        None | Some("PEM") => Ok(file.map(PemSource::File)),
        Some(_) => Err(java_store(file.as_deref().unwrap_or(Path::new("STORE")))),
    }
}

fn sasl(options: &ListenerOptions, own: &Props) -> Result<SaslListener, Wrong> {
    let mechanisms = options.mechanisms.iter().map(|name| name.parse());
    let mechanisms: Result<Vec<Mechanism>, String> = mechanisms.collect();
    let mechanisms = mechanisms.map_err(|reason| ("sasl.enabled.mechanisms", reason))?;
    let plain_users = match own.get(PLAIN_USERS) {
        Some(text) => Some(plain_users(text).map_err(|reason| (PLAIN_USERS, reason))?),
        None if mechanisms.contains(&Mechanism::Plain) => {
            let reason = "PLAIN needs users: set listener.name.<name>.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"password\";";
            return Err((PLAIN_USERS, reason.to_owned()));
        }
        None => None,
    };
    Ok(SaslListener {
        mechanisms,
        plain_users,
        lifetime_max: options.lifetime_max,
        frame_bytes_max: options.frame_bytes_max,
        refusal_delay: options.refusal_delay,
    })
}

fn plain_users(text: &str) -> Result<PlainUsers, String> {
    let module = jaas::parse(text)?;
    if module.simple_name() != "PlainLoginModule" {
        return Err(format!(
            "{} is not the login module of PLAIN: use org.apache.kafka.common.security.plain.PlainLoginModule",
            module.class
        ));
    }
    let users = PlainUsers::of(&module)?;
    if users.len() == 0 {
        return Err("names no user: add user_alice=\"password\"".to_owned());
    }
    Ok(users)
}

#[cfg(test)]
mod tests;
