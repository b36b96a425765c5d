"""A scoring without a model: prompts drawn at random, three categories told, one of them of captions alone."""

from __future__ import annotations

from functools import cache

import numpy as np

from workers.config import REPOSITORY
from workers.domain.safety.calibration import Calibration, Fit, PromptVectors, Told
from workers.domain.safety.prompts import CATEGORIES, SafetyPrompts, load_prompts
from workers.domain.safety.scoring import Scoring
from workers.domain.vectors import Array, unit

TOLD = ("alcohol", "weapons", "profanity")


def fit(slope: float = 6.0, intercept: float = -1.0, words_at_least: float | None = None) -> Fit:
    """One that holds, by its own account."""
    held = {"positives": 20, "things": 5, "negatives": 200, "false_positives": 2, "false_positive_rate": 0.01}
    return Fit(slope=slope, intercept=intercept, words_at_least=words_at_least, recall=0.8, **held)  # type: ignore[arg-type]


@cache
def prompts() -> SafetyPrompts:
    """Those of the repository."""
    return load_prompts(REPOSITORY / "schemas")


def prompt_vectors(dimensions: int = 8, seed: int = 1) -> PromptVectors:
    """Drawn from a seed."""
    rng = np.random.default_rng(seed)

    def rows(count: int) -> Array:
        return unit(rng.normal(size=(count, dimensions))).astype(np.float32)

    return PromptVectors(rows(6), {name: rows(3) for name in CATEGORIES}, 0.1)


def calibration(revision: int = 1, dimensions: int = 8, model_version: str = "tiny_v1") -> Calibration:
    """Another revision has another slope: its scores are other ones."""
    slope = 5.0 + revision
    both = Told(visual=fit(slope), caption=fit(slope, words_at_least=0.9))
    told = {"alcohol": both, "weapons": both, "profanity": Told(caption=fit(slope, words_at_least=0.97))}
    return Calibration(
        model_version=model_version,
        revision=revision,
        prompts_revision=prompts().revision,
        prompts_digest=prompts().digest(),
        categories=told,
        unknown={name: "no label shows it" for name in CATEGORIES if name not in TOLD},
        prompts=prompt_vectors(dimensions).stored("caption"),
    )


def scoring(revision: int = 1, dimensions: int = 8) -> Scoring:
    """Of ``calibration``; of revision 0 none that can tell anything."""
    return Scoring(prompts(), calibration(revision, dimensions) if revision else None, dimensions)
