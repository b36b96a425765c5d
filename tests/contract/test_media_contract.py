"""What both the fetcher and its fake promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.fakes.media import MediaHost, MemoryMedia
from workers.adapters.media import MediaFetcher
from workers.config import Settings
from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.embedder.ports import Media


@dataclass
class Case:
    """A source of pictures, and addresses of one that is there, one that is gone and one that is busy."""

    media: Media
    there: str
    gone: str
    busy: str


@pytest.fixture
def host() -> Iterator[MediaHost]:
    """A host with one picture and one page that is overloaded."""
    with MediaHost() as host:
        host.answers = {"/there": (200, {}, b"picture"), "/busy": (503, {}, b"")}
        yield host


@pytest.fixture(params=["memory", "http"])
async def case(request: pytest.FixtureRequest, host: MediaHost) -> AsyncIterator[Case]:
    """The fake and the real one."""
    if request.param == "memory":
        fake = MemoryMedia({"mem:there": b"picture"})
        fake.busy.add("mem:busy")
        yield Case(fake, "mem:there", "mem:gone", "mem:busy")
        return
    async with MediaFetcher(Settings(media_private_hosts=True)) as media:
        yield Case(media, f"{host.url}/there", f"{host.url}/gone", f"{host.url}/busy")


async def test_a_picture_that_is_there_is_its_bytes(case: Case) -> None:
    """Untouched."""
    assert await case.media.fetch(case.there) == b"picture"


async def test_a_picture_that_is_gone_is_invalid_for_good(case: Case) -> None:
    """With a code of the closed list."""
    with pytest.raises(InvalidMedia) as caught:
        await case.media.fetch(case.gone)
    assert caught.value.reason == "media_gone"


async def test_a_busy_host_means_later(case: Case) -> None:
    """It may answer the next time."""
    with pytest.raises(MediaUnavailable):
        await case.media.fetch(case.busy)
