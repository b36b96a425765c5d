"""How far consumer groups are, asked from outside by confluent-kafka's admin client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from workers.adapters import security
from workers.adapters.committed import committed_offsets
from workers.adapters.kafka import topic_facts
from workers.adapters.kafka_offsets import listed
from workers.config import Settings
from workers.containment.quarantine import stored_by
from workers.domain.topics import topic_name
from workers.wire import records


class GroupLags:
    """``groups``: the topics that each group reads, all named without the namespace. Raises KafkaUnavailable."""

    def __init__(self, settings: Settings, groups: Mapping[str, Sequence[str]]) -> None:
        self._settings, self._groups = settings, groups
        self._admin = AdminClient({**security.kafka(settings), "log_level": 3})
        names = {self._full(topic) for topics in groups.values() for topic in topics}
        self.partitions = {name: facts.partitions for name, facts in topic_facts(settings, sorted(names)).items()}

    def measure(self) -> dict[tuple[str, str, int], tuple[int, int, int]]:
        """By group (named without the namespace), full topic name and partition: records not stored, the end, and
        records that are stored and not committed, since exact values are still to be written."""
        # Committed first: what a worker wrote before it committed is then among the ends.
        commits = {group: self._committed(group) for group in self._groups}
        places = [TopicPartition(name, number) for name, count in self.partitions.items() for number in range(count)]
        begins = listed(self._admin, dict.fromkeys(places, OffsetSpec.earliest()))
        ends = listed(self._admin, dict.fromkeys(places, OffsetSpec.latest()))
        found = {}
        for group, topics in self._groups.items():
            for name in map(self._full, topics):
                for number in range(self.partitions[name]):
                    place = (name, number)
                    # What was deleted before anybody read it is nobody's any more.
                    committed, note = commits[group].get(place, (0, ""))
                    done = max(committed, begins[place])
                    stored = max(done, stored_by(note))
                    found[group, name, number] = (max(0, ends[place] - stored), ends[place], stored - done)
        return found

    def _full(self, name: str) -> str:
        return topic_name(self._settings.namespace, name)

    def _committed(self, group: str) -> Mapping[records.TopicPartition, tuple[int, str]]:
        names = [self._full(topic) for topic in self._groups[group]]
        places = [(name, number) for name in names for number in range(self.partitions[name])]
        return committed_offsets(self._settings, self._full(group), places)
