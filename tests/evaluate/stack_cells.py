"""The cells of the table: how many creators a filter allows, and how that goes with what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from workers.domain.vectors import Array

SHARES: Final = (0.5, 0.2, 0.1, 0.04, 0.01, 0.001)
COUNTRIES: Final[Mapping[float, str]] = dict(zip(SHARES, ("US", "GB", "DE", "FR", "IT", "SE"), strict=True))
"""Countries go by lot and have exactly so large a share of the creators; the rest is Spain's."""
LEAST_FOLLOWERS, MOST_FOLLOWERS = 1_000, 2_000_000
Kind = Literal["independent", "correlated", "anti-correlated"]
KINDS: Final[tuple[Kind, ...]] = ("independent", "correlated", "anti-correlated")


def followers_at(place: float) -> int:
    """Followers grow along the axis of topics, 0 to 1: what is posted about and how many follow go together."""
    return round(LEAST_FOLLOWERS + place * (MOST_FOLLOWERS - LEAST_FOLLOWERS))


@dataclass(frozen=True, slots=True)
class Cell:
    """A filter that allows a ``share`` of all creators.

    ``independent``: those of one country. ``correlated``: those whose followers are as many as people have who post
    about the query's topic, so that the allowed lie around it; ``anti-correlated``: those at the axis' other end.
    """

    share: float
    kind: Kind

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return f"{100 * self.share:g} % {self.kind}"

    def filters(self, place: float) -> dict[str, Any]:
        """The filters of a match request, for a query at a place on the axis."""
        if self.kind == "independent":
            return {"country": [COUNTRIES[self.share]]}
        low, high = self._window(place)
        return {"followers": {"min": followers_at(low), "max": followers_at(high)}}

    def allowed(self, place: float, places: Array, countries: Array) -> Array:
        """Which creators the same filters allow, bool (C,)."""
        if self.kind == "independent":
            return np.asarray(countries == COUNTRIES[self.share])
        low, high = (followers_at(end) for end in self._window(place))
        followers = np.array([followers_at(each) for each in places])
        return np.asarray((followers >= low) & (followers <= high))

    def _window(self, place: float) -> tuple[float, float]:
        if self.kind == "anti-correlated":
            return (1 - self.share, 1.0) if place < 0.5 else (0.0, self.share)
        low = min(max(place - self.share / 2, 0.0), 1 - self.share)
        return low, low + self.share


CELLS: Final = tuple(Cell(share, kind) for kind in KINDS for share in SHARES)
