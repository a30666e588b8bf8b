//! `millrace connectors get`.

use clap::Args;
use serde_json::Value;

use super::super::exit::Exit;
use super::super::output;
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The connector
    name: String,
}

pub(super) async fn run(worker: &Worker, arguments: &GetArgs, json: bool) -> Result<(), Exit> {
    let connector = worker.get(&["connectors", &arguments.name], "").await?;
    if json { output::json(&connector) } else { output::text(&properties(&connector["config"])) }
}

/// The configuration as a properties file, the name first.
fn properties(config: &Value) -> String {
    let mut settings: Vec<_> = config.as_object().into_iter().flatten().collect();
    settings.sort_by_key(|(name, _)| (*name != "name", *name));
    let line = |(name, value): &(&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{}={}\n", escaped(name, true), escaped(&value, false))
    };
    settings.iter().map(line).collect()
}

/// As Java writes properties: what would end or shift a line, or a name, is escaped.
fn escaped(text: &str, is_name: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, letter) in text.chars().enumerate() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' if is_name || index == 0 => out.push_str("\\ "),
            '=' | ':' if is_name => out.extend(['\\', letter]),
            '#' | '!' if is_name && index == 0 => out.extend(['\\', letter]),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::properties;

    #[test]
    fn what_is_printed_is_read_back() {
        let config = json!({"b c": " x=\\d\n#", "name": "n", "#a:=": "ä\t\u{c}\r!"});
        let text = properties(&config);
        assert!(text.starts_with("name=n\n"), "{text}");
        let read = configs::properties::parse(&text, "f").unwrap().props;
        let read: serde_json::Map<_, _> =
            read.into_iter().map(|(name, value)| (name, value.into())).collect();
        assert_eq!(serde_json::Value::from(read), config);
    }
}
