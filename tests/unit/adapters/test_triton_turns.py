"""On a processor live posts go to Triton before backfill, and nothing sleeps there; on a GPU each priority is alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from workers.adapters.triton_turns import (
    BESIDE_LIVE_POSTS,
    HELD_SECONDS,
    IN_FLIGHT,
    LIVE_SECONDS,
    OnProcessor,
    Slots,
    Turns,
)
from workers.domain.priority import Priority


class Requests:
    """Requests that are at Triton until they are answered, by the name of each: ``old…`` are of backfill."""

    def __init__(self, turns: Turns | None = None) -> None:
        self.now = 1000.0
        self.turns = turns or OnProcessor(lambda: self.now)
        self.there: list[str] = []
        self._answers: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, *names: str, model: str = "pictures") -> None:
        """Ask for a turn each, one after the other, and go to Triton once it is there."""
        for name in names:
            self._answers[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._run(name, model))
            await settled()

    async def _run(self, name: str, model: str) -> None:
        async with self.turns.turn(model, Priority.BACKFILL if name.startswith("old") else Priority.LIVE):
            self.there.append(name)
            try:
                await self._answers[name].wait()
            finally:
                self.there.remove(name)

    async def answer(self, *names: str) -> None:
        """Triton answers these."""
        for name in names:
            assert name in self.there
            self._answers[name].set()
            await settled()

    async def cancel(self, name: str) -> None:
        """Whoever asked has gone."""
        self.tasks[name].cancel()
        await settled()


async def settled() -> None:
    """All that can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def requests_(turns: Turns | None = None) -> AsyncIterator[Requests]:
    """None is left behind."""
    found = Requests(turns)
    yield found
    for task in found.tasks.values():
        task.cancel()
    await asyncio.gather(*found.tasks.values(), return_exceptions=True)


async def lately(requests: Requests) -> None:
    """A live post has come and gone."""
    await requests.begin("post")
    await requests.answer("post")


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


@pytest.mark.parametrize("kind", ["old", "new"])
async def test_the_last_that_waits_is_kept_back_until_an_answer_comes(kind: str) -> None:
    """Triton wakes by a request that comes when it is idle: what came before would sleep there for half a second."""
    async with requests_() as requests:
        first, second, third = names(kind, 3)
        await requests.begin(first)
        assert requests.there == [first]
        await requests.begin(second)
        assert requests.there == [first]
        await requests.begin(third)
        assert requests.there == [first, second]
        await requests.answer(first)
        assert requests.there == [second, third]


async def test_a_request_that_waits_alone_goes_with_the_answer_it_waits_for() -> None:
    """Triton is idle then."""
    async with requests_() as requests:
        await requests.begin("new0", "new1")
        await requests.answer("new0")
        assert requests.there == ["new1"]


@pytest.mark.parametrize("kind", ["old", "new"])
async def test_so_many_are_at_triton_at_a_time(kind: str) -> None:
    """They keep it busy, and an answer sends one more; of backfill alone as many as of live posts."""
    async with requests_() as requests:
        every = names(kind, IN_FLIGHT + 3)
        await requests.begin(*every)
        assert requests.there == every[:IN_FLIGHT]
        await requests.answer(every[1])
        assert requests.there == [every[0], *every[2 : IN_FLIGHT + 1]]


async def test_no_backfill_goes_while_a_live_request_is_at_triton_or_waits() -> None:
    """It would be computed together with the live one that waits there, which then takes longer."""
    async with requests_() as requests:
        await requests.begin("new0", "old0", "new1")
        assert requests.there == ["new0"]
        await requests.answer("new0")
        assert requests.there == ["new1"]
        await requests.answer("new1")
        assert requests.there == ["old0"]


async def test_a_live_request_goes_before_backfill_that_waited_longer() -> None:
    """With the next answer, whoever gets it."""
    async with requests_() as requests:
        await requests.begin(*names("old", IN_FLIGHT + 2))
        await requests.begin("new")
        await requests.answer("old0")
        assert requests.there == ["old1", "old2", "old3", "new"]


