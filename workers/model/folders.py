"""The pictures of a person's folder: however large and many, one at a time is in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from PIL.Image import Image

from workers.adapters.media_decode import DecodeLimits, decode


@dataclass(frozen=True)
class Pictures(Sequence[Image]):
    """Each is decoded whenever it is asked for. Raises InvalidMedia, and OSError where a file is gone."""

    files: tuple[Path, ...]
    limits: DecodeLimits

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, place: int) -> Image: ...

    @overload
    def __getitem__(self, place: slice) -> Pictures: ...

    def __getitem__(self, place: int | slice) -> Image | Pictures:
        if isinstance(place, slice):
            return Pictures(self.files[place], self.limits)
        return decode(self.files[place].read_bytes(), self.limits)
