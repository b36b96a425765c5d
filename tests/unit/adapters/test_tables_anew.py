"""A keyed worker ends when one of its topics is another one by the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from workers.adapters.tables.anew import CreatedAnew, watch_topics
from workers.wire.records import TopicFacts, Unavailable

FACTS = {"decisions": TopicFacts("a", 4), "outcomes": TopicFacts("b", 4)}


async def test_another_id_ends_the_watch_and_a_broker_that_is_gone_does_not() -> None:
    """What does not answer says nothing about its topics."""
    answers: list[Mapping[str, TopicFacts] | None] = [FACTS, None, FACTS | {"outcomes": TopicFacts("c", 4)}]

    def ask(names: Sequence[str]) -> Mapping[str, TopicFacts]:
        assert names == ["decisions", "outcomes"]
        answer = answers.pop(0)
        if answer is None:
            raise Unavailable("gone")
        return answer

    told: list[Mapping[str, TopicFacts]] = []
    with pytest.raises(CreatedAnew, match="created anew: outcomes"):
        await watch_topics(FACTS, ask, told.append, seconds=0.0)
    assert (answers, told) == ([], [FACTS])
