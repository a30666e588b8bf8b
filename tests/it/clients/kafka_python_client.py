"""Current kafka-python against the broker: administration, every codec, time stamps, a group of two, transactions.

Called by the test beside it: kafka_python_client.py BOOTSTRAP_SERVERS STEP. Exits 0 only if everything held.
"""

import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (AlterConfigOp, ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec)
from kafka.errors import (InvalidPartitionsError, KafkaError, NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError)
from kafka.structs import OffsetAndMetadata

SERVERS = sys.argv[1]
WAIT_SECONDS = 30


def refused(error, action):
    try:
        action()
    except error:
        return
    raise AssertionError(f"expected {error.__name__}")


def until(what, condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, what
    return found


def topic(admin, name, partitions=1, **configs):
    configs = {key.replace("_", "."): value for key, value in configs.items()}
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}},
                        wait_for_metadata=True)


def send(producer, name, *values, partition=0):
    sent = [producer.send(name, value=value.encode(), partition=partition) for value in values]
    producer.flush(WAIT_SECONDS)
    return [future.get(WAIT_SECONDS).offset for future in sent]


def read(name, count, isolation="read_uncommitted", partitions=1):
    """The first so many values of a topic, and proof that no more of them are shown."""
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, auto_offset_reset="earliest", isolation_level=isolation)
    places = [TopicPartition(name, partition) for partition in range(partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    values = []

    def poll():
        for records in consumer.poll(200).values():
            values.extend(record.value.decode() for record in records)
        ends = consumer.end_offsets(places)
        return len(values) >= count and all(consumer.position(place) >= ends[place] for place in places)

    until(f"{name}: {count} values", poll)
    consumer.close()
    return values


def configs_and_topics(admin):
    topic(admin, "admin", 2, retention_ms="3600000")
    refused(TopicAlreadyExistsError, lambda: topic(admin, "admin"))
    admin.create_topics({"never": {"num_partitions": 1, "replication_factor": 1}}, validate_only=True)
    assert "never" not in admin.list_topics()

    def configs(names=None, which="all", **options):
        asked = [ConfigResource(ConfigResourceType.TOPIC, "admin", names)]
        return admin.describe_configs(asked, config_filter=which, **options)["topic"]["admin"]

    assert configs()["retention.ms"]["value"] == "3600000"
    assert configs()["cleanup.policy"]["config_source"] == "DEFAULT_CONFIG"
    assert list(configs(which="modified")) == ["retention.ms"]
    assert list(configs(["segment.bytes"])) == ["segment.bytes"]
    assert configs(include_synonyms=True)["retention.ms"]["synonyms"][0]["value"] == "3600000"

    def alter(**changes):
        changes = {key.replace("_", "."): change for key, change in changes.items()}
        return admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "admin", changes)])["topic"]["admin"]

    alter(cleanup_policy=(AlterConfigOp.APPEND, "compact"))
    assert configs()["cleanup.policy"]["value"] == "delete,compact"
    alter(cleanup_policy=(AlterConfigOp.SUBTRACT, "delete"), retention_ms=(AlterConfigOp.DELETE, None))
    assert configs()["cleanup.policy"]["value"] == "compact"
    admin.reset_configs([ConfigResource(ConfigResourceType.TOPIC, "admin", ["cleanup.policy"])])
    assert not configs(which="modified")
    answer = alter(retention_ms="soon")
    assert "InvalidConfigurationError" in str(answer) and "retention.ms" in str(answer), answer

    admin.create_partitions({"admin": 4})
    refused(InvalidPartitionsError, lambda: admin.create_partitions({"admin": 3}))
    assert len(admin.describe_topics(["admin"])[0]["partitions"]) == 4
    assert len(admin.describe_topic_partitions(["admin"])["topics"][0]["partitions"]) == 4


