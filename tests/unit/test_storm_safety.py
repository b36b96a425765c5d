"""The storm's oracle on safety: it says what the creators worker says, by other means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.storm.safety import Output, safety_of, same
from tests.unit.creators.world import LANDMARK
from workers.creators.safety import Output as Window
from workers.creators.safety import assess, scores_of
from workers.domain.events import PostPublished

scores = st.dictionaries(st.sampled_from(["alcohol", "drugs"]), st.sampled_from([0.0, 0.1, 0.3, 0.9]), max_size=2)
outputs = st.lists(st.tuples(st.floats(0.01, 10), scores), min_size=1, max_size=30)


def post(number: int) -> PostPublished:
    """A post."""
    at = LANDMARK + timedelta(hours=number)
    return PostPublished(
        post_id=f"p{number:02}", creator_id="ann", revision=1, platform="web", url="https://x", published_at=at
    )


@given(outputs)
def test_the_oracle_and_the_worker_agree_on_a_creators_safety(output: Sequence[tuple[float, dict[str, float]]]) -> None:
    """Scores, coverage, and which posts caused them."""
    said = safety_of([Output(post(n), weight, own) for n, (weight, own) in enumerate(output)], 0.05)
    scored = scores_of([tuple(sorted(own.items())) for _, own in output])
    keys = [(round(post(n).published_at.timestamp() * 1000), f"p{n:02}") for n in range(len(output))]
    weights = np.array([weight for weight, _ in output])
    found = assess(Window(keys, weights, scored.categories, scored.table), 0.05)
    assert same(said["safety"], dict(found.scores))
    assert same(said["safety_coverage"], dict(found.coverage))
    causes = [orjson.loads(each.model_dump_json()) for each in said["safety_posts"]]
    told = [{"post_id": each.post_id, "share": each.share, "scores": dict(each.scores)} for each in found.posts]
    assert same([{name: each[name] for name in ("post_id", "share", "scores")} for each in causes], told)


def test_a_difference_beyond_rounding_is_one() -> None:
    """A score, a category that is not there, a cause too many."""
    assert same({"drugs": 0.5}, {"drugs": 0.5 + 1e-12})
    assert not same({"drugs": 0.5}, {"drugs": 0.5001})
    assert not same({"drugs": 0.5}, {})
    assert not same([{"post_id": "a"}], [{"post_id": "a"}, {"post_id": "b"}])
    assert same([{"post_id": "a"}, {"post_id": "b"}], [{"post_id": "b"}, {"post_id": "a"}])
