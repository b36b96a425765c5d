"""The layout of a Triton model repository: its folders, configurations, version and card."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Literal

import orjson

from workers.domain.model_card import CARD_FILE, CentringMeans, ImageInput, ModelCard, TextInput
from workers.domain.priority import Priority
from workers.model import gpu_layout

IMAGE, TEXT = "clip_image", "clip_text"
IMAGE_FILE, TEXT_FILE = f"{IMAGE}/1/model.onnx", f"{TEXT}/1/model.onnx"
TOKENIZER_FILE = f"{TEXT}/1/tokenizer.json"
GPU_TOKENIZER_FILE = f"{gpu_layout.TOKENS}/1/tokenizer.json"
MODELS = (IMAGE, TEXT, gpu_layout.TOKENS, gpu_layout.TOWER)
Target = Literal["cpu", "gpu"]
BACKEND = Path(__file__).with_name("triton_backend.py")
MAX_BATCH = 32
TOKENS = ', {{ name: "tokens", data_type: TYPE_INT64, dims: [ {context} ] }}'
# Requests of up to MAX_BATCH rows that may wait for a model. A worker has few in flight (4 for each priority), so that
# many wait only where there are too many workers: they are told to come again (503), as is a search sooner.
WAITING = {Priority.SEARCH: 64, Priority.LIVE: 256, Priority.BACKFILL: 64}
# As long as a client waits (workers/adapters/triton.py): what nobody waits for any more is not computed.
WAITS_MICROSECONDS = 30_000_000

CONFIG = """\
# Written by workers.model.layout; the card beside it is {card}.
name: "{name}"
backend: "python"
max_batch_size: {max_batch}
input [ {{ name: "{input_name}", data_type: {data_type}, dims: [ {dims} ] }} ]
output [ {{ name: "embedding", data_type: TYPE_FP32, dims: [ {dimensions} ] }}{tokens} ]
version_policy {{ specific {{ versions: [ 1 ] }} }}
dynamic_batching {{
  preferred_batch_size: [ 16, {max_batch} ]
  max_queue_delay_microseconds: 2000
{queues}
}}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
parameters {{ key: "model_version", value: {{ string_value: "{version}" }} }}
parameters {{ key: "context_length", value: {{ string_value: "{context}" }} }}
parameters {{ key: "precision", value: {{ string_value: "{precision}" }} }}
parameters {{ key: "threads", value: {{ string_value: "{threads}" }} }}
"""


def queues() -> str:
    """Triton's priorities: live search text before live posts before backfill, each with a limit of its own."""
    policy = f"timeout_action: REJECT, default_timeout_microseconds: {WAITS_MICROSECONDS}, max_queue_size:"
    lines = [
        f"priority_levels: {len(Priority)}",
        f"default_priority_level: {Priority.LIVE:d}",
        *(f"priority_queue_policy {{ key: {p:d}, value: {{ {policy} {WAITING[p]} }} }}" for p in Priority),
    ]
    return "\n".join(f"  {line}" for line in lines)


def version_of(name: str, root: Path, means: CentringMeans) -> str:
    """`<name>_<8 hex digits>`: other weights, another tokenizer or other means are another version."""
    digest = hashlib.sha256()
    for file in (IMAGE_FILE, TEXT_FILE, TOKENIZER_FILE):
        digest.update((root / file).read_bytes())
    digest.update(orjson.dumps(means.model_dump()))
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_')[:48]}_{digest.hexdigest()[:8]}"


def checksum(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def configurations(
    version: str, dimensions: int, image: ImageInput, context_length: int, precision: str = "bf16", threads: int = 0
) -> dict[str, str]:
    """config.pbtxt of each model."""
    inputs = {
        IMAGE: ("pixels", "TYPE_UINT8", f"{image.size}, {image.size}, 3", precision),
        TEXT: ("text", "TYPE_STRING", "1", "f32"),
    }
    return {
        model: CONFIG.format(
            card=CARD_FILE, name=model, max_batch=MAX_BATCH, input_name=input_name, data_type=data_type, dims=dims,
            dimensions=dimensions, version=version, context=context_length, precision=computed, threads=threads,
            queues=queues(), tokens=TOKENS.format(context=context_length) if model == TEXT else "",
        )
        for model, (input_name, data_type, dims, computed) in inputs.items()
    }  # fmt: skip


def finish_layout(
    root: Path,
    *,
    name: str,
    dimensions: int,
    image: ImageInput,
    context_length: int,
    logit_scale: float,
    means: CentringMeans,
    licence: str,
    sources: tuple[str, ...],
    built_by: str,
    precision: str = "bf16",
    threads: int = 0,
    target: Target = "cpu",
) -> ModelCard:
    """Given the ONNX pair and the tokenizer under `root`, writes the rest and answers with the card.

    `threads` is OpenVINO's INFERENCE_NUM_THREADS (0: as many as there are); `precision` "bf16" is used where the
    processor has it, "f32" always. Both are the cpu target's alone. The version is the same for either target.
    """
    version = version_of(name, root, means)
    if target == "cpu":
        written = configurations(version, dimensions, image, context_length, precision, threads)
        programs: tuple[str, ...] = (IMAGE, TEXT)
    else:
        _apart(root)
        written = gpu_layout.configurations(version, dimensions, image, context_length, queues())
        programs = (gpu_layout.TOKENS,)
    for model, config in written.items():
        (root / model / "config.pbtxt").write_text(config)
    for model in programs:
        shutil.copyfile(BACKEND, root / model / "1" / "model.py")
    card = ModelCard(
        name=name,
        model_version=version,
        dimensions=dimensions,
        image=image,
        text=TextInput(
            context_length=context_length, tokenizer=TOKENIZER_FILE if target == "cpu" else GPU_TOKENIZER_FILE
        ),
        logit_scale=logit_scale,
        centring_means=means,
        licence=licence,
        sources=sources,
        checksums={file: checksum(root / file) for file in served_files(root)},
        built_by=built_by,
    )
    (root / CARD_FILE).write_bytes(orjson.dumps(card.model_dump(), option=orjson.OPT_INDENT_2) + b"\n")
    return card


def _apart(root: Path) -> None:
    """The text tower and the tokenizer in folders of their own: clip_text is an ensemble, whose version is empty."""
    for folder, pattern in ((gpu_layout.TOKENS, "tokenizer.json"), (gpu_layout.TOWER, "model.onnx*")):
        (root / folder / "1").mkdir(parents=True, exist_ok=True)
        for path in (root / TEXT / "1").glob(pattern):
            path.replace(root / folder / "1" / path.name)


def served_files(root: Path) -> list[str]:
    """Every file that Triton reads, by its path under `root`; the backend's own copies included."""
    files = [path for model in MODELS for path in (root / model).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(root)) for path in files if "__pycache__" not in path.parts)
