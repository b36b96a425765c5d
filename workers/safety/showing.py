"""What the safety commands print: tables for people, the same for programs."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from workers.domain.safety.calibration import Calibration, Fit
from workers.domain.safety.prompts import CATEGORIES, KINDS
from workers.safety.rescoring import Report


def calibration_table(calibration: Calibration) -> Table:
    """A row for each category and kind that is told, or why it is not."""
    table = Table("category", "of", "false positives", "found", "a word is worth", "unknown because")
    for name in CATEGORIES:
        told = calibration.categories.get(name)
        if told is None:
            table.add_row(name, "", "", "", "", calibration.unknown[name])
            continue
        for kind in KINDS:
            if (fit := told.kinds().get(kind)) is not None:
                table.add_row(name, kind, *_figures(fit), "")
            elif kind in told.unknown:
                table.add_row(name, kind, "", "", "", told.unknown[kind])
    return table


def _figures(fit: Fit) -> tuple[str, str, str]:
    return (
        f"{fit.false_positive_rate:.2%} ({fit.false_positives} of {fit.negatives})",
        f"{fit.recall:.0%} of {fit.positives} ({fit.things} things)",
        "" if fit.words_at_least is None else f"{fit.words_at_least:.2f}",
    )


def calibration_json(calibration: Calibration | None) -> dict[str, Any] | None:
    """As the file says it, without the prompts' vectors."""
    return None if calibration is None else calibration.model_dump(mode="json", exclude_none=True, exclude={"prompts"})


def report_lines(report: Report) -> list[str]:
    """What became of the posts."""
    before = f"{report.scored_before} were of revision {report.revision}, {report.removed} are removed"
    since = f"{report.scored} scored, {report.gone} gone meanwhile, {report.left} left"
    lines = [f"{report.posts} posts looked at: {before}", f"{report.named} named to the embedder: {since}"]
    if report.left:
        lines.append("run it again once an embedder runs and has this safety.json (`streamscout status`, `dead list`)")
    return lines
