"""The evaluation as a page with its plots: Markdown that a repository shows. Pure; nothing in it is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.evaluate.page_beside import beside, fresh
from tests.evaluate.page_choices import ablations, constants
from tests.evaluate.report import NAMES
from tests.evaluate.simulation import MEAN, METHOD, ORACLE
from tests.evaluate.tables import change, figure, table
from tests.evaluate.truth import MEANINGS, RELEVANT, TAIL
from tests.reports.page import document, pairs, rows_table
from tests.reports.plots import alone, lines, ranges
from workers.evaluate.metrics import Interval

HEAD = """# How well creators are matched

`make evaluate` wrote this page (`make evaluate ARGS=--keep` puts it here); nothing in it is written by hand. The method
and the protocol stand in the docstrings of `tests/evaluate`, the constants in `docs/decisions/0024-*`.
"""
SIMULATION = """## The simulation

{creators} creators with about {posts:,} posts over {days} days, {topics} latent topics in {categories} categories,
vectors of {dimensions} dimensions; a brief for each topic, half of them with a hard filter on language. Facets start
and stop, {off_topic:.0%} of posts are about anything at all and {nothing:.0%} about nothing, creators caption none to
all of their posts, some show their own pictures again, a sixth of the creators makes half of the posts. Pictures,
captions and briefs lie in cones of their own, and the means that centre them come from other items than those judged.
The posts pass through the code that ships: rows, fold, published creator, the index's least share, the score. **Truth
is the latent labels'**: a creator is relevant from {relevant:.0%} of output on, and up to {tail:.0%} the brief is about
a tail. Constants were tuned on seeds {tuned}; what follows is of seeds {reported}: mean ± half of the 95 % interval
(Student's t over seeds).
"""
LIMITS = """## What this does not show

- It is a simulation: its topics, noise and modality gap were drawn by us. The encoders drawn differ by as much as we
  could think of, and real ones may differ by more. `streamscout evaluate LABELS.jsonl` judges the running system by
  your own labelled briefs; that is the figure to believe.
- With {creators} creators fifty places are many; what is found among a hundred thousand facets is measured on real
  servers.
- The mean, k-means and Ward arms are given every post at once and score everybody; only the method is held to the
  candidates that the index would return.
- "What comes next" is the mixture that the creator is drawn from, not what brands book.
"""


@dataclass(frozen=True)
class Page:
    """``markdown`` with its plots by file name, and the same figures as one HTML file that stands alone."""

    markdown: str
    plots: Mapping[str, str]
    html: str

    def write(self, folder: Path) -> None:
        """``README.md`` and the plots; those of a page before it go."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.svg"):
            old.unlink()
        (folder / "README.md").write_text(self.markdown)
        for name, drawing in self.plots.items():
            (folder / f"{name}.svg").write_text(alone(drawing))


def page_of(report: Mapping[str, Any]) -> Page:
    """The page of a report; of a part of one what there is of it."""
    parts, plots = [HEAD, _rows(report)], dict[str, str]()

    def plot(name: str, drawing: str) -> str:
        plots[name] = drawing
        return f"![{name.replace('-', ' ')}]({name}.svg)\n"

    details = report["details"]
    if "simulation" in details:
        found = details["simulation"]
        parts += [*_simulation(found, plot), *constants(found["tuning"], plot), *ablations(found["ablations"])]
        parts += [
            *beside(found["intervals"], found["gains"]),
            *fresh(found["intervals"], found["posts"] / found["plan"]["shape"]["creators"]),
        ]
    for section in details.get("stack", {}).get("sections", ()):
        parts += stack_section(section, plot)
    if "simulation" in details:
        parts.append(LIMITS.format(**details["simulation"]["plan"]["shape"]))
    parts += [_known("Machine", report["machine"]), _known("Versions", report["versions"])]
    html = [rows_table(report["rows"]), *plots.values()]
    html += [pairs("Machine", report["machine"]), pairs("Versions", report["versions"])]
    return Page("\n".join(parts), plots, document("make evaluate", html))


def _rows(report: Mapping[str, Any]) -> str:
    holds = {True: "yes", False: "**no**", None: ""}
    rows = []
    for one in report["rows"]:
        bar = "" if one["bar"] is None else f"{one['bar']:g}"
        rows.append((one["name"], f"{one['value']:.4g}", one["unit"], bar, holds[one["holds"]]))
    missing = [name for name in NAMES if name not in {one["name"] for one in report["rows"]}]
    without = f"\nNot measured in this run: {', '.join(missing)}.\n" if missing else ""
    took = f"\nThe run took {report['seconds'] / 60:.0f} minutes.\n"
    return table(("row", "value", "unit", "bar", "holds"), rows) + without + took


Plot = Callable[[str, str], str]


def _simulation(found: Mapping[str, Any], plot: Plot) -> list[str]:
    plan = found["plan"]
    shape = {**plan["shape"], "posts": found["posts"], "relevant": RELEVANT, "tail": TAIL}
    said = {name: ", ".join(map(str, plan[name])) for name in ("tuned", "reported")}
    arms: Mapping[str, Mapping[str, Interval]] = found["intervals"]["arms"]
    drawn = {name: (own["ndcg10"].mean, own["ndcg10"].low, own["ndcg10"].high) for name, own in arms.items()}
    return [
        SIMULATION.format(**shape, **said),
        _arms(arms, found["against"][MEAN]),
        plot("ndcg-by-arm", ranges(drawn, marked=METHOD)),
        "### Under other meanings of output\n",
        "nDCG@10 of the same answers where truth is:\n",
        "\n".join(f"- **{name}**: {meaning}." for name, meaning in MEANINGS.items()) + "\n",
        _meanings(arms),
    ]


def _arms(arms: Mapping[str, Mapping[str, Interval]], over_mean: Mapping[str, Mapping[str, Interval]]) -> str:
    columns = (
        "representation", "vectors of a creator", "nDCG@10", "over the mean, points", "recall@50", "tail recall@50",
        "AUC in the category", "caption rate, r",
    )  # fmt: skip
    rows = [
        (
            f"**{name}**" if name in (METHOD, ORACLE) else name,
            f"{own['vectors'].mean:.1f}",
            figure(own["ndcg10"]),
            "" if name == MEAN else change(over_mean[name]["ndcg10"]),
            figure(own["recall50"]),
            figure(own["tail_recall50"]),
            figure(own["auc_in_category"]),
            f"{own['caption_correlation'].mean:+.2f}",
        )
        for name, own in arms.items()
    ]
    return table(columns, rows)


def _meanings(arms: Mapping[str, Mapping[str, Interval]]) -> str:
    shown = [name for name in arms if not name.startswith("as many")]
    rows = [(name, *(figure(arms[name][f"ndcg10, {meaning}"]) for meaning in MEANINGS)) for name in shown]
    return table(("representation", *MEANINGS), rows)


def stack_section(section: Mapping[str, Any], plot: Plot) -> list[str]:
    """A section that the part on real servers says: ``title``, ``text``, and where there are any a table and plots.

    ``columns`` with ``rows``; ``plots``: each ``name``, ``title``, ``xs``, ``series`` (values by name).
    """
    parts = [f"## {section['title']}\n", f"{section['text']}\n"]
    if "rows" in section:
        parts.append(table(section["columns"], section["rows"]))
    for one in section.get("plots", ()):
        parts += [f"{one['title']}:\n", plot(one["name"], lines(one["xs"], one["series"]))]
    return parts


def _known(title: str, pairs_: Mapping[str, Any]) -> str:
    return f"## {title}\n\n" + table(("", ""), [(name, str(value)) for name, value in pairs_.items()])
