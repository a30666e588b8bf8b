//! Our own client's transactions against our own broker: what is committed is read, what is aborted is not, zombies are shut out.

use std::sync::Arc;
use std::time::Duration;

use broker_client::{
    Client, ClientConfig, ConsumerConfig, Delivery, GroupConfig, GroupConsumer, GroupEvent, GroupMetadata,
    Isolation, NewTopic, OffsetAndMetadata, OffsetSpec, PartitionConsumer, Producer, ProducerConfig,
    ProducerRecord, Subscription, TopicPartition,
};
use harness::broker::Broker;

struct Stage {
    client: Client,
    _broker: Broker,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// A broker with topics of two partitions.
    async fn new(topics: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]).await.unwrap();
        let bootstrap_servers = vec![broker.bootstrap_servers()];
        let client = Client::new(ClientConfig { bootstrap_servers, ..Default::default() });
        let new = |name: &&str| NewTopic {
            name: (*name).to_owned(),
            partitions: 2,
            replication_factor: 1,
            configs: Vec::new(),
        };
        client.create_topics(&topics.iter().map(new).collect::<Vec<_>>()).await.unwrap();
        Self { client, _broker: broker, _folder: folder }
    }

    /// A producer with this transactional id, ready to begin.
    async fn producer(&self, id: &str, topic: &str) -> Producer {
        let config = ProducerConfig { transactional_id: Some(id.to_owned()), ..Default::default() };
        let producer = Producer::new(&self.client, config);
        producer.prepare(topic).await.unwrap();
        producer.init_transactions().await.unwrap();
        producer
    }

    /// All values that a reader of committed records sees, in order of partition and offset, once there are as many: a commit
    /// is decided when it is acknowledged, and its markers follow.
    async fn committed(&self, topic: &str, count: usize) -> Vec<String> {
        let reading = async {
            loop {
                let values = self.visible(topic).await;
                if values.len() >= count {
                    return values;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .expect("the records do not become visible")
    }

    async fn visible(&self, topic: &str) -> Vec<String> {
        let mut values = Vec::new();
        for number in 0..2 {
            let partition = TopicPartition::new(topic, number);
            let end = self.client.list_offsets_isolated(
                topic,
                number,
                OffsetSpec::Latest,
                Isolation::ReadCommitted,
            );
            let end = end.await.unwrap();
            let config = ConsumerConfig { isolation: Isolation::ReadCommitted, ..Default::default() };
            let mut reader = PartitionConsumer::assign(&self.client, vec![(partition.clone(), 0)], config);
            while reader.position(&partition).is_none_or(|position| position < end) {
                for record in reader.poll().await.unwrap().into_iter().flat_map(|fetched| fetched.records) {
                    values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                }
            }
        }
        values
    }
}

fn write(producer: &Producer, topic: &str, value: &str) -> Arc<Delivery> {
    let delivery = Delivery::new();
    let partition = Some(i32::from(value.len() % 2 == 0));
    let record = ProducerRecord { topic, partition, value: Some(value.as_bytes()), ..Default::default() };
    producer.append(record, &delivery).unwrap();
    delivery
}

#[tokio::test]
async fn our_client_commits_and_aborts_and_reads_what_is_committed() {
    let stage = Stage::new(&["t"]).await;
    let producer = stage.producer("tx", "t").await;
    for round in 0..5 {
        producer.begin_transaction().unwrap();
        for record in 0..20 {
            write(&producer, "t", &format!("{round}-{record}"));
        }
        if round % 2 == 0 {
            producer.commit_transaction().await.unwrap();
        } else {
            // Half of it is in the log already, the other half may be given up.
            producer.flush().await.unwrap();
            write(&producer, "t", "late");
            producer.abort_transaction().await.unwrap();
        }
    }
    let mut read = stage.committed("t", 60).await;
    read.sort();
    let mut expected: Vec<_> =
        [0, 2, 4].iter().flat_map(|round| (0..20).map(move |record| format!("{round}-{record}"))).collect();
    expected.sort();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn our_client_shuts_out_zombies() {
    let stage = Stage::new(&["t"]).await;
    let zombie = stage.producer("tx", "t").await;
    zombie.begin_transaction().unwrap();
    write(&zombie, "t", "zombie");
    zombie.flush().await.unwrap();
    // A second producer of the same id takes over and aborts what the first left open.
    let heir = stage.producer("tx", "t").await;
    heir.begin_transaction().unwrap();
    write(&heir, "t", "heir");
    heir.commit_transaction().await.unwrap();
    let error = zombie.commit_transaction().await.unwrap_err();
    assert!(error.is_fenced(), "{error}");
    assert!(zombie.begin_transaction().unwrap_err().is_fenced());
    assert_eq!(stage.committed("t", 1).await, ["heir"]);
    // So does an administrator, also with nobody to take over.
    heir.begin_transaction().unwrap();
    write(&heir, "t", "orphan").wait().await.unwrap();
    stage.client.fence_producers(&["tx".to_owned(), "never seen".to_owned()]).await.unwrap();
    assert!(heir.commit_transaction().await.unwrap_err().is_fenced());
    assert_eq!(stage.committed("t", 1).await, ["heir"]);
}

#[tokio::test]
async fn our_client_commits_offsets_with_what_was_made_of_the_records() {
    let stage = Stage::new(&["in", "out"]).await;
    let source = stage.producer("source", "in").await;
    source.begin_transaction().unwrap();
    for value in ["a", "bb", "c"] {
        write(&source, "in", value);
    }
    source.commit_transaction().await.unwrap();
    let consumer = ConsumerConfig { isolation: Isolation::ReadCommitted, ..Default::default() };
    let config = GroupConfig { group: "g".to_owned(), consumer, ..Default::default() };
    let mut member = GroupConsumer::new(&stage.client, config, Subscription::Topics(vec!["in".to_owned()]));
    let producer = stage.producer("copy", "out").await;
    let mut copied = 0;
    while copied < 3 {
        let GroupEvent::Records(fetched) = member.next().await.unwrap() else { continue };
        copied += fetched.records.len();
        let partition = TopicPartition::new(fetched.topic.clone(), fetched.partition);
        let offsets = [(partition, OffsetAndMetadata::new(fetched.next_offset))];
        // The first try is aborted: neither its records nor its offsets count.
        for commits in [false, true] {
            producer.begin_transaction().unwrap();
            for record in &fetched.records {
                let value = String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
                write(&producer, "out", &value);
            }
            let group = member.group_metadata();
            producer.send_offsets_to_transaction(&offsets, &group).await.unwrap();
            if commits {
                producer.commit_transaction().await.unwrap();
            } else {
                producer.abort_transaction().await.unwrap();
            }
        }
    }
    let mut read = stage.committed("out", 3).await;
    read.sort();
    assert_eq!(read, ["a", "bb", "c"]);
    let mut offsets = stage.client.group_offsets("g").await.unwrap();
    offsets.sort_by_key(|(partition, _offset)| partition.partition);
    // Records and the marker behind them.
    let found: Vec<_> = offsets.iter().map(|(it, at)| (it.partition, at.offset)).collect();
    assert_eq!(found, [(0, 3), (1, 2)]);
    // Someone who is not a member of this generation is refused; the transaction can only be aborted.
    producer.begin_transaction().unwrap();
    let stranger = GroupMetadata { generation: 99, ..member.group_metadata() };
    let one = [(TopicPartition::new("in", 0), OffsetAndMetadata::new(1))];
    let error = producer.send_offsets_to_transaction(&one, &stranger).await.unwrap_err();
    assert!(error.is_abortable(), "{error}");
    producer.abort_transaction().await.unwrap();
    member.leave().await.unwrap();
}
