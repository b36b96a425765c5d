"""From labelled margins to what a model can tell of each category, honestly: judged on what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workers.domain.safety.calibration import AT, Fit, Told
from workers.domain.safety.prompts import CATEGORIES, Kind, SafetyPrompts
from workers.domain.safety.scoring import probability
from workers.domain.safety.words import WordFinder
from workers.domain.vectors import Array
from workers.safety.labels import Label, Part
from workers.safety.platt import class_weights, platt

LEAST_WORDS: Final = 5
"""Finds of a category's words in the fit before they are worth a probability."""


@dataclass(frozen=True, slots=True)
class Bars:
    """What must hold of what was held out, or the category is unknown."""

    false_positive_rate: float = 0.05
    recall: float = 0.5
    positives: int = 10
    things: int = 2
    negatives: int = 50


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Margins (n,), which hold (n,), which have a word of the category (n,), and what each shows."""

    margins: Array
    holds: Array
    worded: Array
    shown: Sequence[str]


def fit_all(
    labels: Mapping[Kind, Sequence[Label]],
    margins: Mapping[Kind, Mapping[str, Array]],
    prompts: SafetyPrompts,
    bars: Bars,
    base_rate: float | None,
) -> tuple[dict[str, Told], dict[str, str]]:
    """What is told, and why the rest is not. ``margins`` (n,) by kind and category are of ``labels`` in their order."""
    finder = WordFinder({name: prompts.categories[name].words for name in CATEGORIES})
    worded = {kind: [finder.found(label.text or "") for label in own] for kind, own in labels.items()}
    told: dict[str, Told] = {}
    unknown: dict[str, str] = {}
    for name in CATEGORIES:
        fits: dict[Kind, Fit] = {}
        why: dict[Kind, str] = {}
        for kind in labels:
            if not any(name in label.holds for label in labels[kind]):
                why[kind] = "no label shows it"
                continue
            words = np.array([name in found for found in worded[kind]], dtype=bool)
            fit, refused = fit_one(name, labels[kind], margins[kind][name], words, bars, base_rate)
            if refused:
                why[kind] = refused
            elif fit is not None:
                fits[kind] = fit
        if fits:
            told[name] = Told(visual=fits.get("visual"), caption=fits.get("caption"), unknown=why)
        else:
            unknown[name] = "; ".join(f"{kind}: {each}" for kind, each in why.items())
    return told, unknown


def fit_one(
    name: str, labels: Sequence[Label], margins: Array, worded: Array, bars: Bars, base_rate: float | None
) -> tuple[Fit | None, str]:
    """The fit of one category and kind with its held-out figures, and why it is not good enough, if it is not."""
    fitted, held = (_side(name, labels, margins, worded, part) for part in ("fit", "held_out"))
    if not fitted.holds.any() or fitted.holds.all():
        return None, "the labels to fit on are all of one sort"
    slope, intercept = platt(fitted.margins, fitted.holds, base_rate)
    at_least = _worth(fitted, base_rate)
    chosen = (max(slope, 0.0), intercept if slope > 0 else _without(fitted, base_rate))
    if slope <= 0 and at_least is None:
        return None, "what shows it is no nearer to its prompts"
    if at_least is not None and slope > 0 and _refusal(_judged(fitted, *chosen, at_least), bars):
        # Words alone, where they do on the labels of the fit what margins and words together do not.
        words_alone = (0.0, _without(fitted, base_rate))
        chosen = chosen if _refusal(_judged(fitted, *words_alone, at_least), bars) else words_alone
    fit = _judged(held, *chosen, at_least)
    return fit, _refusal(fit, bars)


def _side(name: str, labels: Sequence[Label], margins: Array, worded: Array, part: Part) -> _Side:
    rows = [row for row, label in enumerate(labels) if label.side == part and name not in label.unclear]
    holds = np.array([name in labels[row].holds for row in rows], dtype=bool)
    return _Side(margins[rows], holds, worded[rows], [labels[row].shown for row in rows])


def _worth(side: _Side, base_rate: float | None) -> float | None:
    """How often a word of the category is right, after Laplace: one more of each than was found."""
    found = int(side.worded.sum())
    if found < LEAST_WORDS:
        return None
    weights = class_weights(side.holds, base_rate)
    right = float(weights[side.worded & side.holds].sum())
    return (right + 1) / (float(weights[side.worded].sum()) + 2)


def _without(side: _Side, base_rate: float | None) -> float:
    """The log odds that it holds where none of its words is said."""
    weights = class_weights(side.holds, base_rate)
    holds, all_ = float(weights[side.holds & ~side.worded].sum()) + 1, float(weights[~side.worded].sum()) + 2
    return float(np.log(holds / (all_ - holds)))


def _judged(side: _Side, slope: float, intercept: float, at_least: float | None) -> Fit:
    """A fit with the figures of one side."""
    blank = {"positives": 0, "things": 0, "negatives": 0, "false_positives": 0, "false_positive_rate": 0.0}
    fit = Fit(slope=slope, intercept=intercept, words_at_least=at_least, recall=0.0, **blank)
    p = probability(fit, side.margins)
    p = np.where(side.worded, np.maximum(p, at_least or 0.0), p)
    positives, negatives = int(side.holds.sum()), int((~side.holds).sum())
    wrong, right = int((p[~side.holds] >= AT).sum()), int((p[side.holds] >= AT).sum())
    return fit.model_copy(
        update={
            "positives": positives,
            "things": len({shown for shown, holds in zip(side.shown, side.holds, strict=True) if holds}),
            "negatives": negatives,
            "false_positives": wrong,
            "false_positive_rate": wrong / negatives if negatives else 0.0,
            "recall": right / positives if positives else 0.0,
        }
    )


def _refusal(fit: Fit, bars: Bars) -> str:
    """Why figures are not good enough, with the figures; empty where they are."""
    if fit.positives < bars.positives or fit.things < bars.things or fit.negatives < bars.negatives:
        return (
            f"too little was held out to judge by: {fit.positives} that hold, of {fit.things} things, and "
            f"{fit.negatives} that do not ({bars.positives} of {bars.things} and {bars.negatives} are needed)"
        )
    if fit.false_positive_rate > bars.false_positive_rate or fit.recall < bars.recall:
        return (
            f"of what was held out it finds {fit.recall:.0%} of {fit.positives} and calls "
            f"{fit.false_positives} of {fit.negatives} so that are not ({fit.false_positive_rate:.1%}); "
            f"at least {bars.recall:.0%} and at most {bars.false_positive_rate:.0%} are wanted"
        )
    return ""
