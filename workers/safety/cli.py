"""``streamscout safety calibrate | check | rescore``.

Exit codes: 0 done, 1 prompts and calibration do not agree, or posts are left, 2 a wrong file or setting, 3 a server
is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from workers.config import load_settings
from workers.safety.fitting import Bars
from workers.safety.rescoring import Report
from workers.safety.showing import calibration_json, calibration_table, report_lines

_FAILED: Final = 1
_USAGE: Final = 2
_BARS: Final = Bars()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

safety_app = typer.Typer(no_args_is_help=True)


@safety_app.command("calibrate")
def calibrate_command(
    labels: Annotated[
        Path, typer.Argument(help='JSON lines: {"image": PATH or "text": WORDS, "holds": [CATEGORY …]}.')
    ],
    base_rate: Annotated[
        float | None,
        typer.Option(help="Share of a feed that a category holds of; the labels' own if not set.", min=1e-6, max=0.5),
    ] = None,
    max_false_positive_rate: Annotated[
        float, typer.Option(help="Of what is held out; a category beyond it is unknown.", min=0, max=1)
    ] = _BARS.false_positive_rate,
    min_recall: Annotated[
        float, typer.Option(help="Of what is held out; a category below it is unknown.", min=0, max=1)
    ] = _BARS.recall,
    revision: Annotated[
        int | None, typer.Option(help="Of the new file; one more than that of the old one if not set.", min=1)
    ] = None,
    json_: AsJson = False,
) -> None:
    """Find out on labelled pictures and texts what the served model can tell, and write safety.json beside it."""
    from workers.safety.main import calibrate

    settings = load_settings()
    bars = Bars(max_false_positive_rate, min_recall)
    try:
        with _bar() as told:
            found, path = asyncio.run(calibrate(settings, labels, bars, base_rate, revision, told))
    except OSError as error:
        typer.echo(f"{error.filename or settings.model_repository}: {error.strerror or error}", err=True)
        raise typer.Exit(_USAGE) from error
    if json_:
        _echo(calibration_json(found))
        return
    Console().print(calibration_table(found))
    typer.echo(f"{path}: revision {found.revision}. Now `streamscout safety rescore`, for what is stored already")


@safety_app.command("check")
def check_command(json_: AsJson = False) -> None:
    """Show what the model can tell, and whether prompts, calibration and served model agree. Exit 1 if not."""
    from workers.safety.main import check

    settings = load_settings()
    calibration, why, unasked = asyncio.run(check(settings))
    if json_:
        _echo({"calibration": calibration_json(calibration), "disagreement": why or None, "not_asked": unasked or None})
    elif calibration is None:
        typer.echo(f"{settings.model_repository} has no safety.json: every category is unknown")
    else:
        Console().print(calibration_table(calibration))
        typer.echo(f"revision {calibration.revision}: {why or 'prompts and calibration agree'}", err=bool(why))
        if unasked:
            typer.echo(f"the model was not asked: {unasked}", err=True)
    raise typer.Exit(_FAILED if why else 0)


@safety_app.command("rescore")
def rescore_command(
    wait: Annotated[bool, typer.Option(help="Wait until the embedder has scored them all.")] = True,
    json_: AsJson = False,
) -> None:
    """Have stored posts scored by the newest safety.json, from their stored vectors: nothing is fetched or encoded."""
    from workers.safety.main import rescore

    settings = load_settings()
    with _bar() as told:

        def tell(report: Report, total: int) -> None:
            told("posts", report.scored_before + report.removed + report.scored + report.gone, total)

        report = asyncio.run(rescore(settings, wait, tell))
    if json_:
        _echo(asdict(report))
    else:
        for line in report_lines(report):
            typer.echo(line)
    raise typer.Exit(_FAILED if wait and report.left else 0)


def _echo(document: Any) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, a line for each thing that is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {"": bar.add_task("starting", total=None)}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
                bar.update(tasks[""], visible=False)
            bar.update(tasks[what], completed=done, total=total)

        yield told
