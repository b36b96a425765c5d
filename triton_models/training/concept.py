"""What one emoji shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Concept:
    """What one emoji shows: `key` is its code points without the variation selector, lower case."""

    key: str
    name: str
    other_names: tuple[str, ...]
    keywords: tuple[str, ...]
    subgroup: str
