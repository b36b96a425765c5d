"""``streamscout up``, ``down`` and ``status``: plain functions that the command line mounts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from workers.config import Settings, SettingsError, load_settings
from workers.stack.errors import StackError
from workers.stack.fleet import Fleet
from workers.stack.launcher import RECIPES, Launcher
from workers.stack.progress import Board
from workers.stack.recipe import Recipe
from workers.stack.setup import set_up
from workers.stack.status import ServerStatus, collect_status

_FAILED, _USAGE, _UNREACHABLE = 1, 2, 3

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Only = Annotated[str, typer.Option(hidden=True, help="Servers by name, with commas between.")]


def up(as_json: AsJson = False, only: Only = "") -> None:
    """Start the servers that are not there yet; create topics, schemas and collections."""
    settings = _settings()
    recipes = _chosen(only)
    try:
        with Board(Console(stderr=True)) as board:
            set_up(Launcher(settings, board).up(recipes), board)
    except StackError as error:
        raise _fail(error) from error
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_USAGE) from error
    _print([line for line in collect_status(_settings()) if line.kind == "server"], as_json)


def down(
    wipe: Annotated[bool, typer.Option(help="Remove the servers' data too.")] = False,
    as_json: AsJson = False,
    only: Only = "",
) -> None:
    """Stop the workers and servers that were started here."""
    settings = _settings()
    recipes = _chosen(only)
    try:
        with Board(Console(stderr=True)) as board:
            stopped = [] if only else Fleet(settings, board).stop(settings.shutdown_seconds)
            stopped += Launcher(settings, board).down(recipes, wipe)
    except StackError as error:
        raise _fail(error) from error
    if as_json:
        typer.echo(json.dumps({"stopped": stopped, "wiped": wipe}))
    elif not stopped:
        typer.echo("nothing was running")


def status(as_json: AsJson = False) -> None:
    """Show every server and worker. Exit 3 if a server is not ready, 1 if a worker is not."""
    try:
        lines = collect_status(_settings())
    except StackError as error:
        raise _fail(error) from error
    _print(lines, as_json)
    waiting = {line.kind for line in lines if not line.ready}
    if waiting:
        raise typer.Exit(_UNREACHABLE if "server" in waiting else _FAILED)


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_USAGE) from error


def _chosen(only: str) -> list[Recipe]:
    names = [name for name in only.split(",") if name]
    unknown = sorted(set(names) - {recipe.name for recipe in RECIPES})
    if unknown:
        known = ", ".join(recipe.name for recipe in RECIPES)
        typer.echo(f"error: no server named {', '.join(unknown)}; there are: {known}", err=True)
        raise typer.Exit(_USAGE)
    return [recipe for recipe in RECIPES if not names or recipe.name in names]


def _fail(error: StackError) -> typer.Exit:
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(error.exit_code)


def _print(lines: list[ServerStatus], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2))
        return
    address = Column("address", overflow="fold")
    table = Table("name", "kind", "ready", address, "version", "pid", box=None, pad_edge=False)
    for line in lines:
        ready = "[green]yes[/]" if line.ready else "[red]no[/]"
        table.add_row(line.name, line.kind, ready, line.address or "-", line.version or "-", str(line.pid or "-"))
    console = Console()
    console.print(table)
    for line in lines:
        for name, text in line.detail.items():
            if name != "state":
                pid = "" if line.pid is None else f" ({line.pid})"
                console.print(f"{line.name}{pid}: {name}: {text}", markup=False, highlight=False, soft_wrap=True)
