"""Pictures a second of the encoder: the bare engine, the same through Triton, and torch in float32, turn about."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.machine import on
from workers.adapters.triton import MAX_BATCH, TritonEncoder
from workers.config import REPOSITORY, Settings
from workers.domain.model_card import ModelCard
from workers.domain.vectors import Array

IN_FLIGHT, PATIENCE = 3, 300.0
_END_SECONDS = 20.0


class RowFailed(RuntimeError):
    """A row could not be measured; the message says why."""


class Timed:
    """A child process that encodes for as long as it is told, on its cores."""

    def __init__(self, name: str, command: Sequence[str], cores: Collection[int]) -> None:
        self._name, self._command, self._cores = name, list(command), cores

    def __enter__(self) -> Self:
        with on(self._cores):
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
            )
        if self._said() != "ready":
            raise RowFailed(f"{self._name} did not start: {' '.join(self._command)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._child:
            assert self._child.stdin is not None
            self._child.stdin.close()
            try:
                self._child.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()

    def rate(self, seconds: float) -> float:
        """Pictures a second over so many seconds."""
        assert self._child.stdin is not None
        print(seconds, file=self._child.stdin, flush=True)
        return float(self._said())

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def _said(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline().strip()
        if not line:
            raise RowFailed(f"{self._name} ended with {self._child.wait()}")
        return line


def bare(home: Path, repository: Path, precision: str, pixels: Path, cores: Collection[int]) -> Timed:
    """OpenVINO alone; ``home`` is Triton's own environment."""
    script = Path(__file__).with_name("engine.py")
    model = repository / "clip_image" / "1" / "model.onnx"
    command = [str(home / "bin" / "python"), str(script), str(model), str(len(cores)), precision, str(pixels)]
    return Timed("the bare engine", command, cores)


def torch_float32(checkpoint: Path, pixels: Path, cores: Collection[int]) -> Timed:
    """torch, in this interpreter."""
    command = [sys.executable, "-m", "tests.bench.reference", str(checkpoint), str(len(cores)), str(pixels)]
    return Timed("torch", command, cores)


def served(settings: Settings, card: ModelCard, pixels: Array, seconds: float) -> float:
    """Pictures a second through Triton, with more full batches in flight than it computes at a time."""

    async def measure() -> float:
        async with TritonEncoder(str(settings.triton_url), card, PATIENCE) as encoder:
            done, begun = 0, time.monotonic()

            async def keep_asking() -> None:
                nonlocal done
                while time.monotonic() - begun < seconds:
                    start = done % len(pixels)
                    done += MAX_BATCH
                    await encoder.encode_images(pixels[start : start + MAX_BATCH])

            await asyncio.gather(*(keep_asking() for _ in range(IN_FLIGHT)))
            return done / (time.monotonic() - begun)

    return asyncio.run(measure())
