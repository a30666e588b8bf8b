//! What the values of a topic's options must be; each says in words what is wrong.

pub(super) fn cleanup_policy(value: &str) -> Result<(), String> {
    let known = value.split(',').all(|policy| matches!(policy.trim(), "delete" | "compact"));
    if known { Ok(()) } else { Err("must be delete, compact, or both with a comma".to_owned()) }
}

pub(super) fn compression(value: &str) -> Result<(), String> {
    match value {
        "producer" | "uncompressed" | "gzip" | "snappy" | "lz4" | "zstd" => Ok(()),
        _ => Err("must be producer, uncompressed, gzip, snappy, lz4 or zstd".to_owned()),
    }
}

pub(super) fn timestamp_type(value: &str) -> Result<(), String> {
    match value {
        "CreateTime" | "LogAppendTime" => Ok(()),
        _ => Err("must be CreateTime or LogAppendTime".to_owned()),
    }
}

pub(super) fn boolean(value: &str) -> Result<(), String> {
    if matches!(value, "true" | "false") { Ok(()) } else { Err("must be true or false".to_owned()) }
}

pub(super) fn at_least<const MIN: i64>(value: &str) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(number) if number >= MIN => Ok(()),
        Ok(_) => Err(format!("must be at least {MIN}")),
        Err(error) => Err(format!("not a number of type LONG: {error}")),
    }
}

pub(super) fn int_at_least<const MIN: i64>(value: &str) -> Result<(), String> {
    at_least::<MIN>(value)?;
    value.trim().parse::<i32>().map(|_| ()).map_err(|error| format!("not a number of type INT: {error}"))
}

pub(super) fn ratio(value: &str) -> Result<(), String> {
    match value.trim().parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
        Ok(_) => Err("must be between 0 and 1".to_owned()),
        Err(error) => Err(format!("not a number of type DOUBLE: {error}")),
    }
}
