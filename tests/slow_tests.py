"""Says of each slow test that it runs, and how long it took: a session of minutes shows what it does."""

from __future__ import annotations

import pytest

SECONDS = 5.0


class SlowTests:
    """A line as a test of processes starts, and one as any test ends that took more than ``SECONDS``."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def _say(self, line: str) -> None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and reporter.verbosity <= 0:
            reporter.ensure_newline()
            reporter.write_line(line)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid.startswith("tests/acceptance/"):
            self._say(f"runs   {nodeid}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.duration > SECONDS:
            self._say(f"{report.outcome} {report.nodeid} in {report.duration:.0f} s")
