"""An open_clip model as it is: what is exported, and what the served model is held against (needs `[models]`)."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from workers.domain.model_card import ImageInput
from workers.domain.vectors import Array
from workers.model.check import TEXTS
from workers.model.checkpoint import BrokenCheckpoint, examine
from workers.model.tokenizer import UnsupportedTokenizer, hub_tokenizer
from workers.model.towers import Head, posterior_head

BATCH = 32
_ADVICE = ("Weights only load failed", "Please file an issue", "Check the documentation", "(1)", "(2)")


class ModelsExtraMissing(RuntimeError):
    """torch and open_clip are not installed. Install the [models] extra: pip install 'streamscout[models]'."""


class UnknownModel(ValueError):
    """open_clip does not know the model or the weights, or the checkpoint is of another model."""


class WeightsUnavailable(RuntimeError):
    """Weights that open_clip knows by a tag cannot be downloaded now."""


@dataclass(frozen=True)
class OpenClip:
    """A model in float32 and evaluation mode, with its own preprocessing and tokenizer; `head` behind its pictures."""

    model: Any
    transform: Any
    tokenizer: Any
    image: ImageInput
    context_length: int
    dimensions: int
    head: Head | None = None

    def encode_images(self, images: Sequence[Image]) -> Array:
        """float32 (n, d), unit length: open_clip's own transform, tower and normalisation, then the head."""
        import torch

        parts = []
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                pixels = torch.stack([self.transform(image) for image in images[start : start + BATCH]])
                found = self.model.encode_image(pixels, normalize=True)
                parts.append((self.head(found) if self.head else found).numpy())
        return np.concatenate(parts)

    def encode_pixels(self, pixels: Array) -> Array:
        """float32 (n, d), unit length, of pictures as the workers prepare them, uint8 (n, s, s, 3): the model alone."""
        import torch

        mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (self.image.mean, self.image.std))
        parts = []
        with torch.no_grad():
            for start in range(0, len(pixels), BATCH):
                rows = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255.0
                found = self.model.encode_image((rows - mean) / std, normalize=True)
                parts.append((self.head(found) if self.head else found).numpy())
        return np.concatenate(parts)

    def pixels(self, images: Sequence[Image]) -> Array:
        """As open_clip's own transform prepares them, uint8 (n, s, s, 3)."""
        mean, std = (
            np.array(numbers, dtype=np.float32).reshape(3, 1, 1) for numbers in (self.image.mean, self.image.std)
        )
        prepared = np.stack([self.transform(image).numpy() * std + mean for image in images])
        return np.asarray(np.rint(prepared.transpose(0, 2, 3, 1) * 255.0).clip(0, 255).astype(np.uint8))

    def tokens(self, texts: Sequence[str]) -> Array:
        """Token ids int64 (n, context)."""
        return np.asarray(self.tokenizer(list(texts), context_length=self.context_length).numpy())

    def encode_texts(self, texts: Sequence[str]) -> Array:
        """float32 (n, d), unit length."""
        import torch

        with torch.no_grad():
            parts = [
                self.model.encode_text(
                    self.tokenizer(list(texts[start : start + BATCH]), context_length=self.context_length),
                    normalize=True,
                ).numpy()
                for start in range(0, len(texts), BATCH)
            ]
        return np.concatenate(parts)


