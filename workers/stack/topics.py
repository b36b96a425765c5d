"""Creates the topics of ``schemas/topics.yaml`` in Kafka, and says where an existing one differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from workers.adapters import security
from workers.adapters.kafka_answers import KafkaUnavailable
from workers.adapters.kafka_offsets import ends
from workers.config import Settings
from workers.domain.topics import Topic, load_topics, topic_name
from workers.stack.errors import SetupError

_SECONDS = 30.0
_CLUSTER_DEFAULT = -1


def create_topics(settings: Settings) -> str:
    """Create what is missing; the count, in words. Raises SetupError naming each difference of an existing topic."""
    topics = {topic_name(settings.namespace, t.name): t for t in load_topics(settings.schemas_dir / "topics.yaml")}
    admin = AdminClient({**security.kafka(settings), "log_level": 0})
    try:
        existing = admin.list_topics(timeout=_SECONDS).topics
        missing = {name: topic for name, topic in topics.items() if name not in existing}
        created = _create(admin, missing)
        # Made is not led yet: whoever asks a moment later would be told that nobody leads it.
        ends(admin, [(name, number) for name in created for number in range(missing[name].partitions)], _SECONDS)
        others = [name for name in topics if name not in created]
        partitions = {name: len(admin.list_topics(name, timeout=_SECONDS).topics[name].partitions) for name in others}
        configs = _configs(admin, others)
    except KafkaUnavailable as error:
        raise SetupError(f"topics cannot be created: {error}") from error
    except KafkaException as error:
        raise SetupError(f"topics cannot be created: {error.args[0].str()}") from error
    found = [line for name in others for line in differences(name, topics[name], partitions[name], configs[name])]
    if found:
        raise SetupError("topics that exist are not as schemas/topics.yaml says:\n" + "\n".join(found))
    return f"{len(created)} topics created, {len(others)} were there"


def differences(name: str, topic: Topic, partitions: int, config: Mapping[str, str]) -> list[str]:
    """A line for each way in which the topic in Kafka is not the one in the list."""
    lines = []
    if partitions != topic.partitions:
        lines.append(
            f"{name}: {partitions} partitions, should be {topic.partitions} (fixed at creation: delete it first)"
        )
    lines += [
        f"{name}: {key}={config.get(key)}, should be {wanted}"
        for key, wanted in topic.config.items()
        if config.get(key) != wanted
    ]
    return lines


def _create(admin: AdminClient, missing: Mapping[str, Topic]) -> list[str]:
    """Create topics; the names of those that are now ours, not those that another `up` made in between."""
    if not missing:
        return []
    wanted = [
        NewTopic(name, topic.partitions, _CLUSTER_DEFAULT, config=topic.config) for name, topic in missing.items()
    ]
    created = []
    for name, future in admin.create_topics(wanted, operation_timeout=_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            created.append(name)
    return created


def _configs(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    futures = admin.describe_configs(resources, request_timeout=_SECONDS)
    return {r.name: {key: str(entry.value) for key, entry in future.result().items()} for r, future in futures.items()}
