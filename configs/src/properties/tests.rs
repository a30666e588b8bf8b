//! The corners of the `.properties` format; the expected answers are those of `java.util.Properties`.

use super::*;

fn entries(text: &str) -> Vec<(String, String)> {
    parse(text, "t.properties").expect("well-formed").props.into_iter().collect()
}

fn pair(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn separators_are_equals_colon_or_space() {
    for text in ["k=v", "k:v", "k v", "  k = v", "k\t:  v", "k   v", "\u{feff}k=v\r\n"] {
        assert_eq!(entries(text), pair("k", "v"), "{text:?}");
    }
    assert_eq!(entries("k = = v "), pair("k", "= v "));
    assert_eq!(entries("k"), pair("k", ""));
    assert_eq!(entries("=v"), pair("", "v"));
    assert_eq!(entries("a\\=b\\:c\\ d=e"), pair("a=b:c d", "e"));
}

#[test]
fn comments_and_blank_lines_say_nothing() {
    assert!(entries("# a=b\n ! c=d\n\n   \n\t#").is_empty());
    assert_eq!(entries("a=b # kept"), pair("a", "b # kept"));
}

#[test]
fn continued_lines_join_without_their_indent() {
    assert_eq!(entries("k=a,\\\n    b,\\\r\n  # c"), pair("k", "a,b,# c"));
    assert_eq!(entries("k=a\\\\\nl=b").len(), 2);
    assert_eq!(entries("k=a\\"), pair("k", "a"));
    assert_eq!(entries("k=a\\\n\nl=b").len(), 2);
    assert_eq!(entries("k=a\\\n#c"), pair("k", "a#c"));
    assert_eq!(entries("\\\n\n\nx=y"), pair("x", "y"));
}

#[test]
fn escapes_are_javas() {
    assert_eq!(entries(r"k=\t\n\r\f\q\\\u00e4\uD83D\uDE00ü"), pair("k", "\t\n\r\u{c}q\\ä😀ü"));
    assert_eq!(entries(r"p=C:\\data"), pair("p", r"C:\data"));
}

#[test]
fn errors_name_file_and_line() {
    for (text, line) in [("a=b\nc=\\u12", 2), ("\\\n\n\nx=\\uD83D", 4), ("a=\\uzzzz", 1), ("a=\\u+123", 1)] {
        let error = parse(text, "w.properties").expect_err("malformed").to_string();
        assert!(error.starts_with(&format!("w.properties:{line}: malformed")), "{error}");
    }
}

#[test]
fn a_repeated_name_is_a_warning_and_the_last_wins() {
    let document = parse("a=1\nb=2\na=3", "w.properties").expect("well-formed");
    assert_eq!(document.props.get("a").map(String::as_str), Some("3"));
    assert_eq!(document.warnings, ["w.properties:3: \"a\" was already set in line 1; this line wins"]);
}

#[test]
fn files_are_bounded_regular_and_utf8() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("w.properties");
    std::fs::write(&path, b"a=b\nc=\xff").expect("written");
    assert!(read(&path).expect_err("Latin-1").to_string().contains("w.properties:2: is not UTF-8"));
    std::fs::write(&path, vec![b' '; FILE_BYTES_MAX + 1]).expect("written");
    assert!(matches!(read(&path), Err(FileError::TooLarge { .. })));
    assert!(matches!(read(directory.path()), Err(FileError::Unreadable { .. })));
    assert!(matches!(read(Path::new("/nowhere/x")), Err(FileError::Unreadable { .. })));
}
