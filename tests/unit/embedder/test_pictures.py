"""Backfill leaves room to live posts before Triton too: turns for downloads, and the processor."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.embedder.conftest import THREADS, prepare, published
from workers.embedder.main import threads
from workers.embedder.pictures import Pictures
from workers.embedder.progress import Progress


class SlowHost:
    """Answers once it is told to, and counts how many are asking."""

    def __init__(self) -> None:
        self.asking, self.most, self.answers = 0, 0, asyncio.Event()

    @asynccontextmanager
    async def opened(self, url: str) -> AsyncIterator[bytes]:
        self.asking += 1
        self.most = max(self.most, self.asking)
        try:
            await self.answers.wait()
            yield url.encode()
        finally:
            self.asking -= 1


async def test_no_more_media_than_its_share_are_held_at_a_time() -> None:
    """Of all its posts together; the others come in their turn, and all come."""
    host = SlowHost()
    pictures = Pictures(host, prepare, THREADS, most=3)
    posts = [(published(post_id=f"p{n}", pictures=[f"{n}a", f"{n}b"]), Progress()) for n in range(4)]
    collecting = asyncio.gather(*(pictures.collect(event, (), progress) for event, progress in posts))
    for _ in range(20):
        await asyncio.sleep(0)
    assert host.asking == 3
    host.answers.set()
    await collecting
    assert host.most == 3
    assert [len(progress.pixels) for _, progress in posts] == [2, 2, 2, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one niceness for all its threads")
async def test_threads_for_backfill_are_nicer_than_all_others() -> None:
    """Their own niceness alone: the event loop's and the other threads' stay as they were."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before, loop = niceness(), asyncio.get_running_loop()
    async with threads("live") as live, threads("past", 7) as past:
        assert await loop.run_in_executor(past, niceness) == min(19, before + 7)
        assert await loop.run_in_executor(live, niceness) == before
    assert niceness() == before
