"""The fold: facets are a function of the set of rows, never of their history."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.creators.reference import cosine, facets_of
from tests.unit.creators.world import (
    DIMENSIONS,
    SETTINGS,
    AnyEvent,
    PostEvent,
    fold_of,
    look,
    posts_of,
    profiled,
    published,
    removed,
    rows_of,
    vector,
)
from workers.creators.facets import FoldSettings
from workers.creators.fold import (
    Fold,
    Rows,
    fold_rows,
    window_start,
    with_new_post,
    with_post,
    with_profile,
    with_scores,
)
from workers.creators.rows import newer, post_row, profile_row
from workers.creators.updates import creator_updated, update_id
from workers.domain.events import CreatorUpdated, PostEmbedded, ProfileEmbedded
from workers.domain.vectors import to_bytes

COLUMNS = ("x", "lengths", "weights", "shown", "looks", "owners")


def same_bytes(one: Fold, other: Fold) -> bool:
    """Whether two folds are equal to the last bit, and so are the events made of them."""
    return bits(one) == bits(other)


def bits(fold: Fold) -> list[object]:
    """Everything a fold says, in what compares bit by bit."""
    head = [fold.rows_hash, fold.known, fold.live, fold.revision, fold.start, fold.newest, fold.older, fold.profile]
    window = [fold.window.keys, *(getattr(fold.window, name).tobytes() for name in COLUMNS)]
    head += [fold.safety_revision, fold.window.scored.categories, fold.window.scored.table.tobytes()]
    facets = [
        (f.facet_id, f.opened_by, f.total.tobytes(), f.weight, f.last_ms, f.places.tobytes(), f.exemplar)
        for f in fold.facets
    ]
    return [*head, *window, *facets, creator_updated(fold, SETTINGS).model_dump_json()]


posts = st.integers(0, 30)
revisions = st.integers(0, 3)
hours = st.integers(0, 2000)
looks = st.lists(st.just("") | st.builds(look, st.integers(0, 6), st.sampled_from([0, 10, 30])), max_size=4)
safety = st.dictionaries(st.sampled_from(["alcohol", "drugs", "weapons"]), st.sampled_from([0.0, 0.125, 0.5, 0.875]))
publications = st.builds(
    published,
    post=posts,
    revision=revisions,
    hour=hours,
    seed=st.integers(0, 40),
    caption=st.booleans(),
    looks=looks,
    safety=safety,
    scoring=st.integers(0, 3),
)
removals = st.builds(removed, post=posts, revision=revisions)
profiles = st.builds(profiled, revision=revisions, name=st.sampled_from(["Mira", "Mira B."]), bio=st.none() | posts)
streams = st.lists(st.one_of(publications, publications, publications, removals, profiles), max_size=70)


def kept_up(events: list[AnyEvent], settings: FoldSettings = SETTINGS) -> Fold:
    """The fold as the worker keeps it up: one event at a time, refolding only where it must."""
    rows, fold = Rows(), fold_rows("mira", Rows(), settings)
    for event in events:
        if isinstance(event, ProfileEmbedded):
            profile = newer(rows.profile, profile_row(event, DIMENSIONS))
            rows = replace(rows, profile=profile)
            fold = with_profile(fold, profile)
            continue
        old = rows.posts.get(event.post_id)
        row = newer(old, post_row(event, SETTINGS.caption_weight, DIMENSIONS))
        rows = replace(rows, posts={**rows.posts, event.post_id: row})
        if row is not old:
            if old is None:
                grown = with_new_post(fold, event.post_id, row, settings)
            else:
                grown = with_scores(fold, event.post_id, old, row)
            fold = grown or with_post(fold, event.post_id, old, row, settings, rows.posts.__getitem__)
    return fold


@settings(max_examples=150, deadline=None)
@given(streams, st.randoms(use_true_random=False))
def test_shuffled_and_repeated_streams_end_in_the_same_bytes(events: list[AnyEvent], random: object) -> None:
    """Edits, removals and late posts, in any order and any number of times, leave one state."""
    shuffled = [*events, *events[::3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert same_bytes(fold_of(events), fold_of(shuffled))


@settings(max_examples=150, deadline=None)
@given(streams, st.sampled_from([4, 8]))
def test_keeping_up_and_folding_again_give_the_same_bytes(events: list[AnyEvent], window: int) -> None:
    """The incremental path is the refold, whatever came before."""
    constants = replace(SETTINGS, window=window)
    assert same_bytes(kept_up(events, constants), fold_of(events, constants))


few = st.integers(0, 9)
busy = st.lists(
    st.one_of(
        st.builds(published, post=few, revision=st.integers(1, 4), hour=st.integers(0, 12), looks=looks, seed=few),
        st.builds(removed, post=few, revision=st.integers(1, 4)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(busy)
def test_few_posts_that_change_all_the_time_are_kept_up_to_the_same_bytes(events: list[AnyEvent]) -> None:
    """Edits and removals of posts that others are copies of, at the edge of a small window, many at one time."""
    constants = replace(SETTINGS, window=3)
    assert same_bytes(kept_up(events, constants), fold_of(events, constants))


def test_after_merges_posts_join_by_the_merged_facets_length() -> None:
    """Forty streams of many topics and two facets: what was merged is longer than what it was merged of."""
    constants = replace(SETTINGS, facets=2, window=64)
    for stream in range(40):
        events: list[AnyEvent] = [published(n, hour=n, seed=37 * stream + n * n) for n in range(30)]
        assert same_bytes(kept_up(events, constants), fold_of(events, constants))


@settings(max_examples=150, deadline=None)
@given(streams)
def test_facets_are_those_of_the_method_told_plainly(events: list[AnyEvent]) -> None:
    """Against a reference that does one thing after the other: members, weights, times, totals and exemplars."""
    fold = fold_of(events)
    wanted = facets_of(rows_of(events).posts, SETTINGS)
    assert posts_of(fold) == [tuple(post for post, _ in facet.posts) for facet in wanted]
    for facet, plain in zip(fold.facets, wanted, strict=True):
        assert (facet.opened_by, facet.last_ms) == (plain.opened_by, plain.last_ms)
        assert facet.weight == pytest.approx(plain.weight, rel=1e-12)
        np.testing.assert_allclose(facet.total, plain.total, rtol=0, atol=1e-9 * plain.weight)
        shown = next(x for post, x in plain.posts if post == facet.exemplar)
        best = next(x for post, x in plain.posts if post == plain.exemplar())
        assert cosine(shown, plain.total) == pytest.approx(cosine(best, plain.total), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(streams)
def test_what_is_said_of_a_creator_is_a_valid_event(events: list[AnyEvent]) -> None:
    """It is made without being validated, of what was validated when it came in: it always would be valid."""
    update = creator_updated(fold_of(events), SETTINGS)
    assert CreatorUpdated.model_validate(update.model_dump()) == update


def test_a_stream_in_order_is_folded_post_by_post_through_window_steps_and_merges() -> None:
    """The usual case: only a step of the window folds again, and K facets at most remain."""
    events: list[PostEvent] = [published(post, hour=post) for post in range(40)]
    fold = kept_up(list(events))
    assert (fold.start, fold.known, len(fold.facets)) == (32, 40, 3)
    assert sum(len(facet.places) for facet in fold.facets) == 8
    assert same_bytes(fold, fold_of(events))


@pytest.mark.parametrize(
    ("known", "start"), [(0, 0), (7, 0), (8, 0), (15, 0), (16, 8), (17, 8), (23, 8), (24, 16), (32, 24)]
)
def test_the_window_starts_where_the_rule_says(known: int, start: int) -> None:
    """P·max(0, floor(N/P) - 1)."""
    assert window_start(known, 8) == start


def test_a_removal_does_not_move_the_window() -> None:
    """A removed post still counts in N, so the same live posts stay in the window."""
    events: list[PostEvent] = [published(post, hour=post) for post in range(20)]
    before, after = fold_of(events), fold_of([*events, removed(15, revision=2)])
    in_window = {post for posts in posts_of(before) for post in posts} - {"post-15"}
    still = {post for posts in posts_of(after) for post in posts}
    assert (after.known, after.start, after.live) == (20, 8, 19)
    assert in_window < still, "the window looks back past the removed post"


def test_a_removal_before_its_publication_leaves_the_same_state() -> None:
    """An older publication after a removal changes nothing: not even the order of posts."""
    others = [published(post, hour=post) for post in range(18)]
    first = fold_of([removed(40, revision=3), *others, published(40, revision=2, hour=5)])
    last = fold_of([published(40, revision=2, hour=900), *others, removed(40, revision=3)])
    assert same_bytes(first, last)


def test_a_removal_wins_over_a_publication_of_its_revision() -> None:
    """Equal revisions: the post is gone."""
    assert fold_of([removed(1, revision=2), published(1, revision=2)]).live == 0


def test_of_two_publications_of_one_revision_the_same_one_stays_in_any_order() -> None:
    """The greater hash of the event's data decides."""
    one, other = published(1, revision=2, seed=1), published(1, revision=2, seed=2)
    assert same_bytes(fold_of([one, other]), fold_of([other, one]))


