"""Current confluent-kafka (librdkafka) against a broker with TLS, logins and ACLs.

Called by the test beside it: security.py SASL_SSL SSL SASL_PLAINTEXT PLAINTEXT FOLDER, four addresses and the folder with the
certificates. Exits 0 only if everything held.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType,
    ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion,
)

SASL_SSL, SSL, SASL_PLAINTEXT, PLAINTEXT, FOLDER = sys.argv[1:]
TLS = {"ssl.ca.location": f"{FOLDER}/ca.pem"}


def over_sasl_ssl(mechanism, user, password):
    return {"bootstrap.servers": SASL_SSL, "security.protocol": "SASL_SSL", "sasl.mechanisms": mechanism,
            "sasl.username": user, "sasl.password": password, **TLS}


ADMIN = over_sasl_ssl("SCRAM-SHA-256", "admin", "admin-secret")
ALICE = over_sasl_ssl("PLAIN", "alice", "alice-secret")
MUTUAL = {"bootstrap.servers": SSL, "security.protocol": "SSL", **TLS,
          "ssl.certificate.location": f"{FOLDER}/client.pem", "ssl.key.location": f"{FOLDER}/client.key"}


def produce(settings, topic, value=b"v"):
    """The error of one message, None if it was delivered."""
    said = []
    producer = Producer({**settings, "message.timeout.ms": 10000})
    producer.produce(topic, value, on_delivery=lambda error, message: said.append(error))
    producer.flush(15)
    assert len(said) == 1, "neither delivered nor failed"
    return said[0] and said[0].name()


def consume(settings, topic, group):
    """The first message's value, or the error's name."""
    consumer = Consumer({**settings, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(15)
        assert message is not None, f"nothing came of {topic} in {group}"
        if message.error():
            return message.error().name()
        consumer.commit(message, asynchronous=False)
        return message.value()
    finally:
        consumer.close()


def topics(settings):
    return sorted(AdminClient(settings).list_topics(timeout=10).topics)


def refused(settings):
    """The error with which a login ends."""
    seen = []
    producer = Producer({**settings, "error_cb": seen.append})
    end = time.monotonic() + 10
    while not any(error.code() != KafkaError._ALL_BROKERS_DOWN for error in seen) and time.monotonic() < end:
        producer.poll(0.1)
    return [error.name() for error in seen]


def acl(kind, name, pattern, user, operation):
    return AclBinding(kind, name, pattern, user, "*", operation, AclPermissionType.ALLOW)


LITERAL, PREFIXED = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
admin = AdminClient(ADMIN)
for created in admin.create_topics([NewTopic("allowed", 1, 1), NewTopic("hidden", 1, 1)]).values():
    created.result(10)
acls = [
    acl(ResourceType.TOPIC, "allowed", LITERAL, "User:alice", AclOperation.READ),
    acl(ResourceType.TOPIC, "allowed", LITERAL, "User:alice", AclOperation.WRITE),
    acl(ResourceType.GROUP, "team-", PREFIXED, "User:alice", AclOperation.READ),
    acl(ResourceType.TOPIC, "allowed", LITERAL, "User:CN=client,O=Millrace", AclOperation.WRITE),
]
for created in admin.create_acls(acls).values():
    created.result(10)
everything = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                              AclPermissionType.ANY)
assert set(admin.describe_acls(everything).result(10)) == set(acls), admin.describe_acls(everything).result(10)

# PLAIN: what is allowed goes, what is not is denied, and what is not described is not seen.
assert produce(ALICE, "allowed", b"first") is None
assert produce(ALICE, "hidden") == "TOPIC_AUTHORIZATION_FAILED", produce(ALICE, "hidden")
assert produce(ALICE, "new") == "TOPIC_AUTHORIZATION_FAILED", "a topic was created without the right to"
assert topics(ALICE) == ["allowed"], topics(ALICE)
assert consume(ALICE, "allowed", "team-1") == b"first"
assert consume(ALICE, "allowed", "other") == "GROUP_AUTHORIZATION_FAILED"
assert consume(ALICE, "hidden", "team-2") == "TOPIC_AUTHORIZATION_FAILED"
no_admin = AdminClient(ALICE)
try:
    no_admin.create_acls([acls[0]])[acls[0]].result(10)
    raise AssertionError("alice changed the ACLs")
except KafkaException as error:
    assert error.args[0].name() == "CLUSTER_AUTHORIZATION_FAILED", error
transactional = Producer({**ALICE, "transactional.id": "t"})
try:
    transactional.init_transactions(10)
    raise AssertionError("alice has no right to the transactional id")
except KafkaException as error:
    assert error.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", error

# Wrong passwords and users who are not there look alike.
for mechanism in ["PLAIN", "SCRAM-SHA-256"]:
    for user, password in [("alice", "wrong"), ("admin", "wrong"), ("nobody", "wrong")]:
        names = refused(over_sasl_ssl(mechanism, user, password))
        assert "_AUTHENTICATION" in names, (mechanism, user, names)

# Users of SCRAM are made and unmade while the broker runs.
change = UserScramCredentialUpsertion("bob", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192), b"bob-secret")
admin.alter_user_scram_credentials([change])["bob"].result(10)
described = admin.describe_user_scram_credentials(["bob"])["bob"].result(10)
found = [(info.mechanism, info.iterations) for info in described.scram_credential_infos]
assert found == [(ScramMechanism.SCRAM_SHA_512, 8192)], found
BOB = over_sasl_ssl("SCRAM-SHA-512", "bob", "bob-secret")
assert topics(BOB) == [], topics(BOB)
gone = UserScramCredentialDeletion("bob", ScramMechanism.SCRAM_SHA_512)
admin.alter_user_scram_credentials([gone])["bob"].result(10)
assert "_AUTHENTICATION" in refused(BOB)

# Without encryption, with a login; and with a certificate instead of one.
plain = {"bootstrap.servers": SASL_PLAINTEXT, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "SCRAM-SHA-256",
         "sasl.username": "admin", "sasl.password": "admin-secret"}
assert topics(plain) == ["__consumer_offsets", "allowed", "hidden"], topics(plain)
assert produce(MUTUAL, "allowed") is None
assert produce(MUTUAL, "hidden") == "TOPIC_AUTHORIZATION_FAILED"
without = {key: value for key, value in MUTUAL.items() if not key.startswith(("ssl.certificate", "ssl.key"))}
assert refused(without), "a client without a certificate was let in"

# Nobody in particular has no rights.
assert topics({"bootstrap.servers": PLAINTEXT}) == []

# Rights that are taken away are gone at once.
assert len(admin.delete_acls([everything])[everything].result(10)) == len(acls)
assert produce(ALICE, "allowed") == "TOPIC_AUTHORIZATION_FAILED"
print("ok")
