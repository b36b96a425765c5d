"""The whole stack for another program: a test session or the demo."""

from __future__ import annotations

from rich.console import Console

from workers.config import Settings
from workers.stack.launcher import RECIPES, Launcher
from workers.stack.progress import Board
from workers.stack.setup import set_up


def start_stack(settings: Settings, console: Console | None = None) -> Settings:
    """All servers ready, topics, schemas and collections there; the settings with the addresses. Raises StackError."""
    with Board(console or Console(stderr=True)) as board:
        running = Launcher(settings, board).up(RECIPES)
        set_up(running, board)
    return running


def stop_stack(settings: Settings, console: Console | None = None) -> None:
    """Stop every server that was started for this data directory. Raises StackError."""
    with Board(console or Console(stderr=True)) as board:
        Launcher(settings, board).down(RECIPES, wipe=False)
