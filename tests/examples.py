"""The examples of ``schemas/examples``: what every event looks like, and what it must not look like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workers.domain.avro_schema import snake_name
from workers.domain.events import EVENT_TYPES, Event

FOLDER = Path(__file__).parent.parent / "schemas" / "examples"


@dataclass(frozen=True)
class Example:
    """A file. An invalid one is named ``<what>.<reason>.<field path>.json`` for the answer it must get."""

    event: type[Event]
    path: Path

    def __str__(self) -> str:
        return f"{self.event.__name__}-{self.path.stem}"

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def expected(self) -> tuple[str, str]:
        """The reason and the field of an invalid example."""
        _, reason, field = self.path.stem.split(".", 2)
        return reason, field


def examples(kind: str) -> list[Example]:
    """Every example that is ``valid`` or ``invalid``."""
    return [
        Example(event, path)
        for event in EVENT_TYPES
        for path in sorted((FOLDER / snake_name(event) / kind).glob("*.json"))
    ]
