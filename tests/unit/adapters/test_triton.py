"""The Triton adapter against a small server that speaks the protocol: batches, failures, versions."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from tests.waiting import eventually_async
from workers.adapters.triton import (
    MAX_BATCH,
    EncoderRefused,
    EncoderUnavailable,
    TritonEncoder,
    WrongModel,
    served_model_card,
)
from workers.adapters.triton_texts import MOST_PIECES
from workers.config import Settings, SettingsError
from workers.domain.model_card import CARD_FILE, ModelCard, note_check
from workers.domain.priority import Priority
from workers.metrics import CUT_TEXTS

SIZE, DIMENSIONS = 16, 4
CARD = ModelCard.model_validate(
    {
        "name": "small",
        "model_version": "small_v1",
        "dimensions": DIMENSIONS,
        "image": {"size": SIZE, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
        "text": {"context_length": 8, "tokenizer": "bpe"},
        "logit_scale": 100.0,
        "centring_means": dict.fromkeys(("visual", "caption", "query"), (0.0,) * DIMENSIONS),
        "licence": "Apache-2.0",
        "sources": (),
        "checksums": {},
        "built_by": "hand",
    }
)


class SmallTriton:
    """Answers each row with a vector that begins with the row's first byte, or with ``failure`` once it is set.

    A text's tokens are its bytes, between 1 and 2, cut to the context as Triton's own model does it.
    """

    def __init__(self) -> None:
        self.version = "small_v1"
        self.failure: tuple[int, str] | None = None
        self.silence: threading.Event | None = None
        self.stalled = self.asked = 0
        self.batches: list[int] = []
        self.texts: list[str] = []
        self.priorities: list[int] = []
        triton = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                triton.asked += 1
                parameters = {"model_version": {"string_value": triton.version}} if triton.version else {}
                self._answer(200, json.dumps({"parameters": parameters}).encode(), {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if triton.silence is not None:
                    triton.stalled += 1
                    triton.silence.wait(20)
                    self.close_connection = True
                    return
                if triton.failure is not None:
                    status, message = triton.failure
                    self._answer(status, json.dumps({"error": message}).encode(), {})
                    return
                length = int(self.headers["Inference-Header-Content-Length"])
                self._infer(json.loads(body[:length]), body[length:])

            def _infer(self, request: dict[str, Any], data: bytes) -> None:
                (tensor,) = request["inputs"]
                count = int(tensor["shape"][0])
                wanted = [output["name"] for output in request["outputs"]]
                if "embedding" in wanted:
                    triton.batches.append(count)
                    triton.priorities.append(int(request.get("parameters", {}).get("priority", 0)))
                vectors = np.zeros((count, DIMENSIONS), dtype=np.float32)
                vectors[:, 0] = first_bytes(tensor["datatype"], count, data)
                found = {"embedding": ("FP32", vectors)}
                if "tokens" in wanted:
                    texts = texts_of(data)
                    triton.texts += texts if "embedding" in wanted else []
                    found["tokens"] = ("INT64", tokens_of(texts))
                outputs = [
                    {
                        "name": name,
                        "datatype": found[name][0],
                        "shape": list(found[name][1].shape),
                        "parameters": {"binary_data_size": found[name][1].nbytes},
                    }
                    for name in wanted
                ]
                head = json.dumps({"model_name": "m", "model_version": "1", "outputs": outputs}).encode()
                body = b"".join(found[name][1].tobytes() for name in wanted)
                self._answer(200, head + body, {"Inference-Header-Content-Length": str(len(head))})

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def first_bytes(datatype: str, count: int, data: bytes) -> list[int]:
    """Of each row: pixels lie one after the other, texts each behind its length."""
    if datatype == "UINT8":
        return [data[row * SIZE * SIZE * 3] for row in range(count)]
    return [text.encode()[0] if text else 0 for text in texts_of(data)]


def texts_of(data: bytes) -> list[str]:
    """Texts, each behind its length."""
    found = []
    while data:
        length = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + length].decode())
        data = data[4 + length :]
    return found


def tokens_of(texts: list[str]) -> np.ndarray[Any, Any]:
    """Start, bytes, end, nothing; the end last where it is cut."""
    rows = np.zeros((len(texts), CARD.text.context_length), dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        ids = [1, *text.encode(), 2][: len(row)]
        ids[-1] = 2
        row[: len(ids)] = ids
    return rows


@pytest.fixture
def triton() -> Iterator[SmallTriton]:
    """A fresh one."""
    with SmallTriton() as triton:
        yield triton


def pixels(count: int) -> np.ndarray[Any, Any]:
    """Pictures that can be told apart by their first byte."""
    rows = np.zeros((count, SIZE, SIZE, 3), dtype=np.uint8)
    rows[:, 0, 0, 0] = np.arange(count)
    return rows


async def test_many_rows_are_split_and_come_back_in_order(triton: SmallTriton) -> None:
    """No request is larger than the model's batch."""
    async with TritonEncoder(triton.url, CARD) as encoder:
        vectors = await encoder.encode_images(pixels(75))
    assert vectors.shape == (75, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == list(range(75))
    assert sorted(triton.batches) == [75 - 2 * MAX_BATCH, MAX_BATCH, MAX_BATCH]


async def test_texts_are_sent_as_their_bytes(triton: SmallTriton) -> None:
    """Whatever language they are in, the empty one too."""
    texts = ["a", "", "ü", "茶"]
    async with TritonEncoder(triton.url, CARD) as encoder:
        vectors = await encoder.encode_texts(texts)
    assert vectors[:, 0].tolist() == [text.encode()[0] if text else 0 for text in texts]


async def test_a_text_longer_than_the_context_goes_in_pieces_that_fit(triton: SmallTriton) -> None:
    """The guess was too bold here, a token being a byte: what filled the context went again in halves."""
    text = "ab cd. efgh ij 茶茶"
    async with TritonEncoder(triton.url, CARD) as encoder:
        (vector, short) = await encoder.encode_texts([text, "ab"])
    fitting = [piece for piece in triton.texts if len(piece.encode()) <= 5 and piece != "ab"]
    assert sorted("".join(fitting)) == sorted(text)
    weights = [len(piece.encode()) for piece in fitting]
    firsts = [piece.encode()[0] for piece in fitting]
    assert vector[0] == pytest.approx(np.average(firsts, weights=weights))
    assert short[0] == ord("a")


async def test_of_a_text_without_end_so_many_pieces_are_sent_and_no_more(triton: SmallTriton) -> None:
    """What was left out is counted."""
    before = CUT_TEXTS._value.get()
    async with TritonEncoder(triton.url, CARD) as encoder:
        await encoder.encode_texts(["tea " * 5000])
    assert sum(triton.batches) <= 20 * MOST_PIECES
    assert CUT_TEXTS._value.get() == before + 1


async def test_nothing_asked_is_nothing_sent(triton: SmallTriton) -> None:
    """An empty batch is no request."""
    async with TritonEncoder(triton.url, CARD) as encoder:
        assert (await encoder.encode_texts([])).shape == (0, DIMENSIONS)
        assert (await encoder.encode_images(pixels(0))).shape == (0, DIMENSIONS)
    assert not triton.batches


async def test_pixels_of_another_size_are_refused_here() -> None:
    """The caller is wrong, not the server."""
    with pytest.raises(ValueError, match="uint8"):
        await TritonEncoder("http://127.0.0.1:1", CARD).encode_images(np.zeros((1, 8, 8, 3), dtype=np.uint8))


@pytest.mark.parametrize("version", ["small_v2", ""])
async def test_another_served_model_is_refused_at_the_start(triton: SmallTriton, version: str) -> None:
    """Its vectors would be filed under the wrong version."""
    triton.version = version
    with pytest.raises(WrongModel, match="the model card says small_v1"):
        async with TritonEncoder(triton.url, CARD):
            pass


async def test_nobody_there_means_unavailable() -> None:
    """At the start and later."""
    with SmallTriton() as gone:
        pass
    with pytest.raises(EncoderUnavailable):
        async with TritonEncoder(gone.url, CARD):
            pass


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (503, "Exceeds maximum queue size"),
        (500, "Stub process is not healthy"),
        (429, "slow down"),
        (400, "Request for unknown model: 'clip_image' is not found"),
        (400, "Request for unknown model: 'clip_image' has no available versions"),
    ],
)
async def test_a_busy_or_unloaded_model_means_unavailable(triton: SmallTriton, status: int, message: str) -> None:
    """It comes back."""
    async with TritonEncoder(triton.url, CARD) as encoder:
        triton.failure = status, message
        with pytest.raises(EncoderUnavailable, match=message.split("'")[0]):
            await encoder.encode_images(pixels(40))
        triton.failure = None
        assert len(await encoder.encode_images(pixels(40))) == 40


