"""``streamscout publish``: a plain function that the command line mounts."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, cast

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from workers.config import load_settings
from workers.domain.parse import PUBLISHABLE
from workers.publisher.worker import PublishReport

_FAILED, _USAGE, _UNREACHABLE = 1, 2, 3
_BAR_AFTER_SECONDS: Final = 2.0
_STDIN: Final = Path("-")


def publish(
    topic: Annotated[str, typer.Argument(help=f"One of {', '.join(PUBLISHABLE)}.")],
    file: Annotated[Path, typer.Argument(help="JSON lines, one event a line; - reads standard input.")],
    strict: Annotated[bool, typer.Option("--strict", help="Publish nothing if any line is bad.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Validate the lines of a file and publish the good ones. Exit 1 if any was bad."""
    if topic not in PUBLISHABLE:
        raise _usage(f"{topic!r} is not a topic to publish to; there are: {', '.join(PUBLISHABLE)}")
    # Kafka's client is loaded here: `--help` does without.
    from workers.publisher.main import publish_stream

    settings = load_settings()
    with ExitStack() as stack:
        try:
            stream, size = stack.enter_context(_opened(file, strict))
        except OSError as error:
            raise _usage(f"{file} cannot be read: {error.strerror or error}") from error
        bar = stack.enter_context(_Bar(topic, size))
        report = publish_stream(settings, topic, stream, strict, bar.show)
    if json_:
        typer.echo(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2))
    else:
        _print(report, strict)
    raise typer.Exit(exit_code(report))


def exit_code(report: PublishReport) -> int:
    """0: every line is delivered; 1: a line is not; 3: the broker took none of the good ones."""
    if report.undelivered and not report.delivered:
        return _UNREACHABLE
    return _FAILED if report.bad or report.undelivered else 0


def as_json(report: PublishReport) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "topic": report.topic,
        "lines": report.lines,
        "delivered": report.delivered,
        "bad": [
            {
                "line": bad.number,
                "reason": bad.error.reason,
                "message": bad.error.detail,
                "fields": [{"field": each.field, "message": each.message} for each in bad.error.fields],
            }
            for bad in report.bad
        ],
        "undelivered": [{"line": number, "message": why} for number, why in sorted(report.undelivered.items())],
    }


def _print(report: PublishReport, strict: bool) -> None:
    for bad in report.bad:
        for message in [f"{each.field}: {each.message}" for each in bad.error.fields] or [bad.error.detail]:
            typer.echo(f"line {bad.number}: {message}")
    for why, numbers in undelivered(report).items():
        typer.echo(f"{numbers}: not delivered: {why}")
    kept = " (--strict: nothing was sent)" if strict and report.bad else ""
    counts = f"{report.delivered} delivered, {len(report.bad)} bad, {len(report.undelivered)} not delivered"
    typer.echo(f"{report.topic}: {counts}, of {report.lines} lines{kept}")


def undelivered(report: PublishReport) -> dict[str, str]:
    """Which lines were not delivered, by why: each reason is said once."""
    lines: dict[str, list[int]] = {}
    for number, why in sorted(report.undelivered.items()):
        lines.setdefault(why, []).append(number)
    return {
        why: f"line {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} lines from {numbers[0]} to {numbers[-1]}"
        for why, numbers in lines.items()
    }


def _usage(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(_USAGE)


@contextmanager
def _opened(file: Path, strict: bool) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and its size; standard input has none, and is copied where it must be read twice."""
    if file != _STDIN:
        with file.open("rb") as stream:
            yield stream, file.stat().st_size
    elif not strict:
        yield sys.stdin.buffer, None
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            size = copy.tell()
            copy.seek(0)
            yield cast("BinaryIO", copy), size


class _Bar:
    """A progress bar on standard error, for what takes longer than two seconds."""

    def __init__(self, topic: str, size: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._topic = topic
        self._task = self._progress.add_task(topic, total=size)
        self._from = time.monotonic() + _BAR_AFTER_SECONDS
        self._started = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self._progress.stop()

    def show(self, report: PublishReport, read: int) -> None:
        """Told after each chunk."""
        if not self._started and time.monotonic() >= self._from:
            self._progress.start()
            self._started = True
        text = f"{self._topic}: {report.delivered} delivered, {len(report.bad)} bad"
        self._progress.update(self._task, completed=read, description=text)
