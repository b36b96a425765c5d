"""The shape that every server's recipe has: install, start, ready, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.config import Settings
from workers.stack.processes import Process

Report = Callable[[str], None]
"""Told in a few words what a server is doing now."""


@dataclass(frozen=True)
class Place:
    """Where one server of one stack lives. ``home``: its program; ``data``: its own folder; ``ports``: by purpose."""

    home: Path
    data: Path
    log: Path
    pid_file: Path
    ports: Mapping[str, int]
    settings: Settings


class Recipe(Protocol):
    """How one server is had, started, asked and stopped."""

    @property
    def name(self) -> str:
        """The server's name in commands, files and status."""

    @property
    def version(self) -> str:
        """The pinned version."""

    @property
    def ports(self) -> tuple[str, ...]:
        """The purposes for which the server needs a loopback port."""

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Addresses by name of the setting that would give them; the first is the server's own."""

    def given(self, settings: Settings) -> dict[str, str]:
        """The addresses that the settings give; empty where they give none."""

    def fingerprint(self, settings: Settings) -> str:
        """What a running server must have been started with; one that was started with other things is replaced.

        Raises SettingsError for settings with which no server of ours can be meant.
        """

    def install(self, cache: Path, report: Report) -> Path:
        """The program's folder, from the cache, else built or fetched into it. Raises ServerUnavailableError."""

    def start(self, place: Place) -> Process:
        """Start the server on the loopback. Raises ServerUnavailableError."""

    def ready(self, addresses: Mapping[str, str], settings: Settings) -> bool:
        """Whether the server at these addresses does its work now; never raises, never waits more than seconds."""

    def stop(self, process: Process) -> None:
        """End the server: asked first, killed at its deadline."""
