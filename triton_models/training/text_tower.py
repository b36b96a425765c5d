"""The text tower, constructed and not trained: a transformer of one layer and one head that takes the SIF mean.

Every token's embedding lies in the space orthogonal to the all-ones vector and has one and the same length, so that
LayerNorm only scales it by a constant. In an orthonormal basis of that space:

- axes 3 to 99 carry the word's vector (its axes 0 to 2 are zero by construction, see `words.spread`),
- axis 0 is the balance that brings the embedding to its length,
- axis 100 carries the logarithm of the word's weight, times `WEIGHT_UNIT`.

The query is constant and the key reads axis 100, so that attention is the weight over the sum of weights; value and
output pass axes 3 to 99; the MLP and the positions are zero. What comes out is the direction of the weighted mean.
"""

from __future__ import annotations

import math
from collections.abc import Set
from typing import Any

import numpy as np
import torch

from triton_models.training.words import ZEROED_AXES, Floats, Words, unit

WEIGHT_UNIT = 0.08
LEAST_WEIGHT, SPECIAL_LOG_WEIGHT = 1e-4, -15.0
DEFAULT_SIZE = 1e-2  # of the meaning of a text in which no word is known: drowned by any word that is
RIDGE, RANK_POWER, PREFERENCE = 1e-5, -0.5, 20.0
ROUNDS, RANKS_FITTED = 60, 150_000


def token_meanings(words: Words, tokenizer: Any, preferred: Set[str]) -> tuple[Floats, Floats]:
    """For each BPE token its direction [tokens, dimensions] (unit or zero) and its weight [tokens].

    A token that is a whole word has the word's own; the other pieces are fitted by ridge regression, so that the
    pieces of a word add up to the word's weight times its vector.
    """
    tokens = len(tokenizer.encoder)
    sums = np.zeros((tokens, words.dimensions), dtype=np.float32)
    whole = np.zeros(tokens, dtype=bool)
    for token, number in tokenizer.encoder.items():
        if not token.endswith("</w>"):
            continue
        word = bytes(tokenizer.byte_decoder[c] for c in token.removesuffix("</w>")).decode("utf-8", "replace")
        if word in words:
            row = words.rank[word]
            sums[number], whole[number] = words.weights[row] * words.vectors[row], True
    _fit_pieces(words, tokenizer, preferred, sums, whole)
    sizes = np.linalg.norm(sums, axis=1)
    weights = np.clip(sizes, LEAST_WEIGHT, 1.5)
    return unit(sums) * np.minimum(1.0, sizes / LEAST_WEIGHT)[:, None], weights.astype(np.float32)


def _fit_pieces(words: Words, tokenizer: Any, preferred: Set[str], sums: Floats, whole: np.ndarray) -> None:
    rows, columns, targets, importance = [], [], [], []
    for word, rank in words.rank.items():
        if rank >= RANKS_FITTED or not (word.isascii() and word.isalpha()):
            continue
        pieces = tokenizer.encode(word)
        loose = [piece for piece in pieces if not whole[piece]]
        if not loose:
            continue
        rows += [len(targets)] * len(loose)
        columns += loose
        fixed = sum((sums[piece] for piece in pieces if whole[piece]), np.zeros(words.dimensions, dtype=np.float32))
        targets.append(words.weights[rank] * words.vectors[rank] - fixed)
        importance.append((rank + 1.0) ** RANK_POWER * (PREFERENCE if word in preferred else 1.0))
    used, places = np.unique(columns, return_inverse=True)
    value = torch.tensor(importance, dtype=torch.float32)
    index = torch.tensor(np.stack([rows, places]))
    matrix = _sparse(index, value[index[0]], (len(targets), len(used)))
    transposed = _sparse(index.flip(0), value[index[0]], (len(used), len(targets)))
    right = transposed @ (torch.from_numpy(np.stack(targets)) * value[:, None])
    sums[used] = _conjugate_gradient(matrix, transposed, right).numpy()


def _sparse(index: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    return torch.sparse_coo_tensor(index, values, shape).coalesce().to_sparse_csr()


def _conjugate_gradient(matrix: Any, transposed: Any, right: torch.Tensor) -> torch.Tensor:
    """Solves (AᵀA + ridge) x = right, one column each."""
    found = torch.zeros_like(right)
    rest = right.clone()
    direction = rest.clone()
    size = (rest * rest).sum(0)
    for _ in range(ROUNDS):
        image = transposed @ (matrix @ direction) + RIDGE * direction
        step = size / (direction * image).sum(0).clamp(min=1e-12)
        found += step * direction
        rest -= step * image
        new = (rest * rest).sum(0)
        direction = rest + (new / size.clamp(min=1e-20)) * direction
        size = new
    return found


def basis(width: int) -> torch.Tensor:
    """Orthonormal rows [width - 1, width], all orthogonal to the all-ones vector."""
    random = torch.randn(width, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    random[:, 0] = 1.0
    orthogonal, _ = torch.linalg.qr(random)
    return orthogonal[:, 1:].T.float()


@torch.no_grad()
def construct_text_tower(model: Any, words: Words, tokenizer: Any, default: Floats, preferred: Set[str]) -> None:
    """Writes the text tower's weights into an open_clip CLIP.

    `default` [dimensions] is what an empty text means; `preferred` the words whose pieces are fitted with more care.
    """
    directions, weights = token_meanings(words, tokenizer, preferred)
    dimensions = words.dimensions
    axes = basis(dimensions + 2)
    meaning = torch.from_numpy(directions.copy())
    log_weight = torch.log(torch.from_numpy(weights))
    for special in (tokenizer.sot_token_id, tokenizer.eot_token_id):
        meaning[special], log_weight[special] = 0.0, SPECIAL_LOG_WEIGHT
    meaning[tokenizer.eot_token_id] = DEFAULT_SIZE * torch.from_numpy(default)
    carried = meaning.clone()
    carried[:, :ZEROED_AXES] = 0.0
    coordinates = torch.cat([carried, WEIGHT_UNIT * log_weight[:, None]], 1)
    length = 1.0 + (WEIGHT_UNIT * SPECIAL_LOG_WEIGHT) ** 2
    coordinates[:, 0] = (length - coordinates.square().sum(1)).clamp(min=0.0).sqrt()
    model.token_embedding.weight.copy_(coordinates @ axes)
    model.positional_embedding.zero_()
    _construct_layer(model, axes, dimensions, length)


def _construct_layer(model: Any, axes: torch.Tensor, dimensions: int, length: float) -> None:
    width = dimensions + 2
    block = model.transformer.resblocks[0]
    scale = 1.0 / math.sqrt(length / width + block.ln_1.eps)
    passed = axes[ZEROED_AXES:dimensions]
    query_bias = torch.zeros(width)
    query_bias[0] = math.sqrt(width)
    key, value, output = torch.zeros(width, width), torch.zeros(width, width), torch.zeros(width, width)
    key[0] = axes[dimensions] / (WEIGHT_UNIT * scale)
    value[: len(passed)] = passed / scale
    output[:, : len(passed)] = passed.T
    block.attn.in_proj_weight.copy_(torch.cat([torch.zeros(width, width), key, value]))
    block.attn.in_proj_bias.copy_(torch.cat([query_bias, torch.zeros(2 * width)]))
    block.attn.out_proj.weight.copy_(output)
    block.attn.out_proj.bias.zero_()
    for parameter in block.mlp.parameters():
        parameter.zero_()
    projection = torch.zeros(width, dimensions)
    projection[:, ZEROED_AXES:] = passed.T
    model.text_projection.copy_(projection)
