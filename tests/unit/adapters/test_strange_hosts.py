"""Hosts that answer as no host should, byte by byte: each ends as one of the fetcher's two errors."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.hostile.files import png
from tests.waiting import eventually
from workers.adapters import media as media_adapter
from workers.adapters import media_decode
from workers.adapters.media import MediaFetcher
from workers.adapters.media_decode import Decoder
from workers.config import REPOSITORY, Settings
from workers.domain.media import InvalidMedia, MediaUnavailable
from workers.domain.model_card import load_model_card

OK = b"HTTP/1.1 200 OK\r\n"
Says = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def host(says: Says, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a host that reads each request's head and then writes what it likes, until it is cut off."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await says(await reader.readuntil(b"\r\n\r\n"), writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def fetcher(**settings: object) -> MediaFetcher:
    """With small limits on bytes and time."""
    limits = {"media_private_hosts": True, "media_max_bytes": 10_000, "media_seconds": 20.0}
    return MediaFetcher(Settings.model_validate({**limits, **settings}))


def whole(body: bytes, headers: bytes = b"") -> Says:
    """One answer, and its length."""

    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    return says


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Says:
    """An answer that never ends."""

    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return says


async def refusal(says: Says, **settings: object) -> str:
    """The code for which the host's picture is refused for good."""
    async with host(says) as url, fetcher(**settings) as media:
        with pytest.raises(InvalidMedia) as caught:
            await media.fetch(f"{url}/a")
    return str(caught.value.reason)


@pytest.mark.parametrize("packed", [gzip.compress(b"picture"), zlib.compress(b"picture")], ids=["gzip", "deflate"])
async def test_what_a_host_packs_unasked_is_unpacked(packed: bytes) -> None:
    """Some do, whatever is asked for."""
    async with host(whole(packed, b"Content-Encoding: gzip\r\n")) as url, fetcher() as media:
        assert await media.fetch(url) == b"picture"


async def test_a_bomb_in_the_content_encoding_is_refused_at_the_limit() -> None:
    """Twenty megabytes in twenty kilobytes; the packed ones are within the limit."""
    bomb = gzip.compress(bytes(20_000_000), 9)
    assert await refusal(whole(bomb, b"Content-Encoding: gzip\r\n"), media_max_bytes=len(bomb) + 1) == "media_too_large"


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (b"no gzip at all", b"gzip", "media_corrupt"),
        (gzip.compress(b"picture" * 99)[:-9], b"gzip", "media_corrupt"),
        (gzip.compress(b"picture"), b"gzip, gzip", "media_unsupported"),
        (b"picture", b"br", "media_unsupported"),
        (b"", b"deflate", "media_corrupt"),
    ],
    # gzip writes the time into its bytes, and every process of `pytest -n` must name the tests alike.
    ids=["not packed", "cut off", "packed twice", "not asked for", "empty"],
)
async def test_a_broken_content_encoding_is_refused(body: bytes, encoding: bytes, code: str) -> None:
    """Not packed, cut off, packed twice, or in a way that was not asked for."""
    assert await refusal(whole(body, b"Content-Encoding: %s\r\n" % encoding)) == code


async def test_an_endless_body_in_pieces_is_refused_at_the_limit() -> None:
    """It says no length, and would never end."""
    says = endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert await refusal(says) == "media_too_large"


@pytest.mark.parametrize("head", [OK + b"Content-Length: 9000\r\n\r\n", OK], ids=["body", "headers"])
async def test_a_slow_drip_means_later(head: bytes) -> None:
    """Each piece comes in time, the whole never: the time is for all of it."""
    piece = b"x" if head.endswith(b"\r\n\r\n") else b"X: y\r\n"
    async with host(endless(head, piece, 0.01)) as url, fetcher(media_seconds=0.4) as media:
        with pytest.raises(MediaUnavailable):
            await media.fetch(f"{url}/a")


async def test_a_late_first_byte_means_later() -> None:
    """Long before the time for the whole download."""
    never = asyncio.Event()

    async def says(_: bytes, writer: asyncio.StreamWriter) -> None:
        await never.wait()

    async with host(says) as url, fetcher(media_first_byte_seconds=0.1, media_seconds=3600.0) as media:
        task = asyncio.create_task(media.fetch(f"{url}/a"))
        with pytest.raises(MediaUnavailable):
            await task
        never.set()


