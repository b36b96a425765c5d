"""What a check found: how bad it is, what it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]
FAILED, USAGE, UNREACHABLE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Finding:
    """``do`` is one sentence, empty where all is well. ``code`` is the exit code that an error asks for."""

    check: str
    level: Level
    what: str
    do: str = ""
    code: int = FAILED


def fine(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", what)


def doubtful(check: str, what: str, do: str) -> Finding:
    """It works, and may not always."""
    return Finding(check, "warning", what, do)


def wrong(check: str, what: str, do: str, code: int = FAILED) -> Finding:
    """It does not work."""
    return Finding(check, "error", what, do, code)


def exit_code(findings: Iterable[Finding]) -> int:
    """0 without errors; else 2 for settings before 3 for a server that is gone before 1 for anything else."""
    codes = {finding.code for finding in findings if finding.level == "error"}
    return next((code for code in (USAGE, UNREACHABLE, FAILED) if code in codes), 0)
