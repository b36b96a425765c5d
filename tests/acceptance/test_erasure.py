"""Erasure with the whole fleet: everywhere, in order, for good, and back only by a reinstatement."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from rich.console import Console

from tests.acceptance.test_kill import campaign, send, stored
from tests.topics import newest, read_topic
from tests.waiting import eventually
from workers.config import Settings
from workers.domain.events import CreatorProfiled, Event, FeedbackSignalled, PostPublished
from workers.stack.fleet import WORKERS, Fleet
from workers.stack.progress import Board

__all__ = ["send"]
NOW = datetime.now(UTC)
COLLECTIONS = ("Visual", "Post", "Facet", "Creator", "Bio", "Standing")


@pytest.fixture
def fleet(settings: Settings) -> Iterator[Fleet]:
    """Workers as processes of their own; ended with the test."""
    with Board(Console(stderr=True)) as board:
        workers = Fleet(settings.model_copy(update={"api_anonymous": "everything"}), board)
        yield workers
        workers.stop(grace=20)


def post(number: int, creator: str, revision: int = 1) -> PostPublished:
    """A post of words alone."""
    return PostPublished.model_validate(
        {
            "post_id": f"{creator}-p{number}",
            "creator_id": creator,
            "revision": revision,
            "platform": "web",
            "url": f"https://posts.example/{number}",
            "published_at": NOW - timedelta(days=1),
            "caption": f"a cup of coffee, number {number}",
        }
    )


def holding(settings: Settings, creator: str) -> list[str]:
    """Collections in which a property of any object names the creator, or one of its posts."""

    def names(value: object) -> bool:
        return value == creator or f"{creator}-p" in str(value)

    return [
        name for name in COLLECTIONS if any(names(value) for row in stored(settings, name) for value in row.values())
    ]


@pytest.mark.timeout(400)
def test_an_erasure_reaches_everything_and_only_a_reinstatement_brings_the_creator_back(
    settings: Settings, fleet: Fleet, send: Any
) -> None:
    """With a kill -9 of the embedder in the middle, and events that come late."""
    urls = fleet.start(WORKERS)
    api = httpx.Client(base_url=urls["match"], timeout=30)
    posts = [post(number, creator) for number in range(12) for creator in ("c1", "c2")]
    profile = CreatorProfiled(creator_id="c1", revision=1, name="Ada of the cups", bio="coffee and cups")
    send([("profiles", profile), *(("posts", each) for each in posts), *campaign()[:40]])
    eventually(lambda: holding(settings, "c1") == ["Post", "Facet", "Creator", "Bio"], 120, "c1 is in")
    eventually(lambda: isinstance(newest(settings, "signals").get("b1|c1"), FeedbackSignalled), 60, "c1 has a signal")
    assert api.get("/v1/creators/c1").status_code == 200

    assert api.delete("/v1/creators/c1").status_code == 202
    assert api.get("/v1/creators/c1").status_code == 404
    process = fleet.process("embedder")
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.alive(), message="the embedder survived SIGKILL")
    fleet.start(["embedder"])
    late: list[tuple[str, Event]] = [("posts", post(3, "c1", 9)), ("profiles", profile), *campaign()[:40]]
    send([*late, ("posts", post(99, "c2"))])

    eventually(lambda: holding(settings, "c1") == [], 120, "nothing of c1 is in Weaviate")
    eventually(lambda: "c1" not in newest(settings, "creators"), 60, "creators has a tombstone")
    eventually(lambda: "b1|c1" not in newest(settings, "signals"), 60, "signals has a tombstone")
    eventually(lambda: len(read_topic(settings, "audit")) >= 2, 60, "the audit tells of both deletions")
    eventually(lambda: any(row["post_id"] == "c2-p99" for row in stored(settings, "Post")), 60, "c2 goes on")
    assert holding(settings, "c1") == []
    assert "c1" not in newest(settings, "creators")
    assert "b1|c1" not in newest(settings, "signals")
    for worker in WORKERS:
        assert read_topic(settings, f"{worker}.dead") == []

    back = {"type": "CreatorReinstated", "creator_id": "c1", "requested_at": datetime.now(UTC).isoformat()}
    assert api.post("/v1/posts", json=back).status_code == 202
    assert api.post("/v1/posts", json=post(200, "c1").model_dump(mode="json")).status_code == 202
    eventually(lambda: api.get("/v1/creators/c1").status_code == 200, 60, "c1 is back")
    assert api.get("/v1/creators/c1").json()["posts"] == 1
    assert [row["post_id"] for row in stored(settings, "Post") if row["creator_id"] == "c1"] == ["c1-p200"]
    api.close()