async def test_a_flood_of_headers_means_later_and_is_cut_off() -> None:
    """They are held in memory until the last: so many kilobytes and no more."""
    async with host(endless(OK, b"X-Flood: " + b"y" * 1000 + b"\r\n")) as url, fetcher() as media:
        with pytest.raises(MediaUnavailable, match="ProtocolError"):
            await media.fetch(f"{url}/a")


@pytest.mark.parametrize("believed", [False, True], ids=["stranger", "believed"])
async def test_a_host_whose_certificate_nobody_vouches_for_is_asked_for_nothing(
    believed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the environment vouches for it: only the usual authorities count. One of those is answered."""
    authority, heads = Authority(tmp_path), list[bytes]()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*authority.issue("host"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    if believed:
        monkeypatch.setattr(media_adapter, "verified", lambda: ssl.create_default_context(cafile=authority.file))

    async def says(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        await whole(b"picture")(head, writer)

    async with host(says, server) as url, fetcher() as media:
        if believed:
            assert await media.fetch(f"{url}/a") == b"picture"
        else:
            with pytest.raises(MediaUnavailable, match="certificate"):
                await media.fetch(f"{url}/a")
    assert len(heads) == believed


async def test_no_cookie_credential_or_referrer_is_sent() -> None:
    """Not even to the host that set one, on the connection that it set it on."""
    heads: list[bytes] = []

    async def says(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head.lower())
        if len(heads) == 1:
            writer.write(b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b; Path=/\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(OK + b"Set-Cookie: c=d\r\nContent-Length: 7\r\n\r\npicture")

    async with host(says) as url, fetcher() as media:
        assert await media.fetch(f"{url}/a") == b"picture"
        assert await media.fetch(f"{url}/c") == b"picture"
    assert len(heads) == 3
    for head in heads:
        names = {line.split(b":")[0] for line in head.splitlines()[1:] if line}
        assert names == {b"host", b"user-agent", b"accept", b"accept-encoding"}


async def test_a_pipe_and_a_socket_are_no_pictures(tmp_path: Path) -> None:
    """Nobody writes to the pipe: opening it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        async with fetcher(media_root=tmp_path) as media:
            for name in ("pipe", "socket"):
                with pytest.raises(InvalidMedia) as caught:
                    await media.fetch((tmp_path / name).as_uri())
                assert caught.value.reason == "media_unsupported"


async def test_links_below_the_root_are_not_followed_even_where_they_lead_inside(tmp_path: Path) -> None:
    """Where a link leads may change between the look and the reading."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"picture")
    (tmp_path / "file").symlink_to(tmp_path / "folder" / "a")
    (tmp_path / "way").symlink_to(tmp_path / "folder")
    async with fetcher(media_root=tmp_path) as media:
        assert await media.fetch((tmp_path / "folder" / "a").as_uri()) == b"picture"
        for name in ("file", "way/a"):
            with pytest.raises(InvalidMedia) as caught:
                await media.fetch((tmp_path / name).as_uri())
            assert caught.value.reason == "media_forbidden"


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (2 * 48 * 32, 2), (100 * 48 * 32, 4)])
def test_no_more_pixels_are_decoded_at_once_than_allowed(
    monkeypatch: pytest.MonkeyPatch, at_once: int, most: int
) -> None:
    """A picture that is larger than that is decoded alone."""
    lock, release, running, seen = threading.Lock(), threading.Event(), 0, [0]
    decoder = Decoder(Settings(), load_model_card(REPOSITORY / "triton_models"), at_once)
    loaded = media_decode.loaded

    def counted(image: object) -> object:
        nonlocal running
        with lock:
            running += 1
            seen.append(running)
        release.wait(20)
        with lock:
            running -= 1
        return loaded(image)

    monkeypatch.setattr("workers.adapters.media_decode.loaded", counted)
    threads = [threading.Thread(target=decoder, args=(png(),), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: max(seen) >= most)
    release.set()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert max(seen) == most
    assert len(seen) == 5
