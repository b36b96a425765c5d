"""What an answer is worth: laws of nDCG, recall, AUC and the bootstrap."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workers.evaluate.metrics import auc, bootstrap, ndcg_at, recall_at

gains = st.lists(st.floats(0, 5), min_size=1, max_size=30).filter(lambda values: max(values) > 0.01)
scores = st.lists(st.floats(-5, 5), min_size=1, max_size=20)


@given(gains, st.integers(1, 40))
def test_the_best_order_has_an_ndcg_of_one(values: list[float], k: int) -> None:
    """And no order has more, or less than nothing."""
    assert ndcg_at(k, sorted(values, reverse=True), values) == pytest.approx(1.0)
    assert 0.0 <= ndcg_at(k, values, values) <= 1.0 + 1e-9


@given(gains, st.data())
def test_a_better_one_before_a_worse_one_is_never_worth_less(values: list[float], data: st.DataObject) -> None:
    """Two that stand in the wrong order are exchanged."""
    assume(len(values) > 1)
    first = data.draw(st.integers(0, len(values) - 2))
    second = data.draw(st.integers(first + 1, len(values) - 1))
    mended = list(values)
    mended[first], mended[second] = max(values[first], values[second]), min(values[first], values[second])
    assert ndcg_at(len(values), mended, values) >= ndcg_at(len(values), values, values) - 1e-9


def test_ndcg_is_what_jarvelin_and_kekalainen_define() -> None:
    """Gains of 0, 3, 1 where 3, 2 and 1 were to be had: worked out by hand."""
    best = 3 + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg_at(3, [0, 3, 1], [1, 2, 3]) == pytest.approx((3 / math.log2(3) + 1 / math.log2(4)) / best)


@given(gains, st.integers(1, 30))
def test_what_comes_after_the_kth_does_not_count(values: list[float], k: int) -> None:
    """For nDCG as for recall."""
    assert ndcg_at(k, values, values) == ndcg_at(k, values[:k], values)
    relevant = [value > 1 for value in values]
    known = max(1, sum(relevant))
    assert recall_at(k, relevant, known) == recall_at(k, relevant[:k], known)


@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any))
def test_recall_grows_with_k_up_to_all_that_was_served(relevant: list[bool]) -> None:
    """To one, where all are served, and to a half where as many again are not."""
    values = [recall_at(k, relevant, sum(relevant)) for k in range(1, len(relevant) + 1)]
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert recall_at(len(relevant), relevant, 2 * sum(relevant)) == 0.5


@given(scores, scores)
def test_an_auc_counts_the_pairs_in_the_right_order(good: list[float], bad: list[float]) -> None:
    """Against every pair, one by one; turned round it is the rest to one."""
    pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in good for other in bad]
    assert auc(good, bad) == pytest.approx(sum(pairs) / len(pairs))
    assert auc(good, bad) + auc(bad, good) == pytest.approx(1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_an_interval_lies_within_the_values(values: list[float]) -> None:
    """And is the same each time."""
    found = bootstrap(values)
    assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6
    assert found.count == len(values)
    assert found == bootstrap(values)


def test_an_interval_holds_its_mean_and_narrows_as_values_become_more() -> None:
    """As one over the root of their number: of a hundred times as many, to a tenth."""
    wide, narrow = (bootstrap([0.0, 1.0] * count) for count in (10, 1000))
    assert wide.low < wide.mean < wide.high
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(10, rel=0.2)


def test_of_one_value_there_is_no_interval() -> None:
    """It would look certain."""
    assert bootstrap([0.7]).mean == 0.7
    assert math.isnan(bootstrap([0.7]).low)
    assert math.isnan(bootstrap([]).mean)


def test_where_nothing_is_relevant_there_is_no_figure() -> None:
    """Neither nought nor one would be true."""
    for broken in (lambda: ndcg_at(3, [0.0], []), lambda: recall_at(3, [False], 0), lambda: auc([], [1.0])):
        with pytest.raises(ValueError, match=r"relevant|good ones"):
            broken()
