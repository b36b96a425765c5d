"""The doctor on real servers: a good world is good, each damage is named, and nothing has to be up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.waiting import eventually
from workers.adapters.weaviate.names import alias_name
from workers.config import Settings, child_environment
from workers.domain.topics import topic_name


def doctor(settings: Settings, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings, as a person's machine would print them."""
    done = subprocess.run(
        [sys.executable, "-m", "workers", "doctor", "--json"],
        env={**child_environment(settings), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    assert all(each["do"] for each in report["findings"] if each["level"] != "ok")
    return done.returncode, report["findings"]


def errors(findings: list[dict[str, Any]]) -> list[str]:
    """What is wrong."""
    return [f"{each['check']}: {each['what']}" for each in findings if each["level"] == "error"]


def test_a_world_as_up_makes_it_has_no_error(settings: Settings) -> None:
    """Topics, collections, aliases and models of this namespace; schemas are shared by all."""
    _, findings = doctor(settings)
    assert [each for each in errors(findings) if not each.startswith(("registry", "machine"))] == []
    assert {each["check"] for each in findings} >= {
        "machine",
        "settings",
        "kafka",
        "topics",
        "weaviate",
        "index",
        "triton",
    }


def test_each_damage_is_named_with_what_to_do(settings: Settings) -> None:
    """A topic that is missing, one with other partitions, an alias that is gone."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    gone, other = (topic_name(settings.namespace, name) for name in ("brands", "posts.backfill"))
    for future in admin.delete_topics([gone, other]).values():
        future.result(60)
    eventually(lambda: not {gone, other} & admin.list_topics(timeout=10).topics.keys(), 30)
    for future in admin.create_topics([NewTopic(other, 3, 1)]).values():
        future.result(60)
    alias = alias_name(settings.namespace, "Facet")
    httpx.delete(f"{settings.weaviate_url}/v1/aliases/{alias}", timeout=30).raise_for_status()
    code, findings = doctor(settings)
    found = errors(findings)
    assert code == 1
    assert f"topics: {gone}: missing" in found
    assert [each for each in found if each.startswith(f"topics: {other}: 3 partitions")]
    assert f"index: alias {alias}: missing" in found


def test_a_session_timeout_other_than_the_brokers_is_of_the_settings(new_settings: Callable[..., Settings]) -> None:
    """Exit code 2, before anything else that may be wrong."""
    code, findings = doctor(new_settings(group_protocol="consumer", session_timeout_ms=9000))
    assert code == 2
    assert [each for each in errors(findings) if "STREAMSCOUT_SESSION_TIMEOUT_MS: 9000" in each]


@pytest.mark.parametrize(
    ("environment", "code", "complaint"),
    [
        ({}, 3, "kafka: no address"),
        ({"STREAMSCOUT_KAFKA_BOOTSTRAP": "127.0.0.1:9"}, 3, "kafka: nothing listens at 127.0.0.1:9"),
        ({"STREAMSCOUT_WEAVIATE_URL": "http://127.0.0.1:9"}, 3, "weaviate: http://127.0.0.1:9"),
        ({"STREAMSCOUT_BATCH_SIZE": "0"}, 2, "settings: STREAMSCOUT_BATCH_SIZE"),
        ({"STREAMSCOUT_NOTHING": "1"}, 2, "settings: STREAMSCOUT_NOTHING is no setting"),
    ],
)
def test_it_works_when_nothing_is_up(environment: dict[str, str], code: int, complaint: str, tmp_path: Path) -> None:
    """Each address that is missing or leads nowhere, each wrong setting: a finding, an exit code, no traceback."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("STREAMSCOUT_")}
    done = subprocess.run(
        [sys.executable, "-m", "workers", "doctor", "--json"],
        env={**bare, "STREAMSCOUT_DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert [each for each in errors(json.loads(done.stdout)["findings"]) if each.startswith(complaint)]
    assert "Traceback" not in done.stderr
