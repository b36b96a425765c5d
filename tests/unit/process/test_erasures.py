"""The key of a worker that hears of erasures in the order of its own topics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from workers.config import SettingsError, load_settings
from workers.domain.erasure import ErasureKey, recorded
from workers.domain.events import CreatorErased
from workers.process.erasures import checked_key
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.records import InRecord, Position

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OURS, OTHERS = "a key of the tests", "another key there is"
WIRE = Wire(JsonCodec(), "tests", "")


class Topic:
    """``erasures`` as it lies in Kafka: a tombstone, rubbish, and one who is erased."""

    def __init__(self, secret: str) -> None:
        erased = CreatorErased(creator_id="mira", requested_at=NOW)
        said = WIRE.record("erasures", recorded(erased, ErasureKey(secret.encode())), id="1", time=NOW)
        values = [(None, ()), (b"?", ()), (said.value, said.headers)]
        self._records = [
            InRecord(Position("erasures", 0, offset), said.key, value, headers, 0)
            for offset, (value, headers) in enumerate(values)
        ]
        self.closed = False

    def to_the_end(self) -> Iterator[InRecord]:
        yield from self._records

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("secret", [OURS, OTHERS])
def test_a_worker_starts_with_the_key_of_the_topic_alone(secret: str) -> None:
    """With another one it could not tell who is erased, and would bring everybody back."""
    settings, topic = load_settings(erasure_key=SecretStr(OURS)), Topic(secret)
    if secret == OURS:
        assert checked_key(settings, lambda _: topic, WIRE).hash("mira") == ErasureKey(OURS.encode()).hash("mira")
    else:
        with pytest.raises(SettingsError, match="STREAMSCOUT_ERASURE_KEY"):
            checked_key(settings, lambda _: topic, WIRE)
    assert topic.closed
