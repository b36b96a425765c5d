"""Whether topics are still those that a worker began with: Faust never reads one that was deleted and created again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from workers.wire.records import TopicFacts, Unavailable

EVERY_SECONDS = 5.0


class CreatedAnew(Exception):
    """A topic has another id: its offsets begin anew, and dead letters would be named after the old one."""


async def watch_topics(
    facts: Mapping[str, TopicFacts],
    ask: Callable[[Sequence[str]], Mapping[str, TopicFacts]],
    told: Callable[[Mapping[str, TopicFacts]], None],
    seconds: float = EVERY_SECONDS,
) -> None:
    """Raise CreatedAnew once ``ask`` (which may block, or raise Unavailable) tells of another topic by a known name.

    ``told`` is called with each of its other answers: limits may change.
    """
    while True:
        await asyncio.sleep(seconds)
        with suppress(Unavailable):
            now = await asyncio.to_thread(ask, list(facts))
            if anew := sorted(name for name in facts if now[name].id != facts[name].id):
                raise CreatedAnew(f"created anew: {', '.join(anew)}")
            told(now)
