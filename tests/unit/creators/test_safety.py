"""A creator's safety: the tail of what they post, how much of it is known, and which posts are to blame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.creators.world import DIMENSIONS, SETTINGS, fold_of, look, published, removed
from workers.creators.fold import with_scores
from workers.creators.rows import newer, post_row
from workers.creators.safety import NOTABLE, Output, assess, scores_of
from workers.creators.updates import creator_updated, update_id
from workers.domain.events.creators import MOST_NOTABLE

TAIL = 0.05


def output_of(posts: list[tuple[float, dict[str, float]]]) -> Output:
    """An output of these weights and scores."""
    scored = scores_of([tuple(sorted(scores.items())) for _, scores in posts])
    keys = [(1000 * place, f"post-{place}") for place in range(len(posts))]
    return Output(keys, np.array([weight for weight, _ in posts]), scored.categories, scored.table)


def shortfall(posts: list[tuple[float, float]], tail: float) -> float:
    """The mean over the worst ``tail`` of the weight, post by post: what ``assess`` must agree with."""
    limit = tail * sum(weight for weight, _ in posts)
    left, total = limit, 0.0
    for weight, probability in sorted(posts, key=lambda post: -post[1]):
        part = min(weight, left)
        total += part * probability
        left -= part
    return total / limit


weights = st.floats(0.001, 100)
probabilities = st.floats(0, 1)


@given(st.lists(st.tuples(weights, probabilities), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_score_is_the_mean_over_the_worst_part_of_the_output(posts: list[tuple[float, float]], tail: float) -> None:
    """Expected shortfall, by its definition; over everything it is the weighted mean."""
    found = assess(output_of([(weight, {"drugs": p}) for weight, p in posts]), tail).scores["drugs"]
    assert found == pytest.approx(shortfall(posts, tail), abs=1e-9)
    everything = assess(output_of([(weight, {"drugs": p}) for weight, p in posts]), 1.0).scores["drugs"]
    mean = sum(weight * p for weight, p in posts) / sum(weight for weight, _ in posts)
    assert everything == pytest.approx(mean, abs=1e-9)
    assert found >= everything - 1e-9


def test_one_bad_post_in_a_hundred_weighs_a_fifth_of_the_tail_and_five_fill_it() -> None:
    """Neither drowned in the mean nor a verdict by itself."""

    def score(bad: int) -> float:
        posts = [(1.0, {"violence": 0.9 if place < bad else 0.0}) for place in range(100)]
        return assess(output_of(posts), TAIL).scores["violence"]

    assert score(1) == pytest.approx(0.18)
    assert score(5) == pytest.approx(0.9)
    assert score(50) == pytest.approx(0.9)


def test_a_category_known_of_less_than_half_of_the_weight_is_not_known() -> None:
    """Its coverage says so, and its notable posts are told all the same."""
    posts = [(1.0, {"alcohol": 0.9, "drugs": 0.0}), (0.5, {"drugs": 0.0}), (0.6, {})]
    found = assess(output_of(posts), TAIL)
    assert found.scores == {"drugs": 0.0}
    assert found.coverage == pytest.approx({"alcohol": 1 / 2.1, "drugs": 1.5 / 2.1})
    assert [post.post_id for post in found.posts] == ["post-0"]
    half = assess(output_of([(1.0, {"alcohol": 0.9}), (1.0, {})]), TAIL)
    assert (half.scores, half.coverage) == ({"alcohol": 0.9}, {"alcohol": 0.5})


def test_what_was_never_scored_is_nothing_known() -> None:
    """Not even a coverage of nought: no category is named."""
    found = assess(output_of([(1.0, {}), (2.0, {})]), TAIL)
    assert (found.scores, found.coverage, found.posts) == ({}, {}, ())


def test_the_posts_that_caused_a_score_come_with_their_share_the_worst_part_first() -> None:
    """Those under the notable probability are left out, and so are their categories."""
    posts = [
        (1.0, {"alcohol": NOTABLE, "drugs": 0.0}),
        (8.0, {"alcohol": 0.19, "drugs": 0.1}),
        (1.0, {"alcohol": 0.1, "drugs": 0.7}),
    ]
    found = assess(output_of(posts), TAIL).posts
    assert [(post.post_id, post.share, post.scores) for post in found] == [
        ("post-2", 0.1, {"drugs": 0.7}),
        ("post-0", 0.1, {"alcohol": NOTABLE}),
    ]
    assert found[0].published_ms == 2000


def test_of_many_notable_posts_those_are_named_that_add_most() -> None:
    """What lies outside of every tail goes first."""
    posts = [(1.0, {"alcohol": 0.25 + 0.7 * place / 2000}) for place in range(2000)]
    found = assess(output_of(posts), TAIL).posts
    assert len(found) == MOST_NOTABLE
    assert [post.post_id for post in found] == [f"post-{place}" for place in range(1999, 1999 - MOST_NOTABLE, -1)]


def test_a_creator_says_scores_causes_coverage_and_revision() -> None:
    """As rows of several scorings have them: what each category is known of counts."""
    events = [published(n, hour=n, safety={"alcohol": 0.0}, scoring=2) for n in range(6)]
    events.append(published(6, hour=6, safety={"alcohol": 0.9, "weapons": 0.4}, scoring=3))
    update = creator_updated(fold_of(events), SETTINGS)
    assert update.safety == {"alcohol": 0.9}
    assert update.safety_coverage == pytest.approx({"alcohol": 1.0, "weapons": 1 / 7}, abs=0.01)
    assert [(post.post_id, post.scores) for post in update.safety_posts] == [
        ("post-6", {"alcohol": 0.9, "weapons": 0.4})
    ]
    assert update.safety_posts[0].published_at == events[6].published_at
    assert (update.safety_tail, update.safety_revision) == (SETTINGS.safety_tail, 15)


def test_a_copy_weighs_less_in_the_tail_as_it_does_in_a_facet() -> None:
    """What shows a picture again is no more of the output than that."""
    first = published(0, hour=0, looks=[look(1)], safety={"drugs": 0.0}, scoring=1)
    again = published(1, hour=0, looks=[look(1)], safety={"drugs": 0.5}, scoring=1)
    (notable,) = creator_updated(fold_of([first, again]), SETTINGS).safety_posts
    assert notable.share == pytest.approx(0.2)


def test_what_left_the_window_or_was_removed_is_no_part_of_the_tail() -> None:
    """A function of the live posts of the window, as facets are."""
    bad = published(0, hour=0, safety={"drugs": 0.9}, scoring=1)
    many = [published(n, hour=n, safety={"drugs": 0.0}, scoring=1) for n in range(1, 16)]
    assert creator_updated(fold_of([bad, *many]), SETTINGS).safety == {"drugs": 0.0}
    assert creator_updated(fold_of([bad, many[0], removed(0, revision=2)]), SETTINGS).safety == {"drugs": 0.0}


def test_a_post_scored_anew_touches_no_vector() -> None:
    """The facets stay the very objects they were: nothing is folded again; the event is another one."""
    events = [published(n, hour=n, safety={"drugs": 0.1}, scoring=1) for n in range(6)]
    fold = fold_of(events)
    old = post_row(events[3], 0.5, DIMENSIONS)
    new = newer(old, post_row(events[3].model_copy(update={"safety": {"drugs": 0.8}, "safety_revision": 2}), 0.5, 8))
    scored = with_scores(fold, "post-3", old, new)
    assert scored is not None
    assert scored.facets is fold.facets
    assert scored.window.x is fold.window.x
    before, after = creator_updated(fold, SETTINGS), creator_updated(scored, SETTINGS)
    assert before.safety != after.safety == {"drugs": pytest.approx(0.8)}
    assert before.model_copy(update={"safety": {}, "safety_posts": (), "safety_revision": 0}) == after.model_copy(
        update={"safety": {}, "safety_posts": (), "safety_revision": 0}
    )
    assert update_id(fold, "m") != update_id(scored, "m")


def test_an_edit_is_more_than_another_score() -> None:
    """Whatever else of a row changes, only the rows can tell."""
    event = published(3, safety={"drugs": 0.1}, scoring=1)
    old = post_row(event, 0.5, DIMENSIONS)
    edited = post_row(published(3, revision=2, seed=7, safety={"drugs": 0.1}, scoring=1), 0.5, DIMENSIONS)
    assert with_scores(fold_of([event]), "post-3", old, edited) is None


def test_of_two_scorings_of_one_publication_the_greater_revision_stays() -> None:
    """Whichever came last; a scoring of an edit's predecessor is gone with it."""
    early, late = (published(1, safety={"drugs": p}, scoring=n) for n, p in ((1, 0.9), (2, 0.1)))
    for events in ([early, late], [late, early]):
        assert creator_updated(fold_of(events), SETTINGS).safety == {"drugs": 0.1}
    edited = published(1, revision=2, safety={"drugs": 0.5}, scoring=1)
    for events in ([late, edited], [edited, late]):
        assert creator_updated(fold_of(events), SETTINGS).safety == {"drugs": 0.5}


def test_a_post_that_leaves_a_category_takes_it_along() -> None:
    """A new scoring may know less; what is known is as if it had never been known."""
    scored = scores_of([(("drugs", 0.5),), ()])
    fewer = scored.with_scores(0, (("alcohol", 0.3),))
    assert fewer.categories == ("alcohol",)
    np.testing.assert_array_equal(fewer.table, [[0.3, np.nan]])
    gone = scored.without(0, 1)
    assert (gone.categories, gone.table.shape) == ((), (0, 1))


def test_the_scores_of_a_post_that_is_not_in_the_window_change_nothing() -> None:
    """It is no part of the output."""
    fold = fold_of([published(1, safety={"drugs": 0.5}, scoring=1)])
    assert fold.window.with_scores("post-9", post_row(published(9), 0.5, DIMENSIONS)) is fold.window
