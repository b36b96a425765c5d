"""How a process joins its group, and what it may not choose."""

from __future__ import annotations

import pytest

from workers.adapters.kafka_membership import instance_id, membership
from workers.config import Settings, SettingsError


def test_classic_and_range_are_the_default() -> None:
    """The session timeout is ours to say, and heartbeats go ten times in it."""
    found = membership(Settings(session_timeout_ms=6000), "embedder")
    assert found == {
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 600,
    }


def test_the_consumer_protocol_asks_for_range_and_says_no_session_timeout() -> None:
    """KIP-848: the broker assigns, and its session timeout counts; librdkafka refuses one of ours."""
    found = membership(Settings(group_protocol="consumer"), "embedder")
    assert found == {"group.protocol": "consumer", "group.remote.assignor": "range"}


def test_a_worker_of_several_topics_refuses_an_assignor_that_parts_them() -> None:
    """One process owns partition n of all its topics: the message names the setting, the worker and the way out."""
    settings = Settings(group_assignor="cooperative-sticky")
    with pytest.raises(SettingsError, match=r"STREAMSCOUT_GROUP_ASSIGNOR: cooperative-sticky .* embedder .* set range"):
        membership(settings, "embedder")
    assert membership(settings, "lonely", together=False)["partition.assignment.strategy"] == "cooperative-sticky"
    assert "group.remote.assignor" in membership(settings.model_copy(update={"group_protocol": "consumer"}), "embedder")


def test_a_static_member_has_the_settings_name_and_the_workers() -> None:
    """Two workers of one pod are two members."""
    settings = Settings(group_instance_id="pod-0")
    assert membership(settings, "embedder")["group.instance.id"] == "pod-0.embedder"
    assert instance_id(settings, "indexer") == "pod-0.indexer"
    assert instance_id(Settings(), "indexer") is None
