"""Erasures in the creators worker on the real Kafka: a crash that loses tombstones, a window that is read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.integration.test_creators import RUN, START, Embedding, Stream, Worker, World, encoded, start, world
from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.creators.fold import Rows, fold_rows
from workers.creators.rows import newer, post_row, profile_row, standing_key
from workers.creators.updates import creator_updated
from workers.domain.events import CreatorErased, CreatorReinstated, CreatorUpdated, ProfileEmbedded
from workers.process.erasures import erasure_key
from workers.wire.standing import Standing

__all__ = ["start", "world"]
Said = Embedding | CreatorErased | CreatorReinstated
SENDS_NO_TOMBSTONE = f"""
import asyncio
from faust.transport.drivers.aiokafka import Producer

send = Producer.send

async def held(self, topic, key, value, *args, **options):
    if topic.endswith("creators.changelog") and value is None:
        await asyncio.Event().wait()
    return await send(self, topic, key, value, *args, **options)

Producer.send = held
{RUN}
"""
"""A worker whose records leave it in order, up to the first deletion of a row."""


def erased(creator: str, hour: int) -> CreatorErased:
    """An erasure asked for at an hour."""
    return CreatorErased(creator_id=creator, requested_at=START + timedelta(hours=hour))


def reinstated(creator: str, hour: int) -> CreatorReinstated:
    """A reinstatement asked for at an hour."""
    return CreatorReinstated(creator_id=creator, requested_at=START + timedelta(hours=hour))


def publish(world: World, events: list[Said]) -> None:
    """On ``embeddings``, each creator's in this order."""
    world.send([world.record(event) for event in events])


def must_be(world: World, events: list[Said]) -> tuple[dict[str, Rows], dict[str, bool]]:
    """Rows by creator, and whether each whose standing was ever said is erased: one event after the other."""
    rows: dict[str, Rows] = {}
    said: dict[str, tuple[object, bool]] = {}
    for event in events:
        creator = event.creator_id
        if isinstance(event, CreatorErased | CreatorReinstated):
            rank = (event.requested_at, isinstance(event, CreatorErased))
            if creator not in said or rank >= said[creator]:  # type: ignore[operator]
                said[creator] = rank
                if rank[1]:
                    rows.pop(creator, None)
        elif not said.get(creator, (None, False))[1]:
            known = rows.get(creator, Rows())
            if isinstance(event, ProfileEmbedded):
                profile = newer(known.profile, profile_row(event, world.dimensions))
                rows[creator] = Rows(known.posts, profile)
            else:
                post = post_row(event, world.fold.caption_weight, world.dimensions)
                posts = {**known.posts, event.post_id: newer(known.posts.get(event.post_id), post)}
                rows[creator] = Rows(posts, known.profile)
    return rows, {creator: rank[1] for creator, rank in said.items()}


def holds(world: World, events: list[Said]) -> None:
    """Topic and changelog say what the events in their order say, and nothing else."""
    rows, standings = must_be(world, events)
    expected = {creator: creator_updated(fold_rows(creator, rows[creator], world.fold), world.fold) for creator in rows}
    assert newest(world.settings, "creators", [CreatorUpdated]) == expected
    newest_rows = {record.key or b"": record.value for record in read_topic(world.settings, "creators.changelog")}
    kept = {key: value for key, value in newest_rows.items() if value is not None}
    key = erasure_key(world.settings)
    found = {creator: Standing.decode(kept.pop(standing_key(key.hash(creator)))).erased for creator in standings}
    assert found == standings
    assert kept == {key: value for creator in rows for key, value in encoded(creator, rows[creator]).items()}


def test_tombstones_of_rows_that_a_crash_lost_are_written_by_the_next_process(
    world: World, start: Callable[..., Worker]
) -> None:
    """Killed when the erasure is noted and nothing behind it has left the process: the changelog keeps no row of it."""
    events: list[Said] = []
    for creator in ("creator-1", "creator-2"):
        own = [event.model_copy(update={"creator_id": creator}) for event in Stream(world, seed=8).take(20)]
        events += [*own[:10], erased(creator, 1), *own[10:]]
    publish(world, events)
    worker = start(SENDS_NO_TOMBSTONE)
    key = erasure_key(world.settings)
    noted = {standing_key(key.hash(creator)) for creator in ("creator-1", "creator-2")}
    eventually(lambda: any(record.key in noted for record in read_topic(world.settings, "creators.changelog")), 60)
    worker.kill()
    start()
    eventually(world.settled, 60, "everything is committed")
    holds(world, events)


def test_a_window_that_is_read_again_after_the_reinstatement_brings_nothing_back(
    world: World, start: Callable[[], Worker]
) -> None:
    """All had landed but the commits: they are taken back, and a worker on the same rows reads from the beginning."""
    events: list[Said] = []
    for creator in ("creator-1", "creator-2", "creator-3"):
        own = [event.model_copy(update={"creator_id": creator}) for event in Stream(world, seed=9).take(30)]
        events += [*own[:10], erased(creator, 1), *own[10:20], reinstated(creator, 2)]
        events += {"creator-1": own[20:], "creator-2": [], "creator-3": [*own[20:], erased(creator, 3)]}[creator]
    publish(world, events)
    worker = start()
    eventually(world.settled, 60, "everything is committed")
    holds(world, events)
    assert worker.stop() == 0
    said = sum(world.ends("creators"))
    world.take_commits_back()
    start()
    eventually(lambda: sum(world.ends("creators")) > said, 60, "it is read again")
    eventually(world.settled, 60, "everything is committed")
    holds(world, events)
