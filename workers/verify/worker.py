"""The story of ``streamscout verify``: wait for what is in flight, look, judge; mend, wait, look again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from workers.verify.content import look_at_posts, look_at_visuals
from workers.verify.differences import Difference
from workers.verify.look import Look
from workers.verify.repair import Plan, plan_for
from workers.verify.report import Report
from workers.verify.said import INDEXED, look_at_objects, look_at_rows, look_at_updates
from workers.verify.signals import look_at_signals
from workers.verify.spool import Spool
from workers.verify.stillness import Measure, Stillness, wait_until_settled

LOOKS = 3
"""How often what was in flight is looked at again before it is only counted."""
ROUNDS = 3
"""Rounds of mending: what one round brings back may show what the next one has to mend."""


async def compare(look: Look) -> None:
    """Each store against what the one before it says, in the order in which the data flows.

    Held in memory: a page of posts with their visuals or of creators with their objects, the rows of one creator, the
    facts of one pair, and the differences. All else is streamed, or lies in the spool on disk.
    """
    await look_at_posts(look)
    await look_at_visuals(look)
    look_at_rows(look)
    await look_at_updates(look)
    for kind in INDEXED:
        await look_at_objects(look, kind)
    look_at_signals(look)


class Mending(Protocol):
    """Carries out a plan; how many of each thing were done."""

    async def mend(self, plan: Plan) -> dict[str, int]: ...


class Servers(Protocol):
    """What verify asks of Kafka and Weaviate. All of it may raise ``Unavailable``."""

    def measure(self) -> Measure: ...

    def look(self, spool: Spool) -> Look: ...

    def mender(self, look: Look) -> Mending: ...


class Verify:
    """``wait``: seconds that the workers are given to deal with what is in flight, each time."""

    def __init__(
        self,
        servers: Servers,
        wait: float,
        monotonic: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._servers, self._wait = servers, wait
        self._monotonic, self._pause = monotonic, pause

    async def run(self, repair: bool) -> Report:
        """What is wrong, or what is left of it after mending."""
        found: Sequence[Difference] | None = None
        done: dict[str, int] = {}
        for last in (False,) * ROUNDS + (True,):
            await self._settle()
            with Spool() as spool:
                report, look = await self._judge(spool)
                found = report.differences if found is None else found
                if not repair or last or not report.differences:
                    break
                for name, count in (await self._servers.mender(look).mend(plan_for(report.differences))).items():
                    done[name] = done.get(name, 0) + count
        return replace(report, found=found or (), done=done)

    async def _judge(self, spool: Spool) -> tuple[Report, Look]:
        """The last of a few looks: another one while something in flight may explain what is found."""
        for attempt in range(LOOKS):
            if attempt:
                await self._settle()
                spool.clear()
            before = self._servers.measure()
            look = self._servers.look(spool)
            await compare(look)
            stillness = Stillness(before, self._servers.measure())
            still = [each for each in look.differences if stillness.settled(each)]
            moving = [each for each in look.differences if not stillness.settled(each)]
            if not moving:
                break
        wrong = [each for each in still if not stillness.may_be_open(each)]
        unsettled = len(still) - len(wrong)
        return Report(wrong, moving, stillness.open_events(), look.checked, unsettled=unsettled), look

    async def _settle(self) -> None:
        await wait_until_settled(self._servers.measure, self._wait, self._monotonic, self._pause)
