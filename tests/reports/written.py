"""Where reports lie: ``reports/<name>.json`` and the page beside it, git-ignored."""

from __future__ import annotations

from typing import Any

import orjson

from workers.config import REPOSITORY

REPORTS = REPOSITORY / "reports"


def write(name: str, report: dict[str, Any], page: str, *, partial: bool) -> None:
    """The report and its page; a part never takes the place of the whole."""
    stem = f"{name}-partial" if partial else name
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / f"{stem}.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    (REPORTS / f"{stem}.html").write_text(page)
