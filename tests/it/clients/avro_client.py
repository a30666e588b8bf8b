"""Confluent's client for Python with its Avro serializers (fastavro) and schema registry client, against our converter.

Called by the test beside it: avro_client.py BOOTSTRAP_SERVERS REGISTRY_URL read|write. Exits 0 only if everything held.
"""

import sys
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SERVERS, REGISTRY, STEP = sys.argv[1:4]
COUNT = 500

SCHEMA = """
{"type": "record", "name": "Reading", "namespace": "plant", "doc": "what a sensor said", "fields": [
  {"name": "id", "type": "long"},
  {"name": "name", "type": ["null", "string"], "default": null},
  {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["ON", "OFF"]}},
  {"name": "values", "type": {"type": "array", "items": "double"}},
  {"name": "labels", "type": {"type": "map", "values": "int"}},
  {"name": "either", "type": ["null", "int", "string"]},
  {"name": "place", "type": {"type": "record", "name": "Place", "fields": [{"name": "x", "type": "float"}]}},
  {"name": "before", "type": ["null", "Place"]},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
"""


def reading(number):
    place = {"x": number / 2}
    return {"id": number, "name": None if number % 3 else f"n{number}", "state": "ON" if number % 2 else "OFF",
            "values": [number / 4] * (number % 5), "labels": {"a": number}, "either": [None, number, str(number)][number % 3],
            "place": place, "before": place if number % 2 else None, "at": 1_700_000_000_000 + number}


def write():
    registry = SchemaRegistryClient({"url": REGISTRY})
    serializer = AvroSerializer(registry, SCHEMA)
    producer = Producer({"bootstrap.servers": SERVERS})
    for number in range(COUNT):
        value = serializer(reading(number), SerializationContext("readings", MessageField.VALUE))
        producer.produce("readings", value=value, partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0, "not everything was delivered"


def read():
    registry = SchemaRegistryClient({"url": REGISTRY})
    deserializer = AvroDeserializer(registry)
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    keys, values, deadline = [], [], time.time() + 60
    while len(values) < COUNT:
        assert time.time() < deadline, f"{len(values)} of {COUNT} came"
        message = consumer.poll(1)
        if message is None:
            continue
        assert message.error() is None, message.error()
        keys.append(deserializer(message.key(), SerializationContext("orders", MessageField.KEY)))
        values.append(deserializer(message.value(), SerializationContext("orders", MessageField.VALUE)))
    consumer.close()
    for key, value in zip(keys, values):
        assert key == value["orderid"] and isinstance(value["address"]["city"], str), (key, value)
        assert isinstance(value["orderunits"], float) and set(value) >= {"ordertime", "itemid"}, value
    schema = registry.get_latest_version("orders-value").schema.schema_str
    assert AvroSerializer(registry, schema), "its own library takes the schema"


{"read": read, "write": write}[STEP]()
