"""A model repository: its version, its configurations, its card; and how a served model is held against another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workers.domain.model_card import (
    CARD_FILE,
    FAILED_FILE,
    CentringMeans,
    ImageInput,
    ModelCard,
    changed_files,
    load_model_card,
)
from workers.domain.priority import Priority
from workers.domain.vectors import Array
from workers.model import layout
from workers.model.check import TEXTS, check_against, check_alone, compare
from workers.model.source import UnknownModel, image_input
from workers.model.tokenizer import Codes

CLIP = Codes()
MEANS = CentringMeans(visual=(0.0, 0.1), caption=(0.0, 0.2), query=(0.0, 0.3))


def make(
    root: Path, weights: bytes = b"weights", means: CentringMeans = MEANS, name: str = "ViT-B/32", codes: Codes = CLIP
) -> ModelCard:
    """A repository whose towers are a few bytes."""
    for file in (layout.IMAGE_FILE, layout.TEXT_FILE, layout.TOKENIZER_FILE):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(weights)
    return layout.finish_layout(
        root,
        name=name,
        dimensions=2,
        image=ImageInput(size=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
        context_length=7,
        logit_scale=9.0,
        means=means,
        licence="MIT",
        sources=("a test",),
        built_by="a test",
        codes=codes,
        how=layout.How(precision="f32", threads=3, reason="a test"),
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """The card, and the sum of every file."""
    card = make(tmp_path)
    assert load_model_card(tmp_path) == card
    assert changed_files(card, tmp_path) == []


def test_the_version_moves_with_weights_and_means_and_suits_a_collection_name(tmp_path: Path) -> None:
    """It ends in the names of Weaviate's collections."""
    one = make(tmp_path / "a")
    assert one.model_version.startswith("ViT_B_32_")
    assert one.model_version == make(tmp_path / "b").model_version
    others = {
        make(tmp_path / "c", weights=b"other").model_version,
        make(tmp_path / "d", means=MEANS.model_copy(update={"query": (0.0, 0.4)})).model_version,
    }
    assert len(others | {one.model_version}) == 3


def test_the_weights_of_a_large_tower_that_lie_beside_it_are_of_its_version(tmp_path: Path) -> None:
    """The model's file then names them only: two of other weights are the same bytes."""
    versions = set()
    for number, weights in enumerate((b"one", b"other")):
        root = tmp_path / str(number)
        beside = root / f"{layout.IMAGE_FILE}.data"
        beside.parent.mkdir(parents=True)
        beside.write_bytes(weights)
        versions.add(make(root).model_version)
    assert len(versions) == 2


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    """Weights swapped under a card would be embedded under the wrong version."""
    card = make(tmp_path)
    (tmp_path / layout.TEXT_FILE).write_bytes(b"swapped")
    (tmp_path / layout.IMAGE / "config.pbtxt").unlink()
    assert changed_files(card, tmp_path) == ["clip_image/config.pbtxt", layout.TEXT_FILE]


def test_the_configuration_carries_what_the_backend_needs(tmp_path: Path) -> None:
    """The backend reads nothing else."""
    card = make(tmp_path)
    image = (tmp_path / layout.IMAGE / "config.pbtxt").read_text()
    text = (tmp_path / layout.TEXT / "config.pbtxt").read_text()
    assert "dims: [ 32, 32, 3 ]" in image
    assert "TYPE_STRING" in text
    for key, value in (
        ("model_version", card.model_version),
        ("context_length", "7"),
        ("threads", "3"),
        ("engine", "openvino"),
    ):
        assert f'key: "{key}", value: {{ string_value: "{value}" }}' in text


def test_how_texts_become_tokens_stands_in_the_configuration_and_in_the_card(tmp_path: Path) -> None:
    """The backend tokenises as open_clip does for this model; `model list` says how."""
    card = make(tmp_path, codes=Codes("hub", "canonicalize", 102))
    text = (tmp_path / layout.TEXT / "config.pbtxt").read_text()
    for key, value in (("tokenizer", "hub"), ("cleaning", "canonicalize"), ("cleared", "102")):
        assert f'key: "{key}", value: {{ string_value: "{value}" }}' in text
    assert (card.text.kind, card.text.cleaning, card.text.cleared) == ("hub", "canonicalize", 102)


