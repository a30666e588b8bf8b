"""Groups with current confluent-kafka (librdkafka): eager, cooperative, static members, and the consumer protocol (KIP-848).

Called by the test beside it: groups.py BOOTSTRAP_SERVERS STEP. Steps `before` and `after` stand on both sides of a restart of the
broker: the first prints and waits for a line on its standard input. Exits 0 only if everything held.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

SERVERS = sys.argv[1]
PARTITIONS = 6
DEADLINE_SECONDS = 60


class Member:
    """A consumer that remembers what happened to it."""

    def __init__(self, group, topics, **config):
        self.assigned, self.rebalances, self.values, self.lost = set(), 0, [], []
        base = {"bootstrap.servers": SERVERS, "group.id": group, "auto.offset.reset": "earliest",
                "enable.auto.commit": False}
        if config.get("group.protocol") != "consumer":
            base["session.timeout.ms"] = 6000
            base["heartbeat.interval.ms"] = 500
        self.incremental = (config.get("partition.assignment.strategy") == "cooperative-sticky"
                            or config.get("group.protocol") == "consumer")
        self.consumer = Consumer({**base, **config})
        self.consumer.subscribe(topics, on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, consumer, partitions):
        self.rebalances += 1
        got = {(p.topic, p.partition) for p in partitions}
        if self.incremental:
            self.assigned |= got
            consumer.incremental_assign(partitions)
        else:
            self.assigned = got
            consumer.assign(partitions)

    def on_revoke(self, consumer, partitions):
        self.assigned -= {(p.topic, p.partition) for p in partitions}
        if self.incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def poll(self):
        message = self.consumer.poll(0.05)
        if message is not None:
            if message.error() is not None:
                raise KafkaException(message.error())
            self.values.append(message.value())

    def close(self):
        self.consumer.close()


def until(what, members, condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: {[sorted(m.assigned) for m in members]}"
        for member in members:
            member.poll()


def share(members, partitions):
    """Everyone has a part, nobody the same, together all."""
    sets = [member.assigned for member in members]
    return all(sets) and sum(map(len, sets)) == partitions and len(set().union(*sets)) == partitions


def topic(name, partitions=PARTITIONS):
    admin = AdminClient({"bootstrap.servers": SERVERS})
    admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])[name].result(10)
    return admin


def produce(name, count):
    producer = Producer({"bootstrap.servers": SERVERS})
    for number in range(count):
        producer.produce(name, value=f"{number}", partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def grow_and_shrink(name, **config):
    """Two members share, a third gets its share, one goes, and every record comes."""
    admin = topic(name)
    one, two = Member(name, [name], **config), Member(name, [name], **config)
    until("two share", [one, two], lambda: share([one, two], PARTITIONS))
    three = Member(name, [name], **config)
    until("three share", [one, two, three], lambda: share([one, two, three], PARTITIONS))
    produce(name, 600)
    members = [one, two, three]
    until("all records", members, lambda: len({v for m in members for v in m.values}) == 600)
    for member in members:
        member.consumer.commit(asynchronous=False)
    two.close()
    until("two are left", [one, three], lambda: share([one, three], PARTITIONS))
    listed = admin.list_consumer_groups().result(10).valid
    assert name in [group.group_id for group in listed], listed
    one.close()
    three.close()
    again = Member(name, [name], **config)
    until("one has all", [again], lambda: len(again.assigned) == PARTITIONS)
    positions = again.consumer.committed(again.consumer.assignment(), timeout=10)
    assert sum(position.offset for position in positions) == 600, positions
    again.close()


def static_members():
    name = "static"
    topic(name)
    config = {"group.instance.id": "one"}
    one, two = Member(name, [name], **config), Member(name, [name], **{"group.instance.id": "two"})
    until("two share", [one, two], lambda: share([one, two], PARTITIONS))
    had, rebalances = set(one.assigned), two.rebalances
    one.close()
    back = Member(name, [name], **config)
    until("it is back", [back, two], lambda: len(back.assigned) > 0)
    assert back.assigned == had, (back.assigned, had)
    assert two.rebalances == rebalances, "the other must not notice"
    back.close()
    two.close()


def consumer_protocol():
    config = {"group.protocol": "consumer"}
    grow_and_shrink("next", **config)
    grow_and_shrink("next-range", **config, **{"group.remote.assignor": "range"})
    admin = topic("pattern-a")
    one = Member("pattern", ["^pattern-.*"], **config)
    until("the topic of the pattern", [one], lambda: len(one.assigned) == PARTITIONS)
    topic("pattern-b")
    until("the new topic of the pattern", [one], lambda: len(one.assigned) == 2 * PARTITIONS)
    described = admin.describe_consumer_groups(["pattern"])["pattern"].result(10)
    assert described.group_id == "pattern", described
    one.close()
    # A group that was classic and is empty is taken over, and the other way round.
    name = "upgrade"
    topic(name)
    for settings in ({}, config, {}):
        member = Member(name, [name], **settings)
        until(f"alone with {settings}", [member], lambda: len(member.assigned) == PARTITIONS)
        member.close()
    static = {**config, "group.instance.id": "s"}
    topic("next-static")
    one = Member("next-static", ["next-static"], **static)
    until("the static member", [one], lambda: len(one.assigned) == PARTITIONS)
    one.close()
    back = Member("next-static", ["next-static"], **static)
    until("the static member is back", [back], lambda: len(back.assigned) == PARTITIONS)
    back.close()


def over_a_restart():
    """Members of both protocols go on over a restart of the broker, without a rebalance."""
    topic("restart")
    groups = []
    for protocol in ("classic", "consumer"):
        config = {"group.protocol": protocol}
        pair = [Member(f"restart-{protocol}", ["restart"], **config) for _ in range(2)]
        until(f"{protocol} share", pair, lambda: share(pair, PARTITIONS))
        groups.append(pair)
    members = [member for pair in groups for member in pair]
    before = [(set(member.assigned), member.rebalances) for member in members]
    print("ready", flush=True)
    sys.stdin.readline()
    produce("restart", 60)
    for pair in groups:
        until("records after the restart", members,
              lambda: len({v for member in pair for v in member.values}) == 60)
    # Several heartbeats later nothing has moved.
    end = time.monotonic() + 8
    while time.monotonic() < end:
        for member in members:
            member.poll()
    after = [(set(member.assigned), member.rebalances) for member in members]
    assert after == before, (before, after)
    for member in members:
        member.consumer.commit(asynchronous=False)
    for member in members:
        member.close()


STEPS = {
    "eager": lambda: grow_and_shrink("eager", **{"partition.assignment.strategy": "range"}),
    "cooperative": lambda: grow_and_shrink("cooperative", **{"partition.assignment.strategy": "cooperative-sticky"}),
    "static": static_members,
    "consumer": consumer_protocol,
    "restart": over_a_restart,
}
STEPS[sys.argv[2]]()
print("ok")
