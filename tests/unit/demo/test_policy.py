"""The demo's safety policy: it says what the API did, and fails where the API did not do it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import httpx
import pytest
from rich.console import Console

from workers.config import REPOSITORY
from workers.demo.flow import StepFailedError
from workers.demo.policy import SHOWS, apply_policy
from workers.demo.world import load_artwork, make_world

ARTWORK = load_artwork(REPOSITORY / "triton_models" / "sample_artwork")
WORLD = make_world(ARTWORK, 1, 12, 240, datetime(2026, 3, 1, tzinfo=UTC))


def post_of(category: str) -> str:
    """A post of the world that shows it."""
    return next(post.post_id for post in WORLD.posts if post.pictures[0].main.name in SHOWS[category])


@dataclass
class Api:
    """An API over three creators, one of whom drinks; ``deaf`` to policies, if so."""

    cause: str = field(default_factory=lambda: post_of("alcohol"))
    score: float = 0.9
    deaf: bool = False
    briefs: list[dict[str, Any]] = field(default_factory=list)

    def client(self) -> httpx.Client:
        """Over no network."""
        return httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://api")

    def answer(self, request: httpx.Request) -> httpx.Response:
        """As the match API answers."""
        if request.url.path == "/v1/brands":
            self.briefs.append(json.loads(request.content))
            return httpx.Response(202, json={"accepted": 1, "ids": ["b"]})
        if request.url.path.startswith("/v1/creators/"):
            return httpx.Response(
                200, json={"safety_posts": [{"post_id": self.cause, "scores": {"alcohol": self.score}}]}
            )
        policy = self.briefs[-1]["safety_policy"] if self.briefs else None
        drinks = {"creator_id": "cid", "safety": {"alcohol": self.score}, "review": []}
        sober = {"creator_id": "ann", "safety": {"alcohol": 0.01}, "review": []}
        hits = [sober] if policy and not self.deaf else [drinks, sober]
        for rank, hit in enumerate(hits, 1):
            hit |= {"rank": rank, "score": 0.5}
        removed = {"safety.alcohol": 2 - len(hits)} if policy else {}
        version = policy["version"] if policy else None
        return httpx.Response(200, json={"hits": hits, "filtered_out": removed, "safety_policy_version": version})


def told(api: Api, pictures: list[int]) -> str:
    """What the step prints."""
    console = Console(file=StringIO(), width=200)
    with api.client() as client:
        apply_policy(console, client, WORLD, lambda: pictures.pop(0))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_policy_removes_the_creator_and_is_taken_back() -> None:
    """What it says is counted; the brief ends as it was, at a greater revision."""
    api = Api()
    said = told(api, [300, 300])
    assert "cid (rank 1) scores 0.90 in alcohol" in said
    assert "1 of 1 posts named as its cause really show alcohol" in said
    assert "it removed 1 of 12 creators, cid among them" in said
    assert "0 of 300 pictures were embedded again" in said
    with_policy, without = api.briefs
    assert with_policy["safety_policy"]["rules"][0]["category"] == "alcohol"
    assert without["safety_policy"] is None
    assert without["revision"] == with_policy["revision"] + 1


@pytest.mark.parametrize(
    ("api", "pictures", "why"),
    [
        (Api(deaf=True), [300, 300], "cid is still on the shortlist"),
        (Api(score=0.4), [300, 300], "nobody on a shortlist scores 0.5"),
        (Api(cause=post_of("gambling")), [300, 300], "no post named as the cause of alcohol shows it"),
        (Api(), [300, 301], "1 pictures were embedded for a policy"),
    ],
)
def test_the_demo_fails_where_the_policy_does_not_do_what_it_says(api: Api, pictures: list[int], why: str) -> None:
    """Each of the ways."""
    with pytest.raises(StepFailedError, match=why):
        told(api, pictures)
