"""Builds a Triton model repository from any open_clip model and checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL.Image import Image

from workers.domain.model_card import CentringMeans, ModelCard, checksum
from workers.domain.vectors import Array
from workers.model import decoding, layout, measuring, towers
from workers.model.source import OpenClip, load_open_clip
from workers.model.tokenizer import write_tokenizer

LICENCE_UNKNOWN = "the model's own: see where its weights come from"
WHOLE = "whole.onnx"

Step = Callable[[str], None]


@dataclass(frozen=True)
class Samples:
    """What the centring means are taken from; an empty kind is left uncentred (its mean is zero)."""

    images: Sequence[Image] = ()
    captions: Sequence[str] = ()
    queries: Sequence[str] = ()


@dataclass(frozen=True)
class Serving:
    """On what: "cpu" (OpenVINO), or "gpu" (float16, by "tensorrt" or by "torch"). How OpenVINO computes pictures on a
    processor: "bf16" where it has it, "f32", or "auto": what was measured to hold. `threads` 0 means all.
    """

    target: layout.Target = "cpu"
    precision: Literal["auto", "bf16", "f32"] = "bf16"
    threads: int = 0
    engine: Literal["tensorrt", "torch"] = "tensorrt"

    def how(self) -> layout.How:
        """As far as nothing must be measured for it."""
        if self.target == "gpu":
            weights: layout.Weights = "whole" if self.engine == "torch" else "half"
            return layout.How("gpu", self.engine, "fp16", weights, reason="float16 was not measured: not run on a GPU")
        if self.precision == "auto":
            return layout.How(precision="f32", threads=self.threads, reason="no pictures to measure bfloat16 with")
        return layout.How(precision=self.precision, threads=self.threads, reason="as asked for")


def build(
    name: str,
    pretrained: str | None,
    checkpoint: Path | None,
    out: Path,
    samples: Samples | None = None,
    serving: Serving | None = None,
    licence: str = LICENCE_UNKNOWN,
    step: Step = lambda _: None,
    tokenizer: Path | None = None,
    measured: Sequence[Image] = (),
) -> ModelCard:
    """Writes the repository under `out` and answers with its card; `step` is told what is being done.

    `tokenizer` is the file of a model's whose own lies on a hub; `measured` are pictures (three or more) on which is
    measured what weights and what precision hold, and at what part of their size JPEGs may be decoded: without them
    nothing is, and JPEGs are decoded whole.

    Raises ModelsExtraMissing, UnknownModel, BrokenCheckpoint or UnsupportedTokenizer before anything is written.
    """
    step(f"loading {name}")
    source = load_open_clip(name, pretrained, checkpoint, tokenizer)
    weights = f"{checkpoint.name}, sha256 {checksum(checkpoint)}" if checkpoint else pretrained or "own weights"
    pictures, decoded = source.pixels(measured) if measured else None, ""
    if measured:
        step("measuring at what part of their size JPEGs may be decoded")
        oversampling, decoded = decoding.choose_oversampling(source, measured)
        source = replace(source, image=source.image.model_copy(update={"oversampling": oversampling}))
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
        pictures=pictures,
        decoded=decoded,
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
    pictures: Array | None = None,
    decoded: str = "",
) -> ModelCard:
    """Writes the towers, the tokenizer, the configurations and the card of a loaded model, in place of what is there.

    `pictures`, uint8 (n, s, s, 3), are what is measured on how to compute it; without them nothing is. `decoded` is
    what was measured on how JPEGs are decoded for it, for the card.
    """
    with layout.in_place_of(out) as root:
        codes = write_tokenizer(source.tokenizer, root / layout.TOKENIZER_FILE, source.context_length)
        how = _export_towers(source, root, serving, pictures, step)
        how = replace(how, reason=f"{how.reason}; {decoded}") if decoded else how
        step("writing the card")
        return layout.finish_layout(
            root,
            name=name,
            dimensions=source.dimensions,
            image=source.image,
            context_length=source.context_length,
            logit_scale=float(source.model.logit_scale.detach().exp()),
            means=means,
            licence=licence,
            sources=sources,
            built_by=built_by,
            codes=codes,
            how=how,
        )


def _export_towers(source: OpenClip, root: Path, serving: Serving, pictures: Array | None, step: Step) -> layout.How:
    """Writes them under `root`, and answers with how they are to be computed."""
    import torch

    size = source.image.size
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    codes = source.tokenizer(["a", "b"], context_length=source.context_length)
    images, texts = root / layout.IMAGE_FILE, root / layout.TEXT_FILE
    whole = None if pictures is None else WHOLE
    step("exporting the picture tower")
    image_tower = towers.picture_tower(source.model, source.image.mean, source.image.std, source.head)
    towers.export_onnx(image_tower, pixels, "pixels", images, whole)
    step("exporting the text tower")
    towers.export_onnx(towers.text_tower(source.model), codes, "text", texts, whole)
    if serving.target == "gpu" and serving.engine == "torch":
        step("exporting both towers as programs of torch")
        towers.export_torch(image_tower, pixels, images.with_name(layout.PROGRAM))
        text_tower = towers.text_tower(towers.without_pictures(source.model))
        towers.export_torch(text_tower, codes, texts.with_name(layout.PROGRAM))
    if pictures is None:
        return serving.how()
    step("measuring what holds")
    return _measured(source, root, serving, pictures)


def _measured(source: OpenClip, root: Path, serving: Serving, pixels: Array) -> layout.How:
    """The weights that hold are kept, under the name of both; the precision as asked for, or what holds."""
    halves = [root / file for file in (layout.IMAGE_FILE, layout.TEXT_FILE)]
    images, texts = ((half, half.with_name(WHOLE)) for half in halves)
    both = measuring.towers_of(source, pixels, images, texts)
    weights, reason = measuring.choose_weights(both)
    how = serving.how()
    if serving.target == "cpu" and serving.precision == "auto":
        precision, why = measuring.choose_precision(both[0], weights)
        how = replace(how, precision=precision, reason=why)
    for half in halves:
        towers.keep_one(half, half.with_name(WHOLE), weights)
    kept = how.weights if how.engine == "torch" else weights
    return replace(how, weights=kept, reason=f"{how.reason}; {reason}")


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
