//! What Debezium's MariaDB connector (3.5.0) gives on purpose or by mistake otherwise than its MySQL connector, and we do not.

use api::configs::Props;
use serde_json::Value as Json;

use super::comparison::brief;

/// Debezium's MariaDB connector takes `include.schema.changes` for `include.schema.comments`; we do as the options say, and so are
/// compared with comments where there are changes of schemas.
pub fn set_comments(config: &mut Props) {
    let comments = config.get("include.schema.changes").map_or("true", String::as_str).to_owned();
    config.insert("include.schema.comments".to_owned(), comments);
}

/// The records without the `BEGIN` that Debezium says of each statement of DDL, whose `END` never comes.
pub fn without_open_transactions(records: Vec<Json>) -> Vec<Json> {
    let status = |record: &Json, status: &str| record["value"]["payload"]["status"] == status;
    let ended: Vec<Json> =
        records.iter().filter(|record| status(record, "END")).map(|record| record["key"].clone()).collect();
    records.into_iter().filter(|record| !status(record, "BEGIN") || ended.contains(&record["key"])).collect()
}

/// Why a difference is meant.
pub fn deliberate(expected: &Json, difference: &str) -> Option<&'static str> {
    let value = &expected["value"]["payload"];
    let brief = brief(expected);
    if brief.contains(".zeros ")
        && difference.contains("after.tsn: expected \"1970-01-01T00:00:00Z\", found null")
    {
        return Some(
            "a zero of a nullable column is null; so it is in Debezium 3.6 and in the snapshots of 3.5",
        );
    }
    let of_bools = brief.contains(".bools ");
    if of_bools
        && (difference.contains("after.iu: ") || difference.contains("fields[24].type: expected \"int32\""))
    {
        return Some("INTEGER UNSIGNED has no sign; Debezium 3.5 reads it with one");
    }
    let second_column = difference.contains("[6].optional: expected false, found true");
    if second_column && (value["ddl"].is_string() || brief.contains(".base ")) {
        return Some(
            "the second column of ADD (b NOT NULL, c) may be null; Debezium takes the first one's word for it",
        );
    }
    let executable =
        ["found \"7\"", "found 7", "found \"table\""].iter().any(|end| difference.ends_with(end));
    if executable && (brief.contains("comments") || value["ddl"].is_string()) {
        return Some("what stands in /*! */ was done by the server; Debezium takes it for a comment");
    }
    if difference.contains("expected \"0000123e-4567-e89b-12d3-a45642665544\", found \"123e4567-") {
        return Some("a UUID whose last byte is zero; Debezium moves its bytes");
    }
    if brief.contains("CREATE UNIQUE INDEX IF NOT EXISTS") {
        return Some("Debezium does not see which table it is about");
    }
    of_options(difference, &brief)
}

fn of_options(difference: &str, brief: &str) -> Option<&'static str> {
    let is = |words: &[&str]| words.iter().any(|word| difference.contains(word));
    if is(&[
        "default: expected \"absent\", found \"QUI=\"",
        "expected \"absent\", found \"4142\"",
        "expected null, found \"AB\"",
    ]) {
        return Some("DEFAULT x'4142' is the bytes that the server puts in; Debezium 3.5 has no default");
    }
    if is(&["defaultValueExpression: expected \"curdate()\", found null"]) {
        return Some(
            "an expression is no literal; Debezium takes it for one, and then cannot read it as a date",
        );
    }
    if is(&["after.u: ", "after.ug: ", "before.u: ", "before.ug: "])
        && brief.starts_with("options.corpus.addresses")
    {
        return Some("a hash acts on a UUID; Debezium lets it through");
    }
    if brief.contains(".keyless null t") && is(&[".transaction: "]) {
        return Some("TRUNCATE is no part of a transaction");
    }
    None
}