def test_a_build_takes_the_place_of_the_one_before_whatever_it_was_for(tmp_path: Path) -> None:
    """Nothing of it is left: no other target's models, no note of a check. What is no model stays."""
    for file in ("clip_text_tower/1/model.onnx", "clip_text/1/model.pt2", CARD_FILE, FAILED_FILE, "notes/mine.txt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("of before")
    with layout.in_place_of(tmp_path) as root:
        card = make(root)
    assert changed_files(card, tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip_image", "clip_text", CARD_FILE, "notes"]
    assert sorted(card.checksums) == layout.served_files(tmp_path)


def test_a_build_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    """Also where there was none: no folder then."""

    def fail(out: Path) -> None:
        with layout.in_place_of(out) as root:
            make(root, weights=b"half")
            raise RuntimeError("no memory")

    before = make(tmp_path / "a")
    for out in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(RuntimeError, match="no memory"):
            fail(out)
    assert load_model_card(tmp_path / "a") == before
    assert changed_files(before, tmp_path / "a") == []
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_search_goes_before_live_posts_before_backfill_and_each_queue_has_a_limit(tmp_path: Path) -> None:
    """A level and a policy for each priority; what says nothing of itself is live; one version, named."""
    make(tmp_path)
    for model in (layout.IMAGE, layout.TEXT):
        config = (tmp_path / model / "config.pbtxt").read_text()
        assert Priority.SEARCH < Priority.LIVE < Priority.BACKFILL
        assert f"priority_levels: {len(Priority)}\n" in config
        assert f"default_priority_level: {Priority.LIVE:d}\n" in config
        for priority in Priority:
            assert f"priority_queue_policy {{ key: {priority:d}, value: {{ timeout_action: REJECT," in config
            assert f"max_queue_size: {layout.WAITING[priority]} }} }}" in config
        assert "version_policy { specific { versions: [ 1 ] } }" in config


def test_pictures_that_are_not_square_are_refused() -> None:
    """Workers crop to a square."""
    settings = {"size": (32, 48), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(UnknownModel, match="not square"):
        image_input(settings)
    assert image_input({**settings, "size": (48, 48)}).size == 48


def test_a_common_direction_hides_no_difference() -> None:
    """Vectors that agree only in their mean fail once it is taken off."""
    random = np.random.default_rng(3)
    shared = np.array([[30.0] + [0.0] * 15])
    wanted, found = (shared + random.normal(size=(8, 16)) for _ in range(2))
    raw, without = compare("pictures", found, wanted)
    assert raw.value > 0.9
    assert without.value < 0.9
    assert not without.holds
    assert all(row.holds for row in compare("pictures", wanted, wanted))


class Crooked:
    """Serves vectors of length two, and others alone than in a batch."""

    async def encode_images(self, pixels: Array) -> Array:
        """One axis for a batch, another alone."""
        return self._vectors(len(pixels))

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """The same."""
        return self._vectors(len(texts))

    def _vectors(self, count: int) -> Array:
        rows = np.zeros((count, 4))
        rows[:, 0 if count > 1 else 1] = 2.0
        return rows


async def test_a_crooked_server_is_found_out_without_open_clip() -> None:
    """Length, and the same answer alone as in a batch."""
    rows = await check_alone(Crooked(), np.zeros((3, 32, 32, 3), dtype=np.uint8))
    assert len(TEXTS) > 1
    assert [row.holds for row in rows] == [False] * 4


class Exact:
    """open_clip, and what is served: the same vectors but for an angle, the same tokens but for one."""

    def __init__(self, precision: str = "f32", off: float = 0.0, decoding_off: float = 0.0, token: int = 0) -> None:
        self.stated, self.off, self.decoding_off, self.token = precision, off, decoding_off, token

    def vectors(self, count: int, off: float) -> Array:
        """Unit vectors, each turned by the angle whose cosine is 1 - off, into a dimension of its own."""
        rows = np.zeros((count, 2 * count))
        rows[range(count), range(count)] = 1 - off
        rows[range(count), range(count, 2 * count)] = np.sqrt(1 - (1 - off) ** 2)
        return rows


class AsServed(Exact):
    """What Triton answers."""

    async def encode_images(self, pixels: Array) -> Array:
        """Turned."""
        return self.vectors(len(pixels), self.off)

    async def encode_texts(self, texts: Sequence[str]) -> Array:
        """Turned."""
        return self.vectors(len(texts), self.off)

    async def tokens(self, texts: Sequence[str]) -> Array:
        """Zeros, but for one."""
        return np.full((len(texts), 4), self.token)

    async def precision(self, model: str) -> str:
        """Of both models."""
        return self.stated


class AsOpenClip(Exact):
    """What is held against."""

    def encode_images(self, images: Sequence[Image.Image]) -> Array:
        """Turned by how else it decodes."""
        return self.vectors(len(images), self.decoding_off)

    def encode_pixels(self, pixels: Array) -> Array:
        """As they are."""
        return self.vectors(len(pixels), 0.0)

    def encode_texts(self, texts: Sequence[str]) -> Array:
        """As they are."""
        return self.vectors(len(texts), 0.0)

    def tokens(self, texts: Sequence[str]) -> Array:
        """Zeros."""
        return np.zeros((len(texts), 4), dtype=np.int64)


async def failing(served: AsServed, source: AsOpenClip) -> set[str]:
    """The names of what does not hold, of four pictures."""
    images = [Image.new("RGB", (8, 8))] * 4
    pixels = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    return {row.name for row in await check_against(served, source, images, pixels) if not row.holds}


async def test_each_bar_is_its_own() -> None:
    """0.9999 at the model in float32, 0.999 in bfloat16, 0.999 with decoding; tokens are the same or are not."""
    assert await failing(AsServed(), AsOpenClip()) == set()
    at_the_model = {"texts: at the model", "pictures: at the model"}
    assert await failing(AsServed(off=0.0005), AsOpenClip()) == at_the_model
    assert await failing(AsServed("bf16", off=0.0005), AsOpenClip()) == set()
    assert at_the_model <= await failing(AsServed("bf16", off=0.002), AsOpenClip())
    assert await failing(AsServed("unheard of", off=0.0005), AsOpenClip()) == at_the_model
    assert await failing(AsServed(), AsOpenClip(decoding_off=0.002)) == {"pictures: decoded and resized too"}
    assert await failing(AsServed(token=1), AsOpenClip()) == {"texts: whose tokens differ"}
