"""Compacted topics as they are now, in memory: the newest brief of each brand, the newest signal of each pair.

Written by the one thread of ``Follower``; read by anyone (each answer is a copy).
"""

from __future__ import annotations

from collections.abc import Mapping

from workers.domain.events import BrandBriefed, FeedbackSignalled
from workers.domain.events.envelope import Event
from workers.domain.parse import canonical_data


class BrandView:
    """Every brand's newest brief by revision: an older one that comes late changes nothing."""

    accepted: type[Event] = BrandBriefed

    def __init__(self) -> None:
        self._brands: dict[str, BrandBriefed] = {}

    def put(self, event: Event) -> None:
        """Take a brief over, unless a newer one is known; of equal revisions the greater canonical data wins."""
        assert isinstance(event, BrandBriefed)
        known = self._brands.get(event.brand_id)
        if known is None or _rank(event) >= _rank(known):
            self._brands[event.brand_id] = event

    def drop(self, key: str) -> None:
        """Forget a brand: its key was deleted."""
        self._brands.pop(key, None)

    def get(self, brand_id: str) -> BrandBriefed | None:
        """The brand's brief, or None."""
        return self._brands.get(brand_id)

    def all(self) -> list[BrandBriefed]:
        """Every brand, in the order of their ids."""
        return sorted(self._brands.copy().values(), key=lambda brand: brand.brand_id)


class SignalView:
    """The last signal of each brand and creator: their one writer puts them in order."""

    accepted: type[Event] = FeedbackSignalled

    def __init__(self) -> None:
        self._by_brand: dict[str, dict[str, FeedbackSignalled]] = {}
        self._by_creator: dict[str, dict[str, FeedbackSignalled]] = {}
        self.count = 0

    def put(self, event: Event) -> None:
        """Take a signal over."""
        assert isinstance(event, FeedbackSignalled)
        of_brand = self._by_brand.setdefault(event.brand_id, {})
        self.count += event.creator_id not in of_brand
        of_brand[event.creator_id] = event
        self._by_creator.setdefault(event.creator_id, {})[event.brand_id] = event

    def drop(self, key: str) -> None:
        """Forget a pair: its key ``brand|creator`` was deleted."""
        brand_id, _, creator_id = key.partition("|")
        if self._by_brand.get(brand_id, {}).pop(creator_id, None) is not None:
            self._by_creator[creator_id].pop(brand_id)
            self.count -= 1

    def of_brand(self, brand_id: str) -> Mapping[str, FeedbackSignalled]:
        """By creator."""
        return self._by_brand.get(brand_id, {}).copy()

    def of_creator(self, creator_id: str) -> Mapping[str, FeedbackSignalled]:
        """By brand."""
        return self._by_creator.get(creator_id, {}).copy()


def _rank(brand: BrandBriefed) -> tuple[int, bytes]:
    return brand.revision, canonical_data(brand)
