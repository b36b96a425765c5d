"""Composed pictures: one large emoji, now and then a second and a third small one, on a made-up background."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

SMALL_ONES = (0.8, 0.95)  # chances of at most no and at most one small emoji beside the large one


class Composer:
    """Draws batches from art [styles, concepts, 64, 64, 4]; the same seed draws the same pictures."""

    def __init__(self, art: Sequence[NDArray[np.uint8]], seed: int) -> None:
        stack = torch.from_numpy(np.stack(art))  # [styles, concepts, h, w, 4]
        self.present = (stack[..., 3].amax(dim=(2, 3)) > 0).float()  # [styles, concepts]
        self.drawn = self.present.any(dim=0).nonzero()[:, 0]  # concepts that some style has
        self.art = stack.permute(0, 1, 4, 2, 3).contiguous()
        self.size = self.art.shape[-1]
        self.random = torch.Generator().manual_seed(seed)

    def draw(self, concepts: torch.Tensor, plain: bool = False) -> torch.Tensor:
        """Pictures [n, 3, 64, 64] in 0..1 of the concepts [n]; `plain` leaves out small ones, blur and strong noise."""
        count = len(concepts)
        canvas = self._backgrounds(count)
        if not plain:
            canvas = self._small_ones(canvas)
        canvas = self._paste(canvas, concepts, (0.35, 1.0), reach=None)
        return canvas if plain else self._light(canvas)

    def _small_ones(self, canvas: torch.Tensor) -> torch.Tensor:
        extra = self._uniform(len(canvas))
        for threshold in SMALL_ONES[::-1]:
            rows = (extra > threshold).nonzero()[:, 0]
            canvas[rows] = self._paste(canvas[rows], self._any(len(rows)), (0.22, 0.38), reach=0.85)
        return canvas

    def _any(self, count: int) -> torch.Tensor:
        return self.drawn[torch.randint(len(self.drawn), (count,), generator=self.random)]

    def _uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=self.random)

    def _paste(
        self,
        canvas: torch.Tensor,
        concepts: torch.Tensor,
        scales: tuple[float, float],
        reach: float | None,
        place: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Lays one emoji on each picture; its centre lies within `reach` of the middle, or where it still fits.

        `place` says its scale [n] and centre [n, 2] (from -1 to 1) instead.
        """
        count = len(concepts)
        if count == 0:
            return canvas
        style = torch.multinomial(self.present[:, concepts].T, 1, generator=self.random)[:, 0]
        emoji = self.art[style, concepts].float() / 255.0
        scale = place[0] if place else scales[0] + (scales[1] - scales[0]) * self._uniform(count).sqrt()
        small = (scale < 0.6).nonzero()[:, 0]  # half size first, or the sampling below would alias
        halves = F.avg_pool2d(emoji[small], 2)
        emoji[small] = F.interpolate(halves, scale_factor=2.0, mode="bilinear", align_corners=False)
        emoji[:, :3] *= emoji[:, 3:]
        angle = (self._uniform(count) - 0.5) * math.radians(50)
        flip = torch.where(self._uniform(count) < 0.35, -1.0, 1.0)
        room = torch.clamp(1.0 - scale, min=0.03) if reach is None else torch.full((count,), reach)
        shift = place[1] if place else (self._uniform(count, 2) * 2 - 1) * room[:, None]
        cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
        rows = torch.stack([torch.stack([cosine * flip, sine * flip], 1), torch.stack([-sine, cosine], 1)], 1)
        offset = -(rows @ shift[:, :, None])
        grid = F.affine_grid(torch.cat([rows, offset], 2), [count, 4, self.size, self.size], align_corners=False)
        layer = F.grid_sample(emoji, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return layer[:, :3] + canvas * (1 - layer[:, 3:])

    def _backgrounds(self, count: int) -> torch.Tensor:
        ends = self._uniform(count, 2, 3, 1, 1)
        kind = self._uniform(count)
        ends[kind < 0.2] = 1.0 - 0.12 * ends[kind < 0.2]  # nearly white, as shop and studio pictures are
        ends[:, 1] = torch.where((kind < 0.35)[:, None, None, None], ends[:, 0], ends[:, 1])
        slope = F.interpolate(self._uniform(count, 1, 2, 2), size=self.size, mode="bilinear", align_corners=True)
        canvas = ends[:, 0] * slope + ends[:, 1] * (1 - slope)
        cells = F.interpolate(self._uniform(count, 3, 8, 8) - 0.5, size=self.size, mode="bilinear", align_corners=False)
        rough = (self._uniform(count) * 0.8 * (kind > 0.5))[:, None, None, None]
        fine = (self._uniform(count) * 0.08)[:, None, None, None]
        noise = torch.randn(count, 3, self.size, self.size, generator=self.random)
        return (canvas + rough * cells + fine * noise).clamp(0, 1)

    def _light(self, canvas: torch.Tensor) -> torch.Tensor:
        count = len(canvas)
        gain = 0.75 + 0.5 * self._uniform(count, 1, 1, 1) + 0.15 * (self._uniform(count, 3, 1, 1) - 0.5)
        shade = F.interpolate(self._uniform(count, 1, 2, 2), size=self.size, mode="bilinear", align_corners=True)
        canvas = canvas * gain * (1.0 - 0.4 * (shade - 0.5))
        blurred = F.avg_pool2d(F.pad(canvas, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        amount = (self._uniform(count, 1, 1, 1) * (self._uniform(count, 1, 1, 1) < 0.4)).float()
        return (canvas * (1 - amount) + blurred * amount).clamp(0, 1)


def to_uint8(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """[n, 3, h, w] in 0..1 to [n, h, w, 3] of bytes, the form that is served."""
    result: Any = (pictures.permute(0, 2, 3, 1) * 255.0).round().to(torch.uint8).numpy()
    return result
