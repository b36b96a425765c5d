"""Random weights, and a small tokenizer of a hub's kind: neither can be downloaded everywhere. Needs `[models]`."""

from __future__ import annotations

from pathlib import Path

import orjson

SENTENCES = (
    "an italian dinner with wine and a cat", "a winter skiing trip with coffee and croissants", "it's a guitar",
    "a red sports car and running shoes for the marathon", "books about pizza night 0123456789",
    "the quick brown fox jumps over the lazy dog",
)  # fmt: skip
PIECES = 400


def write_weights(model: str, file: Path, seed: int) -> None:
    """A checkpoint of the model as open_clip makes it before any training."""
    import open_clip
    import torch

    torch.manual_seed(seed)
    torch.save(open_clip.create_model(model).state_dict(), file)


def write_hub_tokenizer(folder: Path) -> Path:
    """A Unigram `tokenizer.json` of a few hundred pieces, as T5's and SigLIP's are, with what lies beside it on a hub.

    SigLIP pads with the end's token, which only the file beside says.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    specials = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=PIECES, special_tokens=specials, unk_token="<unk>")
    tokenizer.train_from_iterator(SENTENCES * 50, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    beside = {
        "tokenizer_class": "T5Tokenizer", "pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>",
        "model_max_length": 64, "extra_ids": 0,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps(beside))
    return folder / "tokenizer.json"
