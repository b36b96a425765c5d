"""CLIP on NVIDIA Triton, over HTTP with binary tensors (``tritonclient.http.aio``)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from workers.adapters.triton_texts import Frame, LongText
from workers.adapters.triton_turns import IN_FLIGHT, OnProcessor, Slots, Turns
from workers.config import Settings, SettingsError
from workers.domain.model_card import ModelCard, ModelCardError, load_model_card, refusal
from workers.domain.priority import Priority
from workers.domain.vectors import Array
from workers.metrics import CUT_TEXTS
from workers.wire.records import Unavailable

IMAGE_MODEL = "clip_image"
TEXT_MODEL = "clip_text"
MAX_BATCH = 32
"""``max_batch_size`` of both models."""

# What runs is not interrupted, and on a processor a batch takes time by its rows, to nearly the same rate (ViT-B-32, a
# second of a core: 45.8 pictures by 4, 48.9 by 8, 49.3 by 32; by 4 of which several wait and go together, 48.6).
_YIELDING_ROWS = 4
_CHECK_SECONDS = 1.0
_TYPES = {"embedding": np.float32, "tokens": np.int64}
_BUSY_STATUSES = {"429", "500", "502", "503", "504"}
# A model that is being loaded, or was unloaded, is told as a request's own fault (400); it comes back.
_UNLOADED = ("is not ready", "unknown model", "is not found", "no available versions", "unavailable")

T = TypeVar("T")


class EncoderUnavailable(Unavailable):
    """Triton is absent or busy, or its models are not loaded."""


class EncoderRefused(Exception):
    """Triton calls a request wrong: repeating it cannot help."""


class WrongModel(SettingsError):
    """Triton serves another model version than the model card's."""


def served_model_card(settings: Settings) -> ModelCard:
    """The card of the model whose vectors are stored and asked for.

    Raises SettingsError where it cannot be read, or where the model's last `streamscout model check` failed.
    """
    try:
        card = load_model_card(settings.model_repository)
        failed = refusal(settings.model_repository, card.model_version)
    except ModelCardError as error:
        raise SettingsError(f"STREAMSCOUT_MODEL_REPOSITORY: {error}") from error
    if failed:
        raise SettingsError(f"STREAMSCOUT_MODEL_REPOSITORY: {failed}")
    return card


