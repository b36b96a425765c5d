"""The story of ``safety calibrate``: encode prompts, pictures and texts; fit; judge; the file to be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from workers.domain.media import InvalidMedia
from workers.domain.model_card import ModelCard
from workers.domain.safety.calibration import CALIBRATION_FILE, Calibration, PromptVectors, load_calibration
from workers.domain.safety.prompts import KINDS, Kind, SafetyError, SafetyPrompts
from workers.domain.safety.scoring import margins
from workers.domain.vectors import Array, centre
from workers.safety.fitting import Bars, fit_all
from workers.safety.labels import Label

TEMPERATURE: Final = 0.1
"""Of the soft-max over neutral prompts (decision 0021)."""
ENCODED_AS: Final = "caption"
"""Whose mean is taken off prompts."""
_BATCH: Final = 256

Told = Callable[[str, int, int], None]
"""Told what is encoded, how many of it so far, and of how many."""


class Encoder(Protocol):
    """Raw vectors, float32 (n, d). Both may raise ``Unavailable``."""

    async def encode_images(self, pixels: Array) -> Array: ...

    async def encode_texts(self, texts: Sequence[str]) -> Array: ...


class Calibrating:
    """``prepare`` makes pixels of a picture's bytes, as the embedder does, and raises InvalidMedia."""

    def __init__(
        self, encoder: Encoder, prepare: Callable[[bytes], Array], card: ModelCard, prompts: SafetyPrompts, told: Told
    ) -> None:
        self._encoder, self._prepare, self._card = encoder, prepare, card
        self._prompts, self._told = prompts, told

    async def run(
        self, labels: Sequence[Label], folder: Path, revision: int, bars: Bars, base_rate: float | None
    ) -> Calibration:
        """The calibration of these labels, whose pictures lie in ``folder``. Raises SafetyError for one of no use."""
        by_kind: dict[Kind, list[Label]] = {kind: [label for label in labels if label.kind == kind] for kind in KINDS}
        vectors = await self.prompt_vectors()
        found: dict[Kind, Array] = {
            "visual": await self._pictures([folder / str(label.image) for label in by_kind["visual"]]),
            "caption": await self._texts([str(label.text) for label in by_kind["caption"]], "texts"),
        }
        raw = {kind: margins(found[kind], vectors) for kind in KINDS if by_kind[kind]}
        told, unknown = fit_all({kind: by_kind[kind] for kind in raw}, raw, self._prompts, bars, base_rate)
        return Calibration(
            model_version=self._card.model_version,
            revision=revision,
            prompts_revision=self._prompts.revision,
            prompts_digest=self._prompts.digest(),
            base_rate=base_rate,
            categories=told,
            unknown={name: why or "there are no labels" for name, why in unknown.items()},
            prompts=vectors.stored(ENCODED_AS),
        )

    async def prompt_vectors(self) -> PromptVectors:
        """Of the prompts as they are now."""
        neutral = await self._texts(self._prompts.neutral, "prompts")
        categories = {
            name: (await self._texts(each.prompts, "prompts")).astype(np.float32)
            for name, each in self._prompts.categories.items()
        }
        return PromptVectors(neutral.astype(np.float32), categories, TEMPERATURE)

    async def _texts(self, texts: Sequence[str], what: str) -> Array:
        mean = np.array(self._card.centring_means.caption)
        parts = []
        for start in range(0, len(texts), _BATCH):
            parts.append(await self._encoder.encode_texts(texts[start : start + _BATCH]))
            self._told(what, min(start + _BATCH, len(texts)), len(texts))
        return self._centred(parts, mean, what)

    async def _pictures(self, files: Sequence[Path]) -> Array:
        mean = np.array(self._card.centring_means.visual)
        parts = []
        for start in range(0, len(files), _BATCH):
            pixels = np.stack([self._pixels(file) for file in files[start : start + _BATCH]])
            parts.append(await self._encoder.encode_images(pixels))
            self._told("pictures", min(start + _BATCH, len(files)), len(files))
        return self._centred(parts, mean, "pictures")

    def _centred(self, parts: Sequence[Array], mean: Array, what: str) -> Array:
        """As the embedder keeps them: float32, at unit length."""
        if not parts:
            return np.empty((0, self._card.dimensions), dtype=np.float32)
        try:
            return np.asarray(centre(np.concatenate(parts), mean), dtype=np.float32)
        except ValueError as error:
            raise SafetyError(f"one of the {what} has no direction for this model") from error

    def _pixels(self, file: Path) -> Array:
        try:
            return self._prepare(file.read_bytes())
        except OSError as error:
            raise SafetyError(f"{file} cannot be read: {error.strerror}") from error
        except InvalidMedia as error:
            raise SafetyError(f"{file} is no picture that can be read: {error.detail}") from error


def next_revision(repository: Path) -> int:
    """One more than that of the file which is there.

    Raises SafetyError where that cannot be read: scores of its revision may be stored, and a lower one would never
    replace them.
    """
    try:
        known = load_calibration(repository)
    except SafetyError as error:
        raise SafetyError(f"{error} (its revision is not known: give one by --revision)") from error
    return 1 if known is None else known.revision + 1


def write_calibration(calibration: Calibration, repository: Path) -> Path:
    """The file, whole or not at all. Raises OSError."""
    path = repository / CALIBRATION_FILE
    partial = path.with_name(f".{path.name}")
    partial.write_text(calibration.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
    partial.replace(path)
    return path
