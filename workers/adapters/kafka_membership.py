"""How a process joins its group: the protocol, who assigns what, and whether it is known by a name of its own."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from workers.adapters.kafka_answers import passes
from workers.config import Settings, SettingsError
from workers.wire.records import Unavailable

SESSION_TIMEOUT: Final = "consumer.session.timeout.ms"
"""A group's session timeout under KIP-848, as the broker tells it: the group's own, else the broker's default."""
_ANSWER_SECONDS: Final = 15.0


class KafkaFailed(Exception):
    """Kafka refuses what this process does, and trying again would not help."""


def membership(settings: Settings, worker: str, *, together: bool = True) -> dict[str, Any]:
    """librdkafka's properties of a member. Raises SettingsError for a combination that breaks a law.

    ``together``: partition n of all topics must have one owner, which the range assignors alone promise.
    """
    named = {"group.instance.id": name} if (name := instance_id(settings, worker)) else {}
    if settings.group_protocol == "consumer":
        return {"group.protocol": "consumer", "group.remote.assignor": "range", **named}
    if together and settings.group_assignor != "range":
        raise SettingsError(
            f"STREAMSCOUT_GROUP_ASSIGNOR: {settings.group_assignor} may give partition n of the topics that {worker} "
            "reads to different processes, which then change one creator side by side: set range; to move only what "
            "must move, set STREAMSCOUT_GROUP_PROTOCOL=consumer, which keeps range"
        )
    return {
        "partition.assignment.strategy": settings.group_assignor,
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": max(100, settings.session_timeout_ms // 10),
        **named,
    }


def instance_id(settings: Settings, worker: str) -> str | None:
    """The name by which the group knows this process again after a restart; None for a new member at each start."""
    return f"{settings.group_instance_id}.{worker}" if settings.group_instance_id else None


def fenced(settings: Settings, group: str) -> SettingsError:
    """What ends a process whose name another one has."""
    name = settings.group_instance_id
    return SettingsError(
        f"STREAMSCOUT_GROUP_INSTANCE_ID: another process joined group {group} as {name}: each needs its own name"
    )


def fatal(error: KafkaError, settings: Settings, group: str) -> Exception:
    """What ends a process whose consumer librdkafka has given up: the cause is in the text alone."""
    name, text = settings.group_instance_id, error.str()
    if KafkaError(KafkaError.FENCED_INSTANCE_ID).str() in text:
        return fenced(settings, group)
    if KafkaError(KafkaError.UNRELEASED_INSTANCE_ID).str() in text:
        return Unavailable(
            f"group {group} still has a member {name}, which runs, or was killed less than one session timeout ago"
        )
    return KafkaFailed(text)


def check_session(admin: AdminClient, settings: Settings, group: str) -> None:
    """Under KIP-848 the session timeout is the broker's, and a lease is half of it: they must be equal.

    Raises SettingsError where they differ, or where the broker does not tell; Unavailable where it does not answer.
    """
    if settings.group_protocol != "consumer":
        return
    resource = ConfigResource(ResourceType.GROUP, group)
    try:
        future = admin.describe_configs([resource], request_timeout=_ANSWER_SECONDS)[resource]
        entry = future.result(_ANSWER_SECONDS + 1).get(SESSION_TIMEOUT)
    except (KafkaException, TimeoutError) as error:
        if isinstance(error, TimeoutError) or passes(error.args[0]) or error.args[0].code() < 0:
            raise Unavailable(f"{settings.kafka_bootstrap}: the configuration of group {group}: {error}") from error
        raise SettingsError(
            f"STREAMSCOUT_GROUP_PROTOCOL: the broker does not tell {SESSION_TIMEOUT} of group {group} "
            f"({error.args[0].str()}): allow DescribeConfigs on the group, or set classic"
        ) from error
    if entry is None or entry.value is None:
        raise SettingsError("STREAMSCOUT_GROUP_PROTOCOL: this broker has no KIP-848 (Kafka 4.0 has): set classic")
    if int(entry.value) != settings.session_timeout_ms:
        raise SettingsError(
            f"STREAMSCOUT_SESSION_TIMEOUT_MS: {settings.session_timeout_ms}, but under the consumer protocol the "
            f"broker's counts, and that is {entry.value} for group {group}: set it to {entry.value}, or change the "
            f"group's {SESSION_TIMEOUT} (the broker's group.{SESSION_TIMEOUT})"
        )
