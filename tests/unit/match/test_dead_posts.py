"""A post's state, from what is stored and what died."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.match.world import NOW, World
from workers.containment.dead_letters import dead_letter
from workers.domain.events import DeadLetterResolved, ErasureRecorded, Event, PostPublished, PostRemoved
from workers.domain.reasons import Reason
from workers.match.dead_posts import DeadPost, DeadPosts, PostLetters
from workers.match.lookup import state_of
from workers.wire.cloudevents import JsonCodec, Wire
from workers.wire.letters import REPLAYS
from workers.wire.records import Dead, InRecord, Position

WIRE = Wire(JsonCodec(), "test", "")
NOW_MS = int(NOW.timestamp() * 1000)


def published(revision: int = 1, post_id: str = "p1") -> PostPublished:
    """A post."""
    return PostPublished.model_validate(
        {
            "post_id": post_id,
            "creator_id": "ann",
            "revision": revision,
            "platform": "web",
            "url": "https://h/p",
            "published_at": "2026-01-01T00:00:00Z",
        }
    )


def letter(event: Event, reason: str = "media_gone", offset: int = 0, replays: int = 0, **changes: Any) -> InRecord:
    """The event as it lies on ``embedder.dead``."""
    source = WIRE.record("posts", event, id="1", time=NOW)
    headers = (*source.headers, (REPLAYS, b"%d" % replays))
    lay = InRecord(Position("posts", 0, offset, "id"), source.key, source.value, headers, NOW_MS)
    detail = "media[0]: https://ana:secret9@h/a.png is gone"
    dead = dead_letter(lay, Dead(reason, detail), "embedder.dead", "embedder", 0, NOW)
    fields = {"key": dead.key, "value": dead.value, "headers": dead.headers, "timestamp_ms": NOW_MS, **changes}
    return InRecord(Position("embedder.dead", 0, offset), **fields)


def resolved(dead_id: str, action: str, replays: int = 1, worker: str = "embedder") -> DeadLetterResolved:
    """What an operator did."""
    raw = {"dead_id": dead_id, "worker": worker, "action": action, "resolved_at": NOW, "replays": replays}
    return DeadLetterResolved.model_validate(raw)


def buried(*records: InRecord, most: int = 10) -> DeadPosts:
    """A view that has read these."""
    posts = DeadPosts(most)
    for record in records:
        PostLetters(posts).take(record, WIRE)
    return posts


def test_the_newest_revision_that_died_is_known_with_why() -> None:
    """A late copy of an older one changes nothing; a removal may die too; secrets are masked."""
    posts = buried(letter(published(2), offset=1), letter(published(1), "media_type"))
    found = posts.get("p1")
    assert found is not None
    assert (found.revision, found.reason, found.creator_id, found.state) == (2, "media_gone", "ann", "dead")
    assert "secret9" not in found.detail
    removal = PostRemoved(post_id="p1", creator_id="ann", revision=3)
    PostLetters(posts).take(letter(removal, "store_refused", 2), WIRE)
    assert posts.get("p1").revision == 3  # type: ignore[union-attr]
    assert posts.get("p2") is None


def test_what_holds_no_post_is_no_posts_state() -> None:
    """Bytes that do not decode, events of other kinds, a letter without a value."""
    bad = [letter(published(), value=b"{"), letter(published(), headers=()), letter(published(), value=None)]
    assert buried(*bad).get("p1") is None


def test_a_replay_hides_a_death_until_the_next_one_and_a_drop_for_ever() -> None:
    """Whichever topic is read first; another worker's resolution is none of ours."""
    first, again = letter(published()), letter(published(), replays=1)
    dead_id = buried(first).get("p1").dead_id  # type: ignore[union-attr]
    for early in (True, False):
        posts = DeadPosts()
        steps = [lambda p=posts: PostLetters(p).take(first, WIRE), lambda p=posts: p.put(resolved(dead_id, "replayed"))]
        for step in steps if early else reversed(steps):
            step()
        assert posts.get("p1").state == "replayed"  # type: ignore[union-attr]
        PostLetters(posts).take(again, WIRE)
        assert posts.get("p1").state == "dead"  # type: ignore[union-attr]
        posts.put(resolved(dead_id, "dropped", worker="indexer"))
        assert posts.get("p1").state == "dead"  # type: ignore[union-attr]
        posts.put(resolved(dead_id, "dropped"))
        assert posts.get("p1").state == "dropped"  # type: ignore[union-attr]
        posts.drop(f"embedder|{dead_id}")
        assert posts.get("p1").state == "dead"  # type: ignore[union-attr]


