"""What a model was found to tell of the categories: ``safety.json`` beside the model's card.

Written by ``streamscout safety calibrate`` from labelled pictures and texts. It holds the prompts' vectors too: what is
scored with is what was calibrated, to the bit, in every process, whether the encoder answers or not.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workers.domain.safety.prompts import CATEGORIES, Kind, SafetyError, SafetyPrompts, faults
from workers.domain.vectors import Array, from_bytes, to_bytes

CALIBRATION_FILE: Final = "safety.json"
AT: Final = 0.5
"""The probability at which false-positive rate and recall are stated."""
COMMAND: Final = "streamscout safety calibrate LABELS.jsonl"
_Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fit(_Part):
    """Of one category and kind: ``1 / (1 + exp(-(slope * margin + intercept)))`` (Platt 1999), and how far it holds.

    ``positives`` and ``negatives`` are what was held out, ``things`` how many different things the positives show;
    ``false_positive_rate`` and ``recall`` are of these ``at`` this probability. Of captions, a word of the category
    makes the probability at least ``words_at_least``; None where no label showed what a word is worth.
    """

    slope: Annotated[float, Field(ge=0)]
    intercept: float
    words_at_least: _Probability | None = None
    positives: Annotated[int, Field(ge=0)]
    things: Annotated[int, Field(ge=0)]
    negatives: Annotated[int, Field(ge=0)]
    false_positives: Annotated[int, Field(ge=0)]
    false_positive_rate: _Probability
    recall: _Probability
    at: _Probability = AT


class Told(_Part):
    """A category: how it is told of each kind, or why that cannot be."""

    visual: Fit | None = None
    caption: Fit | None = None
    unknown: dict[Kind, str] = {}

    def kinds(self) -> dict[Kind, Fit]:
        """Those that are told."""
        both: dict[Kind, Fit | None] = {"visual": self.visual, "caption": self.caption}
        return {kind: fit for kind, fit in both.items() if fit is not None}


class StoredVectors(_Part):
    """Prompts' centred unit vectors as base64 of float32; ``temperature``: of the neutral ones' soft-max."""

    temperature: Annotated[float, Field(gt=0)]
    encoded_as: str
    neutral: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]


class Calibration(_Part):
    """The whole file. ``revision`` rises with every calibration: of two scorings the greater one stands.

    ``base_rate``: the share of a feed that the probabilities take to hold; None where that is the labels' own.
    """

    model_version: str
    revision: Annotated[int, Field(ge=1, le=2**42)]
    prompts_revision: int
    prompts_digest: str
    base_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    categories: dict[str, Told]
    unknown: dict[str, str]
    prompts: StoredVectors

    @model_validator(mode="after")
    def _all_accounted_for(self) -> Self:
        told = {name for name, each in self.categories.items() if each.kinds()}
        if (
            told != self.categories.keys()
            or told | self.unknown.keys() != set(CATEGORIES)
            or told & self.unknown.keys()
        ):
            raise ValueError(f"each of {', '.join(CATEGORIES)} is told, or unknown with the reason why")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class PromptVectors:
    """Centred unit vectors: ``neutral`` (n, d), of each category (m, d), all float32."""

    neutral: Array
    categories: Mapping[str, Array]
    temperature: float

    def stored(self, encoded_as: str) -> StoredVectors:
        """As the file keeps them."""
        return StoredVectors(
            temperature=self.temperature,
            encoded_as=encoded_as,
            neutral=tuple(map(_text, self.neutral)),
            categories={name: tuple(map(_text, vectors)) for name, vectors in self.categories.items()},
        )

    @classmethod
    def read(cls, stored: StoredVectors, dimensions: int) -> PromptVectors:
        """Raises ValueError for vectors of another width, or that are none."""

        def rows(texts: tuple[str, ...]) -> Array:
            return np.stack([from_bytes(base64.b64decode(text), dimensions) for text in texts])

        categories = {name: rows(texts) for name, texts in stored.categories.items()}
        return cls(rows(stored.neutral), categories, stored.temperature)


def load_calibration(repository: Path) -> Calibration | None:
    """The calibration beside a model; None where it has none. Raises SafetyError naming the file."""
    path = repository / CALIBRATION_FILE
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SafetyError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise SafetyError(f"{path}: {faults(error)}; make it anew: {COMMAND}") from error


def disagreement(calibration: Calibration, prompts: SafetyPrompts, model_version: str) -> str:
    """Why a calibration does not hold for these prompts and this model, in a sentence; empty where it does."""
    if calibration.model_version != model_version:
        return f"it was made for model version {calibration.model_version}, the model is {model_version}"
    if calibration.prompts_digest != prompts.digest():
        return (
            f"it was made for revision {calibration.prompts_revision} of the prompts, "
            f"and those of schemas/safety.yaml (revision {prompts.revision}) say something else"
        )
    return ""


def _text(vector: Array) -> str:
    return base64.b64encode(to_bytes(vector)).decode()
