//! A connection against servers that do not behave.

use mysql_common::packets::{AuthPlugin, HandshakePacket};
use mysql_common::proto::MySerialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::mysql::server::sorted;

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

/// What a server says after the login, each with the number of its packet.
type Script = Vec<(u8, Vec<u8>)>;

fn greeting(capabilities: CapabilityFlags) -> Vec<u8> {
    let plugin = Some(AuthPlugin::MysqlNativePassword.as_bytes().to_vec());
    let greeting = HandshakePacket::new(
        10,
        b"8.0.1".to_vec(),
        7,
        *b"12345678",
        Some(b"123456789012\0".to_vec()),
        capabilities,
        45,
        StatusFlags::empty(),
        plugin,
    );
    let mut bytes = Vec::new();
    greeting.serialize(&mut bytes);
    bytes
}

async fn say(stream: &mut TcpStream, number: u8, payload: &[u8]) {
    let mut bytes = BytesMut::new();
    packet_to_chunks(number, &mut &*payload, &mut bytes);
    stream.write_all(&bytes).await.unwrap();
}

async fn hear(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    let mut payload = vec![0; usize::from(head[0]) | usize::from(head[1]) << 8];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

/// A server that lets anybody in and says what stands in the script to the first statement; then it hangs up.
async fn server(capabilities: CapabilityFlags, script: Script) -> MySqlConfig {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        say(&mut stream, 0, &greeting(capabilities)).await;
        hear(&mut stream).await;
        say(&mut stream, 2, OK).await;
        hear(&mut stream).await;
        for (number, payload) in script {
            say(&mut stream, number, &payload).await;
        }
    });
    let props = [
        ("database.hostname", "127.0.0.1"),
        ("database.port", &port),
        ("database.user", "me"),
        ("database.password", "secret"),
        ("database.server.id", "5"),
        ("topic.prefix", "p"),
    ];
    let props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    MySqlConfig::parse(&props).unwrap()
}

fn column(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Column::new(mysql_async::consts::ColumnType::MYSQL_TYPE_LONG)
        .with_name(name.as_bytes())
        .serialize(&mut bytes);
    bytes
}

/// Two columns and what follows them.
fn result(rows: &[&[u8]]) -> Script {
    let head = [vec![2], column("a"), column("b")];
    let rows = rows.iter().map(|row| row.to_vec());
    (1..).zip(head.into_iter().chain(rows)).collect()
}

/// The rows that come before it ends, and how it ends.
async fn read(capabilities: CapabilityFlags, script: Script) -> (usize, Result<()>) {
    let config = server(capabilities, script).await;
    let mut connection = Connection::open(&config, Encryption::None).await.unwrap();
    let mut count = 0;
    let mut selected = match connection.select("SELECT").await {
        Ok(selected) => selected,
        Err(error) => return (0, Err(error)),
    };
    loop {
        match selected.rows(1, usize::MAX).await {
            Ok(Some(rows)) => count += rows.len(),
            Ok(None) => return (count, Ok(())),
            Err(error) => return (count, Err(error)),
        }
    }
}

const MODERN: CapabilityFlags =
    CapabilityFlags::all().difference(CapabilityFlags::CLIENT_SSL.union(CapabilityFlags::CLIENT_COMPRESS));

#[tokio::test]
async fn rows_are_read_to_their_end_in_both_forms_of_it() {
    let row: &[u8] = &[1, b'1', 1, b'2'];
    let (count, end) = read(MODERN, result(&[row, row, &[0xFE, 0, 0, 2, 0, 0, 0]])).await;
    assert_eq!((count, end.is_ok()), (2, true));
    let eof: &[u8] = &[0xFE, 0, 0, 2, 0];
    let old = MODERN.difference(CapabilityFlags::CLIENT_DEPRECATE_EOF);
    let (count, end) = read(old, result(&[eof, row, eof])).await;
    assert_eq!((count, end.is_ok()), (1, true));
}

#[tokio::test]
async fn an_error_amid_the_rows_is_the_servers_own() {
    let error = [&[0xFF, 0x25, 0x05][..], b"#70100Query execution was interrupted"].concat();
    let (count, end) = read(MODERN, result(&[&[1, b'1', 1, b'2'], &error])).await;
    let error = end.unwrap_err();
    assert_eq!((count, crate::mysql::server::error_code(&error)), (1, Some(1317)));
    assert_eq!(sorted(error).kind(), api::ErrorKind::Retriable { after: None });
}

#[tokio::test]
async fn a_connection_that_ends_amid_a_result_is_retried() {
    for script in [result(&[&[1, b'1', 1, b'2']]), vec![(1, vec![2])], Vec::new()] {
        let error = sorted(read(MODERN, script).await.1.unwrap_err());
        assert_eq!(error.kind(), api::ErrorKind::Retriable { after: None }, "{error}");
    }
}

#[tokio::test]
async fn answers_that_no_server_gives_are_errors() {
    let cases: [(Script, &str); 7] = [
        (vec![(1, vec![0xFB, b'/', b'x'])], "local file"),
        (vec![(1, vec![0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])], "no number of columns"),
        (vec![(1, Vec::new())], "no number of columns"),
        (vec![(1, vec![1]), (2, vec![3, b'd'])], ""),
        (vec![(1, OK.to_vec())], "no result"),
        (result(&[&[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1, 1, 1]]), ""),
        (result(&[&[9, b'1']]), "ends behind the row"),
    ];
    for (script, expected) in cases {
        let told = format!("{script:?}");
        let error = read(MODERN, script).await.1.unwrap_err().to_string();
        assert!(error.contains(expected), "{told}: {error}");
    }
}

#[tokio::test]
async fn a_result_that_was_left_blocks_the_next_statement() {
    let config = server(MODERN, result(&[&[1, b'1', 1, b'2'], &[1, b'1', 1, b'2']])).await;
    let mut connection = Connection::open(&config, Encryption::None).await.unwrap();
    let mut selected = connection.select("SELECT").await.unwrap();
    assert_eq!(selected.rows(1, usize::MAX).await.unwrap().unwrap().len(), 1);
    let error = connection.results("SELECT 2").await.unwrap_err();
    assert!(error.to_string().contains("not read to its end"), "{error}");
}

#[tokio::test]
async fn a_server_without_encryption_is_told_nothing_when_it_is_wanted() {
    let config = server(MODERN, Vec::new()).await;
    let error = Connection::open(&config, Encryption::Any).await.unwrap_err();
    assert!(matches!(error, Error::Driver(DriverError::NoClientSslFlagFromServer)), "{error}");
}