def test_a_post_without_a_vector_counts_and_is_not_folded() -> None:
    """Neither picture nor caption: known and live, in no facet."""
    bare = published(1).model_copy(update={"visual": None})
    fold = fold_of([bare, published(2, hour=1)])
    assert (fold.known, fold.live, posts_of(fold)) == (2, 2, [("post-2",)])


def test_a_picture_and_a_caption_that_cancel_out_leave_a_post_without_a_vector() -> None:
    """There is nothing to normalise; the post is not dead for that."""
    event = published(1)
    assert event.visual is not None
    opposite = to_bytes(-np.frombuffer(event.visual, dtype="<f4"))
    assert fold_of([event.model_copy(update={"caption": opposite})]).facets == ()


def test_an_item_is_the_blend_of_picture_and_caption() -> None:
    """x = unit((1-a)·visual + a·caption), stored as float16."""
    row = post_row(published(3, caption=True), 0.25, DIMENSIONS)
    blend = 0.75 * vector(3).astype("<f4") + 0.25 * vector(1003).astype("<f4")
    assert row.x is not None
    assert row.x.dtype == np.float16
    np.testing.assert_allclose(row.x, blend / np.linalg.norm(blend), atol=1e-3)


def test_a_vector_of_another_size_is_refused() -> None:
    """Mixed dimensions never reach a sum."""
    with pytest.raises(ValueError, match="7 dimensions where 8"):
        post_row(published(1).model_copy(update={"visual": to_bytes(np.ones(7))}), 0.5, DIMENSIONS)


