"""How tests are dealt out to processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dealing import ONE_BY_ONE, OWN_SERVERS, rank, unit_of

ROOT = Path(__file__).parents[2]
STARTS_SERVERS = re.compile(r"\bstart_stack\(|\bPlace\(|\bprocesses\.spawn\(|\"up\"")


def test_every_module_that_starts_servers_is_listed() -> None:
    """One that is not listed would start its servers beside those of the others."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("contract", "integration", "acceptance", "bench")
        for path in (ROOT / "tests" / folder).glob("test_*.py")
        if STARTS_SERVERS.search(path.read_text())
    }
    assert found == set(OWN_SERVERS)


@pytest.mark.parametrize("pattern", ONE_BY_ONE)
def test_what_is_dealt_out_one_by_one_is_there(pattern: str) -> None:
    """A module that was renamed would be dealt out whole, and come last."""
    assert list(ROOT.glob(pattern))


def test_modules_with_servers_of_their_own_go_one_after_the_other() -> None:
    """In one unit of work; a module of cheap tests is one too; a long test is one by itself."""
    down, secure = (
        "tests/acceptance/test_up_and_down.py::test_a",
        "tests/integration/test_secure_kafka.py::test_b[x::y]",
    )
    assert unit_of(down) == unit_of(secure) != unit_of("tests/acceptance/test_storm.py::test_a")
    assert unit_of("tests/unit/core/test_loop.py::test_a[1]") == unit_of("tests/unit/core/test_loop.py::test_b")
    kill = "tests/acceptance/test_kill.py::test_a"
    assert unit_of(kill) == kill != unit_of("tests/acceptance/test_kill.py::test_b")


def test_the_long_ones_come_first() -> None:
    """Servers of their own, acceptance, other real ones, fast ones."""
    names = [
        ("tests/acceptance/test_fast.py::test_a", False),
        ("tests/integration/test_publish.py::test_a", True),
        ("tests/acceptance/test_kill.py::test_a", True),
        ("tests/acceptance/test_storm.py::test_a", True),
    ]
    assert sorted(names, key=lambda each: rank(*each)) == [*reversed(names)]
