"""open_clip's SimpleTokenizer as a `tokenizer.json` that the `tokenizers` library reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

PATTERN = r"(?i:<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"


class UnsupportedTokenizer(ValueError):
    """The model's tokenizer is not open_clip's SimpleTokenizer with its usual cleaning; only that one is served."""


def write_tokenizer(source: Any, path: Path) -> None:
    """Writes an open_clip SimpleTokenizer; cleaning, start, end and padding are the caller's (see triton_backend)."""
    plain = type(source).__name__ == "SimpleTokenizer" and getattr(source, "reduction_fn", None) is None
    if not plain or source.clean_fn.__name__ != "_clean_lower":
        raise UnsupportedTokenizer(f"{type(source).__name__}: {UnsupportedTokenizer.__doc__}")
    merges = sorted(source.bpe_ranks, key=source.bpe_ranks.__getitem__)
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Removed", "invert": True}
    codes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, codes]},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": "</w>",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": source.encoder,
            "merges": [list(pair) for pair in merges],
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document))
