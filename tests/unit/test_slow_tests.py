"""What a session of minutes says while it runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.slow_tests import SlowTests


@pytest.fixture
def said() -> list[str]:
    """The lines that were written."""
    return []


@pytest.fixture
def slow(said: list[str]) -> SlowTests:
    """Beside a terminal of its own."""
    terminal = SimpleNamespace(verbosity=0, ensure_newline=lambda: None, write_line=said.append)
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin={"terminalreporter": terminal}.get))
    return SlowTests(config)


def report(name: str, seconds: float, when: Any = "call") -> pytest.TestReport:
    """Of a test that passed."""
    return pytest.TestReport(name, (name, 1, name), {}, "passed", None, when, duration=seconds)


def test_a_test_of_many_seconds_is_named_with_its_time(slow: SlowTests, said: list[str]) -> None:
    """A quick one is a dot alone, and what it took to set up a test is not the test's."""
    slow.pytest_runtest_logreport(report("tests/unit/test_a.py::test_a", 0.2))
    slow.pytest_runtest_logreport(report("tests/unit/test_a.py::test_a", 9.0, "setup"))
    slow.pytest_runtest_logreport(report("tests/integration/test_b.py::test_b", 61.4))
    assert said == ["passed tests/integration/test_b.py::test_b in 61 s"]


def test_a_test_of_processes_is_named_as_it_starts(slow: SlowTests, said: list[str]) -> None:
    """Minutes may pass before it ends."""
    for name in ("tests/unit/test_a.py::test_a", "tests/acceptance/test_kill.py::test_k"):
        slow.pytest_runtest_logstart(name)
    assert said == ["runs   tests/acceptance/test_kill.py::test_k"]
