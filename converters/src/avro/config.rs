//! What can be said to the Avro converter: Confluent's options, with their names and defaults.
//!
//! Invariant: every option that is declared here does what its documentation says; a value that is not supported is refused when
//! the connector is validated.

use std::sync::LazyLock;
use std::time::Duration;

use api::configs::{ConfigDef, Password};

/// Headers for the registry are said one by one under this prefix.
pub(super) const HEADERS: &str = "request.header.";

api::configs::config_enum! {
    /// Where user and password for the registry stand.
    pub(super) enum BasicAuthSource {
        /// In `schema.registry.url`.
        Url = "URL",
        /// In `basic.auth.user.info`.
        UserInfo = "USER_INFO",
    }
}

/// The strategies' class names; the short names do as well.
const STRATEGIES: &[&str] = &[
    "io.confluent.kafka.serializers.subject.TopicNameStrategy",
    "io.confluent.kafka.serializers.subject.RecordNameStrategy",
    "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
    "TopicNameStrategy",
    "RecordNameStrategy",
    "TopicRecordNameStrategy",
];

api::configs::config! {
    /// Options of the Avro converter.
    pub(super) struct AvroConverterConfig {
        /// The schema registry: a list of `http` or `https` URLs, of which the next is asked when one does not answer.
        /// Headers for its requests are said one by one as `request.header.<name>`.
        urls: Vec<String> = required("schema.registry.url").importance(High).check(non_empty()).check(url(&["http", "https"])).group("Schema registry");
        /// Where user and password for the registry stand: in `schema.registry.url` (`URL`) or in `basic.auth.user.info` (`USER_INFO`).
        basic_auth_source: BasicAuthSource = default("basic.auth.credentials.source", BasicAuthSource::Url).alias("schema.registry.basic.auth.credentials.source").importance(Medium).group("Schema registry");
        /// `user:password` for the registry, with `basic.auth.credentials.source=USER_INFO`.
        basic_auth_user_info: Option<Password> = optional("basic.auth.user.info").alias("schema.registry.basic.auth.user.info").importance(Medium).group("Schema registry");
        /// Where the token for the registry comes from. Only `STATIC_TOKEN`, which is `bearer.auth.token`, is supported.
        bearer_auth_source: Option<String> = optional("bearer.auth.credentials.source").alias("schema.registry.bearer.auth.credentials.source").importance(Medium).check(one_of(&["STATIC_TOKEN"])).group("Schema registry");
        /// The token for the registry (RFC 6750).
        bearer_auth_token: Option<Password> = optional("bearer.auth.token").alias("schema.registry.bearer.auth.token").importance(Medium).group("Schema registry");
        /// The host of a proxy (HTTP) by which the registry is asked; without it none is used, whatever the environment says.
        proxy_host: Option<String> = optional("proxy.host").importance(Low).group("Schema registry");
        /// The port of that proxy.
        proxy_port: i32 = default("proxy.port", -1).importance(Low).check(range(-1, 65_535)).group("Schema registry");
        /// How long connecting to the registry may take, in milliseconds.
        connect_timeout: Duration = default("http.connect.timeout.ms", 60_000).importance(Low).check(at_least(1)).group("Schema registry");
        /// How long the registry may take to answer, in milliseconds.
        read_timeout: Duration = default("http.read.timeout.ms", 60_000).importance(Low).check(at_least(1)).group("Schema registry");
        /// How often a request is tried again when the registry does not answer, or answers 408, 429 or 5xx. Then the record
        /// fails with an error that `errors.retry.timeout` tries again.
        retries_max: usize = default("max.retries", 3).kind(ConfigType::Int).importance(Low).group("Schema registry");
        /// How long to wait before the first such try, in milliseconds; it doubles with each further one.
        retries_wait: Duration = default("retries.wait.ms", 1_000).importance(Low).check(at_least(1)).group("Schema registry");
        /// How long to wait at most before such a try, in milliseconds.
        retries_wait_max: Duration = default("retries.max.wait.ms", 20_000).importance(Low).check(at_least(1)).group("Schema registry");

        /// Whether a schema that the subject does not have is registered. It goes before `use.schema.id` and `use.latest.version`.
        auto_register: bool = default("auto.register.schemas", true).importance(Medium).group("Subjects");
        /// The id of the schema that is written with, with `auto.register.schemas=false`; -1 for none.
        use_schema_id: i32 = default("use.schema.id", -1).importance(Low).check(at_least(-1)).group("Subjects");
        /// Whether data that the schema of `use.schema.id` cannot read is refused.
        id_compatibility_strict: bool = default("id.compatibility.strict", true).importance(Low).group("Subjects");
        /// Whether the subject's latest version is written with, with `auto.register.schemas=false`; fields are matched by name. When
        /// reading, data is turned into what that version says.
        use_latest: bool = default("use.latest.version", false).importance(Low).group("Subjects");
        /// Whether data that the subject's latest version cannot read is refused.
        latest_compatibility_strict: bool = default("latest.compatibility.strict", true).importance(Low).group("Subjects");
        /// How long the latest version of a subject is used without asking again, in seconds, at least one; -1 is for ever.
        latest_ttl_secs: i64 = default("latest.cache.ttl.sec", -1).importance(Low).check(at_least(-1)).group("Subjects");
        /// Whether the registry compares schemas without regard to what makes no difference, such as the order of properties.
        normalize: bool = default("normalize.schemas", false).importance(Medium).group("Subjects");
        /// The subject of a key's schema: `<topic>-key` (`TopicNameStrategy`), the record's name (`RecordNameStrategy`) or both
        /// (`TopicRecordNameStrategy`).
        key_strategy: String = default("key.subject.name.strategy", STRATEGIES[0]).kind(ConfigType::Class).importance(Medium).check(one_of(STRATEGIES)).group("Subjects");
        /// The subject of a value's schema: `<topic>-value` (`TopicNameStrategy`), the record's name (`RecordNameStrategy`) or both
        /// (`TopicRecordNameStrategy`).
        value_strategy: String = default("value.subject.name.strategy", STRATEGIES[0]).kind(ConfigType::Class).importance(Medium).check(one_of(STRATEGIES)).group("Subjects");

        /// How many schemas each direction keeps compiled.
        cache_size: usize = default("schemas.cache.config", 1_000).alias("schemas.cache.size").kind(ConfigType::Int).importance(Low).check(at_least(1)).group("Schemas");
        /// Whether enums stay enums, and the fields of unions are named with namespaces.
        enhanced: bool = default("enhanced.avro.schema.support", false).importance(Medium).group("Schemas");
        /// Whether enums and unions have the form in Connect that other formats give them too.
        generalized: bool = default("generalized.sum.type.support", false).importance(Medium).group("Schemas");
        /// Whether names that Avro does not allow are made fit.
        scrub: bool = default("scrub.invalid.names", false).importance(Medium).group("Schemas");
        /// Whether schemas keep what only Connect knows (`connect.name`, `connect.version`, `connect.parameters` and so on).
        connect_meta_data: bool = default("connect.meta.data", true).importance(Low).group("Schemas");
        /// Whether only fields keep their `doc` and `default`, and types do not.
        discard_type_doc_default: bool = default("discard.type.doc.default", false).importance(Low).group("Schemas");
        /// Whether a map whose keys are optional text is a map in Avro.
        optional_map_keys: bool = default("allow.optional.map.keys", false).importance(Low).group("Schemas");
        /// Whether a union of one is that one.
        flatten_singleton_union: bool = default("flatten.singleton.union", true).importance(Low).group("Schemas");
        /// Whether null is written as null where the schema has a default.
        ignore_default_for_nullables: bool = default("ignore.default.for.nullables", false).importance(Low).group("Schemas");

        /// A PEM file with the certificates that are trusted; without it, those that the system trusts.
        truststore_location: Option<String> = optional("schema.registry.ssl.truststore.location").importance(Medium).group("TLS");
        /// The same as text instead of a file.
        truststore_certificates: Option<Password> = optional("schema.registry.ssl.truststore.certificates").importance(Medium).group("TLS");
        /// The form of the truststore: only PEM is supported (`keytool -exportcert -rfc` makes it of a JKS).
        truststore_type: String = default("schema.registry.ssl.truststore.type", "PEM").importance(Low).check(one_of_ignoring_case(&["PEM"])).group("TLS");
        /// A PEM file with our certificate, those that signed it, and our key, which is not encrypted.
        keystore_location: Option<String> = optional("schema.registry.ssl.keystore.location").importance(Medium).group("TLS");
        /// Our certificate and those that signed it, as PEM text.
        keystore_chain: Option<Password> = optional("schema.registry.ssl.keystore.certificate.chain").importance(Medium).group("TLS");
        /// Our key, not encrypted, as PEM text.
        keystore_key: Option<Password> = optional("schema.registry.ssl.keystore.key").importance(Medium).group("TLS");
        /// The form of the keystore: only PEM is supported.
        keystore_type: String = default("schema.registry.ssl.keystore.type", "PEM").importance(Low).check(one_of_ignoring_case(&["PEM"])).group("TLS");
        /// `https`: the registry's certificate must be made out to the name in the URL. Empty: any certificate of those that are trusted
        /// will do; that needs a truststore.
        endpoint_identification: String = default("schema.registry.ssl.endpoint.identification.algorithm", "https").importance(Low).check(one_of_ignoring_case(&["https", ""])).group("TLS");
    }
}

impl AvroConverterConfig {
    /// How long the latest version of a subject is believed: a second at least, so that an answer can be used.
    pub(super) fn latest_ttl(&self) -> Option<Duration> {
        u64::try_from(self.latest_ttl_secs).ok().map(|seconds| Duration::from_secs(seconds.max(1)))
    }
}

/// The options, and the prefix of the headers.
pub(super) fn definition() -> &'static ConfigDef {
    static DEFINITION: LazyLock<ConfigDef> =
        LazyLock::new(|| AvroConverterConfig::definition().clone().open(HEADERS));
    &DEFINITION
}
