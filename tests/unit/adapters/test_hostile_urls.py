"""The hostile addresses, through the fetcher: refused by their code, asked for directly and as a redirect."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest

from tests.fakes.media import MediaHost
from tests.hostile.urls import FORBIDDEN, LATER, NAMES, PUBLIC, Hostile, urls
from workers.adapters.media import MediaFetcher
from workers.config import Settings
from workers.domain.media import InvalidMedia, MediaUnavailable

ALL = list(urls())
EACH = pytest.mark.parametrize("hostile", ALL, ids=lambda hostile: hostile.name)


class Internet:
    """A name server that knows ``names``, and one public address, behind which is the loopback; ``dialled`` lists."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, ...]] = dict(NAMES)
        self.dialled: list[str] = []
        self.asked: list[str] = []
        self._numbers = socket.getaddrinfo
        self._connect = httpcore.AnyIOBackend.connect_tcp

    def look_up(self, name: str, port: int, **more: Any) -> list[Any]:
        self.asked.append(name)
        try:
            return list(self._numbers(name, port, flags=socket.AI_NUMERICHOST, **more))
        except socket.gaierror:
            name.encode("idna")  # which the real one does first
            if name not in self.names:
                raise
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.names[name]]

    async def connect(self, backend: Any, host: str, port: int, *rest: Any, **more: Any) -> Any:
        self.dialled.append(host)
        return await self._connect(backend, "127.0.0.1", port, *rest, **more)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    """In the place of the real one: no test asks a name server."""
    net = Internet()

    async def connect(backend: Any, host: str, port: int, *rest: Any, **more: Any) -> Any:
        return await net.connect(backend, host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", net.look_up)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    return net


@pytest.fixture
def host() -> Iterator[MediaHost]:
    """What answers at the public address."""
    with MediaHost() as host:
        yield host


async def verdict(url: str) -> tuple[str, str]:
    """The code and the text of a refusal; ``later`` where the fetcher would try again."""
    async with MediaFetcher(Settings()) as media:
        try:
            await media.fetch(url)
        except InvalidMedia as error:
            return str(error.reason), error.detail
        except MediaUnavailable as error:
            return LATER, str(error)
    return "fetched", ""


def test_there_are_many_and_each_is_named_once() -> None:
    """Forty are asked for."""
    assert len(ALL) >= 40
    assert len({hostile.url for hostile in ALL}) == len({hostile.name for hostile in ALL}) == len(ALL)


@EACH
async def test_an_address_is_refused_by_its_code_and_nobody_is_connected_to(
    internet: Internet, hostile: Hostile
) -> None:
    """Nor is a credential quoted."""
    code, text = await verdict(hostile.url)
    assert code == hostile.verdict, text
    assert internet.dialled == []
    assert "secret" not in text


REDIRECTED = [one for one in ALL if one.verdict == FORBIDDEN and one.url.isascii() and not one.name.startswith("file")]


@pytest.mark.parametrize("hostile", REDIRECTED, ids=lambda hostile: hostile.name)
async def test_a_public_host_that_redirects_there_gains_nothing(
    internet: Internet, host: MediaHost, hostile: Hostile
) -> None:
    """Only the first host is connected to."""
    host.answers["/a"] = (302, {"Location": hostile.url}, b"")
    code, text = await verdict(f"http://good.example:{host.port}/a")
    assert code == hostile.verdict, text
    assert internet.dialled == [PUBLIC]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://xn--/", "media_unsupported"),
        ("http://good.example:99999/", "media_unsupported"),
        ("http://[::1/", "media_unsupported"),
        ("http://[fe80::1%25eth0]/", "media_unsupported"),
        ("http://" + "a" * 64 + ".example/", "media_unsupported"),
        ("gopher://10.0.0.1/", "media_unsupported"),
        ("file:///etc/passwd", "media_forbidden"),
        ("//10.0.0.1/", "media_forbidden"),
        ("\\\\10.0.0.1/", "media_gone"),
    ],
)
async def test_a_broken_location_is_refused(internet: Internet, host: MediaHost, location: str, code: str) -> None:
    """What is no address ends the post, not the worker; a backslash is a letter of a path."""
    host.answers["/a"] = (302, {"Location": location}, b"")
    assert (await verdict(f"http://good.example:{host.port}/a"))[0] == code
    assert internet.dialled[0] == PUBLIC
    assert set(internet.dialled) == {PUBLIC}


async def test_a_name_that_turns_private_between_two_requests_is_refused(internet: Internet, host: MediaHost) -> None:
    """Each redirect is looked up anew, and what was looked up is what is connected to."""
    host.answers["/a"] = (302, {"Location": f"http://turning.example:{host.port}/b", "Connection": "close"}, b"")
    internet.names["turning.example"] = ("127.0.0.1",)
    assert (await verdict(f"http://good.example:{host.port}/a"))[0] == FORBIDDEN
    assert internet.asked == ["good.example", "turning.example"]
    assert internet.dialled == [PUBLIC]


async def test_a_refusal_does_not_tell_where_a_name_leads(internet: Internet) -> None:
    """Callers of the API read it: they would learn what only our own name server knows."""
    code, text = await verdict("http://private.example/a")
    assert code == FORBIDDEN
    assert "private.example" in text
    assert "10.0.0.1" not in text


async def test_the_public_address_itself_is_fetched(internet: Internet, host: MediaHost) -> None:
    """The tests above refuse for what they say, not for how they are made."""
    host.answers["/a"] = (200, {}, b"picture")
    assert (await verdict(f"http://good.example:{host.port}/a"))[0] == "fetched"
    assert internet.dialled == [PUBLIC]
