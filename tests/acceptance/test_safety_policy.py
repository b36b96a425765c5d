"""A brand's safety policy, and another scoring, change an answer on real servers; nothing is embedded for either."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from tests.acceptance.test_verify import dumped, verified
from tests.waiting import eventually
from workers.config import REPOSITORY, Settings
from workers.demo.world import load_artwork
from workers.domain.safety.calibration import load_calibration
from workers.safety.calibrating import write_calibration
from workers.safety.main import rescore
from workers.stack.fleet import Fleet
from workers.stack.launcher import Launcher
from workers.stack.progress import Board
from workers.stack.triton import Triton

NOW = datetime.now(UTC).replace(microsecond=0)
CREATORS, POSTS = ("ann", "bea", "gil"), 6
CLEAN = ("potted plant", "seedling", "tulip", "cactus", "herb", "sunflower")
BAD = {"gil-0": "slot machine", "gil-3": "game die"}
"""Two of gil's six posts: the tail of what they post."""
BRIEF = {"brand_id": "green", "name": "Green & Co", "brief": "plants of all kinds"}
POLICY = {"version": 1, "rules": [{"category": "gambling", "threshold": 0.5}]}


@pytest.fixture
def settings(new_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Settings]:
    """A world with a calibration of its own, and a Triton of its own, of whom nobody else asks anything."""
    bundled = new_settings(api_anonymous="everything", indexer_settle_seconds=1.0)
    own = tmp_path / "models"
    kept = shutil.ignore_patterns("training", "evaluation", "sample_artwork", "safety")
    shutil.copytree(bundled.model_repository, own, ignore=kept)
    alone = bundled.model_copy(update={"data_dir": tmp_path / "triton", "triton_url": None})
    with Board(Console(stderr=True)) as board:
        launcher = Launcher(alone, board)
        try:
            url = launcher.up((Triton(),)).triton_url
            yield bundled.model_copy(update={"triton_url": url, "model_repository": own})
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
    """Three creators of plants, one of whom gambles, too."""
    assert settings.media_root is not None
    artwork = REPOSITORY / "triton_models" / "sample_artwork"
    files = {each.name: each.file for drawings in load_artwork(artwork).values() for each in drawings}
    events = []
    for creator in CREATORS:
        for number in range(POSTS):
            post_id = f"{creator}-{number}"
            picture = settings.media_root / f"{post_id}.png"
            picture.write_bytes((artwork / files[BAD.get(post_id, CLEAN[number])]).read_bytes())
            events.append(
                {
                    "post_id": post_id,
                    "creator_id": creator,
                    "revision": 1,
                    "platform": "web",
                    "url": f"https://posts.example/{post_id}",
                    "published_at": (NOW - timedelta(hours=number)).isoformat(),
                    "media": [{"url": picture.as_uri(), "kind": "image"}],
                }
            )
    assert api.post("/v1/posts", json=events).status_code == 202


def calibrate_gambling_away(settings: Settings) -> None:
    """The next revision of the calibration, by which hardly anything is gambling."""
    found = load_calibration(settings.model_repository)
    assert found is not None
    gambling = found.categories["gambling"]
    assert gambling.visual is not None
    fit = gambling.visual.model_copy(update={"intercept": gambling.visual.intercept - 50.0})
    categories = {**found.categories, "gambling": gambling.model_copy(update={"visual": fit})}
    update = {"revision": found.revision + 1, "categories": categories}
    write_calibration(found.model_copy(update=update), settings.model_repository)


def shortlist(api: httpx.Client, **fields: object) -> dict[str, Any]:
    """The brand's match."""
    answer = api.post("/v1/match", json={"brand_id": "green", **fields})
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


def settled(settings: Settings) -> bool:
    """Whether facets are stored exactly as the creators worker says them."""
    lines = dumped(settings)
    said = [facet for (kind, _), line in lines.items() if kind == "update" for facet in line["facets"]]
    return all(lines["facet", facet["facet_id"]]["vectors"]["facet"] == facet["vector"] for facet in said)


def test_a_policy_and_a_scoring_change_an_answer_and_nothing_is_embedded(settings: Settings, api: httpx.Client) -> None:
    """The policy removes a creator and counts them; other scores bring them back; not one vector is another."""
    publish_posts(settings, api)
    assert api.post("/v1/brands", json={**BRIEF, "revision": 1}).status_code == 202
    eventually(
        lambda: all(api.get(f"/v1/creators/{name}").json().get("posts") == POSTS for name in CREATORS),
        120,
        "every creator indexed with every post",
    )
    answer = shortlist(api)
    assert who(answer) == set(CREATORS), "without a policy nobody is left out"
    scores = {hit["creator_id"]: hit["safety"]["gambling"] for hit in answer["hits"]}
    assert scores["gil"] > 0.8 > 0.2 > max(scores["ann"], scores["bea"]), scores
    told = api.get("/v1/creators/gil").json()["safety_posts"]
    assert {post["post_id"] for post in told if "gambling" in post["scores"]} == set(BAD)
    assert verified(settings).differences == []
    eventually(lambda: settled(settings), 60, "exact vectors")
    before, pictures = vectors(settings), asked_of_triton(settings, "clip_image")
    assert pictures >= POSTS

    assert api.post("/v1/brands", json={**BRIEF, "revision": 2, "safety_policy": POLICY}).status_code == 202
    eventually(lambda: shortlist(api)["safety_policy_version"] == 1, 30, "the new policy is applied")
    answer = shortlist(api, explain_creator_id="gil")
    assert who(answer) == {"ann", "bea"}
    assert answer["filtered_out"] == {"safety.gambling": 1}
    (refused,) = answer["why"]["refused"]
    assert (refused["reason"], set(refused["found"]["posts"])) == ("safety.gambling", set(BAD))

    calibrate_gambling_away(settings)
    report = asyncio.run(rescore(settings, True, lambda *_: None))
    assert (report.scored, report.left) == (len(CREATORS) * POSTS, 0)
    eventually(lambda: who(shortlist(api)) == set(CREATORS), 60, "gil is back after another scoring")
    assert shortlist(api)["filtered_out"] == {"safety.gambling": 0}
    assert not any("gambling" in post["scores"] for post in api.get("/v1/creators/gil").json()["safety_posts"])

    texts = asked_of_triton(settings, "clip_text")
    shortlist(api)
    assert asked_of_triton(settings, "clip_text") > texts, "Triton's count counts"
    assert asked_of_triton(settings, "clip_image") == pictures, "no picture was embedded for any of this"
    eventually(lambda: verified(settings).differences == [], 60, "every store follows")
    assert vectors(settings) == before
