"""`streamscout up`, `down` and `status` as a person runs them: processes, signals and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually
from workers.config import Settings, child_environment
from workers.stack.processes import Process
from workers.stack.record import StackFiles

SERVERS = ("kafka", "schema-registry", "weaviate", "triton")


class Checkout:
    """One data directory and the command line that works on it."""

    def __init__(self, root: Path) -> None:
        self.files = StackFiles(root)
        self._environment = child_environment(Settings.model_construct(), STREAMSCOUT_DATA_DIR=str(root))
        for name in ("KAFKA_BOOTSTRAP", "SCHEMA_REGISTRY_URL", "WEAVIATE_URL", "WEAVIATE_GRPC", "TRITON_URL"):
            self._environment.pop(f"STREAMSCOUT_{name}", None)

    def start(self, *arguments: str, given: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The command, running, with further variables ``given``."""
        return subprocess.Popen(
            [sys.executable, "-m", "workers", *arguments],
            env=self._environment | dict(given or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, expect: int = 0, given: Mapping[str, str] | None = None) -> tuple[str, str]:
        """What the command wrote to stdout and stderr, once it ended as expected."""
        with self.start(*arguments, given=given) as command:
            output, errors = command.communicate(timeout=240)
        assert command.returncode == expect, errors
        return output, errors

    def status(self, expect: int = 0) -> dict[str, dict[str, Any]]:
        """The lines of `status --json` by name."""
        return {line["name"]: line for line in json.loads(self.run("status", "--json", expect=expect)[0])}

    def processes(self) -> dict[str, Process | None]:
        """The live servers."""
        return {name: self.files.process(name) for name in SERVERS}

    def ports(self) -> set[int]:
        """Every port of the record."""
        return {port for server in self.files.load().servers.values() for port in server.ports.values()}


@pytest.fixture
def checkouts(tmp_path: Path) -> Iterator[tuple[Checkout, Checkout]]:
    """Two checkouts, stopped at the end whatever the test did."""
    both = Checkout(tmp_path / "one"), Checkout(tmp_path / "two")
    try:
        yield both
    finally:
        for checkout in both:
            if checkout.files.root.exists():
                checkout.run("down", "--wipe")


def test_up_starts_all_finds_what_runs_and_brings_back_what_was_killed(checkouts: tuple[Checkout, Checkout]) -> None:
    """A second `up` starts nothing; after a kill -9 only the killed server is new, at its old address."""
    checkout, _ = checkouts
    checkout.run("up", "--json")
    first, before = checkout.status(), checkout.processes()
    assert [name for name, line in first.items() if line["kind"] == "server" and line["ready"]] == list(SERVERS)

    # With a proxy in the environment, too, where nobody answers: this machine is not asked for through it.
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    checkout.run("up", "--json", given=proxy)
    assert checkout.processes() == before

    killed = before["weaviate"]
    assert killed
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: not killed.alive(), 10)
    assert (
        checkout.status(expect=3)["weaviate"] | {"ready": False, "pid": None} == checkout.status(expect=3)["weaviate"]
    )
    checkout.run("up", given=proxy)
    after = checkout.status()
    assert {name: line["address"] for name, line in after.items()} == {n: line["address"] for n, line in first.items()}
    assert [name for name in SERVERS if checkout.processes()[name] != before[name]] == ["weaviate"]


def test_two_checkouts_run_side_by_side_and_go_down_alone(checkouts: tuple[Checkout, Checkout]) -> None:
    """No port and no process in common; what was killed with `up` itself is stopped all the same."""
    one, two = checkouts
    some = ("--only", "kafka,weaviate")
    one.run("up", *some)
    two.run("up", *some)
    assert not one.ports() & two.ports()

    assert "stopped" in one.run("down")[1]
    assert [name for name, process in one.processes().items() if process] == []
    assert [name for name, process in two.processes().items() if process] == ["kafka", "weaviate"]
    assert one.status(expect=3)["kafka"]["address"] is None


def test_down_stops_what_an_up_that_was_killed_had_started(checkouts: tuple[Checkout, Checkout]) -> None:
    """The servers of a crashed `up` are known by their own pid files."""
    checkout, _ = checkouts
    with checkout.start("up", "--only", "kafka,schema-registry") as up:
        eventually(lambda: any(checkout.processes().values()), 60)
        up.kill()
    left = [process for process in checkout.processes().values() if process]
    assert left
    checkout.run("down")
    assert not any(process.alive() for process in left)


def test_a_given_address_where_nobody_answers_ends_up_with_three(checkouts: tuple[Checkout, Checkout]) -> None:
    """And names the setting; nothing is started in its place."""
    checkout, _ = checkouts
    given = {"STREAMSCOUT_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    _, errors = checkout.run("up", "--only", "kafka", expect=3, given=given)
    assert "kafka does not answer at 127.0.0.1:1, the address given in STREAMSCOUT_KAFKA_BOOTSTRAP." in errors
    assert not any(checkout.processes().values())


def test_a_server_of_another_checkout_can_be_given(checkouts: tuple[Checkout, Checkout]) -> None:
    """It is used, shown as not ours, and outlives our `down`."""
    owner, guest = checkouts
    owner.run("up", "--only", "kafka")
    kafka = owner.files.load().addresses["kafka_bootstrap"]
    given = {"STREAMSCOUT_KAFKA_BOOTSTRAP": kafka, "STREAMSCOUT_NAMESPACE": "guest"}
    output, _ = guest.run("up", "--only", "kafka", "--json", given=given)
    line = next(line for line in json.loads(output) if line["name"] == "kafka")
    assert (line["address"], line["ready"], line["pid"], line["version"]) == (kafka, True, None, None)
    guest.run("down", given=given)
    assert owner.processes()["kafka"]


def test_a_first_up_says_what_to_install(checkouts: tuple[Checkout, Checkout], tmp_path: Path) -> None:
    """An empty cache on a machine without Go, Maven and a shell's usual path."""
    checkout, _ = checkouts
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "env", "cat", "mv"):
        with contextlib.suppress(FileExistsError):
            (tools / name).symlink_to(f"/bin/{name}")
    bare = {"PATH": str(tools), "STREAMSCOUT_CACHE_DIR": str(tmp_path / "cache")}
    _, errors = checkout.run("up", "--only", "kafka,weaviate", expect=3, given=bare)
    assert "install Maven and a JDK, 17 or later, or set STREAMSCOUT_KAFKA_BOOTSTRAP" in errors
    assert "install Go 1.24 or later, or set STREAMSCOUT_WEAVIATE_URL" in errors
