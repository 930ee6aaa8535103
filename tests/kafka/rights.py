"""Allows or refuses a user of a Kafka something, or takes that back, as its administrator."""
import sys
import time

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

address, password, what, user, kind, name, operation = sys.argv[1:]
admin = AdminClient({
    'bootstrap.servers': address,
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'PLAIN',
    'sasl.username': 'admin',
    'sasl.password': password,
})
permission = AclPermissionType.ALLOW if what == 'allow' else AclPermissionType.DENY
rule = (
    ResourceType[kind], name, ResourcePatternType.LITERAL, f'User:{user}', '*', AclOperation[operation], permission,
)
if what == 'restore':
    done = admin.delete_acls([AclBindingFilter(*rule)])
else:
    done = admin.create_acls([AclBinding(*rule)])
for result in done.values():
    result.result(timeout=30)

# The broker hears of it a moment later.
until = time.monotonic() + 30
while bool(admin.describe_acls(AclBindingFilter(*rule)).result(timeout=30)) == (what == 'restore'):
    if time.monotonic() > until:
        sys.exit(f'the broker does not hear of {rule}')
    time.sleep(0.05)
