"""One client of the checker, on confluent-kafka: says in a history file what the broker told it, a line an event.

client.py (idempotent|transactional|reader|all|committed) BOOTSTRAP_SERVERS NAME HISTORY SEED PARTITIONS

  S partition sequence [transaction]         a record was handed to the producer
  A partition offset sequence                the broker acknowledged it
  F sequence                                 the broker refused it for good
  C transaction | X transaction              committed | aborted
  R topic partition offset value             read (by reader; by all and committed, which read to the end and stop)

On standard input: "barrier" is answered with "barrier" once every answer of a broker that has died meanwhile is in the
history; "stop" ends the client: what is under way is finished first, and the last line is "stopped".
"""

import random
import select
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

KIND, SERVERS, NAME, HISTORY, SEED, PARTITIONS = sys.argv[1:7]
PARTITIONS = int(PARTITIONS)
# A producer writes to the topic of its name.
TOPICS = {"idempotent": "idempotent", "transactional": "transactional"}
PADDING = "x" * 80
CHOICES = random.Random(int(SEED))
# How long a barrier waits for the sign of a broker's death.
BARRIER_SECONDS = 20
COMMON = {
    "bootstrap.servers": SERVERS,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 200,
    "topic.metadata.refresh.interval.ms": 2000,
}


class History:
    """The file of what was told."""

    def __init__(self):
        self.file = open(HISTORY, "a", encoding="utf-8")

    def say(self, *fields):
        self.file.write(" ".join(str(field) for field in fields) + "\n")

    def flush(self):
        self.file.flush()


class Orders:
    """What the checker says on standard input."""

    def __init__(self):
        self.stopped = False
        self.barrier = None

    def look(self):
        while not self.stopped and select.select([sys.stdin], [], [], 0)[0]:
            order = sys.stdin.readline().strip()
            if order == "barrier":
                self.barrier = time.monotonic() + BARRIER_SECONDS
            elif order in ("stop", ""):
                self.stopped = True


history = History()
orders = Orders()
# When all connections broke, as far as nothing has come since over a new one; and when something came last.
broken_at = None
heard_at = 0.0
# What a dead broker had sent is told within this time of the break; what comes later came over a new connection.
LAST_WORDS_SECONDS = 0.5


def on_error(error):
    global broken_at
    if error.code() == KafkaError._ALL_BROKERS_DOWN:
        broken_at = time.monotonic()


def heard():
    global broken_at, heard_at
    heard_at = time.monotonic()
    if broken_at is not None and heard_at - broken_at > LAST_WORDS_SECONDS:
        broken_at = None


def meet_barrier():
    """Answers a barrier once the dead broker's last words are in the history."""
    if orders.barrier is None:
        return
    now = time.monotonic()
    seen = broken_at is not None and now - max(broken_at, heard_at) > LAST_WORDS_SECONDS
    if seen or now > orders.barrier:
        history.flush()
        print("barrier" if seen else "barrier unseen", flush=True)
        orders.barrier = None


def send(producer, topic, sequence, transaction=None):
    partition = CHOICES.randrange(PARTITIONS)
    value = f"{NAME}-{sequence}-{PADDING}" if transaction is None else f"{NAME}-{sequence}-{transaction}-{PADDING}"

    def told(error, message):
        if error is None:
            heard()
            history.say("A", message.partition(), message.offset(), sequence)
        else:
            history.say("F", sequence)

    while True:
        try:
            producer.produce(topic, value=value, partition=partition, on_delivery=told)
            break
        except BufferError:
            serve(producer, 0.05)
    history.say("S", partition, sequence, *([] if transaction is None else [transaction]))


def serve(producer, seconds):
    producer.poll(seconds)
    orders.look()
    meet_barrier()


def idempotent():
    settings = {"enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 600000, "error_cb": on_error,
                "queue.buffering.max.messages": 2000, "compression.type": CHOICES.choice(["none", "lz4", "zstd"])}
    producer = Producer(COMMON | settings)
    sequence = 0
    while not orders.stopped:
        for _ in range(50):
            send(producer, TOPICS[KIND], sequence)
            sequence += 1
        serve(producer, 0.01)
    while producer.flush(0.1) > 0:
        serve(producer, 0)


