"""Denies and allows a transactional id, as an administrator does: exactly_once.py BROKERS deny|allow ID."""

import sys

from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType,
)

brokers, step, name = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": brokers})
place = [ResourceType.TRANSACTIONAL_ID, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", AclOperation.ALL]
if step == "deny":
    futures = admin.create_acls([AclBinding(*place, AclPermissionType.DENY)])
else:
    futures = admin.delete_acls([AclBindingFilter(*place, AclPermissionType.DENY)])
for future in futures.values():
    future.result(timeout=60)
