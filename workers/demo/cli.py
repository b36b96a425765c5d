"""``streamscout demo``: a plain function that the command line mounts."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from workers.config import load_settings

LOG_WIDTH = 100
"""Columns where the output goes to a file: tables stay readable."""


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop everything and remove its data at the end.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the sample world.")] = 7,
) -> None:
    """Set everything up and watch posts become a searchable creator index."""
    from workers.demo.main import run_demo  # brings every client: a second that other commands need not wait for

    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    raise typer.Exit(run_demo(load_settings(), console, once, seed))
