"""`streamscout model`: what it refuses before anything is loaded or written, and what it shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from PIL import Image
from typer.testing import CliRunner

from workers.config import REPOSITORY, Settings
from workers.domain.model_card import CARD_FILE, CHECKED_FILE, ModelCard, load_model_card, note_check, refusal
from workers.model import cli
from workers.model.check import Row
from workers.model.cli import model_app
from workers.model.folders import Pictures

RUN = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --model NAME"),
        (["ViT-B-32", "--model", "RN50"], "two models are named, ViT-B-32 and RN50"),
        (["--model", "RN50", "--target", "tpu"], "target is cpu or gpu"),
        (["--model", "RN50", "--precision", "int8"], "precision is auto or bf16 or f32"),
        (["--model", "RN50", "--target", "gpu", "--engine", "cuda"], "engine is tensorrt or torch"),
        (["--model", "RN50", "--pretrained", "openai", "--checkpoint", "w.pt"], "not both"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Exit code 2, one sentence, and nothing written."""
    result = RUN.invoke(model_app, ["build", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_place_for_a_repository(tmp_path: Path) -> None:
    """It stays as it is."""
    (tmp_path / "out").write_text("mine")
    result = RUN.invoke(model_app, ["build", "--model", "RN50", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "is there and no folder" in result.stderr
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("tag", "code", "said"),
    [
        ("openai", 3, "the weights openai of RN50 cannot be downloaded: no route to the hub"),
        ("opanai", 2, "open_clip knows no weights 'opanai' of RN50; it knows: openai, cc12m"),
    ],
)
def test_weights_that_cannot_be_had_are_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tag: str, code: int, said: str
) -> None:
    """A hub that is not reached is another exit code than a tag that nobody knows; nothing is written."""

    def download(known: object) -> str:
        raise OSError("no route to\n the hub")

    module = ModuleType("open_clip.pretrained")
    given = {
        "download_pretrained": download,
        "get_pretrained_cfg": lambda name, asked: {"url": "there"} if asked == "openai" else {},
        "list_pretrained_tags_by_model": lambda name: ["openai", "cc12m"],
    }
    vars(module).update(given)
    monkeypatch.setitem(sys.modules, "open_clip", ModuleType("open_clip"))
    monkeypatch.setitem(sys.modules, "open_clip.pretrained", module)
    arguments = ["--model", "RN50", "--pretrained", tag, "--out", str(tmp_path / "out")]
    result = RUN.invoke(model_app, ["build", *arguments])
    assert result.exit_code == code
    assert result.stderr == f"{said}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_card_that_is_shown_names_every_constant_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the bundled model, as JSON."""
    monkeypatch.setenv("STREAMSCOUT_MODEL_REPOSITORY", str(REPOSITORY / "triton_models"))
    result = RUN.invoke(model_app, ["list", "--json"])
    assert result.exit_code == 0, result.output
    (shown,) = orjson.loads(result.stdout)
    assert shown["interpolation"] == "bicubic"
    assert shown["resize"] == "shortest, center crop"
    assert shown["centred"] == ["visual", "caption", "query"]
    assert shown["tokenizer"] == "clip_text/1/tokenizer.json"
    assert shown["tokenizer_kind"] == "clip, cleaned: lower"
    assert (shown["target"], shown["engine"]) == ("cpu", "openvino")
    assert shown["precision"] == "f32 (weights: half)"
    assert shown["precision_because"] == "as asked for"
    assert shown["check"]
    assert shown["licence"]
    assert shown["sources"]


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The bundled model's card, which is what a check reads and notes; its files are not there."""
    card = (REPOSITORY / "triton_models" / CARD_FILE).read_bytes()
    (tmp_path / CARD_FILE).write_bytes(card)
    monkeypatch.setenv("STREAMSCOUT_MODEL_REPOSITORY", str(tmp_path))
    return tmp_path


def test_a_check_against_open_clip_compares_pictures_even_where_none_are_given(
    monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    """Texts alone would clear the note of a picture tower that failed."""
    compared: list[int] = []

    async def served(settings: Settings, card: ModelCard, pictures: Sequence[Any], source: object) -> list[Row]:
        compared.append(len(pictures))
        return []

    monkeypatch.setattr(cli, "load_open_clip", lambda *_: object())
    monkeypatch.setattr(cli, "_served", served)
    monkeypatch.setattr(cli, "changed_files", lambda *_: [])
    note_check(repository, load_model_card(repository).model_version, ["pictures: 0.9"])
    result = RUN.invoke(model_app, ["check", "--checkpoint", "weights.pt"])
    assert result.exit_code == 0, result.output
    assert compared[0] >= 3
    assert refusal(repository, load_model_card(repository).model_version) == ""


def test_two_pictures_are_too_few_to_hold_a_model_against_another(repository: Path) -> None:
    """A mean cannot be taken off: exit code 2, and nothing noted."""
    for name in ("one.png", "two.png"):
        Image.new("RGB", (32, 32)).save(repository / name)
    result = RUN.invoke(model_app, ["check", "--checkpoint", "weights.pt", "--images", str(repository)])
    assert result.exit_code == 2
    assert "2 pictures to compare, 3 or more are needed: give --images" in result.stderr
    assert not (repository / CHECKED_FILE).exists()


def test_of_a_folder_of_photographs_one_at_a_time_is_in_memory(tmp_path: Path) -> None:
    """Five hundred of twelve million pixels would take eighteen gigabytes."""
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found = cli._pictures(tmp_path, Settings())
    assert [image.getpixel((0, 0)) for image in found] == [(number, 0, 0) for number in range(4)]
    part = found[1:3]
    assert isinstance(part, Pictures)
    assert [file.name for file in part.files] == ["1.png", "2.png"]
    assert found[0] is not found[0]