def records_and_cluster(admin):
    producer = KafkaProducer(bootstrap_servers=SERVERS)
    send(producer, "admin", *map(str, range(10)))
    place = TopicPartition("admin", 0)
    admin.delete_records({place: 4})

    def offset(spec):
        return admin.list_partition_offsets({place: spec})[place].offset

    assert (offset(OffsetSpec.EARLIEST), offset(OffsetSpec.LATEST)) == (4, 10)
    assert offset(OffsetSpec.MAX_TIMESTAMP) >= 4
    directories = admin.describe_log_dirs()
    assert "admin" in str(directories), directories
    cluster = admin.describe_cluster()
    assert len(cluster["brokers"]) == 1 and cluster["cluster_id"], cluster
    node = cluster["brokers"][0]["broker_id"]
    broker = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(node))], config_filter="all")
    assert broker["broker"][str(node)], broker
    assert not admin.list_partition_reassignments()
    states = admin.describe_producers([place])
    assert states[place].active_producers[0].producer_id >= 0, states
    producer.close()


def groups_and_offsets(admin):
    place = TopicPartition("admin", 0)
    changed = admin.alter_group_offsets("set", {place: OffsetAndMetadata(7, "kept", -1)})
    assert changed[place] is NoError, changed
    kept = admin.list_group_offsets({"set": [place]})["set"][place]
    assert (kept.offset, kept.metadata) == (7, "kept"), kept
    admin.reset_group_offsets("set", {place: OffsetSpec.EARLIEST})
    assert admin.list_group_offsets({"set": None})["set"][place].offset == 4
    assert admin.describe_groups(["set"])["set"]["group_state"] == "Empty"
    assert "set" in [group["group_id"] for group in admin.list_groups()]
    assert admin.delete_group_offsets("set", [place])[place] is NoError
    assert not admin.list_group_offsets({"set": None})["set"]
    admin.alter_group_offsets("set", {place: OffsetAndMetadata(7, "", -1)})
    assert admin.delete_groups(["set"])["set"] == "OK"
    again = admin.delete_groups(["set"])["set"]
    assert "GroupIdNotFoundError" in again, again
    admin.delete_topics(["admin"])
    refused(UnknownTopicOrPartitionError, lambda: admin.delete_topics(["admin"]))


def administration(admin):
    configs_and_topics(admin)
    records_and_cluster(admin)
    groups_and_offsets(admin)


def codecs(admin):
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        name = f"codec-{codec}"
        topic(admin, name)
        for idempotent in (True, False):
            producer = KafkaProducer(bootstrap_servers=SERVERS, compression_type=codec, linger_ms=5,
                                     enable_idempotence=idempotent)
            send(producer, name, *[f"{number:0100}" for number in range(500)])
            producer.close()
        assert read(name, 1000) == [f"{number:0100}" for number in range(500)] * 2, codec


def time_stamps(admin):
    topic(admin, "times")
    producer = KafkaProducer(bootstrap_servers=SERVERS)
    first_ms = int(time.time() * 1000) - 100_000
    for number in range(10):
        producer.send("times", value=b"%d" % number, timestamp_ms=first_ms + 1000 * number, headers=[("n", b"1")])
        producer.flush()
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=SERVERS)
    place = TopicPartition("times", 0)
    consumer.assign([place])
    found = consumer.offsets_for_times({place: first_ms + 4500})[place]
    assert (found.offset, found.timestamp) == (5, first_ms + 5000), found
    assert consumer.offsets_for_times({place: first_ms + 60_000})[place] is None
    consumer.seek(place, found.offset)
    record = until("a record", lambda: consumer.poll(500)).popitem()[1][0]
    assert (record.value, record.timestamp, record.headers) == (b"5", first_ms + 5000, [("n", b"1")]), record
    consumer.close()


