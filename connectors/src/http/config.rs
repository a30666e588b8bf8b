//! What can be said to the HTTP sink.
//!
//! Invariant: every option that is declared here does what its documentation says; how options fit together is checked in
//! `settings`.

use std::sync::LazyLock;
use std::time::Duration;

use api::configs::{ConfigDef, Password};

/// Headers are said one by one under this prefix: `http.headers.X-Tenant=shop`.
pub(super) const HEADERS: &str = "http.headers.";

api::configs::config_enum! {
    /// The request's method.
    pub enum Method {
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// PATCH.
        Patch = "PATCH",
    }
}

api::configs::config_enum! {
    /// How the sink says who it is.
    pub enum AuthType {
        /// Not at all.
        None = "NONE",
        /// With user and password (RFC 7617).
        Basic = "BASIC",
        /// With a token (RFC 6750).
        Bearer = "BEARER",
    }
}

api::configs::config_enum! {
    /// How records stand in a request's body.
    pub enum BatchFormat {
        /// A JSON array with an item for each record.
        JsonArray = "JSON_ARRAY",
        /// A line for each record: text and bytes as they are, anything else as JSON.
        Lines = "LINES",
        /// One record: text and bytes as they are, anything else as JSON.
        Single = "SINGLE",
    }
}

api::configs::config_enum! {
    /// What becomes of records without a value (tombstones).
    pub enum NullValues {
        /// They are passed over.
        Ignore = "IGNORE",
        /// They are sent as JSON `null`.
        Send = "SEND",
        /// They are bad records.
        Fail = "FAIL",
    }
}

api::configs::config! {
    /// Options of the HTTP sink.
    pub struct HttpSinkConfig {
        /// Where to send records: an `http` or `https` URL. Credentials do not belong in it (see `http.auth.type`); redirects are not followed.
        /// Headers for every request are said one by one as `http.headers.<name>`.
        url: String = required("http.url").importance(High).check(url(&["http", "https"])).group("Request");
        /// The method of the requests.
        method: Method = default("http.method", Method::Post).importance(High).group("Request");
        /// The `Content-Type` of the requests. Without it: `application/json`, or `application/x-ndjson` for `LINES`.
        content_type: Option<String> = optional("http.content.type").importance(Medium).check(non_empty()).group("Request");
        /// The header that tells which records a request has, so that the endpoint can pass over what it has already:
        /// `<topic>-<partition>-<offset>`, or `<topic>-<partition>-<first offset>-<last offset>`. Empty: no such header.
        idempotency_header: String = default("http.idempotency.header", "Idempotency-Key").importance(Low).group("Request");
        /// How long a request may take, from its first byte to the last of the answer, in milliseconds.
        request_timeout: Duration = default("http.request.timeout.ms", 30_000).importance(Medium).check(at_least(1)).group("Request");
        /// How long connecting may take, in milliseconds.
        connect_timeout: Duration = default("http.connect.timeout.ms", 10_000).importance(Low).check(at_least(1)).group("Request");
        /// The hosts that `http.url` may name: names, addresses, or `*.domain`. Empty: the host of `http.url`, unless it is or resolves to a
        /// link-local address (where clouds keep credentials), which must be listed here.
        allowed_hosts: Vec<String> = default("allowed.hosts", "").importance(Low).group("Request");

        /// How the sink says who it is.
        auth_type: AuthType = default("http.auth.type", AuthType::None).importance(Medium).group("Authentication")
            .dependents(&["http.auth.user", "http.auth.password", "http.auth.token"]);
        /// The user, for `BASIC`.
        auth_user: Option<String> = optional("http.auth.user").importance(Medium).group("Authentication");
        /// The password, for `BASIC`.
        auth_password: Option<Password> = optional("http.auth.password").importance(Medium).group("Authentication");
        /// The token, for `BEARER`.
        auth_token: Option<Password> = optional("http.auth.token").importance(Medium).group("Authentication");

        /// How records stand in a request's body. A request has records of one partition.
        batch_format: BatchFormat = default("batch.format", BatchFormat::JsonArray).importance(High).group("Batches");
        /// How many records a request has at most.
        batch_records_max: usize = default("batch.records.max", 500).kind(ConfigType::Int).importance(Medium).check(at_least(1)).group("Batches");
        /// How many bytes a request's body has at most. A single larger record is sent alone.
        batch_bytes_max: usize = default("batch.bytes.max", 1_048_576).kind(ConfigType::Int).importance(Medium).check(at_least(1)).group("Batches");
        /// What becomes of records without a value.
        null_values: NullValues = default("behavior.on.null.values", NullValues::Ignore).importance(Low).group("Batches");

        /// The status codes and ranges of codes after which the same request is tried again, for ever. After 413, 400 and 422 a batch is
        /// split to find the records at fault; after 401, 403, 407 and redirects the task fails; other codes make the
        /// batch's records bad records.
        retry_codes: Vec<String> = default("retry.status.codes", "408,425,429,500-599").importance(Low).group("Retries");
        /// How long to wait before the first try again, in milliseconds; it doubles with each further one. The endpoint's `Retry-After` counts
        /// if it is longer, up to an hour.
        retry_backoff: Duration = default("retry.backoff.ms", 200).importance(Low).check(at_least(1)).group("Retries");
        /// How long to wait at most before a try again, in milliseconds.
        retry_backoff_max: Duration = default("retry.backoff.max.ms", 30_000).importance(Low).check(at_least(1)).group("Retries");
    }
}

/// The options, and the prefix of the headers.
pub(super) fn definition() -> &'static ConfigDef {
    static DEFINITION: LazyLock<ConfigDef> =
        LazyLock::new(|| HttpSinkConfig::definition().clone().open(HEADERS));
    &DEFINITION
}