def load_open_clip(
    name: str, pretrained: str | None, checkpoint: Path | None, tokenizer: Path | None = None
) -> OpenClip:
    """A model that open_clip knows by `name`, with weights by tag (`pretrained`) or from a file (`checkpoint`).

    A checkpoint that carries its own configuration (ours does) needs no name that open_clip knows. `tokenizer` is the
    `tokenizer.json` of a model whose own lies on a hub. Raises ModelsExtraMissing, UnknownModel, BrokenCheckpoint and
    UnsupportedTokenizer.
    """
    try:
        import open_clip
    except ImportError as error:
        raise ModelsExtraMissing(ModelsExtraMissing.__doc__) from error
    stored = _stored(checkpoint) if checkpoint is not None else {}
    if checkpoint is not None and "model_cfg" in stored:
        try:
            return _own(stored)
        except (RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise UnknownModel(f"{checkpoint} does not hold the model that it describes: {brief(error)}") from error
    weights = str(checkpoint) if checkpoint is not None else pretrained
    codes = _given_tokenizer(name, tokenizer) if tokenizer is not None else None
    if not weights and ":" not in name:
        raise UnknownModel(f"{name}: give the weights, by tag (--pretrained) or by file (--checkpoint)")
    try:
        model, _, transform = open_clip.create_model_and_transforms(name, pretrained=weights, device="cpu")
    except (RuntimeError, ValueError, OSError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UnknownModel(f"open_clip cannot load {name} with {weights}: {brief(error)}") from error
    if codes is not None:
        _refuse_other_vocabulary(name, codes, tokenizer)
    codes = codes or _usual_tokenizer(name)
    settings = dict(open_clip.get_model_preprocess_cfg(model))
    context = int(getattr(model, "context_length", 0) or codes.context_length)
    return OpenClip(model.eval(), transform, codes, image_input(settings), context, _dimensions(model, context))


def _given_tokenizer(name: str, file: Path) -> Any:
    """open_clip's HFTokenizer of this file, with the settings that the model of this name has."""
    import open_clip

    said = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    if "hf_tokenizer_name" not in said:
        raise UnsupportedTokenizer(f"{name} has open_clip's own tokenizer: --tokenizer is for models of a hub's")
    context = int(said.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH))
    mode = {"tokenizer_mode": said["tokenizer_mode"]} if said.get("tokenizer_mode") else {}
    return hub_tokenizer(file, context, {**mode, **said.get("tokenizer_kwargs", {})})


def _refuse_other_vocabulary(name: str, codes: Any, file: Path | None) -> None:
    """Raises UnsupportedTokenizer where it gives tokens that the model does not have: it is another model's."""
    import open_clip

    said = (open_clip.get_model_config(name) or {}).get("text_cfg", {}).get("vocab_size")
    highest = int(codes(list(TEXTS)).max())
    if said is not None and highest >= int(said):
        raise UnsupportedTokenizer(f"{file} gives the token {highest}, and {name} has {said}: it is another model's")


def _usual_tokenizer(name: str) -> Any:
    """As open_clip gets it, which may be from a hub."""
    import open_clip

    try:
        return open_clip.get_tokenizer(name)
    except Exception as error:  # the hub's client has errors of its own, of many kinds
        raise UnsupportedTokenizer(
            f"the tokenizer of {name} cannot be had from its hub, give its file by --tokenizer: {brief(error)}"
        ) from error


def fetch_weights(name: str, pretrained: str) -> None:
    """Downloads weights that open_clip knows by tag, with its own progress on stderr; what is there stays.

    Raises ModelsExtraMissing, UnknownModel and WeightsUnavailable.
    """
    try:
        from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model
    except ImportError as error:
        raise ModelsExtraMissing(ModelsExtraMissing.__doc__) from error
    if ":" in name or Path(pretrained).is_file():
        return
    known = get_pretrained_cfg(name, pretrained)
    if not known:
        tags = ", ".join(list_pretrained_tags_by_model(name)) or "none"
        raise UnknownModel(f"open_clip knows no weights {pretrained!r} of {name}; it knows: {tags}")
    try:
        download_pretrained(known)
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsUnavailable(f"the weights {pretrained} of {name} cannot be downloaded: {brief(error)}") from error


def brief(error: BaseException) -> str:
    """The first 300 characters of what an error says: torch lists every weight of a model."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _stored(checkpoint: Path) -> dict[str, Any]:
    """What a torch checkpoint holds, read without running anything of it; empty for safetensors."""
    import torch

    examine(checkpoint)
    if checkpoint.suffix == ".safetensors":
        return {}
    try:
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise BrokenCheckpoint(
            f"{checkpoint} cannot be read as plain weights, and no more is read: {_reason(error)}"
        ) from error
    if not isinstance(stored, dict):
        raise BrokenCheckpoint(f"{checkpoint} holds a {type(stored).__name__}, not weights by name")
    return stored


def _reason(error: BaseException) -> str:
    """Without the advice that torch gives around it, which is to run what the file holds."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line and not line.startswith(_ADVICE)]
    return lines[0].removeprefix("WeightsUnpickler error: ").partition(" Please use ")[0] if lines else brief(error)


def image_input(settings: dict[str, Any]) -> ImageInput:
    """open_clip's preprocessing settings as the card keeps them; only square pictures are served."""
    size = settings["size"]
    if isinstance(size, (tuple, list)):
        if len(set(size)) != 1:
            raise UnknownModel(f"pictures of {size} are not square: not served")
        size = size[0]
    return ImageInput(
        size=size,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        interpolation=settings.get("interpolation", "bicubic"),
        resize_mode=settings.get("resize_mode", "shortest"),
        fill=settings.get("fill_color", 0),
    )


def _own(stored: dict[str, Any]) -> OpenClip:
    from open_clip.model import CLIP
    from open_clip.tokenizer import SimpleTokenizer
    from open_clip.transform import image_transform

    config = stored["model_cfg"]
    model = CLIP(**config).eval()
    model.load_state_dict(stored["state_dict"])
    image = image_input({"size": config["vision_cfg"]["image_size"], **stored["preprocess"]})
    transform = image_transform(image.size, is_train=False, mean=image.mean, std=image.std)
    context = config["text_cfg"]["context_length"]
    head = stored.get("head")
    behind = posterior_head(head["anchors"].numpy(), head["sharpness"]) if head else None
    tokenizer = SimpleTokenizer(context_length=context)
    return OpenClip(model, transform, tokenizer, image, context, config["embed_dim"], behind)


def _dimensions(model: Any, context: int) -> int:
    import torch

    with torch.no_grad():
        return int(model.encode_text(torch.zeros(1, context, dtype=torch.long)).shape[-1])
