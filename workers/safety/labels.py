"""Labelled pictures and texts, one JSON object a line, and on which side of the calibration each one stands.

``{"image": "beer.png", "holds": ["alcohol"]}`` or ``{"text": "a pint with friends", "holds": ["alcohol"]}``; ``image``
is a path beside the file. ``unclear`` names categories of which the line shall say nothing; ``thing`` what it shows, so
that two pictures of one thing never stand on two sides; ``part`` (``fit`` or ``held_out``) the side itself, which
is else decided by a hash of the thing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workers.domain.events.policies import SafetyCategory
from workers.domain.safety.prompts import Kind, SafetyError, faults

Part = Literal["fit", "held_out"]


class Label(BaseModel):
    """One line: every category that is neither in ``holds`` nor in ``unclear`` does not hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Annotated[str, Field(min_length=1)] | None = None
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    holds: tuple[SafetyCategory, ...] = ()
    unclear: tuple[SafetyCategory, ...] = ()
    thing: Annotated[str, Field(min_length=1)] | None = None
    part: Part | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.image is None) == (self.text is None):
            raise ValueError("give either image or text")
        if both := set(self.holds) & set(self.unclear):
            raise ValueError(f"holds and unclear at once: {', '.join(sorted(both))}")
        return self

    @property
    def kind(self) -> Kind:
        """What it is a label of."""
        return "visual" if self.image is not None else "caption"

    @property
    def shown(self) -> str:
        """What it shows: pictures and texts of one thing stay together."""
        return self.thing or self.image or str(self.text)

    @property
    def side(self) -> Part:
        """``fit`` or ``held_out``: as the line says, or about half and half."""
        return self.part or ("fit" if hashlib.sha256(self.shown.encode()).digest()[0] % 2 == 0 else "held_out")


def read_labels(file: Path) -> list[Label]:
    """All lines but blank ones. Raises SafetyError naming file, line and field of each that is wrong, ten at most."""
    try:
        # Not splitlines: captions hold other line separators than those that end a line of JSON.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SafetyError(f"{file} cannot be read: {error}") from error
    labels, wrong = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            labels.append(Label.model_validate_json(line))
        except ValidationError as error:
            wrong.append(f"line {number}: {faults(error)}")
    if wrong:
        more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise SafetyError(f"{file}: {'; '.join(wrong[:10])}{more}")
    if torn := _on_two_sides(labels):
        raise SafetyError(f"{file}: on both sides at once: {', '.join(torn[:10])}")
    return labels


def _on_two_sides(labels: Iterable[Label]) -> list[str]:
    """Things that stand in the fit and are held out: the figures would be of what was seen."""
    sides: dict[tuple[Kind, str], set[Part]] = {}
    for label in labels:
        sides.setdefault((label.kind, label.shown), set()).add(label.side)
    return sorted(shown for (_, shown), both in sides.items() if len(both) > 1)
