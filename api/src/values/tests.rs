//! What Kafka Connect 4.3's `Values` read (its answers are the expected ones), and where we keep what it loses.

use super::*;
use crate::logical;
use crate::value::Text;

fn read(text: &str) -> SchemaAndValue {
    parse(&Text::from(text))
}

fn plain(kind: SchemaType, value: impl Into<Value>) -> SchemaAndValue {
    SchemaAndValue::new(Schema::plain(kind), value.into())
}

fn decimal(unscaled: &[u8], scale: i32) -> SchemaAndValue {
    SchemaAndValue::new(logical::decimal(scale).build(), unscaled.to_vec().into())
}

#[test]
fn integers_are_as_narrow_as_can_be() {
    for (text, number) in [
        ("0", 0_i8),
        ("+1", 1),
        ("-128", -128),
        ("007", 7),
        ("1.0", 1),
        ("1.", 1),
        ("-0", 0),
        ("-0.0", 0),
        ("0e999999", 0),
    ] {
        assert_eq!(read(text), plain(SchemaType::Int8, number), "{text}");
    }
    for (text, number) in [("128", 128_i16), ("-129", -129), ("1e3", 1000), ("1E3", 1000), ("2019", 2019)] {
        assert_eq!(read(text), plain(SchemaType::Int16, number), "{text}");
    }
    assert_eq!(read("100000.0"), plain(SchemaType::Int32, 100_000));
    assert_eq!(read("2147483648"), plain(SchemaType::Int64, 2_147_483_648_i64));
    assert_eq!(read("9223372036854775807"), plain(SchemaType::Int64, i64::MAX));
    assert_eq!(read("9223372036854775808"), decimal(&[0, 128, 0, 0, 0, 0, 0, 0, 0], 0));
}

#[test]
fn other_numbers_are_floats_and_then_decimals() {
    assert_eq!(read("1.5"), plain(SchemaType::Float32, 1.5_f32));
    assert_eq!(read("3.4028235e38"), plain(SchemaType::Float32, f32::MAX));
    assert_eq!(read("1e39"), plain(SchemaType::Float64, 1e39));
    assert_eq!(read("1e400"), decimal(&[1], -400));
}

#[test]
fn words_and_null() {
    assert_eq!(read("true"), plain(SchemaType::Boolean, true));
    assert_eq!(read(" false "), plain(SchemaType::Boolean, false));
    assert_eq!(read("null"), SchemaAndValue::NULL);
}

#[test]
fn everything_else_is_text_as_it_stands() {
    let texts = [
        "",
        " ",
        "TRUE",
        "truex",
        "\"quoted\"",
        "\"a\\\"b\"",
        "\"unterminated",
        "+",
        "-",
        ".5",
        "1f",
        "0x10",
        "1 2",
        "12a",
        "abc def",
        " abc ",
        "[a,b]",
        "[1,null]",
        "[1,2",
        "[1,,2]",
        "{a:1}",
        "{\"a\":1",
        "{\"a\"}",
        "{:1}",
        "2019-8-3",
        "2019-08-23 14:34:54.346Z",
        "a:b",
        "a\\b",
        "http://x/y?z={1}",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "1_000",
        "NaN",
        "-Infinity",
        "\"\"",
        "[1 2]",
        "1e2147483648",
        "99999-01-01",
        "true,false",
    ];
    for text in texts {
        assert_eq!(read(text), SchemaAndValue::of_text(text), "{text}");
    }
}

/// Connect takes the front of these for a number, a list or another day, and drops the rest.
#[test]
fn nothing_of_the_text_is_lost() {
    for text in
        ["1:2", "1,2", "14:34:54Z", "14:34:54.346", "[1] x", "24:00:00.000Z x", "2019-02-30", "24:00:00.000Z"]
    {
        assert_eq!(read(text), SchemaAndValue::of_text(text), "{text}");
    }
}

#[test]
fn dates_and_times() {
    let date = || SchemaAndValue::new(logical::date().build(), 18_131.into());
    assert_eq!(read("2019-08-23"), date());
    assert_eq!(read("14:34:54.346Z"), SchemaAndValue::new(logical::time().build(), 52_494_346.into()));
    assert_eq!(
        read("2019-08-23T14:34:54.346Z"),
        SchemaAndValue::new(logical::timestamp().build(), 1_566_570_894_346_i64.into())
    );
    for text in ["[2019-08-23]", "[\"2019-08-23\"]"] {
        assert_eq!(read(text).value, Value::Array(vec![18_131.into()]), "{text}");
    }
    assert_eq!(read("{\"t\":14:34:54.346Z}").value, Value::Map(vec![("t".into(), 52_494_346.into())]));
}

#[test]
fn lists_have_a_type_if_all_items_fit_one() {
    let list = |kind, items: Vec<Value>| {
        SchemaAndValue::new(Schema::array(Schema::plain(kind)).build(), Value::Array(items))
    };
    let untyped =
        |items| SchemaAndValue::new(Schema::builder(SchemaType::Array).build(), Value::Array(items));
    assert_eq!(read("[ 1 , 2 ]"), list(SchemaType::Int8, vec![1_i8.into(), 2_i8.into()]));
    assert_eq!(read("[1,128,32768]"), list(SchemaType::Int32, vec![1.into(), 128.into(), 32_768.into()]));
    assert_eq!(read("[1.5,1]"), list(SchemaType::Float32, vec![1.5_f32.into(), 1_f32.into()]));
    assert_eq!(read("[\"a\",\"\"]"), list(SchemaType::String, vec!["a".into(), "".into()]));
    assert_eq!(read("[true,1]"), untyped(vec![true.into(), 1_i8.into()]));
    assert_eq!(read("[null]"), untyped(vec![Value::Null]));
    assert_eq!(read("[ ]"), untyped(vec![]));
    let nested = Schema::array(Schema::array(Schema::plain(SchemaType::Int8)).build()).build();
    let lists = Value::Array(vec![Value::Array(vec![1_i8.into()]), Value::Array(vec![2_i8.into()])]);
    assert_eq!(read("[[1],[2]]"), SchemaAndValue::new(nested, lists));
}

#[test]
fn maps() {
    let map = Schema::map(Schema::plain(SchemaType::String), Schema::plain(SchemaType::Int8)).build();
    for text in ["{\"a\":1}", "{\"a\" : 1 }", "{\"a\":2,\"a\":1}"] {
        assert_eq!(
            read(text),
            SchemaAndValue::new(SchemaRef::clone(&map), Value::Map(vec![("a".into(), 1_i8.into())])),
            "{text}"
        );
    }
    assert_eq!(read("{1:2}").value, Value::Map(vec![(1_i8.into(), 2_i8.into())]));
    assert_eq!(read("{\"a\":null}").value, Value::Map(vec![("a".into(), Value::Null)]));
    assert_eq!(read("{ }").value, Value::Map(vec![]));
    assert_eq!(read("{\"\":\"\"}").value, Value::Map(vec![("".into(), "".into())]));
}

#[test]
fn nesting_without_end_is_text() {
    let deep = "[".repeat(100_000);
    assert_eq!(read(&deep), SchemaAndValue::of_text(deep.as_str()));
}