def test_the_revision_of_a_creator_is_the_sum_of_the_rows_revisions() -> None:
    """It only grows, and is the same for the same set."""
    events: list[AnyEvent] = [published(1, revision=5), removed(2, revision=7), profiled(revision=11)]
    assert fold_of(events).revision == 23


@settings(max_examples=50, deadline=None)
@given(streams)
def test_the_revision_never_falls(events: list[AnyEvent]) -> None:
    """Whatever comes next, the creator's revision stays or grows."""
    revisions = [fold_of(events[:count]).revision for count in range(len(events) + 1)]
    assert revisions == sorted(revisions)


def test_the_rows_hash_names_the_set() -> None:
    """Same rows, same id of the event; one row changed, another id."""
    one, other = fold_of([published(1), published(2)]), fold_of([published(2), published(1)])
    edited = fold_of([published(1), published(2, revision=2)])
    assert update_id(one, "m") == update_id(other, "m") != update_id(edited, "m")
    assert rows_of([published(1)]).posts["post-1"].rank()[0] == 1


def test_times_far_from_the_landmark_fold_to_finite_vectors() -> None:
    """The year 9999 and the year 1 are dates a post may carry."""
    events: list[AnyEvent] = []
    for post, year in enumerate((1, 1970, 2024, 2100, 9999)):
        event = published(post)
        events.append(event.model_copy(update={"published_at": event.published_at.replace(year=year)}))
    update = creator_updated(fold_of(events), SETTINGS)
    for facet in update.facets:
        assert np.isfinite(np.frombuffer(facet.vector, dtype="<f4")).all()
    assert isinstance(events[0], PostEmbedded)


