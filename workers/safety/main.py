"""Wires the safety commands to Triton, Kafka, the schema registry and Weaviate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np

from workers.adapters.kafka import KafkaProducer
from workers.adapters.media_decode import Decoder
from workers.adapters.registry import build_codec
from workers.adapters.security import trusting
from workers.adapters.triton import TritonEncoder
from workers.adapters.weaviate.connection import connect
from workers.adapters.weaviate.listing import ObjectListing
from workers.adapters.weaviate.objects import ObjectStore
from workers.config import Settings
from workers.domain.model_card import ModelCard, load_model_card
from workers.domain.safety.calibration import (
    CALIBRATION_FILE,
    Calibration,
    PromptVectors,
    disagreement,
    load_calibration,
)
from workers.domain.safety.prompts import SafetyError, load_prompts
from workers.domain.safety.scoring import NEVER, load_scoring
from workers.safety import rescoring
from workers.safety.calibrating import Calibrating, Told, next_revision, write_calibration
from workers.safety.fitting import Bars
from workers.safety.labels import read_labels
from workers.safety.rescoring import Report, Rescoring
from workers.wire.cloudevents import Wire
from workers.wire.records import Unavailable

SOURCE: Final = "streamscout/safety"
SAME: Final = 0.999
"""Cosine from which a prompt's vector is the one that was calibrated."""


async def calibrate(
    settings: Settings, file: Path, bars: Bars, base_rate: float | None, revision: int | None, told: Told
) -> tuple[Calibration, Path]:
    """Calibrate on a file of labels and write ``safety.json``. Raises SafetyError, Unavailable, OSError.

    ``revision`` None: one more than that of the file that is there.
    """
    card = load_model_card(settings.model_repository)
    labels = read_labels(file)
    revision = revision or next_revision(settings.model_repository)
    if not labels:
        raise SafetyError(f"{file}: no label is in it")
    async with _calibrating(settings, card, told) as calibrating:
        found = await calibrating.run(labels, file.parent, revision, bars, base_rate)
    return found, write_calibration(found, settings.model_repository)


async def check(settings: Settings) -> tuple[Calibration | None, str, str]:
    """The calibration, why it does not hold (empty where it does), and what kept the model from being asked."""
    card, prompts = load_model_card(settings.model_repository), load_prompts(settings.schemas_dir)
    calibration = load_calibration(settings.model_repository)
    if calibration is None:
        return None, "", ""
    if why := disagreement(calibration, prompts, card.model_version):
        return calibration, why, ""
    if settings.triton_url is None:
        return calibration, "", "no Triton is set to encode the prompts with"
    try:
        async with _calibrating(settings, card, lambda *_: None) as calibrating:
            now = await calibrating.prompt_vectors()
    except Unavailable as error:
        return calibration, "", f"Triton cannot be reached: {error}"
    far = farthest(PromptVectors.read(calibration.prompts, card.dimensions), now)
    turned = f"the served model gives its prompts other vectors (cosine {far:.4f})" if far < SAME else ""
    return calibration, turned, ""


def farthest(one: PromptVectors, other: PromptVectors) -> float:
    """The least cosine of a prompt with itself."""
    pairs = [(one.neutral, other.neutral), *((one.categories[name], other.categories[name]) for name in one.categories)]
    return min(float((a.astype(np.float64) * b.astype(np.float64)).sum(axis=1).min()) for a, b in pairs)


async def rescore(settings: Settings, wait: bool, told: rescoring.Told) -> Report:
    """Have every stored post of an older scoring scored. Raises SafetyError without a calibration, Unavailable."""
    settings.required("kafka_bootstrap", "weaviate_url")
    card = load_model_card(settings.model_repository)
    scoring = load_scoring(settings.schemas_dir, settings.model_repository, card)
    if scoring.revision == NEVER:
        path = settings.model_repository / CALIBRATION_FILE
        raise SafetyError(f"{path}: not there; nothing can be scored before `streamscout safety calibrate`")
    wire = Wire(build_codec(settings), SOURCE, settings.namespace)
    producer = KafkaProducer(settings)
    try:
        async with connect(settings) as client:
            servers = (settings.namespace, card.model_version)
            story = Rescoring(
                ObjectListing(client, *servers),
                ObjectStore(client, *servers, card.dimensions),
                wire,
                producer,
                scoring.revision,
                told,
                time.monotonic,
                asyncio.sleep,
            )
            return await story.run(wait)
    finally:
        producer.close()


@asynccontextmanager
async def _calibrating(settings: Settings, card: ModelCard, told: Told) -> AsyncIterator[Calibrating]:
    settings.required("triton_url")
    decoder = Decoder(settings, card, settings.media_pixels_at_once)
    prompts = load_prompts(settings.schemas_dir)
    async with TritonEncoder(str(settings.triton_url), card, tls=trusting(settings, "triton_ca_file")) as encoder:
        yield Calibrating(encoder, decoder, card, prompts, told)
