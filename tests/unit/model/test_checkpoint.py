"""A file of weights that is truncated, damaged or of another kind is refused in one sentence, without torch."""

from __future__ import annotations

import zipfile
from pathlib import Path

import orjson
import pytest

from workers.model.checkpoint import BrokenCheckpoint, examine

_HEADER = orjson.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}})


def safetensors(path: Path, data: bytes = bytes(16), header: bytes = _HEADER) -> Path:
    """One tensor of four numbers."""
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def archive(path: Path, *names: str) -> Path:
    """A zip file as torch.save lays it out, its weights stored plainly."""
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, b"weights " * 64)
    return path


def test_whole_files_are_let_through(tmp_path: Path) -> None:
    """torch's archive, its older bare pickle, and safetensors."""
    (tmp_path / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    examine(tmp_path / "old.pt")
    examine(archive(tmp_path / "new.pt", "m/data.pkl", "m/data/0"))
    examine(safetensors(tmp_path / "m.safetensors"))


@pytest.mark.parametrize("kept", [1, 5, 40, 400, -1])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, kept: int) -> None:
    """A download that broke off: nothing of it may reach a card."""
    for whole in (archive(tmp_path / "a.pt", "m/data.pkl", "m/data/0"), safetensors(tmp_path / "a.safetensors")):
        data = whole.read_bytes()
        whole.write_bytes(data[: min(kept, len(data) - 1)])
        with pytest.raises(BrokenCheckpoint, match=str(whole)):
            examine(whole)


def test_a_flipped_byte_within_an_archive_is_found(tmp_path: Path) -> None:
    """The archive carries the sum of each part."""
    path = archive(tmp_path / "a.pt", "m/data.pkl", "m/data/0")
    data = bytearray(path.read_bytes())
    data[data.index(b"weights ") + 3] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(BrokenCheckpoint, match="damaged"):
        examine(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.pt", b"<html>not found</html>", "neither torch's nor safetensors"),
        ("m.pt", b"", "neither torch's nor safetensors"),
        ("m.bin", b"version https://git-lfs.github.com/spec/v1", "neither torch's nor safetensors"),
        ("m.safetensors", b"<html>not found</html>", "does not begin with the length"),
        ("m.safetensors", b"", "does not begin with the length"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """An error page or a pointer saved under the name of a checkpoint."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenCheckpoint, match=said):
        examine(tmp_path / name)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """A zip of pictures; a program, which would run what it holds."""
    with pytest.raises(BrokenCheckpoint, match="no checkpoint of torch"):
        examine(archive(tmp_path / "a.zip", "holiday.jpg"))
    with pytest.raises(BrokenCheckpoint, match="TorchScript"):
        examine(archive(tmp_path / "b.pt", "m/data.pkl", "m/code/__torch__.py"))


@pytest.mark.parametrize("header", [b"[]", b'{"w": 1}', b'{"w": {"data_offsets": []}}', b"no json"])
def test_a_safetensors_header_that_makes_no_sense_is_refused(tmp_path: Path, header: bytes) -> None:
    """Whatever stands where the header should."""
    with pytest.raises(BrokenCheckpoint, match="header cannot be read"):
        examine(safetensors(tmp_path / "m.safetensors", header=header))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(BrokenCheckpoint, match=r"no checkpoint at .*gone\.pt"):
        examine(tmp_path / "gone.pt")