def weights(events: list[AnyEvent]) -> dict[str, float]:
    """What each facet weighs against its posts' decay alone, by the post that opened it."""
    whole = {e.post_id: SETTINGS.weight(round(e.published_at.timestamp() * 1000)) for e in events if is_post(e)}
    fold = fold_of(events)
    assert same_bytes(kept_up(events), fold)
    pairs = zip(fold.facets, posts_of(fold), strict=True)
    return {facet.opened_by: facet.weight / sum(whole[post] for post in posts) for facet, posts in pairs}


def is_post(event: AnyEvent) -> TypeGuard[PostEmbedded]:
    """Whether the event publishes a post."""
    return isinstance(event, PostEmbedded)


def test_the_same_picture_again_counts_less() -> None:
    """The first one counts whole, whichever arrives first; what shows another picture too counts as far as that."""
    first = published(0, hour=0, seed=0, looks=[look(1)])
    again = published(1, hour=1, seed=1, looks=[look(1, changed=20)])
    half = published(2, hour=2, seed=2, looks=[look(1), look(2)])
    found = weights([again, half, first])
    assert found == pytest.approx({"post-0": 1.0, "post-1": 0.25, "post-2": 1 - 0.75 / 2})
    assert weights([first, again, half]) == found


def test_the_order_of_two_posts_of_one_time_is_that_of_their_ids() -> None:
    """Somebody must be first, whoever arrives first."""
    posts_of_one_time: list[AnyEvent] = [published(n, hour=5, seed=n, looks=[look(1)]) for n in (1, 0)]
    assert weights(posts_of_one_time) == pytest.approx({"post-0": 1.0, "post-1": 0.25})


def test_without_its_original_a_copy_counts_whole() -> None:
    """Removed, edited to another picture, or behind the window."""
    first, again = published(0, seed=0, looks=[look(1)]), published(1, hour=1, seed=1, looks=[look(1)])
    assert weights([first, again, removed(0, revision=2)]) == pytest.approx({"post-1": 1.0})
    edited = published(0, revision=2, seed=0, looks=[look(2)])
    assert weights([first, again, edited])["post-1"] == pytest.approx(1.0)
    many: list[AnyEvent] = [published(n, hour=n, seed=0, looks=[look(n)]) for n in range(16)]
    late = published(16, hour=99, seed=1, looks=[look(2)])
    assert weights([*many, late])["post-16"] == pytest.approx(1.0), "the window began at 8"
    late = published(16, hour=99, seed=1, looks=[look(9)])
    assert weights([*many, late])["post-16"] == pytest.approx(0.25)


def test_plain_pictures_and_posts_of_before_there_were_hashes_are_like_nothing() -> None:
    """Nor like each other."""
    same: list[AnyEvent] = [published(n, hour=n, seed=n, looks=[""] if n % 2 else []) for n in range(3)]
    assert set(weights(same).values()) == {1.0}


def test_a_row_without_hashes_gives_way_to_the_same_with_them() -> None:
    """Announced again by an embedder that knows them; never the other way round."""
    without, with_them = published(0), published(0, looks=[look(1)])
    for order in ([without, with_them], [with_them, without, with_them]):
        assert rows_of(order).posts["post-0"].hashes == (look(1),)
