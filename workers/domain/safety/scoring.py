"""From centred vectors and words to calibrated probabilities: zero-shot scores, Platt's logistic, the post's greatest.

The raw score of a vector v for a category is how much nearer its nearest prompt is than the neutral ones:
``max_p v·p - T log mean_n exp(v·n / T)``. A logistic of it, fitted on labels (Platt, "Probabilistic outputs for support
vector machines", 1999), is the probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from workers.domain.model_card import ModelCard
from workers.domain.safety.calibration import (
    AT,
    CALIBRATION_FILE,
    COMMAND,
    Calibration,
    Fit,
    PromptVectors,
    disagreement,
    load_calibration,
)
from workers.domain.safety.prompts import KINDS, Kind, SafetyError, SafetyPrompts, load_prompts
from workers.domain.safety.words import WordFinder
from workers.domain.vectors import Array

DIGITS: Final = 4
"""Of a probability that is kept: no processor's last bits are in it, and no calibration is better."""
NEVER: Final = 0
"""The revision of what no calibration has scored."""
Scores = Mapping[str, float]
"""Probability by category. One that cannot be told is not there, which does not mean 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What a post is scored by: centred unit vectors (d,) of each medium's keyframes, the caption's, and its words."""

    media: Sequence[Sequence[Array]]
    caption: Array | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class PostSafety:
    """``visuals`` medium by medium, keyframe by keyframe; ``caption`` of a post without one is empty.

    ``post``: the greatest of these by category.
    """

    revision: int
    visuals: tuple[tuple[Scores, ...], ...]
    caption: Scores
    post: Scores


def margins(vectors: Array, prompts: PromptVectors) -> dict[str, Array]:
    """Raw scores (n,) by category of vectors (n, d), float64."""
    wide = np.asarray(vectors, dtype=np.float64)
    cosines = wide @ prompts.neutral.astype(np.float64).T / prompts.temperature
    peaks = cosines.max(axis=1)
    neutral = prompts.temperature * (peaks + np.log(np.exp(cosines - peaks[:, None]).mean(axis=1)))
    return {name: (wide @ each.astype(np.float64).T).max(axis=1) - neutral for name, each in prompts.categories.items()}


def probability(fit: Fit, margin: Array) -> Array:
    """Of raw scores (n,), rising with them."""
    # tanh neither overflows nor warns, however far from the middle.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (fit.slope * margin + fit.intercept))))


class Scoring:
    """``calibration`` None: nothing can be told, and nothing is ever scored."""

    def __init__(self, prompts: SafetyPrompts, calibration: Calibration | None, dimensions: int) -> None:
        self.revision = NEVER if calibration is None else calibration.revision
        told = {} if calibration is None else calibration.categories
        self._fits = {
            kind: {name: each.kinds()[kind] for name, each in told.items() if kind in each.kinds()} for kind in KINDS
        }
        self._shown_by = {name: prompts.categories[name].shown_by for name in told}
        with_words = (name for name, fit in self._fits["caption"].items() if fit.words_at_least is not None)
        self._words = WordFinder({name: prompts.categories[name].words for name in with_words})
        self._prompts = None if calibration is None else PromptVectors.read(calibration.prompts, dimensions)

    def posts(self, posts: Sequence[Content]) -> list[PostSafety]:
        """The scores of each post: two matrix products for all of them."""
        visuals = iter(self._scores("visual", [vector for post in posts for each in post.media for vector in each]))
        captions = iter(self._scores("caption", [post.caption for post in posts if post.caption is not None]))
        found = []
        for post in posts:
            media = tuple(tuple(islice(visuals, len(each))) for each in post.media)
            caption = {} if post.caption is None else self._with_words(next(captions), post.text)
            found.append(PostSafety(self.revision, media, caption, self._greatest(post, media, caption)))
        return found

    def _scores(self, kind: Kind, vectors: Sequence[Array]) -> list[dict[str, float]]:
        fits = self._fits[kind]
        if not vectors or not fits or self._prompts is None:
            return [{} for _ in vectors]
        raw = margins(np.stack(vectors), self._prompts)
        columns = [np.round(probability(fit, raw[name]), DIGITS).tolist() for name, fit in fits.items()]
        return [dict(zip(fits, row, strict=True)) for row in zip(*columns, strict=True)]

    def _with_words(self, scores: dict[str, float], text: str) -> dict[str, float]:
        for name in self._words.found(text):
            least = self._fits["caption"][name].words_at_least
            scores[name] = max(scores[name], round(least or 0.0, DIGITS))
        return scores

    def _greatest(self, post: Content, media: Sequence[Sequence[Scores]], caption: Scores) -> Scores:
        """A category one of whose kinds is there and cannot be told is known only where what is told says yes."""
        visuals = [scores for each in media for scores in each]
        there: dict[Kind, list[Scores]] = {"visual": visuals, "caption": [caption] if post.caption is not None else []}
        found = {}
        for name, shown_by in self._shown_by.items():
            told = [scores[name] for each in there.values() for scores in each if name in scores]
            blind = any(there[kind] and name not in self._fits[kind] for kind in shown_by)
            if told and (not blind or max(told) >= AT):
                found[name] = max(told)
        return found


def load_scoring(schemas_dir: Path, repository: Path, card: ModelCard) -> Scoring:
    """The scoring of a model. Raises SafetyError where a file is wrong, or prompts and calibration do not agree."""
    prompts, calibration = load_prompts(schemas_dir), load_calibration(repository)
    path = repository / CALIBRATION_FILE
    if calibration is not None and (why := disagreement(calibration, prompts, card.model_version)):
        raise SafetyError(f"{path}: {why}; calibrate anew: {COMMAND}")
    try:
        return Scoring(prompts, calibration, card.dimensions)
    except (ValueError, KeyError) as error:
        raise SafetyError(f"{path}: its prompts' vectors: {error}; calibrate anew: {COMMAND}") from error
