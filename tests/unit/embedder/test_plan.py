"""The decision about one event."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.embedder.conftest import published, removed
from workers.domain.events import PostPublished, PostRemoved
from workers.embedder.content import event_hash
from workers.embedder.plan import Embed, Keyframe, Republish, Retract, StoredPost, StoredVisual, plan, rank_of

VECTOR = np.ones(2, dtype=np.float32)
STILL = Keyframe(0, VECTOR)


def stored(event: PostPublished | PostRemoved, hashes: tuple[str, ...] = ("h",)) -> StoredPost:
    """What a whole post looks like after the event."""
    gone = isinstance(event, PostRemoved)
    return StoredPost(
        post_id=event.post_id,
        creator_id=event.creator_id,
        revision=event.revision,
        removed=gone,
        event_hash=event_hash(event),
        caption_hash="" if gone else "k",
        media_hashes=() if gone else hashes,
        published_at=None if gone else datetime(2026, 1, 2, tzinfo=UTC),
        caption=None if gone else VECTOR,
        frames=() if gone else ((0,),) * len(hashes),
        visuals={} if gone else {(n, 0): StoredVisual(hash_, STILL) for n, hash_ in enumerate(hashes)},
    )


def test_a_post_that_is_not_stored_is_embedded() -> None:
    """Nothing can be reused."""
    decided = plan(None, published())
    assert isinstance(decided, Embed)
    assert not decided.visuals
    assert not decided.captions


def test_an_older_revision_only_announces_what_is_stored() -> None:
    """A replay heals a lost output and changes nothing."""
    old = stored(published(5))
    decided = plan(old, published(4))
    assert isinstance(decided, Republish)
    assert decided.stored is old


def test_the_event_that_is_stored_needs_no_media() -> None:
    """Its signed addresses may have expired since."""
    assert isinstance(plan(stored(published(5)), published(5)), Republish)


def test_a_newer_revision_may_reuse_every_stored_vector() -> None:
    """By hash of the bytes: addresses are signed anew at every scrape."""
    decided = plan(stored(published(5), ("h", "i")), published(6))
    assert isinstance(decided, Embed)
    assert set(decided.visuals) == {"h", "i"}
    assert set(decided.captions) == {"k"}


def test_a_post_between_its_two_writes_is_embedded_again_by_its_own_event() -> None:
    """The visuals of another content lie under the post."""
    torn = replace(stored(published(5)), visuals={(0, 0): StoredVisual("other", STILL)})
    assert isinstance(plan(torn, published(5)), Embed)


def test_a_post_between_its_two_writes_is_not_announced() -> None:
    """Its visuals are not its own; the event that was writing them comes again."""
    torn = replace(stored(published(5)), visuals={})
    decided = plan(torn, published(4))
    assert isinstance(decided, Republish)
    assert decided.stored is None


def test_of_equal_revisions_the_removal_wins() -> None:
    """In either order."""
    assert isinstance(plan(stored(published(5)), removed(5)), Retract)
    assert isinstance(plan(stored(removed(5)), published(5)), Republish)


def test_a_removal_that_is_stored_is_carried_out_again() -> None:
    """Its visuals may still be there after a crash."""
    assert isinstance(plan(stored(removed(5)), removed(5)), Retract)


def test_a_newer_publication_brings_a_removed_post_back() -> None:
    """A tombstone only holds off what is older."""
    assert isinstance(plan(stored(removed(5)), published(6)), Embed)


EVENTS = st.one_of(
    st.builds(lambda r, c: published(r, (), c), st.integers(0, 3), st.sampled_from("xyz")),
    st.builds(removed, st.integers(0, 3)),
)


@given(st.lists(EVENTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_same_events_in_any_order_leave_the_same_one_standing(
    events: list[PostPublished | PostRemoved], random: object
) -> None:
    """The greatest rank, however often and in whatever order they come."""
    shuffled = [*events, *events]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    standing = None
    for event in shuffled:
        if not isinstance(plan(standing, event), Republish):
            standing = stored(event, ())
    assert standing is not None
    assert standing.rank() == max(rank_of(event) for event in events)
