"""Current aiokafka against the broker: administration, every codec, time stamps, a group of two over a restart, transactions.

Called by the test beside it: aiokafka_client.py BOOTSTRAP_SERVERS STEP. Step `group` prints `restart` and waits for a line on its
standard input while the broker is restarted under it. Exits 0 only if everything held.
"""

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, ProducerFenced

SERVERS = sys.argv[1]
WAIT_SECONDS = 30


async def until(what, condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def topic(admin, name, partitions=1, **configs):
    configs = {key.replace("_", "."): value for key, value in configs.items()}
    answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
    return answer.topic_errors[0][1]


def producer(**settings):
    # With acks=1 a record is acknowledged a moment before it is durable, and only what is durable is shown and listed.
    return AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all", **settings)


async def read(name, count, isolation="read_uncommitted"):
    """The first so many values of a topic, and proof that no more of them are shown."""
    place, values = TopicPartition(name, 0), []
    async with AIOKafkaConsumer(bootstrap_servers=SERVERS, isolation_level=isolation) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        deadline = time.monotonic() + WAIT_SECONDS
        while len(values) < count or await consumer.position(place) < end:
            assert time.monotonic() < deadline, f"{name}: {len(values)} of {count}"
            for records in (await consumer.getmany(timeout_ms=200)).values():
                values.extend(record.value.decode() for record in records)
    return values


async def configs(admin, kind, name):
    answers = await admin.describe_configs([ConfigResource(kind, name)])
    return {entry[0]: entry for entry in answers[0].resources[0][4]}


async def administration(admin):
    assert await topic(admin, "admin", 2, retention_ms="3600000") == 0
    assert await topic(admin, "admin", 2) == 36, "TOPIC_ALREADY_EXISTS"
    entries = await configs(admin, ConfigResourceType.TOPIC, "admin")
    assert entries["retention.ms"][1] == "3600000", entries["retention.ms"]
    change = ConfigResource(ConfigResourceType.TOPIC, "admin", {"cleanup.policy": "compact"})
    await admin.alter_configs([change])
    entries = await configs(admin, ConfigResourceType.TOPIC, "admin")
    # This API replaces all of a topic's settings: what is not named falls back to its default.
    assert (entries["cleanup.policy"][1], entries["retention.ms"][1]) == ("compact", "604800000"), entries
    await admin.create_partitions({"admin": NewPartitions(4)})
    described = await admin.describe_topics(["admin"])
    assert len(described[0]["partitions"]) == 4, described
    cluster = await admin.describe_cluster()
    assert len(cluster["brokers"]) == 1 and cluster["cluster_id"], cluster
    assert await configs(admin, ConfigResourceType.BROKER, str(cluster["brokers"][0]["node_id"]))

    assert await topic(admin, "records") == 0
    async with producer() as sender:
        for number in range(10):
            await sender.send_and_wait("records", b"%d" % number, partition=0)
    place = TopicPartition("records", 0)
    await admin.delete_records({place: RecordsToDelete(4)})
    assert await read("records", 6) == list("456789")
    async with AIOKafkaConsumer("records", bootstrap_servers=SERVERS, group_id="alone",
                                enable_auto_commit=False) as consumer:
        await consumer.commit({place: (7, "kept")})
        assert await consumer.committed(place) == 7
        groups = await admin.describe_consumer_groups(["alone"])
        assert groups[0].groups[0][2] in ("Stable", "PreparingRebalance", "CompletingRebalance"), groups
    assert "alone" in [name for name, _ in await admin.list_consumer_groups()]
    offsets = await admin.list_consumer_group_offsets("alone")
    assert (offsets[place].offset, offsets[place].metadata) == (7, "kept"), offsets
    await admin.delete_topics(["admin"])
    assert "admin" not in await admin.list_topics()


async def codecs(admin):
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        name = f"codec-{codec}"
        await topic(admin, name)
        for idempotent in (True, False):
            async with producer(compression_type=codec, enable_idempotence=idempotent, linger_ms=5) as sender:
                sent = [await sender.send(name, b"%0100d" % number, partition=0) for number in range(500)]
                await asyncio.gather(*sent)
        assert await read(name, 1000) == [f"{number:0100}" for number in range(500)] * 2, codec


async def time_stamps(admin):
    await topic(admin, "times")
    first_ms = int(time.time() * 1000) - 100_000
    async with producer() as sender:
        for number in range(10):
            await sender.send_and_wait("times", b"%d" % number, timestamp_ms=first_ms + 1000 * number,
                                       headers=[("n", b"1")])
    place = TopicPartition("times", 0)
    async with AIOKafkaConsumer(bootstrap_servers=SERVERS) as consumer:
        consumer.assign([place])
        found = (await consumer.offsets_for_times({place: first_ms + 4500}))[place]
        assert (found.offset, found.timestamp) == (5, first_ms + 5000), found
        assert (await consumer.offsets_for_times({place: first_ms + 60_000}))[place] is None
        consumer.seek(place, found.offset)
        record = await asyncio.wait_for(consumer.getone(), WAIT_SECONDS)
        assert (record.value, record.timestamp, record.headers) == (b"5", first_ms + 5000, (("n", b"1"),)), record


class Member:
    """A consumer that reads in a task of its own and remembers what came."""

    def __init__(self, name, group):
        self.values = []
        self.consumer = AIOKafkaConsumer(name, bootstrap_servers=SERVERS, group_id=group, auto_offset_reset="earliest",
                                         enable_auto_commit=False, session_timeout_ms=10_000, heartbeat_interval_ms=300)

    async def start(self):
        await self.consumer.start()
        self.task = asyncio.create_task(self.run())
        return self

    async def run(self):
        while True:
            for records in (await self.consumer.getmany(timeout_ms=100)).values():
                self.values.extend(record.value for record in records)

    def assigned(self):
        return len(self.consumer.assignment())

    async def stop(self):
        self.task.cancel()
        await self.consumer.commit()
        await self.consumer.stop()


async def group(admin):
    await topic(admin, "shared", 4)
    one = await Member("shared", "readers").start()
    await until("one has all", lambda: one.assigned() == 4)
    two = await Member("shared", "readers").start()
    await until("two share", lambda: (one.assigned(), two.assigned()) == (2, 2))
    async with producer() as sender:
        for number in range(200):
            await sender.send("shared", b"%d" % number, partition=number % 4)
        await sender.flush()
        await until("all came", lambda: len(one.values) + len(two.values) == 200)
        print("restart", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(200, 240):
            await sender.send_and_wait("shared", b"%d" % number, partition=number % 4)
        await until("the records after the restart", lambda: len(set(one.values + two.values)) == 240)
        # What is not committed comes again to whom it is given next.
        await one.consumer.commit()
        await two.stop()
        await until("one has all again", lambda: one.assigned() == 4)
        await one.stop()
        offsets = await admin.list_consumer_group_offsets("readers")
        assert sum(place.offset for place in offsets.values()) == 240, offsets
        again = await Member("shared", "readers").start()
        await until("it is back", lambda: again.assigned() == 4)
        await sender.send_and_wait("shared", b"new")
        await until("the new one", lambda: again.values)
        await again.stop()
        assert again.values == [b"new"], again.values


async def transactional(name):
    made = producer(transactional_id=name)
    await made.start()
    return made


async def transactions(admin):
    await topic(admin, "committed")
    await topic(admin, "input")
    one = await transactional("one")
    for number in range(6):
        await one.begin_transaction()
        await one.send_and_wait("committed", b"%d" % number)
        await (one.commit_transaction() if number % 2 == 0 else one.abort_transaction())
    assert await read("committed", 3, "read_committed") == ["0", "2", "4"]
    assert await read("committed", 6) == list("012345")
    place = TopicPartition("input", 0)
    for commit in (False, True):
        await one.begin_transaction()
        await one.send_and_wait("committed", b"with offsets")
        await one.send_offsets_to_transaction({place: 42}, "transformers")
        await (one.commit_transaction() if commit else one.abort_transaction())
        async with AIOKafkaConsumer(bootstrap_servers=SERVERS, group_id="transformers",
                                    isolation_level="read_committed") as consumer:
            consumer.assign([place])
            assert await consumer.committed(place) == (42 if commit else None), commit
    await one.begin_transaction()
    await one.send_and_wait("committed", b"zombie")
    heir = await transactional("one")
    await heir.begin_transaction()
    await heir.send_and_wait("committed", b"heir")
    await heir.commit_transaction()
    try:
        await one.commit_transaction()
        raise AssertionError("a zombie was let through")
    except ProducerFenced:
        pass
    assert await read("committed", 5, "read_committed") == ["0", "2", "4", "with offsets", "heir"]
    await heir.stop()
    try:
        await one.stop()
    except KafkaError:
        pass


STEPS = {"administration": administration, "codecs": codecs, "time_stamps": time_stamps, "group": group,
         "transactions": transactions}


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=SERVERS)
    await admin.start()
    await STEPS[sys.argv[2]](admin)
    await admin.close()


asyncio.run(main())
print("ok")
