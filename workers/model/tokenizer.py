"""A model's tokenizer as one `tokenizer.json` that the `tokenizers` library reads: open_clip's own, or one of a hub."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import orjson

PATTERN = r"(?i:<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"


# How open_clip cleans a text first, by the name of its function; and how the served model does (see triton_backend).
Cleaning = Literal["lower", "whitespace", "canonicalize"]
CLEANINGS: dict[str, Cleaning] = {
    "_clean_lower": "lower", "_clean_whitespace": "whitespace", "_clean_canonicalize": "canonicalize",
}  # fmt: skip
BESIDE = ("tokenizer_config.json", "special_tokens_map.json")


class UnsupportedTokenizer(ValueError):
    """The model's tokenizer cannot be served: neither open_clip's SimpleTokenizer nor its plain HFTokenizer."""


@dataclass(frozen=True)
class Codes:
    """How texts become token ids: which kind of tokenizer, what is cleaned first, and the id that becomes 0."""

    kind: Literal["clip", "hub"] = "clip"
    cleaning: Cleaning = "lower"
    cleared: int | None = None


def write_tokenizer(source: Any, path: Path, context_length: int) -> Codes:
    """Writes an open_clip tokenizer and says what the file itself cannot. Raises UnsupportedTokenizer."""
    kind = type(source).__name__
    cleaning = CLEANINGS.get(getattr(getattr(source, "clean_fn", None), "__name__", ""))
    if cleaning is None:
        raise UnsupportedTokenizer(f"{kind}: {UnsupportedTokenizer.__doc__}")
    if kind == "SimpleTokenizer" and getattr(source, "reduction_fn", None) is None:
        document, codes = _own(source), Codes("clip", cleaning)
    elif kind == "HFTokenizer" and not source.tokenizer_mode:
        cleared = source.tokenizer.sep_token_id if source.strip_sep_token else None
        document, codes = _of_a_hub(source.tokenizer, context_length), Codes("hub", cleaning, cleared)
    else:
        raise UnsupportedTokenizer(f"{kind}: {UnsupportedTokenizer.__doc__}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document)
    return codes


def hub_tokenizer(file: Path, context_length: int, settings: dict[str, Any]) -> Any:
    """open_clip's HFTokenizer of a `tokenizer.json` on disk, without a network.

    `settings` are the model's own (`tokenizer_kwargs`). Which token pads stands in the `tokenizer_config.json` beside
    the file, where there is one, else in the file. Raises UnsupportedTokenizer where it cannot be read.
    """
    try:
        import transformers  # noqa: F401 - open_clip asks for it, and says less when it is missing
        from open_clip.tokenizer import HFTokenizer
    except ImportError as error:
        raise UnsupportedTokenizer("--tokenizer needs transformers: pip install 'streamscout[models]'") from error
    try:
        document = orjson.loads(file.read_bytes())
        if not isinstance(document, dict) or "model" not in document:
            raise UnsupportedTokenizer(f"{file} is no tokenizer.json of the tokenizers library")
    except (OSError, orjson.JSONDecodeError) as error:
        raise UnsupportedTokenizer(f"{file} is no tokenizer.json of the tokenizers library: {error}") from error
    with tempfile.TemporaryDirectory(prefix="streamscout-tokenizer-") as folder:
        shutil.copyfile(file, Path(folder) / "tokenizer.json")
        beside = [file.with_name(name) for name in BESIDE if file.with_name(name).is_file()]
        for path in beside:
            shutil.copyfile(path, Path(folder) / path.name)
        if not beside:
            settings_file = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": _padding(document, file)}
            (Path(folder) / BESIDE[0]).write_bytes(orjson.dumps(settings_file))
        try:
            return HFTokenizer(folder, context_length=context_length, local_files_only=True, **settings)
        except Exception as error:  # the library's own errors are of many kinds, and bare ones among them
            raise UnsupportedTokenizer(f"{file} cannot be read as a tokenizer: {error}") from error


def _padding(document: dict[str, Any], file: Path) -> str:
    """The token that pads, as the file says it: a guess by its name would be wrong, SigLIP's <pad> is not it."""
    if said := (document.get("padding") or {}).get("pad_token"):
        return str(said)
    raise UnsupportedTokenizer(f"{file} does not say which token pads: lay its tokenizer_config.json beside it")


def _of_a_hub(fast: Any, context_length: int) -> bytes:
    """With the cut and the padding that HFTokenizer asks for at each call written into it."""
    backend = getattr(fast, "backend_tokenizer", None)
    if backend is None or fast.pad_token_id is None:
        raise UnsupportedTokenizer(f"{type(fast).__name__} has no tokenizer.json, or no token that pads")
    if (fast.padding_side, fast.truncation_side) != ("right", "right"):
        raise UnsupportedTokenizer(f"{type(fast).__name__} pads or cuts at the left: only the right is served")
    document = cast("dict[str, Any]", orjson.loads(backend.to_str()))
    document["truncation"] = {
        "direction": "Right", "max_length": context_length, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip
    document["padding"] = {
        "strategy": {"Fixed": context_length}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": fast.pad_token_id, "pad_type_id": fast.pad_token_type_id, "pad_token": str(fast.pad_token),
    }  # fmt: skip
    return orjson.dumps(document)


def _own(source: Any) -> bytes:
    """open_clip's SimpleTokenizer; start, end, cut and padding are the caller's (see triton_backend)."""
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
    return orjson.dumps(document)