class TritonEncoder:
    """Pictures and texts in, raw unit vectors out. Open it with ``async with``, which checks the served models.

    They are asked for again behind answers, once a second at most: a Triton that was started again with another model
    takes longer than that. Its vectors are not given out; until it serves the card's again it is as if it were absent.
    """

    def __init__(
        self,
        url: str,
        card: ModelCard,
        seconds: float = 30.0,
        *,
        tls: ssl.SSLContext | None = None,
        priority: Priority = Priority.LIVE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``url``: http(s)://host:port of Triton; ``seconds``: longest wait for one request; ``tls``: its trust.

        ``priority``: of its requests at Triton; ``at`` gives another.
        """
        self._monotonic, self._checked = monotonic, dict.fromkeys((IMAGE_MODEL, TEXT_MODEL), -_CHECK_SECONDS)
        parts = urlsplit(url)
        self._address = parts.netloc + parts.path.rstrip("/")
        self._tls, self._context = parts.scheme == "https", tls
        self._card = card
        self._seconds = seconds
        self._priority = priority
        self._on_processor = card.served_as is not None and card.served_as.target == "cpu"
        self._turns: Turns = OnProcessor(monotonic) if self._on_processor else Slots()
        self._client: Any = None
        self._frame: Frame | None = None

    async def __aenter__(self) -> Self:
        """Raises EncoderUnavailable where nobody serves, WrongModel where another model is served."""
        self._client = InferenceServerClient(
            self._address,
            ssl=self._tls,
            ssl_context=self._context or True,
            conn_limit=IN_FLIGHT * 2 * len(Priority),
            conn_timeout=self._seconds,
        )
        try:
            for model in (IMAGE_MODEL, TEXT_MODEL):
                await self._check(model)
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    def at(self, priority: Priority) -> TritonEncoder:
        """The same, open for as long as this is, at another priority: the order of all is ``triton_turns``'."""
        other = copy(self)
        other._priority = priority
        return other

    async def encode_images(self, pixels: Array) -> Array:
        """uint8 (n, S, S, 3), RGB, resized and cropped as the card says; float32 (n, d) of unit length, uncentred."""
        size = self._card.image.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise ValueError(f"pixels of {pixels.dtype} {pixels.shape} where uint8 (n, {size}, {size}, 3) is wanted")
        if not len(pixels):
            return self._nothing()
        (vectors,) = await self._encode(IMAGE_MODEL, "pixels", "UINT8", pixels, ("embedding",))
        return vectors

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """n texts; float32 (n, d), uncentred: of unit length where the model's context holds the text.

        A longer one is the mean of its pieces (see ``triton_texts``), shorter than 1.
        """
        frame, room = await self._frame_of_texts(), self._card.text.context_length - 2
        longs = [LongText.of(text, room) for text in texts]
        while waiting := [(long, piece) for long in longs for piece in long.waiting()]:
            rows = _column([piece.text for _, piece in waiting])
            answers = await self._encode(TEXT_MODEL, "text", "BYTES", rows, ("embedding", "tokens"))
            for (long, piece), vector, tokens in zip(waiting, *answers, strict=True):
                if not frame.full(tokens) or not long.halve(piece):
                    piece.vector, piece.tokens = vector, frame.tokens(tokens)
        CUT_TEXTS.inc(sum(long.cut for long in longs))
        return np.stack([long.mean() for long in longs]) if longs else self._nothing()

    async def tokens(self, texts: Sequence[str]) -> Array:
        """Token ids int64 (n, context), as the text tower gets them; up to MAX_BATCH texts."""
        (rows,) = await self._request(TEXT_MODEL, "text", "BYTES", _column(texts), ("tokens",))
        return rows

    async def precision(self, model: str) -> str:
        """What a model was built to compute in: "f32", "bf16" (where its processor has it) or "fp16"."""
        config = await _asked(model, self._client.get_model_config(model))
        return str(config.get("parameters", {}).get("precision", {}).get("string_value", "f32"))

    async def _frame_of_texts(self) -> Frame:
        if self._frame is None:
            (empty,) = await self.tokens([""])
            self._frame = Frame.of(empty)
        return self._frame

    def _nothing(self) -> Array:
        return np.empty((0, self._card.dimensions), dtype=np.float32)

    async def _encode(self, model: str, name: str, datatype: str, rows: Array, outputs: Sequence[str]) -> list[Array]:
        """Each of ``outputs`` for every row: several requests of so many rows at most, side by side."""
        size = _YIELDING_ROWS if self._on_processor and self._priority is Priority.BACKFILL else MAX_BATCH
        starts = range(0, len(rows), size)
        requests = (self._request(model, name, datatype, rows[start : start + size], outputs) for start in starts)
        answers = await asyncio.gather(*requests, return_exceptions=True)
        parts: list[list[Array]] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            parts.append(answer)
        if self._monotonic() - self._checked[model] > _CHECK_SECONDS:
            try:
                await self._check(model)
            except WrongModel as error:
                raise EncoderUnavailable(str(error)) from error
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    async def _request(self, model: str, name: str, datatype: str, rows: Array, outputs: Sequence[str]) -> list[Array]:
        tensor = InferInput(name, list(rows.shape), datatype)
        tensor.set_data_from_numpy(rows, binary_data=True)
        wanted = [InferRequestedOutput(output, binary_data=True) for output in outputs]
        async with self._turns.turn(model, self._priority):
            call = self._client.infer(model, [tensor], outputs=wanted, priority=int(self._priority))
            result = await _asked(model, call)
        found = [np.asarray(result.as_numpy(output), dtype=_TYPES[output]) for output in outputs]
        widths = {"embedding": self._card.dimensions, "tokens": self._card.text.context_length}
        for output, values in zip(outputs, found, strict=True):
            if values.shape != (len(rows), widths[output]):
                raise EncoderRefused(
                    f"{model} answered {output} {values.shape} to {len(rows)} rows, {widths[output]} each"
                )
        return found

    async def _check(self, model: str) -> None:
        """The served model must be the card's: its vectors would be filed under the wrong version otherwise."""
        asked = self._monotonic()
        config = await _asked(model, self._client.get_model_config(model))
        served = config.get("parameters", {}).get("model_version", {}).get("string_value", "")
        if served != self._card.model_version:
            raise WrongModel(
                f"{model} at {self._address} serves model version {served or '(none)'}, "
                f"the model card says {self._card.model_version}"
            )
        self._checked[model] = asked


def _column(texts: Sequence[str]) -> Array:
    return np.array([text.encode() for text in texts], dtype=np.object_).reshape(-1, 1)


async def _asked(model: str, call: Awaitable[T]) -> T:
    """The answer to a call; raises EncoderUnavailable where it may succeed later, EncoderRefused where it cannot."""
    try:
        return await call
    except TimeoutError as error:
        raise EncoderUnavailable(f"{model}: no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EncoderUnavailable(f"{model}: {type(error).__name__} {error}") from error
    except InferenceServerException as error:
        message = str(error.message())
        busy = str(error.status()) in _BUSY_STATUSES or any(words in message.lower() for words in _UNLOADED)
        if busy:
            raise EncoderUnavailable(f"{model}: {message}") from error
        raise EncoderRefused(f"{model}: {message}") from error
