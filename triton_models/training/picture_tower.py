"""Trains the picture tower: open_clip's ModifiedResNet, drawn to fixed anchors from the first step."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from triton_models.training.anchors import Anchors
from triton_models.training.composing import Composer

IMAGE_SIZE, WIDTH, CONTEXT = 64, 16, 24
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
ANCHOR_SCALE, COSINE_WEIGHT, TEXT_TO_IMAGE, IMAGE_TO_TEXT = 16.0, 3.0, 0.3, 0.15
PEAK_RATE, WARM_UP, WEIGHT_DECAY = 2e-3, 0.02, 0.02


@dataclass(frozen=True)
class Plan:
    """How long to train: by steps, or by seconds (the schedule then follows the clock, so that it always ends)."""

    seed: int
    batch: int
    steps: int | None = None
    seconds: float | None = None

    def progress(self, step: int, elapsed: float) -> float:
        """0 at the start, 1 at the end."""
        parts = [step / self.steps] if self.steps else []
        parts += [elapsed / self.seconds] if self.seconds else []
        return max(parts)


def model_config(dimensions: int) -> dict[str, Any]:
    """open_clip's own model configuration; the text tower's width has room for a word, its weight and a balance."""
    return {
        "embed_dim": dimensions,
        "vision_cfg": {"image_size": IMAGE_SIZE, "layers": [1, 1, 1, 1], "width": WIDTH, "patch_size": None},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": 49408,
            "width": dimensions + 2,
            "heads": 1,
            "layers": 1,
        },
    }


def build_model(dimensions: int) -> Any:
    """An untrained open_clip CLIP of the bundled shape."""
    from open_clip.model import CLIP

    return CLIP(**model_config(dimensions))


def rate(progress: float) -> float:
    """Cosine with a short linear warm-up."""
    warm = min(1.0, progress / WARM_UP + 0.01)
    return PEAK_RATE * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in 0..1 as the tower takes them."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)


def loss_of(found: torch.Tensor, concepts: torch.Tensor, anchors: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """`found` [n, d] unit, `concepts` [n], `anchors` [concepts, d], `texts` [n, d] one text of each picture."""
    to_anchors = F.cross_entropy(ANCHOR_SCALE * found @ anchors.T, concepts)
    away = (1 - (found * anchors[concepts]).sum(1)).mean()
    pairs = ANCHOR_SCALE * texts @ found.T
    own = torch.arange(len(found))
    batch = TEXT_TO_IMAGE * F.cross_entropy(pairs, own) + IMAGE_TO_TEXT * F.cross_entropy(pairs.T, own)
    return to_anchors + COSINE_WEIGHT * away + batch


def keep_memory() -> None:
    """Tells glibc to keep freed memory: handing every tensor back and faulting it in again took half the time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
        for parameter, value in ((m_mmap_max, 0), (m_trim_threshold, 2**31 - 1), (m_top_pad, 2**28)):
            mallopt(parameter, value)


def train_picture_tower(
    art: list[NDArray[np.uint8]],
    anchors: Anchors,
    plan: Plan,
    checkpoint: Path,
    report: Callable[[dict[str, float]], None],
) -> torch.nn.Module:
    """Trains and returns the tower; writes `checkpoint` every minute (the tower's own state dict)."""
    keep_memory()
    torch.manual_seed(plan.seed)
    tower = build_model(anchors.vectors.shape[1]).visual.to(memory_format=torch.channels_last).train()
    decayed = [p for p in tower.parameters() if p.ndim > 1]
    others = [p for p in tower.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98))
    composer = Composer(art, plan.seed)
    chooser = np.random.default_rng(plan.seed)
    targets = torch.from_numpy(anchors.vectors)
    started = saved = time.monotonic()
    step, running = 0, 0.0
    while (progress := plan.progress(step, time.monotonic() - started)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = rate(progress)
        concepts = torch.randint(len(targets), (plan.batch,), generator=composer.random)
        texts = [anchors.text_vectors[int(c)] for c in concepts]
        chosen = torch.from_numpy(np.stack([t[int(chooser.random() ** 2 * len(t))] for t in texts]))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = tower(normalised(composer.draw(concepts)))
        loss = loss_of(F.normalize(found.float(), dim=1), concepts, targets, chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        running = float(loss.detach()) if step == 1 else 0.98 * running + 0.02 * float(loss.detach())
        now = time.monotonic()
        if step % 50 == 0:
            report({"step": step, "progress": progress, "loss": running, "seconds": now - started})
        if now - saved > 60:
            torch.save(tower.state_dict(), checkpoint)
            saved = now
    return tower.eval()
