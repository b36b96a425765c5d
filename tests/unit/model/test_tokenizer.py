"""Of a tokenizer of a hub's: what is written into the one file, what is said beside it, and what is refused.

Whether its tokens are open_clip's own is shown by `make models`, which has both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from workers.model.tokenizer import Codes, UnsupportedTokenizer, write_tokenizer


def _clean_canonicalize(text: str) -> str:
    return text


def _clean_otherwise(text: str) -> str:
    return text


def fast(**said: Any) -> SimpleNamespace:
    """A transformers tokenizer which pads with the end's token, as SigLIP's does."""
    backend = SimpleNamespace(to_str=lambda: '{"model": {"type": "Unigram"}, "truncation": null, "padding": null}')
    usual = {
        "backend_tokenizer": backend, "pad_token_id": 1, "pad_token": "</s>", "pad_token_type_id": 0,
        "padding_side": "right", "truncation_side": "right", "sep_token_id": 102,
    }  # fmt: skip
    return SimpleNamespace(**{**usual, **said})


@dataclass
class HFTokenizer:
    """open_clip's, by its name."""

    tokenizer: SimpleNamespace = field(default_factory=fast)
    tokenizer_mode: str = ""
    strip_sep_token: bool = False
    clean_fn: Any = field(default_factory=lambda: _clean_canonicalize)


def test_the_cut_and_the_padding_of_each_call_stand_in_the_file(tmp_path: Path) -> None:
    """Triton's model reads nothing else; the cleaning is said beside it."""
    file = tmp_path / "clip_text" / "tokenizer.json"
    assert write_tokenizer(HFTokenizer(), file, 64) == Codes("hub", "canonicalize", None)
    written = orjson.loads(file.read_bytes())
    assert written["model"] == {"type": "Unigram"}
    assert written["truncation"]["max_length"] == 64
    assert written["padding"]["strategy"] == {"Fixed": 64}
    assert (written["padding"]["pad_id"], written["padding"]["pad_token"]) == (1, "</s>")


def test_the_separator_that_a_model_was_trained_without_is_named(tmp_path: Path) -> None:
    """It becomes 0."""
    assert write_tokenizer(HFTokenizer(strip_sep_token=True), tmp_path / "t.json", 32).cleared == 102


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (HFTokenizer(fast(padding_side="left")), "only the right is served"),
        (HFTokenizer(fast(truncation_side="left")), "only the right is served"),
        (HFTokenizer(fast(pad_token_id=None)), "no token that pads"),
        (HFTokenizer(fast(backend_tokenizer=None)), "no tokenizer.json"),
        (HFTokenizer(tokenizer_mode="clips"), "cannot be served"),
        (HFTokenizer(clean_fn=_clean_otherwise), "cannot be served"),
        (SimpleNamespace(clean_fn=_clean_canonicalize), "cannot be served"),
    ],
)
def test_what_would_be_tokenised_otherwise_is_refused(tmp_path: Path, source: Any, said: str) -> None:
    """And nothing is written."""
    with pytest.raises(UnsupportedTokenizer, match=said):
        write_tokenizer(source, tmp_path / "t.json", 64)
    assert list(tmp_path.iterdir()) == []
