"""What the match API needs from the outside, and nothing of who provides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from workers.domain.events import BrandBriefed, Event, FeedbackSignalled
from workers.domain.queries import Index
from workers.domain.vectors import Array
from workers.match.dead_posts import DeadPost
from workers.wire.ingest import IngestReport

WORKER = "match"
__all__ = ["Brands", "DeadPosts", "Encoder", "Index", "Outbox", "Pictures", "QueryEncoder", "Signals"]


class Encoder(Protocol):
    """Raw unit vectors of one model version, not centred; raises ``Unavailable``."""

    async def encode_images(self, pixels: Array) -> Array:
        """uint8 [n, S, S, 3] to float [n, d]."""

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """n texts to float [n, d]."""


class Pictures(Protocol):
    """Pictures as the model wants them."""

    async def fetch(self, url: str) -> bytes:
        """A picture's bytes; raises InvalidMedia or MediaUnavailable."""

    def to_pixels(self, data: bytes) -> Array:
        """uint8 [S, S, 3] of a picture's bytes; raises InvalidMedia. Takes milliseconds of processor time."""


class QueryEncoder(Protocol):
    """Queries as unit vectors in the space of the index: centred by their kind. Raises ``Unavailable``."""

    model_version: str

    async def texts(self, texts: Sequence[str]) -> Array:
        """(n, d) of n texts."""

    async def picture(self, data: bytes) -> Array:
        """(d,) of a picture's bytes; raises InvalidMedia."""

    async def pictures(self, urls: Sequence[str]) -> Array:
        """(d,): the unit mean of the pictures at these addresses; raises InvalidMedia, MediaUnavailable."""


class Brands(Protocol):
    """Every brand's newest brief."""

    def get(self, brand_id: str) -> BrandBriefed | None: ...

    def all(self) -> list[BrandBriefed]: ...


class Signals(Protocol):
    """The newest signal of each brand and creator."""

    def of_brand(self, brand_id: str) -> Mapping[str, FeedbackSignalled]:
        """By creator."""

    def of_creator(self, creator_id: str) -> Mapping[str, FeedbackSignalled]:
        """By brand."""


class DeadPosts(Protocol):
    """The newest death of each post."""

    def get(self, post_id: str) -> DeadPost | None: ...


class Outbox(Protocol):
    """Puts events on Kafka; topics go by their plain names."""

    async def publish(self, topic: str, event: Event, *, id: str, time: datetime) -> None:  # noqa: A002 - CloudEvents
        """Write one event; returns when it is acknowledged, raises ``Unavailable`` where it was not."""

    async def ingest(
        self, topic: str, raws: Sequence[object], time: datetime, asked_by: str | None = None
    ) -> IngestReport:
        """Validate JSON objects and write them, all or, where any is wrong, none. May raise ``Unavailable``.

        ``asked_by``: whose key it is, for the audit of an erasure.
        """
