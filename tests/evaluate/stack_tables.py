"""The sections that the evaluation's page shows of the half on real servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.evaluate.stack_cells import CELLS

RECALL = """{creators} creators with {facets} facets (model `{model}`, {dimensions} dimensions), folded by our code from
posts drawn from real pictures and captions, written by the indexer from `creators`. Recall@10 of a filtered
`near_vector` with a limit of 10 on `Facet` against exact search over the same vectors, the mean of {searches_a_cell}
briefs; equal cosines may stand for each other. *Independent*: the creators of one country, dealt by lot;
*correlated*: a range of followers around the brief's topics, along whose axis followers grow; *anti-correlated*: the
range at the axis' other end. **Default**: exact under 40,000 allowed objects, the server's default; **graph**:
`flatSearchCutoff` 500, so that HNSW and ACORN answer, with a limit of 10 and with the 150 that a match asks for;
**served**: under {cutoff}, as our collections are made (decision 0025).
**Shortlist**: recall@10 of a match's creators, by the semantic score alone, against that score of every allowed
creator; of briefs with one aspect and with two."""
LATENCY = """Milliseconds of a match through the API's process, without its encoder, beside a bare `near_vector` by the
Weaviate client with the same filter and the limit that a match has (150), turn about, {matches_a_cell} of each in a
cell, while {sent:g} creators a second were published and written by the indexer ({written:g} were, measured). *ids*:
the same `near_vector` that brings one property instead of all."""
BESIDE = """p99 of all cells by round, and beside them: briefs of two aspects, and filters that nobody has asked for
before, of which half the creators pass: those wait for a count that is remembered afterwards."""


def sections(details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Recall by cell, times by cell, times by round."""
    world, recall, beside = details["world"], details["recall"], details["beside"]
    return [
        {
            "title": "Real servers: recall under filters",
            "text": RECALL.format(**world),
            "columns": (
                *("allowed creators", "facets", "default", "graph", "graph, 150", "served"),
                *("shortlist, one aspect", "two aspects"),
            ),
            "rows": [
                (
                    cell.name,
                    str(world["allowed_facets"][cell.name]),
                    *(f"{recall[kind][cell.name]:.3f}" for kind in ("default", "graph", "graph_150", "served")),
                    *(f"{recall['whole'][kind][cell.name]:.3f}" for kind in ("one aspect", "two aspects")),
                )
                for cell in CELLS
            ],
        },
        {
            "title": "Real servers: a match beside a bare near_vector, with writes going on",
            "text": LATENCY.format(
                **world, sent=beside["creators_sent_per_s"], written=beside["creators_written_per_s"]
            ),
            "columns": (
                *("allowed creators", "near_vector p50", "p99", "ids p50", "p99"),
                *("match p50", "p99", "with encoder p50", "p99"),
            ),
            "rows": [(cell.name, *_times(details["cells"][cell.name])) for cell in CELLS],
        },
        {
            "title": "Real servers: round by round",
            "text": BESIDE,
            "columns": ("", "near_vector p99", "ids p99", "match p99", "with encoder p99", "match over near_vector"),
            "rows": [
                *(
                    (
                        f"round {number}",
                        *(
                            f"{one[f'{name}_p99_ms']:.1f}"
                            for name in ("near", "near_ids", "match", "match_with_encoder")
                        ),
                        f"{one['ratio']:.2f}",
                    )
                    for number, one in enumerate(details["rounds"], start=1)
                ),
                *(
                    (
                        said,
                        "",
                        "",
                        f"{beside[name]['match_p99_ms']:.1f} (p50 {beside[name]['match_p50_ms']:.1f})",
                        "",
                        "",
                    )
                    for name, said in (("two_aspects", "two aspects"), ("filter_never_asked", "filter never asked"))
                ),
            ],
        },
    ]


def _times(own: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(
        f"{own[f'{name}_{label}_ms']:.1f}"
        for name in ("near", "near_ids", "match", "match_with_encoder")
        for label in ("p50", "p99")
    )
