"""Measures the model: pictures composed anew of trained and of held-out styles, found by names, words and briefs.

A gallery holds one picture of each concept; a concept is relevant to a niche or a brief if its name, other names or
keywords share a word with the list beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from triton_models.training.composing import Composer
from triton_models.training.concept import Concept
from triton_models.training.data import Data
from triton_models.training.words import Floats

Encode = Callable[[Sequence[str]], Floats]

NICHES: Mapping[str, tuple[str, str, str]] = {
    # niche: (phrase of known words, phrase of words that no anchor or caption holds, words that make relevant)
    "fitness": ("sport exercise gym", "strenuous bodybuilding training", "sport gym exercise fitness workout muscle"),
    "italian": ("italian food", "trattoria lasagna", "pizza pasta italian spaghetti wine cheese tomato garlic olive"),
    "beach": ("beach summer vacation", "seaside resort getaway", "beach ocean sea tropical vacation surf swim island"),
    "winter": ("winter snow ski", "alpine slopes", "winter snow ski snowboard ice cold sled"),
    "gaming": ("video game controller", "playstation nintendo", "game gaming controller joystick arcade"),
    "music": ("music instrument", "orchestra concerto", "music instrument song guitar musician"),
    "pets": ("pet dog cat", "veterinarian kennel", "pet dog cat puppy kitten hamster rabbit"),
    "fashion": ("clothes fashion shopping", "couture outfits", "clothing clothes fashion shoe dress jewelry shopping"),
    "garden": ("flower plant garden", "botanical horticulture", "flower plant garden gardening blossom grow leaf"),
    "cars": ("car vehicle drive", "sedan convertible", "car vehicle automobile drive racing truck"),
}  # fmt: skip
BRIEFS: Mapping[str, str] = {
    "italian dinner with wine": "pizza pasta italian spaghetti wine cheese restaurant dinner",
    "healthy fruit smoothie": "fruit healthy drink juice vitamin berry",
    "winter skiing trip": "ski snow winter snowboard mountain sled",
    "beach holiday": "beach ocean sea tropical vacation summer island swim",
    "crypto investing": "money coin bank dollar investment stock chart currency",
    "luxury skincare and makeup": "makeup beauty lipstick cosmetics lotion nail mirror spa",
    "marathon running shoes": "run running shoe race marathon sneaker athletic",
    "coffee and breakfast pastry": "coffee breakfast pastry croissant bakery tea pancake bagel",
    "camping in the mountains": "camping mountain tent hiking forest nature",
    "toys for newborn babies": "baby toy child infant newborn",
    "rock concert with guitars": "music guitar concert rock song band",
    "organic vegetables from the garden": "vegetable garden plant farm healthy salad",
    "wildlife photography safari": "camera animal wild lion zebra elephant giraffe photo",
    "football match in the stadium": "football soccer ball stadium goal sport",
}


def words_of(concept: Concept) -> frozenset[str]:
    """Every word of a concept's name, other names and keywords."""
    return frozenset(w for text in (concept.name, *concept.other_names, *concept.keywords) for w in text.split())


def recall(queries: Floats, gallery: Floats, cut: int) -> float:
    """Of queries [n, d] whose own picture is the gallery's [n, d] at the same row: the share found within `cut`."""
    scores = queries @ gallery.T
    own = np.diag(scores)[:, None]
    return float(((scores > own).sum(axis=1) < cut).mean())


def precision(queries: Floats, gallery: Floats, relevant: Sequence[set[int]], cut: int) -> tuple[float, float]:
    """(mean share of relevant among the first `cut`, share of queries with at least one)."""
    top = np.argsort(-(queries @ gallery.T), axis=1)[:, :cut]
    hits = np.array([[int(row) in wanted for row in rows] for rows, wanted in zip(top, relevant, strict=True)])
    return float(hits.mean()), float(hits.any(axis=1).mean())


def gallery_pictures(data: Data, style: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One new picture of each concept that the style draws: (concept numbers [n], pictures [n, 3, 64, 64])."""
    composer = Composer([data.art[style]], seed)
    numbers = composer.present[0].nonzero()[:, 0]
    return numbers, composer.draw(numbers)


def measure(data: Data, galleries: Mapping[str, tuple[torch.Tensor, Floats]], encode: Encode) -> dict[str, float]:
    """All figures, in per cent; `galleries`: style -> (concept numbers, their pictures' vectors)."""
    figures: dict[str, float] = {}
    for style, (numbers, gallery) in galleries.items():
        names = encode([data.concepts[int(n)].name for n in numbers])
        for cut in (1, 5, 10):
            figures[f"name R@{cut}, {style}"] = 100 * recall(names, gallery, cut)
        figures |= {f"{key}, {style}": value for key, value in _searches(data, numbers, gallery, encode).items()}
    return figures


def _searches(data: Data, numbers: torch.Tensor, gallery: Floats, encode: Encode) -> dict[str, float]:
    concepts = [data.concepts[int(n)] for n in numbers]
    words = [words_of(concept) for concept in concepts]

    def relevant(wanted: str) -> set[int]:
        return {row for row, own in enumerate(words) if own & set(wanted.split())}

    unseen = sorted(data.held_out)
    by_word = [{row for row, c in enumerate(concepts) if word in c.keywords} for word in unseen]
    share, hit = precision(encode(unseen), gallery, by_word, 10)
    niches = list(NICHES.values())
    sets = [relevant(niche[2]) for niche in niches]
    known, _ = precision(encode([niche[0] for niche in niches]), gallery, sets, 10)
    other, _ = precision(encode([niche[1] for niche in niches]), gallery, sets, 10)
    briefs, _ = precision(encode(list(BRIEFS)), gallery, [relevant(wanted) for wanted in BRIEFS.values()], 5)
    return {
        "held-out keywords P@10": 100 * share,
        "held-out keywords hit@10": 100 * hit,
        "ten niches, known phrase, P@10": 100 * known,
        "ten niches, unseen phrase, P@10": 100 * other,
        "14 briefs, P@5": 100 * briefs,
    }
