"""Calibration on labels: the logistic, words, what is held out, and what is honestly unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.safety import prompts
from workers.domain.safety.calibration import AT
from workers.domain.safety.prompts import CATEGORIES
from workers.domain.safety.scoring import probability
from workers.domain.vectors import Array
from workers.safety.fitting import Bars, fit_all, fit_one
from workers.safety.labels import Label
from workers.safety.platt import class_weights, platt

BARS = Bars()


def drawn(slope: float, intercept: float, count: int = 20_000, seed: int = 1) -> tuple[Array, Array]:
    """Margins, and labels that hold with the probability that this logistic gives them."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(0.1, 0.3, count)
    return margins, rng.random(count) < 1 / (1 + np.exp(-(slope * margins + intercept)))


@pytest.mark.parametrize(("slope", "intercept"), [(8.0, -1.0), (3.0, 0.5), (20.0, -9.0), (0.0, -1.0)])
def test_the_logistic_that_labels_were_drawn_from_is_found(slope: float, intercept: float) -> None:
    """Within what twenty thousand labels allow."""
    found = platt(*drawn(slope, intercept))
    assert found == pytest.approx((slope, intercept), rel=0.1, abs=0.15)


def test_a_base_rate_moves_the_probabilities_as_bayes_says() -> None:
    """The odds change by the ratio of the odds of both rates; what is nearer stays nearer."""
    margins, holds = drawn(8.0, -1.0)
    slope, intercept = platt(margins, holds, 0.01)
    own = float(holds.mean())
    shift = np.log(0.01 / 0.99) - np.log(own / (1 - own))
    assert (slope, intercept) == pytest.approx((8.0, -1.0 + shift), rel=0.1, abs=0.3)
    weights = class_weights(holds, 0.01)
    assert weights[holds].sum() / weights.sum() == pytest.approx(0.01)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(0.001, 50), st.floats(-5, 5))
