"""Real vectors to make creators from: pictures and captions of the bundled drawings, embedded by Triton."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from workers.adapters.media_decode import Decoder
from workers.adapters.triton import MAX_BATCH, TritonEncoder
from workers.config import Settings
from workers.demo.pictures import QUALITY, compose
from workers.demo.world import CAPTIONS, Artwork, Composition, load_artwork
from workers.domain.model_card import ModelCard
from workers.domain.vectors import Array, centre, unit

QUESTIONS = (
    "creators who show {name}",
    "people who post about {keyword} and {name} every week",
    "{name}, {keyword} and everything around it",
)
_SEED = 20261129
_BESIDE = 0.2


@dataclass(frozen=True, slots=True)
class Pool:
    """Of T topics, in the order of the axis on which like ones lie beside each other.

    ``visual`` (T, n, d) and ``caption`` (T, n, d): centred unit vectors; ``words``: three questions about each topic.
    """

    topics: tuple[Artwork, ...]
    visual: Array
    caption: Array
    words: tuple[tuple[str, ...], ...]


async def embedded_pool(settings: Settings, card: ModelCard, of_each: int) -> Pool:
    """``of_each`` pictures and captions of every bundled drawing. Raises EncoderUnavailable."""
    rng = random.Random(_SEED)
    artwork = settings.model_repository / "sample_artwork"
    niches = load_artwork(artwork)
    topics = [drawing for drawings in niches.values() for drawing in drawings]
    niche_of = [niche for niche, drawings in niches.items() for _ in drawings]
    pictures = [
        _jpeg(Composition(topic, _beside(rng, niches[niche]), rng.randrange(2**32)), artwork)
        for topic, niche in zip(topics, niche_of, strict=True)
        for _ in range(of_each)
    ]
    captions = [_said(rng, rng.choice(CAPTIONS), topic) for topic in topics for _ in range(of_each)]
    decode = Decoder(settings, card, settings.media_pixels_at_once)
    means = card.centring_means
    async with TritonEncoder(str(settings.triton_url), card) as encoder:
        pixels = np.stack([decode(data) for data in pictures])
        shown = [await encoder.encode_images(pixels[at : at + MAX_BATCH]) for at in range(0, len(pixels), MAX_BATCH)]
        told = [await encoder.encode_texts(captions[at : at + MAX_BATCH]) for at in range(0, len(captions), MAX_BATCH)]
    visual = centre(np.concatenate(shown), np.array(means.visual)).reshape(len(topics), of_each, -1)
    caption = centre(np.concatenate(told), np.array(means.caption)).reshape(len(topics), of_each, -1)
    order = along_an_axis(visual.mean(axis=1) + caption.mean(axis=1), niche_of)
    words = tuple(tuple(_said(rng, form, topics[index]) for form in QUESTIONS) for index in order)
    return Pool(tuple(topics[index] for index in order), visual[order], caption[order], words)


async def embedded_questions(settings: Settings, card: ModelCard, texts: Sequence[str]) -> Array:
    """Queries as the match API embeds them, (n, d)."""
    async with TritonEncoder(str(settings.triton_url), card) as encoder:
        return centre(await encoder.encode_texts(list(texts)), np.array(card.centring_means.query))


def along_an_axis(vectors: Array, groups: Sequence[str]) -> list[int]:
    """Indices of ``vectors`` (n, d) so that like ones are near: whole groups in a chain of nearest neighbours.

    The chain begins at the group that is least like all others.
    """
    names = sorted(set(groups))
    means = unit(np.stack([vectors[[group == name for group in groups]].mean(axis=0) for name in names]))
    alike = means @ means.T
    chain = [int(np.argmin(alike.sum(axis=1)))]
    while len(chain) < len(names):
        left = [index for index in range(len(names)) if index not in chain]
        chain.append(max(left, key=lambda index: float(alike[chain[-1], index])))
    place = {names[index]: number for number, index in enumerate(chain)}
    return sorted(range(len(groups)), key=lambda index: (place[groups[index]], index))


def _jpeg(composition: Composition, artwork: Path) -> bytes:
    data = BytesIO()
    compose(composition, artwork).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()


def _beside(rng: random.Random, drawings: Sequence[Artwork]) -> Artwork | None:
    return rng.choice(drawings) if rng.random() < _BESIDE else None


def _said(rng: random.Random, form: str, topic: Artwork) -> str:
    return form.format(name=topic.name, keyword=rng.choice(topic.keywords or (topic.name,)))
