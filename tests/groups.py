"""Consumer groups of the real Kafka in tests."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.waiting import eventually
from workers.adapters.kafka_membership import SESSION_TIMEOUT
from workers.config import Settings
from workers.domain.topics import topic_name


def shorten_session(settings: Settings, group: str) -> None:
    """Under KIP-848 the session timeout is the group's own, where one is set: then it is that of the settings.

    What waits for a dead member to be given up waits less. The broker allows 6 s at least.
    """
    if settings.group_protocol != "consumer":
        return
    value = str(settings.session_timeout_ms)
    entry = ConfigEntry(SESSION_TIMEOUT, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, topic_name(settings.namespace, group), incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(60)

    def told() -> bool:
        return all(f.result(60)[SESSION_TIMEOUT].value == value for f in admin.describe_configs([resource]).values())

    eventually(told, message=f"{resource} has a session timeout of its own")
