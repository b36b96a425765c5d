"""``streamscout state dump`` and ``verify``: plain functions that the command line mounts.

Exit codes: 0 done, 1 a difference is found or left, 2 a file that cannot be written, or a wrong setting, 3 a server,
topic or collection is gone.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import orjson
import typer

from workers.config import load_settings
from workers.verify.progress import Bar
from workers.verify.report import show

_FAILED, _USAGE = 1, 2
_STDOUT: Final = Path("-")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

state_app = typer.Typer(no_args_is_help=True)


@state_app.callback()
def state() -> None:
    """Look at what is stored."""


@state_app.command("dump")
def dump_command(
    file: Annotated[Path, typer.Argument(help="Where the JSON lines go; - is standard output.")],
    json_: AsJson = False,
) -> None:
    """Write all that is stored as JSON lines, sorted: objects with vectors, creators, signals, dead letters."""
    from workers.verify.main import dump_state  # brings every client: a second that other commands need not wait for

    settings = load_settings()
    try:
        with _written(file) as write, Bar() as bar:
            counts = asyncio.run(dump_state(settings, write, bar.told))
    except UnwritableError as error:
        typer.echo(f"{file} cannot be written: {error}", err=True)
        raise typer.Exit(_USAGE) from error
    except sqlite3.Error as error:
        raise _no_room(error) from error
    summary = {"file": str(file), "lines": sum(counts.values()), "kinds": counts}
    # On standard output the lines alone may stand.
    typer.echo(_shown(summary) if json_ else _sentence(summary), err=file == _STDOUT)


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is found, then look again.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds the workers have for what is in flight.", min=0, max=3600)] = 30,
    json_: AsJson = False,
) -> None:
    """Compare all that is stored with what it must be. Exit 1 if anything is missing, extra, stale or drifted."""
    from workers.verify.main import verify_state

    settings = load_settings()
    with Bar() as bar:
        try:
            report = asyncio.run(verify_state(settings, repair, wait, bar.told))
        except sqlite3.Error as error:
            raise _no_room(error) from error
    if json_:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
    else:
        show(report)
    raise typer.Exit(_FAILED if report.differences else 0)


def _no_room(error: sqlite3.Error) -> typer.Exit:
    typer.echo(f"the temporary directory (TMPDIR: {tempfile.gettempdir()}) does not hold it: {error}", err=True)
    return typer.Exit(_USAGE)


def _shown(summary: dict[str, Any]) -> str:
    return orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode()


def _sentence(summary: dict[str, Any]) -> str:
    return f"{summary['lines']} lines: {', '.join(f'{count} {kind}' for kind, count in summary['kinds'].items())}"


class UnwritableError(Exception):
    """The file or pipe does not take what is written."""


@contextmanager
def _written(file: Path) -> Iterator[Callable[[bytes], None]]:
    """Takes the lines. A file is there whole or, where the dump fails, as it was before."""
    if file == _STDOUT:
        yield _guarded(sys.stdout.buffer)
        with _refusals():
            sys.stdout.buffer.flush()
        return
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with _refusals():
            stream = partial.open("wb")
        with stream:
            yield _guarded(stream)
            with _refusals():
                stream.flush()
        with _refusals():
            partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _guarded(stream: BinaryIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        with _refusals():
            stream.write(data)

    return write


@contextmanager
def _refusals() -> Iterator[None]:
    """Told apart from what a server's connection raises: a full disk is not a server that is gone."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(error.strerror or str(error)) from error
