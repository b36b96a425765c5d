"""Of the page: bios, audiences, aspects, and what it costs to keep creators fresh. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.evaluate.beside import FEW
from tests.evaluate.tables import change, figure, table
from workers.evaluate.metrics import Interval

BIO = f"""## Beside the semantic score

### Bios, a quarter of which lie

The bio part as it ships against none, and against the same without its gate (the bio's agreement with the posts) or
without its trust (which falls as posts become more); with bios of honest creators alone, of lying ones alone, and as
they come; of creators of whom all posts are known, and of whom {FEW} are. In brackets: points against none, within each
seed, bold where the 95 % interval leaves out 0.
"""
AUDIENCE = """### Audience

Truth: the share of output times what the creator's audience covers of the one wanted; of four creators in ten nobody
has said what their audience is.
"""
ASPECTS = """### Two aspects

Briefs that ask for two topics at once, of creators who post about both; truth: the geometric mean of the shares.
"""
FRESH = """## What it costs to keep creators fresh

Every post comes by itself. Facets written to the index by what must have moved, before anything settles, and what the
index is worth then. Posts lie a week apart here, and when their creator last posted, a copy on every facet, is written
when it is a day behind: so nearly every facet is, while only one with another vector touches the graph. Where posts
come in quick succession the thresholds save writes too: `facet_writes_per_post` of `make bench`.
"""
_TRUTHS = ("output", "what comes next")
DIMENSIONS, FLOAT, PACKED, ROW = 512, 4, 1, 1050
"""Bytes of a vector's number, of its 8-bit copy in the index, and of a post's row in the state at 512 dimensions."""


def beside(found: Mapping[str, Mapping[str, Any]], gains: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Three sections, one for each part beside the semantic one."""
    parts = [BIO]
    for known in ("all posts known", f"{FEW} posts known"):
        names = [key.split(" | ", 2)[2] for key in found["bio"] if key.startswith(f"{known} | {_TRUTHS[0]} | ")]
        rows = [
            (name, *(_gained(found["bio"], gains["bio"], f"{known} | {truth} | {name}") for truth in _TRUTHS))
            for name in names
        ]
        parts += [
            f"{known[0].upper()}{known[1:]}:\n",
            table(("bios, weight", *(f"nDCG@10, {t}" for t in _TRUTHS)), rows),
        ]
    rows = [(tried, _gained(found["audience"], gains["audience"], tried)) for tried in found["audience"]]
    parts += [AUDIENCE, table(("", "nDCG@10"), rows)]
    return [*parts, ASPECTS, table(("", "nDCG@10"), [(tried, figure(own)) for tried, own in found["aspects"].items()])]


def _gained(found: Mapping[str, Interval], gains: Mapping[str, Interval], name: str) -> str:
    """The figure, and in points what it gains within each seed over doing without."""
    return f"{found[name].mean:.4f} ({change(gains[name])})"


def fresh(found: Mapping[str, Mapping[str, Any]], posts: float) -> list[str]:
    """Writes, microseconds, bytes. ``posts``: how many a creator has."""
    indexing, arms = dict(found["indexing"]), found["arms"]
    cost = indexing.pop("cost")
    written = [
        (name, figure(own["writes per post"], 2), figure(own["vectors moved per post"], 2), figure(own["ndcg10"]))
        for name, own in indexing.items()
    ]
    kilobytes = DIMENSIONS * (FLOAT + PACKED) / 1000
    held = [
        (name, f"{own['vectors'].mean * kilobytes:.1f}") for name, own in arms.items() if not name.startswith("as many")
    ]
    return [
        FRESH,
        table(("thresholds", "facets written for a post", "with another vector", "nDCG@10"), written),
        table(("on this machine, beside another seed", ""), [(name, figure(own, 2)) for name, own in cost.items()]),
        (
            f"A creator's vectors in the index, at {DIMENSIONS} dimensions with an 8-bit copy of each; the state has "
            f"{posts * ROW / 1000:.0f} kB of rows besides for a creator of {posts:.0f} posts:\n"
        ),
        table(("representation", "kB"), held),
    ]