async def test_a_wrong_request_is_an_error_of_ours(triton: SmallTriton) -> None:
    """Repeating it cannot help."""
    async with TritonEncoder(triton.url, CARD) as encoder:
        triton.failure = 400, "unexpected shape for input 'pixels'"
        with pytest.raises(EncoderRefused, match="unexpected shape"):
            await encoder.encode_images(pixels(1))


async def test_no_answer_in_time_means_unavailable(triton: SmallTriton) -> None:
    """A frozen server is like none."""
    async with TritonEncoder(triton.url, CARD, seconds=0.3) as encoder:
        triton.silence = threading.Event()
        try:
            with pytest.raises(EncoderUnavailable, match="no answer"):
                await encoder.encode_images(pixels(1))
        finally:
            triton.silence.set()


async def test_every_request_says_how_urgent_it_is(triton: SmallTriton) -> None:
    """Live posts by default; another for all of an encoder's, or for some."""
    async with (
        TritonEncoder(triton.url, CARD) as live,
        TritonEncoder(triton.url, CARD, priority=Priority.SEARCH) as now,
    ):
        await live.encode_images(pixels(1))
        await now.encode_texts(["tea"])
        await live.at(Priority.BACKFILL).encode_images(pixels(1))
        await live.encode_texts(["tea"])
    assert triton.priorities == [Priority.LIVE, Priority.SEARCH, Priority.BACKFILL, Priority.LIVE]


