"""Current confluent-kafka (librdkafka) in transactions against the broker.

Called by the test beside it: transactions.py BOOTSTRAP_SERVERS STORY. Exits 0 only if everything held.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SERVERS = sys.argv[1]
WAIT = 30


def create(topic, partitions=1):
    admin = AdminClient({"bootstrap.servers": SERVERS})
    admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])[topic].result(WAIT)


def producer(transactional_id=None, **settings):
    config = {"bootstrap.servers": SERVERS, "enable.idempotence": True}
    config.update({name.replace("_", "."): value for name, value in settings.items()})
    if transactional_id:
        config["transactional.id"] = transactional_id
    made = Producer(config)
    if transactional_id:
        made.init_transactions(WAIT)
    return made


def reader(topic, partitions=1, isolation="read_committed", group="none"):
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": group, "isolation.level": isolation,
                         "enable.auto.commit": False, "auto.offset.reset": "earliest", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    return consumer


def read_to_end(topic, partitions=1, isolation="read_committed"):
    """All values up to the end that this isolation level shows."""
    consumer, values, ended = reader(topic, partitions, isolation), [], set()
    while len(ended) < partitions:
        message = consumer.poll(WAIT)
        assert message is not None, f"{topic}: neither message nor end came"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    consumer.close()
    return values


def send(to, topic, *values, partition=0):
    failed = []
    for value in values:
        to.produce(topic, value=value, partition=partition,
                   on_delivery=lambda error, message: failed.append(error) if error else None)
    assert to.flush(WAIT) == 0, "not everything was delivered"
    return failed


def wait_for(values, topic, isolation="read_committed"):
    """A marker is on disk a moment after the commit was answered."""
    deadline = time.monotonic() + WAIT
    while (found := read_to_end(topic, isolation=isolation)) != values:
        assert time.monotonic() < deadline, f"{topic}: {found}, expected {values}"


def commit_and_abort():
    create("plain")
    one, other = producer("one"), producer()
    one.begin_transaction()
    assert not send(one, "plain", "a", "b")
    assert not send(other, "plain", "beside")
    assert read_to_end("plain") == [], "nothing behind an open transaction is shown"
    assert read_to_end("plain", isolation="read_uncommitted") == ["a", "b", "beside"]
    one.commit_transaction(WAIT)
    wait_for(["a", "b", "beside"], "plain")
    one.begin_transaction()
    assert not send(one, "plain", "never", "never")
    one.abort_transaction(WAIT)
    assert not send(other, "plain", "after")
    wait_for(["a", "b", "beside", "after"], "plain")
    for number in range(20):
        one.begin_transaction()
        send(one, "plain", f"{number}")
        one.commit_transaction(WAIT) if number % 2 == 0 else one.abort_transaction(WAIT)
    wait_for(["a", "b", "beside", "after"] + [f"{number}" for number in range(0, 20, 2)], "plain")


def transform():
    """Reads, writes what it made of it, and commits both as one; every third time it changes its mind."""
    create("input", 2)
    create("output")
    source = producer()
    for partition in range(2):
        assert not send(source, "input", *[f"{partition}-{number}" for number in range(100)], partition=partition)
    worker = producer("transformer")
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": "transformers", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
    consumer.subscribe(["input"])
    written, turn = 0, 0
    while written < 200:
        messages = consumer.consume(15, 5)
        if not messages:
            continue
        assert all(message.error() is None for message in messages)
        worker.begin_transaction()
        for message in messages:
            worker.produce("output", value=message.value(), partition=0)
        positions = consumer.position(consumer.assignment())
        worker.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), WAIT)
        turn += 1
        if turn % 3 == 1:
            worker.abort_transaction(WAIT)
            committed = consumer.committed(consumer.assignment(), WAIT)
            for place in committed:
                consumer.seek(TopicPartition(place.topic, place.partition, max(place.offset, 0)))
        else:
            worker.commit_transaction(WAIT)
            written += len(messages)
    committed = consumer.committed([TopicPartition("input", 0), TopicPartition("input", 1)], WAIT)
    assert [place.offset for place in committed] == [100, 100], committed
    consumer.close()
    deadline = time.monotonic() + WAIT
    while len(found := read_to_end("output")) < 200:
        assert time.monotonic() < deadline, len(found)
    for partition in range(2):
        own = [value for value in found if value.startswith(f"{partition}-")]
        assert own == [f"{partition}-{number}" for number in range(100)], own


def fenced(action):
    try:
        action()
    except KafkaException as error:
        assert error.args[0].fatal(), error
        assert error.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH,
                                        KafkaError.PRODUCER_FENCED), error
        return
    raise AssertionError("a zombie was let through")


def zombie():
    create("contested")
    first = producer("contested")
    first.begin_transaction()
    assert not send(first, "contested", "of the zombie")
    second = producer("contested")
    second.begin_transaction()
    assert not send(second, "contested", "of the heir")
    second.commit_transaction(WAIT)
    fenced(lambda: first.commit_transaction(WAIT))
    wait_for(["of the heir"], "contested")


def time_out():
    create("slow")
    slow = producer("slow", transaction_timeout_ms=1000)
    slow.begin_transaction()
    assert not send(slow, "slow", "too late")
    assert not send(producer(), "slow", "in time")
    # Shown only once the transaction before it has been aborted, which nobody asked for.
    wait_for(["in time"], "slow")
    fenced(lambda: slow.commit_transaction(WAIT))
    again = producer("slow")
    again.begin_transaction()
    assert not send(again, "slow", "again")
    again.commit_transaction(WAIT)
    wait_for(["in time", "again"], "slow")


PARTITIONS, TRANSACTIONS, EACH = 3, 120, 5


def finish(action, abort):
    """Ends a transaction over broker restarts; says whether the end that was asked for is certain."""
    while True:
        try:
            action(WAIT)
            return True
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                finish(abort, abort)
                return False
            if not error.args[0].retriable():
                raise


def write_through_kills():
    """Says what it does line by line; the test kills the broker in between."""
    create("killed", PARTITIONS)
    writer = producer("killed")
    for number in range(TRANSACTIONS):
        writer.begin_transaction()
        for at in range(EACH):
            writer.produce("killed", value=f"{number}", partition=(number + at) % PARTITIONS)
        print(f"committing {number}", flush=True)
        done = finish(writer.commit_transaction, writer.abort_transaction)
        print(f"{'committed' if done else 'aborted'} {number}", flush=True)


def read_after_kills():
    for value in read_to_end("killed", PARTITIONS):
        print(value)


{"commit_and_abort": commit_and_abort, "transform": transform, "zombie": zombie, "time_out": time_out,
 "write_through_kills": write_through_kills, "read_after_kills": read_after_kills}[sys.argv[2]]()
