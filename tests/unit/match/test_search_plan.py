"""How Weaviate answers, as a function of what a filter allows."""

from __future__ import annotations

import pytest

from workers.match.search_plan import Method, method_of


@pytest.mark.parametrize(
    ("allowed", "filtered", "method"),
    [
        (39_999, True, "exact"),
        (40_000, True, "acorn"),
        (48_000, True, "acorn"),
        (48_001, True, "graph"),
        (120_000, False, "graph"),
        (0, True, "exact"),
    ],
)
def test_under_the_cutoff_it_is_exact_and_above_it_a_graph(allowed: int, filtered: bool, method: Method) -> None:
    """Of 120,000 facets; over four tenths of them the server no longer prunes its walk."""
    assert method_of(120_000, allowed, 40_000, filtered=filtered) == method


def test_without_a_filter_even_few_facets_are_walked() -> None:
    """The cutoff is of filters alone."""
    assert method_of(10, 10, 40_000, filtered=False) == "graph"
