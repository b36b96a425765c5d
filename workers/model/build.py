"""Builds a Triton model repository from any open_clip model and checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from workers.domain.model_card import CentringMeans, ModelCard
from workers.model import layout, towers
from workers.model.source import OpenClip, load_open_clip
from workers.model.tokenizer import write_tokenizer

LICENCE_UNKNOWN = "the model's own: see where its weights come from"

Step = Callable[[str], None]


@dataclass(frozen=True)
class Samples:
    """What the centring means are taken from; an empty kind is left uncentred (its mean is zero)."""

    images: Sequence[Image] = ()
    captions: Sequence[str] = ()
    queries: Sequence[str] = ()


@dataclass(frozen=True)
class Serving:
    """On what: "cpu", or "gpu" (float16). How OpenVINO computes on a processor: "bf16" where it has it, or "f32";
    `threads` 0 means all.
    """

    target: layout.Target = "cpu"
    precision: str = "bf16"
    threads: int = 0


def build(
    name: str,
    pretrained: str | None,
    checkpoint: Path | None,
    out: Path,
    samples: Samples | None = None,
    serving: Serving | None = None,
    licence: str = LICENCE_UNKNOWN,
    step: Step = lambda _: None,
) -> ModelCard:
    """Writes the repository under `out` and answers with its card; `step` is told what is being done.

    Raises ModelsExtraMissing, UnknownModel, BrokenCheckpoint or UnsupportedTokenizer before anything is written.
    """
    step(f"loading {name}")
    source = load_open_clip(name, pretrained, checkpoint)
    weights = f"{checkpoint.name}, sha256 {layout.checksum(checkpoint)}" if checkpoint else pretrained or "own weights"
    return export(
        source,
        name=name.split("/")[-1].split(":")[-1],
        out=out,
        means=centring_means(source, samples or Samples(), step),
        serving=serving or Serving(),
        licence=licence,
        sources=(f"open_clip {name}, {weights}",),
        built_by="streamscout model build",
        step=step,
    )


def export(
    source: OpenClip,
    *,
    name: str,
    out: Path,
    means: CentringMeans,
    serving: Serving,
    licence: str,
    sources: tuple[str, ...],
    built_by: str,
    step: Step = lambda _: None,
) -> ModelCard:
    """Writes the ONNX pair, the tokenizer, the configurations and the card of a loaded model."""
    import torch

    write_tokenizer(source.tokenizer, out / layout.TOKENIZER_FILE)
    step("exporting the picture tower")
    size = source.image.size
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    pictures = towers.picture_tower(source.model, source.image.mean, source.image.std, source.head)
    towers.export_onnx(pictures, pixels, "pixels", out / layout.IMAGE_FILE)
    step("exporting the text tower")
    codes = source.tokenizer(["a", "b"], context_length=source.context_length)
    towers.export_onnx(towers.text_tower(source.model), codes, "text", out / layout.TEXT_FILE)
    step("writing the card")
    return layout.finish_layout(
        out,
        name=name,
        dimensions=source.dimensions,
        image=source.image,
        context_length=source.context_length,
        logit_scale=float(source.model.logit_scale.detach().exp()),
        means=means,
        licence=licence,
        sources=sources,
        built_by=built_by,
        precision=serving.precision,
        threads=serving.threads,
        target=serving.target,
    )


def centring_means(source: OpenClip, samples: Samples, step: Step = lambda _: None) -> CentringMeans:
    """The mean raw vector of each kind, rounded to seven places; zeros for a kind without samples."""
    nothing = (0.0,) * source.dimensions
    step(f"embedding {len(samples.images)} pictures and {len(samples.captions) + len(samples.queries)} texts")
    return CentringMeans(
        visual=_rounded(source.encode_images(samples.images).mean(axis=0)) if samples.images else nothing,
        caption=_rounded(source.encode_texts(samples.captions).mean(axis=0)) if samples.captions else nothing,
        query=_rounded(source.encode_texts(samples.queries).mean(axis=0)) if samples.queries else nothing,
    )


def _rounded(mean: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(number), 7) for number in mean)
