//! Against the Java code of the field: `golden/schemas.jsonl` holds what Apicurio's fork of Confluent's `AvroData` and Avro's Java library
//! make of the same Connect schemas and values. `golden/AvroOracle.java` wrote it (apicurio-registry-utils-converter 3.0.9, avro 1.12.0).

use super::*;

const GOLDEN: &str = include_str!("../golden/schemas.jsonl");

fn options(input: &Json) -> DataOptions {
    let is = |name: &str, default: bool| match input["options"][name].as_str() {
        Some(text) => text == "true",
        None => default,
    };
    DataOptions {
        enhanced: is("enhanced.avro.schema.support", false),
        generalized: is("generalized.sum.type.support", false),
        connect_meta_data: is("connect.meta.data", true),
        scrub: is("scrub.invalid.names", false),
        discard_type_doc_default: is("discard.type.doc.default", false),
        optional_map_keys: is("allow.optional.map.keys", false),
        flatten_singleton_union: is("flatten.singleton.union", true),
        ignore_default_for_nullables: is("ignore.default.for.nullables", false),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn schemas_data_and_what_comes_back_are_those_of_the_java_converter() {
    let mut differences = Vec::new();
    for (number, line) in GOLDEN.lines().enumerate() {
        let golden: Json = serde_json::from_str(line).unwrap();
        let (input, options) = (&golden["input"], options(&golden["input"]));
        let datum = of_json(input);
        let mut compare = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                differences.push(format!("{number} {what}\n  ours   {ours}\n  theirs {theirs}"));
            }
        };
        let text = avro(datum.schema.as_ref(), options).map(|(_, text)| text);
        let text = text.unwrap_or_else(|fault| fault.into_error().to_string());
        let theirs = golden["avro"].as_str().unwrap();
        compare("schema", text, theirs.to_owned());
        // A top-level BYTES is raw: Confluent's serializer, which is not asked here, leaves the length out.
        let is_raw = theirs == "\"bytes\"" || theirs.starts_with("{\"type\":\"bytes\"");
        let bytes = written(&datum, options).map(|bytes| hex(&bytes.unwrap_or_default()));
        let bytes = bytes.unwrap_or_else(|fault| fault.into_error().to_string());
        let whole = golden["bytes"].as_str().unwrap();
        let data = whole.get(if is_raw { 2 } else { 0 }..).unwrap();
        compare("bytes", bytes, data.to_owned());
        let back = read(theirs, unhex(data), options).map(|datum| to_json(&datum).to_string());
        compare(
            "back",
            back.unwrap_or_else(|fault| fault.into_error().to_string()),
            golden["back"].to_string(),
        );
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}
