"""``streamscout resume WORKER``: tell workers that paused over too many dead letters to go on."""

from __future__ import annotations

import json
import os
import signal
from typing import Annotated

import typer

from workers.config import Settings, load_settings
from workers.stack.record import StackFiles
from workers.stack.status import running_workers, worker_status

PAUSES = ("embedder", "creators", "indexer", "outcomes")
_FAILED, _USAGE = 1, 2


def resume(
    worker: Annotated[str, typer.Argument(help=f"One of {', '.join(PAUSES)}")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Close the breaker of each process of a worker that paused over too many dead letters. Exit 1 if none runs."""
    if worker not in PAUSES:
        typer.echo(f"error: no worker named {worker!r} pauses; there are: {', '.join(PAUSES)}", err=True)
        raise typer.Exit(_USAGE)
    told, others = resume_workers(load_settings(), worker)
    if as_json:
        typer.echo(json.dumps({"worker": worker, "resumed": told, "not_paused": others}))
    else:
        for pid in told:
            typer.echo(f"{worker} ({pid}) goes on")
        for pid in others:
            typer.echo(f"{worker} ({pid}) is not paused")
        if not told and not others:
            typer.echo(f"no {worker} runs with this data directory", err=True)
    if not told and not others:
        raise typer.Exit(_FAILED)


def resume_workers(settings: Settings, worker: str) -> tuple[list[int], list[int]]:
    """Pids of those that were told, and of those that run but are not paused.

    Only one whose own health endpoint says that its breaker is open gets the signal: a note may be older than its pid.
    """
    told, others = [], []
    for running in running_workers(StackFiles(settings.data_dir).workers):
        if running.name != worker:
            continue
        if "breaker" in worker_status(running).detail:
            os.kill(running.pid, signal.SIGUSR1)
            told.append(running.pid)
        else:
            others.append(running.pid)
    return told, others
