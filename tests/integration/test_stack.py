"""The real servers as `streamscout up` leaves them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml
from confluent_kafka.admin import AdminClient

from workers.config import Settings
from workers.domain.topics import load_topics, topic_name
from workers.stack import versions
from workers.stack.errors import SetupError
from workers.stack.schemas import COMPATIBILITY, read_schemas, register_schemas
from workers.stack.setup import SETUP_STEPS
from workers.stack.status import collect_status
from workers.stack.topics import create_topics

LISTENING = "0A"
LOOPBACKS = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def listening_addresses(pid: int) -> set[str]:
    """Every local address, in the hexadecimal of proc(5), at which this process accepts TCP connections."""
    links = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    sockets = {found[1] for link in links if (found := re.fullmatch(r"socket:\[(\d+)\]", str(link)))}
    tables = [Path(f"/proc/{pid}/net/{table}").read_text() for table in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and row[9] in sockets}


def test_every_server_is_ready_in_its_pinned_version(stack: Settings) -> None:
    """Name, version, address and pid of all four."""
    servers = {line.name: line for line in collect_status(stack) if line.kind == "server"}
    assert all(line.ready and line.address and line.pid for line in servers.values())
    assert {name: line.version for name, line in servers.items()} == {
        "kafka": versions.KAFKA,
        "schema-registry": versions.SCHEMA_REGISTRY,
        "weaviate": versions.WEAVIATE,
        "triton": versions.TRITON,
    }


def test_every_server_listens_on_the_loopback_alone(stack: Settings) -> None:
    """Nobody on the network reaches an anonymous database."""
    for line in collect_status(stack):
        if line.kind == "server" and line.pid:
            found = listening_addresses(line.pid)
            assert found, line.name
            assert found <= LOOPBACKS, line.name


def test_the_servers_themselves_say_their_versions(stack: Settings) -> None:
    """What is pinned is what was built."""
    weaviate = httpx.get(f"{stack.weaviate_url}/v1/meta").json()
    triton = httpx.get(f"{stack.triton_url}/v2").json()
    assert (weaviate["version"], triton["version"]) == (versions.WEAVIATE, versions.TRITON)


def test_the_topics_are_as_the_list_says(settings: Settings) -> None:
    """All of a fresh namespace, none besides, with their partitions."""
    topics = load_topics(settings.schemas_dir / "topics.yaml")
    found = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0}).list_topics(timeout=10).topics
    ours = {name: len(one.partitions) for name, one in found.items() if name.startswith(f"{settings.namespace}.")}
    assert ours == {topic_name(settings.namespace, topic.name): topic.partitions for topic in topics}


def test_creating_the_topics_again_changes_nothing(settings: Settings) -> None:
    """Every `up` does."""
    count = len(load_topics(settings.schemas_dir / "topics.yaml"))
    assert create_topics(settings) == f"0 topics created, {count} were there"


def test_a_topic_that_is_not_as_the_list_says_is_named_and_left_alone(
    new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Partitions, retention and size are compared; nothing is altered behind a person's back."""
    settings = new_settings()
    listed = yaml.safe_load((settings.schemas_dir / "topics.yaml").read_text())
    posts = next(topic for topic in listed["topics"] if topic["name"] == "brands")
    posts |= {"partitions": 3, "max_message_bytes": 2048}
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump(listed))
    name = topic_name(settings.namespace, "brands")
    with pytest.raises(SetupError) as error:
        create_topics(settings.model_copy(update={"schemas_dir": tmp_path}))
    assert f"{name}: 1 partitions, should be 3" in str(error.value)
    assert f"{name}: max.message.bytes=1048576, should be 2048" in str(error.value)
    assert create_topics(settings).startswith("0 topics created")


def test_every_event_is_registered_and_must_stay_compatible(stack: Settings) -> None:
    """Under its record's full name."""
    registered = httpx.get(f"{stack.schema_registry_url}/subjects").json()
    subjects = read_schemas(stack.schemas_dir)
    assert set(subjects) <= set(registered)
    for subject in subjects:
        rule = httpx.get(f"{stack.schema_registry_url}/config/{subject}").json()
        assert rule["compatibilityLevel"] == COMPATIBILITY


def test_a_schema_that_old_events_do_not_fit_is_refused_by_name(stack: Settings, tmp_path: Path) -> None:
    """A new field without a default cannot be read from an old event."""
    name = f"Trial{tmp_path.name.replace('-', '_')}{stack.data_dir.name.replace('-', '_')}"
    schema = {"type": "record", "name": name, "namespace": "tests", "fields": []}
    (tmp_path / "trial.v1.avsc").write_text(json.dumps(schema))
    settings = stack.model_copy(update={"schemas_dir": tmp_path})
    assert register_schemas(settings) == "1 schemas registered"
    (tmp_path / "trial.v2.avsc").write_text(json.dumps({**schema, "fields": [{"name": "more", "type": "string"}]}))
    with pytest.raises(SetupError, match=f"refuses tests.{name} \\(409\\)"):
        register_schemas(settings)


def test_every_step_can_be_done_again(settings: Settings) -> None:
    """Topics, schemas and collections: a second `up` is no error."""
    assert all(step.run(settings) for step in SETUP_STEPS)
