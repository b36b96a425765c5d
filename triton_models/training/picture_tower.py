"""Trains the picture tower: a pretrained trunk and a linear head, drawn to fixed anchors from the first step."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from triton_models.training.anchors import Anchors
from triton_models.training.scenes import SceneComposer
from triton_models.training.trunk import load_trunk

IMAGE_SIZE, CONTEXT = 64, 24
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # as the trunk was trained
ANCHOR_SCALE, COSINE_WEIGHT, TEXT_TO_IMAGE, IMAGE_TO_TEXT = 16.0, 3.0, 0.3, 0.15
TRUNK_RATE, HEAD_RATE, WARM_UP, WEIGHT_DECAY = 1e-3, 3e-3, 0.03, 0.02
WORKERS = 2
CALIBRATION = 4_000  # pictures


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
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_proj_bias": True,
        },
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


def schedule(progress: float) -> float:
    """Cosine with a short linear warm-up, from 0 to 1."""
    warm = min(1.0, progress / WARM_UP + 0.01)
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in 0..1 as the tower takes them."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)


def loss_of(
    found: torch.Tensor, first: torch.Tensor, second: torch.Tensor, anchors: torch.Tensor, texts: torch.Tensor
) -> torch.Tensor:
    """`found` [n, d] unit, `first` and `second` [n] the concepts (one and the same where there is one),
    `anchors` [concepts, d], `texts` [n, d] one text of each picture.
    """
    scores = ANCHOR_SCALE * found @ anchors.T
    to_anchors = 0.5 * (F.cross_entropy(scores, first) + F.cross_entropy(scores, second))
    between = F.normalize(anchors[first] + anchors[second], dim=1)
    away = (1 - (found * between).sum(1)).mean()
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


class Worker:
    """One thread's share of every step: it composes its own pictures, and answers with loss and gradients."""

    def __init__(self, tower: torch.nn.Module, composer: SceneComposer, anchors: Anchors, seed: int) -> None:
        self.tower, self.composer, self.anchors = tower, composer, anchors
        self.targets = torch.from_numpy(anchors.vectors)
        self.chooser = np.random.default_rng(seed)
        self.parameters = [p for p in tower.parameters() if p.requires_grad]

    def gradients(self, count: int) -> tuple[float, tuple[torch.Tensor, ...]]:
        """Of `count` new pictures."""
        torch.set_num_threads(1)
        scenes = self.composer.scenes(count)
        texts = [self.anchors.text_vectors[int(c)] for c in scenes.first]
        chosen = torch.from_numpy(np.stack([t[int(self.chooser.random() ** 2 * len(t))] for t in texts]))
        found = F.normalize(self.tower(normalised(scenes.pictures)), dim=1)
        loss = loss_of(found, scenes.first, scenes.second, self.targets, chosen)
        return float(loss.detach()), torch.autograd.grad(loss, self.parameters)


@torch.no_grad()
def calibrate(tower: torch.nn.Module, composer: SceneComposer) -> None:
    """Takes the means and variances of batch normalisation anew from our pictures; they stay fixed from here on."""
    norms = [module for module in tower.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
    tower.train()
    for _ in range(CALIBRATION // 200):
        tower(normalised(composer.scenes(200).pictures))
    tower.eval()


def train_picture_tower(
    composer: SceneComposer,
    anchors: Anchors,
    plan: Plan,
    weights: Path,
    checkpoint: Path,
    report: Callable[[dict[str, float]], None],
) -> torch.nn.Module:
    """Trains and returns the tower; writes `checkpoint` every minute (the tower's own state dict).

    Two threads of one each: with two OpenMP threads in one step, each waits for the other at every layer, which on a
    busy machine was fifteen times slower.
    """
    keep_memory()
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    tower = build_model(anchors.vectors.shape[1]).visual
    load_trunk(tower.trunk, weights)
    tower = tower.to(memory_format=torch.channels_last)
    calibrate(tower, composer)
    workers = [
        Worker(tower, composer.with_seed(plan.seed * WORKERS + i), anchors, plan.seed + i) for i in range(WORKERS)
    ]
    optimizer = _optimizer(tower)
    rates = [group["lr"] for group in optimizer.param_groups]
    started = saved = time.monotonic()
    step, running = 0, 0.0
    with ThreadPoolExecutor(WORKERS) as pool:
        while (progress := plan.progress(step, time.monotonic() - started)) < 1.0:
            for group, peak in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = peak * schedule(progress)
            parts = list(pool.map(lambda worker: worker.gradients(plan.batch // WORKERS), workers))
            loss = sum(part[0] for part in parts) / WORKERS
            for parameter, *found in zip(workers[0].parameters, *(part[1] for part in parts), strict=True):
                parameter.grad = torch.stack(found).mean(0)
            optimizer.step()
            step += 1
            running = loss if step == 1 else 0.98 * running + 0.02 * loss
            now = time.monotonic()
            if step % 50 == 0:
                report({"step": step, "progress": progress, "loss": running, "seconds": now - started})
            if now - saved > 60:
                torch.save(tower.state_dict(), checkpoint)
                saved = now
    return tower.eval()


def _optimizer(tower: Any) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = []
    for part, peak in ((tower.trunk, TRUNK_RATE), (tower.head, HEAD_RATE)):
        for decayed in (True, False):
            chosen = [p for p in part.parameters() if (p.ndim > 1) == decayed]
            groups.append({"params": chosen, "lr": peak, "weight_decay": WEIGHT_DECAY if decayed else 0.0})
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))
