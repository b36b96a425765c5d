"""Kafka: does it answer, are the topics as listed, does the session timeout agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from workers.adapters.kafka_answers import KafkaRefuses, KafkaUnavailable, reached
from workers.adapters.kafka_membership import check_session
from workers.config import Settings, SettingsError
from workers.doctor.findings import UNREACHABLE, USAGE, Finding, fine, wrong
from workers.domain.topics import Topic, load_topics, topic_name
from workers.stack.ports import connects
from workers.stack.topics import differences
from workers.wire.records import Unavailable

CHECK, TOPICS = "kafka", "topics"
SECONDS = 8.0
CONFLUENT_WORKERS = ("embedder", "indexer")


def examine(settings: Settings) -> Sequence[Finding]:
    """Everything about Kafka; one finding where it is not there."""
    if settings.kafka_bootstrap is None:
        do = "run `streamscout up`, or set STREAMSCOUT_KAFKA_BOOTSTRAP"
        return [wrong(CHECK, "no address", do, UNREACHABLE)]
    if not any(connects(one) for one in settings.kafka_bootstrap.split(",")):
        do = "start it (`streamscout up`), or correct STREAMSCOUT_KAFKA_BOOTSTRAP"
        return [wrong(CHECK, f"nothing listens at {settings.kafka_bootstrap}", do, UNREACHABLE)]
    try:
        admin = reached(settings, SECONDS)
        partitions = {name: len(each.partitions) for name, each in admin.list_topics(timeout=SECONDS).topics.items()}
        return [
            fine(CHECK, f"answers at {settings.kafka_bootstrap} ({settings.kafka_security})"),
            *_sessions(admin, settings),
            *judge_topics(
                settings.namespace,
                load_topics(settings.schemas_dir / "topics.yaml"),
                partitions,
                _configs(admin, settings, partitions),
            ),
        ]
    except KafkaRefuses as error:
        do = "correct STREAMSCOUT_KAFKA_SECURITY, user, password, mechanism and certificates to what its listener wants"
        return [wrong(CHECK, str(error), do, UNREACHABLE)]
    except KafkaUnavailable as error:
        do = "see its log; check STREAMSCOUT_KAFKA_SECURITY against its listener"
        return [wrong(CHECK, str(error), do, UNREACHABLE)]
    except KafkaException as error:
        what = f"{settings.kafka_bootstrap} accepts connections and does not answer: {error.args[0].str()}"
        return [wrong(CHECK, what, "see its log", UNREACHABLE)]


def judge_topics(
    namespace: str, listed: Sequence[Topic], partitions: Mapping[str, int], configs: Mapping[str, Mapping[str, str]]
) -> Sequence[Finding]:
    """Each topic of the list against what is there: ``partitions`` and ``configs`` by full name."""
    found = []
    names = {topic_name(namespace, topic.name): topic for topic in listed}
    for name, topic in names.items():
        if name not in partitions:
            found.append(wrong(TOPICS, f"{name}: missing", "run `streamscout up`, which makes what is missing"))
            continue
        for line in differences(name, topic, partitions[name], configs.get(name, {})):
            fixed = partitions[name] != topic.partitions and "partitions" in line
            do = (
                "delete the topic and run `streamscout up`, or move it by hand: keys lie by the number of partitions"
                if fixed
                else "alter the topic's configuration to what schemas/topics.yaml says"
            )
            found.append(wrong(TOPICS, line, do))
    return found or [fine(TOPICS, f"{len(names)} topics as schemas/topics.yaml says")]


def _sessions(admin: AdminClient, settings: Settings) -> Sequence[Finding]:
    if settings.group_protocol != "consumer":
        return []
    try:
        for worker in CONFLUENT_WORKERS:
            check_session(admin, settings, topic_name(settings.namespace, worker))
    except SettingsError as error:
        return [wrong("settings", str(error), "make the two equal: a lease is half of the session timeout", USAGE)]
    except Unavailable as error:
        return [wrong(CHECK, str(error), "see the broker's log", UNREACHABLE)]
    return [fine("settings", f"the broker's session timeout is ours: {settings.session_timeout_ms} ms")]


def _configs(admin: AdminClient, settings: Settings, there: Mapping[str, int]) -> Mapping[str, Mapping[str, str]]:
    listed = [topic_name(settings.namespace, each.name) for each in load_topics(settings.schemas_dir / "topics.yaml")]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in listed if name in there]
    if not resources:
        return {}
    asked = admin.describe_configs(resources, request_timeout=SECONDS)
    return {
        resource.name: {name: str(entry.value) for name, entry in future.result(SECONDS + 1).items()}
        for resource, future in asked.items()
    }