def test_memory_is_bounded_and_the_longest_unheard_of_goes_first() -> None:
    """Posts as well as resolutions."""
    records = [letter(published(1, f"p{number}"), offset=number) for number in range(5)]
    posts = buried(*records, records[0], most=3)
    assert [number for number in range(5) if posts.get(f"p{number}")] == [0, 3, 4]
    for number in range(5):
        posts.put(resolved(f"unknown-{number}", "dropped"))
    posts.put(resolved(posts.get("p0").dead_id, "dropped"))  # type: ignore[union-attr]
    assert posts.get("p0").state == "dropped"  # type: ignore[union-attr]


def died(revision: int, state: str = "dead") -> DeadPost:
    """A death."""
    return DeadPost("p1", "ann", revision, "id", "media_gone", "", None, NOW, 1, 0, state)  # type: ignore[arg-type]


EMBEDDED, WRITING = {"revision": 2, "complete": True}, {"revision": 2, "complete": False}
REMOVED = {"revision": 2, "removed": True}


@pytest.mark.parametrize(
    ("post", "dead", "state"),
    [
        (None, None, None),
        (None, died(1), "dead"),
        (None, died(1, "replayed"), "published"),
        (None, died(1, "dropped"), None),
        (EMBEDDED, None, "embedded"),
        (EMBEDDED, died(1), "embedded"),
        (EMBEDDED, died(2), "embedded"),
        (EMBEDDED, died(3), "dead"),
        (EMBEDDED, died(3, "replayed"), "embedded"),
        (EMBEDDED, died(3, "dropped"), "embedded"),
        (REMOVED, died(2), "removed"),
        (REMOVED, died(3), "dead"),
        (WRITING, died(1), "published"),
        (WRITING, died(2), "dead"),
    ],
)
def test_the_state_is_that_of_the_newest_revision_that_is_known(
    post: dict[str, Any] | None, dead: DeadPost | None, state: str | None
) -> None:
    """A success with the same or a newer revision makes a dead post embedded again."""
    assert state_of(post, dead) == state


@given(st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_an_older_death_never_hides_what_is_stored(stored: int, revision: int, removed: bool) -> None:
    """For all revisions."""
    post = {"revision": stored, "complete": not removed, "removed": removed}
    assert (state_of(post, died(revision)) == "dead") is (revision > stored)


async def test_the_api_says_dead_and_why(world: World, api: httpx.AsyncClient) -> None:
    """Of a post of which nothing is stored, and of an edit that died while the older revision is found."""
    PostLetters(world.dead).take(letter(published(7, "new")), WIRE)
    new = (await api.get("/v1/posts/new")).json()
    assert (new["state"], new["revision"], new["creator_id"]) == ("dead", 7, "ann")
    assert (new["reason"], new["searchable_revision"], new["pictures"]) == ("media_gone", None, [])
    assert new["dead"]["meaning"] == Reason.MEDIA_GONE.meaning
    assert new["dead"]["what_to_do"] == Reason.MEDIA_GONE.what_to_do
    assert "media[0]" in new["dead"]["detail"]
    world.post("here", visual="bread", caption="bread")
    before = (await api.get("/v1/posts/here")).json()
    PostLetters(world.dead).take(letter(published(before["revision"] + 1, "here"), "store_refused"), WIRE)
    here = (await api.get("/v1/posts/here")).json()
    assert (here["state"], here["searchable_revision"]) == ("dead", before["revision"])
    assert here["dead"]["detail"] is None
    world.dead.put(resolved(here["dead"]["dead_id"], "dropped"))
    assert (await api.get("/v1/posts/here")).json() == before
    world.dead.put(resolved(new["dead"]["dead_id"], "replayed"))
    assert (await api.get("/v1/posts/new")).json()["state"] == "published"
    world.dead.put(resolved(new["dead"]["dead_id"], "dropped"))
    assert (await api.get("/v1/posts/new")).status_code == 404


async def test_an_erased_creators_dead_posts_are_not_told(world: World, api: httpx.AsyncClient) -> None:
    """Nothing of theirs is, from the moment of the erasure."""
    PostLetters(world.dead).take(letter(published(1, "theirs")), WIRE)
    assert (await api.get("/v1/posts/theirs")).status_code == 200
    world.erasures.put(ErasureRecorded(creator_hash=world.erasures.key.hash("ann"), erased=True, recorded_at=NOW))
    assert (await api.get("/v1/posts/theirs")).status_code == 404
