"""Whether a file of weights is whole and of a known kind, before torch is asked to read it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import orjson

_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own
_OLD_TORCH = b"\x80"  # a bare pickle, from before torch 1.6: its own reader finds out whether it is whole


class BrokenCheckpoint(ValueError):
    """A file of weights is missing, truncated or of no kind that is read."""


def examine(path: Path) -> None:
    """Raises BrokenCheckpoint, which says in one sentence what is wrong with the file."""
    if not path.is_file():
        raise BrokenCheckpoint(f"there is no checkpoint at {path}")
    with path.open("rb") as stream:
        start = stream.read(4)
    if path.suffix == ".safetensors":
        _examine_safetensors(path)
    elif start == b"PK\x03\x04":
        _examine_archive(path)
    elif start[:1] != _OLD_TORCH:
        raise BrokenCheckpoint(
            f"{path} is no checkpoint: it is neither torch's nor safetensors (begins with {start!r})"
        )


def _examine_safetensors(path: Path) -> None:
    """Its header says where the last tensor ends: the file must end there."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or not 2 <= length <= _HEADER_LIMIT:
            raise BrokenCheckpoint(f"{path} is no safetensors file: it does not begin with the length of a header")
        text = stream.read(length)
    if len(text) < length:
        raise BrokenCheckpoint(f"{path} is truncated: it ends within its header")
    try:
        header = orjson.loads(text)
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise BrokenCheckpoint(f"{path} is no safetensors file: its header cannot be read") from error
    wanted = 8 + length + max(ends, default=0)
    if size != wanted:
        what = "truncated" if size < wanted else "not one file of weights alone"
        raise BrokenCheckpoint(f"{path} is {what}: it has {size} bytes where its header says {wanted}")


def _examine_archive(path: Path) -> None:
    """torch's zip: its directory stands at the end, and every part has a sum."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise BrokenCheckpoint(f"{path} is truncated or damaged: torch's archive has no end ({error})") from error
    if broken:
        raise BrokenCheckpoint(f"{path} is damaged: {broken} does not have the sum that the archive says")
    if any("/code/" in name for name in names):
        raise BrokenCheckpoint(f"{path} is a TorchScript program, which is not run: give a state dict")
    if not any(name.endswith("data.pkl") for name in names):
        raise BrokenCheckpoint(f"{path} is a zip file, but no checkpoint of torch")
