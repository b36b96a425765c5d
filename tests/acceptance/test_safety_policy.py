"""A brand's safety policy, and another scoring, change an answer on real servers; nothing is embedded for either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from tests.acceptance.test_verify import dumped, verified
from tests.topics import read_topic
from tests.waiting import eventually
from workers.adapters.kafka import KafkaProducer
from workers.adapters.registry import build_codec
from workers.config import Settings
from workers.domain.events import PostEmbedded
from workers.stack.fleet import Fleet
from workers.stack.launcher import Launcher
from workers.stack.progress import Board
from workers.stack.triton import Triton
from workers.verify.differences import Difference
from workers.wire.cloudevents import Wire

NOW = datetime.now(UTC).replace(microsecond=0)
CREATORS, POSTS = ("ann", "bea", "gil"), 6
BRIEF = {"brand_id": "dice", "name": "Dice & Co", "brief": "a game with friends"}
POLICY = {"version": 1, "rules": [{"category": "gambling", "threshold": 0.5}]}
BAD = ("gil-0", "gil-3")
"""Two of gil's six posts: the tail of what they post."""


@pytest.fixture
def settings(new_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Settings]:
    """A world with a Triton that nobody else asks anything: what it was asked is counted."""
    world = new_settings(api_anonymous="everything")
    alone = world.model_copy(update={"data_dir": tmp_path / "triton", "triton_url": None})
    with Board(Console(stderr=True)) as board:
        launcher = Launcher(alone, board)
        try:
            yield world.model_copy(update={"triton_url": launcher.up((Triton(),)).triton_url})
        finally:
            launcher.down((Triton(),), wipe=True)


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """The match API beside embedder, creators and indexer, each a process of its own."""
    with Board(Console(stderr=True)) as board:
        fleet = Fleet(settings, board)
        try:
            url = fleet.start(("embedder", "creators", "indexer", "match"))["match"]
            with httpx.Client(base_url=url, timeout=30) as client:
                yield client
        finally:
            fleet.stop(grace=20)


def publish_posts(settings: Settings, api: httpx.Client) -> None:
    """Three creators who post the same games."""
    assert settings.media_root is not None
    drawings = sorted((settings.model_repository / "sample_artwork").glob("*.png"))
    events = []
    for creator in CREATORS:
        for number in range(POSTS):
            file = settings.media_root / f"{number}.png"
            file.write_bytes(drawings[number].read_bytes())
            events.append(
                {
                    "post_id": f"{creator}-{number}",
                    "creator_id": creator,
                    "revision": 1,
                    "platform": "web",
                    "url": f"https://posts.example/{creator}-{number}",
                    "published_at": (NOW - timedelta(hours=number)).isoformat(),
                    "caption": "a game with friends",
                    "media": [{"url": file.as_uri(), "kind": "image"}],
                }
            )
    assert api.post("/v1/posts", json=events).status_code == 202


def scored(settings: Settings, scores: Mapping[str, float]) -> None:
    """Say of these posts again what the embedder said of them last, of another scoring: as a rescoring does."""
    wire = Wire(build_codec(settings), "tests", settings.namespace)
    events: dict[str, PostEmbedded] = {}
    for record in read_topic(settings, "embeddings"):
        event = wire.read(record, (PostEmbedded,))
        if isinstance(event, PostEmbedded):
            events[event.post_id] = event
    with closing(KafkaProducer(settings)) as producer:
        for post_id, probability in scores.items():
            event = events[post_id]
            again = event.model_copy(
                update={"safety": {"gambling": probability}, "safety_revision": event.safety_revision + 1}
            )
            record = wire.record("embeddings", again, id=f"{post_id}-{again.safety_revision}", time=NOW)
            producer.send(record).result(30)


def shortlist(api: httpx.Client, **fields: object) -> dict[str, Any]:
    """The brand's match."""
    answer = api.post("/v1/match", json={"brand_id": "dice", **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def who(answer: Mapping[str, Any]) -> set[str]:
    """Who is on the shortlist."""
    return {hit["creator_id"] for hit in answer["hits"]}


def asked_of_triton(settings: Settings, model: str) -> int:
    """How many pictures, or texts, Triton has computed by its own count."""
    (stats,) = httpx.get(f"{settings.triton_url}/v2/models/{model}/stats", timeout=10).json()["model_stats"]
    return int(stats["inference_count"])


def vectors(settings: Settings) -> dict[tuple[str, str], Any]:
    """Every vector that is stored, as float32 to the last bit."""
    kept = {"visual", "post", "facet", "creator", "bio"}
    return {key: line["vectors"] for key, line in dumped(settings).items() if key[0] in kept}


def wrong(settings: Settings) -> list[Difference]:
    """What verify finds from the rows on: the posts themselves were scored by the test, behind the embedder's back."""
    return [each for each in verified(settings).differences if each.kind not in ("post", "visual")]


def test_a_policy_and_a_scoring_change_an_answer_and_nothing_is_embedded(settings: Settings, api: httpx.Client) -> None:
    """The policy removes a creator and counts them; other scores bring them back; not one vector is another."""
    publish_posts(settings, api)
    assert api.post("/v1/brands", json={**BRIEF, "revision": 1}).status_code == 202
    eventually(
        lambda: all(api.get(f"/v1/creators/{name}").json().get("posts") == POSTS for name in CREATORS),
        120,
        "every creator indexed with every post",
    )
    every = [f"{creator}-{number}" for creator in CREATORS for number in range(POSTS)]
    scored(settings, {post: 0.9 if post in BAD else 0.01 for post in every})
    eventually(
        lambda: api.get("/v1/creators/gil").json()["safety"].get("gambling", 0.0) > 0.8, 60, "gil's score is the tail"
    )
    eventually(lambda: all("gambling" in hit["safety"] for hit in shortlist(api)["hits"]), 60, "everybody is scored")
    assert who(shortlist(api)) == set(CREATORS), "without a policy nobody is left out"
    told = api.get("/v1/creators/gil").json()
    assert {post["post_id"] for post in told["safety_posts"]} == set(BAD)
    assert wrong(settings) == []
    before, pictures = vectors(settings), asked_of_triton(settings, "clip_image")
    assert pictures >= POSTS

    assert api.post("/v1/brands", json={**BRIEF, "revision": 2, "safety_policy": POLICY}).status_code == 202
    eventually(lambda: shortlist(api)["safety_policy_version"] == 1, 30, "the new policy is applied")
    answer = shortlist(api, explain_creator_id="gil")
    assert who(answer) == {"ann", "bea"}
    assert answer["filtered_out"] == {"safety.gambling": 1}
    (refused,) = answer["why"]["refused"]
    assert (refused["reason"], set(refused["found"]["posts"])) == ("safety.gambling", set(BAD))

    scored(settings, dict.fromkeys(BAD, 0.05))
    eventually(lambda: who(shortlist(api)) == set(CREATORS), 60, "gil is back after another scoring")
    assert shortlist(api)["filtered_out"] == {"safety.gambling": 0}
    assert api.get("/v1/creators/gil").json()["safety_posts"] == []

    texts = asked_of_triton(settings, "clip_text")
    shortlist(api)
    assert asked_of_triton(settings, "clip_text") > texts, "Triton's count counts"
    assert asked_of_triton(settings, "clip_image") == pictures, "no picture was embedded for any of this"
    assert vectors(settings) == before
    assert wrong(settings) == []
