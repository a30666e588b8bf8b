//! `millrace connectors validate`: what the worker says to configurations, all mistakes at once.

use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::output;
use super::apply;
use super::worker::Worker;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Properties files, or JSON: {"name", "config"}, or a flat object with a name
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn run(worker: &Worker, arguments: &ValidateArgs, json: bool) -> Result<(), Exit> {
    let (mut answers, mut mistakes, mut wrong) = (Vec::new(), Vec::new(), 0);
    for file in apply::read(&arguments.files)? {
        let class = file.config.get("connector.class").ok_or_else(|| {
            Exit::usage(format!("{}: connector.class is missing; `millrace plugins` lists all", file.name))
        })?;
        let path = ["connector-plugins", class, "config", "validate"];
        let answer = worker.call(Method::PUT, &path, "", Some(&json!(file.config))).await?.body;
        let found = errors(&answer);
        wrong += usize::from(!found.is_empty());
        mistakes.extend(found.iter().map(|(name, error)| format!("{}: {name}: {error}", file.name)));
        if found.is_empty() && !json {
            output::text(&format!("{} is valid\n", file.name))?;
        }
        answers.push(json!({"name": file.name, "valid": found.is_empty(), "validation": answer}));
    }
    if json {
        output::json(&Value::from(answers))?;
    }
    if wrong == 0 { Ok(()) } else { Err(Exit::usage(mistakes.join("\n"))) }
}

/// Every option with an error.
fn errors(answer: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for value in answer["configs"].as_array().into_iter().flatten().map(|config| &config["value"]) {
        let name = value["name"].as_str().unwrap_or_default();
        for error in value["errors"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            found.push((name.to_owned(), error.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::errors;

    #[test]
    fn every_error_has_its_option() {
        let answer = json!({"configs": [
            {"value": {"name": "a", "errors": ["one", "two"]}},
            {"value": {"name": "b", "errors": []}},
        ]});
        assert_eq!(errors(&answer), [("a".to_owned(), "one".to_owned()), ("a".to_owned(), "two".to_owned())]);
    }
}