class Transactions:
    """A producer whose transactions end, whatever happens in between."""

    def __init__(self):
        self.sequence = 0
        self.number = 0
        self.producer = self.create()

    def create(self):
        settings = {"transactional.id": f"checker-{NAME}", "transaction.timeout.ms": 20000, "linger.ms": 2,
                    "message.timeout.ms": 20000, "error_cb": on_error}
        producer = Producer(COMMON | settings)
        self.retry(producer, lambda: producer.init_transactions(1))
        return producer

    def retry(self, producer, call):
        """Calls until it is done; what is not retriable is for the caller."""
        while True:
            try:
                return call()
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                serve(producer, 0.05)

    def run(self):
        number, self.number = self.number, self.number + 1
        commit = CHOICES.random() < 0.75
        try:
            self.producer.begin_transaction()
            for _ in range(CHOICES.randrange(1, 60)):
                send(self.producer, TOPICS[KIND], self.sequence, number)
                self.sequence += 1
            serve(self.producer, 0)
            if commit:
                self.retry(self.producer, lambda: self.producer.commit_transaction(1))
                history.say("C", number)
            else:
                self.abort(number)
        except KafkaException as error:
            self.recover(error.args[0], number)

    def abort(self, number):
        # An abort drops what is not sent yet; what was sent must not be seen by anyone who reads committed records.
        if CHOICES.random() < 0.7:
            self.producer.flush(0.5)
        self.retry(self.producer, lambda: self.producer.abort_transaction(1))
        history.say("X", number)

    def recover(self, error, number):
        """An abortable error aborts; after a fatal one the outcome is unknown, and a new producer goes on."""
        print(f"transaction {number}: {error}", file=sys.stderr, flush=True)
        if error.txn_requires_abort():
            try:
                return self.abort(number)
            except KafkaException as worse:
                print(f"transaction {number}: {worse}", file=sys.stderr, flush=True)
        self.producer = self.create()


def transactional():
    transactions = Transactions()
    while not orders.stopped:
        transactions.run()
        serve(transactions.producer, 0.005)


def reader():
    """Reads committed records as they come; the offset of each follows the one before it."""
    settings = {"group.id": NAME, "enable.auto.commit": False, "isolation.level": "read_committed", "error_cb": on_error,
                "auto.offset.reset": "error"}
    consumer = Consumer(COMMON | settings)
    partitions = [TopicPartition(topic, partition, 0) for topic in TOPICS.values() for partition in range(PARTITIONS)]
    consumer.assign(partitions)
    while not orders.stopped:
        for message in consumer.consume(1000, 0.05):
            if message.error() is None:
                heard()
                value = message.value().decode()
                history.say("R", message.topic(), message.partition(), message.offset(), value[: value.rindex("-")])
            elif message.error().code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT):
                raise KafkaException(message.error())
        orders.look()
        meet_barrier()
    consumer.close()


def dump(isolation):
    """Reads everything that there is at the time."""
    settings = {"group.id": NAME, "enable.auto.commit": False, "isolation.level": isolation, "enable.partition.eof": True,
                "auto.offset.reset": "error"}
    consumer = Consumer(COMMON | settings)
    left = {(topic, partition) for topic in TOPICS.values() for partition in range(PARTITIONS)}
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    while left:
        for message in consumer.consume(10000, 0.2):
            if message.error() is None:
                value = message.value().decode()
                history.say("R", message.topic(), message.partition(), message.offset(), value[: value.rindex("-")])
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
            else:
                raise KafkaException(message.error())
    consumer.close()


try:
    {"idempotent": idempotent, "transactional": transactional, "reader": reader,
     "all": lambda: dump("read_uncommitted"), "committed": lambda: dump("read_committed")}[KIND]()
finally:
    history.flush()
print("stopped", flush=True)
