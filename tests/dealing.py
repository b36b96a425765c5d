"""Which tests run in which process of ``pytest -n``, and in which order: the longest first, so none is last alone."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Final

from xdist.scheduler import LoadScopeScheduling

REAL: Final = ("integration", "acceptance", "bench")
OWN_SERVERS: Final = {
    "tests/acceptance/test_storm.py": "a stack that is killed",
    "tests/acceptance/test_up_and_down.py": "small servers of their own",
    "tests/integration/test_persons_shell.py": "small servers of their own",
    "tests/integration/test_secure_kafka.py": "small servers of their own",
    "tests/integration/test_secure_weaviate.py": "small servers of their own",
}
"""Modules that start servers: those of one name run one after the other, as memory does not hold any number of them."""

ONE_BY_ONE: Final = (
    "tests/acceptance/*",
    "tests/integration/test_creators*.py",
    "tests/integration/test_dead_letters.py",
    "tests/integration/test_loop.py",
    "tests/integration/test_keyed_worker.py",
    "tests/integration/test_embedder.py",
    "tests/contract/test_consumer_contract.py",
)
"""Modules of long tests that share next to nothing; any other module's tests stay together, with its fixtures."""


def unit_of(test: str) -> str:
    """What runs in one process, one after the other: a group of modules, a module, or the one test."""
    module = test.partition("::")[0]
    if group := OWN_SERVERS.get(module):
        return group
    return test if any(fnmatch(module, pattern) for pattern in ONE_BY_ONE) else module


def rank(test: str, real: bool) -> tuple[int, int]:
    """Sorts tests: those with servers of their own, the longest kinds, the rest of the real ones, all else."""
    module = test.partition("::")[0]
    if module in OWN_SERVERS:
        return 0, list(OWN_SERVERS).index(module)
    if not real:
        return 2, 0
    return 1, next((place for place, pattern in enumerate(ONE_BY_ONE) if fnmatch(module, pattern)), len(ONE_BY_ONE))


class InUnits(LoadScopeScheduling):
    """Deals units out as processes become free, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