async def test_where_live_requests_never_end_backfill_goes_once_in_a_while() -> None:
    """Its posts are in work: what comes of them, a removal say, would wait until a whole topic is caught up with."""
    async with requests_() as requests:
        await requests.begin("new0", "old0", "old1", "new1", "new2")
        assert requests.there == ["new0", "new1"]
        requests.now += HELD_SECONDS
        await requests.answer("new0")
        assert requests.there == ["new1", "old0"]
        await requests.answer("new1")
        await requests.begin("new3")
        await requests.answer("old0")
        assert requests.there == ["new2", "new3"]
        requests.now += HELD_SECONDS - 0.1
        await requests.begin("new4")
        await requests.answer("new2")
        assert requests.there == ["new3", "new4"]
        requests.now += 0.1
        await requests.answer("new3")
        assert requests.there == ["new4", "old1"]


async def test_while_live_posts_come_backfill_goes_one_by_one() -> None:
    """The next live post waits for what runs, and for nothing that lies in Triton's queue before it."""
    async with requests_() as requests:
        await lately(requests)
        await requests.begin("old0", "old1", "old2")
        assert requests.there == ["old0"]
        await requests.begin("old3", model="texts")
        assert requests.there == ["old0"]
        assert BESIDE_LIVE_POSTS == 1
        requests.now += LIVE_SECONDS - 0.1
        await requests.answer("old0")
        assert requests.there == ["old1"]


async def test_once_no_live_post_has_come_for_a_while_backfill_has_triton_to_itself_again() -> None:
    """With the next answer: nothing else is needed."""
    async with requests_() as requests:
        await lately(requests)
        every = names("old", IN_FLIGHT + 2)
        await requests.begin(*every)
        requests.now += LIVE_SECONDS
        await requests.answer("old0")
        assert requests.there == every[1 : IN_FLIGHT + 1]


async def test_models_sleep_and_wake_by_themselves() -> None:
    """A live text goes at once though a picture is being computed."""
    async with requests_() as requests:
        await requests.begin("new0", "new1")
        await requests.begin("new2", "new3", model="texts")
        assert requests.there == ["new0", "new2"]
        await requests.answer("new2")
        assert requests.there == ["new0", "new3"]


@pytest.mark.parametrize("gone", ["old0", "old1", "old2"])
async def test_a_request_that_was_given_up_holds_no_other(gone: str) -> None:
    """Whether it was at Triton, was the next, or stood in line."""
    async with requests_() as requests:
        await lately(requests)
        every = names("old", 4)
        await requests.begin(*every)
        await requests.cancel(gone)
        for name in (name for name in every if name != gone):
            assert requests.there == [name]
            await requests.answer(name)
        assert requests.there == []


async def test_live_requests_that_were_given_up_hold_no_backfill() -> None:
    """Not even those that waited for their own kind."""
    async with requests_() as requests:
        every = names("new", IN_FLIGHT + 2)
        await requests.begin(*every, "old")
        for name in reversed(every):
            assert "old" not in requests.there
            await requests.cancel(name)
        assert requests.there == ["old"]


async def test_given_up_in_the_moment_of_its_turn_it_holds_no_other() -> None:
    """The answer before it comes, and whoever asked goes, before it could begin."""
    async with requests_() as requests:
        await requests.begin("new0", "new1", "new2")
        requests._answers["new0"].set()
        requests.tasks["new1"].cancel()
        requests.tasks["new2"].cancel()
        await settled()
        await requests.begin("new3")
        assert requests.there == ["new3"]


async def test_beside_a_gpu_each_priority_has_as_many_and_none_is_kept_back() -> None:
    """A request takes little there, and many together hardly more than one."""
    async with requests_(Slots()) as requests:
        await requests.begin(*names("old", IN_FLIGHT + 1), *names("new", IN_FLIGHT + 1))
        assert requests.there == [*names("old", IN_FLIGHT), *names("new", IN_FLIGHT)]
        await requests.answer("old0")
        assert requests.there[-1] == f"old{IN_FLIGHT}"