class Member(threading.Thread):
    """A consumer in a thread of its own, which commits what it has seen."""

    def __init__(self, name, group):
        super().__init__()
        self.topic, self.group, self.stopping = name, group, threading.Event()
        self.assigned, self.values, self.failure = set(), [], None
        self.start()

    def run(self):
        try:
            consumer = KafkaConsumer(self.topic, bootstrap_servers=SERVERS, group_id=self.group,
                                     auto_offset_reset="earliest", enable_auto_commit=False,
                                     session_timeout_ms=10_000, heartbeat_interval_ms=300)
            while not self.stopping.is_set():
                for records in consumer.poll(100).values():
                    self.values.extend(record.value.decode() for record in records)
                    consumer.commit()
                self.assigned = consumer.assignment()
            consumer.close()
        except KafkaError as failure:
            self.failure = failure

    def stop(self):
        self.stopping.set()
        self.join(WAIT_SECONDS)
        assert not self.is_alive() and self.failure is None, self.failure


def group(admin):
    topic(admin, "shared", 4)
    producer = KafkaProducer(bootstrap_servers=SERVERS)
    one = Member("shared", "readers")
    until("one has all", lambda: len(one.assigned) == 4)
    two = Member("shared", "readers")
    until("two share", lambda: (len(one.assigned), len(two.assigned)) == (2, 2))
    for partition in range(4):
        send(producer, "shared", *[f"{partition}-{number}" for number in range(50)], partition=partition)
    until("all came", lambda: len(one.values) + len(two.values) == 200)
    described = admin.describe_groups(["readers"])["readers"]
    assert (described["group_state"], len(described["members"])) == ("Stable", 2), described
    two.stop()
    until("one has all again", lambda: len(one.assigned) == 4)
    one.stop()
    assert len(set(one.values + two.values)) == 200
    committed = admin.list_group_offsets({"readers": None})["readers"]
    assert sum(place.offset for place in committed.values()) == 200, committed
    again = Member("shared", "readers")
    until("it is back", lambda: len(again.assigned) == 4)
    send(producer, "shared", "new")
    until("the new one", lambda: again.values)
    again.stop()
    assert again.values == ["new"], again.values
    producer.close()


def transactional(name):
    producer = KafkaProducer(bootstrap_servers=SERVERS, transactional_id=name)
    producer.init_transactions()
    return producer


def offsets_in_a_transaction(admin, producer, commit):
    place = TopicPartition("input", 0)
    producer.begin_transaction()
    send(producer, "committed", "with offsets")
    producer.send_offsets_to_transaction({place: OffsetAndMetadata(42, "", -1)}, "transformers")
    (producer.commit_transaction if commit else producer.abort_transaction)()

    def committed():
        found = admin.list_group_offsets({"transformers": [place]})["transformers"].get(place)
        return found is not None and found.offset == 42

    if commit:
        until("the offset of the transaction", committed)
    else:
        assert not committed()


def transactions(admin):
    topic(admin, "committed")
    topic(admin, "input")
    one = transactional("one")
    for number in range(6):
        one.begin_transaction()
        send(one, "committed", str(number))
        one.commit_transaction() if number % 2 == 0 else one.abort_transaction()
    assert read("committed", 3, "read_committed") == ["0", "2", "4"]
    assert read("committed", 6) == list("012345")
    offsets_in_a_transaction(admin, one, commit=False)
    offsets_in_a_transaction(admin, one, commit=True)
    one.begin_transaction()
    send(one, "committed", "zombie")
    listed = {found.transactional_id: found for node in admin.list_transactions().values() for found in node}
    assert listed["one"].state.value == "Ongoing", listed
    assert admin.describe_transactions(["one"])["one"].topic_partitions == {TopicPartition("committed", 0)}
    heir = transactional("one")
    heir.begin_transaction()
    send(heir, "committed", "heir")
    heir.commit_transaction()
    refused(KafkaError, one.commit_transaction)
    assert read("committed", 5, "read_committed") == ["0", "2", "4", "with offsets", "heir"]
    heir.close()
    one.close(0)


STEPS = {"administration": administration, "codecs": codecs, "time_stamps": time_stamps, "group": group,
         "transactions": transactions}
administrator = KafkaAdminClient(bootstrap_servers=SERVERS)
STEPS[sys.argv[2]](administrator)
administrator.close()
print("ok")
