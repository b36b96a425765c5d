"""Of the page: how the constants were chosen, and what each choice brings and costs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Any

from tests.evaluate.tables import change, table
from tests.evaluate.tuning import judged
from tests.evaluate.variants import ENCODERS, TEMPERATURES, TUNED_JOINS
from tests.reports.plots import lines
from workers.evaluate.metrics import Interval

Plot = Callable[[str, str], str]
COSTS: Mapping[str, str] = {
    "centring": "three means in the model's card, estimated when it is built, and a subtraction",
    "share in the score": "every facet of every candidate is fetched, and one sum of exponentials",
    "facets at most (K)": "up to K objects of a creator in the index, and merges once there are K",
    "join threshold": "nothing: a number",
    "temperature": "nothing: a number",
    "half-life, days": "forward decay: a power of two for each post",
    "window, posts (P)": "the window's step: folded again at every P-th post; it bounds memory and the cost of a fold",
    "refold": (
        "folding the window again at a late, edited or removed post. It is kept whatever it brings to the ranking: "
        "without it a creator would depend on the order in which events came, and neither a replay nor `verify` could "
        "tell right from wrong (law 8)"
    ),
    "weight of a post that shows an earlier picture again": "18 bytes of hash for each picture (decision 0017)",
    "weight of a caption": "nothing: a number",
    "least share that is searchable": "nothing: a number; it saves objects",
    "facets fetched for a brief": "time at the index; few are enough in so small a world",
}
CONSTANTS = """## The constants, and how they were chosen

nDCG@10 over the oracle's on the seeds that are tuned on, for three encoders: the one of all figures above, one whose
posts are noisier, one whose posts are clearer and whose creators have strong styles. The oracle is given its own best
temperature ({oracle:g} for the first). The pair of threshold and temperature with the greatest mean over the encoders:
**{best[join]:g} and {best[temperature]:g}** ({best[ratio]:.4f}); what ships: **{ships[join]:g} and
{ships[temperature]:g}** ({ships[ratio]:.4f}). In brackets: vectors of a creator.
"""
ABLATIONS = """## What each choice brings

One choice is made otherwise, all else stays as it ships. Differences to what ships, within each seed: nDCG, recall in
points, vectors and r as they are; bold where the 95 % interval leaves out 0.
"""
_CHANGES = {
    "nDCG@10": ("ndcg10", True),
    "tail recall@50": ("tail_recall50", True),
    "nDCG@10, what comes next": ("ndcg10, what comes next", True),
    "nDCG@10, originals": ("ndcg10, originals", True),
    "vectors": ("vectors", False),
    "caption rate, r": ("caption_correlation", False),
}


def constants(tuning: Mapping[str, Any], plot: Plot) -> list[str]:
    """Every threshold at the temperature that ships, and every temperature at the threshold that ships."""
    ships, figures = tuning["ships"], tuning["figures"]
    facets, temperature, floor = ships["facets"], ships["temperature"], 1.0
    by_join, rows = {encoder: list[float]() for encoder in ENCODERS}, []
    for join in TUNED_JOINS:
        own, cells = judged(figures, join, facets, temperature), []
        for encoder in ENCODERS:
            vectors = fmean(seed[f"vectors, {join:g}, {facets}"] for seed in figures[encoder])
            cells.append(f"{own.by_encoder[encoder]:.3f} ({vectors:.1f})")
            by_join[encoder].append(own.by_encoder[encoder])
            floor = min(floor, own.by_encoder[encoder])
        rows.append((_marked(join, ships["join"]), *cells, f"{own.ratio:.4f}"))
    by_temperature = []
    for each in TEMPERATURES:
        own = judged(figures, ships["join"], facets, each)
        cells = [f"{own.by_encoder[encoder]:.3f}" for encoder in ENCODERS]
        by_temperature.append((_marked(each, temperature), *cells, f"{own.ratio:.4f}"))
    return [
        CONSTANTS.format(oracle=tuning["oracle_temperature"], best=tuning["best"], ships=ships),
        table(("join threshold", *ENCODERS, "mean"), rows),
        plot("ratio-by-join", lines(list(TUNED_JOINS), by_join, bottom=floor)),
        table(("temperature", *ENCODERS, "mean"), by_temperature),
    ]


def _marked(value: float, ships: float) -> str:
    return f"**{value:g}**" if value == ships else f"{value:g}"


def ablations(found: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Iterator[str]:
    """A table for each choice, with what it costs."""
    yield ABLATIONS
    for choice, values in found.items():
        if choice not in COSTS:
            continue
        yield f"### {choice[0].upper()}{choice[1:]}\n"
        yield f"Costs {COSTS[choice]}.\n"
        rows = [
            (value, *(change(own[name], points=points) for name, points in _CHANGES.values()))
            for value, own in values.items()
        ]
        yield table(("instead", *_CHANGES), rows)
