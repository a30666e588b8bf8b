"""Current confluent-kafka (librdkafka) against the broker: administration, idempotent production, a consumer group.

Called by the test beside it: clients.py BOOTSTRAP_SERVERS. Exits 0 only if everything held.
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

SERVERS = sys.argv[1]
TOPIC = "clients"
PARTITIONS = 3
MESSAGES = 20_000


def create_topic():
    admin = AdminClient({"bootstrap.servers": SERVERS})
    topic = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=1, config={"retention.ms": "3600000"})
    admin.create_topics([topic])[TOPIC].result(60)
    resource = ConfigResource(ResourceType.TOPIC, TOPIC)
    config = admin.describe_configs([resource])[resource].result(60)
    assert config["retention.ms"].value == "3600000", config["retention.ms"]
    assert config["cleanup.policy"].is_default, "a default must say that it is one"
    try:
        admin.create_topics([topic])[TOPIC].result(60)
        raise AssertionError("creating a topic twice was accepted")
    except KafkaException as error:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS", error
    return admin


def produce():
    producer = Producer({"bootstrap.servers": SERVERS, "enable.idempotence": True, "compression.type": "zstd"})
    failed = []
    for number in range(MESSAGES):
        key = str(number % 100)
        while True:
            try:
                producer.produce(TOPIC, key=key, value=f"{key}:{number}", headers=[("n", b"1"), ("n", b"2")],
                                 on_delivery=lambda error, message: failed.append(error) if error else None)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(120) == 0, "not everything was delivered"
    assert not failed, failed[:3]


def consume(group, expected):
    """Reads as a member of a group, commits with metadata, and leaves."""
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    last, count = {}, 0
    while count < expected:
        message = consumer.poll(60)
        assert message is not None, f"only {count} of {expected} messages came"
        assert message.error() is None, message.error()
        key, number = message.value().decode().split(":")
        assert last.get(key, -1) < int(number), f"key {key}: {number} after {last[key]}"
        assert message.headers() == [("n", b"1"), ("n", b"2")], message.headers()
        last[key] = int(number)
        count += 1
    positions = consumer.position(consumer.assignment())
    offsets = [TopicPartition(TOPIC, p.partition, p.offset, metadata="kept") for p in positions]
    consumer.commit(offsets=offsets, asynchronous=False)
    committed = consumer.committed(offsets, timeout=60)
    assert sum(p.offset for p in committed) == MESSAGES, committed
    assert all(p.metadata == "kept" for p in committed), committed
    consumer.close()


def groups(admin):
    found = admin.list_consumer_groups().result(60).valid
    assert "readers" in [group.group_id for group in found], found


administration = create_topic()
produce()
consume("readers", MESSAGES)
groups(administration)
administration.delete_topics([TOPIC])[TOPIC].result(60)
print("ok")
