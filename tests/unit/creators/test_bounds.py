"""What an event costs: rows read and posts folded, bounded by the window however many a creator has."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from tests.fakes.tables import FakeTable
from tests.unit.creators.test_worker import Notes, handled
from tests.unit.creators.world import KEY, SETTINGS, AnyEvent, fold_of, profiled, published, removed
from workers.creators.facets import Folding, Point
from workers.creators.fold import with_profile
from workers.creators.rows import ProfileRow
from workers.creators.worker import Creators
from workers.domain.events import Audience, Profile

POSTS = 100


class CountingTable(FakeTable):
    """Counts what is read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.read = self.scanned = 0

    def get(self, key: bytes) -> bytes | None:
        self.read += 1
        return super().get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        for row in super().scan(prefix):
            self.scanned += 1
            yield row


def grown(creators: Creators, table: FakeTable) -> None:
    """A creator of many posts, in order."""
    for post in range(POSTS):
        handled(creators, table, published(post, hour=10 * post))


EVENTS: dict[str, AnyEvent] = {
    "one more": published(POSTS, hour=10 * POSTS),
    "late, in the window": published(POSTS, hour=10 * 95 + 1),
    "late, before the window": published(POSTS, hour=15),
    "late, the oldest of all": published(POSTS, hour=-1),
    "an edit in the window": published(95, revision=2, hour=10 * 95, seed=3),
    "an edit of an old post": published(5, revision=2, hour=50, seed=3),
    "an edit that makes an old post new": published(5, revision=2, hour=5000),
    "an edit that makes a new post old": published(95, revision=2, hour=5),
    "a removal in the window": removed(95, revision=2),
    "a removal before the window": removed(5, revision=2),
    "a removal of what never came": removed(POSTS + 7),
    "a repeat": published(95, hour=10 * 95),
    "another score": published(95, hour=10 * 95, safety={"drugs": 0.5}, scoring=1),
    "a profile": profiled(bio=1),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_an_event_reads_three_rows_at_most_and_folds_the_window_at_most(
    event: AnyEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The creator's standing, the row itself, and one that comes back into the window; nothing is scanned."""
    creators, table = Creators(SETTINGS, Notes(), KEY), CountingTable()
    grown(creators, table)
    table.read = table.scanned = 0
    folded = []
    add = Folding.add

    def counted(folding: Folding, post: Point) -> None:
        folded.append(post.post_id)
        add(folding, post)

    monkeypatch.setattr(Folding, "add", counted)
    update = handled(creators, table, event)
    assert table.read <= 3
    assert table.scanned == 0
    assert len(folded) <= 2 * SETTINGS.window
    creators.forget()
    assert handled(creators, table, event) == update
    assert table.scanned > POSTS - 1, "what is forgotten is read from its rows"


def test_one_more_post_folds_that_post_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """But where the window moves."""
    creators, table = Creators(SETTINGS, Notes(), KEY), CountingTable()
    grown(creators, table)
    folded: list[str] = []
    add = Folding.add

    def counted(folding: Folding, post: Point) -> None:
        folded.append(post.post_id)
        add(folding, post)

    monkeypatch.setattr(Folding, "add", counted)
    sizes = []
    for post in range(POSTS, POSTS + 8):
        folded.clear()
        handled(creators, table, published(post, hour=10 * post))
        sizes.append(len(folded))
    assert sizes == [1, 1, 1, 8, 1, 1, 1, 1]


FOLLOWERS = tuple(f"{number:064x}" for number in range(256))
PROFILES: dict[str, dict[str, object]] = {
    "bare": {},
    "full": {
        "follower_sample": FOLLOWERS,
        "exclusive_brands": ("brand-oat", "brand-rye"),
        "audience": Audience(gender={"women": 0.5, "men": 0.5}, country={"GB": 0.6, "FR": 0.4}),
    },
}


@pytest.mark.parametrize("fields", PROFILES.values(), ids=PROFILES.keys())
def test_a_profile_counts_in_the_cache_by_what_it_takes(fields: dict[str, object]) -> None:
    """Within a third: a sample of followers takes more than fifty posts do, and a cache is bounded by bytes."""
    said = Profile.model_validate({"name": "Mira", "bio": "Paints the sea", **fields})
    stored = ProfileRow(1, bytes(8), said, bytes(2048)).encode()
    ProfileRow.decode(stored)
    tracemalloc.start()
    rows = [ProfileRow.decode(stored) for _ in range(50)]
    taken = tracemalloc.get_traced_memory()[0] / len(rows)
    tracemalloc.stop()
    bare = fold_of([published(1)])
    assert with_profile(bare, rows[0]).size - bare.size == pytest.approx(taken, rel=1 / 3)
