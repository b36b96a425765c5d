"""``schemas/safety.yaml`` read: categories, their words and prompts, and the neutral prompts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from workers.domain.events.policies import SAFETY_CATEGORIES
from workers.domain.safety.words import folded

PROMPTS_FILE: Final = "safety.yaml"
CATEGORIES: Final[tuple[str, ...]] = SAFETY_CATEGORIES
Kind = Literal["visual", "caption"]
KINDS: Final[tuple[Kind, ...]] = ("visual", "caption")
_Line = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]


class SafetyError(ValueError):
    """Prompts or a calibration cannot be read, are wrong, or do not belong together. The message names the file."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Category(_Part):
    """One thing to be told. ``shown_by``: where it is seen; ``words`` stand for it wherever they are said."""

    meaning: _Line
    shown_by: Annotated[tuple[Kind, ...], Field(min_length=1)] = KINDS
    words: tuple[_Line, ...] = ()
    prompts: Annotated[tuple[_Line, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("shown_by", "words", "prompts"):
            _distinct(name, [each.casefold() for each in getattr(self, name)])
        if empty := [word for word in self.words if not folded(word)]:
            # It would be found in every caption.
            raise ValueError(f"words: nothing that can be said: {', '.join(map(ascii, empty))}")
        return self


class SafetyPrompts(_Part):
    """The whole file. ``neutral`` prompts are what a thing of no category is nearer to."""

    revision: Annotated[int, Field(ge=1, le=2**42)]
    neutral: Annotated[tuple[_Line, ...], Field(min_length=1)]
    categories: dict[str, Category]

    @model_validator(mode="after")
    def _the_ten(self) -> Self:
        _distinct("neutral", [each.casefold() for each in self.neutral])
        if missing := [name for name in CATEGORIES if name not in self.categories]:
            raise ValueError(f"categories: missing: {', '.join(missing)}")
        if unknown := sorted(self.categories.keys() - set(CATEGORIES)):
            raise ValueError(f"categories: not known: {', '.join(unknown)}")
        return self

    def digest(self) -> str:
        """SHA-256 of all that scores depend on: a calibration holds for these prompts and words alone."""
        told = {
            "neutral": self.neutral,
            "categories": {
                name: {"shown_by": sorted(each.shown_by), "words": sorted(each.words), "prompts": each.prompts}
                for name, each in self.categories.items()
            },
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def load_prompts(schemas_dir: Path) -> SafetyPrompts:
    """The prompts in this folder. Raises SafetyError naming the file and what is wrong in it."""
    path = schemas_dir / PROMPTS_FILE
    try:
        read: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return SafetyPrompts.model_validate(read)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SafetyError(f"{path}: {error}") from error
    except ValidationError as error:
        raise SafetyError(f"{path}: {faults(error)}") from error


def faults(error: ValidationError) -> str:
    """What is wrong, each with where."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in error.errors())


def _distinct(name: str, values: list[str]) -> None:
    if twice := sorted({each for each in values if values.count(each) > 1}):
        raise ValueError(f"{name}: said twice: {', '.join(twice)}")
