"""Whatever one picture host does, the turns of the others are not its to use up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from workers.adapters.media_hosts import KEPT, Hosts
from workers.config import Settings
from workers.domain.media import InvalidMedia, MediaUnavailable


class Watch:
    """A clock moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    """A fresh one."""
    return Watch()


@pytest.fixture
def hosts(watch: Watch) -> Hosts:
    """Two at once, and no long line."""
    settings = Settings(
        media_host_concurrency=2, media_line_seconds=0.05, media_host_rate=1e6, retry_seconds=2, retry_max_seconds=5
    )
    return Hosts(settings, watch)


async def failing(hosts: Hosts, after: float | None = None, name: str = "slow") -> None:
    """One request that the host answers with later."""
    with pytest.raises(MediaUnavailable):
        async with hosts.turn(name):
            raise MediaUnavailable("busy", after)


async def left_alone(hosts: Hosts, name: str = "slow") -> MediaUnavailable:
    """The answer without asking."""
    with pytest.raises(MediaUnavailable) as caught:
        async with hosts.turn(name):
            pytest.fail("the host was asked")
    assert not caught.value.asked
    return caught.value


async def test_a_host_has_so_many_turns_and_others_have_theirs(hosts: Hosts) -> None:
    """Who finds a long line comes later, uncounted; another host's turn is free."""
    async with hosts.turn("slow"), hosts.turn("slow"):
        await left_alone(hosts)
        async with hosts.turn("other"):
            pass
    async with hosts.turn("slow"):
        pass


async def test_a_host_that_says_when_is_left_alone_until_then(hosts: Hosts, watch: Watch) -> None:
    """By everybody, from the first time; and they come back one after the other."""
    await failing(hosts, after=60.0)
    first, second = await left_alone(hosts), await left_alone(hosts)
    assert first.after is not None
    assert second.after is not None
    assert 60.0 < first.after < second.after
    async with hosts.turn("other"):
        pass
    watch.now += 60.0
    async with hosts.turn("slow"):
        pass


async def test_three_failures_in_a_row_are_a_rest_that_grows(hosts: Hosts, watch: Watch) -> None:
    """Up to the longest pause; one success and all is forgotten."""
    rests = []
    for _ in range(2):
        await failing(hosts)
    for _ in range(4):
        await failing(hosts)
        rests.append((await left_alone(hosts)).after)
        watch.now += 5.0
    assert rests == pytest.approx([2.0, 4.0, 5.0, 5.0], abs=0.01)
    async with hosts.turn("slow"):
        pass
    for _ in range(2):
        await failing(hosts)
    async with hosts.turn("slow"):
        pass


async def test_a_picture_that_is_wrong_is_no_fault_of_the_host(hosts: Hosts) -> None:
    """404 is an answer."""
    for _ in range(2):
        await failing(hosts)
    with pytest.raises(InvalidMedia):
        async with hosts.turn("slow"):
            raise InvalidMedia("media_gone", "HTTP 404")
    await failing(hosts)
    async with hosts.turn("slow"):
        pass


async def test_requests_to_a_host_begin_no_faster_than_its_rate(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many as may run at once."""
    hosts = Hosts(Settings(media_host_concurrency=2, media_host_rate=10.0), watch)
    pauses: list[float] = []
    real: Callable[[float], object] = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(round(seconds, 3))
        watch.now += seconds
        await real(0)  # type: ignore[misc]

    monkeypatch.setattr(asyncio, "sleep", noted)
    for _ in range(5):
        async with hosts.turn("slow"):
            pass
    assert pauses == [0.0, 0.0, 0.1, 0.1, 0.1]


async def test_no_more_hosts_are_remembered_than_allowed(hosts: Hosts) -> None:
    """Strangers can name any number; one that is in use stays."""
    async with hosts.turn("used"):
        for number in range(KEPT + 50):
            async with hosts.turn(f"h{number}"):
                pass
        assert len(hosts._hosts) == KEPT
        assert "used" in hosts._hosts
