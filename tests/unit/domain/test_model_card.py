"""The model card: read whole, or refused with what is wrong and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workers.config import REPOSITORY
from workers.domain.model_card import (
    FAILED_FILE,
    ModelCardError,
    check_state,
    failed_check,
    load_model_card,
    note_check,
    parse_model_card,
)

BUNDLED = REPOSITORY / "triton_models"


def bundled(**changes: Any) -> bytes:
    """The bundled card's JSON with some fields replaced."""
    return json.dumps({**json.loads((BUNDLED / "model.json").read_bytes()), **changes}).encode()


def test_the_bundled_card_is_read_by_folder_or_by_file() -> None:
    """Settings name the repository; a card elsewhere can be named too."""
    card = load_model_card(BUNDLED)
    assert card == load_model_card(BUNDLED / "model.json")
    assert card.name == "tinyclip"
    assert card.dimensions == len(card.centring_means.query)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dimensions": 12}, "centring_means.visual has 100 numbers where dimensions says 12"),
        ({"model_version": "tiny-clip"}, "model_version"),
        ({"logit_scale": 0}, "logit_scale"),
        ({"colour": "red"}, "colour"),
        ({"image": {"size": 64}}, "image.mean"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    """A model served with a wrong card would write wrong vectors for ever."""
    with pytest.raises(ModelCardError, match=said):
        parse_model_card(bundled(**changes))


def test_a_repository_without_a_card_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ModelCardError, match=str(tmp_path)):
        load_model_card(tmp_path)


def test_a_failed_check_is_remembered_of_its_version_until_one_holds(tmp_path: Path) -> None:
    """A model built anew is another version, and has failed nothing."""
    assert failed_check(tmp_path, "m_1") == []
    note_check(tmp_path, "m_1", ["texts: 0.9"])
    assert failed_check(tmp_path, "m_1") == ["texts: 0.9"]
    assert failed_check(tmp_path, "m_2") == []
    note_check(tmp_path, "m_1", [])
    assert failed_check(tmp_path, "m_1") == []


def test_what_the_last_check_found_is_said_of_its_version(tmp_path: Path) -> None:
    """Failed, held, or nothing known: one replaces the other."""
    assert check_state(tmp_path, "m_1") == "not checked"
    note_check(tmp_path, "m_1", [], "open_clip RN50")
    assert check_state(tmp_path, "m_1") == "held against open_clip RN50"
    assert check_state(tmp_path, "m_2") == "not checked"
    note_check(tmp_path, "m_1", ["texts: 0.9"])
    assert check_state(tmp_path, "m_1") == "failed: texts: 0.9"


def test_a_note_that_cannot_be_read_is_no_leave_to_serve(tmp_path: Path) -> None:
    """Half a file says nothing of what it was to say."""
    (tmp_path / FAILED_FILE).write_text('{"model_version": "m_1"')
    with pytest.raises(ModelCardError, match="check the model again"):
        failed_check(tmp_path, "m_1")
