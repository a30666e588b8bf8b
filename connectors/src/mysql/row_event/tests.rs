//! Events on their way through the queue: order, handfuls, and a row that cannot be decoded.

use api::Value;
use api::configs::Props;

use super::*;
use crate::mysql::binlog::table_map::{MapColumn, RowMetadata, TableMap, column_type as t};
use crate::mysql::config::MySqlConfig;
use crate::mysql::config::events::Events;
use crate::mysql::ddl::{Catalog, Statement};
use crate::mysql::envelope::{Envelopes, Flavour, Moment, Origin};
use crate::mysql::outbox::Outbox;
use crate::mysql::queue::{Receiver, queue};
use crate::mysql::types::TypeOptions;

fn props() -> Props {
    let said = [
        ("database.hostname", "h"),
        ("database.user", "u"),
        ("database.server.id", "5"),
        ("topic.prefix", "p"),
    ];
    said.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
}

fn envelopes() -> (Envelopes, CapturedTable) {
    let mut catalog = Catalog::new("utf8mb4", "8.4.3");
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b'))";
    catalog.apply(&Statement { sql, database: "db", sql_mode: 0 });
    let shape = catalog.tables().next().unwrap();
    let column = |(column_type, meta)| MapColumn { column_type, meta, nullable: true };
    let map = TableMap {
        table_id: 1,
        flags: 0,
        table: TableId::new("db", "t"),
        columns: [(t::LONG, 0), (t::ENUM, 1)].map(column).to_vec(),
        metadata: RowMetadata::default(),
    };
    let decoder = RowDecoder::prepare(&map, shape, &TypeOptions::default()).unwrap();
    let (config, filter) = MySqlConfig::load(&props()).unwrap();
    let events = Arc::new(Events::load(&props()).unwrap());
    let envelopes = Envelopes::new(&config, &events, Flavour::MySql);
    let records = envelopes.table(shape, &filter);
    (envelopes, CapturedTable { id: TableId::new("db", "t"), decoder, records })
}

/// An event that inserts rows with these words of the ENUM, numbered from 0.
fn event(words: &[u8], failures: FailureHandling) -> RowEvent {
    let (envelopes, table) = envelopes();
    let row = |(id, word): (usize, &u8)| {
        let id = u32::try_from(id).unwrap().to_le_bytes();
        [&[0][..], &id, &[*word]].concat()
    };
    let images = Bytes::from(words.iter().enumerate().flat_map(row).collect::<Vec<u8>>());
    let starts = table.decoder.find_images(&[&[0xff]], &images).unwrap();
    let rows = EventRows {
        table: Arc::new(table),
        kind: RowsKind::Insert,
        columns: [Bytes::from_static(&[0xff]), Bytes::new()],
        images,
        starts,
        source: SourceBlock::new(envelopes.source_schema(), Flavour::MySql, &Origin::default()),
        frames: Frames::new(Moment::now()),
    };
    assert_eq!(rows.count(), words.len());
    let (offset, place) = (Arc::new(FlatMap::new()), ("binlog.000001".into(), 4711));
    RowEvent::new(rows, EventPlace { offset, events: 2, place, failures }).unwrap()
}

/// Which row of its event a record is, by its source block and by its offset.
fn number(record: &SourceRecord) -> (i64, i64) {
    let value = record.record.value.value.as_struct().unwrap();
    let source = value.get("source").and_then(Value::as_struct).unwrap();
    let offset = record.source_offset.to_map();
    (source.get("row").unwrap().as_i64().unwrap(), offset.get("row").unwrap().as_i64().unwrap())
}

async fn numbers(receiver: &mut Receiver) -> Vec<(i64, i64)> {
    receiver.receive().await.unwrap().unwrap().iter().map(number).collect()
}

#[tokio::test]
async fn rows_come_out_in_order_between_the_records_around_them_and_no_more_than_may_at_once() {
    let (sender, mut receiver) = queue(1 << 20, 100, 3);
    let mut outbox = Outbox::new(sender, 3);
    let mut made = Vec::new();
    event(&[1], FailureHandling::Fail).take(1, &mut made).unwrap();
    outbox.records.extend(made.clone());
    outbox.push_event(event(&[1, 2, 1, 2], FailureHandling::Fail));
    assert!(outbox.is_full(), "the rows of an event count");
    outbox.records.extend(made);
    outbox.flush().await.unwrap();
    assert!(!outbox.is_full());
    assert_eq!(numbers(&mut receiver).await, [(0, 1), (0, 1), (1, 2)]);
    assert_eq!(numbers(&mut receiver).await, [(2, 3), (3, 4), (0, 1)]);
}

#[tokio::test]
async fn a_row_that_cannot_be_decoded_fails_behind_the_rows_before_it_and_says_where_it_is() {
    let (sender, mut receiver) = queue(1 << 20, 100, 100);
    let mut outbox = Outbox::new(sender, 100);
    outbox.push_event(event(&[1, 2, 9, 1], FailureHandling::Fail));
    outbox.flush().await.unwrap();
    assert_eq!(numbers(&mut receiver).await, [(0, 1), (1, 2)]);
    let error = receiver.receive().await.unwrap().unwrap_err();
    assert!(!error.is_retriable());
    let report = error.report();
    assert!(report.contains("reading the event at binlog.000001:4711"), "{report}");
    assert!(report.contains("column e of db.t holds number 9 of 2 words"), "{report}");
}

#[tokio::test]
async fn the_rest_of_such_an_event_is_left_out_where_that_is_wanted() {
    let (sender, mut receiver) = queue(1 << 20, 100, 100);
    let mut outbox = Outbox::new(sender, 100);
    outbox.push_event(event(&[1, 9, 1], FailureHandling::Warn));
    outbox.push_event(event(&[1], FailureHandling::Warn));
    outbox.flush().await.unwrap();
    assert_eq!(numbers(&mut receiver).await, [(0, 1), (0, 1)]);
}
