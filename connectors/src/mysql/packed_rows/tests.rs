//! What the tests of packed rows ask of both kinds: that what is shown of a row is written down as what decoding makes of it.

use api::configs::Props;
use api::{Converter, PluginKind, SchemaAndValue, SourceRecord};

/// Options under which values are written in other ways.
pub(crate) const SETTINGS: [&[(&str, &str)]; 4] = [
    &[],
    &[
        ("decimal.handling.mode", "string"),
        ("time.precision.mode", "connect"),
        ("binary.handling.mode", "hex"),
    ],
    &[("decimal.handling.mode", "double"), ("bigint.unsigned.handling.mode", "precise")],
    &[("time.precision.mode", "isostring"), ("binary.handling.mode", "base64")],
];

/// The options of a connector.
pub(crate) fn props(said: &[(&str, &str)]) -> Props {
    let connection = [
        ("database.hostname", "h"),
        ("database.user", "u"),
        ("database.server.id", "5"),
        ("topic.prefix", "p"),
    ];
    connection.iter().chain(said).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn json(schemas: &str) -> Box<dyn Converter> {
    let is_json = |plugin: &&&api::Plugin| {
        plugin.aliases.contains(&"json") && matches!(plugin.kind, PluginKind::Converter(_))
    };
    let Some(PluginKind::Converter(make)) = converters::ALL.iter().find(is_json).map(|plugin| plugin.kind)
    else {
        panic!("no converter");
    };
    let said = [("schemas.enable".to_owned(), schemas.to_owned())];
    make(&said.into_iter().collect(), false).unwrap()
}

fn written(converter: &mut dyn Converter, datum: &SchemaAndValue) -> String {
    let mut out = Vec::new();
    let _null = converter.from_connect_data("t", datum, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Compares the keys and values of records as JSON, with schemas and without.
pub(crate) fn assert_written_alike(shown: &[SourceRecord], expected: &[SourceRecord]) {
    assert_eq!(shown.len(), expected.len());
    for schemas in ["false", "true"] {
        let (mut one, mut other) = (json(schemas), json(schemas));
        for (shown, expected) in shown.iter().zip(expected) {
            let (shown, expected) = (&shown.record, &expected.record);
            for (shown, expected) in [(&shown.key, &expected.key), (&shown.value, &expected.value)] {
                assert_eq!(written(&mut *one, shown), written(&mut *other, expected));
            }
        }
    }
}