@pytest.mark.parametrize(("target", "sizes", "at_a_time"), [("cpu", [4] * 5, 1), ("gpu", [20], 4)])
async def test_backfill_runs_few_rows_at_a_time_on_a_processor(
    triton: SmallTriton, target: str, sizes: list[int], at_a_time: int
) -> None:
    """What runs is not interrupted: a live post would wait for all of it. On a GPU a batch takes hardly longer.

    While live posts come they are one at a time there, and the rest waits here.
    """
    served = {"target": target, "engine": "openvino", "precision": "f32", "weights": "half", "reason": "as asked for"}
    card = ModelCard.model_validate({**CARD.model_dump(), "served_as": served})
    async with TritonEncoder(triton.url, card) as live:
        found = await live.at(Priority.BACKFILL).encode_images(pixels(20))
        assert sorted(triton.batches) == sorted(sizes)
        assert np.array_equal(found, await live.encode_images(pixels(20)))
        assert triton.batches[-1] == 20
        triton.silence = threading.Event()
        waiting = asyncio.create_task(live.at(Priority.BACKFILL).encode_images(pixels(32 * 10)))
        await eventually_async(lambda: asyncio.sleep(0, triton.stalled >= at_a_time))
        assert triton.stalled == at_a_time
        triton.silence.set()
        with pytest.raises(EncoderUnavailable):
            await waiting


async def test_backfill_that_waits_for_triton_holds_no_live_post_back(triton: SmallTriton) -> None:
    """Each priority has requests in flight of its own: here backfill fills all of its, and none is answered."""
    triton.silence = threading.Event()
    async with TritonEncoder(triton.url, CARD) as live:
        past = asyncio.create_task(live.at(Priority.BACKFILL).encode_images(pixels(32 * 10)))
        await eventually_async(lambda: asyncio.sleep(0, triton.stalled >= 4))
        silence, triton.silence = triton.silence, None
        assert len(await live.encode_images(pixels(1))) == 1
        assert not past.done()
        silence.set()
        with pytest.raises(EncoderUnavailable):
            await past


async def test_the_vectors_of_a_model_that_took_its_place_are_not_given_out(triton: SmallTriton) -> None:
    """A Triton started again with another one; as if it were absent, until it serves the card's again."""
    now = 0.0
    async with TritonEncoder(triton.url, CARD, monotonic=lambda: now) as encoder:
        await encoder.encode_images(pixels(1))
        triton.version, now = "other_v1", 3.0
        for call in (encoder.encode_images(pixels(1)), encoder.at(Priority.BACKFILL).encode_texts(["a"])):
            with pytest.raises(EncoderUnavailable, match="serves model version other_v1, the model card says small_v1"):
                await call
        triton.version = "small_v1"
        assert len(await encoder.encode_images(pixels(1))) == 1


async def test_the_served_model_is_asked_for_once_a_second_and_not_with_every_batch(triton: SmallTriton) -> None:
    """It costs a request each time."""
    now = [0.0]
    async with TritonEncoder(triton.url, CARD, monotonic=lambda: now[0]) as encoder:
        counts = []
        for now[0] in (0.1, 0.5, 0.9, 1.5, 1.9, 2.4, 2.6):
            before = triton.asked
            await encoder.encode_images(pixels(1))
            counts.append(triton.asked - before)
    assert counts == [0, 0, 0, 1, 0, 0, 1]


def test_no_worker_takes_a_model_that_failed_its_check(tmp_path: Path) -> None:
    """Nor one without a card: the setting is named, and what to do."""
    settings = Settings(model_repository=tmp_path)
    with pytest.raises(SettingsError, match=r"STREAMSCOUT_MODEL_REPOSITORY: no model card at"):
        served_model_card(settings)
    (tmp_path / CARD_FILE).write_text(CARD.model_dump_json())
    assert served_model_card(settings) == CARD
    note_check(tmp_path, CARD.model_version, ["texts: 0.9 where 0.9999 is wanted"])
    with pytest.raises(SettingsError, match=r"STREAMSCOUT_MODEL_REPOSITORY: small_v1 failed .*\(texts: 0\.9 .*anew"):
        served_model_card(settings)
