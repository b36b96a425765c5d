"""The model card: what every worker must know of the model that Triton serves (``model.json`` beside its folders)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CARD_FILE, FAILED_FILE, CHECKED_FILE = "model.json", "failed-check.json", "checked.json"


class ModelCardError(ValueError):
    """The model card cannot be read, or is not one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Failed(_Part):
    model_version: str
    failures: tuple[str, ...]


class _Held(_Part):
    model_version: str
    against: str


_N = TypeVar("_N", _Failed, _Held)


WHOLE: Final = 64.0
"""An oversampling at which no picture is decoded at a part of its size."""


class ImageInput(_Part):
    """How a picture becomes pixels, as open_clip's own preprocessing does it; the model itself applies mean and std.

    ``oversampling``: so many pixels for each one kept, of a side, are left at least where a JPEG is decoded at a part
    of its size or whole pixels are averaged; bicubic or bilinear does the rest. `model build` measures what holds.
    """

    size: Annotated[int, Field(ge=16, le=1024)]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize_mode: Literal["shortest", "longest", "squash"] = "shortest"
    crop: Literal["center"] = "center"
    fill: Annotated[int, Field(ge=0, le=255)] = 0
    oversampling: Annotated[float, Field(ge=1, le=WHOLE)] = WHOLE


class TextInput(_Part):
    """``context_length`` in tokens, start and end included; ``tokenizer`` is a path beside the card.

    ``kind`` is "clip" (open_clip's own) or "hub" (one of the tokenizers library); ``cleaning`` is open_clip's name of
    what is done to a text first; ``cleared`` is the token that becomes 0, for a model trained without its separator.
    """

    context_length: Annotated[int, Field(ge=3, le=4096)]
    tokenizer: str
    kind: Literal["clip", "hub"] = "clip"
    cleaning: Literal["lower", "whitespace", "canonicalize"] = "lower"
    cleared: int | None = None


class ServedAs(_Part):
    """On what a repository is to be served: ``precision`` of the picture tower, and on a GPU of both.

    "half" ``weights`` are stored as float16. ``reason`` says what was measured for the choice.
    """

    target: Literal["cpu", "gpu"]
    engine: Literal["openvino", "tensorrt", "torch"]
    precision: Literal["bf16", "f32", "fp16"]
    weights: Literal["half", "whole"]
    reason: str


class CentringMeans(_Part):
    """The mean raw vector (d,) of each kind of input, taken off before comparing kinds (see domain/vectors.py)."""

    visual: tuple[float, ...]
    caption: tuple[float, ...]
    query: tuple[float, ...]


class ModelCard(_Part):
    """One model: its name in every record (``model_version``), its inputs, its space, where it comes from."""

    name: str
    model_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]
    dimensions: Annotated[int, Field(ge=2, le=4096)]
    image: ImageInput
    text: TextInput
    logit_scale: Annotated[float, Field(gt=0)]
    centring_means: CentringMeans
    licence: str
    sources: tuple[str, ...]
    checksums: dict[str, str]
    built_by: str
    served_as: ServedAs | None = None

    @model_validator(mode="after")
    def _means_fit(self) -> Self:
        for kind in ("visual", "caption", "query"):
            length = len(getattr(self.centring_means, kind))
            if length != self.dimensions:
                raise ValueError(f"centring_means.{kind} has {length} numbers where dimensions says {self.dimensions}")
        return self


def parse_model_card(data: bytes, where: str = CARD_FILE) -> ModelCard:
    """The card from its JSON; raises ModelCardError which says what is wrong and where."""
    try:
        return ModelCard.model_validate_json(data)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors())
        raise ModelCardError(f"{where} is not a model card: {faults}") from error


def load_model_card(repository: Path) -> ModelCard:
    """The card of a model repository (the folder that Triton serves), or the card file itself.

    Raises ModelCardError where there is none or it is wrong.
    """
    path = repository / CARD_FILE if repository.is_dir() else repository
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelCardError(f"no model card at {path}: {error.strerror}") from error
    return parse_model_card(data, str(path))


def checksum(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def changed_files(card: ModelCard, repository: Path) -> list[str]:
    """Files of the card that are missing or not what they were when it was written."""
    found = ((repository / file, file, wanted) for file, wanted in card.checksums.items())
    return [file for path, file, wanted in found if not path.is_file() or checksum(path) != wanted]


def note_check(repository: Path, version: str, failures: Sequence[str], against: str = "open_clip") -> None:
    """Leave what a check of the served model ``against`` another found, for ``failed_check`` and ``check_state``.

    Raises OSError where the repository cannot be written.
    """
    failed, held = repository / FAILED_FILE, repository / CHECKED_FILE
    if failures:
        held.unlink(missing_ok=True)
        failed.write_text(_Failed(model_version=version, failures=tuple(failures)).model_dump_json(indent=2))
    else:
        held.write_text(_Held(model_version=version, against=against).model_dump_json(indent=2))
        failed.unlink(missing_ok=True)


def failed_check(repository: Path, version: str) -> list[str]:
    """What this version of a model failed when it was last checked. Raises ModelCardError where that is unreadable."""
    noted = _noted(repository / FAILED_FILE, _Failed)
    return list(noted.failures) if noted and noted.model_version == version else []


def refusal(repository: Path, version: str) -> str:
    """Why this version is not to be served, in a sentence, where its last check failed; else empty.

    Raises ModelCardError where the note of it is unreadable.
    """
    if not (failures := failed_check(repository, version)):
        return ""
    return (
        f"{version} failed `streamscout model check` ({'; '.join(failures)}): it is not served. "
        f"Build it anew, or remove {repository / FAILED_FILE} to check it once more"
    )


def check_state(repository: Path, version: str) -> str:
    """``failed: …``, ``held against …`` or ``not checked``. Raises ModelCardError where the note is unreadable."""
    if failures := failed_check(repository, version):
        return f"failed: {'; '.join(failures)}"
    noted = _noted(repository / CHECKED_FILE, _Held)
    return f"held against {noted.against}" if noted and noted.model_version == version else "not checked"


def _noted(path: Path, kind: type[_N]) -> _N | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ModelCardError(f"{path} cannot be read: check the model again") from error
