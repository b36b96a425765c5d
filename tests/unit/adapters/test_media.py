"""Fetching pictures from strangers' addresses."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.media import Answer, MediaHost
from tests.videos import video
from workers.adapters.media import MediaFetcher
from workers.config import Settings
from workers.domain.addresses import is_public
from workers.domain.media import InvalidMedia, MediaUnavailable


@pytest.fixture
def host() -> Iterator[MediaHost]:
    """A host of pictures on the loopback."""
    with MediaHost() as host:
        yield host


async def fetch(url: str, **settings: object) -> bytes:
    """By a fetcher of its own; private hosts are allowed unless told otherwise."""
    async with MediaFetcher(Settings.model_validate({"media_private_hosts": True, **settings})) as media:
        return await media.fetch(url)


async def refused(url: str, **settings: object) -> InvalidMedia:
    """The error of an address that is refused for good."""
    with pytest.raises(InvalidMedia) as caught:
        await fetch(url, **settings)
    return caught.value


async def test_a_file_under_the_root_is_read(tmp_path: Path) -> None:
    """By its absolute path, with escapes."""
    (tmp_path / "a b%.png").write_bytes(b"picture")
    assert await fetch((tmp_path / "a b%.png").as_uri(), media_root=tmp_path) == b"picture"


async def test_no_file_is_read_without_a_root(tmp_path: Path) -> None:
    """The setting names the one directory."""
    (tmp_path / "a").write_bytes(b"picture")
    assert (await refused((tmp_path / "a").as_uri())).reason == "media_forbidden"


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/../secret", "{root}/link", "{root}/../nothing", "{root}2/a"])
async def test_a_file_outside_the_root_is_forbidden_whether_it_is_there_or_not(tmp_path: Path, path: str) -> None:
    """Links and dots are followed first; the answer does not tell what lies outside."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root2").mkdir()
    for name in ("secret", "root2/a"):
        (tmp_path / name).write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    error = await refused("file://" + path.format(root=root), media_root=root)
    assert error.reason == "media_forbidden"
    assert str(tmp_path) not in error.detail


async def test_a_missing_file_is_gone_and_a_directory_unsupported(tmp_path: Path) -> None:
    """Each with its own reason."""
    assert (await refused((tmp_path / "none").as_uri(), media_root=tmp_path)).reason == "media_gone"
    assert (await refused(tmp_path.as_uri(), media_root=tmp_path)).reason == "media_unsupported"


