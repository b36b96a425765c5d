"""Other looks of the same drawings, made once before training: outlines, flat colours, other hues, relief.

A tower that has seen a few drawing styles only knows those; what makes it know a drawing again in a style that it has
never seen is that colour, line and shading change while the shape stays.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

PART = 256  # pictures at once
LUMINANCE = (0.299, 0.587, 0.114)


def restyled(art: NDArray[np.uint8], look: str, seed: int) -> NDArray[np.uint8]:
    """`art` RGBA [concepts, s, s, 4] in another look, "outline" or "relief", each picture by chances of its own."""
    change = {"outline": _outline, "relief": _relief}[look]
    random = torch.Generator().manual_seed(seed)
    parts = []
    for part in torch.from_numpy(art).split(PART):
        pictures = part.permute(0, 3, 1, 2).float() / 255.0
        made = change(pictures, random).clamp(0, 1)
        made[:, 3] *= (pictures[:, 3].amax(dim=(1, 2)) > 0).float()[:, None, None]  # what is not drawn stays so
        parts.append((made * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1))
    return torch.cat(parts).numpy()


def _uniform(count: int, random: torch.Generator) -> torch.Tensor:
    return torch.rand(count, 1, 1, 1, generator=random)


def recoloured(colours: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """RGB [n, 3, h, w]: hues turned (half of them), colours stronger, weaker or none, light and contrast changed."""
    count = len(colours)
    angle = (_uniform(count, random) - 0.5) * 2 * math.pi * (_uniform(count, random) < 0.5)
    grey = colours.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    light = (colours * grey).sum(1, keepdim=True)
    off = colours - light
    turned = off * angle.cos() + torch.stack(
        [off[:, 2] - off[:, 1], off[:, 0] - off[:, 2], off[:, 1] - off[:, 0]], 1
    ) * (angle.sin() / math.sqrt(3))
    strength = 1.8 * _uniform(count, random) * (_uniform(count, random) > 0.1)
    gain = 0.7 + 0.6 * _uniform(count, random)
    return (light * gain + (_uniform(count, random) - 0.5) * 0.3 + turned * strength).clamp(0, 1)


def _outline(pictures: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Dark lines where colours meet and around the whole; between them flat colours, one light colour, or nothing."""
    count = len(pictures)
    alpha = pictures[:, 3:]
    levels = 2.0 + (_uniform(count, random) * 3).floor()
    changed = recoloured(pictures[:, :3], random)
    flat = (F.avg_pool2d(changed, 3, 1, 1) * levels).round() / levels
    solid = flat * alpha + (1 - alpha)
    around = torch.cat([solid, alpha], 1)
    contrast = (F.max_pool2d(around, 3, 1, 1) + F.max_pool2d(-around, 3, 1, 1)).amax(1, keepdim=True)
    edge = ((contrast - 0.25 - 0.2 * _uniform(count, random)) * 8).clamp(0, 1)
    thick = torch.where(_uniform(count, random) < 0.4, F.max_pool2d(edge, 3, 1, 1), edge)
    line = F.avg_pool2d(thick, 3, 1, 1) * 0.5 + thick * 0.5
    kind = _uniform(count, random)
    light = 1.0 - 0.35 * torch.rand(count, 3, 1, 1, generator=random)
    fill = torch.where(kind < 0.65, flat, light.expand_as(flat))
    inside = torch.where(kind < 0.85, alpha, torch.zeros_like(alpha))
    ink = 0.25 * torch.rand(count, 3, 1, 1, generator=random)
    covered = torch.maximum(inside, line)
    colours = (fill * (1 - line) + ink * line) * (covered > 0)
    return torch.cat([colours, covered], 1)


def _relief(pictures: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Shaded as if it were rounded and lit from one side."""
    count = len(pictures)
    alpha = pictures[:, 3:]
    height = alpha
    for _ in range(3):
        height = F.avg_pool2d(height, 9, 1, 4)
    light = (pictures[:, :3] * pictures.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True) * alpha
    height = height + 0.3 * F.avg_pool2d(light, 5, 1, 2)
    across, down = (height.roll(-1, 3) - height.roll(1, 3)), (height.roll(-1, 2) - height.roll(1, 2))
    angle = _uniform(count, random) * 2 * math.pi
    shade = (across * angle.cos() + down * angle.sin()) * (3.0 + 5.0 * _uniform(count, random))
    changed = torch.where(_uniform(count, random) < 0.5, recoloured(pictures[:, :3], random), pictures[:, :3])
    return torch.cat([changed + shade.clamp(-0.4, 0.5), alpha], 1)
