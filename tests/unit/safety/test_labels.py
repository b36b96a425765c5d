"""Lines of labels: read, refused by line and field, each thing on one side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.domain.safety.prompts import SafetyError
from workers.safety.labels import Label, read_labels


def written(folder: Path, *lines: str) -> Path:
    """A file of these lines."""
    file = folder / "labels.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_pictures_and_texts_are_read_with_their_kind(tmp_path: Path) -> None:
    """Blank lines are passed over."""
    lines = ('{"image": "a.png", "holds": ["alcohol"]}', "", '{"text": "tea", "unclear": ["drugs"]}')
    picture, text = read_labels(written(tmp_path, *lines))
    assert (picture.kind, picture.holds) == ("visual", ("alcohol",))
    assert (text.kind, text.holds, text.unclear) == ("caption", (), ("drugs",))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2"),
        ("{}", "either image or text"),
        ('{"image": "a", "text": "b"}', "either image or text"),
        ('{"text": "a", "holds": ["sweets"]}', "holds"),
        ('{"text": "a", "holds": ["drugs"], "unclear": ["drugs"]}', "holds and unclear at once: drugs"),
        ('{"text": "a", "part": "test"}', "part"),
        ('{"text": "a", "label": "drugs"}', "label"),
        ('{"text": ""}', "text"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number_and_field(tmp_path: Path, line: str, said: str) -> None:
    """And the file's name."""
    with pytest.raises(SafetyError, match=r"labels\.jsonl: line 2") as refused:
        read_labels(written(tmp_path, '{"text": "tea"}', line))
    assert said in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    """As any wrong argument."""
    with pytest.raises(SafetyError, match=r"none\.jsonl cannot be read"):
        read_labels(tmp_path / "none.jsonl")


def test_captions_hold_whatever_separators_people_write(tmp_path: Path) -> None:
    """Only the end of a line ends one; a mark at the file's beginning is none of it."""
    texts = ["one\u2028two", "three\u0085four", "five\u2029six"]
    file = written(tmp_path, *(json.dumps({"text": text}, ensure_ascii=False) for text in texts))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert [label.text for label in read_labels(file)] == texts


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    """Ten are named."""
    with pytest.raises(SafetyError, match="and 5 more"):
        read_labels(written(tmp_path, *["{}"] * 15))


def test_a_side_is_the_same_for_all_that_shows_one_thing() -> None:
    """Without a part, by the thing alone: two pictures of one bottle are never on two sides."""
    sides = {Label(image=f"{n}.png", thing="one bottle").side for n in range(50)}
    assert len(sides) == 1
    assert {Label(text=f"text {n}").side for n in range(50)} == {"fit", "held_out"}


def test_a_thing_that_is_put_on_both_sides_is_refused(tmp_path: Path) -> None:
    """The figures would be of what was seen."""
    lines = [f'{{"image": "{part}.png", "thing": "a mug", "part": "{part}"}}' for part in ("fit", "held_out")]
    with pytest.raises(SafetyError, match="on both sides at once: a mug"):
        read_labels(written(tmp_path, *lines))