async def test_a_file_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    """Before it is read whole."""
    (tmp_path / "a").write_bytes(b"x" * 2000)
    error = await refused((tmp_path / "a").as_uri(), media_root=tmp_path, media_max_bytes=1024)
    assert error.reason == "media_too_large"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/a", "media_unsupported"),
        ("gopher://example.com/a", "media_unsupported"),
        ("data:image/png;base64,AAAA", "media_unsupported"),
        ("a.png", "media_unsupported"),
        ("http://", "media_unsupported"),
        ("http://[::1", "media_unsupported"),
        ("http://user:secret@example.com/a", "media_forbidden"),
        ("file://elsewhere/a", "media_forbidden"),
    ],
)
async def test_addresses_that_are_not_read_are_refused_by_name(url: str, reason: str) -> None:
    """Other schemes, credentials, other machines' files."""
    error = await refused(url)
    assert error.reason == reason
    assert "secret" not in error.detail


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0177.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_private_hosts_are_refused_in_every_spelling(host: MediaHost, name: str) -> None:
    """The address that is looked up counts, not how it is written."""
    host.answers["/a"] = (200, {}, b"secret")
    error = await refused(f"http://{name}:{host.port}/a", media_private_hosts=False)
    # httpx takes numbers in octal for no host at all.
    assert error.reason == ("media_unsupported" if name.startswith("0177") else "media_forbidden")
    assert not host.asked


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("2002:5db8:d822::1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", False),
        ("64:ff9b:1::a00:1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("::127.0.0.1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("fd00:ec2::254", False),
        ("2a00:1450:4001:81b::5efe:a00:1", False),
        ("2001:db8::1", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("100.100.100.200", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("192.88.99.1", False),
        ("9.9.9.9", True),
        ("2a00:1450:4001:81b::200e", True),
    ],
)
def test_what_counts_as_a_public_address(address: str, public: bool) -> None:
    """Neither an own network nor an IPv4 address of one inside IPv6."""
    assert is_public(address) is public


async def test_a_host_is_connected_to_at_the_address_that_was_checked(
    host: MediaHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers otherwise the second time gains nothing."""
    host.answers["/a"] = (200, {}, b"picture")
    real, asked = socket.getaddrinfo, []

    def rebinding(name: object, port: object, *rest: object, **more: object) -> object:
        if name == "rebind.example":
            asked.append(name)
            return real("127.0.0.1", port, *rest, **more)  # type: ignore[arg-type]
        return real(name, port, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert await fetch(f"http://rebind.example:{host.port}/a") == b"picture"
    assert asked == ["rebind.example"]
    assert (
        await refused(f"http://rebind.example:{host.port}/a", media_private_hosts=False)
    ).reason == "media_forbidden"


async def test_redirects_are_followed_and_counted(host: MediaHost) -> None:
    """As many as allowed, and no more."""
    for n in range(4):
        host.answers[f"/{n}"] = (302, {"Location": f"/{n + 1}"}, b"")
    host.answers["/4"] = (200, {}, b"picture")
    assert await fetch(f"{host.url}/1", media_max_redirects=3) == b"picture"
    assert (await refused(f"{host.url}/0", media_max_redirects=3)).reason == "media_unsupported"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "media_forbidden"),
        ("ftp://example.com/a", "media_unsupported"),
        ("http://u:p@e.com/", "media_forbidden"),
    ],
)
async def test_a_redirect_is_checked_like_any_address(host: MediaHost, location: str, reason: str) -> None:
    """It is one more address from a stranger."""
    host.answers["/a"] = (302, {"Location": location}, b"")
    assert (await refused(f"{host.url}/a", media_root=Path("/"))).reason == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "media_gone"),
        (410, "media_gone"),
        (401, "media_forbidden"),
        (403, "media_forbidden"),
        (400, "media_unsupported"),
        (304, "media_unsupported"),
    ],
)
async def test_answers_that_are_final(host: MediaHost, status: int, reason: str) -> None:
    """403 is what an expired signed address answers."""
    host.answers["/a"] = (status, {}, b"")
    assert (await refused(f"{host.url}/a?signature=secret")).reason == reason


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_answers_that_mean_later(host: MediaHost, status: int) -> None:
    """And that quote no signature."""
    host.answers["/a"] = (status, {}, b"")
    with pytest.raises(MediaUnavailable, match=str(status)) as caught:
        await fetch(f"{host.url}/a?signature=secret")
    assert "secret" not in str(caught.value)


async def test_a_host_that_does_not_answer_means_later(host: MediaHost) -> None:
    """After the time for one download."""
    release = threading.Event()

    def slow() -> Answer:
        release.wait(20)
        return 200, {}, b"picture"

    host.answers["/a"] = slow
    try:
        with pytest.raises(MediaUnavailable):
            await fetch(f"{host.url}/a", media_seconds=0.2)
    finally:
        release.set()


async def test_nobody_listening_means_later() -> None:
    """A host may be starting; a name that is unknown may become known."""
    with MediaHost() as host:
        port = host.port
    for name in ("127.0.0.1", "no-such-host.invalid"):
        with pytest.raises(MediaUnavailable):
            await fetch(f"http://{name}:{port}/a")


async def test_bytes_are_counted_while_reading(host: MediaHost) -> None:
    """Whatever the host says of their number."""
    host.answers["/a"] = (200, {"Connection": "close"}, b"x" * 5000)
    assert (await refused(f"{host.url}/a", media_max_bytes=1024)).reason == "media_too_large"


async def test_a_video_may_have_more_bytes_than_a_picture(host: MediaHost, tmp_path: Path) -> None:
    """Whatever it is called, and wherever it lies; what only says that it is large, and shows no video, is refused."""
    film = video()
    host.answers["/a.jpg"] = (200, {"Content-Type": "image/jpeg"}, film)
    host.answers["/b.mp4"] = (200, {"Content-Type": "video/mp4"}, b"x" * 3000)
    (tmp_path / "a.jpg").write_bytes(film)
    large: dict[str, object] = {"media_max_bytes": 1024, "media_max_video_bytes": len(film)}
    assert await fetch(f"{host.url}/a.jpg", **large) == film
    assert await fetch((tmp_path / "a.jpg").as_uri(), **{"media_root": tmp_path, **large}) == film
    assert (await refused(f"{host.url}/b.mp4", **large)).reason == "media_too_large"
    small: dict[str, object] = {"media_max_bytes": 1024, "media_max_video_bytes": len(film) - 1}
    assert (await refused(f"{host.url}/a.jpg", **small)).reason == "media_too_large"
    assert (
        await refused((tmp_path / "a.jpg").as_uri(), **{"media_root": tmp_path, **small})
    ).reason == "media_too_large"


async def test_no_more_large_videos_are_in_memory_than_allowed(host: MediaHost) -> None:
    """The next one comes later, and its host is not said to have been asked in vain; pictures are let through."""
    host.answers |= {"/film": (200, {}, video()), "/picture": (200, {}, b"x" * 1000)}
    settings = Settings(media_private_hosts=True, media_max_bytes=1024, media_videos_at_once=1, media_line_seconds=0.2)
    async with MediaFetcher(settings) as media:
        async with media.opened(f"{host.url}/film"):
            with pytest.raises(MediaUnavailable) as caught:
                await media.fetch(f"{host.url}/film")
            assert not caught.value.asked
            assert await media.fetch(f"{host.url}/picture") == b"x" * 1000
        assert await media.fetch(f"{host.url}/film") == video()


async def test_no_more_downloads_run_at_once_than_allowed(host: MediaHost) -> None:
    """The rest wait for their turn."""
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=20)

    def counted() -> Answer:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1
        return 200, {}, b"picture"

    host.answers = {f"/{n}": counted for n in range(6)}
    async with MediaFetcher(Settings(media_private_hosts=True, media_concurrency=2)) as media:
        await asyncio.gather(*(media.fetch(f"{host.url}/{n}") for n in range(6)))
    assert most == 2
