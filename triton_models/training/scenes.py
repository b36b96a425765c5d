"""What is trained on: composed pictures of one emoji, and of two of like size, in many styles."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from triton_models.training.composing import Composer

PAIRS = 0.25
PAIR_SCALES = (0.36, 0.62)


@dataclass(frozen=True)
class Scenes:
    """`pictures` [n, 3, s, s] in 0..1; `first` and `second` [n] what they show, one and the same where it is one."""

    pictures: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor


class SceneComposer(Composer):
    """Draws scenes; `weights` [styles] is how much more often a style is taken than another."""

    def __init__(self, art: Sequence[NDArray[np.uint8]], weights: Sequence[float], seed: int) -> None:
        super().__init__(art, seed)
        self.present = self.present * torch.tensor(weights)[:, None]

    def with_seed(self, seed: int) -> SceneComposer:
        """Another that shares the artwork."""
        other = copy.copy(self)
        other.random = torch.Generator().manual_seed(seed)
        return other

    def scenes(self, count: int) -> Scenes:
        """`count` new ones; every concept is as likely as any other."""
        first, second = (self._any(count) for _ in range(2))
        pair = self._uniform(count) < PAIRS
        second = torch.where(pair, second, first)
        canvas = self._small_ones(self._backgrounds(count))
        alone, both = (~pair).nonzero()[:, 0], pair.nonzero()[:, 0]
        canvas[alone] = self._paste(canvas[alone], first[alone], (0.35, 1.0), reach=None)
        canvas[both] = self._beside(canvas[both], first[both], second[both])
        return Scenes(self._light(canvas), first, second)

    def _beside(self, canvas: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Two on opposite sides of the middle, half of them side by side."""
        count = len(canvas)
        turn = self._uniform(count) * 2 * math.pi
        turn = torch.where(self._uniform(count) < 0.5, (turn / math.pi).floor() * math.pi, turn)
        away = torch.stack([turn.cos(), turn.sin()], 1) * (0.42 + 0.16 * self._uniform(count, 1))
        for concepts, side in ((first, 1.0), (second, -1.0)):
            scale = PAIR_SCALES[0] + (PAIR_SCALES[1] - PAIR_SCALES[0]) * self._uniform(count)
            centre = side * away + 0.1 * (self._uniform(count, 2) - 0.5)
            canvas = self._paste(canvas, concepts, PAIR_SCALES, None, (scale, centre))
        return canvas
