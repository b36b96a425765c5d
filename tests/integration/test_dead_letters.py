"""Dead letters of a real embedder, dealt with by the real command line as an operator does it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import remove_world
from tests.integration.test_embedder import World, post
from tests.waiting import eventually_async
from workers.config import Settings, child_environment
from workers.domain.events import DeadLetterResolved
from workers.domain.topics import topic_name
from workers.match.main import serving
from workers.stack.setup import prepare_world
from workers.wire.letters import ID, REPLAYS
from workers.wire.records import OutRecord

SECRET = "s3cr3t-Value.9"


@pytest.fixture
def world(settings: Settings) -> World:
    """A fresh namespace."""
    return World(settings)


@pytest.fixture(scope="module")
def empty(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A world in which nothing has died, for commands that change nothing."""
    update = {"namespace": f"d{os.getpid()}", "data_dir": tmp_path_factory.mktemp("dead")}
    settings = stack.model_copy(update=update)
    prepare_world(settings)
    yield settings
    remove_world(settings)


async def dead(settings: Settings, *arguments: str, code: int = 0) -> dict[str, Any]:
    """``streamscout dead … --json`` as a process; what it printed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "workers", "dead", *arguments, "--json"],
        env=child_environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    assert SECRET not in done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return found


async def listed(settings: Settings, *arguments: str) -> dict[str, dict[str, Any]]:
    """What ``dead list`` lists, by id."""
    return {each["id"]: each for each in (await dead(settings, "list", *arguments))["dead_letters"]}


def broken(world: World, name: str) -> Path:
    """A picture that is cut off."""
    root = world.settings.media_root
    assert root is not None
    world.picture(name, "red", "JPEG")
    path = root / name
    path.write_bytes(path.read_bytes()[:300])
    return path


async def test_what_is_mended_is_replayed_and_what_is_not_dies_again_under_its_id(world: World) -> None:
    """A picture mended in its place becomes searchable and its letter is hidden; garbage comes back; both are told."""
    path = broken(world, "a.jpg")
    headers = (("ce_type", b"io.streamscout.PostPublished"), ("authorization", f"Bearer {SECRET}".encode()))
    topic = topic_name(world.settings.namespace, "posts")
    garbage = OutRecord(topic, b"c9", b'{"not": "json', headers)
    stray = world.record(post(1, [], post_id="stray"), "embedder.rekeyed")
    async with world.embedder():
        for record in (world.record(post(1, [path.as_uri()])), garbage):
            world.send(record)
        world.send(OutRecord(stray.topic, b"another key", stray.value, stray.headers))
        await world.records("embedder.dead", 3)
        found = await listed(world.settings, "--since", "1h", "--worker", "embedder")
        by_reason = {each["reason"]: each for each in found.values()}
        assert len(by_reason) == 3
        picture = next(each for reason, each in by_reason.items() if reason.startswith("media_"))
        nonsense, wrong = by_reason["malformed_json"], by_reason["key_mismatch"]
        assert picture["key"] == "c1"
        assert picture["origin"]["topic"] == topic
        assert [each["id"] for each in (await listed(world.settings, "--key", "c9")).values()] == [nonsense["id"]]

        (page,) = (await dead(world.settings, "show", nonsense["id"]))["dead_letters"]
        assert page["value"] == ['{"not": "json']
        assert ["authorization", "***"] in page["headers"]
        (page,) = (await dead(world.settings, "show", picture["id"]))["dead_letters"]
        assert page["event"]["post_id"] == "p1"

        world.picture("a.jpg", "red", "JPEG")
        told = await dead(world.settings, "replay", "--everything", "--dry-run", code=1)
        assert sorted(each["result"] for each in told["outcomes"]) == ["chosen", "chosen", "refused"]
        assert await listed(world.settings) == found

        told = await dead(world.settings, "replay", "--worker", "embedder", "--rate", "100", code=1)
        results = {each["id"]: each["result"] for each in told["outcomes"]}
        assert results == {picture["id"]: "replayed", nonsense["id"]: "replayed", wrong["id"]: "refused"}
        await world.announced(1)
        stored, visuals = await world.objects("p1")
        assert stored is not None
        assert stored.properties["complete"] is True
        assert len(visuals) == 1
        letters = await world.records("embedder.dead", 4)

    again = [letter for letter in letters if dict(letter.headers).get(REPLAYS) == b"1"]
    assert [dict(letter.headers)[ID].decode() for letter in again] == [nonsense["id"]]
    assert [letter.value for letter in again] == [garbage.value]
    assert set(headers) <= set(again[0].headers)
    left = await listed(world.settings)
    assert set(left) == {nonsense["id"], wrong["id"]}
    assert (left[nonsense["id"]]["replays"], left[nonsense["id"]]["attempts"]) == (1, 2)

    await dead(world.settings, "drop", nonsense["id"], wrong["id"], "--why", "a producer that was mended")
    assert await listed(world.settings) == {}
    states = {each["id"]: each["state"] for each in (await listed(world.settings, "--all")).values()}
    assert states == {picture["id"]: "replayed", nonsense["id"]: "dropped", wrong["id"]: "dropped"}
    said = [world.wire.read(record, (DeadLetterResolved,)) for record in await world.records("dead.resolutions", 4)]
    assert {event.dead_id for event in said} == set(states)


async def test_a_replayed_older_revision_changes_nothing(world: World) -> None:
    """Law 6 from end to end: a newer revision was indexed meanwhile, and stays."""
    path = broken(world, "old.jpg")
    good = world.picture("new.png", "blue", "PNG")
    async with world.embedder():
        world.publish(post(1, [path.as_uri()], caption="old words"))
        await world.records("embedder.dead", 1)
        world.publish(post(2, [good], caption="new words"))
        (newer,) = await world.announced(1)
        before = await world.objects("p1")
        world.picture("old.jpg", "red", "JPEG")
        (letter,) = (await listed(world.settings)).values()
        await dead(world.settings, "replay", letter["id"])
        # What is announced again is what is stored: the replay was read, and the newer revision stands.
        assert await world.announced(2) == [newer, newer]
        stored, visuals = await world.objects("p1")
    assert stored is not None
    assert stored.properties == before[0].properties  # type: ignore[union-attr]
    assert stored.properties["caption"] == "new words"
    assert [visual.properties["media_url"] for visual in visuals] == [good]
    assert await listed(world.settings) == {}


async def test_a_post_says_dead_and_why_until_its_replay_is_embedded(world: World) -> None:
    """The API, and `streamscout explain` as a process, while the embedder and the API run."""
    path = broken(world, "b.jpg")
    async with (
        world.embedder(),
        serving(world.settings, asyncio.Event()) as url,
        httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client,
    ):
        assert (await explained(world.settings, url, code=1)) == ""
        world.publish(post(1, [path.as_uri()]))

        async def state() -> dict[str, Any]:
            answer = await client.get("/v1/posts/p1")
            return answer.json() if answer.status_code == 200 else {}

        async def is_dead() -> bool:
            return (await state()).get("state") == "dead"

        async def is_embedded() -> bool:
            return (await state()).get("state") == "embedded"

        await eventually_async(is_dead, timeout=60, message="the post is dead")
        told = await state()
        assert told["reason"].startswith("media_")
        text = await explained(world.settings, url)
        assert told["dead"]["what_to_do"] in text
        assert told["dead"]["dead_id"] in text
        world.picture("b.jpg", "red", "JPEG")
        await dead(world.settings, "replay", told["dead"]["dead_id"])
        await eventually_async(is_embedded, timeout=60, message="the replayed post is embedded")
        assert (await state())["dead"] is None
        assert "is embedded" in await explained(world.settings, url)


async def explained(settings: Settings, url: str, code: int = 0) -> str:
    """``streamscout explain p1`` as a process."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "workers", "explain", "p1", "--api", url],
        env=child_environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["list", "--reason", "nonsense"], 2, "--reason: nonsense"),
        (["list", "--since", "yesterday"], 2, "--since"),
        (["list", "--worker", "nobody"], 2, "--worker: nobody"),
        (["replay"], 2, "--everything"),
        (["replay", "--everything", "--key", "k"], 2, "--everything"),
        (["drop", "--everything"], 2, "--why"),
        (["drop", "--everything", "--why", " "], 2, "--why"),
        (["show", "no-such-id"], 1, "no-such-id"),
        (["replay", "no-such-id"], 1, "no-such-id"),
        (["replay", "--everything"], 0, "nothing was chosen"),
    ],
)
async def test_the_commands_end_with_their_exit_codes(
    empty: Settings, arguments: list[str], code: int, told: str
) -> None:
    """0 done, 1 an unknown letter, 2 usage; the message names what is wrong."""
    done = await asyncio.to_thread(command, empty, arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stdout + done.stderr


async def test_a_broker_that_is_gone_is_exit_code_3(stack: Settings, tmp_path: Path) -> None:
    """Before anything is done."""
    gone = stack.model_copy(update={"kafka_bootstrap": "127.0.0.1:9", "data_dir": tmp_path})
    done = await asyncio.to_thread(command, gone, ["list"])
    assert done.returncode == 3, done.stderr


def command(settings: Settings, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """``streamscout dead …`` as a process."""
    return subprocess.run(
        [sys.executable, "-m", "workers", "dead", *arguments],
        env=child_environment(settings) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
