"""What make evaluate reports: rows, intervals, the choice of constants, and the page that says them."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluate import tuning
from tests.evaluate.intervals import differences, interval, over_seeds
from tests.evaluate.page import Page, page_of
from tests.evaluate.page_choices import COSTS
from tests.evaluate.report import NAMES, ROWS, SIMULATED, simulated_rows
from tests.evaluate.running import Plan, summary
from tests.evaluate.simulation import MEAN, METHOD, ORACLE, report, shipped, tune
from tests.evaluate.variants import ENCODERS, TEMPERATURES, TUNED_JOINS, fold_variants
from tests.evaluate.world import Shape
from tests.reports.rows import good, rows_of
from workers.config import Settings

TINY = Shape(creators=40, topics=10, categories=5, dimensions=32, posts=24)


def test_the_rows_are_those_of_the_issue_with_their_bars() -> None:
    """Others read them by name; what is only reported has no bar."""
    assert {kind.name: (kind.bar, kind.sense) for kind in ROWS} == {
        "ndcg10_over_oracle": (0.98, "at_least"),
        "vectors_per_creator": (6.0, "at_most"),
        "ndcg10_minus_mean": (0.08, "at_least"),
        "tail_recall50_minus_mean": (0.30, "at_least"),
        "caption_rate_correlation": (0.1, "at_most"),
        "filtered_recall10_min": (0.95, "at_least"),
        "filtered_recall10_min_graph": (None, "at_least"),
        "match_p99_over_near_vector": (5.0, "at_most"),
        "match_p99_ms": (None, "at_least"),
    }


def test_rows_are_means_of_what_each_seed_shows_and_a_correlation_counts_either_way() -> None:
    """Two seeds whose correlations cancel out are no proof of none."""

    def arms(own: float, mean: float, oracle: float, correlation: float) -> dict[str, dict[str, float]]:
        figures = {"ndcg10": own, "tail_recall50": own, "vectors": 5.0, "caption_correlation": correlation}
        plain = {"ndcg10": mean, "tail_recall50": mean / 2, "vectors": 1.0}
        return {METHOD: figures, MEAN: plain, ORACLE: {"ndcg10": oracle}}

    found = simulated_rows([arms(0.9, 0.8, 1.0, 0.3), arms(0.8, 0.6, 0.8, -0.3)])
    assert found == pytest.approx(
        {
            "ndcg10_over_oracle": 0.95,
            "vectors_per_creator": 5.0,
            "ndcg10_minus_mean": 0.15,
            "tail_recall50_minus_mean": 0.5,
            "caption_rate_correlation": 0.3,
        }
    )
    assert not good(rows_of(SIMULATED, found, {}))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8))
def test_an_interval_over_seeds_lies_about_its_mean(values: list[float]) -> None:
    """As far on either side; the same value everywhere leaves no doubt."""
    found = interval(values)
    assert found.low <= found.mean <= found.high
    assert found.high - found.mean == pytest.approx(found.mean - found.low, abs=1e-9)
    assert interval(values[:1] * 5).high == pytest.approx(values[0])


def test_an_interval_over_five_seeds_is_students() -> None:
    """2.776 standard errors on either side, from any table."""
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.high - found.mean == pytest.approx(2.776 * math.sqrt(2.5) / math.sqrt(5), abs=1e-3)


def test_trees_of_figures_become_trees_of_intervals_and_of_differences() -> None:
    """Name by name, as deep as they are; a figure that the other lacks has no difference."""
    trees = [{"a": {"x": 1.0, "y": 2.0}}, {"a": {"x": 3.0, "y": 4.0}}]
    assert over_seeds(trees)["a"]["x"].mean == 2.0
    assert differences(trees[1], {"x": 1.0}) == {"a": {"x": 2.0}}


def tuned(best: tuple[float, float], encoder: str = "") -> dict[str, list[dict[str, float]]]:
    """Figures of which one pair is the best, of one encoder or of all."""
    figures = {f"oracle, {t:g}": 1.0 - abs(t - 0.1) for t in TEMPERATURES}
    figures |= {
        f"facets, {j:g}, 8, {t:g}": 0.9 - abs(j - best[0]) - abs(t - best[1]) for j in TUNED_JOINS for t in TEMPERATURES
    }
    return {name: [figures] for name in ENCODERS}


def test_the_constants_chosen_are_those_of_the_greatest_mean_over_encoders() -> None:
    """Judged against the oracle at its own best temperature."""
    found = tuning.best(tuned((0.3, 0.08)), 8)
    assert (found.join, found.temperature) == (0.3, 0.08)
    assert found.ratio == pytest.approx(0.9)
    assert tuning.oracle_temperature(tuned((0.3, 0.08)), "as drawn") == 0.1


def test_what_ships_is_what_the_settings_say() -> None:
    """No constant of the method is written a second time; each variant changes one thing."""
    fields = Settings.model_fields
    ships = shipped(32)
    assert (ships.fold.join, ships.fold.facets) == (fields["fold_join"].default, fields["fold_facets"].default)
    assert (ships.temperature, ships.min_share) == (
        fields["share_temperature"].default,
        fields["facet_min_share"].default,
    )
    for variant in fold_variants(ships.fold):
        changed = [
            name for name in ships.fold.__slots__ if getattr(variant.settings, name) != getattr(ships.fold, name)
        ]
        assert len(changed) == 1


@pytest.fixture(scope="module")
def written() -> tuple[Page, dict[str, Any]]:
    """The page of a whole run over tiny worlds, and its report; the part on servers is made up."""
    seeds = [report(seed, TINY, 0.1) for seed in (1, 2)]
    figures = {encoder: [tune(3, TINY, encoder)] for encoder in ENCODERS}
    constants = shipped(TINY.dimensions)
    own = (constants.fold.join, constants.fold.facets, constants.temperature)
    values = dict.fromkeys(NAMES, 0.123) | simulated_rows([seed["arms"] for seed in seeds])
    plan = Plan(TINY, tuned=(3,), reported=(1, 2))
    simulated = {
        "plan": {"shape": vars(TINY), "tuned": plan.tuned, "reported": plan.reported},
        "posts": seeds[0]["posts"],
        "tuning": {
            "figures": figures,
            "oracle_temperature": 0.1,
            "best": vars(tuning.best(figures, constants.fold.facets)),
            "ships": vars(tuning.judged(figures, *own)),
        },
        "seeds": seeds,
        **summary(seeds),
    }
    plot = {"name": "recall", "title": "Recall", "xs": [0.1, 1.0], "series": {"served": [0.9, 1.0]}}
    section = {
        "title": "Real servers",
        "text": "Made up.",
        "columns": ("a", "b"),
        "rows": [("c", "d")],
        "plots": [plot],
    }
    told = {
        "machine": {"cpus": 2},
        "versions": {"python": "3.11"},
        "seconds": 90,
        "rows": rows_of(ROWS, values, {}),
        "details": {"simulation": simulated, "stack": {"sections": [section]}},
        "failures": {},
    }
    return page_of(told), told


def test_the_page_shows_every_row_arm_and_choice(written: tuple[Page, dict[str, Any]]) -> None:
    """With what each choice costs; no figure is missing and none is no number."""
    page, told = written
    arms, ablations = told["details"]["simulation"]["intervals"]["arms"], told["details"]["simulation"]["ablations"]
    assert len(arms) >= 20
    assert set(ablations) == {*COSTS, "as it ships"}
    for name in (*NAMES, *arms):
        assert name in page.markdown
    for choice, cost in COSTS.items():
        assert f"### {choice[0].upper()}{choice[1:]}\n" in page.markdown
        assert cost in page.markdown
    assert "Real servers" in page.markdown
    assert "nan" not in page.markdown
    assert "{" not in page.markdown


def test_every_plot_of_the_page_is_a_file_that_stands_alone(
    written: tuple[Page, dict[str, Any]], tmp_path: Any
) -> None:
    """And nothing of a page before it stays."""
    page, _ = written
    (tmp_path / "old.svg").write_text("<svg/>")
    page.write(tmp_path)
    shown = set(re.findall(r"\]\((\S+\.svg)\)", (tmp_path / "README.md").read_text()))
    assert shown == {path.name for path in tmp_path.glob("*.svg")} == {f"{name}.svg" for name in page.plots}
    assert len(shown) >= 3
    for path in tmp_path.glob("*.svg"):
        drawing = path.read_text()
        assert drawing.startswith("<svg xmlns=")
        assert drawing.count("<svg") == drawing.count("</svg>") == 1
    assert page.html.count("<svg") == len(page.plots)


def test_a_table_of_the_page_has_as_many_cells_in_each_row(written: tuple[Page, dict[str, Any]]) -> None:
    """Or a reader would see figures under another head."""
    page, _ = written
    blocks = [block.splitlines() for block in page.markdown.split("\n\n") if block.lstrip().startswith("|")]
    assert len(blocks) > 15
    for block in blocks:
        rows = [line.replace("\\|", "").count("|") for line in block if line.startswith("|")]
        assert len(set(rows)) == 1, block[0]