def test_any_labels_of_both_sorts_lead_to_a_finite_fit(seed: int, count: int, scale: float, shift: float) -> None:
    """Separable ones too, where the plain maximum would be infinite."""
    rng = np.random.default_rng(seed)
    holds = np.arange(count) < max(1, count // 3)
    margins = (rng.normal(size=count) + 3 * holds) * scale + shift
    slope, intercept = platt(margins, holds)
    assert np.isfinite([slope, intercept]).all()


def test_labels_of_one_sort_cannot_be_fitted() -> None:
    """There is nothing to tell apart."""
    with pytest.raises(ValueError, match="both kinds"):
        platt(np.arange(3.0), np.ones(3, dtype=bool))


def labelled(count: int = 200, apart: float = 1.0, seed: int = 1) -> tuple[list[Label], Array]:
    """Texts, every fourth of which is of alcohol, in turn on both sides; margins that far apart."""
    rng = np.random.default_rng(seed)
    labels = [
        Label(
            text=f"text {n}", holds=("alcohol",) if n % 4 == 0 else (), part="fit" if (n // 4) % 2 == 0 else "held_out"
        )
        for n in range(count)
    ]
    return labels, rng.normal(0, 0.2, count) + apart * np.array([bool(label.holds) for label in labels])


NO_WORDS = np.zeros(200, dtype=bool)


def test_the_figures_are_those_of_what_was_held_out() -> None:
    """Counted anew from the fit itself, on the held-out side alone."""
    labels, margins = labelled(apart=0.5)
    fit, why = fit_one("alcohol", labels, margins, NO_WORDS, BARS, None)
    assert fit is not None
    held = [row for row, label in enumerate(labels) if label.side == "held_out"]
    holds = np.array([bool(labels[row].holds) for row in held])
    says = probability(fit, margins[held]) >= AT
    assert (fit.positives, fit.negatives, fit.things) == (int(holds.sum()), int((~holds).sum()), int(holds.sum()))
    assert fit.false_positives == int((says & ~holds).sum())
    assert fit.false_positive_rate == pytest.approx(float(says[~holds].mean()))
    assert fit.recall == pytest.approx(float(says[holds].mean()))
    assert why == ""


def test_what_is_held_out_does_not_enter_the_fit() -> None:
    """Other margins there change the figures, and nothing else."""
    labels, margins = labelled()
    one, _ = fit_one("alcohol", labels, margins, NO_WORDS, BARS, None)
    other = margins.copy()
    other[[row for row, label in enumerate(labels) if label.side == "held_out"]] = 9.0
    two, why = fit_one("alcohol", labels, other, NO_WORDS, BARS, None)
    assert one is not None
    assert two is not None
    assert (one.slope, one.intercept) == (two.slope, two.intercept)
    assert two.false_positive_rate == 1.0
    assert "75 of 75" in why


def test_an_unclear_label_counts_on_neither_side() -> None:
    """It is as if it were not there."""
    labels, margins = labelled()
    doubtful = [label.model_copy(update={"holds": (), "unclear": ("alcohol",)}) for label in labels[:8]]
    fit, _ = fit_one("alcohol", [*doubtful, *labels[8:]], margins, NO_WORDS, BARS, None)
    rest, _ = fit_one("alcohol", labels[8:], margins[8:], NO_WORDS[8:], BARS, None)
    assert fit == rest


@pytest.mark.parametrize(
    ("bars", "apart", "said"),
    [
        (replace(BARS, positives=26), 1.0, "25 that hold"),
        (replace(BARS, things=26), 1.0, "of 25 things"),
        (replace(BARS, negatives=76), 1.0, "75 that do not"),
        (replace(BARS, recall=0.9), 0.3, "at least 90%"),
        (BARS, -1.0, "no nearer"),
    ],
)
def test_what_is_not_good_enough_is_refused_with_the_figures(bars: Bars, apart: float, said: str) -> None:
    """Unknown, and why."""
    labels, margins = labelled(apart=apart)
    _, why = fit_one("alcohol", labels, margins, NO_WORDS, bars, None)
    assert said in why


def test_words_alone_tell_what_no_margin_tells() -> None:
    """Where they are right on the labels of the fit; without a word it is the rate of the rest."""
    labels, _ = labelled()
    margins = np.random.default_rng(4).normal(size=len(labels)) * 0.01
    worded = np.array([bool(label.holds) for label in labels])
    fit, why = fit_one("alcohol", labels, margins, worded, BARS, None)
    assert fit is not None
    assert why == ""
    assert fit.words_at_least == pytest.approx(26 / 27)
    assert (fit.recall, fit.false_positives) == (1.0, 0)


def test_a_word_is_worth_what_it_was_right() -> None:
    """Half of the texts with a word are not of alcohol; too few finds are worth nothing."""
    labels, margins = labelled()
    worded = np.array([n % 4 in (0, 1) for n in range(len(labels))])
    fit, _ = fit_one("alcohol", labels, margins, worded, BARS, None)
    assert fit is not None
    assert fit.words_at_least == pytest.approx(26 / 52)
    few = np.array([n < 8 and n % 4 == 0 for n in range(len(labels))])
    without, _ = fit_one("alcohol", labels, margins, few, BARS, None)
    assert without is not None
    assert without.words_at_least is None


def test_each_category_is_told_or_unknown_with_the_reason() -> None:
    """None is left out, none is both."""
    labels, margins = labelled()
    raw = {"caption": dict.fromkeys(CATEGORIES, margins)}
    told, unknown = fit_all({"caption": labels}, raw, prompts(), BARS, None)  # type: ignore[arg-type,dict-item]
    assert set(told) == {"alcohol"}
    assert set(unknown) == set(CATEGORIES) - {"alcohol"}
    assert unknown["drugs"] == "caption: no label shows it"
    assert told["alcohol"].visual is None
